// Subscriber authentication as a home network does it: authentication vectors and resynchronisation (3GPP TS 33.102).
import { concat, equalBytes, uintBytes, bytesUint } from '../../base/bytes.ts';
import { createLock } from '../../base/lock.ts';
import type { Secret } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { Imsi } from '../../codec/ids.ts';
import { milenage } from '../../crypto/milenage.ts';

/** What the authentication centre holds of a subscription. `sqn` is the last sequence number used. */
export type Subscriber = {
  readonly imsi: Imsi;
  readonly k: Secret<Uint8Array>;
  readonly opc: Secret<Uint8Array>;
  readonly sqn: number;
  /** A barred or terminated subscription gets no service. */
  readonly active: boolean;
};

/** Where subscriptions live. */
export type SubscriberStore = {
  findSubscriber(imsi: Imsi): Promise<Subscriber | undefined>;
  saveSqn(imsi: Imsi, sqn: number): Promise<void>;
};

/** One challenge for a USIM: `rand` and `autn` go to the card, `xres` is what it must answer. */
export type AuthenticationVector = {
  readonly rand: Uint8Array;
  readonly autn: Uint8Array;
  readonly xres: Uint8Array;
};

export type Hlr = {
  /** A vector for this subscriber; undefined when the IMSI is unknown or gets no service. */
  vectorFor(imsi: Imsi): Promise<AuthenticationVector | undefined>;
  /** Takes the sequence number out of a valid AUTS (TS 33.102, 6.3.5); answers whether AUTS was valid. */
  resynchronise(imsi: Imsi, rand: Uint8Array, auts: Uint8Array): Promise<boolean>;
};

const AMF = Uint8Array.of(0x80, 0x00);
const AMF_RESYNC = Uint8Array.of(0x00, 0x00);
/** SQN has an index part of five bits (TS 33.102, C.1.2): each vector steps the part above it. */
const SQN_STEP = 32;

export function createHlr(options: { readonly store: SubscriberStore; readonly random: Random }): Hlr {
  const { store, random } = options;
  const lock = createLock();
  return {
    vectorFor: (imsi) =>
      lock.run(async () => {
        const subscriber = await store.findSubscriber(imsi);
        if (subscriber === undefined || !subscriber.active) return undefined;
        const sqn = subscriber.sqn + SQN_STEP;
        await store.saveSqn(imsi, sqn);
        const rand = random.bytes(16);
        const sqnBytes = uintBytes(sqn, 6);
        const result = milenage({ k: subscriber.k, opc: subscriber.opc, rand, sqn: sqnBytes, amf: AMF });
        return { rand, autn: concat(xor(sqnBytes, result.ak), AMF, result.macA), xres: result.res };
      }),
    resynchronise: (imsi, rand, auts) =>
      lock.run(async () => {
        const subscriber = await store.findSubscriber(imsi);
        if (subscriber === undefined || auts.length !== 14) return false;
        const { k, opc } = subscriber;
        const { akStar } = milenage({ k, opc, rand, sqn: new Uint8Array(6), amf: AMF_RESYNC });
        const sqnMs = xor(auts.subarray(0, 6), akStar);
        const { macS } = milenage({ k, opc, rand, sqn: sqnMs, amf: AMF_RESYNC });
        if (!equalBytes(macS, auts.subarray(6))) return false;
        await store.saveSqn(imsi, bytesUint(sqnMs));
        return true;
      }),
  };
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Uint8Array.from(a, (byte, i) => byte ^ (b[i] ?? 0));
}
