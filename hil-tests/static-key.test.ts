// Profiles bound to the eUICC's static key: who may have it, who refuses a wrong one, and the whole way to the card.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { EuiccSigned2, PrepareDownloadResponse } from '../codec/rsp/prepare-download.ts';
import { parseCertificate } from '../crypto/x509.ts';
import { openMainJobWorld } from './main-job-world.ts';
import { authenticated, code, world as smdpWorld } from './smdp-world.ts';
import {
  boundPackage,
  deliverNotifications,
  done,
  inEis,
  loadScript,
  managedWorld,
  onCard,
  PROVISIONING_ICCID,
} from './smsr-world.ts';

test('a profile bound to the static key is loaded under the second layer, over SCP03 and over SCP80', async (t) => {
  for (const kvn of [0x30, 0x01]) {
    const world = await managedWorld(t, { kvn });
    const { iccid, script } = await loadScript(world, 'mno-a', undefined, 'static');
    await done(world, 'mno-a', script);
    assert.deepEqual(await deliverNotifications(world), [`install ${iccid}`]);
    assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'enabled', [iccid]: 'disabled' });
    assert.deepEqual(await inEis(world), await onCard(world));
  }
});

test('the eUICC signs for the static key that its EIS has, and for a new key where none is named', async (t) => {
  const world = await managedWorld(t);
  const [module] = world.euicc.securityModules;
  const otpkOf = async (keyMode: 'static' | 'dynamic'): Promise<string> => {
    const { prepareDownloadResponse } = await boundPackage(world, 'mno-a', await world.isdR(), keyMode);
    const response = PrepareDownloadResponse.decode(prepareDownloadResponse);
    assert.ok(response.is === 'downloadResponseOk');
    return toHex(EuiccSigned2.decode(response.value.euiccSigned2).euiccOtpk);
  };
  const publicKey = toHex(module?.key.publicKey ?? new Uint8Array());
  assert.equal(await otpkOf('static'), publicKey);
  const fresh = await managedWorld(t);
  assert.notEqual(toHex(fresh.euicc.securityModules[0]?.key.publicKey ?? new Uint8Array()), publicKey);
  const { prepareDownloadResponse } = await boundPackage(fresh, 'mno-a', await fresh.isdR());
  assert.equal(toHex(prepareDownloadResponse).includes(publicKey), false);
});

test('the SM-SR hands out no key without a verdict on this eUICC in this transaction, and none of a locked eUICC', async (t) => {
  const world = await managedWorld(t);
  const { eid } = world;
  const ask = (mno: 'mno-a' | 'mno-b', transactionId: Uint8Array) =>
    world.service.as(mno).euiccKeys({ mno, eid, transactionId });
  const refusedFor = (why: RegExp) => (thrown: unknown) =>
    isAgentError(thrown, 'REFUSED') && why.test(thrown.message);
  await assert.rejects(ask('mno-a', new Uint8Array(16)), refusedFor(/no verdict/));
  const { transactionId } = await boundPackage(world, 'mno-a', await world.isdR());
  assert.equal((await ask('mno-a', transactionId)).certificates.length, 1);
  await assert.rejects(ask('mno-b', transactionId), refusedFor(/no verdict/));
  await world.service.administration.setStatus(eid, 'locked', 'stolen');
  await assert.rejects(ask('mno-a', transactionId), refusedFor(/locked/));
});

test('an SM-DP binds nothing to a key whose certificate is another eUICC’s, for signatures, or of no EUM', async (t) => {
  const w = await smdpWorld(t);
  const [device, other] = [w.newCard(), w.newCard()];
  const { iccid } = await w.smdp.downloadOrder({ eid: device.eid, orderId: 'order 1' });
  const wrong: readonly (readonly [RegExp, Uint8Array | undefined])[] = [
    [/ECASD EID/, other.euicc.securityModules[0]?.certificate],
    [/ECASD key usage/, device.euicc.euiccCertificate],
    [/ECASD certificate signature/, w.newCard('untrusted').euicc.securityModules[0]?.certificate],
  ];
  for (const [why, certificate] of wrong) {
    assert.ok(certificate);
    const request = await authenticated(w, device);
    await assert.rejects(
      w.smdp.authenticateClient({ ...request, iccid, ecasdCertificates: [certificate] }),
      code('REFUSED', why),
    );
  }
  await assert.rejects(
    w.smdp.authenticateClient({ ...(await authenticated(w, device)), iccid, ecasdCertificates: [] }),
    code('REFUSED', /no static key/),
  );
  assert.equal(await w.smdp.profilesBuilt(), 0);
});

test('an SM-DP builds nothing for an eUICC that answers with another key than its static one', async (t) => {
  const w = await smdpWorld(t);
  // This card has no static key, whatever its EIS says.
  const device = w.newCard();
  const certificate = device.euicc.securityModules[0]?.certificate ?? new Uint8Array();
  assert.equal(parseCertificate(certificate).subject.serialNumber, device.eid);
  const request = await authenticated(w, device);
  const { iccid } = await w.smdp.downloadOrder({ eid: device.eid, orderId: 'order 1' });
  const answer = await w.smdp.authenticateClient({ ...request, iccid, ecasdCertificates: [certificate] });
  const prepareDownloadResponse = device.card.prepareDownload(answer);
  const { transactionId } = request;
  await assert.rejects(
    w.smdp.getBoundProfilePackage({ transactionId, prepareDownloadResponse }),
    code('REFUSED', /did not take its static key/),
  );
  assert.equal(await w.smdp.profilesBuilt(), 0);
});

test('the main job with the static key: provisioned by MNO A, changed to MNO B', async () => {
  const world = await openMainJobWorld({ euiccKey: 'static', profileBytes: 3_000 });
  try {
    for (const kind of ['provisioning', 'mno-change'] as const) {
      const { keyMode, reason, step } = await world.run(kind);
      assert.deepEqual([step, reason, keyMode], ['completed', undefined, 'static']);
    }
    const { profiles } = await world.stopAndAsk();
    const states = Object.entries(profiles).map(([iccid, state]) => `${state} ${iccid.slice(0, 7)}`);
    assert.deepEqual(states.toSorted(), ['disabled 8999900', 'enabled 8999902']);
  } finally {
    await world.close();
  }
});
