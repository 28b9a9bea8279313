// PUT KEY and DELETE KEY to the security domains of a profile, over SCP03 and over SCP80.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, fromHex, toHex } from '../../base/bytes.ts';
import { Secret } from '../../base/log.ts';
import type { CommandApdu } from '../../codec/apdu.ts';
import { deleteKeyCommand, putKeyCommand } from '../../codec/put-key.ts';
import { decodeResponseScript } from '../../codec/script.ts';
import { aesKeyCheckValue } from '../../crypto/aes.ts';
import { desEcbEncrypt, desKeyCheckValue } from '../../crypto/des.ts';
import { encryptWithDek } from '../../crypto/scp03.ts';
import {
  command,
  DOMAIN_KEYS,
  domainTarget,
  domainWorld,
  openDomain,
  over,
  SUB_KEYS,
  SUB_SD,
  swOf,
  TAR_SUB_SD,
  textOf,
  versions,
} from '../testing/domains.ts';
import { keysetOf, putKeyset } from '../testing/management.ts';
import { sendRemote, spiOf } from '../testing/ota.ts';
import { tearAtEveryWrite } from '../testing/tear.ts';
import { exchange } from '../testing/terminal.ts';

const { des, long, ota, scp03 } = DOMAIN_KEYS;
const NEXT = keysetOf(0x32, 0xa0);

describe("PUT KEY to the operator's security domain", () => {
  test('changes its keys for good, over SCP03; the keys of the others stay', async () => {
    const world = await domainWorld();
    const session = await openDomain(world.card);
    assert.equal(await versions(world.card), '01 04 30 31');
    const checks = [NEXT.enc, NEXT.mac, NEXT.dek].map((key) => toHex(aesKeyCheckValue(key))).join('');
    assert.equal(
      textOf(await session.send(putKeyset(NEXT, scp03.dek, { replaces: 0x30 }))),
      `32${checks} 9000`,
    );
    assert.equal(
      await swOf(exchange(world.card, session.wrap(command('80CA00E0')))),
      '6982',
      'its keys are gone',
    );
    await world.reopen();
    assert.equal(await versions(world.card), '01 04 31 32');
    await assert.rejects(openDomain(world.card, scp03), /6a88/);
    const next = await openDomain(world.card, NEXT);
    assert.equal(textOf(await next.send(command('80CA00C1'))), 'C103000001 9000');
    assert.equal(await versions(world.card, SUB_SD), '01 30');
    await openDomain(world.card, SUB_KEYS, SUB_SD);
  });

  test('over SCP80, AES keys under AES and triple DES keys under triple DES', async () => {
    const { card } = await domainWorld();
    const nextOta = keysetOf(0x02, 0xb0, 24);
    assert.match(await over(card, domainTarget(ota), 7, putKeyset(nextOta, ota.dek)), /^02.{18}9000$/);
    assert.match(await over(card, domainTarget(nextOta), 1, command('80CA00E0')), /9000$/);
    const fresh = keysetOf(0x04, 0xd0, 24);
    const underDes = (dek: Secret<Uint8Array>): CommandApdu =>
      putKeyCommand({
        replaces: 4,
        version: 4,
        identifier: 1,
        keys: [fresh.enc, fresh.mac, fresh.dek].map((key) => ({
          type: 0x80,
          length: 24,
          encrypted: desEcbEncrypt(dek, key.reveal()),
          checkValue: desKeyCheckValue(key),
        })),
      });
    assert.equal(await over(card, domainTarget(des), 9, underDes(ota.dek)), '9485');
    assert.match(await over(card, domainTarget(des), 10, underDes(des.dek)), /^04.{18}9000$/);
    assert.equal(
      await over(card, domainTarget(des), 11, command('80CA00E0')),
      'status 5',
      'another kind of key',
    );
    assert.match(await over(card, domainTarget({ ...fresh, type: 0x80 }), 1, command('80CA00E0')), /9000$/);
    const asScp03 = { ...underDes(fresh.dek), p1: 0 };
    assert.equal(
      await over(card, domainTarget({ ...fresh, type: 0x80 }), 2, {
        ...asScp03,
        data: concat(Uint8Array.of(0x33), asScp03.data.subarray(1)),
      }),
      '6A80',
      'SCP03 has no DES',
    );
  });

  test('needs a checksum under a key: ciphering alone, or nothing, proves nobody', async () => {
    const { card } = await domainWorld();
    const keys = { ...SUB_KEYS, kvn: 1 };
    let counter = 0;
    for (const [spi, read, told] of [
      ['0001', '9000', '6982'],
      ['0401', '9000', '6982'],
      ['0201', '9000', '9000'],
      ['1619', '9000', '9000'],
    ] as const) {
      const target = domainTarget(keys, { tar: TAR_SUB_SD, spi: spiOf(spi) });
      assert.equal((await over(card, target, ++counter, command('80CA00E0'))).slice(-4), read, spi);
      assert.equal((await over(card, target, ++counter, command('80F28002 4F00'))).slice(-4), told, spi);
      const put = putKeyset({ ...NEXT, kvn: 0x35 }, keysetOf(1, 1).dek);
      assert.equal(
        (await over(card, target, ++counter, put)).slice(-4),
        told === '6982' ? told : '9485',
        spi,
      );
    }
  });

  test('is not reached by a script that claims to go on where a proved one ended, and does not end it', async () => {
    const { card } = await domainWorld();
    const keys = { ...SUB_KEYS, kvn: 1 };
    const secure = domainTarget(keys, { tar: TAR_SUB_SD });
    const bare = domainTarget(keys, { tar: TAR_SUB_SD, spi: spiOf('0001') });
    const [first, last] = ['830101', '830103'].map((chaining) =>
      fromHex(`AA0D${chaining}220880F28002024F0000`),
    );
    assert.ok(first && last);
    const responses = async (target: typeof secure, counter: number, data: Uint8Array): Promise<unknown> => {
      const proof = await sendRemote(card, target, counter, data);
      const { chaining, responses: told } = decodeResponseScript(proof.data);
      return chaining ?? told.map((response) => toHex(response).slice(-4));
    };
    assert.deepEqual(await responses(secure, 1, first), ['9000']);
    assert.deepEqual(await responses(bare, 0, last), 1, 'there is no script before it');
    assert.deepEqual(await responses(secure, 2, last), ['9000']);
  });

  const faults: readonly (readonly [string, CommandApdu, string])[] = [
    ['another DEK', putKeyset(NEXT, long.dek), '9485'],
    ['a version that is not there to be replaced', putKeyset(NEXT, scp03.dek, { replaces: 0x3f }), '6a88'],
    ['a version that is there to be added', putKeyset({ ...NEXT, kvn: 0x31 }, scp03.dek), '6985'],
    ['the version of a set for another protocol', putKeyset({ ...NEXT, kvn: 0x40 }, scp03.dek), '6a80'],
    ['the keys that are there already', putKeyset({ ...long, kvn: 0x33 }, scp03.dek), '6a80'],
    ['an identifier beyond three', { ...putKeyset(NEXT, scp03.dek), p2: 0x84 }, '6a86'],
    ['keys of two lengths', putKeyset({ ...NEXT, mac: keysetOf(1, 1, 32).mac }, scp03.dek), '6a80'],
    [
      'single DES',
      putKeyCommand({
        replaces: 4,
        version: 4,
        identifier: 1,
        keys: [
          {
            type: 0x80,
            length: 8,
            encrypted: encryptWithDek(scp03.dek, new Secret(new Uint8Array(8).fill(1))),
            checkValue: desKeyCheckValue(new Secret(new Uint8Array(8).fill(1))),
          },
        ],
      }),
      '6a80',
    ],
    ['DES in a set of AES keys', singleDes(0x30), '6a80'],
  ];
  for (const [name, apdu, sw] of faults) {
    test(`refuses ${name}, and leaves the keys as they are`, async () => {
      const { card } = await domainWorld();
      const session = await openDomain(card);
      assert.equal(await swOf(session.send(apdu)), sw);
      assert.equal(await versions(card), '01 04 30 31');
      await openDomain(card);
    });
  }

  test('ends the session that somebody else has under the keys that it replaces', async () => {
    const { card } = await domainWorld();
    const other = await openDomain(card);
    const session = await openDomain(card);
    const inPlace = { ...NEXT, kvn: 0x30 };
    assert.equal(await swOf(session.send(putKeyset(inPlace, scp03.dek, { replaces: 0x30 }))), '9000');
    assert.equal(await swOf(exchange(card, other.wrap(command('80CA00E0')))), '6982');
    assert.equal(textOf(await session.send(command('80CA00C1'))), 'C103000000 9000', 'but not its own');
    assert.equal(await swOf(session.send(putKeyset(keysetOf(0x33, 0x11), inPlace.dek))), '9000');
  });
});

