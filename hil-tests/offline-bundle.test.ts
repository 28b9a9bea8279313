// Provisioning by a file (seed 56, 72): made by an MNO, loaded by the agent without any network, and its answer read in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ErrorCode, isAgentError } from '../base/errors.ts';
import { bundleAnswer } from '../codec/offline-bundle.ts';
import { makeBundle, readBundleAnswer } from '../operator/mno/offline.ts';
import { readBundle, sealBundle } from '../transport/offline-bundle.ts';
import { offlineWorld, type OfflineWorld, START } from './offline-world.ts';

const BEFORE = { profiles: ['enabled 8999900'], notifications: [] };
const AFTER = {
  profiles: ['disabled 8999901', 'enabled 8999900'],
  notifications: ['notificationInstall mno-a'],
};

const bundleFor = ({ mnoA, eid }: OfflineWorld) => makeBundle(mnoA.offline, { eid });

const code =
  (expected: ErrorCode, why = /(?:)/) =>
  (thrown: unknown): boolean =>
    isAgentError(thrown, expected) && why.test(thrown.message);

test('a bundle is loaded without a network, and its answer tells the operator what the card signed', async (t) => {
  const world = await offlineWorld(t);
  const { mnoA, backEnd, eid } = world;
  const made = await bundleFor(world);
  assert.equal(await mnoA.smdp.profilesBuilt(), 1);
  const answer = await world.load(made.file);
  assert.deepEqual([answer.outcome, answer.iccid, answer.notifications.length], ['installed', made.iccid, 1]);
  assert.deepEqual(await world.onCard(), AFTER);
  for (let time = 0; time < 2; time++) {
    const result = await readBundleAnswer(mnoA.offline, bundleAnswer.encode(answer));
    const { iccid } = made;
    assert.deepEqual(result, { eid, iccid, installed: true, notifications: [{ event: 'install', iccid }] });
  }
  const eis = await backEnd.smsr.as('mno-a').getEis(eid);
  assert.deepEqual(
    eis.profiles.map(({ iccid, mno, state }) => [iccid.slice(0, 7), mno, state]),
    [
      ['8999900', '', 'enabled'],
      ['8999901', 'mno-a', 'disabled'],
    ],
  );
  assert.equal((await mnoA.store.notifications(eid)).length, 1);
});

test('the SM-SR goes on with the counter that the answer proves', async (t) => {
  const world = await offlineWorld(t);
  const { mnoA, backEnd, eid } = world;
  const smsr = backEnd.smsr.as('mno-a');
  const made = await bundleFor(world);
  await readBundleAnswer(mnoA.offline, bundleAnswer.encode(await world.load(made.file)));
  const job = await smsr.profileCommand({ mno: 'mno-a', eid, iccid: made.iccid, command: 'delete' });
  const responseScript = await world.play(job.script);
  assert.deepEqual([(await smsr.scriptResult({ eid, responseScript })).ok], [true]);
  assert.equal((await world.load((await bundleFor(world)).file)).outcome, 'installed');
});

test('loading again says that the profile is there, and changes nothing', async (t) => {
  const world = await offlineWorld(t);
  const { file } = await bundleFor(world);
  await world.load(file);
  const answer = await world.load(file);
  assert.deepEqual([answer.outcome, answer.notifications.length], ['present', 1]);
  assert.deepEqual(await world.onCard(), AFTER);
});

for (const at of [12, 16, 20, 24, 27]) {
  for (const fault of ['reset', 'reset-after']) {
    test(`power lost (${fault}) at command ${at}: loaded again, the profile is installed once`, async (t) => {
      const world = await offlineWorld(t);
      const { file, iccid } = await bundleFor(world);
      const first = await world.load(file, `${fault}@at=${at}`).then(
        ({ outcome }) => outcome,
        (error: unknown) => (isAgentError(error) ? error.code : 'none'),
      );
      assert.notEqual(first, 'installed');
      const again = await world.load(file);
      assert.match(again.outcome, /installed|present/, `first ${first}`);
      assert.deepEqual(await world.onCard(), AFTER);
      const result = await readBundleAnswer(world.mnoA.offline, bundleAnswer.encode(again));
      assert.deepEqual([result.installed, result.iccid], [true, iccid]);
    });
  }
}

