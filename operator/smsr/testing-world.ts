// The world of the SM-SR's tests: a circle of trust, three MNOs, one SM-SR and one eUICC on its way through them.
import { createVirtualClock } from '../../base/clock.ts';
import { isAgentError } from '../../base/errors.ts';
import { Secret, silentLog } from '../../base/log.ts';
import { createSeededRandom } from '../../base/random.ts';
import { completeImei, parseIccid } from '../../codec/ids.ts';
import { decodeResponseScript } from '../../codec/script.ts';
import { createNodeEc } from '../../crypto/ec-node.ts';
import { keyIdentifier } from '../../crypto/x509.ts';
import { type IdentityFault, manufactureOrder, type ManufacturedEuicc } from '../issuer/factory.ts';
import { createCi, createEum, createMnoIdentity, type Identity } from '../issuer/pki.ts';
import { rightsGrant, type RightsGrant, signRightsGrant } from '../rights-grant.ts';
import { openStore } from '../store/store.ts';
import type { SealKeys } from '../store/subscriptions.ts';
import { createSmSr } from './smsr.ts';
import { createTestEuicc, testBoundProfilePackage, testServerSigned1 } from './testing-euicc.ts';

export const ec = createNodeEc();
export const START = Date.UTC(2026, 10, 1);
const issuing = { ec, random: createSeededRandom(3), at: START };
const ci = createCi(issuing, { organization: 'Test' });
const eum = createEum(issuing, ci, { organization: 'Maker', eidPrefix: '89049032' });
const mnos: Readonly<Record<string, Identity>> = Object.fromEntries(
  ['mno-a', 'mno-b', 'mno-c'].map((name) => [name, createMnoIdentity(issuing, ci, { name })]),
);
const sealKeys: SealKeys = [{ id: 'k', key: new Secret(new Uint8Array(32).fill(3)) }];
export const IMEI = completeImei('35432109876543');
export const OTHER_IMEI = completeImei('35432109876544');
export const PROVISIONING = parseIccid('8988211000000000001');
export const PROFILE_A = parseIccid('8988211000000000101');
export const PROFILE_B = parseIccid('8988211000000000201');
export const T1 = new Uint8Array(16).fill(1);
export const T2 = new Uint8Array(16).fill(2);
export const T3 = new Uint8Array(16).fill(3);

let serial = 0;

/** The way there is not what a test is about; where it goes wrong, nothing else is worth looking at. */
function must(condition: boolean, what: string): void {
  if (!condition) throw new Error(`not as it should be: ${what}`);
}

/** Another eUICC of the same manufacturer, registered nowhere. */
export function strangeEuicc(): ManufacturedEuicc {
  return manufactureOrder(issuing, { ci, eum, serial: ++serial });
}

export async function setUp(
  t: { after(work: () => Promise<void>): void },
  change: { fault?: IdentityFault; sequenceCounter?: number; deniedFirmware?: readonly string[] } = {},
) {
  const store = await openStore({ url: 'sqlite::memory:' });
  t.after(() => store.close());
  const clock = createVirtualClock(START);
  const { fault } = change;
  const euicc = manufactureOrder(issuing, {
    ci,
    eum,
    serial: ++serial,
    ...(fault === undefined ? {} : { fault }),
  });
  const secrets: Uint8Array[] = [];
  const service = createSmSr({
    name: 'smsr',
    store,
    sealKeys,
    ec,
    random: createSeededRandom(serial),
    clock,
    log: silentLog,
    ciCertificates: [ci.certificate],
    crls: () => (euicc.revocationList === undefined ? [] : [euicc.revocationList]),
    mnoCertificate: (mno) => mnos[mno]?.certificate,
    deniedFirmware: change.deniedFirmware ?? [],
    witness: (_name, secret) => void secrets.push(secret),
  });
  const registration = {
    eid: euicc.eid,
    euiccCertificate: euicc.euiccCertificate,
    eumCertificate: euicc.eumCertificate,
    isdRKeys: euicc.isdRKeys,
    profiles: [{ iccid: PROVISIONING, mno: '', profileClass: 'provisioning', state: 'enabled' }],
    source: 'Maker',
  } as const;
  await service.registerEis(registration);
  for (const peer of ['mno-a', 'mno-b']) await service.administration.allow({ peer });
  const card = createTestEuicc({
    ec,
    euicc,
    ...(change.sequenceCounter === undefined ? {} : { sequenceCounter: change.sequenceCounter }),
  });
  card.state.enabled = PROVISIONING;
  const a = service.as('mno-a');
  const b = service.as('mno-b');
  return { store, clock, service, euicc, card, a, b, registration, secrets };
}

