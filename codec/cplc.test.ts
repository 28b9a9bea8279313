// Production data: its layout, and what is no such object.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { CPLC_FIELDS, CPLC_OCTETS, cplcDate, decodeCplc, encodeCplc } from './cplc.ts';

const WHOLE =
  '4790 5168 4791 2081 3B00 6177 01020304 0102 4812 6178 4813 6179 4814 6180 05060708 4815 6181 090A0B0C'.replaceAll(
    ' ',
    '',
  );

test('the fields lie in 42 octets in the order of the card production guide', () => {
  assert.equal(CPLC_OCTETS, 42);
  assert.deepEqual(decodeCplc(fromHex(WHOLE)), {
    icFabricator: '4790',
    icType: '5168',
    operatingSystemIdentifier: '4791',
    operatingSystemReleaseDate: '2081',
    operatingSystemReleaseLevel: '3B00',
    icFabricationDate: '6177',
    icSerialNumber: '01020304',
    icBatchIdentifier: '0102',
    icModuleFabricator: '4812',
    icModulePackagingDate: '6178',
    iccManufacturer: '4813',
    icEmbeddingDate: '6179',
    icPrePersonalizer: '4814',
    icPrePersonalizationDate: '6180',
    icPrePersonalizationEquipment: '05060708',
    icPersonalizer: '4815',
    icPersonalizationDate: '6181',
    icPersonalizationEquipment: '090A0B0C',
  });
});

test('what was read is written again, and what is not given is zero', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 42, maxLength: 42 }), (value) => {
      assert.deepEqual(encodeCplc(decodeCplc(value)), value);
    }),
  );
  assert.equal(toHex(encodeCplc({ icType: '5168' })), `00005168${'00'.repeat(38)}`);
});

test('another length is refused, of the whole and of every field', () => {
  for (const octets of [0, 41, 43]) {
    assert.throws(
      () => decodeCplc(new Uint8Array(octets)),
      (error) => isAgentError(error, 'TLV_VALUE'),
    );
  }
  for (const [field, octets] of CPLC_FIELDS) {
    const value = '00'.repeat(octets + 1);
    assert.throws(
      () => encodeCplc({ [field]: value }),
      (error) => isAgentError(error, 'TLV_VALUE'),
    );
  }
});

test('a date is the last digit of its year and the day in it', () => {
  assert.equal(cplcDate(Date.UTC(2026, 0, 1)), '6001');
  assert.equal(cplcDate(Date.UTC(2026, 11, 31, 23, 59)), '6365');
  assert.equal(cplcDate(Date.UTC(2028, 11, 31)), '8366');
  assert.equal(cplcDate(Date.UTC(2030, 1, 1)), '0032');
});
