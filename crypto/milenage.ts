// MILENAGE (3GPP TS 35.206): the authentication and key generation functions f1 to f5* of a USIM and its home network.
import { concat } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { aesEncryptBlock } from './aes.ts';

/** Rotations in bits and constants of the five output blocks; an operator may have its own (TS 35.206 5.3). */
export type MilenageParameters = {
  readonly r: readonly [number, number, number, number, number];
  /** 16 octets each. */
  readonly c: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array];
};

/** The values of TS 35.206 4.1. */
export const MILENAGE_DEFAULTS: MilenageParameters = {
  r: [64, 0, 32, 64, 96],
  c: [0, 1, 2, 4, 8].map(constantBlock) as unknown as MilenageParameters['c'],
};

function constantBlock(last: number): Uint8Array {
  const block = new Uint8Array(16);
  block[15] = last;
  return block;
}

export type MilenageInput = {
  /** 16 octets. */
  readonly k: Secret<Uint8Array>;
  /** 16 octets. */
  readonly opc: Secret<Uint8Array>;
  /** 16 octets. */
  readonly rand: Uint8Array;
  /** 6 octets. */
  readonly sqn: Uint8Array;
  /** 2 octets. */
  readonly amf: Uint8Array;
  readonly parameters?: MilenageParameters;
};

export type MilenageOutput = {
  /** f1, 8 octets. */
  readonly macA: Uint8Array;
  /** f1*, 8 octets. */
  readonly macS: Uint8Array;
  /** f2, 8 octets. */
  readonly res: Uint8Array;
  /** f3, 16 octets. */
  readonly ck: Secret<Uint8Array>;
  /** f4, 16 octets. */
  readonly ik: Secret<Uint8Array>;
  /** f5, 6 octets. */
  readonly ak: Uint8Array;
  /** f5*, 6 octets. */
  readonly akStar: Uint8Array;
};

/** All outputs for one challenge. Throws `KEY_INVALID` where an input has the wrong length. */
export function milenage(input: MilenageInput): MilenageOutput {
  const { k, rand, sqn, amf } = input;
  const { r, c } = input.parameters ?? MILENAGE_DEFAULTS;
  const opc = input.opc.reveal();
  for (const [name, bytes, length] of [
    ['K', k.reveal(), 16],
    ['OPc', opc, 16],
    ['RAND', rand, 16],
    ['SQN', sqn, 6],
    ['AMF', amf, 2],
  ] as const) {
    if (bytes.length !== length) throw new AgentError('KEY_INVALID', { what: name, octets: bytes.length });
  }
  const temp = aesEncryptBlock(k, xor(rand, opc));
  const in1 = concat(sqn, amf, sqn, amf);
  const out1 = xor(aesEncryptBlock(k, xor(xor(temp, rotate(xor(in1, opc), r[0])), c[0])), opc);
  const out = (i: 1 | 2 | 3 | 4): Uint8Array =>
    xor(aesEncryptBlock(k, xor(rotate(xor(temp, opc), r[i]), c[i])), opc);
  const out2 = out(1);
  return {
    macA: out1.subarray(0, 8),
    macS: out1.subarray(8),
    res: out2.subarray(8),
    ck: new Secret(out(2)),
    ik: new Secret(out(3)),
    ak: out2.subarray(0, 6),
    akStar: out(4).subarray(0, 6),
  };
}

/** OPc of an operator's OP for one K (TS 35.206 4.1). */
export function deriveOpc(k: Secret<Uint8Array>, op: Secret<Uint8Array>): Secret<Uint8Array> {
  return new Secret(xor(aesEncryptBlock(k, op.reveal()), op.reveal()));
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Uint8Array.from(a, (byte, i) => byte ^ (b[i] ?? 0));
}

/** Rotates 16 octets left by `bits`. */
function rotate(block: Uint8Array, bits: number): Uint8Array {
  const octets = bits >> 3;
  const rest = bits & 7;
  return Uint8Array.from(block, (_, i) => {
    const high = block[(i + octets) % 16] ?? 0;
    const low = block[(i + octets + 1) % 16] ?? 0;
    return ((high << rest) | (low >> (8 - rest))) & 0xff;
  });
}
