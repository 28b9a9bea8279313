import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, EMPTY, fromHex, toHex } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { type CommandApdu, decodeCommandApdu, encodeCommandApdu } from '../codec/apdu.ts';
import { AID_ISD_R, encodeAid } from '../codec/ids.ts';
import { decryptWithDek, encryptWithDek, pseudoRandomCardChallenge, scp03MaxData } from './scp03.ts';
import { createScp03Card, type Scp03Card } from './scp03-card.ts';
import { createScp03Host, parseInitializeUpdate, type Scp03Host } from './scp03-host.ts';

type Step = {
  readonly plain: string;
  readonly wrapped: string;
  readonly rspWrapped?: string;
  readonly rspPlain?: string;
};
type Trace = {
  readonly name: string;
  readonly enc: string;
  readonly mac: string;
  readonly initUpdateCmd: string;
  readonly initUpdateRsp: string;
  readonly extAuthCmd: string;
  readonly steps: readonly Step[];
};

// Real cards, in osmocom/pysim tests/unittests/test_globalplatform.py (commit 597f1e03): AES-128, 192 and 256.
const TRACES: readonly Trace[] = [
  {
    name: 'SCP03_Test_AES128_03',
    enc: '000102030405060708090a0b0c0d0e0f',
    mac: '101112131415161718191a1b1c1d1e1f',
    initUpdateCmd: '80503000088e1552d0513c60f300',
    initUpdateRsp: '0000000000000000000030037030760cd2c47c1dd395065fe5ead8a9d7000001',
    extAuthCmd: '8482030010fd4721a14d9b07003c451d2f8ae6bb21',
    steps: [
      {
        plain: '80e2910006bf3e035c015a00',
        wrapped: '84e2910018ca9c00f6713d79bc8baa642bdff51c3f6a4082d3bd9ad26c00',
        rspWrapped: 'bf3e125a1089882119900000000000000000000005',
        rspPlain: 'bf3e125a1089882119900000000000000000000005',
      },
      { plain: '80f22002', wrapped: '84f2200208c9811b11f1264cf1' },
      { plain: '80ca006600', wrapped: '84ca006608e10ab60b3054798800' },
      {
        plain: '80f220020a4f0212345c054f9f70c5',
        wrapped: '84f22002184e2908bdb48b2315a55482e9e936ca122d6ecfae7d17416e',
      },
      { plain: '80f28002024f0000', wrapped: '84f28002180dd10a6b6193e5340b9e77d32d5a179cd710ac2773aefb2800' },
    ],
  },
  {
    name: 'SCP03_Test_AES192_11',
    enc: '000102030405060708090a0b0c0d0e0f0001020304050607',
    mac: '101112131415161718191a1b1c1d1e1f1011121314151617',
    initUpdateCmd: '80503100087396430b768b085b00',
    initUpdateRsp: '000000000000000000003103708cfc23522ffdbf1e5df5542cac8fd866000003',
    extAuthCmd: '84821100102145ed30b146f5db252fb7e624cec244',
    steps: [
      {
        plain: '80e2910006bf3e035c015a00',
        wrapped: '84e291000ebf3e035c015aff42cf801d14394400',
        rspWrapped: 'bf3e125a1089882119900000000000000000000005162fbd33e04940a9',
        rspPlain: 'bf3e125a1089882119900000000000000000000005',
      },
      { plain: '80f22002', wrapped: '84f22002084584e4f6784811ee' },
      { plain: '80ca006600', wrapped: '84ca006608937776ebe190fa3000' },
      { plain: '80f220020a4f0212345c054f9f70c5', wrapped: '84f22002124f0212345c054f9f70c59a52bddf3040368c' },
      { plain: '80f28002024f0000', wrapped: '84f280020a4f009804b11411f7393d00' },
    ],
  },
  {
    name: 'SCP03_Test_AES256_33',
    enc: '000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f',
    mac: '101112131415161718191a1b1c1d1e1f101112131415161718191a1b1c1d1e1f',
    initUpdateCmd: '805032000897b2055fe58599fd00',
    initUpdateRsp: '00000000000000000000320370a8439a22cedf045fa9f1903b2834f26e000002',
    extAuthCmd: '8482330010508a0fd959d2e547c6b33154a6be2057',
    steps: [
      {
        plain: '80e2910006bf3e035c015a00',
        wrapped: '84e29100187a5ef717eaf1e135ae92fe54429d0e465decda65f5fe5aea00',
        rspWrapped: 'ea90dbfa648a67c5eb6abc57f8530b97d0cd5647c5e8732016b55203b078dd2ace7f8bc5d1c1cd99',
        rspPlain: 'bf3e125a1089882119900000000000000000000005',
      },
      { plain: '80f22002', wrapped: '84f2200208bcc5c17275545d93' },
      { plain: '80ca006600', wrapped: '84ca00660804806aba9d543bb600' },
      {
        plain: '80f220020a4f0212345c054f9f70c5',
        wrapped: '84f2200218717222491556ec81a45f49ce48be33320024801a1c4cb0e0',
      },
      { plain: '80f28002024f0000', wrapped: '84f2800218561f105bccd3a1642904b251ccc1228beb80a82370a8637000' },
    ],
  },
];

