import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex } from '../../base/bytes.ts';
import { describeProfilePackage } from './describe.ts';
import { encodeProfilePackage, type ProfileElement } from './package.ts';

const ELEMENTS: readonly ProfileElement[] = [
  {
    type: 'header',
    value: {
      majorVersion: 2,
      minorVersion: 3,
      profileType: 'test',
      iccid: fromHex('8988211000000000017F'),
      mandatoryServices: ['usim', 'milenage'],
      mandatoryGfsteList: ['2.23.143.1.2.1'],
    },
  },
  {
    type: 'pukCodes',
    value: {
      header: { mandated: true, identification: 2 },
      pukCodes: [{ keyReference: 0x81, pukValue: fromHex('3132333435363738') }],
    },
  },
  {
    type: 'gsm-access',
    value: {
      header: { identification: 3 },
      templateId: '2.23.143.1.2.7',
      files: {
        'df-gsm-access': [],
        'ef-kc': [
          {
            is: 'fileDescriptor',
            value: {
              fileDescriptor: fromHex('42210010'),
              securityAttributesReferenced: fromHex('6F0605'),
              efFileSize: fromHex('0100'),
              shortEfid: new Uint8Array(0),
              linkPath: fromHex('7F105F3A'),
            },
          },
          { is: 'fillFileOffset', value: 8 },
          { is: 'fillFileContent', value: fromHex('07') },
        ],
      },
    },
  },
];

test('members stand under their elements by name, secrets only as their length', () => {
  assert.deepEqual(describeProfilePackage(encodeProfilePackage(ELEMENTS)), [
    'profile package, 119 octets',
    'header at offset 0, 42 octets',
    '  majorVersion 2',
    '  minorVersion 3',
    '  profileType test',
    '  iccid 8988211000000000017',
    '  mandatoryServices usim milenage',
    '  mandatoryGfsteList 2.23.143.1.2.1',
    'pukCodes 2 at offset 42, 27 octets, mandated',
    '  pukCodes',
    '    -',
    '      keyReference 0x81',
    '      pukValue [8 octets]',
    'gsm-access 3 at offset 69, 50 octets',
    '  templateId 2.23.143.1.2.7',
    '  df-gsm-access, empty',
    '  ef-kc',
    '    fileDescriptor',
    '      fileDescriptor 42210010 linear fixed, records of 16',
    '      securityAttributesReferenced 6F06 record 5',
    '      efFileSize 256 octets',
    '      shortEfid none',
    '      linkPath 7F10/5F3A',
    '    fillFileOffset 8',
    '    fillFileContent 07',
  ]);
});

test('what is not known stays visible, and what is broken is named with its offset', () => {
  const [, puk] = ELEMENTS;
  assert.ok(puk);
  const lines = describeProfilePackage(
    concat(fromHex('BF3A07A0038101058900'), encodeProfilePackage([puk]), fromHex('AA028100A1050102')),
  );
  assert.equal(lines[1], 'BF3A 5 at offset 0, 10 octets, unknown');
  assert.equal(lines[2], '  BF3A07A0038101058900');
  assert.equal(lines.at(-4), 'error at offset 37: end: header: TLV_MISSING');
  assert.equal(lines.at(-3), '  AA028100');
  assert.match(lines.at(-2) ?? '', /^error at offset 41: .*length 5 runs past the end/);
  assert.equal(lines.at(-1), '  A1050102');
});

test('a TS.48 package is described without any of its keys and PINs', (t) => {
  const folder = '../shared/testdata/ts48';
  if (!existsSync(folder)) return t.skip('no TS.48 packages here');
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.der'))) {
    const text = describeProfilePackage(new Uint8Array(readFileSync(`${folder}/${name}`))).join('\n');
    assert.ok(!text.includes('000102030405060708090A0B0C0D0E0F'), name);
    assert.ok(!text.includes('39393939'), name);
    assert.ok(!text.includes('error'), name);
    assert.match(text, /filePath 7F10\/5F3A/);
  }
});

test('random octets are described too', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const [first] = describeProfilePackage(bytes);
      assert.equal(first, `profile package, ${bytes.length} octets`);
    }),
    { numRuns: 500 },
  );
});
