// The decoder on what a card tells about itself: production data, recognition data, keys, registry.
import { deepEqual } from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex } from '../base/bytes.ts';
import { describe } from './describe.ts';

function lines(hex: string): readonly string[] {
  return describe(fromHex(hex.replaceAll(' ', ''))).split('\n');
}

test('production data stand field by field, and what is missing of them is a fault', () => {
  const whole =
    '4790 5168 4791 2081 3B00 6177 01020304 0102 4812 6178 4813 6179 4814 6180 05060708 4815 6181 090A0B0C';
  const shown = [
    '0000  9F7F Card Production Life Cycle Data [42]',
    '0003    icFabricator 4790',
    '0005    icType 5168',
    '0007    operatingSystemIdentifier 4791',
    '0009    operatingSystemReleaseDate 2081',
    '000B    operatingSystemReleaseLevel 3B00',
    '000D    icFabricationDate 6177',
    '000F    icSerialNumber 01020304',
    '0013    icBatchIdentifier 0102',
    '0015    icModuleFabricator 4812',
    '0017    icModulePackagingDate 6178',
    '0019    iccManufacturer 4813',
    '001B    icEmbeddingDate 6179',
    '001D    icPrePersonalizer 4814',
    '001F    icPrePersonalizationDate 6180',
    '0021    icPrePersonalizationEquipment 05060708',
    '0025    icPersonalizer 4815',
    '0027    icPersonalizationDate 6181',
    '0029    icPersonalizationEquipment 090A0B0C',
  ];
  deepEqual(lines(`9F7F2A${whole}`), shown);
  deepEqual(lines(`9F7F29${whole.slice(0, -2)}`).slice(-2), [
    '0029    ? rest [3] 090A0B',
    '002C    ! expected 42 octets, 41 are there',
  ]);
});

test('GET DATA names what it asks for, and the answer is read with its status word', () => {
  deepEqual(lines('80CA9F7F00'), [
    '0000  command GET DATA [5]',
    '0000    CLA 80 channel 0',
    '0002    P1 P2 9F7F Card Production Life Cycle Data',
    '0004    Le 256',
  ]);
  deepEqual(lines('E00CC00401308810C004020180109000'), [
    '0000  response [16]',
    '0000    E0 Key Information Template [12]',
    '0002      C0 key [4] identifier 1, version 48: AES of 16 octets (01308810)',
    '0008      C0 key [4] identifier 2, version 1: DES of 16 octets (02018010)',
    '000E    SW 9000 ok',
  ]);
});

test('card recognition data, card resources and registry entries are named; what is unknown stays visible', () => {
  deepEqual(
    lines(
      '6630732E06072A864886FC6B01600B06092A864886FC6B020203630906072A864886FC6B03640B06092A864886FC6B040370',
    ).filter((line) => line.includes('object identifier')),
    [
      '0004      06 object identifier [7] card recognition data 1.2.840.114283.1 (2A864886FC6B01)',
      '000F        06 object identifier [9] GlobalPlatform 2.3 1.2.840.114283.2.2.3',
      '001C        06 object identifier [7] card identification scheme 1.2.840.114283.3 (2A864886FC6B03)',
      '0027        06 object identifier [9] SCP03 i=70 1.2.840.114283.4.3.112',
    ],
  );
  deepEqual(lines('FF210C810102820400001000 99017F'), [
    '0000  FF21 Extended Card Resources [12]',
    '0003    81 applications [1] 2 (02)',
    '0006    82 free non-volatile memory [4] 4096 octets (00001000)',
    '000C    ? 99 unknown [1] 7F',
  ]);
  deepEqual(lines('E31B4F10A0000005591010FFFFFFFF89000001009F70010FC503804000'), [
    '0000  E3 Registry Entry [27]',
    '0002    4F AID [16] A0000005591010FFFFFFFF8900000100',
    '0014    9F70 life cycle state [1] 0F',
    '0018    C5 privileges [3] 804000',
  ]);
});
