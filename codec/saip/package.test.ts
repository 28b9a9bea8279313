import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../../base/bytes.ts';
import { realClock } from '../../base/clock.ts';
import { isAgentError } from '../../base/errors.ts';
import {
  decodeProfileElement,
  decodeProfilePackage,
  elementHeader,
  elementName,
  encodeProfileElement,
  encodeProfilePackage,
  type ProfileElement,
} from './package.ts';

const TS48 = '../shared/testdata/ts48';
const packages = existsSync(TS48) ? readdirSync(TS48).filter((name) => name.endsWith('.der')) : [];

test('every GSMA TS.48 package decodes without unknown parts and encodes to the same octets', (t) => {
  if (packages.length === 0) return t.skip('no TS.48 packages here');
  for (const name of packages) {
    const bytes = new Uint8Array(readFileSync(`${TS48}/${name}`));
    const elements = decodeProfilePackage(bytes);
    assert.deepEqual(unknownParts(elements), [], name);
    assert.deepEqual(toHex(encodeProfilePackage(elements)), toHex(bytes), name);
    assert.equal(elements.at(0)?.type, 'header', name);
    assert.equal(elements.at(-1)?.type, 'end', name);
  }
});

test('the TS.48 version 5 package has the elements and header that its README names', (t) => {
  const name = 'TS48v5_SAIP2.3_BERTLV_SUCI.der';
  if (!packages.includes(name)) return t.skip('no TS.48 packages here');
  const elements = decodeProfilePackage(new Uint8Array(readFileSync(`${TS48}/${name}`)));
  assert.equal(elements.length, 30);
  const header = elements[0];
  assert.ok(header?.type === 'header');
  assert.equal(toHex(header.value.iccid), '89000123456789012341');
  assert.equal(header.value.profileType, 'GSMA Generic eUICC Test Profile');
  assert.deepEqual(
    [...header.value.mandatoryServices],
    [
      'usim',
      'isim',
      'csim',
      'usim-test-algorithm',
      'ber-tlv',
      'get-identity',
      'profile-a-x25519',
      'profile-b-p256',
    ],
  );
  assert.equal(header.value.mandatoryGfsteList[0], '2.23.143.1.2.1');
  const aka = elements.find((element) => element.type === 'akaParameter');
  const algorithm = aka?.value.algoConfiguration[0];
  assert.ok(algorithm?.is === 'algoParameter');
  assert.equal(algorithm.value.algorithmId, 3);
  assert.equal(toHex(algorithm.value.key), '000102030405060708090A0B0C0D0E0F');
});

// The vectors below are written by hand from the ASN.1 module.
const PUK_ELEMENT = 'A318 A0058000810103 A10F 300D 800101 81083939393939393939';
const RFM_ELEMENT =
  'A73D A005800081011C 4F09A00000055910100002 4F08A000000151000000 A0050403B00140 810102 040100 040101' +
  ' 300F 8007A0000000871002 810100 820100';

function hex(text: string): Uint8Array {
  return fromHex(text.replaceAll(' ', ''));
}

test('a PUK element written by hand reads as its members', () => {
  const element = decodeProfileElement(hex(PUK_ELEMENT));
  assert.ok(element.type === 'pukCodes');
  assert.deepEqual(element.value.header, { mandated: true, identification: 3 });
  assert.equal(element.value.pukCodes.length, 1);
  assert.equal(element.value.pukCodes[0]?.keyReference, 1);
  assert.deepEqual(element.value.pukCodes[0]?.pukValue, hex('3939393939393939'));
});

test('members that share a tag are told apart by their order', () => {
  const element = decodeProfileElement(hex(RFM_ELEMENT));
  assert.ok(element.type === 'rfm');
  assert.deepEqual(element.value.instanceAid, hex('A00000055910100002'));
  assert.deepEqual(element.value.securityDomainAid, hex('A000000151000000'));
  assert.deepEqual(element.value.tarList, [hex('B00140')]);
  assert.deepEqual(element.value.uiccAccessDomain, hex('00'));
  assert.deepEqual(element.value.uiccAdminAccessDomain, hex('01'));
  assert.deepEqual(element.value.adfRfmAccess?.adfAid, hex('A0000000871002'));
  assert.deepEqual(encodeProfileElement(element), hex(RFM_ELEMENT));
});

