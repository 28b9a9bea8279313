// The card in euicc-modem-sim: a card file, a card that `euicc-card serve --tcp` holds, none, or a new one that lives as long as the program.
import type { Clock } from '../../base/clock.ts';
import { type Log, Secret } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { openCardFile } from '../../card/open-card.ts';
import type { CardSlot } from '../../codec/card.ts';
import type { Ec } from '../../crypto/ec.ts';
import { openEuicc } from '../../euicc/euicc.ts';
import { manufactureEuicc } from '../../euicc/manufacture.ts';
import { openCardStore } from '../../euicc/store.ts';
import { createMemoryFiles } from '../../euicc/store-files.ts';
import { openRemoteCard } from '../../modem/remote-card.ts';
import { parseTcpAddress } from '../../modem/tcp-link.ts';
import { manufactureOrder } from '../../operator/issuer/factory.ts';
import { createCi, createEum } from '../../operator/issuer/pki.ts';
import type { SubscriberStore } from '../../operator/mno/hlr.ts';
import { createBootstrap } from '../bootstrap.ts';

export const NEW_CARD = 'new';
export const NO_CARD = 'none';
/** The network of the profile on a new card. */
export const NEW_CARD_PLMN = '00101';

export type SimCard = {
  readonly card: (CardSlot & { close(): Promise<void> }) | undefined;
  /** The keys of a new card's profile, for its home network. */
  readonly subscribers?: SubscriberStore;
};

type Context = { readonly ec: Ec; readonly random: Random; readonly log: Log; readonly clock: Clock };

/** `which` is `new`, `none`, tcp://HOST:PORT or a file. Throws what the opening throws. */
export async function openSimCard(context: Context, which: string, keyFile?: string): Promise<SimCard> {
  if (which === NO_CARD) return { card: undefined };
  if (which === NEW_CARD) return newCard(context);
  const address = parseTcpAddress(which);
  if (address !== undefined) return { card: await openRemoteCard({ ...address, clock: context.clock }) };
  const card = await openCardFile(context, which, {
    environment: process.env,
    ...(keyFile === undefined ? {} : { keyFile }),
  });
  return { card };
}

async function newCard({ ec, random, log, clock }: Context): Promise<SimCard> {
  const issuing = { ec, random, at: clock.wall() };
  const ci = createCi(issuing, { organization: 'Test' });
  const eum = createEum(issuing, ci, { organization: 'Test', eidPrefix: '89999999' });
  const made = manufactureOrder(issuing, { ci, eum, serial: 1 });
  const { upp, iccid, name, subscribers } = createBootstrap({ plmn: NEW_CARD_PLMN, random });
  const store = await openCardStore({
    path: 'card',
    key: new Secret(random.bytes(32)),
    random,
    files: createMemoryFiles(),
  });
  await manufactureEuicc({
    store,
    ec,
    personalisation: {
      eid: made.eid,
      euiccCertificate: made.euiccCertificate,
      eumCertificate: made.eumCertificate,
      euiccPrivateKey: made.euiccKey.privateKey,
      ciCertificates: made.ciCertificates,
      isdRKeys: made.isdRKeys,
      securityModules: made.securityModules,
      securityMode: made.securityMode,
      certificateProfile: {},
      ciPKId: made.ciPKId,
      managed: false,
      profiles: [
        {
          upp,
          metadata: {
            iccid,
            serviceProviderName: name,
            profileName: 'Provisioning',
            profileClass: 'provisioning',
          },
          enabled: true,
        },
      ],
    },
  });
  return { card: await openEuicc({ store, ec, random, log }), subscribers };
}
