// The Bound Profile Package and its members (SGP.22 2.5.4, 5.5), and how it is cut for ES10b.LoadBoundProfilePackage (2.5.5).
import { concat } from '../../base/bytes.ts';
import { AgentError } from '../../base/errors.ts';
import { encodeTlv, readOnly, readTlv, readTlvHeader, readTlvs, tagText } from '../ber-tlv.ts';
import { codes } from '../tlv-names.ts';
import { object, octets, runOf, sequence, type Type, type TypeOf } from '../tlv-table.ts';
import { TAG_OTPK } from './prepare-download.ts';
import { dpProprietaryData } from './profiles.ts';
import { octet, octet16, otpk, signature, TAG_SIGNATURE, transactionId } from './types.ts';

/** A protected segment (86, 87, 88) as it is sent has at most so many octets, tag, length and MAC included. */
export const MAX_SEGMENT = 1020;
/** Larger segments are seen in the field and accepted up to here. */
export const MAX_SEGMENT_ACCEPTED = 1036;
/** What fits in a segment before protection: with encryption (86, 87), and with a MAC alone (88). */
export const MAX_PLAIN_ENCRYPTED = 1007;
export const MAX_PLAIN_MAC_ONLY = 1008;

/** The keys are for AES (88) of 16 octets; both sides mix the host identifier into the session keys. */
const ControlRefTemplate = sequence({
  keyType: { tag: 0x80, type: octet },
  keyLen: { tag: 0x81, type: octet },
  hostId: { tag: 0x84, type: octets({ min: 1, max: 16 }) },
});

/** A whole object BF23. smdpSign covers what `smdpSignInput` gives. */
export const InitialiseSecureChannelRequest = object(
  0xbf23,
  sequence({
    remoteOpId: { tag: 0x82, type: codes({ installBoundProfilePackage: 1 }) },
    transactionId: { tag: 0x80, type: transactionId },
    controlRefTemplate: { tag: 0xa6, type: ControlRefTemplate },
    smdpOtpk: { tag: TAG_OTPK, type: otpk },
    smdpSign: { tag: TAG_SIGNATURE, type: signature },
  }),
);

/**
 * The octets that smdpSign covers: the members of InitialiseSecureChannelRequest before the signature as they came,
 * then the data object of the eUICC's one-time public key.
 */
export function smdpSignInput(initialiseSecureChannel: Uint8Array, euiccOtpk: Uint8Array): Uint8Array {
  const members = readTlvs(readOnly(initialiseSecureChannel, 0xbf23).value);
  const signed = members.filter((member) => member.tag !== TAG_SIGNATURE).map((member) => member.raw);
  return concat(...signed, encodeTlv(TAG_OTPK, euiccOtpk));
}

export const ConfigureISDPRequest = object(0xbf24, sequence({ dpProprietaryData }));

export const ReplaceSessionKeysRequest = object(
  0xbf26,
  sequence({
    initialMacChainingValue: { tag: 0x80, type: octet16 },
    ppkEnc: { tag: 0x81, type: octet16 },
    ppkCmac: { tag: 0x82, type: octet16 },
  }),
);

/** Whole protected segments with one tag, kept as they came: their MAC covers tag and length too. */
function segments(tag: number): Type<Uint8Array[]> {
  const check = (bytes: Uint8Array, max: number): Uint8Array => {
    readOnly(bytes, tag);
    if (bytes.length > max) {
      throw new AgentError('TLV_VALUE', {
        why: `segment of ${bytes.length} octets, at most ${max}`,
      });
    }
    return Uint8Array.from(bytes);
  };
  return runOf({
    shape: { kind: 'object', tag, type: octets() },
    decode: (bytes) => check(bytes, MAX_SEGMENT_ACCEPTED),
    encode: (bytes) => check(bytes, MAX_SEGMENT),
  });
}

/** A whole object BF36. */
export const BoundProfilePackage = object(
  0xbf36,
  sequence({
    initialiseSecureChannelRequest: {
      tag: 0xbf23,
      type: octets({ min: 2 }),
      raw: true,
      inside: InitialiseSecureChannelRequest,
    },
    firstSequenceOf87: { tag: 0xa0, type: segments(0x87) },
    sequenceOf88: { tag: 0xa1, type: segments(0x88) },
    secondSequenceOf87: { tag: 0xa2, type: segments(0x87), optional: true },
    sequenceOf86: { tag: 0xa3, type: segments(0x86) },
  }),
);

export type BoundProfilePackage = TypeOf<typeof BoundProfilePackage>;

/** The sequences after BF23 in their order, and what each holds. */
const SEQUENCES = [
  { is: 'firstSequenceOf87', tag: 0xa0, member: 0x87, whole: true },
  { is: 'sequenceOf88', tag: 0xa1, member: 0x88, whole: false },
  { is: 'secondSequenceOf87', tag: 0xa2, member: 0x87, whole: true },
  { is: 'sequenceOf86', tag: 0xa3, member: 0x86, whole: false },
] as const;

/**
 * Cuts a Bound Profile Package into the data of its ES10b commands; back to back they are the package. Sequences A0 and A2
 * go whole, A1 and A3 as their header alone and then segment by segment. Views of `bpp`. Throws `TLV_VALUE` where the
 * order of the members is not the standard's.
 */
