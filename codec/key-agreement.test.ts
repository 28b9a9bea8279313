// Scenario #3 as octets (GlobalPlatform Amendment A 3.5, Amendment E).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { encodeDataGrouping, needDataGroupings, readDataGroupings } from './data-groupings.ts';
import {
  decodeGpCertificate,
  decodeGpPoint,
  encodeGpCertificate,
  encodeGpCertificateBody,
  encodeGpPoint,
  GP_ROLE,
} from './gp-certificate.ts';
import { decodeAgreedKeyset, encodeAgreedKeyset, signedAgreement } from './key-agreement.ts';

const agentError = (thrown: unknown): boolean => isAgentError(thrown);
const POINT = concat(Uint8Array.of(4), new Uint8Array(64).fill(7));
const KEYSET = { version: 2, keyOctets: 16, replaces: true, derivationRandom: false, counter: 0 } as const;

test('a keyset is asked for as an SM-SR in the field asks for it', () => {
  // The template that an open SM-SR sends in its handover of an eUICC (SGP.02 4.1.1.8).
  const control = fromHex('A615900203099501108001888101108201018301029100');
  assert.deepEqual(encodeAgreedKeyset(KEYSET), control);
  assert.deepEqual(decodeAgreedKeyset(control), KEYSET);
});

test('what else may stand in the template is read, and what asks for anything else is refused', () => {
  const template = (hex: string): Uint8Array =>
    fromHex(`A6${(hex.length / 2).toString(16).padStart(2, '0')}${hex}`);
  const head = '9002030F950110';
  const tail = '80018881012082010183013191050000000102';
  assert.deepEqual(decodeAgreedKeyset(template(`${head}960100${tail}4502AABB8401CC`)), {
    version: 0x31,
    keyOctets: 32,
    replaces: true,
    derivationRandom: true,
    counter: 0x0102,
    identities: { sdin: fromHex('AABB'), hostId: fromHex('CC') },
  });
  for (const wrong of [
    '900203099501108001888101108201018301029101FF',
    '9002020995011080018881011082010183010291 00',
    '9002034995011080018881011082010183010291 00',
    '9002030195011080018881011082010183010291 00',
    '900103950110800188810110820101830102',
    '90020309 95015C 800188 810110 820101 830102',
    '90020309 950110 800180 810110 820101 830102',
    '90020309 950110 800188 810110 820102 830102',
    '90020309 950110 800188 81020010 820101 830102',
    '90020309 950110 800188 810110 820101',
    '9002030D 950110 800188 810110 820101 830102',
    '90020309 950110 800188 810110 820101 830102 4501AA 840101',
  ]) {
    assert.throws(() => decodeAgreedKeyset(template(wrong.replaceAll(' ', ''))), agentError, wrong);
  }
});

test('certificates are written and read, and their signature covers all that stands before it', () => {
  for (const curve of ['P-256', 'brainpoolP256r1'] as const) {
    const body = {
      serialNumber: fromHex('0102'),
      caIdentifier: fromHex('42'),
      subject: fromHex('2B'),
      expiry: fromHex('20301231'),
      role: GP_ROLE.smSr,
      caKeyIdentifier: new Uint8Array(20).fill(9),
      curve,
      publicKey: POINT,
    };
    const signed = encodeGpCertificateBody(body);
    const signature = new Uint8Array(64).fill(1);
    const whole = encodeGpCertificate(signed, signature);
    assert.deepEqual(decodeGpCertificate(whole), { ...body, signed, signature });
    for (let cut = 0; cut < whole.length; cut++) {
      assert.throws(() => decodeGpCertificate(whole.subarray(0, cut)), agentError);
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      assert.throws(() => decodeGpCertificate(bytes), agentError);
    }),
  );
});

test('a point is read with the reference of its curve, without, and alone', () => {
  assert.deepEqual(decodeGpPoint(encodeGpPoint('brainpoolP256r1', POINT)), {
    curve: 'brainpoolP256r1',
    publicKey: POINT,
  });
  assert.deepEqual(decodeGpPoint(POINT, 'brainpoolP256r1').curve, 'brainpoolP256r1');
  assert.equal(decodeGpPoint(fromHex(`B041${toHex(POINT)}`)).curve, 'P-256');
  for (const wrong of [`B041${toHex(POINT)}F00140`, `B041${toHex(POINT)}F000`, 'F00100', '04', '']) {
    assert.throws(() => decodeGpPoint(fromHex(wrong)), agentError, wrong);
  }
});

test('data groupings come in short and long form, and are none while octets are missing', () => {
  const long = new Uint8Array(300).fill(5);
  const bytes = concat(encodeDataGrouping(0x3a01, long), encodeDataGrouping(0x0085, fromHex('AA')));
  assert.equal(toHex(bytes.subarray(0, 5)), '3A01FF012C');
  const groupings = readDataGroupings(bytes);
  assert.deepEqual(groupings, [
    { name: 0x3a01, value: long },
    { name: 0x0085, value: fromHex('AA') },
  ]);
  for (let cut = 1; cut < bytes.length; cut++) {
    if (cut !== 305) assert.equal(readDataGroupings(bytes.subarray(0, cut)), undefined, `cut at ${cut}`);
  }
  assert.deepEqual(needDataGroupings(groupings ?? [], [0x3a01, 0x0085]), [long, fromHex('AA')]);
  assert.throws(() => needDataGroupings(groupings ?? [], [0x0085, 0x3a01]), agentError);
  assert.throws(() => needDataGroupings(groupings ?? [], [0x3a01]), agentError);
  assert.throws(() => encodeDataGrouping(1, new Uint8Array(65_536)), agentError);
});

test('what the host signs is the template, its key and the challenge as data groupings', () => {
  assert.equal(
    toHex(signedAgreement(fromHex('A600'), fromHex('04'), fromHex('1122'))),
    '3A0202A6007F4901040085021122',
  );
});
