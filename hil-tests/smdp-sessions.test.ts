// Downloads that do not end at an SM-DP: taken up again with the eUICC's one-time key, cancelled by it, overtaken, and forgotten.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, equalBytes, toHex } from '../base/bytes.ts';
import { bppSegments } from '../codec/rsp/bpp.ts';
import { SmdpSigned2 } from '../codec/rsp/prepare-download.ts';
import { finalResultOf } from './rsp-card.ts';
import {
  authenticated,
  bound,
  code,
  type Device,
  OWNER,
  prepared,
  stateOf,
  type World,
  world,
} from './smdp-world.ts';

const DAY = 86_400_000;

/** The state of each session, in order, with a mark where it holds a package. */
async function sessions({ store }: World): Promise<string[]> {
  const rows = await store.read((reader) =>
    reader
      .selectFrom('smdpSessions')
      .select(['state', 'boundProfilePackage'])
      .where('owner', '=', OWNER)
      .orderBy('createdAt')
      .execute(),
  );
  return rows.map(({ state, boundProfilePackage }) =>
    boundProfilePackage === null ? state : `${state}, package`,
  );
}

/** A download up to the package, which the device then loses. The clock goes on, so that sessions have an order. */
async function lost(w: World, device: Device) {
  const { transactionId, prepareDownloadResponse, iccid, answer } = await prepared(w, device);
  const boundProfile = await w.smdp.getBoundProfilePackage({ transactionId, prepareDownloadResponse });
  await w.clock.advance(1000);
  return {
    ...boundProfile,
    iccid,
    transactionId,
    asked: SmdpSigned2.decode(answer.smdpSigned2).bppEuiccOtpk,
  };
}

for (const curve of ['P-256', 'brainpoolP256r1'] as const) {
  test(`an interrupted download goes on with its one-time key and its package, and builds nothing, on ${curve}`, async (t) => {
    const w = await world(t, curve);
    const device = w.newCard();
    const first = await lost(w, device);
    assert.equal(first.asked, undefined);
    const second = await lost(w, device);
    assert.deepEqual(second.asked, device.card.otKeys[0]?.pair.publicKey);
    assert.equal(device.card.otKeys.length, 1);
    const third = await lost(w, device);
    assert.equal(await w.smdp.profilesBuilt(), 1);
    const [initialise, ...rest] = bppSegments(first.boundProfilePackage);
    const [initialise3, ...rest3] = bppSegments(third.boundProfilePackage);
    assert.equal(equalBytes(initialise ?? concat(), initialise3 ?? concat()), false, 'another transaction');
    assert.deepEqual(rest.map(toHex), rest3.map(toHex));
    assert.deepEqual(await sessions(w), ['cancelled', 'cancelled', 'bound, package']);
    const result = await device.card.load(third.boundProfilePackage);
    assert.equal(finalResultOf(result).is, 'successResult');
    assert.deepEqual(await w.smdp.handleNotification(result), { verified: true });
    assert.equal(await stateOf(w, third.iccid), 'installed');
    assert.deepEqual(await sessions(w), ['cancelled', 'cancelled', 'installed']);
  });
}

test('an eUICC that forgot its one-time key gets the same profile in a new package', async (t) => {
  const w = await world(t);
  const device = w.newCard();
  const first = await lost(w, device);
  device.card.otKeys.length = 0;
  const second = await lost(w, device);
  assert.equal(second.iccid, first.iccid);
  assert.equal(await w.smdp.profilesBuilt(), 2);
  assert.equal(finalResultOf(await device.card.load(second.boundProfilePackage)).is, 'successResult');
});

test('the result of an overtaken session: a failure says nothing any more, an installation is one', async (t) => {
  for (const installs of [false, true]) {
    const w = await world(t);
    const device = w.newCard();
    const first = await lost(w, device);
    const pieces = bppSegments(first.boundProfilePackage);
    const result = await device.card.load(
      first.boundProfilePackage,
      installs ? pieces : pieces.toSpliced(1, 1),
    );
    assert.equal(finalResultOf(result).is, installs ? 'successResult' : 'errorResult');
    const { iccid } = await lost(w, device);
    assert.deepEqual(await w.smdp.handleNotification(result), { verified: true });
    assert.equal(await stateOf(w, iccid), installs ? 'installed' : 'downloaded');
    assert.deepEqual(
      await sessions(w),
      installs ? ['installed', 'cancelled'] : ['cancelled', 'bound, package'],
    );
  }
});

