// Bound Profile Package: cutting and streaming against a published package, sizes, order, hostile octets.
import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { encodeTlv, readTlv, readTlvs } from '../ber-tlv.ts';
import {
  BoundProfilePackage,
  type BppPart,
  bppSegments,
  ConfigureISDPRequest,
  createBppReader,
  InitialiseSecureChannelRequest,
  MAX_SEGMENT,
  MAX_SEGMENT_ACCEPTED,
  ReplaceSessionKeysRequest,
  smdpSignInput,
} from './bpp.ts';

const VECTOR = new URL('../../../../shared/testdata/vectors/bpp-osmocom.json', import.meta.url);

const initialise = InitialiseSecureChannelRequest.encode({
  remoteOpId: 'installBoundProfilePackage',
  transactionId: fromHex('00112233445566778899AABBCCDDEEFF'),
  controlRefTemplate: { keyType: 0x88, keyLen: 16, hostId: fromHex('6D6E6F') },
  smdpOtpk: fromHex(`04${'11'.repeat(64)}`),
  smdpSign: fromHex('22'.repeat(64)),
});

function segment(tag: number, length: number): Uint8Array {
  return encodeTlv(tag, new Uint8Array(length).fill(tag));
}

function samplePackage(withKeys = true): BoundProfilePackage {
  return {
    initialiseSecureChannelRequest: initialise,
    firstSequenceOf87: [segment(0x87, 24)],
    sequenceOf88: [segment(0x88, 60), segment(0x88, 20)],
    ...(withKeys ? { secondSequenceOf87: [segment(0x87, 72)] } : {}),
    sequenceOf86: [segment(0x86, 1016), segment(0x86, 1016), segment(0x86, 40)],
  };
}

function withLastSegment(length: number): BoundProfilePackage {
  return { ...samplePackage(), sequenceOf86: [segment(0x86, length - 4)] };
}

function whole(...members: readonly Uint8Array[]): Uint8Array {
  return encodeTlv(0xbf36, ...members);
}

function tolerated(act: () => unknown): void {
  try {
    act();
  } catch (error) {
    if (!isAgentError(error)) throw error;
  }
}

function readAll(pieces: readonly Uint8Array[]): BppPart[] {
  const reader = createBppReader();
  return pieces.flatMap((piece) => [...reader.read(piece)]);
}

const refuses = (
  act: () => unknown,
  code: 'TLV_VALUE' | 'TLV_INVALID' | 'TLV_MISSING',
  field?: string,
): void => {
  throws(act, (error) => isAgentError(error, code) && (field === undefined || error.data['field'] === field));
};

test('the members of InitialiseSecureChannel have the order and the octets of the standard', () => {
  equal(
    toHex(initialise),
    'BF2381A9820101801000112233445566778899AABBCCDDEEFFA60B80018881011084036D6E6F' +
      `5F494104${'11'.repeat(64)}5F3740${'22'.repeat(64)}`,
  );
});

test('the signature of the SM-DP covers the members as they came and the key of the eUICC', () => {
  const signed = smdpSignInput(initialise, fromHex(`04${'33'.repeat(64)}`));
  const members = readTlv(initialise).value;
  equal(toHex(signed), toHex(members.subarray(0, members.length - 67)) + `5F494104${'33'.repeat(64)}`);
});

test('the small requests of the package are written as the standard prints them', () => {
  equal(toHex(ConfigureISDPRequest.encode({})), 'BF2400');
  equal(
    toHex(ConfigureISDPRequest.encode({ dpProprietaryData: fromHex('800388370A') })),
    'BF2407B805800388370A',
  );
  equal(
    toHex(
      ReplaceSessionKeysRequest.encode({
        initialMacChainingValue: fromHex('00'.repeat(16)),
        ppkEnc: fromHex('11'.repeat(16)),
        ppkCmac: fromHex('22'.repeat(16)),
      }),
    ),
    `BF26368010${'00'.repeat(16)}8110${'11'.repeat(16)}8210${'22'.repeat(16)}`,
  );
});

