// The operators of the lab: issuer, one SM-SR, two MNOs with their SM-DPs, each with a database and a broker connection of its own.
import type { Clock } from '../base/clock.ts';
import { type Log, Secret } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Ec } from '../crypto/ec.ts';
import { keyIdentifier, parseCertificate } from '../crypto/x509.ts';
import { type IdentityFault, type ManufacturedEuicc, manufactureOrder } from '../operator/issuer/factory.ts';
import {
  createCi,
  createEum,
  createMnoIdentity,
  createSmDpPki,
  type Issuing,
} from '../operator/issuer/pki.ts';
import { createHlr, type Hlr } from '../operator/mno/hlr.ts';
import { type Mno, openMno } from '../operator/mno/mno.ts';
import { createMnoStore } from '../operator/mno/mno-records.ts';
import type { ProfilePolicy } from '../operator/mno/profile-check.ts';
import type { MnoStore } from '../operator/mno/mno-store.ts';
import type { OfflineOptions } from '../operator/mno/offline.ts';
import { signRightsGrant } from '../operator/rights-grant.ts';
import type { PartnerMno } from '../operator/roles.ts';
import { type CountingSmDp, createSmDp } from '../operator/smdp/smdp.ts';
import { subscriberStore } from '../operator/smdp/subscriptions.ts';
import { createSmSr, type SmSrService } from '../operator/smsr/smsr.ts';
import { openStore, type Store } from '../operator/store/store.ts';
import { createMessageSealer } from '../transport/envelope.ts';
import type { MessageLink } from '../transport/message-link.ts';
import { sealBundle } from '../transport/offline-bundle.ts';
import type { Needle } from './secret-search.ts';

/** What distinguishes the two MNOs. */
const MNOS = [
  { name: 'mno-a', spn: 'MNO A', mccMnc: '99901', iccidPrefix: '8999901', registeredId: '2.999.10' },
  { name: 'mno-b', spn: 'MNO B', mccMnc: '99902', iccidPrefix: '8999902', registeredId: '2.999.12' },
] as const;

/** Shorter ones, like a PIN of four digits, are found in any traffic by chance. */
const SHORTEST_SECRET = 8;
const EUM_PREFIX = '89049032';
const SM_SR = 'sm-sr';

export type LabMno = {
  readonly name: string;
  readonly spn: string;
  readonly mccMnc: string;
  /** The certificate that devices check commands with, DER. */
  readonly certificate: Uint8Array;
  readonly store: MnoStore;
  readonly smdp: CountingSmDp;
  readonly hlr: Hlr;
  readonly mno: Mno;
  /** For bundles: makes them, and reads in what the card said (`operator/mno/offline.ts`). */
  readonly offline: OfflineOptions;
};

export type BackEnd = {
  readonly euicc: ManufacturedEuicc;
  readonly smsr: SmSrService;
  readonly mnos: readonly LabMno[];
  close(): Promise<void>;
};

