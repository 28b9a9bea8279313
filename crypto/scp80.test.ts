import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex, utf8Bytes } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { decodeSpi, encodeSpi, POR_STATUS, type Spi } from '../codec/secured-packet.ts';
import { crc16, crc32 } from './crc.ts';
import { desCbcDecrypt, desCbcEncrypt, desCbcMac, desKeyCheckValue } from './des.ts';
import {
  checkCounter,
  COUNTER_MAX,
  indicatorFits,
  keyIndicator,
  KID_CRC16,
  KID_CRC32,
  meetsSecurityLevel,
  type Scp80Key,
  type Scp80Keys,
} from './scp80.ts';
import { openCommand, sealCommand, type SecuredCommand } from './scp80-command.ts';
import { openResponse, sealResponse } from './scp80-response.ts';

const keyOf = (algorithm: 'des' | 'aes', hex: string): Scp80Key => ({
  algorithm,
  key: new Secret(fromHex(hex)),
});
const lower = (bytes: Uint8Array): string => toHex(bytes).toLowerCase();
const invalid = (thrown: unknown): boolean => isAgentError(thrown, 'KEY_INVALID');
const security = (thrown: unknown): boolean => isAgentError(thrown, 'SCP80_SECURITY', 'PACKET_INVALID');

function spiOf(hex: string): Spi {
  const [first = 0, second = 0] = fromHex(hex);
  return decodeSpi(first, second);
}

// osmocom/pysim tests/unittests/test_ota.py (commit 597f1e03): packets that real cards took, and what they answered.
const CARDS = [
  {
    name: '2-key 3DES',
    kic: keyOf('des', '300102030405060708090a0b0c0d0e0f'),
    kid: keyOf('des', '301102030405060708090a0b0c0d0e0f'),
    keyset: 3,
    command: '00201506193535b00011ae733256918d050b87c94fbfe12e4dc402f262c41cf67f2f',
    response: '027100001c12b000118bb989492c632529326a2f4681feb37c825bc9021c9f6d0b',
  },
  {
    name: 'AES-128',
    kic: keyOf('aes', '200102030405060708090a0b0c0d0e0f'),
    kid: keyOf('aes', '201102030405060708090a0b0c0d0e0f'),
    keyset: 2,
    command: '00281506192222b00011e87cceebb2d93083011ce294f93fc4d8de80da1abae8c37ca3e72ec4432e5058',
    response: '027100002412b00011ebc6b497e2cad7aedf36ace0e3a29b38853f0fe9ccde81913be5702b73abce1f',
  },
] as const;

test('commands are built and opened as the packets that real cards took', () => {
  for (const { name, kic, kid, keyset, command } of CARDS) {
    const packet: SecuredCommand = {
      spi: spiOf('0619'),
      kic: keyIndicator(keyset, kic),
      kid: keyIndicator(keyset, kid),
      tar: fromHex('B00011'),
      counter: 0,
      data: fromHex('00a40004023f00'),
    };
    assert.equal(lower(sealCommand(packet, { kic, kid })), command, name);
    assert.deepEqual(openCommand(fromHex(command), { kic, kid }), { ok: true, command: packet }, name);
  }
});

test('proofs of receipt of real cards open, and build again to the same octets', () => {
  for (const { name, kic, kid, keyset, response } of CARDS) {
    const asked = { spi: spiOf('0619'), kid: keyIndicator(keyset, kid) };
    const opened = openResponse(fromHex(response).subarray(3), asked, { kic, kid });
    assert.deepEqual(opened, {
      tar: fromHex('B00011'),
      counter: 0,
      status: POR_STATUS.porOk,
      data: fromHex('016132'),
    });
    assert.equal(`027100${lower(sealResponse(opened, asked, { kic, kid }))}`, response, name);
  }
});

type Keyset = { kicIdx: number; kidIdx: number; kic: string; kid: string; algoCrypt: string };
type Case = {
  name: string;
  tar: string;
  keyset: Keyset & { counter: number };
  spiHex: string;
  apdu: string;
  encodedCmd: string;
};
type Por = {
  keyset: Keyset;
  spiHex: string;
  tar: string;
  cntr: number;
  status: number;
  data: string;
  encodedResp: string;
};
const VECTORS = '../shared/testdata/vectors/ota-sms.json';

