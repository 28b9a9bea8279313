// The security domains of the enabled profile: the operator's (MNO-SD) and those below it, over the air and to the terminal alike
// (SGP.22 2.4.5; GlobalPlatform Card Specification 7, 11.1.1 and 11.10).
import { equalBytes, toHex } from '../../base/bytes.ts';
import { cborInt } from '../../codec/cbor-table.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { type Aid, encodeAid } from '../../codec/ids.ts';
import type { ProfileFiles } from '../bare-profile.ts';
import type { Applet } from '../os/card.ts';
import { ok, refuse, type Reply } from '../os/reply.ts';
import type { SecurityDomainContent } from '../profile-content.ts';
import { profileCells, profilePrefix } from '../records.ts';
import { cell, type Cell, type State } from '../state.ts';
import { securityDomainApplet } from './applet.ts';
import type { SecurityDomain } from './management.ts';
import { createProviderData } from './provider-data.ts';
import { type ProfileKeys, profileKeys } from './profile-keys.ts';
import type { Registry, RegistryEntry } from './registry.ts';
import { scp03Size } from './scp03-mode.ts';

const INS_SET_STATUS = 0xf0;
const INS_STORE_DATA = 0xe2;
/** P1 of SET STATUS: an application or security domain; a security domain and what belongs to it. */
const SCOPE = { application: 0x40, domain: 0x60 } as const;
const LOCKED = 0x80;
const LIFE_CYCLE = { installed: 0x03, selectable: 0x07, personalized: 0x0f } as const;

export type ProfileDomain = {
  readonly content: SecurityDomainContent;
  readonly keys: ProfileKeys;
  readonly domain: SecurityDomain;
  readonly applet: Applet;
  /** Locked by the one above it, or with its profile gone, it can be neither selected nor reached over the air. */
  readonly isOpen: boolean;
};

/** Those of one profile, the operator's first. */
export function createProfileDomains(host: {
  readonly state: State;
  /** Of the profile; names its cells. */
  readonly number: number;
  readonly profile: ProfileFiles;
  /** What the card tells about itself. */
  readonly cardObject: (name: number) => Uint8Array | undefined;
  readonly ecasdObject: (name: number) => Uint8Array | undefined;
}): readonly ProfileDomain[] {
  const { cardObject, ecasdObject, number, profile, state } = host;
  const { applications, loadPackages, securityDomains } = profile;
  const lifeCycleOf = (aid: Aid, first: number): Cell<number> =>
    cell(`${profilePrefix(number)}life/${toHex(encodeAid(aid))}`, cborInt(0, 0xff), first);
  const entryOf = (content: SecurityDomainContent | ProfileFiles['applications'][number]): RegistryEntry => ({
    aid: content.aid,
    lifeCycle: state.read(lifeCycleOf(content.aid, content.lifeCycle)),
    privileges: content.privileges,
  });
  /** The operator's security domain has all of the profile below it; any other what was given to it. */
  const below = (
    domain: SecurityDomainContent,
  ): readonly (SecurityDomainContent | ProfileFiles['applications'][number])[] => {
    const others = [...securityDomains.filter((each) => each !== domain), ...applications];
    return domain === securityDomains[0]
      ? others
      : others.filter(({ securityDomainAid }) => securityDomainAid === domain.aid);
  };
  const registryOf = (domain: SecurityDomainContent): Registry => ({
    domain: entryOf(domain),
    others: below(domain).map(entryOf),
    loadFiles: domain === securityDomains[0] ? loadPackages.map(({ aid }) => aid) : [],
  });
  const setLifeCycle = (entry: RegistryEntry, lifeCycle: number): void =>
    state.write(lifeCycleOf(entry.aid, entry.lifeCycle), lifeCycle);

  /** SET STATUS: locks and unlocks what is below; of itself, a security domain only says that it has been personalized. */
  const setStatus = (domain: SecurityDomainContent, { p1, p2, data }: CommandApdu): Reply => {
    if (p1 !== SCOPE.application && p1 !== SCOPE.domain) return refuse(SW.incorrectP1P2);
    const { domain: self, others } = registryOf(domain);
    const isNamed = ({ aid }: RegistryEntry): boolean => equalBytes(encodeAid(aid), data);
    if (isNamed(self)) {
      const { lifeCycle } = self;
      const isBefore = lifeCycle === LIFE_CYCLE.installed || lifeCycle === LIFE_CYCLE.selectable;
      if (p1 !== SCOPE.application || p2 !== LIFE_CYCLE.personalized || !isBefore)
        return refuse(SW.conditionsOfUse);
      setLifeCycle(self, p2);
      return ok();
    }
    const named = others.find(isNamed) ?? refuse(SW.referencedDataNotFound);
    const locks = (p2 & LOCKED) !== 0;
    if (((named.lifeCycle & LOCKED) !== 0) === locks) return refuse(SW.conditionsOfUse);
    const content = securityDomains.find(({ aid }) => aid === named.aid);
    if (p1 === SCOPE.domain && content === undefined) return refuse(SW.conditionsOfUse);
    const more = p1 === SCOPE.domain && content !== undefined ? below(content).map(entryOf) : [];
    for (const entry of [named, ...more]) {
      setLifeCycle(entry, locks ? entry.lifeCycle | LOCKED : entry.lifeCycle & ~LOCKED);
    }
    return ok();
  };

  return securityDomains.map((content) => {
    const keys = profileKeys(state, number, content);
    const isOpen = (): boolean =>
      state.has(profileCells(number)) && (entryOf(content).lifeCycle & LOCKED) === 0;
    const provider = createProviderData(state, number, content.aid);
    const domain: SecurityDomain = {
      keys,
      keyKinds: 'aes and des',
      size: scp03Size(state),
      registry: () => registryOf(content),
      dataObject: (tag) => provider.read(tag) ?? cardObject(tag),
      ecasdObject,
      further: new Map([
        [INS_SET_STATUS, (command: CommandApdu) => setStatus(content, command)],
        [INS_STORE_DATA, (command: CommandApdu) => provider.store(command)],
      ]),
    };
    return {
      content,
      keys,
      domain,
      applet: securityDomainApplet(encodeAid(content.aid), domain, isOpen),
      get isOpen() {
        return isOpen();
      },
    };
  });
}