/** Builds the PKI, manufactures one eUICC and opens the roles. Secrets that are made go to `witness`. */
export async function openBackEnd(options: {
  /** Where the database of each role is, as the store's URL. */
  readonly storeUrl: (role: string) => string;
  /** A connection of this client to the broker. */
  readonly openLink: (clientId: string) => MessageLink;
  readonly ec: Ec;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly profileBytes: number;
  readonly fault?: IdentityFault;
  /** How the SM-SR protects what it sends to the eUICC; SCP03 unless given. */
  readonly secondLayer?: 'scp03' | 'scp80';
  /** Which key of the eUICC profiles are bound to; dynamic unless given. */
  readonly euiccKey?: 'static' | 'dynamic';
  /** One key agreement pair in the eUICC for all SM-DPs, or one for each; one unless given. */
  readonly securityModules?: 'single' | 'per-mno';
  /** What the MNOs make of eUICCs' certificate profiles; they ask for none unless given. */
  readonly certificateProfile?: Omit<ProfilePolicy, 'ec' | 'trustedCis'>;
  readonly switchDeadlineMs: number;
  readonly witness: (needle: Needle) => void;
}): Promise<BackEnd> {
  const { ec, clock, random, log, witness } = options;
  const issuing: Issuing = { ec, random, at: clock.wall() };
  const ci = createCi(issuing, { organization: 'Lab CI' });
  const eum = createEum(issuing, ci, { organization: 'Lab EUM', eidPrefix: EUM_PREFIX });
  const euicc = manufactureOrder(issuing, {
    ci,
    eum,
    serial: 1,
    ...(options.fault === undefined ? {} : { fault: options.fault }),
    ...(options.secondLayer === undefined ? {} : { secondLayer: options.secondLayer }),
    ...(options.securityModules === 'per-mno'
      ? { modulesFor: MNOS.map(({ registeredId }) => registeredId) }
      : {}),
  });
  const identities = new Map(
    MNOS.map(({ name }) => [name as string, createMnoIdentity(issuing, ci, { name })]),
  );
  const value = (name: string, bytes: Uint8Array): void => {
    if (name.endsWith('UPP')) witness({ name, kind: 'package', bytes });
    else if (bytes.length >= SHORTEST_SECRET) witness({ name, kind: 'value', bytes });
  };
  const stores: Store[] = [];
  const open = async (name: string): Promise<Store> => {
    const store = await openStore({ url: options.storeUrl(name) });
    stores.push(store);
    return store;
  };
  const sealKeys = (name: string) => [{ id: name, key: new Secret(random.bytes(32)) }] as const;
  const common = { ec, clock, random, log };

  const smsr = createSmSr({
    ...common,
    name: SM_SR,
    store: await open(SM_SR),
    sealKeys: sealKeys(SM_SR),
    ciCertificates: [ci.certificate],
    crls: () => (euicc.revocationList === undefined ? [] : [euicc.revocationList]),
    mnoCertificate: (name) => identities.get(name)?.certificate,
    witness: (name, bytes) => value(`SM-SR ${name}`, bytes),
  });
  const partners = new Map<string, PartnerMno>();
  const mnos: LabMno[] = [];
  for (const each of MNOS) {
    const { name } = each;
    const identity = identities.get(name);
    if (identity === undefined) continue;
    await smsr.administration.allow({ peer: name, eid: euicc.eid });
    const store = await open(name);
    const keys = sealKeys(name);
    const smdp = createSmDp({
      ...common,
      store,
      owner: name,
      address: name,
      pki: createSmDpPki(issuing, ci, { name: `SM-DP of ${name}`, registeredId: each.registeredId }),
      subscriptions: {
        mccMnc: each.mccMnc,
        iccidPrefix: each.iccidPrefix,
        spn: each.spn,
        profileName: each.spn,
        profileBytes: options.profileBytes,
      },
      sealKeys: keys,
      witness: (what, bytes) => value(`${name} ${what}`, bytes),
    });
    const signer = { ...identity.key, kid: keyIdentifier(identity.key.publicKey) };
    const mnoStore = createMnoStore({ store, owner: name, clock });
    const mno = await openMno({
      name,
      store: mnoStore,
      smdp,
      smsr: smsr.as(name),
      ...(options.euiccKey === 'static' ? { euiccKeys: smsr.as(name) } : {}),
      ...(options.certificateProfile === undefined
        ? {}
        : {
            profilePolicy: {
              ...options.certificateProfile,
              ec,
              trustedCis: [parseCertificate(ci.certificate)],
            },
          }),
      policy: { contracts: MNOS.map((other) => other.name), adHoc: false, deleteAfterChange: true },
      partner: (other) => partners.get(other),
      link: options.openLink(`back-end-${name}`),
      sealer: createMessageSealer({ ec, signer }),
      signGrant: (payload) => signRightsGrant(ec, signer, payload),
      clock,
      random,
      log,
      switchDeadlineMs: options.switchDeadlineMs,
    });
    partners.set(name, mno.partner);
    const hlr = createHlr({ store: subscriberStore(store, name, keys), random });
    const offline: OfflineOptions = {
      name,
      store: mnoStore,
      smdp,
      smsr: smsr.as(name),
      seal: (bundle) => sealBundle(ec, signer, bundle),
      clock,
      random,
    };
    mnos.push({ ...each, certificate: identity.certificate, store: mnoStore, smdp, hlr, mno, offline });
  }
  for (const [name, key] of Object.entries(euicc.isdRKeys)) {
    if (typeof key !== 'number') value(`ISD-R ${name}`, key.reveal());
  }
  for (const { key } of euicc.securityModules) value('SK.ECASD.ECKA', key.privateKey.reveal());
  return {
    euicc,
    smsr,
    mnos,
    async close() {
      for (const { mno } of mnos) await mno.close();
      for (const store of stores) await store.close();
    },
  };
}