export type World = Awaited<ReturnType<typeof setUp>>;

export function verify(
  world: World,
  options: { mno?: string; transactionId?: Uint8Array; imei?: typeof IMEI } = {},
) {
  const { mno = 'mno-a', transactionId = T1, imei = IMEI } = options;
  const serverSigned1 = testServerSigned1(transactionId);
  return world.service.as(mno).verifyEuicc({
    mno,
    eid: world.euicc.eid,
    imei,
    transactionId,
    serverSigned1,
    authenticateServerResponse: world.card.authenticateServer(serverSigned1, imei),
  });
}

export const failures = (verdict: Awaited<ReturnType<typeof verify>>): string[] =>
  verdict.checks.filter(({ ok }) => !ok).map(({ name }) => name);

export function secure(
  world: World,
  options: {
    mno?: string;
    iccid?: typeof PROFILE_A;
    transactionId?: Uint8Array;
    rightsGrant?: Uint8Array;
  } = {},
) {
  const { mno = 'mno-a', iccid = PROFILE_A, transactionId = T1 } = options;
  return world.service.as(mno).secureProfile({
    mno,
    eid: world.euicc.eid,
    transactionId,
    boundProfilePackage: testBoundProfilePackage(transactionId),
    iccid,
    ...(options.rightsGrant === undefined ? {} : { rightsGrant: options.rightsGrant }),
  });
}

export function command(
  world: World,
  mno: string,
  what: 'enable' | 'disable' | 'delete',
  iccid: typeof PROFILE_A,
) {
  return world.service.as(mno).profileCommand({ mno, eid: world.euicc.eid, iccid, command: what });
}

export function result(world: World, mno: string, responseScript: Uint8Array, rolledBack?: boolean) {
  return world.service.as(mno).scriptResult({
    eid: world.euicc.eid,
    responseScript,
    ...(rolledBack === undefined ? {} : { rolledBack }),
  });
}

export function notify(world: World, pendingNotification: Uint8Array) {
  return world.a.handleNotification({ eid: world.euicc.eid, pendingNotification });
}

/** State by ICCID, as GetEIS tells it. */
export async function states(world: World): Promise<Record<string, string>> {
  const { profiles } = await world.a.getEis(world.euicc.eid);
  return Object.fromEntries(profiles.map(({ iccid, state }) => [iccid, state]));
}

export const refused = (why: RegExp) => (thrown: unknown) =>
  isAgentError(thrown, 'REFUSED') && why.test(thrown.message);

/** Verified, loaded, installed: the profile is on the card, disabled. */
export async function install(
  world: World,
  mno: string,
  iccid: typeof PROFILE_A,
  transactionId: Uint8Array,
  grant?: Uint8Array,
) {
  must((await verify(world, { mno, transactionId })).accepted, 'the verdict');
  const { script } = await secure(world, {
    mno,
    iccid,
    transactionId,
    ...(grant === undefined ? {} : { rightsGrant: grant }),
  });
  world.card.state.arriving = iccid;
  world.card.state.loaded = new Uint8Array();
  const answer = world.card.play(script);
  const played = await result(world, mno, answer);
  must(played.ok, played.reason ?? 'the script');
  const pir = decodeResponseScript(answer).responses.at(-1) ?? new Uint8Array();
  const noted = await notify(world, pir.subarray(0, -2));
  must(noted.verified && noted.event === 'install' && noted.iccid === iccid, 'the installation result');
}

/** Played, reported, and confirmed by the eUICC's own notification. */
export async function enable(world: World, mno: string, iccid: typeof PROFILE_A) {
  const { script } = await command(world, mno, 'enable', iccid);
  const before = world.card.state.enabled;
  const played = await result(world, mno, world.card.play(script));
  must(played.ok, played.reason ?? 'the script');
  if (before !== undefined) await notify(world, world.card.notification('disable', before));
  const confirmed = await notify(world, world.card.notification('enable', iccid));
  must(confirmed.verified, 'the enable notification');
}

export function grantOf(world: World, change: Partial<RightsGrant> & { signer?: string } = {}): Uint8Array {
  const { signer = 'mno-a', ...fields } = change;
  const payload = rightsGrant.encode({
    eid: world.euicc.eid,
    donor: 'mno-a',
    receiving: 'mno-b',
    transactionId: T2,
    iccid: PROFILE_A,
    nonce: new Uint8Array(16).fill(8),
    expires: START / 1000 + 3600,
    ...fields,
  });
  const key = mnos[signer]?.key;
  if (key === undefined) throw new Error(`no key of ${signer}`);
  return signRightsGrant(ec, { ...key, kid: keyIdentifier(key.publicKey) }, payload);
}
