// Keysets that the card keeps in cells of their own: those of the ISD-R and of an ISD-P. They are AES keys in threes.
import { Secret } from '../../base/log.ts';
import { KEY_TYPE_AES } from '../../codec/put-key.ts';
import { refuse } from '../os/reply.ts';
import { SW } from '../../codec/apdu.ts';
import { keysetCells, scp80CounterCells, type Keyset } from '../records.ts';
import type { Cell, State } from '../state.ts';
import { type DomainKey, type DomainKeys, isVersionOf, KEY, onlyComponent } from './keys.ts';

type Cells = {
  /** What the names of the keysets begin with; the version follows. */
  readonly prefix: string;
  readonly keyset: (version: number) => Cell<Keyset | undefined>;
  /** What is counted under a version elsewhere. */
  readonly scp80Counter?: (version: number) => Cell<number>;
};

/** Keysets of the ISD-R. */
export function isdRKeys(state: State): DomainKeys {
  return storedKeys(state, {
    prefix: keysetCells.prefix,
    keyset: keysetCells,
    scp80Counter: scp80CounterCells,
  });
}

export function storedKeys(state: State, { prefix, keyset, scp80Counter }: Cells): DomainKeys {
  const need = (version: number): Keyset => state.read(keyset(version)) ?? refuse(SW.conditionsOfUse);
  return {
    versions: () =>
      state
        .ids(prefix)
        .map(Number)
        .toSorted((a, b) => a - b),
    of(version) {
      const held = state.read(keyset(version));
      return held === undefined
        ? []
        : [keyOf(KEY.enc, held.enc), keyOf(KEY.mac, held.mac), keyOf(KEY.dek, held.dek)];
    },
    put(version, keys, counting) {
      const [enc, mac, dek] = [KEY.enc, KEY.mac, KEY.dek].map(
        (identifier) => onlyComponent(keys, identifier)?.data.reveal() ?? refuse(SW.wrongData),
      );
      if (enc === undefined || mac === undefined || dek === undefined) refuse(SW.wrongData);
      if (counting === 'goes on') {
        state.write(keyset(version), { enc, mac, dek, sequenceCounter: need(version).sequenceCounter });
        return;
      }
      const { from } = counting;
      const isScp03 = isVersionOf('scp03', version);
      state.write(keyset(version), { enc, mac, dek, sequenceCounter: isScp03 ? from : 0 });
      if (scp80Counter === undefined) return;
      if (isScp03 || from === 0) state.remove(scp80Counter(version));
      else state.write(scp80Counter(version), from);
    },
    remove(version) {
      state.remove(keyset(version));
      if (scp80Counter !== undefined) state.remove(scp80Counter(version));
    },
    sequenceCounter: (version) => need(version).sequenceCounter,
    setSequenceCounter: (version, sequenceCounter) =>
      state.write(keyset(version), { ...need(version), sequenceCounter }),
  };
}

function keyOf(identifier: number, value: Uint8Array): DomainKey {
  return { identifier, components: [{ type: KEY_TYPE_AES, data: new Secret(value) }] };
}
