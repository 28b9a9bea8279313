// Subscriptions of an MNO: who may attach with which keys. The secrets lie sealed and are opened one subscription at a time.
import { AgentError } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { cborBytes, cborInt, cborItem, cborMap, cborText } from '../../codec/cbor-table.ts';
import type { Eid, Iccid, Imsi } from '../../codec/ids.ts';
import { openSeal, seal, type SealKey } from '../../crypto/seal.ts';
import type { Reader, Tx } from './store.ts';
import type { SubscriptionTable } from './tables.ts';

/** The first key seals; all of them open, so that a key can be changed while rows under the old one are left. */
export type SealKeys = readonly [SealKey, ...(readonly SealKey[])];

export type SubscriptionSecrets = {
  /** Milenage, 16 octets each. */
  readonly k: Secret<Uint8Array>;
  readonly opc: Secret<Uint8Array>;
  readonly pin1: Secret<string>;
  readonly pin2: Secret<string>;
  readonly puk1: Secret<string>;
  readonly puk2: Secret<string>;
  readonly adm1: Secret<string>;
  /** OTA keyset of the profile (ETSI TS 102 225), AES-128. */
  readonly otaKeys: {
    readonly version: number;
    readonly kic: Secret<Uint8Array>;
    readonly kid: Secret<Uint8Array>;
    readonly kik: Secret<Uint8Array>;
  };
};

/** What is known of a subscription beside its secrets. */
export type Subscription = Omit<SubscriptionTable, 'sealed'>;

const aesKey = cborBytes({ length: 16 });
const code = cborText(8);
const sealedSecrets = cborItem(
  cborMap({
    k: { key: 1, type: aesKey },
    opc: { key: 2, type: aesKey },
    pin1: { key: 3, type: code },
    pin2: { key: 4, type: code },
    puk1: { key: 5, type: code },
    puk2: { key: 6, type: code },
    adm1: { key: 7, type: code },
    otaVersion: { key: 8, type: cborInt(1, 15) },
    kic: { key: 9, type: aesKey },
    kid: { key: 10, type: aesKey },
    kik: { key: 11, type: aesKey },
  }),
);

function sealContext(owner: string, iccid: Iccid): string {
  return `subscriptions/${owner}/${iccid}`;
}

/** Adds an available subscription: generated, or imported from another system. An ICCID or IMSI twice is `CONFLICT`. */
export async function addSubscription(
  tx: Tx,
  ports: { readonly sealKeys: SealKeys; readonly random: Random },
  subscription: {
    readonly owner: string;
    readonly iccid: Iccid;
    readonly imsi: Imsi;
    readonly spn: string;
    readonly secrets: SubscriptionSecrets;
  },
  at: number,
): Promise<void> {
  const { owner, iccid, imsi, spn, secrets } = subscription;
  const { otaKeys } = secrets;
  const plain = sealedSecrets.encode({
    k: secrets.k.reveal(),
    opc: secrets.opc.reveal(),
    pin1: secrets.pin1.reveal(),
    pin2: secrets.pin2.reveal(),
    puk1: secrets.puk1.reveal(),
    puk2: secrets.puk2.reveal(),
    adm1: secrets.adm1.reveal(),
    otaVersion: otaKeys.version,
    kic: otaKeys.kic.reveal(),
    kid: otaKeys.kid.reveal(),
    kik: otaKeys.kik.reveal(),
  });
  const sealed = seal(ports.sealKeys[0], ports.random, new Secret(plain), sealContext(owner, iccid));
  await tx
    .insertInto('subscriptions')
    .values({
      owner,
      iccid,
      imsi,
      spn,
      sealed,
      sqn: 0,
      state: 'available',
      eid: null,
      orderId: null,
      updatedAt: at,
    })
    .execute();
}

