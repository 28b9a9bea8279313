// One decoder under test: what it is called, how samples for it are made, and its writer.
import type { Dice } from './mutate.ts';

/** A decoder: throws AgentError or answers. `encode` writes the value again where the format has a writer. */
export type Decoder = {
  readonly name: string;
  readonly decode: (bytes: Uint8Array) => unknown;
  readonly encode?: (value: never) => Uint8Array;
  /** A new whole sample each time. */
  readonly sample: (dice: Dice) => Uint8Array;
};

export function decoder<T>(
  name: string,
  sample: (dice: Dice) => Uint8Array,
  decode: (bytes: Uint8Array) => T,
  encode?: (value: T) => Uint8Array,
): Decoder {
  return { name, sample, decode, ...(encode === undefined ? {} : { encode }) };
}
