// The keys of a profile's own security domain: those of its package until the first change, then what commands made of them
// (TCA eUICC Profile Package: Interoperable Format, 8.6).
import { bytesUint, toHex } from '../../base/bytes.ts';
import { Secret } from '../../base/log.ts';
import { cborBytes, cborInt, cborList, cborMap, type CborType } from '../../codec/cbor-table.ts';
import { encodeAid } from '../../codec/ids.ts';
import { COUNTER_MAX } from '../../crypto/scp80.ts';
import type { SecurityDomainContent } from '../profile-content.ts';
import { profilePrefix } from '../records.ts';
import { cell, type Cell, type State } from '../state.ts';
import { type DomainKeys, isVersionOf, KEY } from './keys.ts';

const octet = cborInt(0, 0xff);
const keyRecord = cborMap({
  version: { key: 1, type: octet },
  identifier: { key: 2, type: octet },
  components: {
    key: 3,
    type: cborList(
      cborMap({ type: { key: 1, type: octet }, data: { key: 2, type: cborBytes({ max: 1024 }) } }),
      16,
    ),
  },
  /** Where what is counted under it begins, as the package says. */
  counter: { key: 4, type: cborInt(0, COUNTER_MAX) },
});
type KeyRecord = typeof keyRecord extends CborType<infer T> ? T : never;
const keyList = cborList(keyRecord, 256);

/** SCP80 counters have five octets, SCP03 sequence counters the last three of them. */
const COUNTER_OCTETS = 5;
const MAX_SEQUENCE = 0xffffff;
const counterType = cborInt(0, COUNTER_MAX);
const sequenceType = cborInt(0, MAX_SEQUENCE);

export type ProfileKeys = DomainKeys & {
  /** The last SCP80 counter that was accepted under a version. */
  scp80Counter(version: number): Cell<number>;
};

export function profileKeys(state: State, number: number, domain: SecurityDomainContent): ProfileKeys {
  const aid = toHex(encodeAid(domain.aid));
  const prefix = profilePrefix(number);
  const initial = domain.keys.map(recordOf);
  const cells = {
    keys: cell<readonly KeyRecord[]>(`${prefix}keys/${aid}`, keyList, initial),
    scp80: (version: number) => cell(`${prefix}scp80/${aid}/${version}`, counterType, startOf(version)),
    scp03: (version: number) =>
      cell(`${prefix}scp03/${aid}/${version}`, sequenceType, startOf(version) % (MAX_SEQUENCE + 1)),
  };
  const all = (): readonly KeyRecord[] => state.read(cells.keys);
  const except = (version: number): readonly KeyRecord[] => all().filter((key) => key.version !== version);
  const startOf = (version: number): number => {
    const counterOf = (identifier: number): number =>
      all().find((key) => key.version === version && key.identifier === identifier)?.counter ?? 0;
    return counterOf(KEY.mac) || counterOf(KEY.enc);
  };
  const forget = (version: number): void => {
    state.remove(cells.scp80(version));
    state.remove(cells.scp03(version));
  };
  return {
    versions: () => [...new Set(all().map(({ version }) => version))].toSorted((a, b) => a - b),
    of: (version) =>
      all()
        .filter((key) => key.version === version)
        .map(({ identifier, components }) => ({
          identifier,
          components: components.map(({ type, data }) => ({ type, data: new Secret(data) })),
        })),
    put(version, keys, counting) {
      const before = all().filter((key) => key.version === version);
      const counter = (identifier: number): number =>
        counting === 'goes on' ? (before.find((key) => key.identifier === identifier)?.counter ?? 0) : 0;
      const records = keys.map((key) => ({
        version,
        identifier: key.identifier,
        components: key.components.map(({ type, data }) => ({ type, data: data.reveal() })),
        counter: counter(key.identifier),
      }));
      state.write(cells.keys, [...except(version), ...records]);
      if (counting === 'goes on') return;
      forget(version);
      if (counting.from > 0) {
        state.write(
          isVersionOf('scp03', version) ? cells.scp03(version) : cells.scp80(version),
          counting.from,
        );
      }
    },
    remove(version) {
      const left = except(version);
      forget(version);
      state.write(cells.keys, left);
    },
    sequenceCounter: (version) => state.read(cells.scp03(version)),
    setSequenceCounter: (version, value) => state.write(cells.scp03(version), value),
    scp80Counter: cells.scp80,
  };
}

function recordOf({
  version,
  identifier,
  components,
  counter,
}: SecurityDomainContent['keys'][number]): KeyRecord {
  return {
    version,
    identifier,
    components: components.map(({ type, data }) => ({ type, data: data.reveal() })),
    counter: counter === undefined ? 0 : bytesUint(counter.slice(-COUNTER_OCTETS)),
  };
}
