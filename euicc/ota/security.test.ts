// What a packet must bring: keys of every kind, checks, counters, the level that the application asks for; and what it gets back
// (ETSI TS 102 225, 5).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import type { CardSlot } from '../../codec/card.ts';
import { POR_STATUS, porStatusName } from '../../codec/secured-packet.ts';
import { COUNTER_MAX, type Scp80Key } from '../../crypto/scp80.ts';
import { openProofOfReceipt, type Scp80Target, sealRemoteCommand } from '../../crypto/scp80-host.ts';
import { sealCommand } from '../../crypto/scp80-command.ts';
import {
  deliver,
  es10Script,
  KEYSETS,
  otaWorld,
  otherDomainTarget,
  script,
  sendRemote,
  spiOf,
  TAR,
  targetOf,
} from '../testing/ota.ts';
import {
  DeleteProfileRequest,
  DisableProfileRequest,
  EnableProfileRequest,
} from '../../codec/rsp/profile-management.ts';
import { ICCID_A } from '../testing/world.ts';
import { osCard } from '../testing/os-card.ts';

const READ_ICCID = '00A40000022FE2 00B000000A';
const DONE = '029000988812010000000010F9';
const FILES = targetOf(TAR.files);

/** Name of the status and whether it is authentic. */
async function outcome(card: CardSlot, target: Scp80Target, counter: number): Promise<string> {
  const por = await sendRemote(card, target, counter, READ_ICCID);
  if (por.status === POR_STATUS.porOk) assert.equal(toHex(por.data), DONE);
  else assert.equal(por.data.length, 0);
  return `${porStatusName(por.status)}${por.authentic ? '' : ' (unprotected)'}`;
}

test('keysets of AES-128, -192, -256, 2-key and 3-key 3DES all work, each with its own counter', async () => {
  const { card } = await otaWorld();
  for (const [version, keys] of Object.entries(KEYSETS)) {
    const target = targetOf(TAR.files, { keyset: Number(version), keys });
    const first = version === '2' ? 0x101 : 1;
    assert.equal(await outcome(card, target, first), 'porOk', version);
    assert.equal(await outcome(card, target, first), 'counterLow', version);
  }
});

test("a keyset's counter begins where the profile says", async () => {
  const { card } = await otaWorld();
  const target = targetOf(TAR.files, { keyset: 2, keys: KEYSETS[2] });
  assert.equal(await outcome(card, target, 0x100), 'counterLow');
  assert.equal(await outcome(card, target, 0x101), 'porOk');
});

test('the counter survives a reset and a power cut, and is one for all applications of its domain', async () => {
  const world = await otaWorld();
  assert.equal(await outcome(world.card, FILES, 5), 'porOk');
  await world.card.reset();
  assert.equal(await outcome(world.card, FILES, 5), 'counterLow');
  await world.reopen();
  assert.equal(await outcome(world.card, FILES, 5), 'counterLow');
  assert.equal(await outcome(world.card, { ...FILES, tar: TAR.open }, 4), 'counterLow');
  assert.equal(await outcome(world.card, { ...FILES, tar: TAR.open }, 6), 'porOk');
  assert.equal(await outcome(world.card, otherDomainTarget(TAR.orphan), 1), 'porOk');
});

test('"higher" takes any gap, "next" takes none, "available" and "none" take anything and change nothing', async () => {
  const { card } = await otaWorld();
  const open = (spi: string): Scp80Target => targetOf(TAR.open, { spi: spiOf(spi) });
  assert.equal(await outcome(card, open('1619'), 10), 'porOk');
  assert.equal(await outcome(card, open('1619'), 10), 'counterLow');
  assert.equal(await outcome(card, open('1619'), 9), 'counterLow');
  assert.equal(await outcome(card, open('1E19'), 12), 'counterHigh');
  assert.equal(await outcome(card, open('1E19'), 10), 'counterLow');
  assert.equal(await outcome(card, open('1E19'), 11), 'porOk');
  assert.equal(await outcome(card, open('0E19'), 500), 'porOk');
  assert.equal(await outcome(card, open('0619'), 0), 'porOk');
  assert.equal(await outcome(card, open('0619'), 0), 'porOk');
  assert.equal(await outcome(card, open('1E19'), 12), 'porOk');
});

