// The ISD-R, the ECASD and the ISD-Ps as security domains: who is there, which keys, and how keys change.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import type { Secret } from '../../base/log.ts';
import type { CommandApdu, ResponseApdu } from '../../codec/apdu.ts';
import { deleteKeyCommand, type PutKeyField } from '../../codec/put-key.ts';
import { encodeCommandApdu } from '../../codec/apdu.ts';
import { decodeResponseScript, encodeCommandScript } from '../../codec/script.ts';
import { DeleteProfileRequest } from '../../codec/rsp/profile-management.ts';
import { aesKeyCheckValue } from '../../crypto/aes.ts';
import { encryptWithDek } from '../../crypto/scp03.ts';
import { createScp03Host } from '../../crypto/scp03-host.ts';
import { type Keyset, keysetOf, openManagement, putKeyset } from '../testing/management.ts';
import { otaWorld, sendRemote, TAR, targetOf } from '../testing/ota.ts';
import { tearAtEveryWrite } from '../testing/tear.ts';
import { exchange, openIsdR, raw, selectAid } from '../testing/terminal.ts';
import { createWorld, ICCID_A, ISD_R_KEYS, sampleMetadata, samplePackage } from '../testing/world.ts';

const DEK = ISD_R_KEYS.dek;
const NEXT = keysetOf(0x31, 0x80);

function command(hex: string): CommandApdu {
  const [cla = 0, ins = 0, p1 = 0, p2 = 0, ...data] = fromHex(hex.replaceAll(' ', ''));
  return { cla, ins, p1, p2, data: Uint8Array.from(data), le: 256 };
}

const swOf = async (answer: Promise<ResponseApdu>): Promise<string> => (await answer).sw.toString(16);
const textOf = ({ data, sw }: ResponseApdu): string => `${toHex(data)} ${sw.toString(16)}`;

/** Versions of the keysets, out of the key information template. */
async function versions(slot: Parameters<typeof openIsdR>[0]): Promise<string> {
  const { channel } = await openIsdR(slot);
  const { data } = await exchange(slot, { ...command('80CA00E0'), cla: 0x80 | channel });
  return [...toHex(data).matchAll(/C00401(..)88/g)].map(([, version]) => version).join(' ');
}

describe('security domains', () => {
  test('are told by GET STATUS to who has a key, and to nobody else', async () => {
    const { card } = await createWorld();
    const session = await openManagement(card, ISD_R_KEYS);
    assert.equal(
      textOf(await session.send(command('80F28002 4F00'))),
      'E31B4F10A0000005591010FFFFFFFF89000001009F70010FC503804000 9000',
    );
    assert.equal(
      textOf(await session.send(command('80F24002 4F00'))),
      'E31B4F10A0000005591010FFFFFFFF89000002009F70010FC503800100' +
        'E31B4F10A0000005591010FFFFFFFF89000010009F70013FC503800000 9000',
    );
    assert.equal(await swOf(session.send(command('80F24002 4F02A111'))), '6a88');
    await selectAid(card, fromHex('A0000005591010FFFFFFFF8900000100'));
    assert.equal(await raw(card, '80F28002024F0000'), '6982');
  });

  test('are selected, each by its AID, and tell their keys without their values', async () => {
    const { card } = await createWorld();
    const select = async (last: string): Promise<string> =>
      textOf(await selectAid(card, fromHex(`A0000005591010FFFFFFFF8900${last}`)));
    await select('000100');
    assert.equal(await raw(card, '80CA00E000'), 'E012C00401308810C00402308810C004033088109000');
    assert.equal(
      await raw(card, '80CA006600'),
      '6630732E06072A864886FC6B01600B06092A864886FC6B020203630906072A864886FC6B03640B06092A864886FC6B0403709000',
    );
    assert.match(await raw(card, '80CAFF2100'), /^FF210F8101018204[0-9A-F]{8}8304000020009000$/);
    assert.equal(await select('000200'), '6F188410A0000005591010FFFFFFFF8900000200A5049F6501FF 9000');
    assert.match(await raw(card, '80CA005A00'), /^5A10[0-9]{32}9000$/);
    assert.equal(await raw(card, '80CA00E000'), 'E0009000');
    assert.equal(await raw(card, '80CA00C100'), '6A88');
    assert.equal(await raw(card, '8050000008010203040506070800'), '6D00');
    assert.equal(await select('001000'), '6F188410A0000005591010FFFFFFFF8900001000A5049F6501FF 9000');
    assert.equal(await raw(card, '80CA00E000'), 'E0009000');
    assert.equal(
      await raw(card, '8050300008010203040506070800'),
      '6A88',
      'there is no key to open a session with',
    );
    assert.equal(await raw(card, '80D8000000'), '6982');
    assert.equal(await raw(card, '80E2910003BF2000'), '6D00');
    assert.equal(await select('001100'), ' 6a82');
  });
});