/** Reserves an available subscription for an order; undefined when there is none. The same order must not be reserved twice. */
export async function reserveSubscription(
  tx: Tx,
  order: { readonly owner: string; readonly eid: Eid; readonly orderId: string },
  at: number,
): Promise<Subscription | undefined> {
  const { owner, eid, orderId } = order;
  const free = await tx
    .selectFrom('subscriptions')
    .select('iccid')
    .where('owner', '=', owner)
    .where('state', '=', 'available')
    .orderBy('iccid')
    .limit(1)
    .executeTakeFirst();
  if (free === undefined) return undefined;
  await tx
    .updateTable('subscriptions')
    .set({ state: 'reserved', eid, orderId, updatedAt: at })
    .where('owner', '=', owner)
    .where('iccid', '=', free.iccid)
    .where('state', '=', 'available')
    .execute();
  return findSubscription(tx, owner, { iccid: free.iccid });
}

/** One subscription by any of its names. */
export async function findSubscription(
  reader: Reader,
  owner: string,
  by: { readonly iccid: Iccid } | { readonly imsi: Imsi } | { readonly orderId: string },
): Promise<Subscription | undefined> {
  const select = reader
    .selectFrom('subscriptions')
    .select(['owner', 'iccid', 'imsi', 'spn', 'sqn', 'state', 'eid', 'orderId', 'updatedAt'])
    .where('owner', '=', owner);
  if ('iccid' in by) return select.where('iccid', '=', by.iccid).executeTakeFirst();
  if ('imsi' in by) return select.where('imsi', '=', by.imsi).executeTakeFirst();
  return select.where('orderId', '=', by.orderId).executeTakeFirst();
}

/** Opens the secrets. Throws `NOT_FOUND` and `SEAL_INVALID`. */
export async function subscriptionSecrets(
  reader: Reader,
  sealKeys: SealKeys,
  owner: string,
  iccid: Iccid,
): Promise<SubscriptionSecrets> {
  const row = await reader
    .selectFrom('subscriptions')
    .select('sealed')
    .where('owner', '=', owner)
    .where('iccid', '=', iccid)
    .executeTakeFirst();
  if (row === undefined) throw new AgentError('NOT_FOUND', { what: 'subscription', iccid });
  const plain = sealedSecrets.decode(openSeal(sealKeys, row.sealed, sealContext(owner, iccid)).reveal());
  return {
    k: new Secret(plain.k),
    opc: new Secret(plain.opc),
    pin1: new Secret(plain.pin1),
    pin2: new Secret(plain.pin2),
    puk1: new Secret(plain.puk1),
    puk2: new Secret(plain.puk2),
    adm1: new Secret(plain.adm1),
    otaKeys: {
      version: plain.otaVersion,
      kic: new Secret(plain.kic),
      kid: new Secret(plain.kid),
      kik: new Secret(plain.kik),
    },
  };
}

export async function setSubscriptionState(
  tx: Tx,
  owner: string,
  iccid: Iccid,
  state: SubscriptionTable['state'],
  at: number,
): Promise<void> {
  await tx
    .updateTable('subscriptions')
    .set({ state, updatedAt: at })
    .where('owner', '=', owner)
    .where('iccid', '=', iccid)
    .execute();
}

/** What SQN counts up by: the low 5 bits are the index of TS 33.102 C.1.2, left 0. */
const SQN_STEP = 32;

/**
 * Takes the next sequence number for an authentication vector (48 bits), never the same twice. `atLeast` is the card's own SQN
 * after a resynchronisation.
 */
export async function takeSqn(tx: Tx, owner: string, iccid: Iccid, atLeast = 0): Promise<number> {
  const subscription = await findSubscription(tx, owner, { iccid });
  if (subscription === undefined) throw new AgentError('NOT_FOUND', { what: 'subscription', iccid });
  const last = Math.max(subscription.sqn, atLeast);
  const sqn = (Math.floor(last / SQN_STEP) + 1) * SQN_STEP;
  await tx
    .updateTable('subscriptions')
    .set({ sqn })
    .where('owner', '=', owner)
    .where('iccid', '=', iccid)
    .execute();
  return sqn;
}
