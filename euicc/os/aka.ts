// Authentication and key agreement of a network access application, with its sequence numbers (3GPP TS 33.102, 6.3 and annex C;
// TS 35.206 for MILENAGE; TS 34.108, 8.1.2 for the test algorithm).
import { bytesUint, concat, equalBytes, uintBytes } from '../../base/bytes.ts';
import { cborInt, cborList, cborMap } from '../../codec/cbor-table.ts';
import { milenage, type MilenageParameters } from '../../crypto/milenage.ts';
import { tuak, type TuakParameters } from '../../crypto/tuak.ts';
import { xorTestAlgorithm } from '../../crypto/xor-test-algorithm.ts';
import type { AkaContent, LoadedProfile } from '../profile-content.ts';
import { cell, type Cell, type State } from '../state.ts';

const IND_BITS = 5n;
const IND_MASK = 31n;
const SQN_OCTETS = 6;
const AMF_OCTETS = 2;
/** Option octets: SQN may not lag behind the highest one by `sqnAgeLimit`, nor jump over it by more than `sqnDelta`. */
const CHECK_AGE = 0x01;
const CHECK_DELTA = 0x02;
/** Option octet of the test algorithm: RES of 128 bits. */
const LONG_RES = 0x02;
/** AMF of a resynchronisation (6.3.3). */
const RESYNC_AMF = new Uint8Array(AMF_OCTETS);
/** The AMF with which a test network asks a test USIM for a resynchronisation, AMFRESYNCH (TS 34.108, 8.1.2.2). */
const ASKS_RESYNC = Uint8Array.of(0xff, 0xff);

type AkaOutcome =
  | {
      readonly is: 'ok';
      readonly res: Uint8Array;
      readonly ck: Uint8Array;
      readonly ik: Uint8Array;
      /** For GSM access in the same breath: c3 of CK and IK (6.8.1.2). */
      readonly kc: Uint8Array;
    }
  | { readonly is: 'resync'; readonly auts: Uint8Array }
  /** AUTN is not the network's. */
  | { readonly is: 'macFailure' }
  /** The algorithm is not on this card, or the key may not be used any more. */
  | { readonly is: 'unavailable' };

export type Aka = {
  /** The UMTS context: checks AUTN and moves the sequence number on. `index` is into `LoadedProfile.akas`. */
  authenticate(index: number, rand: Uint8Array, autn: Uint8Array): AkaOutcome;
  /** The GSM context: the same functions with the conversions c2 and c3 (6.8.1.2). */
  gsm(index: number, rand: Uint8Array): { readonly sres: Uint8Array; readonly kc: Uint8Array } | undefined;
};

const sequenceNumbers = cborMap({
  sqn: { key: 1, type: cborList(cborInt(), 32) },
  uses: { key: 2, type: cborInt() },
});
type Sequence = { readonly sqn: readonly number[]; readonly uses: number };

/** What the names of the cells of a profile's sequence numbers begin with. */
function akaCellPrefix(profileNumber: number): string {
  return `profile/${profileNumber}/aka/`;
}

export function createAka(state: State, profileNumber: number, profile: Pick<LoadedProfile, 'akas'>): Aka {
  const cellOf = (index: number, content: AkaContent): Cell<Sequence> =>
    cell(akaCellPrefix(profileNumber) + String(index), sequenceNumbers, {
      sqn: content.sqn.map(Number),
      uses: 0,
    });
  const usable = (index: number): AkaContent | undefined => {
    const content = profile.akas[index];
    if (content === undefined) return undefined;
    const { uses } = state.read(cellOf(index, content));
    const most = mostUses(content);
    return most !== undefined && uses >= most ? undefined : content;
  };
  const count = (index: number, content: AkaContent, sqn?: readonly number[]): void => {
    const held = state.read(cellOf(index, content));
    const uses = mostUses(content) === undefined ? held.uses : held.uses + 1;
    if (sqn !== undefined || uses !== held.uses) {
      state.write(cellOf(index, content), { sqn: sqn ?? held.sqn, uses });
    }
  };
  return {
    authenticate(index, rand, autn) {
      const content = usable(index);
      if (content === undefined) return { is: 'unavailable' };
      const functions = FUNCTIONS[content.algorithm];
      const hidden = autn.subarray(0, SQN_OCTETS);
      const amf = autn.subarray(SQN_OCTETS, SQN_OCTETS + AMF_OCTETS);
      const { ak } = functions(content, rand, hidden, amf);
      const sqn = xor(hidden, ak);
      const { mac, res, ck, ik } = functions(content, rand, sqn, amf);
      if (!equalBytes(mac, autn.subarray(SQN_OCTETS + AMF_OCTETS))) {
        count(index, content);
        return { is: 'macFailure' };
      }
      const accepted = accept(content, state.read(cellOf(index, content)).sqn, BigInt(bytesUint(sqn)));
      const asksResync = isTest(content) && equalBytes(amf, ASKS_RESYNC);
      if (accepted.fresh && !asksResync) {
        count(index, content, accepted.sqn);
        return { is: 'ok', res, ck, ik, kc: kcOf(ck, ik) };
      }
      count(index, content);
      const highest = uintBytes(Number(accepted.highest), SQN_OCTETS);
      const { macStar, akStar } = functions(content, rand, highest, RESYNC_AMF);
      return { is: 'resync', auts: concat(xor(highest, akStar), macStar) };
    },
    gsm(index, rand) {
      const content = usable(index);
      if (content === undefined) return undefined;
      const functions = FUNCTIONS[content.algorithm];
      count(index, content);
      const { res, ck, ik } = functions(content, rand, new Uint8Array(SQN_OCTETS), RESYNC_AMF);
      return { sres: folded(res, 4), kc: kcOf(ck, ik) };
    },
  };
}

