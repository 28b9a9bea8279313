import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import {
  channelOf,
  type CommandApdu,
  decodeCommandApdu,
  decodeResponseApdu,
  encodeCommandApdu,
  encodeResponseApdu,
  isSecured,
  isSuccess,
  SW,
  swText,
  withChannel,
} from './apdu.ts';

const invalid = (error: unknown) => isAgentError(error, 'APDU_INVALID');
const octet = fc.integer({ min: 0, max: 255 });

describe('command APDUs', () => {
  test('have the four cases of ISO/IEC 7816-3, short and extended', () => {
    const header = { cla: 0x00, ins: 0xa4, p1: 0x04, p2: 0x0c };
    const long = new Uint8Array(256).fill(7);
    for (const [hex, data, le] of [
      ['00A4040C', '', undefined],
      ['00A4040C10', '', 16],
      ['00A4040C00', '', 256],
      ['00A4040C023F00', '3F00', undefined],
      ['00A4040C023F0000', '3F00', 256],
      ['00A4040C023F0010', '3F00', 16],
      ['00A4040C000101', '', 257],
      ['00A4040C000000', '', 65_536],
      [`00A4040C000100${toHex(long)}`, toHex(long), undefined],
      [`00A4040C000100${toHex(long)}0000`, toHex(long), 65_536],
      [`00A4040C000100${toHex(long)}0001`, toHex(long), 1],
    ] as const) {
      const command: CommandApdu = { ...header, data: fromHex(data), ...(le === undefined ? {} : { le }) };
      assert.deepEqual(decodeCommandApdu(fromHex(hex)), command, hex);
      assert.equal(toHex(encodeCommandApdu(command)), hex);
    }
  });

  test('are read in the extended form even where the short one would do', () => {
    const { data, le } = decodeCommandApdu(fromHex('00A4040C0000023F000010'));
    assert.deepEqual([toHex(data), le], ['3F00', 16]);
  });

  test('come back as they went', () => {
    const command = fc.record(
      {
        cla: octet,
        ins: octet,
        p1: octet,
        p2: octet,
        data: fc.uint8Array({ maxLength: 600 }),
        le: fc.integer({ min: 1, max: 65_536 }),
      },
      { requiredKeys: ['cla', 'ins', 'p1', 'p2', 'data'], noNullPrototype: true },
    );
    fc.assert(
      fc.property(command, (value) => assert.deepEqual(decodeCommandApdu(encodeCommandApdu(value)), value)),
    );
  });

  test('are refused where lengths do not agree with the octets', () => {
    for (const hex of [
      '',
      '00A404',
      '00A4040C023F',
      '00A4040C013F0000',
      '00A4040C0000',
      '00A4040C00000200',
      '00A4040C0000003F00',
      '00A4040C0000023F0001',
    ]) {
      const bytes = fromHex(hex);
      assert.throws(() => decodeCommandApdu(bytes), invalid, hex);
    }
  });

  test('are refused before they are sent where a field does not fit', () => {
    const command = { cla: 0, ins: 0, p1: 0, p2: 0, data: new Uint8Array(0) };
    for (const wrong of [
      { p2: 256 },
      { cla: -1 },
      { ins: 0x1a4 },
      { p1: 300 },
      { le: 0 },
      { le: 65_537 },
      { data: new Uint8Array(65_536) },
    ]) {
      assert.throws(
        () => encodeCommandApdu({ ...command, ...wrong }),
        invalid,
        JSON.stringify(Object.keys(wrong)),
      );
    }
  });

  test('in random octets are read so that writing and reading again gives the same', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        try {
          const command = decodeCommandApdu(bytes);
          assert.deepEqual(decodeCommandApdu(encodeCommandApdu(command)), command);
        } catch (error) {
          assert.ok(invalid(error), String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('response APDUs', () => {
  test('are data and a status word', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 0, max: 0xffff }), (data, sw) => {
        const bytes = encodeResponseApdu({ data, sw });
        assert.deepEqual(bytes, concat(data, fromHex(swText(sw))));
        assert.deepEqual(decodeResponseApdu(bytes), { data, sw });
      }),
    );
    assert.equal(decodeResponseApdu(fromHex('9000')).sw, SW.ok);
  });

  test('without a status word are refused', () => {
    for (const hex of ['', '90']) assert.throws(() => decodeResponseApdu(fromHex(hex)), invalid);
  });
});

test('done is 9000, 91xx and 62xx; 63xx refuses', () => {
  const done = [0x9000, 0x9110, 0x6200, 0x6282];
  const refused = [0x6300, 0x63c2, 0x6110, 0x6982, 0x6a80, 0x6f00, 0x0000];
  assert.deepEqual([...done, ...refused].filter(isSuccess), done);
});

describe('the class octet', () => {
  test('names the channel, in the first form to 3 and in the further form to 19 (ISO/IEC 7816-4, 5.4.1)', () => {
    for (const [cla, channel] of [
      [0x00, 0],
      [0x81, 1],
      [0x83, 3],
      [0x87, 3],
      [0x40, 4],
      [0xc1, 5],
      [0xef, 19],
    ] as const) {
      assert.equal(channelOf(cla), channel);
    }
  });

  test('takes every channel and keeps what else it says', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(0x00, 0x80),
        fc.constantFrom(0x00, 0x10),
        fc.constantFrom(0x00, 0x04),
        fc.integer({ min: 0, max: 19 }),
        fc.integer({ min: 0, max: 19 }),
        (proprietary, chaining, secure, first, second) => {
          const once = withChannel(proprietary | chaining | secure, first);
          assert.equal(channelOf(once), first);
          const twice = withChannel(once, second);
          assert.equal(channelOf(twice), second);
          assert.equal(withChannel(twice, 0), proprietary | chaining | secure);
        },
      ),
    );
  });

  test('has the values of GlobalPlatform and of ISO', () => {
    for (const [cla, channel, expected] of [
      [0x80, 1, 0x81],
      [0x84, 2, 0x86],
      [0x8c, 1, 0x8d],
      [0x80, 4, 0xc0],
      [0x84, 19, 0xef],
      [0x10, 5, 0x51],
      [0xe3, 0, 0x84],
      [0xc3, 18, 0xce],
      [0xa0, 0, 0xa0],
    ] as const) {
      assert.equal(withChannel(cla, channel), expected, `${cla.toString(16)} on ${channel}`);
    }
  });

  test('takes no channel that cannot be', () => {
    for (const channel of [-1, 20, 1.5, Number.NaN]) assert.throws(() => withChannel(0, channel), invalid);
  });
});

test('secure messaging is told by other bits on channels 4 to 19', () => {
  for (let channel = 0; channel < 20; channel++) {
    assert.equal(isSecured(withChannel(0x80, channel)), false, `channel ${channel}`);
    assert.equal(isSecured(withChannel(0x84, channel)), true, `channel ${channel}, secured`);
  }
});