test('the security domain is optional and then the TAR list follows the instance at once', () => {
  const without = 'A722 A005800081011C 4F09A00000055910100002 A0050403B00140 810102 040100 040100';
  const element = decodeProfileElement(hex(without));
  assert.ok(element.type === 'rfm');
  assert.equal(element.value.securityDomainAid, undefined);
  assert.deepEqual(element.value.tarList, [hex('B00140')]);
});

test('an element of an unknown tag is kept whole, and its header is shown', () => {
  const bytes = hex('BF3A0C A0058000810107 8903AABBCC');
  const element = decodeProfileElement(bytes);
  assert.ok(element.type === 'unknown');
  assert.deepEqual(elementHeader(element), { mandated: true, identification: 7 });
  assert.equal(elementName(element), 'BF3A');
  assert.deepEqual(encodeProfileElement(element), bytes);
  const headless = decodeProfileElement(hex('AF020500'));
  assert.equal(elementHeader(headless), undefined);
});

test('members from a later version of the format come back at their place', () => {
  const end = hex('AA0A A0058000810107 9E01FF');
  assert.deepEqual(encodeProfileElement(decodeProfileElement(end)), end);
  const files = hex('BC1B A003810107 8107 67810F01020D04 A205A1038A0105 A300 BF3F01AA');
  const element = decodeProfileElement(files);
  assert.ok(element.type === 'df-5gs');
  assert.equal(element.value.templateId, '2.23.143.1.2.13.4');
  assert.deepEqual(Object.keys(element.value.files), ['df-df-5gs', 'ef-5gs3gpploci']);
  assert.equal(element.value.unknown?.length, 1);
  assert.deepEqual(encodeProfileElement(element), files);
});

test('a missing mandatory member is named with its element and offset', () => {
  assert.throws(
    () => decodeProfilePackage(concat(hex(PUK_ELEMENT), hex('AA02 8100'))),
    (error) =>
      isAgentError(error, 'SAIP_INVALID') &&
      error.data['element'] === 'end' &&
      error.data['offset'] === 26 &&
      error.data['field'] === 'header',
  );
});

test('a file member that the element does not have is refused on encoding', () => {
  const element: ProfileElement = {
    type: 'gsm-access',
    value: {
      header: { identification: 1 },
      templateId: '2.23.143.1.2.7',
      files: { 'df-gsm-access': [], 'ef-imsi': [] },
    },
  };
  assert.throws(
    () => encodeProfileElement(element),
    (error) => isAgentError(error, 'TLV_VALUE'),
  );
});

const octet = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const some = (max: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength: max });
/** Records as object literals make them. */
const plain = { noNullPrototype: true } as const;
const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined });
const present = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, held]) => held !== undefined)) as T;
const header = fc
  .record(
    {
      mandated: maybe(fc.constant(true as const)),
      identification: fc.integer({ min: 0, max: 32767 }),
    },
    plain,
  )
  .map(present);
const fcp = fc
  .record(
    {
      fileDescriptor: maybe(octet(4)),
      fileId: maybe(octet(2)),
      dfName: maybe(octet(7)),
      lcsi: maybe(octet(1)),
      securityAttributesReferenced: maybe(octet(3)),
      efFileSize: maybe(octet(2)),
      shortEfid: maybe(some(1)),
      proprietaryEfInfo: maybe(
        fc
          .record({ specialFileInformation: maybe(octet(1)), fillPattern: maybe(octet(3)) }, plain)
          .map(present),
      ),
      linkPath: maybe(some(8)),
    },
    plain,
  )
  .map(present);