const VECTORS = '../shared/testdata/vectors/scp02-scp03.json';
const ISD_R = encodeAid(AID_ISD_R);

const secret = (hex: string): Secret<Uint8Array> => new Secret(fromHex(hex));
const apdu = (hex: string): CommandApdu => decodeCommandApdu(fromHex(hex));
const hexOf = (command: CommandApdu): string => toHex(encodeCommandApdu(command)).toLowerCase();
const security = (thrown: unknown): boolean => isAgentError(thrown, 'SCP03_SECURITY');
const keysOf = (trace: Trace): { enc: Secret<Uint8Array>; mac: Secret<Uint8Array> } => ({
  enc: secret(trace.enc),
  mac: secret(trace.mac),
});

function hostOf(trace: Trace): Scp03Host {
  const level = fromHex(trace.extAuthCmd)[2] as 0x01;
  const { p1, data } = apdu(trace.initUpdateCmd);
  return createScp03Host({ keys: keysOf(trace), keyVersion: p1, level, hostChallenge: data });
}

function cardOf(trace: Trace): Scp03Card {
  const { sequenceCounter = 0 } = parseInitializeUpdate(fromHex(trace.initUpdateRsp));
  const { p1: keyVersion, data: hostChallenge } = apdu(trace.initUpdateCmd);
  const challenge = { sequenceCounter, aid: ISD_R };
  return createScp03Card({ keys: keysOf(trace), keyVersion, hostChallenge, challenge });
}

function checkHost(trace: Trace): void {
  const host = hostOf(trace);
  assert.equal(hexOf(host.initializeUpdate), trace.initUpdateCmd, trace.name);
  host.accept(fromHex(trace.initUpdateRsp));
  assert.equal(hexOf(host.externalAuthenticate()), trace.extAuthCmd, trace.name);
  for (const step of trace.steps) {
    assert.equal(hexOf(host.wrap(apdu(step.plain))), step.wrapped, trace.name);
    if (step.rspWrapped === undefined) continue;
    const opened = host.unwrap({ data: fromHex(step.rspWrapped), sw: 0x9000 });
    assert.equal(toHex(opened.data).toLowerCase(), step.rspPlain, trace.name);
  }
}

function checkCard(trace: Trace): void {
  const card = cardOf(trace);
  assert.equal(toHex(card.initializeUpdateData).toLowerCase(), trace.initUpdateRsp, trace.name);
  assert.equal(card.level, undefined);
  const level = fromHex(trace.extAuthCmd)[2];
  assert.deepEqual(card.externalAuthenticate(apdu(trace.extAuthCmd)), { ok: true, level });
  for (const step of trace.steps) {
    assert.equal(hexOf(card.unwrap(apdu(step.wrapped))), step.plain, trace.name);
    if (step.rspPlain === undefined) continue;
    const response = card.wrap({ data: fromHex(step.rspPlain), sw: 0x9000 });
    assert.equal(toHex(response.data).toLowerCase(), step.rspWrapped, trace.name);
  }
}

test('the host side speaks as in the traces of real cards', () => {
  for (const trace of TRACES) checkHost(trace);
});

test('the card side answers as the real cards did, their pseudo-random challenges included', () => {
  for (const trace of TRACES) checkCard(trace);
});

test('both sides follow all nine published traces', (t) => {
  if (!existsSync(VECTORS)) return t.skip('no shared test data');
  const { scp03 } = JSON.parse(readFileSync(VECTORS, 'utf8')) as { scp03: Trace[] };
  assert.equal(scp03.length, 9);
  for (const trace of scp03) {
    checkHost(trace);
    checkCard(trace);
  }
});