export function bppSegments(bpp: Uint8Array): Uint8Array[] {
  const outer = readTlvHeader(bpp);
  readOnly(bpp, 0xbf36);
  const first = readTlv(bpp, outer.valueAt);
  if (first.tag !== 0xbf23) throw outOfPlace('initialiseSecureChannelRequest', first.tag);
  let at = outer.valueAt + first.raw.length;
  const cut = [bpp.subarray(0, at)];
  let next = 0;
  while (at < bpp.length) {
    const tlv = readTlv(bpp, at);
    const index = SEQUENCES.findIndex((row, i) => i >= next && row.tag === tlv.tag);
    const row = SEQUENCES[index];
    if (row === undefined) throw outOfPlace(SEQUENCES[next]?.is ?? 'end', tlv.tag);
    next = index + 1;
    if (row.whole) cut.push(tlv.raw);
    else {
      cut.push(tlv.raw.subarray(0, tlv.raw.length - tlv.value.length));
      cut.push(...readTlvs(tlv.value).map((segment) => segment.raw));
    }
    at += tlv.raw.length;
  }
  return cut;
}

function outOfPlace(field: string, found: number): AgentError {
  return new AgentError('TLV_VALUE', { field, why: 'out of place', found: tagText(found) });
}

/** A member of a Bound Profile Package, whole, as it becomes complete; `end` after the last. */
export type BppPart =
  | {
      readonly is: 'initialiseSecureChannelRequest' | (typeof SEQUENCES)[number]['is'];
      readonly raw: Uint8Array;
    }
  | { readonly is: 'end' };

/**
 * Reads a Bound Profile Package that arrives in pieces of any size. `read` yields the members that the piece completes,
 * lazily, so that a fault in a later member does not hide an earlier one. Holds at most one member. Throws `TLV_INVALID`
 * or `TLV_VALUE` whose `field` names the member; after that the reader is of no further use.
 */
export type BppReader = {
  read(piece: Uint8Array): Generator<BppPart>;
  /** The member that is expected next. */
  readonly expects: BppPart['is'];
};

export function createBppReader(): BppReader {
  let held: Uint8Array = new Uint8Array(0);
  let expects: BppPart['is'] = 'initialiseSecureChannelRequest';
  let started = false;
  let left = 0;
  let inSequence: { readonly row: (typeof SEQUENCES)[number]; left: number } | undefined;
  let next = 0;

  const take = (length: number): Uint8Array => {
    const taken = held.slice(0, length);
    held = held.subarray(length);
    return taken;
  };

  /** Reads one whole object with `tag` when it is there. */
  const member = (tag: number, room: number): Uint8Array | undefined => {
    const head = headerOf(held);
    if (head === undefined) return undefined;
    const length = head.valueAt + head.length;
    if (head.tag !== tag) throw outOfPlace(expects, head.tag);
    if (length > Math.min(room, MAX_SEGMENT_ACCEPTED)) {
      throw new AgentError('TLV_VALUE', { field: expects, why: `${length} octets are too many` });
    }
    return held.length < length ? undefined : take(length);
  };

  const openSequence = (): boolean => {
    const head = headerOf(held);
    if (head === undefined) return false;
    const index = SEQUENCES.findIndex((row, i) => i >= next && row.tag === head.tag);
    const row = SEQUENCES[index];
    // Only secondSequenceOf87 may be absent.
    if (
      row === undefined ||
      SEQUENCES.slice(next, index).some((passed) => passed.is !== 'secondSequenceOf87')
    ) {
      throw outOfPlace(expects, head.tag);
    }
    expects = row.is;
    if (head.valueAt + head.length > left) {
      throw new AgentError('TLV_VALUE', { field: row.is, why: 'longer than the package' });
    }
    take(head.valueAt);
    left -= head.valueAt + head.length;
    inSequence = { row, left: head.length };
    next = index + 1;
    return true;
  };

  function* read(piece: Uint8Array): Generator<BppPart> {
    held = concat(held, piece);
    for (;;) {
      if (expects === 'end') {
        if (held.length > 0) throw new AgentError('TLV_INVALID', { why: 'octets follow the package' });
        return;
      }
      if (!started) {
        const head = headerOf(held);
        if (head === undefined) return;
        if (head.tag !== 0xbf36) throw outOfPlace('BoundProfilePackage', head.tag);
        take(head.valueAt);
        left = head.length;
        started = true;
      } else if (expects === 'initialiseSecureChannelRequest') {
        const raw = member(0xbf23, left);
        if (raw === undefined) return;
        left -= raw.length;
        const is = expects;
        expects = SEQUENCES[0].is;
        yield { is, raw };
      } else if (inSequence !== undefined && inSequence.left > 0) {
        const raw = member(inSequence.row.member, inSequence.left);
        if (raw === undefined) return;
        inSequence.left -= raw.length;
        yield { is: inSequence.row.is, raw };
      } else if (next === SEQUENCES.length) {
        if (left > 0)
          throw new AgentError('TLV_VALUE', { field: expects, why: 'not the end of the package' });
        expects = 'end';
        yield { is: 'end' };
      } else {
        expects = SEQUENCES[next]?.is ?? expects;
        if (!openSequence()) return;
      }
    }
  }

  return {
    read,
    get expects() {
      return expects;
    },
  };
}

/** Tag and length when all their octets are there, else undefined. */
function headerOf(bytes: Uint8Array): ReturnType<typeof readTlvHeader> | undefined {
  let at = 1;
  if (((bytes[0] ?? 0) & 0x1f) === 0x1f) {
    while (at < 3 && ((bytes[at] ?? 0) & 0x80) !== 0) at++;
    at++;
  }
  const length = bytes[at];
  if (length === undefined) return undefined;
  const octetsOfLength = length > 0x80 && length <= 0x84 ? length & 0x7f : 0;
  return bytes.length > at + octetsOfLength ? readTlvHeader(bytes) : undefined;
}
