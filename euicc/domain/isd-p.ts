// The ISD-Ps as security domains: one for each profile, beside what it holds (SGP.02 2.2.1.3, SGP.22 2.4.5). Its keys, where it has any,
// go with its profile; profiles themselves come and go through the ISD-R.
import { fromHex } from '../../base/bytes.ts';
import { SW } from '../../codec/apdu.ts';
import { encodeAid } from '../../codec/ids.ts';
import type { Applet } from '../os/card.ts';
import { refuse } from '../os/reply.ts';
import type { Profile, Profiles } from '../profiles.ts';
import { isdPKeysetCells } from '../records.ts';
import type { State } from '../state.ts';
import { securityDomainApplet } from './applet.ts';
import type { DomainKeys } from './keys.ts';
import type { RegistryEntry } from './registry.ts';
import { scp03Size } from './scp03-mode.ts';
import { storedKeys } from './stored-keys.ts';

/** SGP.02 2.2.1.3. */
const LIFE_CYCLE = { disabled: 0x1f, enabled: 0x3f } as const;
const PRIVILEGES = fromHex('800000');

export function isdPEntry({ enabled, record }: Profile): RegistryEntry {
  return {
    aid: record.isdPAid,
    lifeCycle: enabled ? LIFE_CYCLE.enabled : LIFE_CYCLE.disabled,
    privileges: PRIVILEGES,
  };
}

/** The card that they are on. */
type Host = {
  readonly state: State;
  readonly profiles: Profiles;
  /** What the card tells about itself. */
  readonly cardObject: (name: number) => Uint8Array | undefined;
  readonly ecasdObject: (name: number) => Uint8Array | undefined;
};

/** The ISD-P of every profile there is now; the same one for the same profile each time. */
export function createIsdPs(host: Host): () => readonly Applet[] {
  const { profiles } = host;
  const known = new Map<number, Applet>();
  return () =>
    profiles.list().map((profile) => {
      const applet = known.get(profile.number) ?? isdP(host, profile);
      known.set(profile.number, applet);
      return applet;
    });
}

/** Keysets of the ISD-P of a profile. */
export function isdPKeys(state: State, number: number): DomainKeys {
  const cells = isdPKeysetCells(number);
  return storedKeys(state, { prefix: cells.prefix, keyset: cells });
}

function isdP({ cardObject, ecasdObject, profiles, state }: Host, { number, record }: Profile): Applet {
  const now = (): Profile | undefined => profiles.list().find((profile) => profile.number === number);
  return securityDomainApplet(
    encodeAid(record.isdPAid),
    {
      keys: isdPKeys(state, number),
      keyKinds: 'aes',
      size: scp03Size(state),
      dataObject: cardObject,
      ecasdObject,
      registry() {
        const profile = now();
        if (profile === undefined) return refuse(SW.conditionsOfUse);
        return { domain: isdPEntry(profile), others: [] };
      },
    },
    () => now() !== undefined,
  );
}