test('a package is cut at the places that the standard names', () => {
  const bpp = BoundProfilePackage.encode(samplePackage());
  const cut = bppSegments(bpp);
  deepEqual(concat(...cut), bpp);
  deepEqual(
    cut.map((piece) => toHex(piece.subarray(0, 2))),
    ['BF36', 'A01A', 'A154', '883C', '8814', 'A24A', 'A382', '8682', '8682', '8628'],
  );
  deepEqual(
    cut.map((piece) => piece.length),
    [5 + initialise.length, 28, 2, 62, 22, 76, 4, 1020, 1020, 42],
  );
  equal(bppSegments(BoundProfilePackage.encode(samplePackage(false))).length, 9);
});

/** The published package has each segment wrapped twice; this takes the outer one off. */
function unwrapped(bpp: Uint8Array): Uint8Array {
  const [init, ...sequences] = readTlvs(readTlv(bpp).value);
  ok(init !== undefined);
  const inner = sequences.map((sequence) =>
    encodeTlv(sequence.tag, ...readTlvs(sequence.value).map((outer) => readTlv(outer.value).raw)),
  );
  return encodeTlv(0xbf36, init.raw, ...inner);
}

// osmocom/pysim, tests/unittests/test_esim_bsp.py: a package of an early osmo-smdpp.
test('a published package of another SM-DP is read and cut; wrapped twice it is refused', (t) => {
  if (!existsSync(VECTOR)) {
    t.skip('the published vectors are not beside the project');
    return;
  }
  const published = fromHex((JSON.parse(readFileSync(VECTOR, 'utf8')) as { bpp: string }).bpp);
  deepEqual(concat(...bppSegments(published)), published);
  refuses(() => BoundProfilePackage.decode(published), 'TLV_VALUE', 'sequenceOf86');
  refuses(() => readAll([published]), 'TLV_VALUE', 'sequenceOf86');

  const bpp = unwrapped(published);
  const decoded = BoundProfilePackage.decode(bpp);
  equal(decoded.secondSequenceOf87, undefined);
  deepEqual([decoded.firstSequenceOf87.length, decoded.sequenceOf88.length], [1, 1]);
  const header = InitialiseSecureChannelRequest.decode(decoded.initialiseSecureChannelRequest);
  deepEqual(header.controlRefTemplate, { keyType: 0x88, keyLen: 16, hostId: fromHex('6D61686C7A656974') });
  const cut = bppSegments(bpp);
  deepEqual(concat(...cut), bpp);
  equal(cut.length, 1 + 1 + 2 + 1 + decoded.sequenceOf86.length);
  const parts = readAll(cut);
  equal(parts.filter((part) => part.is === 'sequenceOf86').length, decoded.sequenceOf86.length);
  equal(parts.at(-1)?.is, 'end');
  ok(decoded.sequenceOf86.some((piece) => piece.length > MAX_SEGMENT));
  refuses(() => BoundProfilePackage.encode(decoded), 'TLV_VALUE');
});

test('segments are sent up to 1020 octets and accepted up to 1036', () => {
  BoundProfilePackage.encode(withLastSegment(MAX_SEGMENT));
  refuses(() => BoundProfilePackage.encode(withLastSegment(MAX_SEGMENT + 1)), 'TLV_VALUE');
  const grown = (length: number): Uint8Array => {
    const bpp = BoundProfilePackage.encode(withLastSegment(MAX_SEGMENT));
    const members = readTlvs(readTlv(bpp).value);
    const body = members.slice(0, -1).map((member) => member.raw);
    return encodeTlv(0xbf36, ...body, encodeTlv(0xa3, segment(0x86, length - 4)));
  };
  equal(BoundProfilePackage.decode(grown(MAX_SEGMENT_ACCEPTED)).sequenceOf86[0]?.length, 1036);
  refuses(() => BoundProfilePackage.decode(grown(MAX_SEGMENT_ACCEPTED + 1)), 'TLV_VALUE');
  equal(readAll([grown(MAX_SEGMENT_ACCEPTED)]).at(-1)?.is, 'end');
  refuses(() => readAll([grown(MAX_SEGMENT_ACCEPTED + 1)]), 'TLV_VALUE', 'sequenceOf86');
});

