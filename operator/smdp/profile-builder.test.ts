import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { realClock } from '../../base/clock.ts';
import { isAgentError } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import { parseIccid, parseImsi } from '../../codec/ids.ts';
import { decodeProfilePackage, elementName, encodeProfilePackage } from '../../codec/saip/package.ts';
import type { Directory, ElementaryFile, LoadedProfile } from '../../euicc/profile-content.ts';
import { loadProfilePackage } from '../../euicc/profile-loader.ts';
import { buildProfilePackage, type SubscriberProfile } from './profile-builder.ts';

const secret = <T>(value: T): Secret<T> => new Secret(value);
const key = (first: number): Secret<Uint8Array> =>
  secret(Uint8Array.from({ length: 16 }, (_, i) => first + i));

const SUBSCRIBER: SubscriberProfile = {
  iccid: parseIccid('8988211000000000017'),
  imsi: parseImsi('001010123456789'),
  mccMnc: '00101',
  k: key(0x10),
  opc: key(0x40),
  pin1: secret('1234'),
  pin2: secret('56789'),
  puk1: secret('12345678'),
  puk2: secret('87654321'),
  adm1: secret('24681357'),
  spn: 'MNO A',
  profileName: 'MNO A basic',
  msisdn: '4915112345678',
  otaKeys: { version: 2, kic: key(0x60), kid: key(0x70), kik: key(0x80) },
};

function load(bytes: Uint8Array): LoadedProfile {
  const outcome = loadProfilePackage(bytes);
  assert.ok(outcome.ok, JSON.stringify(outcome));
  assert.deepEqual(outcome.warnings, []);
  return outcome.profile;
}

function fileAt(profile: LoadedProfile, ...path: readonly (number | string)[]): ElementaryFile {
  let here: Directory | ElementaryFile = profile.mf;
  for (const step of path) {
    assert.ok(here.kind !== 'ef');
    const next: Directory | ElementaryFile | undefined = here.children.find((child) =>
      typeof step === 'string' ? child.kind === 'adf' && child.aid?.startsWith(step) : child.fid === step,
    );
    assert.ok(next, `no ${String(step)}`);
    here = next;
  }
  assert.ok(here.kind === 'ef');
  return here;
}

const USIM = 'A0000000871002';

function bit21(bytes: Uint8Array): number {
  return ((bytes[2] ?? 0) >> 4) & 1;
}

function revealed(
  codes: readonly { readonly keyReference: number; readonly value: Secret<Uint8Array> }[] = [],
): string[] {
  return codes.map((code) => `${code.keyReference.toString(16)} ${toHex(code.value.reveal())}`);
}

function filler(subscriber: SubscriberProfile): Uint8Array {
  return fileAt(load(buildProfilePackage(subscriber)), 0x7f40, 0x6f10).content;
}

function elementNames(bytes: Uint8Array): string[] {
  return decodeProfilePackage(bytes).map(elementName);
}

test('the files of the subscriber read as 3GPP TS 31.102 and ETSI TS 102 221 lay them out', () => {
  const profile = load(buildProfilePackage(SUBSCRIBER));
  const content = (...path: readonly (number | string)[]): string => toHex(fileAt(profile, ...path).content);
  assert.equal(profile.iccid, '8988211000000000017');
  assert.equal(profile.profileType, 'MNO A basic');
  assert.equal(content(0x2fe2), '988812010000000010F7');
  assert.equal(content(USIM, 0x6f07), '080910101032547698');
  assert.equal(content(USIM, 0x6fad), '00000002');
  assert.equal(content(USIM, 0x6f46), `01${toHex(new TextEncoder().encode('MNO A'))}${'FF'.repeat(11)}`);
  assert.equal(content(USIM, 0x6f78), '0200');
  assert.equal(content(USIM, 0x6f62), '00F110C880');
  assert.equal(content(USIM, 0x6f40), `${'FF'.repeat(10)}0891945111325476F8${'FF'.repeat(5)}`);
  assert.equal(content(USIM, 0x6f7e), 'FFFFFFFFFFFFFF0000FF01');
  const dir = fileAt(profile, 0x2f00);
  assert.equal(dir.recordLength, 32);
  assert.equal(toHex(dir.content), '61184F10A0000000871002FFFFFFFF890709000050045553494D'.padEnd(64, 'F'));
});

test('EF.UST announces MSISDN only when there is one', () => {
  const { msisdn: _, ...without } = SUBSCRIBER;
  assert.equal(bit21(fileAt(load(buildProfilePackage(SUBSCRIBER)), USIM, 0x6f38).content), 1);
  assert.equal(bit21(fileAt(load(buildProfilePackage(without)), USIM, 0x6f38).content), 0);
});

test('a network with a three-digit MNC is coded in EF.AD and the PLMN lists', () => {
  const imsi = parseImsi('310260123456789');
  const profile = load(buildProfilePackage({ ...SUBSCRIBER, imsi, mccMnc: '310260' }));
  assert.equal(toHex(fileAt(profile, USIM, 0x6fad).content), '00000003');
  assert.equal(toHex(fileAt(profile, USIM, 0x6f62).content), '130062C880');
});