test('a counter at its end blocks the keyset for good', async () => {
  const { card } = await otaWorld();
  assert.equal(await outcome(card, FILES, COUNTER_MAX), 'porOk');
  for (const counter of [0, 7, COUNTER_MAX]) {
    assert.equal(await outcome(card, FILES, counter), 'counterBlocked');
  }
});

describe('a refusal says why, unprotected where nothing is proved about the packet', () => {
  const cases: readonly (readonly [name: string, target: Scp80Target, expected: string])[] = [
    ['a TAR that nobody has', { ...FILES, tar: fromHex('B0FFFF') }, 'tarUnknown (unprotected)'],
    ['no ciphering', { ...FILES, spi: spiOf('1219') }, 'insufficientSecurityLevel (unprotected)'],
    ['a redundancy check', { ...FILES, spi: spiOf('1519') }, 'insufficientSecurityLevel (unprotected)'],
    ['no counter', { ...FILES, spi: spiOf('0619') }, 'insufficientSecurityLevel (unprotected)'],
    ['a keyset that is not there', { ...FILES, keyset: 6 }, 'unidentifiedSecurityError (unprotected)'],
    ['the keys of another domain', { ...otherDomainTarget(TAR.files) }, 'integrityFailed (unprotected)'],
    [
      'a key of another kind under that version',
      targetOf(TAR.files, { keyset: 1, keys: KEYSETS[4] }),
      'cipheringError (unprotected)',
    ],
    [
      'the right ciphering and a wrong checksum',
      { ...FILES, keys: { ...FILES.keys, kid: { algorithm: 'aes', key: new Secret(new Uint8Array(16)) } } },
      'integrityFailed (unprotected)',
    ],
    [
      'the ISD-R without ciphering',
      targetOf(TAR.isdR, { spi: spiOf('1219') }),
      'insufficientSecurityLevel (unprotected)',
    ],
    [
      'the ISD-R by another version',
      targetOf(TAR.isdR, { keyset: 2 }),
      'unidentifiedSecurityError (unprotected)',
    ],
  ];
  for (const [name, target, expected] of cases) {
    test(name, async () => {
      const { card } = await otaWorld();
      const { data } = await deliver(card, sealRemoteCommand(target, 1, fromHex('00A40000022FE2')));
      const por = openProofOfReceipt({ ...FILES, tar: target.tar }, data);
      assert.equal(`${porStatusName(por.status)}${por.authentic ? '' : ' (unprotected)'}`, expected);
      // Nothing was spent: the next good packet has the same counter.
      assert.equal((await sendRemote(card, FILES, 1, '00A40000022FE2')).status, POR_STATUS.porOk);
    });
  }
});

test('digital signatures are refused, of commands and of answers', async () => {
  const { card } = await otaWorld();
  const sealed = sealRemoteCommand(FILES, 1, fromHex('00A40000022FE2'));
  const signed = Uint8Array.from(sealed, (octet, i) => (i === 3 ? octet | 0x03 : octet));
  const answered = sealRemoteCommand({ ...FILES, spi: spiOf('161D') }, 1, fromHex('00A40000022FE2'));
  for (const packet of [signed, answered]) {
    const { data } = await deliver(card, packet);
    assert.equal(openProofOfReceipt(FILES, data).status, POR_STATUS.unidentifiedSecurityError);
  }
});

test('both keys must be of one version', async () => {
  const { card } = await otaWorld();
  const packet = sealCommand(
    { spi: spiOf('1619'), kic: 0x12, kid: 0x32, tar: TAR.files, counter: 1, data: fromHex('00A40000022FE2') },
    { kic: KEYSETS[1].kic, kid: KEYSETS[3].kid },
  );
  const { data } = await deliver(card, packet);
  assert.equal(openProofOfReceipt(FILES, data).status, POR_STATUS.unidentifiedSecurityError);
});