function singleDes(version: number): CommandApdu {
  const key = new Secret(new Uint8Array(16).fill(7));
  const field = {
    type: 0x80,
    length: 16,
    encrypted: encryptWithDek(scp03.dek, key),
    checkValue: desKeyCheckValue(key),
  };
  return putKeyCommand({ replaces: version, version, identifier: 2, keys: [field] });
}

test('DELETE KEY removes a keyset of the security domain, never the one in use', async () => {
  const { card } = await domainWorld();
  const session = await openDomain(card);
  assert.equal(await swOf(session.send(deleteKeyCommand(0x30))), '6985');
  assert.equal(await swOf(session.send(deleteKeyCommand(0x3a))), '6a88');
  assert.equal(await swOf(session.send(deleteKeyCommand(0x01))), '9000');
  assert.equal(await versions(card), '04 30 31');
  assert.equal(await over(card, domainTarget(ota), 1, command('80CA00E0')), 'status 6');
});

for (const [name, apdu, after] of [
  ['PUT KEY that replaces', putKeyset(NEXT, scp03.dek, { replaces: 0x30 }), '01 04 31 32'],
  ['PUT KEY that adds', putKeyset(NEXT, scp03.dek), '01 04 30 31 32'],
  ['DELETE KEY', deleteKeyCommand(0x31), '01 04 30'],
] as const) {
  test(`the keys of the operator's security domain are whole wherever the power is cut in ${name}`, () =>
    tearAtEveryWrite<string>({
      name,
      before: '01 04 30 31',
      after,
      world: () => domainWorld(),
      async arrange({ card }) {
        const session = await openDomain(card);
        return () => session.send(apdu);
      },
      async observe({ card }) {
        const found = await versions(card);
        await openDomain(card, found.includes('30') ? scp03 : NEXT);
        return found;
      },
    }));
}