describe('PUT KEY', () => {
  for (const octets of [16, 24, 32]) {
    test(`adds a keyset of AES-${octets * 8}, which opens a session after its receipt`, async () => {
      const world = await createWorld();
      const { card } = world;
      const next = keysetOf(0x31, 0x80, octets);
      const session = await openManagement(card, ISD_R_KEYS);
      const receipt = await session.send(putKeyset(next, DEK));
      const checks = [next.enc, next.mac, next.dek].map((key) => toHex(aesKeyCheckValue(key))).join('');
      assert.equal(textOf(receipt), `31${checks} 9000`);
      await world.reopen();
      for (const counter of ['000001', '000002']) {
        const under = await openManagement(world.card, next);
        assert.equal(textOf(await under.send(command('80CA00C1'))), `C103${counter} 9000`);
      }
      assert.equal(await versions(world.card), '30 31');
    });
  }

  test('replaces a keyset by another version, whose counter begins anew; the old keys open nothing', async () => {
    const { card } = await createWorld();
    const session = await openManagement(card, ISD_R_KEYS);
    assert.equal(await swOf(session.send(putKeyset(NEXT, DEK, { replaces: 0x30 }))), '9000');
    assert.equal(await versions(card), '31');
    await assert.rejects(openManagement(card, ISD_R_KEYS), /6a88/);
    await assert.rejects(openManagement(card, { ...ISD_R_KEYS, kvn: 0x31 }), /cryptogram/);
    await openManagement(card, NEXT);
  });

  test('changes one key of a set; only a DEK leaves the counter as it is', async () => {
    const { card } = await createWorld();
    const session = await openManagement(card, ISD_R_KEYS);
    const single = (identifier: number, key: Secret<Uint8Array>): CommandApdu => {
      const field: PutKeyField = {
        type: 0x88,
        length: 16,
        encrypted: encryptWithDek(DEK, key),
        checkValue: aesKeyCheckValue(key),
      };
      return putKeyset(NEXT, DEK, { replaces: 0x30, version: 0x30, identifier, keys: [field] });
    };
    const counter = async (): Promise<string> => textOf(await session.send(command('80CA00C1')));
    assert.equal(await swOf(session.send(single(2, NEXT.mac))), '9000');
    assert.equal(await counter(), 'C103000000 9000');
    const mixed = { ...ISD_R_KEYS, mac: NEXT.mac };
    const again = await openManagement(card, mixed);
    assert.equal(await swOf(again.send(single(3, NEXT.dek))), '9000');
    assert.equal(await counter(), 'C103000001 9000');
    const last = await openManagement(card, mixed);
    assert.equal(await swOf(last.send(putKeyset(keysetOf(0x32, 0x90), NEXT.dek))), '9000');
  });

  test('takes a cryptogram without the length in front of it, as some send it', async () => {
    const { card } = await createWorld();
    const session = await openManagement(card, ISD_R_KEYS);
    const data = fromHex(
      `31${[NEXT.enc, NEXT.mac, NEXT.dek]
        .map((key) => `8810${toHex(encryptWithDek(DEK, key))}03${toHex(aesKeyCheckValue(key))}`)
        .join('')}`,
    );
    assert.equal(await swOf(session.send({ cla: 0x80, ins: 0xd8, p1: 0, p2: 0x81, data, le: 256 })), '9000');
    await openManagement(card, NEXT);
  });

  const bare = putKeyset(NEXT, DEK);
  const fields = (change: Partial<PutKeyField>): CommandApdu => {
    const keys = [NEXT.enc, NEXT.mac, NEXT.dek].map((key) => ({
      type: 0x88,
      length: 16,
      encrypted: encryptWithDek(DEK, key),
      checkValue: aesKeyCheckValue(key),
      ...change,
    }));
    return putKeyset(NEXT, DEK, { keys });
  };
  const faults: readonly (readonly [string, CommandApdu, string])[] = [
    ['another DEK', putKeyset(NEXT, NEXT.dek), '9485'],
    ['a wrong check value', fields({ checkValue: fromHex('000000') }), '9485'],
    ['no check value', fields({ checkValue: new Uint8Array() }), '6a80'],
    ['a key that is no AES key', fields({ type: 0x80 }), '9484'],
    ['a length that no AES key has', fields({ length: 15 }), '6a80'],
    ['a version that is not there to be replaced', { ...bare, p1: 0x33 }, '6a88'],
    ['a version that is there to be added', putKeyset({ ...NEXT, kvn: 0x30 }, DEK), '6985'],
    ['a version for another protocol', putKeyset({ ...NEXT, kvn: 0x20 }, DEK), '6a80'],
    ['more commands to come', { ...bare, p1: 0x80 }, '6a86'],
    ['an identifier that no key of a set has', { ...bare, p2: 0x84 }, '6a86'],
    ['keys beyond the third', { ...bare, p2: 0x82 }, '6a80'],
    ['several keys announced as one', { ...bare, p2: 0x01 }, '6a80'],
    ['a new keyset without all keys', { ...bare, data: bare.data.subarray(0, 1 + 23) }, '6a80'],
    ['a key that is cut', { ...bare, data: bare.data.subarray(0, -1) }, '6a80'],
    ['nothing', { ...bare, data: new Uint8Array() }, '6a80'],
    ['the keys that are there already', putKeyset({ ...ISD_R_KEYS, kvn: 0x31 }, DEK), '6a80'],
  ];
  for (const [name, apdu, sw] of faults) {
    test(`refuses ${name}, and leaves the keys as they are`, async () => {
      const { card } = await createWorld();
      const session = await openManagement(card, ISD_R_KEYS);
      assert.equal(await swOf(session.send(apdu)), sw);
      assert.equal(await versions(card), '30');
      await openManagement(card, ISD_R_KEYS);
    });
  }

  test('needs a secure channel, and room', async () => {
    const { card } = await createWorld();
    const { channel } = await openIsdR(card);
    assert.equal(await swOf(exchange(card, { ...putKeyset(NEXT, DEK), cla: 0x80 | channel })), '6982');
    const session = await openManagement(card, ISD_R_KEYS);
    for (let i = 1; i < 8; i++) {
      assert.equal(await swOf(session.send(putKeyset(keysetOf(0x30 + i, 16 * i), DEK))), '9000');
    }
    assert.equal(await swOf(session.send(putKeyset(keysetOf(0x38, 0xa5), DEK))), '6a84');
  });

  test('over SCP80 under a keyset whose own replacement ends its counter', async () => {
    const { card } = await otaWorld();
    const over = async (counter: number, keys: Keyset, apdu: CommandApdu): Promise<string> => {
      const aes = (key: Secret<Uint8Array>) => ({ algorithm: 'aes', key }) as const;
      const target = targetOf(TAR.isdR, {
        keyset: keys.kvn,
        keys: { kic: aes(keys.enc), kid: aes(keys.mac) },
      });
      const script = encodeCommandScript([encodeCommandApdu(apdu)]);
      const proof = await sendRemote(card, target, counter, script);
      if (proof.status !== 0) return `status ${proof.status}`;
      return toHex(decodeResponseScript(proof.data).responses[0] ?? new Uint8Array()).slice(-4);
    };
    const first = { ...ISD_R_KEYS, kvn: 1 };
    const second = keysetOf(1, 0x80);
    const third = keysetOf(2, 0x20, 32);
    assert.equal(await over(40, first, putKeyset(second, DEK, { replaces: 1 })), '9000');
    assert.equal(await over(41, first, command('80CA00E0')), 'status 1');
    assert.equal(await over(1, second, putKeyset(third, second.dek)), '9000');
    assert.equal(await over(1, second, command('80CA00E0')), 'status 2');
    assert.equal(await over(1, third, deleteKeyCommand(2)), '6985');
    assert.equal(await over(2, third, deleteKeyCommand(1)), '9000');
    assert.equal(await over(2, second, command('80CA00E0')), 'status 6');
    assert.equal(await over(3, third, putKeyset(second, third.dek)), '9000');
    assert.equal(await over(1, second, command('80CA00E0')), '9000', 'new keys count from the beginning');
  });
});

