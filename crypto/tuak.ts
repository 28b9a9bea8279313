// TUAK (3GPP TS 35.231): the second algorithm set for f1 to f5* of a USIM and its home network, on Keccak-f[1600].
import { utf8Bytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { KECCAK_STATE, keccakF1600 } from './keccak.ts';

/** Lengths in octets and the number of permutations, as the operator chose them (TS 35.231 6.1). */
export type TuakParameters = {
  readonly macOctets: 8 | 16 | 32;
  readonly resOctets: 4 | 8 | 16 | 32;
  readonly ckOctets: 16 | 32;
  readonly ikOctets: 16 | 32;
  readonly iterations: number;
};

export const TUAK_DEFAULTS: TuakParameters = {
  macOctets: 8,
  resOctets: 8,
  ckOctets: 16,
  ikOctets: 16,
  iterations: 1,
};

export type TuakInput = {
  /** 16 or 32 octets. */
  readonly k: Secret<Uint8Array>;
  /** 32 octets. */
  readonly topc: Secret<Uint8Array>;
  /** 16 octets. */
  readonly rand: Uint8Array;
  /** 6 octets. */
  readonly sqn: Uint8Array;
  /** 2 octets. */
  readonly amf: Uint8Array;
  readonly parameters?: TuakParameters;
};

export type TuakOutput = {
  /** f1. */
  readonly macA: Uint8Array;
  /** f1*. */
  readonly macS: Uint8Array;
  /** f2. */
  readonly res: Uint8Array;
  /** f3. */
  readonly ck: Secret<Uint8Array>;
  /** f4. */
  readonly ik: Secret<Uint8Array>;
  /** f5, 6 octets. */
  readonly ak: Uint8Array;
  /** f5*, 6 octets. */
  readonly akStar: Uint8Array;
};

const ALGORITHM_NAME = utf8Bytes('TUAK1.0');

/** Where each part of the state begins (TS 35.231 6.2); every part stands with its last octet first. */
const AT = {
  top: 0,
  instance: 32,
  name: 33,
  rand: 40,
  amf: 56,
  sqn: 58,
  k: 64,
  padFirst: 96,
  padLast: 135,
} as const;
const OUT = { first: 0, ck: 32, ik: 64, ak: 96 } as const;

/** INSTANCE: the function, then lengths as multiples of 64 bits from bit 4 on, then one bit for each key of 256 bits. */
const FUNCTION = { f1: 0x00, f1Star: 0x80, f2345: 0x40, f5Star: 0xc0 } as const;
const LONG_CK = 0x04;
const LONG_IK = 0x02;
const LONG_K = 0x01;

type Parts = Readonly<Partial<Record<'rand' | 'amf' | 'sqn', Uint8Array>>>;

function permuted(
  k: Secret<Uint8Array>,
  top: Secret<Uint8Array>,
  instance: number,
  iterations: number,
  parts: Parts,
): Uint8Array {
  const key = k.reveal();
  let state = new Uint8Array(KECCAK_STATE);
  const put = (bytes: Uint8Array, at: number): void => state.set(bytes.toReversed(), at);
  put(top.reveal(), AT.top);
  state[AT.instance] = instance | (key.length === 32 ? LONG_K : 0);
  put(ALGORITHM_NAME, AT.name);
  for (const name of ['rand', 'amf', 'sqn'] as const) put(parts[name] ?? new Uint8Array(0), AT[name]);
  put(key, AT.k);
  state[AT.padFirst] = 0x1f;
  state[AT.padLast] = 0x80;
  for (let i = 0; i < iterations; i++) state = Uint8Array.from(keccakF1600(state));
  return state;
}

function taken(state: Uint8Array, at: number, octets: number): Uint8Array {
  return state.slice(at, at + octets).toReversed();
}

function checkLengths(rows: readonly (readonly [string, Uint8Array, readonly number[]])[]): void {
  for (const [name, bytes, lengths] of rows) {
    if (!lengths.includes(bytes.length)) {
      throw new AgentError('KEY_INVALID', { what: name, octets: bytes.length });
    }
  }
}

/** All outputs for one challenge. Throws `KEY_INVALID` where an input has the wrong length. */
export function tuak(input: TuakInput): TuakOutput {
  const { k, topc, rand, sqn, amf, parameters = TUAK_DEFAULTS } = input;
  const { macOctets, resOctets, ckOctets, ikOctets, iterations } = parameters;
  checkLengths([
    ['K', k.reveal(), [16, 32]],
    ['TOPc', topc.reveal(), [32]],
    ['RAND', rand, [16]],
    ['SQN', sqn, [6]],
    ['AMF', amf, [2]],
  ]);
  const run = (instance: number, parts: Parts): Uint8Array => permuted(k, topc, instance, iterations, parts);
  const mac = (which: number): Uint8Array =>
    taken(run(which | macOctets, { rand, amf, sqn }), OUT.first, macOctets);
  // A RES of 32 bits has no multiple of 64 in it.
  const lengths = (resOctets & 0x38) | (ckOctets === 32 ? LONG_CK : 0) | (ikOctets === 32 ? LONG_IK : 0);
  const keys = run(FUNCTION.f2345 | lengths, { rand });
  return {
    macA: mac(FUNCTION.f1),
    macS: mac(FUNCTION.f1Star),
    res: taken(keys, OUT.first, resOctets),
    ck: new Secret(taken(keys, OUT.ck, ckOctets)),
    ik: new Secret(taken(keys, OUT.ik, ikOctets)),
    ak: taken(keys, OUT.ak, 6),
    akStar: taken(run(FUNCTION.f5Star, { rand }), OUT.ak, 6),
  };
}

/** TOPc of an operator's TOP (32 octets) for one K (TS 35.231 7.1). Throws `KEY_INVALID`. */
export function deriveTopc(
  k: Secret<Uint8Array>,
  top: Secret<Uint8Array>,
  iterations: number = TUAK_DEFAULTS.iterations,
): Secret<Uint8Array> {
  checkLengths([
    ['K', k.reveal(), [16, 32]],
    ['TOP', top.reveal(), [32]],
  ]);
  return new Secret(taken(permuted(k, top, 0, iterations, {}), OUT.first, 32));
}
