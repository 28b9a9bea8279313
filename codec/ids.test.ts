import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import * as ids from './ids.ts';

const invalid = (error: unknown) => isAgentError(error, 'ID_INVALID');
const digits = (min: number, max = min) =>
  fc.string({ unit: fc.constantFrom(...'0123456789'.split('')), minLength: min, maxLength: max });

/** EIDs from the unit tests of osmocom/pysim (tests/unittests/test_euicc.py). */
type EidVectors = {
  readonly eid: {
    readonly valid: readonly string[];
    readonly invalid: readonly string[];
    readonly checkDigits: readonly { readonly in: string; readonly out: string }[];
  };
};

function vectors(): EidVectors | undefined {
  const path = join(import.meta.dirname, '../../../shared/testdata/vectors/activation-code-eid.json');
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as EidVectors;
  } catch {
    return undefined;
  }
}

describe('EID', () => {
  test('agrees with the published values (osmocom/pysim)', (t) => {
    const known = vectors();
    if (known === undefined) {
      t.skip('no vectors beside the project');
      return;
    }
    for (const text of known.eid.valid) assert.equal(ids.parseEid(text), text);
    for (const text of known.eid.invalid) assert.throws(() => ids.parseEid(text), invalid);
    for (const { in: given, out } of known.eid.checkDigits) {
      assert.equal(ids.completeEid(given.slice(0, 30)), out);
    }
  });

  test('has check digits that catch every wrong digit and every swap of neighbours (SGP.29)', () => {
    fc.assert(
      fc.property(digits(30), fc.nat(31), fc.integer({ min: 1, max: 9 }), (first30, at, change) => {
        const eid = ids.completeEid(first30);
        const wrong = eid.slice(0, at) + String((Number(eid[at]) + change) % 10) + eid.slice(at + 1);
        assert.throws(() => ids.parseEid(wrong), invalid);
        const swapped = eid.slice(0, at) + (eid[at + 1] ?? '') + (eid[at] ?? '') + eid.slice(at + 2);
        if (swapped !== eid) assert.throws(() => ids.parseEid(swapped), invalid);
      }),
    );
  });

  test('is 16 octets in reading order', () => {
    const eid = ids.parseEid('89049032123451234512345678901235');
    assert.equal(toHex(ids.encodeEid(eid)), eid);
    assert.equal(ids.decodeEid(ids.encodeEid(eid)), eid);
  });

  test('of a card is taken with wrong check digits, but not with anything but digits', () => {
    assert.equal(ids.decodeEid(fromHex('89049032123451234512345678901234')).length, 32);
    for (const hex of [
      '8904903212345123451234567890123A',
      '8904',
      '89049032123451234512345678901234FF',
      '',
    ]) {
      assert.throws(() => ids.decodeEid(fromHex(hex)), invalid);
    }
  });
});

describe('ICCID', () => {
  test('is nibble-swapped and padded F on the card (ETSI TS 102 221, 13.2)', () => {
    assert.equal(toHex(ids.encodeIccid(ids.parseIccid('8949000000000000012'))), '989400000000000010F2');
    assert.equal(toHex(ids.encodeIccidPlain(ids.parseIccid('8949000000000000012'))), '8949000000000000012F');
  });

  test('of 18 to 20 digits comes back as it went', () => {
    fc.assert(
      fc.property(digits(18, 20), (text) => {
        const iccid = ids.parseIccid(text);
        assert.equal(ids.decodeIccid(ids.encodeIccid(iccid)), iccid);
        assert.equal(ids.decodeIccidPlain(ids.encodeIccidPlain(iccid)), iccid);
      }),
    );
  });

  test('is refused with other lengths, other digits, or a filler in the middle', () => {
    for (const text of [
      '',
      '12345678901234567',
      '123456789012345678901',
      '89490000000000000A',
      '89490000000000000 ',
    ]) {
      assert.throws(() => ids.parseIccid(text), invalid, text);
    }
    for (const hex of [
      '98490000F0000000001F',
      'FFFFFFFFFFFFFFFFFFFF',
      '9849000000000000',
      '98490000000000000010F2',
    ]) {
      assert.throws(() => ids.decodeIccid(fromHex(hex)), invalid, hex);
    }
    assert.throws(() => ids.decodeIccidPlain(fromHex('894900000000000001')), invalid);
  });
});

