import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAgentError } from '../../base/errors.ts';
import { QUIRKS } from './quirk-table.ts';
import { createQuirks, deviations, parseQuirk } from './quirks.ts';

test('a setting of every kind is read', () => {
  assert.deepEqual(parseQuirk('simSleep'), { simSleep: true });
  assert.deepEqual(parseQuirk('simSleep=off'), { simSleep: false });
  assert.deepEqual(parseQuirk('lineEnd=cr'), { lineEnd: 'cr' });
  assert.deepEqual(parseQuirk('leakHang=3'), { leakHang: 3 });
  assert.deepEqual(parseQuirk('missing=+CCHO,+CGLA'), { missing: ['+CCHO', '+CGLA'] });
  assert.deepEqual(parseQuirk('slotCommand=AT^SWITCH_SLOT=1'), { slotCommand: 'AT^SWITCH_SLOT=1' });
});

test('a setting that is none is refused with what was expected', () => {
  for (const setting of ['none=1', 'lineEnd=tab', 'leakHang=x', 'leakHang=21', 'simSleep=maybe', '']) {
    assert.throws(
      () => parseQuirk(setting),
      (error) => isAgentError(error, 'CONFIG_INVALID'),
      setting,
    );
  }
});

test('without settings a modem is as the standards have it', () => {
  const standard = createQuirks();
  assert.equal(standard.sessionIds, 'numbers');
  assert.deepEqual(standard.missing, []);
  assert.deepEqual(Object.keys(standard), Object.keys(QUIRKS));
});

test('every switch has settings to try, and each of them can be given on a command line', () => {
  const tried = new Set<string>();
  for (const { name, label, quirks } of deviations()) {
    tried.add(name);
    assert.deepEqual(parseQuirk(label)[name], quirks[name], label);
  }
  assert.deepEqual([...tried], Object.keys(QUIRKS));
});
