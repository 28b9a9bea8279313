// Who is reached by which TAR, under which keys: the ISD-R, and the security domains and file management of the presented profile
// (ETSI TS 102 225, 5.1; ETSI TS 101 220, annex D; SGP.02, 2.4.3).
import { equalBytes, fromHex } from '../../base/bytes.ts';
import { SW } from '../../codec/apdu.ts';
import type { Scp80Key, Scp80Keys } from '../../crypto/scp80.ts';
import { type DomainKeys, isVersionOf, KEY, onlyComponent } from '../domain/keys.ts';
import { manage } from '../domain/management.ts';
import type { ProfileDomain } from '../domain/profile-domains.ts';
import { isdRKeys } from '../domain/stored-keys.ts';
import type { IsdR } from '../isd-r.ts';
import type { Card } from '../os/card.ts';
import { status } from '../os/reply.ts';
import { profileCells, scp80CounterCells } from '../records.ts';
import type { Cell } from '../state.ts';
import { remoteFileCommands } from './file-management.ts';
import type { RemoteCommands } from './remote-session.ts';

/** Keys of one version, and the last counter that was accepted under them. */
export type OtaKeyset = { readonly keys: Scp80Keys; readonly counter: Cell<number> };

export type RemoteApplication = {
  /** First octet of the least that an SPI must ask for. */
  readonly minimumSecurityLevel: number;
  /** The keyset of a version from 1 to 15. */
  keyset(version: number): OtaKeyset | undefined;
  /** A new session of its commands; `version` is that of the keyset whose checksum protects them, undefined where none does. */
  commands(version: number | undefined): RemoteCommands;
};

const TAR_ISD_R = fromHex('000001');
/** Checksum, ciphering, and a counter that is higher (SGP.02, 2.4.3). */
const ISD_R_SECURITY_LEVEL = 0x16;
/** DES in one, two or three keys, named as such or as triple DES in CBC mode; AES (GlobalPlatform 11.1.8). */
const DES_TYPES: ReadonlySet<number> = new Set([0x80, 0x82]);
const AES_TYPE = 0x88;

/** The application that a TAR (3 octets) names, undefined where there is none. */
export function applicationAt(tar: Uint8Array, card: Card, isdR: IsdR): RemoteApplication | undefined {
  const { state } = card;
  if (equalBytes(tar, TAR_ISD_R)) {
    return {
      minimumSecurityLevel: ISD_R_SECURITY_LEVEL,
      keyset: (version) => otaKeyset(isdRKeys(state), version, scp80CounterCells),
      commands: (version) => isdR.remoteCommands(version),
    };
  }
  const { content, domains, number } = card.profile;
  // A profile that is deleted while it is presented has no keys any more.
  if (number === 0 || !state.has(profileCells(number))) return undefined;
  const has = (tars: readonly Uint8Array[]): boolean => tars.some((each) => equalBytes(each, tar));
  const domain = domains.find((each) => has(each.content.tars));
  if (domain?.isOpen === true) {
    return {
      minimumSecurityLevel: domain.content.minimumSecurityLevel,
      keyset: (version) => domainKeyset(domain, version),
      commands: (version) => domainCommands(domain, version),
    };
  }
  const rfm = content.rfms.find(({ tars }) => has(tars));
  if (rfm === undefined) return undefined;
  // Without a security domain of its own it belongs to the operator's, the first one.
  const owner =
    rfm.securityDomainAid === undefined
      ? domains[0]
      : domains.find((each) => each.content.aid === rfm.securityDomainAid);
  return {
    minimumSecurityLevel: rfm.minimumSecurityLevel,
    keyset: (version) => (owner === undefined ? undefined : domainKeyset(owner, version)),
    commands: () => remoteFileCommands(card, rfm),
  };
}

function domainCommands({ domain }: ProfileDomain, version: number | undefined): RemoteCommands {
  return {
    process: (command) =>
      (command.cla & 0x80) === 0
        ? status(SW.claNotSupported)
        : (manage(domain, command, version) ?? status(SW.insNotSupported)),
  };
}

function domainKeyset(domain: ProfileDomain, version: number): OtaKeyset | undefined {
  return otaKeyset(domain.keys, version, (each) => domain.keys.scp80Counter(each));
}

function otaKeyset(
  keys: DomainKeys,
  version: number,
  counter: (version: number) => Cell<number>,
): OtaKeyset | undefined {
  const held = isVersionOf('scp80', version) ? keys.of(version) : [];
  const named = [KEY.enc, KEY.mac].map((identifier) => keyOf(onlyComponent(held, identifier)));
  if (!held.some(({ identifier }) => identifier === KEY.enc || identifier === KEY.mac)) return undefined;
  const [kic, kid] = named;
  return {
    keys: { ...(kic === undefined ? {} : { kic }), ...(kid === undefined ? {} : { kid }) },
    counter: counter(version),
  };
}

/** The key as SCP80 uses it; undefined for a type or a length that it has no use for. */
function keyOf(component: ReturnType<typeof onlyComponent>): Scp80Key | undefined {
  if (component === undefined) return undefined;
  const { length } = component.data.reveal();
  if (component.type === AES_TYPE && [16, 24, 32].includes(length)) {
    return { algorithm: 'aes', key: component.data };
  }
  return DES_TYPES.has(component.type) && [8, 16, 24].includes(length)
    ? { algorithm: 'des', key: component.data }
    : undefined;
}