test('the reader gives the same members however the package is cut', () => {
  const bpp = BoundProfilePackage.encode(samplePackage());
  const expected = readAll(bppSegments(bpp));
  deepEqual(
    expected.map((part) => part.is),
    [
      'initialiseSecureChannelRequest',
      'firstSequenceOf87',
      'sequenceOf88',
      'sequenceOf88',
      'secondSequenceOf87',
      'sequenceOf86',
      'sequenceOf86',
      'sequenceOf86',
      'end',
    ],
  );
  fc.assert(
    fc.property(fc.array(fc.nat({ max: bpp.length }), { maxLength: 12 }), (cuts) => {
      const places = [0, ...cuts.toSorted((a, b) => a - b), bpp.length];
      const pieces = places.slice(1).map((end, i) => bpp.subarray(places[i], end));
      deepEqual(readAll(pieces), expected);
    }),
    { numRuns: 60 },
  );
});

test('the reader names the member that it expects and gives earlier ones before it complains', () => {
  const bpp = BoundProfilePackage.encode(samplePackage());
  const reader = createBppReader();
  equal(reader.expects, 'initialiseSecureChannelRequest');
  const cut = bppSegments(bpp);
  const [first, configure] = cut;
  ok(first !== undefined && configure !== undefined);
  equal([...reader.read(first)].length, 1);
  const wrong = concat(configure, fromHex('A203870100'));
  const seen: string[] = [];
  refuses(
    () => {
      for (const part of reader.read(wrong)) seen.push(part.is);
    },
    'TLV_VALUE',
    'sequenceOf88',
  );
  deepEqual(seen, ['firstSequenceOf87']);
});

test('members out of order, missing or left over are refused', () => {
  const { value } = readTlv(BoundProfilePackage.encode(samplePackage()));
  const [init, a0, a1, a2, a3] = readTlvs(value).map((member) => member.raw);
  ok(init && a0 && a1 && a2 && a3);
  refuses(() => bppSegments(whole(init, a1, a0, a3)), 'TLV_VALUE');
  refuses(() => bppSegments(whole(a0, init)), 'TLV_VALUE', 'initialiseSecureChannelRequest');
  refuses(() => readAll([whole(init, a1, a0, a3)]), 'TLV_VALUE');
  refuses(() => readAll([whole(init, a0, a2, a1, a3)]), 'TLV_VALUE');
  refuses(() => readAll([concat(whole(init, a0, a1, a3), fromHex('00'))]), 'TLV_INVALID');
  refuses(() => readAll([whole(init, a0, a1, a3, a3)]), 'TLV_VALUE');
  refuses(() => BoundProfilePackage.decode(whole(init, a0, a1)), 'TLV_MISSING', 'sequenceOf86');
  equal(readAll([whole(init, a0, a1, a3)]).at(-1)?.is, 'end');
});

test('random octets and random changes never hang the reader or end in another error', () => {
  const bpp = BoundProfilePackage.encode(samplePackage());
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 60 }),
      fc.nat({ max: 400 }),
      fc.nat({ max: 255 }),
      (noise, at, octet) => {
        tolerated(() => readAll([noise]));
        tolerated(() => bppSegments(noise));
        tolerated(() => readAll([fromHex('BF3681FF'), noise]));
        const changed = Uint8Array.from(bpp);
        changed[at] = octet;
        tolerated(() => readAll([changed]));
        tolerated(() => bppSegments(changed));
      },
    ),
    { numRuns: 400 },
  );
});
