// What an instruction answers before the rules of T=0 shape it.
import { EMPTY } from '../../base/bytes.ts';
import { SW } from '../../codec/apdu.ts';

/**
 * Data and status word. `effect` is what the command changes in the volatile state; it is left out when the answer becomes
 * 6Cxx, after which the terminal gives the command again.
 */
export type Reply = { readonly data: Uint8Array; readonly sw: number; readonly effect?: () => void };

export function ok(data: Uint8Array = EMPTY, effect?: () => void): Reply {
  return effect === undefined ? { data, sw: SW.ok } : { data, sw: SW.ok, effect };
}

export function status(sw: number): Reply {
  return { data: EMPTY, sw };
}

/** Ends an instruction from any depth with a status word; what it staged is forgotten. */
export class StatusWord extends Error {
  override readonly name = 'StatusWord';
  readonly sw: number;

  constructor(sw: number) {
    super(`status word ${sw.toString(16)}`);
    this.sw = sw;
  }
}

export function refuse(sw: number): never {
  throw new StatusWord(sw);
}
