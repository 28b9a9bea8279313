// PINs, PUKs and administrative keys of the enabled profile, with their counters (ETSI TS 102 221, 9.5 and 11.1.9 to 11.1.13).
import { equalBytes } from '../../base/bytes.ts';
import { AgentError } from '../../base/errors.ts';
import { cborBool, cborBytes, cborInt, cborMap } from '../../codec/cbor-table.ts';
import type { Directory, LoadedProfile, PinContent, PukContent } from '../profile-content.ts';
import { cell, type Cell, type State } from '../state.ts';

export const PIN_OCTETS = 8;
/** Key references 81 to 8E are local: each application has its own. */
const LOCAL = 0x80;

const changedPin = cborMap({
  value: { key: 1, type: cborBytes({ length: PIN_OCTETS }) },
  enabled: { key: 2, type: cborBool },
  attemptsLeft: { key: 3, type: cborInt(0, 255) },
  replacedBy: { key: 4, type: cborInt(1, 0x1f), optional: true },
});
const attempts = cborInt(0, 255);

type Changed = {
  readonly value: Uint8Array;
  readonly enabled: boolean;
  readonly attemptsLeft: number;
  /** Key reference of the global PIN that is asked for while this one is disabled. */
  readonly replacedBy?: number;
};

/** A PIN as it stands. */
export type Pin = {
  readonly content: PinContent;
  readonly enabled: boolean;
  readonly attemptsLeft: number;
  readonly replacedBy?: number;
};

/** What came of comparing a secret: the PIN is right, wrong with so many attempts left, or blocked already. */
export type PinOutcome =
  | { readonly is: 'right' }
  | { readonly is: 'wrong'; readonly left: number }
  | { readonly is: 'blocked' };

export type Pins = {
  /** The PIN that a key reference names in a directory, undefined where there is none. */
  find(folder: Directory, keyReference: number): Pin | undefined;
  /**
   * Whether a condition on this key holds: verified since the reset, or a PIN that is disabled, unless another one stands in for
   * it that is enabled and not verified.
   */
  isSatisfied(folder: Directory, keyReference: number): boolean;
  /** Compares, counts, and remembers a right value. */
  verify(folder: Directory, keyReference: number, value: Uint8Array): PinOutcome;
  /** A new value for a PIN whose old one was verified just now. */
  change(folder: Directory, keyReference: number, value: Uint8Array): void;
  enable(folder: Directory, keyReference: number): void;
  /** `replacedBy` stands in for it then. */
  disable(folder: Directory, keyReference: number, replacedBy?: number): void;
  /** Compares the PUK; when right, the PIN gets the new value and its attempts back, and is enabled and verified. */
  unblock(folder: Directory, keyReference: number, puk: Uint8Array, value: Uint8Array): PinOutcome;
  /** Attempts left of the PUK that unblocks a PIN, undefined where it has none. */
  pukAttempts(folder: Directory, keyReference: number): number | undefined;
};

/** What the names of the cells of a profile's PINs begin with. */
function pinCellPrefix(profileNumber: number): string {
  return `profile/${profileNumber}/pin/`;
}

/** `verified` is the volatile memory of what was verified; it is new at every reset. */
export function createPins(
  state: State,
  profileNumber: number,
  profile: Pick<LoadedProfile, 'pinContexts' | 'puks'>,
  verified: Set<string>,
): Pins {
  const prefix = pinCellPrefix(profileNumber);
  type Found = { readonly content: PinContent; readonly name: string };
  const contentOf = (folder: Directory, keyReference: number): Found | undefined => {
    const context = keyReference >= LOCAL ? folder.pinContext : 0;
    const content = profile.pinContexts[context]?.find((pin) => pin.keyReference === keyReference);
    return content === undefined ? undefined : { content, name: `${context}.${keyReference}` };
  };
  const cellOf = ({ content, name }: Found): Cell<Changed> =>
    cell(prefix + name, changedPin, {
      value: content.value.reveal(),
      enabled: content.enabled,
      attemptsLeft: content.attemptsLeft,
    });
  const pukOf = (folder: Directory, keyReference: number): PukContent | undefined => {
    const reference = contentOf(folder, keyReference)?.content.unblockedBy;
    return profile.puks.find((puk) => puk.keyReference === reference);
  };
  const pukCell = (puk: PukContent): Cell<number> =>
    cell(`${prefix}puk.${puk.keyReference}`, attempts, puk.attemptsLeft);
  const need = (folder: Directory, keyReference: number): Found => {
    const found = contentOf(folder, keyReference);
    if (found === undefined) throw new AgentError('INTERNAL', { keyReference });
    return found;
  };
  const update = (found: Found, change: Partial<Changed>): void =>
    state.write(cellOf(found), { ...state.read(cellOf(found)), ...change });
  const enabledAgain = (found: Found): Changed => {
    const { value, attemptsLeft } = state.read(cellOf(found));
    return { value, attemptsLeft, enabled: true };
  };
  const holds = (found: Found): boolean => verified.has(found.name) || !state.read(cellOf(found)).enabled;
  return {
    find(folder, keyReference) {
      const found = contentOf(folder, keyReference);
      if (found === undefined) return undefined;
      const { value: _, ...shown } = state.read(cellOf(found));
      return { content: found.content, ...shown };
    },
    isSatisfied(folder, keyReference) {
      const found = contentOf(folder, keyReference);
      if (found === undefined || !holds(found)) return false;
      const { enabled, replacedBy } = state.read(cellOf(found));
      const replacement = enabled || replacedBy === undefined ? undefined : contentOf(folder, replacedBy);
      return replacement === undefined || holds(replacement);
    },
    verify(folder, keyReference, value) {
      const found = need(folder, keyReference);
      const { attemptsLeft, value: expected } = state.read(cellOf(found));
      if (attemptsLeft === 0) return { is: 'blocked' };
      if (equalBytes(value, expected)) {
        if (attemptsLeft !== found.content.maxAttempts) {
          update(found, { attemptsLeft: found.content.maxAttempts });
        }
        verified.add(found.name);
        return { is: 'right' };
      }
      verified.delete(found.name);
      update(found, { attemptsLeft: attemptsLeft - 1 });
      return { is: 'wrong', left: attemptsLeft - 1 };
    },
    change: (folder, keyReference, value) => update(need(folder, keyReference), { value }),
    enable(folder, keyReference) {
      const found = need(folder, keyReference);
      state.write(cellOf(found), enabledAgain(found));
      verified.add(found.name);
    },
    disable(folder, keyReference, replacedBy) {
      update(need(folder, keyReference), {
        enabled: false,
        ...(replacedBy === undefined ? {} : { replacedBy }),
      });
    },
    unblock(folder, keyReference, puk, value) {
      const found = need(folder, keyReference);
      const content = pukOf(folder, keyReference);
      if (content === undefined) return { is: 'blocked' };
      const left = state.read(pukCell(content));
      if (left === 0) return { is: 'blocked' };
      if (!equalBytes(puk, content.value.reveal())) {
        state.write(pukCell(content), left - 1);
        return { is: 'wrong', left: left - 1 };
      }
      state.write(pukCell(content), content.maxAttempts);
      state.write(cellOf(found), { value, enabled: true, attemptsLeft: found.content.maxAttempts });
      verified.add(found.name);
      return { is: 'right' };
    },
    pukAttempts(folder, keyReference) {
      const content = pukOf(folder, keyReference);
      return content === undefined ? undefined : state.read(pukCell(content));
    },
  };
}