test('a bundle that is cut, changed, foreign, of another eUICC or too old is named as such, and the card stays as it was', async (t) => {
  const world = await offlineWorld(t);
  const other = await offlineWorld(t);
  const { file } = await bundleFor(world);
  for (const length of [0, 1, 20, 200, file.length - 1]) {
    await assert.rejects(world.load(file.subarray(0, length)), code('BUNDLE_INVALID'), `${length} octets`);
  }
  const middle = Math.floor(file.length / 2);
  const flipped = Uint8Array.from(file, (octet, i) => (i === middle ? octet ^ 1 : octet));
  await assert.rejects(world.load(flipped), code('COMMAND_REFUSED', /signature is not that of mno-a/));
  await assert.rejects(
    world.load(file, undefined, []),
    code('COMMAND_REFUSED', /no operator this device knows/),
  );
  const pair = world.ec.generate('P-256');
  const kid = readBundle(file).envelope.kid;
  const forged = sealBundle(world.ec, { ...pair, kid }, readBundle(file).bundle);
  await assert.rejects(world.load(forged), code('COMMAND_REFUSED', /signature is not that of mno-a/));
  const foreign = world.mnoB.offline.seal(readBundle(file).bundle);
  await assert.rejects(world.load(foreign), code('COMMAND_REFUSED', /the key is that of mno-b/));
  const elsewhere = {
    ...readBundle(file).bundle,
    eid: '89049032000000000000000000000260' as typeof other.eid,
  };
  await assert.rejects(world.load(world.mnoA.offline.seal(elsewhere)), code('BUNDLE_EID'));
  const old = { ...readBundle(file).bundle, expires: START / 1000 - 1, issued: START / 1000 - 100 };
  await assert.rejects(world.load(world.mnoA.offline.seal(old)), code('BUNDLE_EXPIRED'));
  assert.deepEqual(await world.onCard(), BEFORE);
  assert.equal((await world.load(file)).outcome, 'installed');
});

test('a bundle expires on the day that it names', async (t) => {
  const world = await offlineWorld(t);
  const { file, expires } = await makeBundle(world.mnoA.offline, { eid: world.eid, lifetimeMs: 3_600_000 });
  assert.equal(expires, START + 3_600_000);
  await world.clock.advance(3_600_001);
  await assert.rejects(world.load(file), code('BUNDLE_EXPIRED'));
});

test('a bundle whose counter the card has left is refused before anything is done, its further scripts too', async (t) => {
  const world = await offlineWorld(t);
  const { mnoA, eid } = world;
  const [older, newer] = [await bundleFor(world), await bundleFor(world)];
  const answer = await world.load(newer.file);
  assert.equal(answer.outcome, 'installed');
  const before = await world.onCard();
  await assert.rejects(world.load(older.file), code('BUNDLE_STALE', /another sequence counter/));
  assert.deepEqual(await world.onCard(), before);
  await readBundleAnswer(mnoA.offline, bundleAnswer.encode(answer));
  assert.equal((await world.load((await makeBundle(mnoA.offline, { eid })).file)).outcome, 'installed');
});

test('a profile that is deleted does not come back with its old bundle', async (t) => {
  const world = await offlineWorld(t);
  const { mnoA, backEnd, eid } = world;
  const made = await makeBundle(mnoA.offline, { eid, attempts: 8 });
  await readBundleAnswer(mnoA.offline, bundleAnswer.encode(await world.load(made.file)));
  const job = await backEnd.smsr
    .as('mno-a')
    .profileCommand({ mno: 'mno-a', eid, iccid: made.iccid, command: 'delete' });
  await world.play(job.script);
  assert.deepEqual((await world.onCard()).profiles, BEFORE.profiles);
  await assert.rejects(world.load(made.file), code('BUNDLE_STALE', /another sequence counter/));
  // Even where the device forgets what it had begun, the card does not.
  await world.pretendBegun(made.transactionId, 8);
  await assert.rejects(world.load(made.file), code('BUNDLE_STALE', /installed once already/));
  assert.deepEqual((await world.onCard()).profiles, BEFORE.profiles);
});