test('an ISD-P whose profile is deleted while it is selected says nothing any more', async () => {
  const { card } = await createWorld({ profiles: [] });
  assert.equal((await selectAid(card, fromHex('A0000005591010FFFFFFFF8900001000'))).sw, 0x6a82);
  const world = await createWorld({
    profiles: [{ upp: samplePackage(ICCID_A), metadata: sampleMetadata(ICCID_A), enabled: false }],
  });
  await selectAid(world.card, fromHex('A0000005591010FFFFFFFF8900001000'));
  assert.equal(await raw(world.card, '80CA00E000'), 'E0009000');
  const isdR = await openIsdR(world.card);
  await isdR.es10(DeleteProfileRequest.encode({ is: 'iccid', value: ICCID_A }));
  assert.equal(await raw(world.card, '80CA00E000'), '6985');
  assert.equal((await selectAid(world.card, fromHex('A0000005591010FFFFFFFF8900001000'))).sw, 0x6a82);
});

describe('DELETE KEY', () => {
  test('removes a whole keyset, never the one in use and never the last', async () => {
    const { card } = await createWorld();
    const session = await openManagement(card, ISD_R_KEYS);
    await session.send(putKeyset(NEXT, DEK));
    const next = await openManagement(card, NEXT);
    for (const [hex, sw] of [
      ['80E40000 D20131', '6985'],
      ['80E40000 D20132', '6a88'],
      ['80E40000 D00101D20130', '6985'],
      ['80E40000 D00101', '6985'],
      ['80E40001 D20130', '6a86'],
      ['80E40000 4F10A0000005591010FFFFFFFF8900001000', '6a80'],
      ['80E40000 D2023030', '6a80'],
      ['80E40000 D2', '6a80'],
      ['80E40000 D20130', '9000'],
    ] as const) {
      assert.equal(await swOf(next.send(command(hex))), sw, hex);
    }
    assert.equal(await versions(card), '31');
    await assert.rejects(openManagement(card, ISD_R_KEYS), /6a88/);
    assert.equal(
      await swOf(session.send(command('80F28002 4F00'))),
      '6982',
      'a session of keys that are gone',
    );
    assert.equal(await swOf(next.send(deleteKeyCommand(0x31))), '6985', 'the last');
  });
});

