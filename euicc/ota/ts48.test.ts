// Packets that another implementation made for the keys of GSMA's TS.48 profiles, sent to a card that holds such a profile.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fromHex, toHex, uintBytes } from '../../base/bytes.ts';
import { Secret } from '../../base/log.ts';
import { encodeIccid, encodeImsi, parseImsi } from '../../codec/ids.ts';
import { decodeCompactResponse } from '../../codec/remote-commands.ts';
import { decodeResponseScript } from '../../codec/script.ts';
import type { Scp80Key } from '../../crypto/scp80.ts';
import { openProofOfReceipt, type ProofOfReceipt, type Scp80Target } from '../../crypto/scp80-host.ts';
import { loadProfilePackage } from '../profile-loader.ts';
import { deliver, script, sendRemote, spiOf } from '../testing/ota.ts';
import { raw } from '../testing/terminal.ts';
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

/** A file of each application: what the script writes over its first octets, and how the terminal reaches it. */
const FILES = [
  { tar: 'B00120', fid: '2F05', select: [] },
  { tar: 'B00140', fid: '6F07', select: ['A0000000871002FF49FF0589'] },
  { tar: 'B00141', fid: '6F02', select: ['A0000000871004FF49FF0589'] },
  { tar: 'B00142', fid: '6F22', select: ['A0000003431002F310FFFF89020000FF'] },
] as const;

test('a script under the keys of every TS.48 package changes a file under the MF, of USIM, ISIM and CSIM, at the level it asks for and no lower', async (t) => {
  if (!existsSync(FOLDER)) return t.skip('no shared test data');
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.der'));
  assert.equal(names.length, 6);
  for (const name of names) {
    const upp = new Uint8Array(readFileSync(`${FOLDER}/${name}`));
    const loaded = loadProfilePackage(upp);
    assert.ok(loaded.ok);
    const { iccid, rfms, securityDomains } = loaded.profile;
    const world = await createWorld({ profiles: [{ upp, metadata: sampleMetadata(iccid), enabled: true }] });
    const level = Math.max(...rfms.map((each) => each.minimumSecurityLevel));
    assert.deepEqual([...new Set(rfms.map((each) => each.minimumSecurityLevel))], [level]);
    assert.equal(level, /V[12]-/.test(name) ? 0x06 : 0x02, name);
    const counters = new Map<number, number>();
    for (const { tar, fid, select } of FILES) {
      for (const keyset of [1, 2]) {
        const keys = securityDomains[0]?.keys.filter(({ version }) => version === keyset) ?? [];
        const key = (identifier: number): Scp80Key => {
          const [component] = keys.find((each) => each.identifier === identifier)?.components ?? [];
          assert.ok(component !== undefined, `${name}: key ${identifier} of ${keyset}`);
          return { algorithm: component.type === 0x88 ? 'aes' : 'des', key: component.data };
        };
        const octets = `${keyset}1${keyset}2`;
        const run = async (spi: string): Promise<ProofOfReceipt> => {
          const counter = (counters.get(keyset) ?? 0x100) + 1;
          counters.set(keyset, counter);
          const target = { tar: fromHex(tar), keyset, keys: { kic: key(1), kid: key(2) }, spi: spiOf(spi) };
          const commands = [`00A4000C02${fid}`, `00D6000002${octets}`];
          return sendRemote(world.card, target, counter, script(...commands));
        };
        const what = `${name} ${tar} ${keyset}`;
        const lower = await run(level === 0x06 ? '1201' : '1401');
        assert.equal(lower.status, 0x0a, what);
        const done = await run(level === 0x06 ? '1601' : '1201');
        assert.equal(done.status, 0, what);
        assert.deepEqual(decodeResponseScript(done.data).responses.map(toHex), ['9000', '9000'], what);
        await world.card.reset();
        for (const aid of select)
          await raw(world.card, `00A4040C${toHex(uintBytes(aid.length / 2, 1))}${aid}`);
        assert.equal(await raw(world.card, `00A4000C02${fid}`), '9000', what);
        assert.equal(await raw(world.card, '00B0000002'), `${octets}9000`, what);
      }
    }
    await world.card.close();
  }
});