const fileSteps = fc.array(
  fc.oneof(
    fc.constant({ is: 'doNotCreate' as const, value: true as const }),
    fcp.map((value) => ({ is: 'fileDescriptor' as const, value })),
    fc.nat(65535).map((value) => ({ is: 'fillFileOffset' as const, value })),
    some(300).map((value) => ({ is: 'fillFileContent' as const, value })),
  ),
  { maxLength: 5 },
);
const element = fc.oneof(
  fc
    .record(
      {
        majorVersion: fc.nat(255),
        minorVersion: fc.nat(255),
        profileType: maybe(fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' })),
        iccid: octet(10),
        mandatoryServices: fc.subarray(['usim', 'isim', 'milenage', 'eaka', 'service-40']),
        mandatoryGfsteList: fc.array(fc.constantFrom('2.23.143.1.2.1', '2.23.143.1.2.13.3'), {
          maxLength: 4,
        }),
      },
      plain,
    )
    .map((value) => ({ type: 'header' as const, value: present(value) })),
  fc
    .record(
      {
        header,
        fileManagementCmd: fc.array(fcp.map((value) => [{ is: 'createFcp' as const, value }])),
      },
      plain,
    )
    .map((value) => ({ type: 'genericFileManagement' as const, value })),
  fc
    .record(
      { header, templateId: fc.constant('2.23.143.1.2.7'), dir: fileSteps, kc: maybe(fileSteps) },
      plain,
    )
    .map(({ header: head, templateId, dir, kc }) => ({
      type: 'gsm-access' as const,
      value: { header: head, templateId, files: present({ 'df-gsm-access': dir, 'ef-kcgprs': kc }) },
    })),
) as fc.Arbitrary<ProfileElement>;

test('what is encoded decodes to the same elements', () => {
  fc.assert(
    fc.property(fc.array(element, { maxLength: 6 }), (elements) => {
      assert.deepEqual(decodeProfilePackage(encodeProfilePackage(elements)), elements);
    }),
  );
});

test('every truncation of a package is refused or ends between two elements', () => {
  const whole = hex(`${PUK_ELEMENT} ${RFM_ELEMENT}`);
  for (let length = 0; length < whole.length; length++) {
    if (length === 0 || length === 26) {
      assert.equal(decodeProfilePackage(whole.subarray(0, length)).length, length === 0 ? 0 : 1);
      continue;
    }
    assert.throws(
      () => decodeProfilePackage(whole.subarray(0, length)),
      (error) => isAgentError(error, 'SAIP_INVALID'),
      `${length} octets`,
    );
  }
});

test('random octets are read or refused, never anything else', () => {
  const start = fc.constantFrom('', 'B0', 'B3', 'A0', 'A1', 'A2', 'A6', 'A8', 'B305A003810101').map(fromHex);
  fc.assert(
    fc.property(start, fc.uint8Array({ maxLength: 200 }), (head, tail) => {
      try {
        encodeProfilePackage(decodeProfilePackage(concat(head, tail)));
      } catch (error) {
        if (!isAgentError(error)) throw error;
      }
    }),
    { numRuns: 2000 },
  );
});

test('a package of 120 KB is read in well under a second', () => {
  const content = new Uint8Array(30_000).fill(0x5a);
  const run = [
    { is: 'createFcp' as const, value: {} },
    { is: 'fillFileContent' as const, value: content },
  ];
  const elements: ProfileElement[] = [1, 2, 3, 4].map((identification) => ({
    type: 'genericFileManagement',
    value: { header: { identification }, fileManagementCmd: [run] },
  }));
  const started = realClock.now();
  const bytes = encodeProfilePackage(elements);
  assert.ok(bytes.length > 120_000);
  assert.deepEqual(decodeProfilePackage(bytes).length, 4);
  assert.ok(realClock.now() - started < 500);
});

function unknownParts(value: unknown, path = ''): string[] {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return [];
  const here = 'unknown' in value || ('is' in value && value.is === 'unknown') ? [path] : [];
  return [
    ...here,
    ...Object.entries(value).flatMap(([name, inner]) => unknownParts(inner, `${path}.${name}`)),
  ];
}