function keysOf({ algoCrypt, kic, kid }: Keyset): Required<Scp80Keys> {
  const algorithm = algoCrypt.startsWith('aes') ? 'aes' : 'des';
  return { kic: keyOf(algorithm, kic), kid: keyOf(algorithm, kid) };
}

test('all published command packets are built and opened', (t) => {
  if (!existsSync(VECTORS)) return t.skip('no shared test data');
  const vectors = JSON.parse(readFileSync(VECTORS, 'utf8')) as {
    dataDriven: Case[];
    codeDriven: Case[];
    madeWithPysim: Case[];
    ts48Keysets: { cases: Case[] };
  };
  const { dataDriven, codeDriven, madeWithPysim, ts48Keysets } = vectors;
  const cases = [...dataDriven, ...codeDriven, ...madeWithPysim, ...ts48Keysets.cases];
  assert.equal(cases.length, 42);
  for (const { name, tar, keyset, spiHex, apdu, encodedCmd } of cases) {
    const keys = keysOf(keyset);
    const packet: SecuredCommand = {
      spi: spiOf(spiHex),
      kic: keyIndicator(keyset.kicIdx, keys.kic),
      kid: keyIndicator(keyset.kidIdx, keys.kid),
      tar: fromHex(tar),
      counter: keyset.counter,
      data: fromHex(apdu),
    };
    const encoded = sealCommand(packet, keys);
    // The tool leaves CPL out where nothing is ciphered; its checksum covers it all the same.
    const whole = lower(encoded);
    assert.equal(whole.endsWith(encodedCmd) && whole.length - encodedCmd.length <= 4, true, name);
    assert.deepEqual(openCommand(encoded, keys), { ok: true, command: packet }, name);
  }
});

test('all published proofs of receipt are built and opened', (t) => {
  if (!existsSync(VECTORS)) return t.skip('no shared test data');
  const { por } = JSON.parse(readFileSync(VECTORS, 'utf8')) as { por: { cases: Por[] } };
  assert.equal(por.cases.length, 60);
  for (const { keyset, spiHex, tar, cntr, status, data, encodedResp } of por.cases) {
    const keys = keysOf(keyset);
    const asked = { spi: spiOf(spiHex), kid: keyIndicator(keyset.kidIdx, keys.kid) };
    const packet = { tar: fromHex(tar), counter: cntr, status, data: fromHex(data) };
    assert.equal(`027100${lower(sealResponse(packet, asked, keys))}`, encodedResp);
    assert.deepEqual(openResponse(fromHex(encodedResp).subarray(3), asked, keys), packet);
  }
});

const AES: Required<Scp80Keys> = { kic: keyOf('aes', '11'.repeat(16)), kid: keyOf('aes', '22'.repeat(32)) };
const DES: Required<Scp80Keys> = {
  kic: keyOf('des', '0123456789ABCDEF'.repeat(3)),
  kid: keyOf('des', '1122334455667788'),
};
const packetOf = (
  spi: string,
  keys: Required<Scp80Keys>,
  kid = keyIndicator(1, keys.kid),
): SecuredCommand => ({
  spi: spiOf(spi),
  kic: keyIndicator(1, keys.kic),
  kid,
  tar: fromHex('000001'),
  counter: 0x0102030405,
  data: fromHex('AA'.repeat(21)),
});

test('commands with every kind of check, ciphered or not, come through under AES, DES and 3-key 3DES', () => {
  for (const keys of [AES, DES]) {
    for (const spi of ['0000', '0400', '0200', '0600', '1600', '1E00']) {
      const packet = packetOf(spi, keys);
      assert.deepEqual(openCommand(sealCommand(packet, keys), keys), { ok: true, command: packet }, spi);
    }
    for (const [kid, length] of [
      [KID_CRC16, 2],
      [KID_CRC32, 4],
    ] as const) {
      const packet = packetOf('0100', keys, kid);
      const encoded = sealCommand(packet, keys);
      assert.equal(encoded[2], 13 + length);
      assert.deepEqual(openCommand(encoded, {}), { ok: true, command: packet });
      encoded[encoded.length - 1] = 0;
      assert.deepEqual(openCommand(encoded, {}), { ok: false, status: POR_STATUS.integrityFailed });
    }
  }
});