test('a whole script is prepared from the sequence counter before the card answers anything', () => {
  for (const trace of TRACES) {
    const host = hostOf(trace);
    host.assume(parseInitializeUpdate(fromHex(trace.initUpdateRsp)).sequenceCounter ?? -1, ISD_R);
    assert.equal(hexOf(host.externalAuthenticate()), trace.extAuthCmd);
    assert.deepEqual(
      trace.steps.map((step) => hexOf(host.wrap(apdu(step.plain)))),
      trace.steps.map((step) => step.wrapped),
    );
    for (const [i, step] of trace.steps.entries()) {
      if (step.rspWrapped === undefined) break;
      const { data } = host.unwrap({ data: fromHex(step.rspWrapped), sw: 0x9000 });
      assert.equal(toHex(data).toLowerCase(), step.rspPlain, `response ${i}`);
    }
  }
});

test('another sequence counter or another AID gives another challenge', () => {
  const enc = secret('000102030405060708090a0b0c0d0e0f');
  assert.equal(toHex(pseudoRandomCardChallenge(enc, 2, ISD_R)), '3EB51047495B249F');
  assert.notEqual(toHex(pseudoRandomCardChallenge(enc, 3, ISD_R)), '3EB51047495B249F');
  assert.notEqual(toHex(pseudoRandomCardChallenge(enc, 2, ISD_R.subarray(1))), '3EB51047495B249F');
  assert.throws(() => pseudoRandomCardChallenge(enc, 2 ** 24, ISD_R), AgentError);
});

const LEVELS = [0x01, 0x03, 0x11, 0x13, 0x33] as const;
const KEYS = { enc: secret('11'.repeat(16)), mac: secret('22'.repeat(16)) };

function pair(options: {
  level?: (typeof LEVELS)[number];
  size?: 8 | 16;
  keyOctets?: number;
  random?: boolean;
}): { host: Scp03Host; card: Scp03Card } {
  const { level = 0x33, size = 8, keyOctets = 16, random = false } = options;
  const keys = { enc: secret('11'.repeat(keyOctets)), mac: secret('22'.repeat(keyOctets)) };
  const hostChallenge = new Uint8Array(size).fill(0x77);
  const challenge = random ? { random: new Uint8Array(size).fill(0x66) } : { sequenceCounter: 9, aid: ISD_R };
  const host = createScp03Host({ keys, keyVersion: 0x30, level, hostChallenge });
  const card = createScp03Card({ keys, keyVersion: 0x30, hostChallenge, challenge });
  host.accept(card.initializeUpdateData);
  return { host, card };
}

function open(options: Parameters<typeof pair>[0] = {}): { host: Scp03Host; card: Scp03Card } {
  const both = pair(options);
  assert.equal(both.card.externalAuthenticate(both.host.externalAuthenticate()).ok, true);
  return both;
}

const command = (data: Uint8Array, le?: number): CommandApdu => {
  const plain = { cla: 0x80, ins: 0xe2, p1: 0x91, p2: 0, data };
  return le === undefined ? plain : { ...plain, le };
};

test('commands and responses come through at every level, key length, mode and challenge kind', () => {
  for (const level of LEVELS) {
    for (const [size, keyOctets, random] of [
      [8, 16, false],
      [8, 24, true],
      [8, 32, true],
      [16, 16, false],
      [16, 32, true],
    ] as const) {
      const { host, card } = open({ level, size, keyOctets, random });
      assert.equal(card.level, level);
      for (const length of [0, 1, 15, 16, scp03MaxData(level, size)]) {
        const plain = command(new Uint8Array(length).fill(length), length === 0 ? 256 : undefined);
        const wrapped = host.wrap(plain);
        assert.ok(wrapped.data.length <= 255);
        assert.deepEqual(card.unwrap(wrapped), plain);
        const response = { data: new Uint8Array(length).fill(0xa5), sw: 0x9000 };
        assert.deepEqual(host.unwrap(card.wrap(response)), response);
      }
    }
  }
});

test('a command with C-ENC may hold 239 octets, and one more is refused', () => {
  const { host } = open({ level: 0x03 });
  assert.equal(host.wrap(command(new Uint8Array(239))).data.length, 248);
  assert.throws(
    () => host.wrap(command(new Uint8Array(240))),
    (thrown) => isAgentError(thrown, 'APDU_INVALID'),
  );
});

