import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CborFields } from '../codec/cbor-table.ts';
import { WIRE_TABLES } from '../codec/wire.ts';
import { wireCddl } from './wire-cddl.ts';

test('the description of the wire has a rule for every message, with every key and no type left open', () => {
  const rules = new Map(
    wireCddl()
      .split('\n}\n')
      .map((rule) => [/^  0 => (\d+), ; (\w+)$/m.exec(rule)?.slice(1).join(' '), rule]),
  );
  const tables: Readonly<Record<string, readonly [number, CborFields]>>[] = [
    WIRE_TABLES.up,
    WIRE_TABLES.down,
  ];
  for (const bodies of tables) {
    for (const [is, [type, fields]] of Object.entries(bodies)) {
      const rule = rules.get(`${type} ${is}`) ?? '';
      const keys = [...rule.matchAll(/^ {2}(?:\? )?(\d+) => (?!any)/gm)].map(([, key]) => Number(key));
      const expected = [...Object.values(WIRE_TABLES.header), ...Object.values(fields)].map(({ key }) => key);
      assert.deepEqual(keys, expected, is);
    }
  }
});