test('every way to be protected is taken where the application asks for none', async () => {
  const { card } = await otaWorld();
  let counter = 0;
  for (const integrity of ['00', '01', '02']) {
    for (const ciphering of ['00', '04']) {
      for (const rule of ['00', '08', '10', '18']) {
        const first = [integrity, ciphering, rule].reduce((sum, hex) => sum + Number.parseInt(hex, 16), 0);
        const spi = `${first.toString(16).padStart(2, '0')}${integrity === '02' ? '19' : '01'}`;
        const target = targetOf(TAR.open, { spi: spiOf(spi) });
        const por = await sendRemote(card, target, ++counter, READ_ICCID);
        assert.deepEqual([spi, por.status, toHex(por.data)], [spi, 0, DONE]);
        // Those that say that they are not counted leave the counter alone.
        if (rule === '00' || rule === '08') counter--;
      }
    }
  }
});

test('answers come as they are asked for: none, always, on error; checked, ciphered, plain', async () => {
  const { card } = await otaWorld();
  const answerTo = async (spi: string, counter: number): Promise<string> =>
    toHex(
      (
        await deliver(
          card,
          sealRemoteCommand({ ...FILES, spi: spiOf(spi) }, counter, fromHex('00A40000022FE2')),
        )
      ).data,
    );
  assert.equal(await answerTo('1600', 1), '');
  assert.equal(await answerTo('1600', 1), '');
  assert.equal(await answerTo('1602', 2), '');
  assert.equal(await answerTo('1602', 2), '027100000B0AB0000100000000020002');
  // The fourth value is reserved.
  assert.equal(await answerTo('1603', 3), '');
  assert.equal(await answerTo('1601', 4), '027100000E0AB0000100000000040000016118');
  assert.equal((await answerTo('1605', 5)).length, 2 * (3 + 2 + 14 + 2));
  assert.equal((await answerTo('1609', 6)).length, 2 * (3 + 2 + 14 + 8));
  assert.equal((await answerTo('1611', 7)).length, 2 * (3 + 6 + 16));
  assert.equal((await answerTo('1619', 8)).length, 2 * (3 + 6 + 32));
});

test('nobody gets a sample of a key by a command without a checksum', async () => {
  const { card } = await otaWorld();
  for (const spi of ['0009', '0011', '0419', '0119']) {
    const target = targetOf(TAR.open, { spi: spiOf(spi) });
    const { data } = await deliver(card, sealRemoteCommand(target, 1, fromHex('00A40000022FE2')));
    assert.equal(toHex(data.subarray(0, 9)), '027100000B0AB00020', spi);
    assert.equal(data.at(-1), POR_STATUS.unidentifiedSecurityError);
  }
});

test('an unprotected success is not believed by the operator, nor the answer of another application', async () => {
  const { card } = await otaWorld();
  const plain = await deliver(
    card,
    sealRemoteCommand(targetOf(TAR.open, { spi: spiOf('0201') }), 1, fromHex('00A40000022FE2')),
  );
  const refused = (thrown: unknown): boolean => isAgentError(thrown, 'SCP80_SECURITY');
  assert.throws(() => openProofOfReceipt(targetOf(TAR.open), plain.data), refused);
  const good = await deliver(card, sealRemoteCommand(targetOf(TAR.open), 1, fromHex('00A40000022FE2')));
  assert.throws(() => openProofOfReceipt(FILES, good.data), refused);
  assert.throws(
    () => openProofOfReceipt(FILES, good.data.subarray(3)),
    (thrown) => isAgentError(thrown, 'PACKET_INVALID'),
  );
});

