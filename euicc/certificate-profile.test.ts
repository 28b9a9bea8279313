// The certificate profile on the card: what it holds, who may read it, and what its PIN's counter does.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { encodeCommandApdu, withChannel } from '../codec/apdu.ts';
import {
  AID_CERTIFICATE_PROFILE,
  CertificateProfile,
  CertificateProfileProof,
  CertificateProfileSigned,
} from '../codec/certificate-profile.ts';
import { describe } from '../codec/describe.ts';
import { AID_ISD_R, encodeAid } from '../codec/ids.ts';
import { EuiccInfo2 } from '../codec/rsp/euicc-info.ts';
import { sha256 } from '../crypto/hash.ts';
import { createScp03Host } from '../crypto/scp03-host.ts';
import type { Euicc } from './euicc.ts';
import { TEST_EID } from './testing/pki.ts';
import { tearAtEveryWrite } from './testing/tear.ts';
import { exchange, raw, selectAid } from './testing/terminal.ts';
import { createWorld, ec, ISD_R_KEYS, type World } from './testing/world.ts';

const PIN = '271828';
const VERIFY = '0020000108';
const RIGHT = `${VERIFY}323731383238FFFF`;
const WRONG = `${VERIFY}313131313131FFFF`;
const TRIES = '00200001';
const READ = '80CA00EC00';
const CHALLENGE = 'C0'.repeat(16);

const gated = { certificateProfile: { pin: new Secret(PIN) } };

async function opened(change: Parameters<typeof createWorld>[0] = gated): Promise<World> {
  const world = await createWorld(change);
  await select(world.card);
  return world;
}

async function select(card: Euicc): Promise<void> {
  assert.equal((await selectAid(card, encodeAid(AID_CERTIFICATE_PROFILE))).sw, 0x9000);
}

async function read(card: Euicc): Promise<CertificateProfile> {
  const { data, sw } = await exchange(card, {
    cla: 0x80,
    ins: 0xca,
    p1: 0,
    p2: 0xec,
    data: new Uint8Array(0),
    le: 256,
  });
  assert.equal(sw, 0x9000);
  return CertificateProfile.decode(data);
}

const sw = async (card: Euicc, ...commands: readonly string[]): Promise<string[]> => {
  const answers: string[] = [];
  for (const command of commands) answers.push((await raw(card, command)).slice(-4));
  return answers;
};

test('without a PIN everybody reads card OS, platform, hardware, EUICCInfo2 and the certificates', async () => {
  const named = { cardOs: 'OS 3', platform: 'GP', hardware: 'chip 7' };
  const { card, pki } = await opened({ certificateProfile: named });
  const profile = await read(card);
  assert.deepEqual(profile.commonInformation, named);
  assert.equal(profile.eidValue, TEST_EID);
  assert.equal(EuiccInfo2.decode(profile.euiccInfo2).euiccFirmwareVer, '1.0.0');
  assert.deepEqual(
    profile.chain.map(({ euiccCertificate, eumCertificate }) => [
      toHex(euiccCertificate),
      toHex(eumCertificate),
    ]),
    [[toHex(pki.euicc.certificate), toHex(pki.eum.certificate)]],
  );
  assert.deepEqual(await sw(card, TRIES, RIGHT), ['6A88', '6A88']);
});

test('SELECT tells whether a PIN is needed; a card without a certificate profile has no such application', async () => {
  const fci = async (change: Parameters<typeof createWorld>[0]): Promise<string> => {
    const { card } = await createWorld(change);
    const { data, sw: status } = await selectAid(card, encodeAid(AID_CERTIFICATE_PROFILE));
    return status === 0x9000 ? toHex(data) : status.toString(16);
  };
  assert.match(await fci(gated), /^6F16840AF0455549434343455254A50880030100008101FF$/);
  assert.match(await fci({ certificateProfile: {} }), /810100$/);
  assert.equal(await fci({}), '6a82');
});

test('behind a PIN nothing is read or signed before VERIFY, on this channel and since this SELECT', async () => {
  const { card } = await opened();
  const prove = `0088000110${CHALLENGE}00`;
  assert.deepEqual(await sw(card, READ, prove, '80CA005A00'), ['6982', '6982', '9000']);
  assert.deepEqual(await sw(card, TRIES, RIGHT, TRIES), ['63C3', '9000', '9000']);
  await read(card);
  assert.equal((await raw(card, '0070000001')).slice(0, 2), '01');
  assert.equal((await selectAid(card, encodeAid(AID_CERTIFICATE_PROFILE), 1)).sw, 0x9000);
  assert.deepEqual(await sw(card, '81CA00EC00'), ['6982']);
  await select(card);
  assert.deepEqual(await sw(card, READ, RIGHT), ['6982', '9000']);
  await card.reset();
  await select(card);
  assert.deepEqual(await sw(card, READ), ['6982']);
});

test('wrong tries count down over resets, a right one gives them back, and the last one blocks', async () => {
  const world = await opened();
  assert.deepEqual(await sw(world.card, WRONG, TRIES), ['63C2', '63C2']);
  await world.reopen();
  await select(world.card);
  assert.deepEqual(await sw(world.card, TRIES, WRONG, RIGHT, TRIES), ['63C2', '63C1', '9000', '9000']);
  assert.deepEqual(await sw(world.card, WRONG, READ), ['63C2', '6982']);
  assert.deepEqual(await sw(world.card, WRONG, WRONG, RIGHT, TRIES), ['63C1', '63C0', '6983', '6983']);
  await world.reopen();
  await select(world.card);
  assert.deepEqual(await sw(world.card, TRIES, RIGHT, READ), ['6983', '6983', '6982']);
});

