// An SM-DP with an empty database and a factory of cards that trust the same CI, for tests of one against the other.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { type ErrorCode, isAgentError } from '../base/errors.ts';
import { Secret, silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import type { Iccid } from '../codec/ids.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import type { CurveName } from '../crypto/ec.ts';
import type { Verdict } from '../crypto/verdict.ts';
import { parseCertificate } from '../crypto/x509.ts';
import { type IdentityFault, manufactureOrder } from '../operator/issuer/factory.ts';
import { createCi, createEum, createSmDpPki } from '../operator/issuer/pki.ts';
import type { BoundProfile } from '../operator/roles.ts';
import { createSmDp } from '../operator/smdp/smdp.ts';
import { openStore } from '../operator/store/store.ts';
import { findSubscription, type SealKeys } from '../operator/store/subscriptions.ts';
import { createRspCard, type RspCard } from './rsp-card.ts';

export const ec = createNodeEc();
export const random = createSeededRandom(11);
export const AT = Date.UTC(2026, 10, 1);
export const ACCEPTED: Verdict = { accepted: true, checks: [{ name: 'all', ok: true }] };
export const OWNER = 'smdp-a';
export const SEAL_KEYS: SealKeys = [{ id: 'k1', key: new Secret(random.bytes(32)) }];

/** An SM-DP with an empty database, and a factory whose cards trust the same CI. */
export async function world(t: TestContext, curve: CurveName = 'P-256') {
  const issuing = { ec, random, at: AT };
  const ci = createCi(issuing, { organization: 'Test', curve });
  const eum = createEum(issuing, ci, { organization: 'Maker', eidPrefix: '89049032' });
  const store = await openStore({ url: 'sqlite::memory:' });
  t.after(() => store.close());
  const witnessed: { readonly name: string; readonly secret: Uint8Array }[] = [];
  const clock = createVirtualClock(AT);
  const smdp = createSmDp({
    store,
    owner: OWNER,
    ec,
    address: 'mno-a',
    pki: createSmDpPki(issuing, ci, { name: 'SM-DP A', registeredId: '2.999.10' }),
    subscriptions: {
      mccMnc: '00101',
      iccidPrefix: '8988211',
      spn: 'MNO A',
      profileName: 'MNO A basic',
      profileBytes: 6000,
    },
    sealKeys: SEAL_KEYS,
    clock,
    random,
    log: silentLog,
    witness: (name, secret) => witnessed.push({ name, secret: Uint8Array.from(secret) }),
  });
  let serial = 0;
  const newCard = (fault?: IdentityFault) => {
    const euicc = manufactureOrder(issuing, {
      ci,
      eum,
      serial: ++serial,
      ...(fault === undefined ? {} : { fault }),
    });
    return { eid: euicc.eid, euicc, card: createRspCard({ ec, random, euicc }) };
  };
  const trustedCi = parseCertificate(ci.certificate);
  return { smdp, store, clock, witnessed, newCard, trustedCi };
}

export type World = Awaited<ReturnType<typeof world>>;
export type Device = ReturnType<World['newCard']>;

export const code =
  (expected: ErrorCode, why?: RegExp) =>
  (thrown: unknown): boolean =>
    isAgentError(thrown, expected) && (why === undefined || why.test(thrown.message));

/** Up to the eUICC's answer to the server. */
export async function authenticated({ smdp }: World, { eid, card }: Device) {
  const answer = await smdp.initiateAuthentication({
    euiccChallenge: card.getEuiccChallenge(),
    euiccInfo1: card.euiccInfo1,
  });
  const authenticateServerResponse = card.authenticateServer(answer);
  const { transactionId } = answer;
  return { transactionId, authenticateServerResponse, eid, verdict: ACCEPTED, answer };
}

/** Up to the eUICC's one-time key. */
export async function prepared(w: World, device: Device, orderId = 'order 1') {
  const request = await authenticated(w, device);
  const { iccid } = await w.smdp.downloadOrder({ eid: device.eid, orderId });
  const answer = await w.smdp.authenticateClient({ ...request, iccid });
  const prepareDownloadResponse = device.card.prepareDownload(answer);
  return { transactionId: request.transactionId, prepareDownloadResponse, iccid, answer };
}

export async function bound(w: World, device: Device, orderId?: string): Promise<BoundProfile> {
  return w.smdp.getBoundProfilePackage(await prepared(w, device, orderId));
}

export async function stateOf({ store }: World, iccid: Iccid): Promise<string | undefined> {
  return (await store.read((reader) => findSubscription(reader, OWNER, { iccid })))?.state;
}

export function installedOn(card: RspCard) {
  const [profile] = card.installed;
  assert.ok(profile);
  return profile;
}
