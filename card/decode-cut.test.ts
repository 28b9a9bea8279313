// The decoder on octets that end in the middle: what came before the cut keeps its names, and a part of a key stays a secret.
import { equal, match, ok } from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import { createTestPki } from '../euicc/testing/pki.ts';
import { describe } from '../codec/describe.ts';

const CERTIFICATE = createTestPki(createNodeEc()).euicc.certificate;

test('a certificate that is cut is still a certificate, with all that came before the cut', () => {
  for (const octets of [60, 120, 200, CERTIFICATE.length - 1]) {
    const text = describe(CERTIFICATE.subarray(0, octets));
    match(text, /^0000 {2}30 Certificate \[/, String(octets));
    match(text, /^ *[0-9A-F]{4} {6}02 serialNumber /m);
    const end = octets.toString(16).toUpperCase().padStart(4, '0');
    match(
      text,
      new RegExp(`^${end} {2}! 30 says ${CERTIFICATE.length - 4} octets, ${octets - 4} are there$`, 'm'),
    );
  }
});

test('a few octets of an object are not taken for what they are too short to show', () => {
  match(describe(CERTIFICATE.subarray(0, 8)), /^0000 {2}\? 30 unknown \[4\] /);
});

test('no part of a private key is shown, wherever its file is cut', () => {
  for (const type of ['sec1', 'pkcs8'] as const) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    const der = new Uint8Array(privateKey.export({ type, format: 'der' }));
    const base64 = (privateKey.export({ format: 'jwk' }).d ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const key = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    equal(key.length, 32);
    for (let octets = 1; octets <= der.length; octets++) {
      const text = describe(der.subarray(0, octets)).replaceAll(/\n[0-9A-F]{4} */g, '');
      for (let at = 0; at + 4 <= key.length; at++) {
        ok(!text.includes(toHex(key.subarray(at, at + 4))), `${type} cut at ${octets}`);
      }
    }
    match(describe(der.subarray(0, 60)), /privateKey \[\d+\] secret/);
  }
});

test('what stands behind a cut key stays visible', () => {
  const text = describe(fromHex(`3077020101 0420${'11'.repeat(32)}A0`.replaceAll(' ', '')));
  match(text, /^0005 {4}04 privateKey \[32\] secret$/m);
  match(text, /^0027 {4}\? rest \[1\] A0$/m);
});