test('one changed bit anywhere in a checked packet is refused', () => {
  for (const keys of [AES, DES]) {
    for (const spi of ['1619', '1209']) {
      const good = sealCommand(packetOf(spi, keys), keys);
      for (let at = 0; at < good.length * 8; at += 5) {
        const bad = Uint8Array.from(good, (octet, i) => (i === at >> 3 ? octet ^ (1 << (at & 7)) : octet));
        assert.equal(openCommand(bad, keys).ok, false, `bit ${at} of ${spi}`);
      }
    }
  }
});

test('the refusal names what is wrong: keyset, ciphering key, checksum, digital signature', () => {
  const good = sealCommand(packetOf('1619', AES), AES);
  const status = (packet: Uint8Array, keys: Scp80Keys | undefined): number | undefined => {
    const opened = openCommand(packet, keys);
    return opened.ok ? undefined : opened.status;
  };
  assert.equal(status(good, undefined), POR_STATUS.unidentifiedSecurityError);
  assert.equal(status(good, { kid: AES.kid }), POR_STATUS.cipheringError);
  assert.equal(status(good, { ...AES, kic: DES.kic }), POR_STATUS.cipheringError);
  assert.equal(status(good, { kic: AES.kic }), POR_STATUS.unidentifiedSecurityError);
  assert.equal(status(good, { ...AES, kic: keyOf('aes', '33'.repeat(16)) }), POR_STATUS.integrityFailed);
  assert.equal(status(good, { ...AES, kid: keyOf('aes', '33'.repeat(16)) }), POR_STATUS.integrityFailed);
  const otherAlgorithm = sealCommand(packetOf('1219', AES, 0x15), AES);
  assert.equal(status(otherAlgorithm, AES), POR_STATUS.unidentifiedSecurityError);
  const signed = Uint8Array.from(good, (octet, i) => (i === 3 ? octet | 0x03 : octet));
  assert.equal(status(signed, AES), POR_STATUS.unidentifiedSecurityError);
  assert.equal(status(good.subarray(0, -1), AES), POR_STATUS.unidentifiedSecurityError);
});

test('a counter is judged by the rule of the packet', () => {
  const status = (rule: Spi['counter'], received: number, last: number): number => {
    const judged = checkCounter(rule, received, last);
    return judged.ok ? judged.last : -judged.status;
  };
  assert.equal(status('none', 0, 7), 7);
  assert.equal(status('available', 3, 7), 7);
  assert.equal(status('higher', 8, 7), 8);
  assert.equal(status('higher', 1000, 7), 1000);
  assert.equal(status('higher', 7, 7), -POR_STATUS.counterLow);
  assert.equal(status('next', 8, 7), 8);
  assert.equal(status('next', 7, 7), -POR_STATUS.counterLow);
  assert.equal(status('next', 9, 7), -POR_STATUS.counterHigh);
  assert.equal(status('higher', COUNTER_MAX, COUNTER_MAX - 1), COUNTER_MAX);
  assert.equal(status('higher', COUNTER_MAX, COUNTER_MAX), -POR_STATUS.counterBlocked);
  assert.throws(() => sealCommand({ ...packetOf('1619', AES), counter: COUNTER_MAX + 1 }, AES), AgentError);
});

test('the minimum security level of an application compares check, ciphering and counter', () => {
  assert.equal(meetsSecurityLevel(spiOf('1600'), 0x16), true);
  assert.equal(meetsSecurityLevel(spiOf('1E00'), 0x16), true);
  for (const [spi, minimum] of [
    ['1200', 0x16],
    ['0600', 0x16],
    ['1500', 0x16],
    ['0000', 0x01],
  ] as const) {
    assert.equal(meetsSecurityLevel(spiOf(spi), minimum), false, spi);
  }
  assert.equal(meetsSecurityLevel(spiOf('0000'), 0x00), true);
});