test('a wrong try is counted or it was not made, wherever the power is cut', async () => {
  await tearAtEveryWrite<string>({
    name: 'VERIFY',
    before: '63C3',
    after: '63C2',
    world: () => opened(),
    arrange:
      async ({ card }) =>
      () =>
        card.transmit(fromHex(WRONG)),
    observe: async ({ card }) => {
      await select(card);
      return (await sw(card, TRIES))[0] ?? '';
    },
  });
});

test('the try is spent before the PIN is compared: a right one whose answer is cut off costs one too', async () => {
  const world = await opened();
  world.files.cutAt(2, { keep: 0 });
  await assert.rejects(world.card.transmit(fromHex(RIGHT)));
  world.files.powerOn();
  await world.reopen();
  await select(world.card);
  assert.deepEqual(await sw(world.card, TRIES, RIGHT), ['63C2', '9000']);
});

test('unblocking needs the management keys, and gives back the tries but not the secret', async () => {
  const world = await opened();
  const { card } = world;
  await sw(card, WRONG, WRONG, WRONG);
  await selectAid(card, encodeAid(AID_ISD_R));
  assert.deepEqual(await sw(card, '80240001'), ['6982']);
  const host = createScp03Host({
    keys: ISD_R_KEYS,
    keyVersion: ISD_R_KEYS.kvn,
    level: 0x03,
    hostChallenge: new Uint8Array(8).fill(1),
  });
  host.accept((await exchange(card, host.initializeUpdate)).data);
  await exchange(card, host.externalAuthenticate());
  const unblock = (p2: number) => host.wrap({ cla: 0x80, ins: 0x24, p1: 0, p2, data: new Uint8Array(0) });
  assert.equal((await exchange(card, unblock(2))).sw, 0x6a86);
  assert.equal((await exchange(card, unblock(1))).sw, 0x9000);
  await select(card);
  assert.deepEqual(await sw(card, TRIES, READ, RIGHT), ['63C3', '6982', '9000']);
});

test('the eUICC signs its profile for a challenge', async () => {
  const { card, pki } = await opened({ certificateProfile: {} });
  const profile = await exchange(card, {
    cla: 0x80,
    ins: 0xca,
    p1: 0,
    p2: 0xec,
    data: new Uint8Array(0),
    le: 256,
  });
  const answer = await exchange(card, {
    cla: 0,
    ins: 0x88,
    p1: 0,
    p2: 1,
    data: fromHex(CHALLENGE),
    le: 256,
  });
  const { certificateProfileSigned, euiccSignature } = CertificateProfileProof.decode(answer.data);
  const { challenge, profileHash } = CertificateProfileSigned.decode(certificateProfileSigned);
  assert.deepEqual([toHex(challenge), toHex(profileHash)], [CHALLENGE, toHex(sha256(profile.data))]);
  const { curve, publicKey } = pki.euicc.pair;
  assert.equal(ec.verify(curve, publicKey, certificateProfileSigned, euiccSignature), true);
});

test('wrong class, instruction, length and parameters have their status words', async () => {
  const { card } = await opened();
  const expected: Readonly<Record<string, string>> = {
    '8020000108323731383238FFFF': '6E00',
    '80880000': '6E00',
    '00B0000000': '6D00',
    '0020010108323731383238FFFF': '6A86',
    '0020000208323731383238FFFF': '6A88',
    '002000010431313131': '6700',
    '80CA00ED00': '6A88',
    '80CA00EC0100': '6700',
  };
  for (const [command, status] of Object.entries(expected)) {
    assert.deepEqual([command, ...(await sw(card, command))], [command, status]);
  }
  assert.deepEqual(await sw(card, TRIES, RIGHT), ['63C3', '9000']);
  const proving = { '0088010110': '6A86', '0088000210': '6A88', '0088000010': '6A88' };
  for (const [head, status] of Object.entries(proving)) {
    assert.deepEqual(await sw(card, `${head}${CHALLENGE}00`), [status]);
  }
  assert.deepEqual(await sw(card, '0088000108111111111111111100'), ['6700']);
});

test('no card is made with a PIN that is none or with no tries', async () => {
  for (const wrong of [
    { pin: new Secret('123') },
    { pin: new Secret('12a4') },
    { pin: new Secret('123456789') },
    { pin: new Secret('1234'), pinTries: 0 },
    { pin: new Secret('1234'), pinTries: 16 },
  ]) {
    await assert.rejects(createWorld({ certificateProfile: wrong }), (thrown) => {
      assert.ok(isAgentError(thrown, 'ID_INVALID', 'NUMBER_RANGE'));
      return !thrown.message.includes(wrong.pin.reveal());
    });
  }
});

test('the decoder names what is in it', async () => {
  const { card } = await opened({ certificateProfile: {} });
  const profile = await exchange(card, {
    cla: 0x80,
    ins: 0xca,
    p1: 0,
    p2: 0xec,
    data: new Uint8Array(0),
    le: 256,
  });
  const text = describe(profile.data);
  for (const name of [
    'CertificateProfile',
    'cardOs',
    'hardware',
    'euiccInfo2',
    'euiccFirmwareVer',
    'euiccCertificate',
    'tbsCertificate',
  ]) {
    assert.ok(text.includes(name), `${name} in\n${text}`);
  }
  assert.equal(text.includes('!'), false);
  const selected = describe(
    encodeCommandApdu({
      cla: withChannel(0, 0),
      ins: 0xa4,
      p1: 4,
      p2: 4,
      data: encodeAid(AID_CERTIFICATE_PROFILE),
    }),
  );
  assert.match(selected, /certificate profile/);
});
