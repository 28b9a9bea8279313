// SCP03 by numbers: the session keys and chaining values of the published traces, and S16 mode octet for octet.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { concat, fromHex, toHex } from '../base/bytes.ts';
import { Secret } from '../base/log.ts';
import { type CommandApdu, decodeCommandApdu, encodeCommandApdu } from '../codec/apdu.ts';
import { aesKeyCheckValue } from './aes.ts';
import { deriveScp03Session, protectCommand, startScp03Chain } from './scp03.ts';
import { createScp03Card } from './scp03-card.ts';
import { createScp03Host, parseInitializeUpdate } from './scp03-host.ts';

const VECTORS = '../shared/testdata/vectors/scp02-scp03.json';
const secret = (hex: string): Secret<Uint8Array> => new Secret(fromHex(hex));
const apdu = (hex: string): CommandApdu => decodeCommandApdu(fromHex(hex));
const lower = (bytes: Uint8Array): string => toHex(bytes).toLowerCase();
const hexOf = (command: CommandApdu): string => lower(encodeCommandApdu(command));

type Trace = {
  readonly name: string;
  readonly enc: string;
  readonly mac: string;
  readonly securityLevel: string;
  readonly initUpdateCmd: string;
  readonly initUpdateRsp: string;
  readonly extAuthCmd: string;
  readonly session: Readonly<Record<string, string>>;
  readonly steps: readonly {
    readonly plain: string;
    readonly mcvAfter: string;
    readonly encCounterAfter: number;
  }[];
};
type Vectors = {
  readonly scp03: readonly Trace[];
  readonly kcvAes: readonly { readonly key: string; readonly kcv: string }[];
};

test('session keys, cryptograms and chaining values are those of the published traces', (t) => {
  if (!existsSync(VECTORS)) return t.skip('no shared test data');
  const { kcvAes, scp03 } = JSON.parse(readFileSync(VECTORS, 'utf8')) as Vectors;
  for (const trace of scp03) {
    const { cardChallenge } = parseInitializeUpdate(fromHex(trace.initUpdateRsp));
    const session = deriveScp03Session({
      enc: secret(trace.enc),
      mac: secret(trace.mac),
      hostChallenge: apdu(trace.initUpdateCmd).data,
      cardChallenge,
    });
    assert.deepEqual(
      {
        sEnc: lower(session.sEnc.reveal()),
        sMac: lower(session.sMac.reveal()),
        sRmac: lower(session.sRmac.reveal()),
        hostCryptogram: lower(session.hostCryptogram),
        cardCryptogram: lower(session.cardCryptogram),
      },
      trace.session,
      trace.name,
    );
    const level = Number.parseInt(trace.securityLevel, 16);
    const authenticate = { ...apdu(trace.extAuthCmd), cla: 0x80, data: session.hostCryptogram };
    let chain = { ...protectCommand(startScp03Chain(session, 8), authenticate).chain, level };
    for (const { encCounterAfter, mcvAfter, plain } of trace.steps) {
      chain = protectCommand(chain, apdu(plain)).chain;
      assert.equal(lower(chain.mcv), mcvAfter, trace.name);
      // The tool counts only where it enciphers.
      if ((level & 0x02) !== 0) assert.equal(chain.counter, encCounterAfter, trace.name);
    }
  }
  for (const { key, kcv } of kcvAes) assert.equal(lower(aesKeyCheckValue(secret(key))), kcv);
});

// From the definitions of Amendment D (derivations with L 0080, MACs of 16 octets), by OpenSSL's CMAC and AES.
const S16 = [
  {
    name: 'AES-128',
    enc: '000102030405060708090a0b0c0d0e0f',
    mac: '101112131415161718191a1b1c1d1e1f',
    sequenceCounter: 5,
    aid: 'A0000005591010FFFFFFFF8900000100',
    initializeUpdate:
      '00000000000000000000300371c9c4fb000aaa64cfc36b3d77876974cabb014b5b5a5bf79046009b39b45636d0000005',
    externalAuthenticate: '84823300208c82a130d150de80930e28d0c90b2f296dd18be013df97ac92d19fc5bf575086',
    getStatus: '84f2800220038f3dde9b2a7ca7bbcc829cd6ede1447f0a32e8cafd118459885a09906362a800',
    answer: '3aaa0f01adaf5bac555d21d5aff3c8c33af55bc3e2e1a40e8634857228adc877',
    getData: '84ca00e0109289fffbcc89522b39750fcdb20d1eed00',
    noAnswer: '9f58429ead68df3665969e9b45810d0d',
  },
  {
    name: 'AES-256',
    enc: '000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f',
    mac: '101112131415161718191a1b1c1d1e1f101112131415161718191a1b1c1d1e1f',
    sequenceCounter: 0xffff,
    aid: 'A000000151000000',
    initializeUpdate:
      '00000000000000000000300371215db20d99191b98a7933c3abd1e09564296416d8d450c32f75c6647b399326100ffff',
    externalAuthenticate: '84823300208902e04a55c515a35e3f97aa146b99411be3e73c96af6b2fe61a1451da2fdeba',
    getStatus: '84f280022035f15de5b0954595aa05f8940386ab8650487d573491a6aabe401739a0005fdd00',
    answer: '0a3bb6803ca9a38190cea750e9d9c82e73dd13667eaddb46c7052a35c92d560d',
    getData: '84ca00e0102d471195abcb4d97dc1d0451681f979500',
    noAnswer: '6b665642d68c5932db633af8fed8524a',
  },
] as const;

for (const vector of S16) {
  test(`S16 mode is what Amendment D says of it, octet for octet: ${vector.name}`, () => {
    const keys = { enc: secret(vector.enc), mac: secret(vector.mac) };
    const hostChallenge = fromHex('F0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF');
    const { sequenceCounter } = vector;
    const challenge = { sequenceCounter, aid: fromHex(vector.aid) };
    const card = createScp03Card({ keys, keyVersion: 0x30, hostChallenge, challenge });
    assert.equal(lower(card.initializeUpdateData), vector.initializeUpdate);
    const host = createScp03Host({ keys, keyVersion: 0x30, level: 0x33, hostChallenge });
    host.accept(card.initializeUpdateData);
    const authenticate = host.externalAuthenticate();
    assert.equal(hexOf(authenticate), vector.externalAuthenticate);
    assert.deepEqual(card.externalAuthenticate(authenticate), { ok: true, level: 0x33 });
    const [getStatus, getData] = ['80F28002024F0000', '80CA00E000'].map((hex) => host.wrap(apdu(hex)));
    assert.ok(getStatus && getData);
    assert.deepEqual([hexOf(getStatus), hexOf(getData)], [vector.getStatus, vector.getData]);
    card.unwrap(getStatus);
    const answer = card.wrap({ data: fromHex('AABBCC'), sw: 0x9000 });
    assert.equal(lower(answer.data), vector.answer);
    card.unwrap(getData);
    assert.equal(lower(card.wrap({ data: concat(), sw: 0x9000 }).data), vector.noAnswer);
    assert.equal(toHex(host.unwrap(answer).data), 'AABBCC');
  });
}