describe('the sequence counter', () => {
  test('is spent once, though two channels have begun a session with it', async () => {
    const { card } = await createWorld();
    const first = await openIsdR(card);
    const second = await openIsdR(card);
    const host = createScp03Host({
      keys: ISD_R_KEYS,
      keyVersion: 0x30,
      level: 0x03,
      hostChallenge: new Uint8Array(8),
    });
    const on = (channel: number, apdu: CommandApdu): Promise<ResponseApdu> =>
      exchange(card, { ...apdu, cla: apdu.cla | channel });
    host.accept((await on(first.channel, host.initializeUpdate)).data);
    await on(second.channel, host.initializeUpdate);
    const recorded = host.externalAuthenticate();
    assert.equal((await on(first.channel, recorded)).sw, 0x9000);
    assert.equal((await on(second.channel, recorded)).sw, 0x6985);
  });

  test('ends: a keyset that has counted to its end opens no session any more', async () => {
    const last = { ...ISD_R_KEYS, sequenceCounter: 0xfffffe };
    const { card } = await createWorld({ isdRKeys: last });
    await openManagement(card, ISD_R_KEYS);
    await assert.rejects(openManagement(card, ISD_R_KEYS), /6985/);
  });
});

test('the keys are the old or the new ones, whole, wherever the power is cut', () =>
  tearAtEveryWrite<string>({
    name: 'PUT KEY that replaces',
    before: '30',
    after: '31',
    world: () => createWorld(),
    async arrange({ card }) {
      const session = await openManagement(card, ISD_R_KEYS);
      return () => session.send(putKeyset(NEXT, DEK, { replaces: 0x30 }));
    },
    async observe({ card }) {
      const found = await versions(card);
      await openManagement(card, found === '30' ? ISD_R_KEYS : NEXT);
      return found;
    },
  }));
