// Packets that another implementation made for the keys of GSMA's TS.48 profiles, sent to a card that holds such a profile.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { Secret } from '../../base/log.ts';
import { encodeIccid, encodeImsi, parseImsi } from '../../codec/ids.ts';
import { decodeCompactResponse } from '../../codec/remote-commands.ts';
import type { Scp80Key } from '../../crypto/scp80.ts';
import { openProofOfReceipt, type Scp80Target } from '../../crypto/scp80-host.ts';
import { loadProfilePackage } from '../profile-loader.ts';
import { deliver, spiOf } from '../testing/ota.ts';
import { createWorld, sampleMetadata } from '../testing/world.ts';

const FOLDER = '../shared/testdata/ts48';
const VECTORS = '../shared/testdata/vectors/ota-sms.json';

type Case = {
  name: string;
  tar: string;
  spiHex: string;
  encodedCmd: string;
  keyset: { kicIdx: number; kic: string; kid: string; algoCrypt: string; counter: number };
};

test('the published packets for TS.48 profiles are executed, and only once where they count', async (t) => {
  if (!existsSync(FOLDER) || !existsSync(VECTORS)) return t.skip('no shared test data');
  const { ts48Keysets } = JSON.parse(readFileSync(VECTORS, 'utf8')) as { ts48Keysets: { cases: Case[] } };
  const names = readdirSync(FOLDER).filter((name) => name.startsWith('TS48v5') && name.endsWith('.der'));
  assert.equal(names.length, 2);
  for (const name of names) {
    const upp = new Uint8Array(readFileSync(`${FOLDER}/${name}`));
    const loaded = loadProfilePackage(upp);
    assert.ok(loaded.ok);
    const { iccid } = loaded.profile;
    const world = await createWorld({ profiles: [{ upp, metadata: sampleMetadata(iccid), enabled: true }] });
    let spent = 0;
    for (const { encodedCmd, keyset, name: case_, spiHex, tar } of ts48Keysets.cases) {
      const key = (hex: string): Scp80Key => ({
        algorithm: keyset.algoCrypt.startsWith('aes') ? 'aes' : 'des',
        key: new Secret(fromHex(hex)),
      });
      const target: Scp80Target = {
        tar: fromHex(tar),
        keyset: keyset.kicIdx,
        keys: { kic: key(keyset.kic), kid: key(keyset.kid) },
        spi: spiOf(spiHex),
      };
      const { data, sw } = await deliver(world.card, fromHex(encodedCmd));
      assert.equal(sw, 0x9000, case_);
      const por = openProofOfReceipt(target, data);
      assert.deepEqual([por.authentic, por.counter], [true, keyset.counter], case_);
      // Two cases of each keyset have the same counter: the second one is a replay.
      if (por.status === 2) {
        spent++;
        continue;
      }
      assert.equal(por.status, 0, case_);
      const { data: read, executed, sw: last } = decodeCompactResponse(por.data);
      assert.deepEqual([executed, last], [2, 0x9000], case_);
      const imsi = encodeImsi(parseImsi('001010123456063'));
      const expected = tar === 'b00120' ? encodeIccid(iccid) : imsi;
      assert.equal(toHex(read.subarray(0, expected.length)), toHex(expected), case_);
    }
    assert.equal(spent, 2);
    await world.card.close();
  }
});