test('PINs, PUKs, authentication and OTA keys arrive as they were given', () => {
  const profile = load(buildProfilePackage(SUBSCRIBER));
  const [global, local] = profile.pinContexts;
  assert.deepEqual(revealed(global), ['1 31323334FFFFFFFF', 'a 3234363831333537']);
  assert.deepEqual(revealed(local), ['81 3536373839FFFFFF']);
  assert.deepEqual(revealed(profile.puks), ['1 3132333435363738', '81 3837363534333231']);
  assert.equal(global?.[0]?.enabled, false);
  assert.equal(local?.[0]?.mayBeDisabled, false);
  const aka = profile.akas[profile.naas[0]?.aka ?? -1];
  assert.equal(aka?.algorithm, 'milenage');
  assert.deepEqual(aka?.k.reveal(), SUBSCRIBER.k.reveal());
  assert.deepEqual(aka?.opc.reveal(), SUBSCRIBER.opc.reveal());
  assert.deepEqual(aka?.rotations, [64, 0, 32, 64, 96]);
  assert.equal(toHex(aka?.constants[4] ?? fromHex('')), `${'00'.repeat(15)}08`);
  const domain = profile.securityDomains[0];
  assert.deepEqual(
    domain?.keys.map((held) => [held.version, held.identifier, held.components[0]?.type]),
    [
      [2, 1, 0x88],
      [2, 2, 0x88],
      [2, 3, 0x88],
    ],
  );
  assert.deepEqual(domain?.keys[0]?.components[0]?.data.reveal(), SUBSCRIBER.otaKeys.kic.reveal());
  assert.deepEqual(domain?.tars.map(toHex), ['B20100']);
  assert.equal(domain?.minimumSecurityLevel, 0x16);
  assert.deepEqual(
    profile.rfms.map((rfm) => [toHex(rfm.tars[0] ?? fromHex('')), rfm.adf?.aid]),
    [
      ['B00120', undefined],
      ['B00140', 'A0000000871002FFFFFFFF8907090000'],
    ],
  );
});

test('the package has the size that was asked for, up to what a large transfer needs', () => {
  assert.equal(buildProfilePackage(SUBSCRIBER).length, 12_000);
  for (const targetBytes of [3000, 12_345, 120_000, 300_001]) {
    const started = realClock.now();
    const bytes = buildProfilePackage({ ...SUBSCRIBER, targetBytes });
    const profile = load(bytes);
    assert.ok(Math.abs(bytes.length - targetBytes) <= 2, `${bytes.length} for ${targetBytes}`);
    assert.ok(profile.memory > targetBytes - 3000);
    assert.ok(realClock.now() - started < 1000);
  }
  const least = buildProfilePackage({ ...SUBSCRIBER, targetBytes: 0 });
  assert.ok(least.length < 2500);
});

test('the filler differs from profile to profile and is no run of one octet', () => {
  const other = { ...SUBSCRIBER, iccid: parseIccid('8988211000000000025') };
  const mine = filler(SUBSCRIBER);
  assert.notDeepEqual(mine, filler(other));
  assert.ok(new Set(mine).size > 200);
});

test('the same subscriber gives the same octets, which decode and encode again', () => {
  const bytes = buildProfilePackage(SUBSCRIBER);
  assert.deepEqual(bytes, buildProfilePackage(SUBSCRIBER));
  assert.deepEqual(encodeProfilePackage(decodeProfilePackage(bytes)), bytes);
});

test('the elements stand in the order of the TS.48 packages', (t) => {
  const vector = '../shared/testdata/ts48/TS48v5_SAIP2.3_BERTLV_SUCI.der';
  if (!existsSync(vector)) return t.skip('no TS.48 packages here');
  const theirs = elementNames(new Uint8Array(readFileSync(vector)));
  let at = 0;
  for (const name of elementNames(buildProfilePackage(SUBSCRIBER))) {
    const found = theirs.indexOf(name, at);
    assert.ok(found >= 0, `${name} after ${theirs[at - 1] ?? 'the start'}`);
    at = found + 1;
  }
});

test('a subscriber that no profile can hold is refused with the name of the field', () => {
  const bad: [Partial<SubscriberProfile>, string][] = [
    [{ mccMnc: '00102' }, 'mccMnc'],
    [{ k: secret(new Uint8Array(15)) }, 'k'],
    [{ opc: secret(new Uint8Array(32)) }, 'opc'],
    [{ pin1: secret('12') }, 'pin1'],
    [{ puk2: secret('1234567x') }, 'puk2'],
    [{ spn: 'a name that is too long' }, 'spn'],
    [{ profileName: '' }, 'profileName'],
    [{ msisdn: '+4915' }, 'msisdn'],
    [{ otaKeys: { ...SUBSCRIBER.otaKeys, version: 16 } }, 'otaKeys.version'],
    [{ targetBytes: 50_000_000 }, 'targetBytes'],
  ];
  for (const [change, field] of bad) {
    assert.throws(
      () => buildProfilePackage({ ...SUBSCRIBER, ...change }),
      (error) => isAgentError(error, 'SAIP_INVALID') && error.data['field'] === field,
      field,
    );
  }
});