test('every SPI survives the codec', () => {
  for (let first = 0; first < 0x20; first++) {
    for (let second = 0; second < 0x40; second++) {
      const spi = decodeSpi(first, second);
      assert.deepEqual(encodeSpi(spi), Uint8Array.of(first, second));
    }
  }
});

test('key indicators name keyset and algorithm', () => {
  assert.deepEqual(
    [AES.kic, DES.kid, CARDS[0].kic, DES.kic].map((key) => keyIndicator(15, key)),
    [0xf2, 0xf1, 0xf5, 0xf9],
  );
  assert.equal(indicatorFits(0x15, CARDS[0].kic), true);
  assert.equal(indicatorFits(0x19, CARDS[0].kic), false);
  assert.equal(indicatorFits(0x10, AES.kic), true);
  assert.throws(() => keyIndicator(0, AES.kic), invalid);
  assert.throws(() => keyIndicator(1, keyOf('des', '00'.repeat(9))), invalid);
});

test('a changed, truncated or unprotected proof of receipt is refused', () => {
  const asked = { spi: spiOf('1619'), kid: keyIndicator(1, AES.kid) };
  const packet = { tar: fromHex('000001'), counter: 5, status: 0, data: fromHex('AB03800101') };
  const good = sealResponse(packet, asked, AES);
  for (let at = 0; at < good.length; at++) {
    const bad = Uint8Array.from(good, (octet, i) => (i === at ? octet ^ 0x10 : octet));
    assert.throws(() => openResponse(bad, asked, AES), security, `octet ${at}`);
    assert.throws(() => openResponse(good.subarray(0, at), asked, AES), security, `cut at ${at}`);
  }
  const plain = { spi: { porIntegrity: 'none', porCiphering: false } as const, kid: 0 };
  assert.throws(
    () => openResponse(sealResponse(packet, plain, {}), asked, AES),
    (thrown) =>
      security(thrown) && (thrown as AgentError).data['why'] === 'not the security that was asked for',
  );
  assert.throws(() => sealResponse(packet, asked, {}), invalid);
  assert.throws(() => openResponse(good, asked, {}), invalid);
});

test('random octets never open and never throw anything but an AgentError', () => {
  const asked = { spi: spiOf('0619'), kid: 0x12 };
  const framed = (bytes: Uint8Array): Uint8Array =>
    concat(Uint8Array.of(0, bytes.length + 4, 0x15, 0x16, 0x19, 0x12), bytes);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), (bytes) => {
      assert.equal(openCommand(bytes, AES).ok, false);
      assert.equal(openCommand(framed(bytes), AES).ok, false);
      assert.throws(() => openResponse(bytes, asked, AES), security);
    }),
  );
});

test('DES gives the block of FIPS 81, the key check value of zeros, and refuses other lengths', () => {
  const single = new Secret(fromHex('0123456789ABCDEF'));
  // FIPS 81 table B1: "Now is the time for all ".
  assert.equal(toHex(desCbcEncrypt(single, utf8Bytes('Now is t'))), '3FA40E8A984D4815');
  assert.equal(toHex(desCbcDecrypt(single, fromHex('3FA40E8A984D4815'))), toHex(utf8Bytes('Now is t')));
  assert.equal(toHex(desKeyCheckValue(single)), 'D5D44F');
  assert.equal(desCbcMac(single, new Uint8Array(0)).length, 8);
  assert.throws(() => desCbcEncrypt(new Secret(new Uint8Array(7)), new Uint8Array(8)), invalid);
  assert.throws(() => desCbcEncrypt(single, new Uint8Array(7)), AgentError);
  assert.throws(() => desCbcDecrypt(single, new Uint8Array(9)), AgentError);
});

test('both redundancy checks give their published check values', () => {
  // The catalogue values of ISO/IEC 13239 for "123456789".
  assert.deepEqual(
    [toHex(crc16(utf8Bytes('123456789'))), toHex(crc32(utf8Bytes('123456789')))],
    ['906E', 'CBF43926'],
  );
});