test('the MAC holds on any logical channel, for the class byte changes on the way to the card', () => {
  for (const cla of [0x84, 0x85, 0x87, 0xe0, 0xef]) {
    const { host, card } = open({ level: 0x13 });
    const wrapped = host.wrap(command(fromHex('0102')));
    assert.equal(wrapped.cla, 0x84);
    const plain = card.unwrap({ ...wrapped, cla });
    assert.equal(toHex(plain.data), '0102');
    assert.equal(plain.cla, cla < 0xc0 ? cla & ~0x04 : cla & ~0x20);
  }
});

test('anything changed, left out or repeated on the way to the card is refused and ends the session', () => {
  const spoil: readonly ((wrapped: CommandApdu) => CommandApdu)[] = [
    (wrapped) => ({ ...wrapped, ins: wrapped.ins ^ 1 }),
    (wrapped) => ({ ...wrapped, p1: wrapped.p1 ^ 1 }),
    (wrapped) => ({ ...wrapped, p2: wrapped.p2 ^ 1 }),
    (wrapped) => ({ ...wrapped, cla: 0x80 }),
    (wrapped) => ({ ...wrapped, data: wrapped.data.subarray(1) }),
    (wrapped) => ({ ...wrapped, data: wrapped.data.subarray(0, 7) }),
    (wrapped) => ({
      ...wrapped,
      data: Uint8Array.from(wrapped.data, (octet, i) => (i === 0 ? octet ^ 1 : octet)),
    }),
    (wrapped) => ({ ...wrapped, data: concat(wrapped.data, Uint8Array.of(0)) }),
    () => command(fromHex('01')),
  ];
  for (const level of LEVELS) {
    for (const change of spoil) {
      const { host, card } = open({ level });
      const [first, second] = [host.wrap(command(fromHex('AA'))), host.wrap(command(fromHex('BB')))];
      assert.throws(() => card.unwrap(change(first)), security);
      assert.equal(card.level, undefined);
      assert.throws(() => card.unwrap(first), security);
      const other = open({ level });
      assert.throws(() => other.card.unwrap(second), security, 'left out');
      const third = open({ level });
      third.card.unwrap(first);
      assert.throws(() => third.card.unwrap(first), security, 'repeated');
    }
  }
});

test('a changed response is refused where responses are protected', () => {
  for (const level of [0x11, 0x13, 0x33] as const) {
    for (const at of [0, 5, 12]) {
      const { host, card } = open({ level });
      card.unwrap(host.wrap(command(fromHex('01'))));
      const { data } = card.wrap({ data: fromHex('0102030405'), sw: 0x9000 });
      const bad = Uint8Array.from(data, (octet, i) => (i === at ? octet ^ 1 : octet));
      assert.throws(() => host.unwrap({ data: bad, sw: 0x9000 }), security);
    }
    const { host, card } = open({ level });
    for (let i = 0; i < 4; i++) card.unwrap(host.wrap(command(EMPTY)));
    const { data } = card.wrap({ data: fromHex('01'), sw: 0x6310 });
    assert.throws(() => host.unwrap({ data, sw: 0x6310 }), security, 'of another command');
    assert.throws(() => host.unwrap({ data, sw: 0x9000 }), security, 'another status');
    assert.throws(() => host.unwrap({ data: EMPTY, sw: 0x9000 }), security, 'without MAC');
    assert.deepEqual(host.unwrap({ data, sw: 0x6310 }), { data: fromHex('01'), sw: 0x6310 });
  }
});

test('errors come back bare, and data with an error is refused', () => {
  const { host, card } = open({});
  card.unwrap(host.wrap(command(EMPTY)));
  assert.deepEqual(card.wrap({ data: EMPTY, sw: 0x6a88 }), { data: EMPTY, sw: 0x6a88 });
  assert.deepEqual(host.unwrap({ data: EMPTY, sw: 0x6a88 }), { data: EMPTY, sw: 0x6a88 });
  host.wrap(command(EMPTY));
  assert.throws(() => host.unwrap({ data: fromHex('00'.repeat(8)), sw: 0x6a88 }), security);
  assert.throws(() => host.unwrap({ data: EMPTY, sw: 0x9000 }), security, 'nothing is unanswered');
});

