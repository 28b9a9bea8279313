// The XOR algorithm of test USIMs and system simulators (3GPP TS 34.108 8.1.2): no security, known to every test bench.
import { concat } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import type { MilenageOutput } from './milenage.ts';

export type XorTestInput = {
  /** 16 octets. */
  readonly k: Secret<Uint8Array>;
  /** 16 octets. */
  readonly rand: Uint8Array;
  /** 6 octets. */
  readonly sqn: Uint8Array;
  /** 2 octets; zeros for f1*. */
  readonly amf: Uint8Array;
  /** 4 to 16, by default all 16. */
  readonly resOctets?: number;
};

/** All outputs for one challenge, in the shape of MILENAGE's. Throws `KEY_INVALID` where an input has the wrong length. */
export function xorTestAlgorithm(input: XorTestInput): MilenageOutput {
  const { k, rand, sqn, amf, resOctets = 16 } = input;
  const key = k.reveal();
  if (key.length !== 16 || rand.length !== 16 || sqn.length !== 6 || amf.length !== 2) {
    throw new AgentError('KEY_INVALID', { octets: key.length, why: 'wrong length of K, RAND, SQN or AMF' });
  }
  if (!Number.isInteger(resOctets) || resOctets < 4 || resOctets > 16) {
    throw new AgentError('NUMBER_RANGE', { value: resOctets, what: 'octets of RES' });
  }
  const xdout = Uint8Array.from(key, (octet, i) => octet ^ (rand[i] ?? 0));
  const cdout = concat(sqn, amf);
  const mac = Uint8Array.from(cdout, (octet, i) => octet ^ (xdout[i] ?? 0));
  const ak = xdout.slice(3, 9);
  return {
    macA: mac,
    macS: mac.slice(),
    res: xdout.slice(0, resOctets),
    ck: new Secret(rotated(xdout, 1)),
    ik: new Secret(rotated(xdout, 2)),
    ak,
    akStar: ak.slice(),
  };
}

function rotated(octets: Uint8Array, by: number): Uint8Array {
  return concat(octets.subarray(by), octets.subarray(0, by));
}