test('a cancelled session ends; the package waits only for an eUICC that means to come back', async (t) => {
  for (const [reason, waits] of [
    ['postponed', true],
    ['timeout', true],
    ['endUserRejection', false],
    ['pprNotAllowed', false],
    ['metadataMismatch', false],
    ['loadBppExecutionError', false],
    ['undefinedReason', false],
  ] as const) {
    const w = await world(t);
    const device = w.newCard();
    const { transactionId, prepareDownloadResponse, iccid } = await prepared(w, device);
    const get = () => w.smdp.getBoundProfilePackage({ transactionId, prepareDownloadResponse });
    await get();
    const cancelSessionResponse = device.card.cancelSession(transactionId, reason);
    const cancel = () => w.smdp.cancelSession({ transactionId, cancelSessionResponse });
    assert.deepEqual(await cancel(), { reason });
    assert.deepEqual(await cancel(), { reason }, 'again');
    assert.equal(await stateOf(w, iccid), 'reserved');
    assert.deepEqual(await sessions(w), [waits ? 'cancelled, package' : 'cancelled'], reason);
    await assert.rejects(get(), code('REFUSED', /cancelled/));
    await w.clock.advance(1000);
    assert.equal((await lost(w, device)).iccid, iccid);
    assert.equal(await w.smdp.profilesBuilt(), waits ? 1 : 2, reason);
  }
});

test('a session that is authenticated can be cancelled before there is a package', async (t) => {
  const w = await world(t);
  const device = w.newCard();
  const request = await authenticated(w, device);
  const { transactionId } = request;
  const cancelled = () => device.card.cancelSession(transactionId, 'endUserRejection');
  const { iccid } = await w.smdp.downloadOrder({ eid: device.eid, orderId: 'order 1' });
  await w.smdp.authenticateClient({ ...request, iccid });
  await w.smdp.cancelSession({ transactionId, cancelSessionResponse: cancelled() });
  assert.deepEqual(await sessions(w), ['cancelled']);
  await assert.rejects(w.smdp.authenticateClient({ ...request, iccid }), code('REFUSED', /cancelled/));
  assert.equal(await w.smdp.profilesBuilt(), 0);
});

test('only the eUICC of the session can cancel it, and only while it is open', async (t) => {
  const w = await world(t);
  const [device, other] = [w.newCard(), w.newCard()];
  const { transactionId, prepareDownloadResponse } = await prepared(w, device);
  await w.clock.advance(1000);
  const elsewhere = await authenticated(w, other);
  const refuses = async (cancelSessionResponse: Uint8Array, why: RegExp): Promise<void> => {
    await assert.rejects(
      w.smdp.cancelSession({ transactionId, cancelSessionResponse }),
      code('REFUSED', why),
    );
  };
  await refuses(device.card.cancelSession(elsewhere.transactionId, 'timeout'), /the eUICC refused/);
  const foreign = other.card.cancelSession(elsewhere.transactionId, 'timeout');
  await refuses(foreign, /another transaction/);
  await assert.rejects(
    w.smdp.cancelSession({ transactionId: elsewhere.transactionId, cancelSessionResponse: foreign }),
    code('REFUSED', /no eUICC yet/),
  );
  await w.smdp.getBoundProfilePackage({ transactionId, prepareDownloadResponse });
  const good = device.card.cancelSession(transactionId, 'timeout');
  const damaged = good.map((octet, i) => (i === good.length - 1 ? octet ^ 1 : octet));
  await refuses(damaged, /euiccCancelSessionSignature/);
  assert.deepEqual(await sessions(w), ['bound, package', 'initiated']);
  const done = w.newCard();
  const { boundProfilePackage, transactionId: ended } = await installedBy(w, done);
  assert.ok(boundProfilePackage.length > 0);
  await assert.rejects(
    w.smdp.cancelSession({ transactionId: ended, cancelSessionResponse: good }),
    code('REFUSED', /another transaction/),
  );
});

/** A whole download. */
async function installedBy(w: World, device: Device) {
  const { transactionId, prepareDownloadResponse } = await prepared(w, device, `order of ${device.eid}`);
  const { boundProfilePackage } = await w.smdp.getBoundProfilePackage({
    transactionId,
    prepareDownloadResponse,
  });
  await w.smdp.handleNotification(await device.card.load(boundProfilePackage));
  return { boundProfilePackage, transactionId };
}

test('after a week sessions without an answer are forgotten, and packages that nobody fetched are dropped', async (t) => {
  const w = await world(t);
  const [silent, lazy, done] = [w.newCard(), w.newCard(), w.newCard()];
  await authenticated(w, silent);
  await w.clock.advance(1000);
  await bound(w, lazy, 'lazy');
  await w.clock.advance(1000);
  await installedBy(w, done);
  const before = ['initiated', 'bound, package', 'installed'];
  assert.deepEqual(await sessions(w), before);
  await w.clock.advance(6 * DAY);
  await authenticated(w, silent);
  assert.deepEqual(await sessions(w), [...before, 'initiated'], 'not yet');
  await w.clock.advance(2 * DAY);
  await authenticated(w, silent);
  assert.deepEqual(await sessions(w), ['cancelled', 'installed', 'initiated', 'initiated']);
  const again = await prepared(w, lazy, 'lazy');
  assert.ok(await w.smdp.getBoundProfilePackage(again), 'the order stands');
});
