// Profile packages in words: names of the elements' members, file attributes spelt out, and no secret in the text.
import { deepEqual, match, ok } from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { concat, fromHex } from '../base/bytes.ts';
import { describe } from './describe.ts';
import { encodeProfilePackage, type ProfileElement } from './saip/package.ts';

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
      pukCodes: [{ keyReference: 0x01, pukValue: fromHex('3132333435363738') }],
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
  deepEqual(describe(encodeProfilePackage(ELEMENTS)).split('\n'), [
    '0000  A0 header [40]',
    '0002    80 majorVersion [1] 2 (02)',
    '0005    81 minorVersion [1] 3 (03)',
    '0008    82 profileType [4] "test"',
    '000E    83 iccid [10] 8988211000000000017',
    '001A    A5 mandatoryServices [4] usim, milenage (81008400)',
    '0020    A6 mandatoryGfsteList [8]',
    '0022      06 [6] 2.23.143.1.2.1 (67810F010201)',
    '002A  A3 pukCodes [24]',
    '002C    A0 header [5]',
    '002E      80 mandated [0]',
    '0030      81 identification [1] 2 (02)',
    '0033    A1 pukCodes [15]',
    '0035      30 [13]',
    '0037        80 keyReference [1] 1 (01)',
    '003A        81 pukValue [8] secret',
    '0044  B8 gsm-access [48]',
    '0046    A0 header [3]',
    '0048      81 identification [1] 3 (03)',
    '004B    81 templateID [6] 2.23.143.1.2.7 (67810F010207)',
    '0053    A2 df-gsm-access [0]',
    '0055    A3 ef-kc [31]',
    '0057      A1 fileDescriptor [23]',
    '0059        82 fileDescriptor [4] 42210010 linear fixed, records of 16',
    '005F        8B securityAttributesReferenced [3] 6F06 record 5',
    '0064        80 efFileSize [2] 256 octets (0100)',
    '0068        88 shortEfid [0] none',
    '006A        C7 linkPath [4] 7F10/5F3A',
    '0070      82 fillFileOffset [1] 8 (08)',
    '0073      83 fillFileContent [1] 07',
  ]);
});

test('an unknown element stays visible, a broken one is named with its offset', () => {
  const header = encodeProfilePackage(ELEMENTS.slice(0, 1));
  const text = describe(concat(header, fromHex('BF3A07A0038101058900AA028100A1050102')), 'profile');
  match(text, /^002A {2}\? BF3A unknown \[7\]$/m);
  match(
    text,
    /^0034 {2}AA end \[2\]\n0036 {4}\? 81 unknown \[0\]\n0038 {4}! expected A0 header, which is missing$/m,
  );
  match(text, /^003C {2}! A1 says 5 octets, 2 are there$/m);
});

test('a TS.48 package is described without any of its keys and PINs', (t) => {
  const folder = new URL('../../../shared/testdata/ts48/', import.meta.url);
  if (!existsSync(folder)) {
    t.skip('the published packages are not beside the project');
    return;
  }
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.der'))) {
    const text = describe(new Uint8Array(readFileSync(new URL(name, folder))));
    ok(!text.includes('000102030405060708090A0B0C0D0E0F'), name);
    ok(!text.includes('39393939'), name);
    match(text, /filePath \[4\] 7F10\/5F3A/);
  }
});
