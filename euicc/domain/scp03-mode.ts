// The SCP03 mode of a card, the same for all its security domains (GlobalPlatform Card Specification, Amendment D, 5.1).
import type { Scp03Size } from '../../crypto/scp03.ts';
import { scp03ModeCell } from '../records.ts';
import type { State } from '../state.ts';

/** Octets of challenges, cryptograms and MACs. */
export function scp03Size(state: State): Scp03Size {
  return state.read(scp03ModeCell) === 'S16' ? 16 : 8;
}