test('a card without the keys and a profile without applications know no TAR', async () => {
  const card = await osCard();
  for (const target of [FILES, targetOf(TAR.domain)]) {
    const { data } = await deliver(card, sealRemoteCommand(target, 1, fromHex('00A40000022FE2')));
    assert.equal(openProofOfReceipt(target, data).status, POR_STATUS.tarUnknown);
  }
  const { data } = await deliver(card, sealRemoteCommand(targetOf(TAR.isdR), 1, fromHex('80CA00E000')));
  assert.equal(openProofOfReceipt(targetOf(TAR.isdR), data).status, POR_STATUS.unidentifiedSecurityError);
});

test('the keys of a disabled profile reach nothing, and count on when it is enabled again', async () => {
  const { card } = await otaWorld();
  assert.equal(await outcome(card, FILES, 1), 'porOk');
  const disable = DisableProfileRequest.encode({
    profileIdentifier: { is: 'iccid', value: ICCID_A },
    refreshFlag: false,
  });
  assert.equal((await sendRemote(card, targetOf(TAR.isdR), 1, es10Script(disable))).status, POR_STATUS.porOk);
  await card.reset();
  assert.equal(await outcome(card, FILES, 2), 'tarUnknown (unprotected)');
  const enable = EnableProfileRequest.encode({
    profileIdentifier: { is: 'iccid', value: ICCID_A },
    refreshFlag: false,
  });
  assert.equal((await sendRemote(card, targetOf(TAR.isdR), 2, es10Script(enable))).status, POR_STATUS.porOk);
  await card.reset();
  assert.equal(await outcome(card, FILES, 1), 'counterLow');
  assert.equal(await outcome(card, FILES, 2), 'porOk');
});

test('the keys of a profile that is deleted end at once, though its files are shown until the reset', async () => {
  const { card } = await otaWorld();
  const profile = { is: 'iccid', value: ICCID_A } as const;
  const disable = DisableProfileRequest.encode({ profileIdentifier: profile, refreshFlag: false });
  await sendRemote(card, targetOf(TAR.isdR), 1, es10Script(disable));
  assert.equal(await outcome(card, FILES, 1), 'porOk');
  const deleted = await sendRemote(
    card,
    targetOf(TAR.isdR),
    2,
    es10Script(DeleteProfileRequest.encode(profile)),
  );
  assert.equal(toHex(deleted.data), 'AB0D8001012308BF33038001009000');
  assert.equal(await outcome(card, FILES, 2), 'tarUnknown (unprotected)');
});

test('a refusal repeats the counter where it can be read, and says nothing where it cannot', async () => {
  const { card } = await otaWorld();
  const unknown = fromHex('B0FFFF');
  for (const [spi, expected] of [
    ['1201', 7],
    ['1601', 0],
  ] as const) {
    const target = targetOf(unknown, { spi: spiOf(spi) });
    assert.equal((await sendRemote(card, target, 7, '00A40000022FE2')).counter, expected);
  }
});

const single: Scp80Key = { algorithm: 'des', key: new Secret(new Uint8Array(8)) };
test('a kind of key that the version does not have is not taken for another', async () => {
  const { card } = await otaWorld();
  const target = targetOf(TAR.files, { keyset: 4, keys: { kic: single, kid: single } });
  const { data } = await deliver(card, sealRemoteCommand(target, 1, fromHex('00A40000022FE2')));
  assert.equal(openProofOfReceipt(FILES, data).status, POR_STATUS.cipheringError);
});

test('a card that cannot store the counter executes nothing and says so', async () => {
  const world = await otaWorld();
  const target = targetOf(TAR.usim);
  const update = script('00A4000C024F42', '00D6000001 77');
  const { writes: _writes, ...working } = world.files;
  const full = (): Promise<void> => Promise.reject(new Error('no space left'));
  Object.assign(world.files, { append: full, create: full });
  assert.equal((await sendRemote(world.card, target, 1, update)).status, POR_STATUS.insufficientMemory);
  Object.assign(world.files, working);
  const read = await sendRemote(world.card, target, 1, script('00A4000C024F42', '00B0000001'));
  assert.equal(toHex(read.data), 'AB0C800102230290002303AA9000');
});
