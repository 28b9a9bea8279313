// The SM-DP's subscriptions: generated on demand, reserved for an order (ES2.DownloadOrder), and read by the home network.
import type { Clock } from '../../base/clock.ts';
import { AgentError } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { type Eid, type Iccid, type Imsi, luhnDigit, parseIccid, parseImsi } from '../../codec/ids.ts';
import type { Store, Tx } from '../store/store.ts';
import {
  addSubscription,
  findSubscription,
  reserveSubscription,
  type SealKeys,
  type Subscription,
  type SubscriptionSecrets,
  subscriptionSecrets,
} from '../store/subscriptions.ts';
import type { Witness } from './bound-profile.ts';

/** What new subscriptions of an MNO have in common. */
export type SubscriptionDefaults = {
  /** MCC and MNC, 5 or 6 digits: IMSIs begin with them. */
  readonly mccMnc: string;
  /** What ICCIDs begin with: 89, country code, issuer; 5 to 9 digits. */
  readonly iccidPrefix: string;
  /** Service provider name, at most 16 characters of ASCII. */
  readonly spn: string;
  readonly profileName: string;
  /** Size in octets that a profile package is filled up to. */
  readonly profileBytes?: number;
};

export type SubscriptionPorts = {
  readonly owner: string;
  readonly sealKeys: SealKeys;
  readonly random: Random;
  readonly clock: Clock;
  readonly defaults: SubscriptionDefaults;
  readonly witness: Witness;
};

/**
 * The subscription that an order reserved, or one reserved for it now: an available one, else a new one. Throws `REFUSED`
 * where the order was another eUICC's.
 */
export async function orderSubscription(
  tx: Tx,
  ports: SubscriptionPorts,
  order: { readonly eid: Eid; readonly orderId: string },
): Promise<Subscription> {
  const { owner, clock } = ports;
  const { eid, orderId } = order;
  const known = await findSubscription(tx, owner, { orderId });
  if (known !== undefined) {
    if (known.eid !== eid) throw new AgentError('REFUSED', { orderId, why: 'the order is of another eUICC' });
    return known;
  }
  const at = clock.wall();
  const reserve = () => reserveSubscription(tx, { owner, eid, orderId }, at);
  const free = await reserve();
  if (free !== undefined) return free;
  await createSubscription(tx, ports);
  const created = await reserve();
  if (created === undefined) throw new AgentError('INTERNAL', { why: 'a new subscription is not available' });
  return created;
}

/** Adds one available subscription with the next free numbers and random secrets. */
export async function createSubscription(tx: Tx, ports: SubscriptionPorts): Promise<Iccid> {
  const { owner, defaults, random, witness } = ports;
  const { iccid, imsi } = await freeNumbers(tx, owner, defaults);
  const secrets = randomSecrets(random);
  for (const [name, secret] of [
    ['K', secrets.k],
    ['OPc', secrets.opc],
    ['OTA KIC', secrets.otaKeys.kic],
    ['OTA KID', secrets.otaKeys.kid],
    ['OTA KIK', secrets.otaKeys.kik],
  ] as const) {
    witness(name, secret.reveal());
  }
  for (const name of ['puk1', 'puk2', 'adm1'] as const) {
    witness(name.toUpperCase(), new TextEncoder().encode(secrets[name].reveal()));
  }
  await addSubscription(tx, ports, { owner, iccid, imsi, spn: defaults.spn, secrets }, ports.clock.wall());
  return iccid;
}

const ICCID_DIGITS = 19;
const IMSI_DIGITS = 15;

/** ICCID with Luhn digit (ITU-T E.118) and IMSI with the number that follows those in use. */
async function freeNumbers(
  tx: Tx,
  owner: string,
  { iccidPrefix, mccMnc }: SubscriptionDefaults,
): Promise<{ readonly iccid: Iccid; readonly imsi: Imsi }> {
  const { count } = await tx
    .selectFrom('subscriptions')
    .select(({ fn }) => fn.countAll<number>().as('count'))
    .where('owner', '=', owner)
    .executeTakeFirstOrThrow();
  for (let number = count + 1; ; number++) {
    const digits = iccidPrefix + String(number).padStart(ICCID_DIGITS - 1 - iccidPrefix.length, '0');
    const iccid = parseIccid(digits + luhnDigit(digits));
    const imsi = parseImsi(mccMnc + String(number).padStart(IMSI_DIGITS - mccMnc.length, '0'));
    const taken =
      (await findSubscription(tx, owner, { iccid })) ?? (await findSubscription(tx, owner, { imsi }));
    if (taken === undefined) return { iccid, imsi };
  }
}

const OTA_KEY_VERSION = 1;

function randomSecrets(random: Random): SubscriptionSecrets {
  const key = (): Secret<Uint8Array> => new Secret(random.bytes(16));
  const code = (length: number): Secret<string> => new Secret(randomDigits(random, length));
  return {
    k: key(),
    opc: key(),
    pin1: code(4),
    pin2: code(4),
    puk1: code(8),
    puk2: code(8),
    adm1: code(8),
    otaKeys: { version: OTA_KEY_VERSION, kic: key(), kid: key(), kik: key() },
  };
}

/** Each digit equally likely: octets from 250 on are thrown away. */
function randomDigits(random: Random, length: number): string {
  let digits = '';
  while (digits.length < length) {
    for (const octet of random.bytes(length)) {
      if (octet < 250 && digits.length < length) digits += String(octet % 10);
    }
  }
  return digits;
}

/** States in which a profile may be on an eUICC, so that the network must know its subscriber. */
const IN_SERVICE: ReadonlySet<Subscription['state']> = new Set([
  'downloaded',
  'installed',
  'enabled',
  'disabled',
]);

/** The subscriptions as an authentication centre needs them. */
export function subscriberStore(store: Store, owner: string, sealKeys: SealKeys) {
  return {
    /** `sqn` is the last sequence number used; `active` says that the subscription may get service. */
    async findSubscriber(imsi: Imsi): Promise<
      | {
          readonly imsi: Imsi;
          readonly k: Secret<Uint8Array>;
          readonly opc: Secret<Uint8Array>;
          readonly sqn: number;
          readonly active: boolean;
        }
      | undefined
    > {
      return store.read(async (reader) => {
        const found = await findSubscription(reader, owner, { imsi });
        if (found === undefined) return undefined;
        const { k, opc } = await subscriptionSecrets(reader, sealKeys, owner, found.iccid);
        return { imsi, k, opc, sqn: found.sqn, active: IN_SERVICE.has(found.state) };
      });
    },
    async saveSqn(imsi: Imsi, sqn: number): Promise<void> {
      await store.transaction(async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('subscriptions')
          .set({ sqn })
          .where('owner', '=', owner)
          .where('imsi', '=', imsi)
          .executeTakeFirst();
        if (numUpdatedRows !== 1n) throw new AgentError('NOT_FOUND', { what: 'subscription', imsi });
      });
    },
  };
}