test('no bundle is made, and no profile built, for an eUICC that is not accepted', async (t) => {
  for (const fault of ['untrusted', 'expired', 'revoked'] as const) {
    const world = await offlineWorld(t, { fault });
    await assert.rejects(bundleFor(world), code('REFUSED', /not accepted/), fault);
    assert.equal(await world.mnoA.smdp.profilesBuilt(), 0);
  }
  const locked = await offlineWorld(t);
  await locked.backEnd.smsr.administration.setStatus(locked.eid, 'locked', 'stolen');
  await assert.rejects(bundleFor(locked), code('REFUSED', /EIS status/));
  const overTheAir = await offlineWorld(t, { secondLayer: 'scp80' });
  await assert.rejects(bundleFor(overTheAir), code('REFUSED', /needs management keys for SCP03/));
});

test('another MNO’s operational profile on the card needs that donor’s grant', async (t) => {
  const world = await offlineWorld(t);
  const { mnoA, mnoB, backEnd, eid } = world;
  const made = await bundleFor(world);
  await readBundleAnswer(mnoA.offline, bundleAnswer.encode(await world.load(made.file)));
  const job = await backEnd.smsr
    .as('mno-a')
    .profileCommand({ mno: 'mno-a', eid, iccid: made.iccid, command: 'enable' });
  const responseScript = await world.play(job.script);
  const { ok } = await backEnd.smsr.as('mno-a').scriptResult({ eid, responseScript });
  assert.equal(ok, true);
  await assert.rejects(makeBundle(mnoB.offline, { eid }), code('REFUSED', /grant/));
});

test('without the accepted verdict of its own transaction the SM-DP builds nothing, and the SM-SR makes no second layer', async (t) => {
  const world = await offlineWorld(t);
  const { mnoA, backEnd, eid } = world;
  const smsr = backEnd.smsr.as('mno-a');
  const transactionId = new Uint8Array(16).fill(1);
  const { certificates, verdict } = await smsr.verifyRegistered({ mno: 'mno-a', eid, transactionId });
  await assert.rejects(
    smsr.verifyRegistered({ mno: 'mno-a', eid, transactionId }),
    code('REFUSED', /judged before/),
  );
  const { iccid } = await mnoA.smdp.downloadOrder({ eid, orderId: 'order 1' });
  const order = { transactionId, eid, iccid, certificates };
  for (const bad of [
    { accepted: false, checks: verdict.checks },
    { accepted: true, checks: [] },
    { accepted: true, checks: [{ name: 'EIS status', ok: false }] },
  ]) {
    await assert.rejects(
      mnoA.smdp.offlineProfile({ ...order, verdict: bad }),
      code('REFUSED', /no accepted verdict/),
    );
  }
  const foreign = (await offlineWorld(t)).backEnd.euicc.securityModules.map(({ certificate }) => certificate);
  const wrongKey = { ...certificates, ecasdCertificates: foreign };
  await assert.rejects(
    mnoA.smdp.offlineProfile({ ...order, certificates: wrongKey, verdict }),
    code('REFUSED', /ECASD certificate signature/),
  );
  assert.equal(await mnoA.smdp.profilesBuilt(), 0);
  const { boundProfilePackage, prepareDownload } = await mnoA.smdp.offlineProfile({ ...order, verdict });
  const secured = {
    mno: 'mno-a',
    eid,
    iccid,
    transactionId,
    boundProfilePackage,
    prepareDownload,
    attempts: 2,
  };
  await assert.rejects(
    backEnd.smsr.as('mno-b').secureOffline({ ...secured, mno: 'mno-b' }),
    code('REFUSED', /no verdict/),
  );
  const other = { ...secured, transactionId: new Uint8Array(16).fill(2) };
  await assert.rejects(smsr.secureOffline(other), code('REFUSED', /no verdict/));
  for (const attempts of [0, 9, 1.5]) {
    await assert.rejects(smsr.secureOffline({ ...secured, attempts }), code('NUMBER_RANGE'));
  }
  assert.equal((await smsr.secureOffline(secured)).scripts.length, 2);
});
