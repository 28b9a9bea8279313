// The security domains of a profile as applets: the operator's own and what it made below it can be selected and asked which keys
// they have. The keys themselves work over the air (SGP.02 2.2.1.3; TCA eUICC Profile Package: Interoperable Format, 8.6).
import { encodeAid } from '../../codec/ids.ts';
import type { Applet } from '../os/card.ts';
import { keyInformation } from '../ota/security-domain.ts';
import type { SecurityDomainContent } from '../profile-content.ts';
import { createDomainApplet } from './applet.ts';
import { DATA_OBJECT } from './card-data.ts';

export function createProfileDomains(options: {
  readonly domains: readonly SecurityDomainContent[];
  readonly cardObject: (name: number) => Uint8Array | undefined;
  /** Whether the profile is still on the card. */
  readonly exists: () => boolean;
}): readonly Applet[] {
  const { cardObject, domains, exists } = options;
  return domains.map((domain) =>
    createDomainApplet({
      aid: encodeAid(domain.aid),
      object: (name) => (name === DATA_OBJECT.keyInformation ? keyInformation(domain) : cardObject(name)),
      exists,
    }),
  );
}