describe('IMSI', () => {
  test('stands in EF.IMSI with length, parity and swapped digits (3GPP TS 31.102, 4.2.2)', () => {
    for (const [imsi, file] of [
      ['001010123456789', '080910101032547698'],
      ['24407123456789', '0821447021436587F9'],
      ['123456', '04113254F6FFFFFFFF'],
    ] as const) {
      assert.equal(toHex(ids.encodeImsi(ids.parseImsi(imsi))), file);
    }
  });

  test('of 6 to 15 digits comes back as it went', () => {
    fc.assert(
      fc.property(digits(6, 15), (text) => {
        const file = ids.encodeImsi(ids.parseImsi(text));
        assert.equal(file.length, 9);
        assert.equal(ids.decodeImsi(file), text);
      }),
    );
  });

  test('is refused from an empty, short or foreign file', () => {
    for (const hex of [
      '',
      '00',
      'FFFFFFFFFFFFFFFFFF',
      '0899',
      '0999107000000000101F',
      '0829AB070000000010',
    ]) {
      assert.throws(() => ids.decodeImsi(fromHex(hex)), invalid, hex);
    }
  });
});

describe('IMEI', () => {
  test('has the check digit of ISO/IEC 7812-1', () => {
    assert.equal(ids.completeImei('49015420323751'), '490154203237518');
    assert.equal(ids.luhnDigit('7992739871'), '3');
    assert.throws(() => ids.parseImei('490154203237517'), invalid);
    for (const text of ['', '49015420323751', '4901542032375180'])
      assert.throws(() => ids.parseImei(text), invalid);
  });

  test('keeps check digit and filler unswapped in the last octet (SGP.22, DeviceInfo)', () => {
    const imei = ids.parseImei('490154203237518');
    assert.equal(toHex(ids.encodeImei(imei)), '941045022373158F');
    assert.equal(toHex(ids.encodeTac(imei)), '94104502');
  });

  test('is also read with the last octet swapped', () => {
    assert.equal(ids.decodeImei(fromHex('941045022373158F')), '490154203237518');
    assert.equal(ids.decodeImei(fromHex('94104502237315F8')), '490154203237518');
    for (const hex of ['94104502237315FF', '9410450223731588', '941045022373', '94104502237315F800']) {
      assert.throws(() => ids.decodeImei(fromHex(hex)), invalid, hex);
    }
  });

  test('comes back as it went', () => {
    fc.assert(
      fc.property(digits(14), (text) => {
        const imei = ids.completeImei(text);
        assert.equal(ids.decodeImei(ids.encodeImei(imei)), imei);
      }),
    );
  });
});

describe('AID', () => {
  test('is 5 to 16 octets, in upper case', () => {
    assert.equal(ids.parseAid('a0000005591010ffffffff8900000100'), ids.AID_ISD_R);
    assert.equal(ids.decodeAid(ids.encodeAid(ids.AID_USIM)), ids.AID_USIM);
    for (const text of ['A0000000', 'A00000000', 'A0'.repeat(17), 'A00000000G'])
      assert.throws(() => ids.parseAid(text), invalid);
  });

  test('of an ISD-P holds its number (SGP.02, Annex H)', () => {
    assert.equal(ids.isdPAid(0x10), 'A0000005591010FFFFFFFF8900001000');
    assert.equal(ids.isdPAid(0xffff), 'A0000005591010FFFFFFFF8900FFFF00');
    for (const number of [0, 0x0f, 0x10000, 16.5]) assert.throws(() => ids.isdPAid(number), invalid);
  });
});

test('whatever octets come, an identifier or ID_INVALID comes out', () => {
  const decoders = [
    ids.decodeEid,
    ids.decodeIccid,
    ids.decodeIccidPlain,
    ids.decodeImsi,
    ids.decodeImei,
    ids.decodeAid,
  ];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(...decoders), (bytes, decode) => {
      try {
        decode(bytes);
      } catch (error) {
        assert.ok(invalid(error), String(error));
      }
    }),
    { numRuns: 500 },
  );
});

test('an error shows no more than the beginning of what was given', () => {
  assert.throws(
    () => ids.parseEid('9'.repeat(5000)),
    (error) => invalid(error) && String(error).length < 200,
  );
});
