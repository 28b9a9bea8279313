// Headers of secured packets against published ones (osmocom/pysim, tests/unittests/test_ota.py).
import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import {
  decodeCommandPacket,
  decodeResponsePacket,
  encodeCommandPacketHead,
  encodeSpi,
  keyUseOf,
  porStatusName,
  splitCommandBody,
  splitResponseBody,
  UDH_RESPONSE,
} from './secured-packet.ts';

const VECTORS = new URL('../../../shared/testdata/vectors/ota-sms.json', import.meta.url);

// The first case of the published file: 3DES, ciphered, with a checksum.
const COMMAND = '00201506193535B00011AE733256918D050B87C94FBFE12E4DC402F262C41CF67F2F';

test('a published command packet is taken apart by its names', () => {
  const packet = decodeCommandPacket(fromHex(COMMAND));
  deepEqual(packet.spi, {
    counter: 'none',
    ciphering: true,
    integrity: 'cc',
    por: 'always',
    porIntegrity: 'cc',
    porCiphering: true,
    porInSubmit: false,
  });
  equal(toHex(encodeSpi(packet.spi)), '0619');
  deepEqual(keyUseOf(packet.kic), { keyVersion: 3, algorithm: '2-key 3des' });
  equal(toHex(packet.tar), 'B00011');
  equal(packet.integrityLength, 8);
  equal(packet.body.length, 24);
  deepEqual(encodeCommandPacketHead(packet, packet.integrityLength, packet.body.length), packet.head);
});

test('every published command packet has the header that its parameters give', (t) => {
  if (!existsSync(VECTORS)) {
    t.skip('the published vectors are not beside the project');
    return;
  }
  type Case = {
    readonly spiHex: string;
    readonly tar: string;
    readonly encodedCmd: string;
    readonly hasCpl?: boolean;
  };
  type File = {
    readonly madeWithPysim: readonly Case[];
    readonly ts48Keysets: { readonly cases: readonly Case[] };
    readonly por: { readonly cases: readonly { readonly tar: string; readonly encodedResp: string }[] };
  };
  const file = JSON.parse(readFileSync(VECTORS, 'utf8')) as File;
  const commands = [...file.madeWithPysim, ...file.ts48Keysets.cases].filter((row) => row.hasCpl === true);
  ok(commands.length > 10);
  for (const row of commands) {
    const packet = decodeCommandPacket(fromHex(row.encodedCmd));
    equal(toHex(encodeSpi(packet.spi)), row.spiHex.toUpperCase());
    equal(toHex(packet.tar), row.tar.toUpperCase());
    deepEqual(encodeCommandPacketHead(packet, packet.integrityLength, packet.body.length), packet.head);
  }
  for (const row of file.por.cases) {
    const octets = fromHex(row.encodedResp);
    deepEqual(octets.subarray(0, 3), UDH_RESPONSE);
    equal(toHex(decodeResponsePacket(octets.subarray(3)).tar), row.tar.toUpperCase());
  }
});

test('a body in the clear falls into counter, padding, checksum and data', () => {
  const body = fromHex('000000000502AABBCCDDEEFF001100A40004023F000000');
  const parts = splitCommandBody(body, 8);
  deepEqual(
    [toHex(parts.counter), parts.paddingLength, toHex(parts.integrity), toHex(parts.data)],
    ['0000000005', 2, 'AABBCCDDEEFF0011', '00A40004023F000000'],
  );
  const response = splitResponseBody(fromHex('000000000500090102'), 0);
  deepEqual([porStatusName(response.status), toHex(response.data)], ['tarUnknown', '0102']);
  equal(porStatusName(42), 'status 42');
  throws(
    () => splitCommandBody(fromHex('000000000503AABB'), 0),
    (error) => isAgentError(error, 'PACKET_INVALID'),
  );
});

test('lengths that contradict the octets are refused', () => {
  const octets = fromHex(COMMAND);
  for (const wrong of [
    octets.subarray(0, octets.length - 1),
    concat(octets, fromHex('00')),
    fromHex(COMMAND.replace('002015', '00200C')),
    fromHex(COMMAND.replace('002015', '002040')),
    fromHex(''),
  ]) {
    throws(
      () => decodeCommandPacket(wrong),
      (error) => isAgentError(error, 'PACKET_INVALID'),
    );
  }
});

test('random octets end in PACKET_INVALID or a packet', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 16 }), (octets, length) => {
      const withLength = concat(Uint8Array.of(0, octets.length), octets);
      for (const act of [
        () => decodeCommandPacket(octets),
        () => decodeCommandPacket(withLength),
        () => decodeResponsePacket(withLength),
        () => splitCommandBody(octets, length),
        () => splitResponseBody(octets, length),
      ]) {
        try {
          act();
        } catch (error) {
          if (!isAgentError(error, 'PACKET_INVALID')) throw error;
        }
      }
    }),
    { numRuns: 500 },
  );
});
