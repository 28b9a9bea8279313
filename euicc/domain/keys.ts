// The keys of one security domain as its commands see them: by version and identifier, whoever keeps them (GlobalPlatform Card
// Specification 7.5; ETSI TS 102 225, annex A for the versions).
import type { Secret } from '../../base/log.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { KEY_TYPE_AES } from '../../codec/put-key.ts';
import type { Scp03Keys } from '../../crypto/scp03.ts';

/** One key; most have one component. Types as in GlobalPlatform 11.1.8: 88 AES, 80 and 82 DES. */
export type DomainKey = {
  readonly identifier: number;
  readonly components: readonly { readonly type: number; readonly data: Secret<Uint8Array> }[];
};

/** What is counted under the keys of a version: goes on, or begins there. */
export type Counting = 'goes on' | { readonly from: number };

export type DomainKeys = {
  /** The versions there are, the lowest first. */
  versions(): readonly number[];
  /** The keys of a version, by rising identifier; none for a version that is not there. */
  of(version: number): readonly DomainKey[];
  /** Stages all keys of a version. */
  put(version: number, keys: readonly DomainKey[], counting: Counting): void;
  /** Stages the end of a version and of what was counted under it. */
  remove(version: number): void;
  /** Of the next SCP03 session under a version, three octets. */
  sequenceCounter(version: number): number;
  setSequenceCounter(version: number, value: number): void;
};

/** Identifiers of the keys of a set, for SCP03: ENC, MAC, DEK; for SCP80: KIc, KID, KIK. */
export const KEY = { enc: 1, mac: 2, dek: 3 } as const;

const KEY_OCTETS: readonly number[] = [16, 24, 32];

/** Versions that SCP80 and SCP03 know. */
export const VERSIONS = { scp80: [0x01, 0x0f], scp03: [0x30, 0x3f] } as const;

export function isVersionOf(protocol: keyof typeof VERSIONS, version: number): boolean {
  const [from, to] = VERSIONS[protocol];
  return version >= from && version <= to;
}

/** The one component of a key, undefined where there is another number. */
export function onlyComponent(
  keys: readonly DomainKey[],
  identifier: number,
): { readonly type: number; readonly data: Secret<Uint8Array> } | undefined {
  const components = keys.find((key) => key.identifier === identifier)?.components ?? [];
  return components.length === 1 ? components[0] : undefined;
}

/** The AES keys that open SCP03 sessions under a version, undefined where it has none. */
export function scp03KeysOf(keys: DomainKeys, version: number): Pick<Scp03Keys, 'enc' | 'mac'> | undefined {
  if (!isVersionOf('scp03', version)) return undefined;
  const held = keys.of(version);
  const [enc, mac] = [onlyComponent(held, KEY.enc), onlyComponent(held, KEY.mac)];
  if (enc?.type !== KEY_TYPE_AES || mac?.type !== KEY_TYPE_AES) return undefined;
  const { length } = enc.data.reveal();
  if (!KEY_OCTETS.includes(length) || mac.data.reveal().length !== length) return undefined;
  return { enc: enc.data, mac: mac.data };
}

/** Key information template (E0): identifier, version, type and length of each component of each key, no values. */
export function keyInformation(keys: DomainKeys): Uint8Array {
  return encodeTlv(
    0xe0,
    ...keys
      .versions()
      .flatMap((version) =>
        keys
          .of(version)
          .map(({ identifier, components }) =>
            encodeTlv(
              0xc0,
              Uint8Array.of(identifier, version),
              ...components.map(({ type, data }) => Uint8Array.of(type, data.reveal().length)),
            ),
          ),
      ),
  );
}