test('EXTERNAL AUTHENTICATE refuses with the status word of each fault', () => {
  const flip = (data: Uint8Array, at: number): Uint8Array =>
    Uint8Array.from(data, (octet, i) => (i === at ? octet ^ 1 : octet));
  const rows: readonly (readonly [number, (good: CommandApdu) => CommandApdu])[] = [
    [0x6300, (good) => ({ ...good, data: flip(good.data, 0) })],
    [0x6982, (good) => ({ ...good, data: flip(good.data, 15) })],
    [0x6982, (good) => ({ ...good, p1: 0x01 })],
    [0x6982, (good) => ({ ...good, cla: 0x80 })],
    [0x6a86, (good) => ({ ...good, p1: 0x00 })],
    [0x6a86, (good) => ({ ...good, p1: 0x30 })],
    [0x6a86, (good) => ({ ...good, p2: 1 })],
    [0x6700, (good) => ({ ...good, data: good.data.subarray(1) })],
  ];
  for (const [sw, change] of rows) {
    const { host, card } = pair({});
    const good = host.externalAuthenticate();
    assert.deepEqual(card.externalAuthenticate(change(good)), { ok: false, sw });
    assert.equal(card.level, undefined);
    assert.deepEqual(card.externalAuthenticate(good), { ok: false, sw: 0x6985 }, 'no second try');
    assert.throws(() => card.unwrap(host.wrap(command(EMPTY))), security);
  }
  const { card } = open({});
  assert.deepEqual(card.externalAuthenticate(pair({}).host.externalAuthenticate()), {
    ok: false,
    sw: 0x6985,
  });
});

test('the host refuses a card without the keys, answers that are none, and steps out of order', () => {
  const hostChallenge = new Uint8Array(8);
  const host = createScp03Host({ keys: KEYS, keyVersion: 0x30, level: 0x03, hostChallenge });
  const challenge = { random: new Uint8Array(8) };
  const stranger = { enc: KEYS.mac, mac: KEYS.enc };
  const data = (keys: typeof KEYS): Uint8Array =>
    createScp03Card({ keys, keyVersion: 0x30, hostChallenge, challenge }).initializeUpdateData;
  assert.throws(() => host.externalAuthenticate(), security);
  assert.throws(() => host.accept(data(stranger)), security);
  assert.throws(
    () => host.accept(Uint8Array.from(data(KEYS), (octet, i) => (i === 11 ? 2 : octet))),
    security,
  );
  host.accept(data(KEYS));
  assert.throws(() => host.accept(data(KEYS)), security);
  assert.throws(() => host.wrap(command(EMPTY)), security);
  assert.equal(parseInitializeUpdate(data(KEYS)).sequenceCounter, undefined);
  host.externalAuthenticate();
  assert.throws(() => host.externalAuthenticate(), security);
});

test('challenges of the wrong length are refused', () => {
  const card = (host: number, random: number): Scp03Card =>
    createScp03Card({
      keys: KEYS,
      keyVersion: 0x30,
      hostChallenge: new Uint8Array(host),
      challenge: { random: new Uint8Array(random) },
    });
  for (const [host, random] of [
    [7, 8],
    [8, 7],
    [0, 0],
    [16, 8],
    [9, 9],
  ] as const) {
    assert.throws(() => card(host, random), security);
  }
});

test('random answers and commands end in an AgentError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 48 }), (bytes) => {
      const host = createScp03Host({
        keys: KEYS,
        keyVersion: 0,
        level: 0x33,
        hostChallenge: new Uint8Array(8),
      });
      assert.throws(() => host.accept(bytes), security);
      const { card } = open({});
      assert.throws(() => card.unwrap({ cla: 0x84, ins: 0xe2, p1: 0, p2: 0, data: bytes }), security);
      const { card: fresh } = pair({});
      assert.equal(fresh.externalAuthenticate({ cla: 0x84, ins: 0x82, p1: 3, p2: 0, data: bytes }).ok, false);
    }),
    { numRuns: 50 },
  );
});

test('keys of every length travel under the DEK and come back', () => {
  const dek = secret('33'.repeat(16));
  for (const length of [16, 24, 32]) {
    const key = secret('5A'.repeat(length));
    const encrypted = encryptWithDek(dek, key);
    assert.equal(encrypted.length % 16, 0);
    assert.deepEqual(decryptWithDek(dek, encrypted, length).reveal(), key.reveal());
    assert.throws(() => decryptWithDek(dek, encrypted.subarray(1), length), security);
  }
});
