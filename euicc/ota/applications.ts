// Who is reached by which TAR, under which keys: the ISD-R, and the security domains and file management of the presented profile
// (ETSI TS 102 225, 5.1; ETSI TS 101 220, annex D; SGP.02, 2.4.3).
import { bytesUint, equalBytes, fromHex, toHex } from '../../base/bytes.ts';
import { Secret } from '../../base/log.ts';
import { cborInt } from '../../codec/cbor-table.ts';
import { encodeAid } from '../../codec/ids.ts';
import { COUNTER_MAX, type Scp80Key, type Scp80Keys } from '../../crypto/scp80.ts';
import type { IsdR } from '../isd-r.ts';
import type { Card } from '../os/card.ts';
import type { KeyContent, SecurityDomainContent } from '../profile-content.ts';
import { keysetCells, profileCells, profilePrefix, scp80CounterCells } from '../records.ts';
import { cell, type Cell, type State } from '../state.ts';
import { remoteFileCommands } from './file-management.ts';
import type { RemoteCommands } from './remote-session.ts';
import { securityDomainCommands } from './security-domain.ts';

/** Keys of one version, and the last counter that was accepted under them. */
export type OtaKeyset = { readonly keys: Scp80Keys; readonly counter: Cell<number> };

export type RemoteApplication = {
  /** First octet of the least that an SPI must ask for. */
  readonly minimumSecurityLevel: number;
  /** The keyset of a version from 1 to 15. */
  keyset(version: number): OtaKeyset | undefined;
  /** A new session of its commands, under the keys of this version; 0 for none. */
  commands(version: number): RemoteCommands;
};

const TAR_ISD_R = fromHex('000001');
/** Checksum, ciphering, and a counter that is higher (SGP.02, 2.4.3). */
const ISD_R_SECURITY_LEVEL = 0x16;
const MAX_VERSION = 0x0f;
const KEY_IDENTIFIER = { kic: 1, kid: 2 } as const;
/** DES in one, two or three keys, named as such or as triple DES in CBC mode; AES (GlobalPlatform 11.1.8). */
const DES_TYPES: ReadonlySet<number> = new Set([0x80, 0x82]);
const AES_TYPE = 0x88;
const COUNTER_OCTETS = 5;

const counterType = cborInt(0, COUNTER_MAX);

/** The application that a TAR (3 octets) names, undefined where there is none. */
export function applicationAt(tar: Uint8Array, card: Card, isdR: IsdR): RemoteApplication | undefined {
  const { state } = card;
  if (equalBytes(tar, TAR_ISD_R)) {
    return {
      minimumSecurityLevel: ISD_R_SECURITY_LEVEL,
      keyset: (version) => isdRKeyset(state, version),
      commands: (version) => isdR.remoteCommands(version),
    };
  }
  const { content, number } = card.profile;
  // A profile that is deleted while it is presented has no keys any more.
  if (number === 0 || !state.has(profileCells(number))) return undefined;
  const has = (tars: readonly Uint8Array[]): boolean => tars.some((each) => equalBytes(each, tar));
  const domain = content.securityDomains.find(({ tars }) => has(tars));
  if (domain !== undefined) {
    return {
      minimumSecurityLevel: domain.minimumSecurityLevel,
      keyset: (version) => domainKeyset(number, domain, version),
      commands: () => securityDomainCommands(content, domain),
    };
  }
  const rfm = content.rfms.find(({ tars }) => has(tars));
  if (rfm === undefined) return undefined;
  // Without a security domain of its own it belongs to the operator's, the first one.
  const owner =
    rfm.securityDomainAid === undefined
      ? content.securityDomains[0]
      : content.securityDomains.find(({ aid }) => aid === rfm.securityDomainAid);
  return {
    minimumSecurityLevel: rfm.minimumSecurityLevel,
    keyset: (version) => (owner === undefined ? undefined : domainKeyset(number, owner, version)),
    commands: () => remoteFileCommands(card, rfm),
  };
}

function isdRKeyset(state: State, version: number): OtaKeyset | undefined {
  const keyset = version < 1 || version > MAX_VERSION ? undefined : state.read(keysetCells(version));
  if (keyset === undefined) return undefined;
  const aes = (key: Uint8Array): Scp80Key => ({ algorithm: 'aes', key: new Secret(key) });
  return {
    keys: { kic: aes(keyset.enc), kid: aes(keyset.mac) },
    counter: scp80CounterCells(version),
  };
}

function domainKeyset(number: number, domain: SecurityDomainContent, version: number): OtaKeyset | undefined {
  if (version < 1 || version > MAX_VERSION) return undefined;
  const named = (identifier: number): KeyContent | undefined =>
    domain.keys.find((key) => key.version === version && key.identifier === identifier);
  const kic = named(KEY_IDENTIFIER.kic);
  const kid = named(KEY_IDENTIFIER.kid);
  if (kic === undefined && kid === undefined) return undefined;
  const first = bytesUint((kid?.counter ?? kic?.counter ?? new Uint8Array(0)).slice(-COUNTER_OCTETS));
  const name = `${profilePrefix(number)}scp80/${toHex(encodeAid(domain.aid))}/${version}`;
  const cipher = keyOf(kic);
  const checksum = keyOf(kid);
  return {
    keys: {
      ...(cipher === undefined ? {} : { kic: cipher }),
      ...(checksum === undefined ? {} : { kid: checksum }),
    },
    counter: cell(name, counterType, first),
  };
}

/** The key as SCP80 uses it; undefined for a type or a length that it has no use for. */
function keyOf(content: KeyContent | undefined): Scp80Key | undefined {
  const component = content?.components[0];
  if (component === undefined) return undefined;
  const { length } = component.data.reveal();
  if (component.type === AES_TYPE && [16, 24, 32].includes(length)) {
    return { algorithm: 'aes', key: component.data };
  }
  return DES_TYPES.has(component.type) && [8, 16, 24].includes(length)
    ? { algorithm: 'des', key: component.data }
    : undefined;
}