/** The test algorithm takes no notice of the counter of uses and of the options of SQN (TCA interoperable format, 8.4). */
function isTest({ algorithm }: AkaContent): boolean {
  return algorithm === 'usim-test';
}

function mostUses(content: AkaContent): number | undefined {
  return isTest(content) ? undefined : content.authCounterMax;
}

/**
 * Whether a sequence number is fresh, and what the memory of them is then; `highest` is SQN_MS (C.2.1: it may not jump too far;
 * C.2.2: it is higher than the last one of its index, and not too old).
 */
function accept(
  content: AkaContent,
  memory: readonly number[],
  sqn: bigint,
): { readonly fresh: boolean; readonly sqn: readonly number[]; readonly highest: bigint } {
  const seq = Number(sqn >> IND_BITS);
  const ind = Number(sqn & IND_MASK);
  const highestSeq = Math.max(...memory);
  const checks = isTest(content) ? 0 : content.sqnOptions;
  const jumps = (checks & CHECK_DELTA) !== 0 && seq - highestSeq > content.sqnDelta;
  const isOld = (checks & CHECK_AGE) !== 0 && highestSeq - seq >= content.sqnAgeLimit;
  return {
    fresh: seq > (memory[ind] ?? 0) && !jumps && !isOld,
    sqn: memory.map((held, i) => (i === ind ? seq : held)),
    highest: (BigInt(highestSeq) << IND_BITS) | BigInt(memory.indexOf(highestSeq)),
  };
}

/** f1 to f5 and f1*, f5* at once. */
type Functions = (
  content: AkaContent,
  rand: Uint8Array,
  sqn: Uint8Array,
  amf: Uint8Array,
) => {
  readonly mac: Uint8Array;
  readonly macStar: Uint8Array;
  readonly res: Uint8Array;
  readonly ck: Uint8Array;
  readonly ik: Uint8Array;
  readonly ak: Uint8Array;
  readonly akStar: Uint8Array;
};

const FUNCTIONS: Readonly<Record<AkaContent['algorithm'], Functions>> = {
  milenage({ k, opc, rotations, constants }, rand, sqn, amf) {
    const parameters = { r: rotations, c: constants } as unknown as MilenageParameters;
    const out = milenage({ k, opc, rand, sqn, amf, parameters });
    return { ...out, mac: out.macA, macStar: out.macS, ck: out.ck.reveal(), ik: out.ik.reveal() };
  },
  tuak({ k, opc, algorithmOptions, keccakIterations: iterations }, rand, sqn, amf) {
    const parameters = { ...tuakLengths(algorithmOptions), iterations };
    const out = tuak({ k, topc: opc, rand, sqn, amf, parameters });
    return { ...out, mac: out.macA, macStar: out.macS, ck: out.ck.reveal(), ik: out.ik.reveal() };
  },
  'usim-test'({ k, algorithmOptions }, rand, sqn, amf) {
    const resOctets = (algorithmOptions & LONG_RES) === 0 ? 8 : 16;
    const out = xorTestAlgorithm({ k, rand, sqn, amf, resOctets });
    return { ...out, mac: out.macA, macStar: out.macS, ck: out.ck.reveal(), ik: out.ik.reveal() };
  },
};

const TUAK_OCTETS = [4, 8, 16, 32] as const;

/** The option octet of TUAK in a profile package: lengths of RES, MAC, CK and IK (TCA interoperable format, AlgoParameter). */
function tuakLengths(
  options: number,
): Pick<TuakParameters, 'resOctets' | 'macOctets' | 'ckOctets' | 'ikOctets'> {
  const mac = TUAK_OCTETS[((options >> 2) & 3) + 1];
  return {
    resOctets: TUAK_OCTETS[options & 3] ?? 8,
    macOctets: mac === 16 || mac === 32 ? mac : 8,
    ckOctets: (options & 0x20) === 0 ? 16 : 32,
    ikOctets: (options & 0x40) === 0 ? 16 : 32,
  };
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Uint8Array.from(a, (octet, i) => octet ^ (b[i] ?? 0));
}

function kcOf(ck: Uint8Array, ik: Uint8Array): Uint8Array {
  return folded(concat(ck, ik), 8);
}

/** The exclusive or of the blocks of `length` octets. */
function folded(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (const [i, octet] of bytes.entries()) out[i % length] = (out[i % length] ?? 0) ^ octet;
  return out;
}
