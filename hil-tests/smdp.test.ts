// An SM-DP and the eUICC's own checks: orders, downloads, repetitions, results and notifications.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, toHex } from '../base/bytes.ts';
import { readTlv, readTlvs } from '../codec/ber-tlv.ts';
import { luhnDigit } from '../codec/ids.ts';
import { eventOf, notificationMetadataOf } from '../codec/rsp/notifications.ts';
import { subscriberStore } from '../operator/smdp/subscriptions.ts';
import { finalResultOf } from './rsp-card.ts';
import { authenticated, bound, code, installedOn, OWNER, SEAL_KEYS, stateOf, world } from './smdp-world.ts';

for (const curve of ['P-256', 'brainpoolP256r1'] as const) {
  test(`a profile is ordered, bound, loaded by the eUICC and confirmed by it, on ${curve}`, async (t) => {
    const w = await world(t, curve);
    const device = w.newCard();
    const { boundProfilePackage, iccid, profileBytes } = await bound(w, device);
    assert.equal(await stateOf(w, iccid), 'downloaded');
    const result = await device.card.load(boundProfilePackage);
    assert.equal(finalResultOf(result).is, 'successResult');
    assert.deepEqual(await w.smdp.handleNotification(result), { verified: true });
    assert.equal(await stateOf(w, iccid), 'installed');
    const { metadata, profile, upp } = installedOn(device.card);
    assert.equal(upp.length, profileBytes);
    assert.equal(profileBytes, 6000);
    assert.equal(profile.iccid, iccid);
    assert.deepEqual(
      {
        ...metadata,
        notificationConfigurationInfo: undefined,
        profileOwner: toHex(metadata.profileOwner?.mccMnc ?? concat()),
      },
      {
        iccid,
        serviceProviderName: 'MNO A',
        profileName: 'MNO A basic',
        profileClass: 'operational',
        notificationConfigurationInfo: undefined,
        profileOwner: '00F110',
      },
    );
    assert.deepEqual(
      metadata.notificationConfigurationInfo?.map(
        ({ profileManagementOperation: [event], notificationAddress }) =>
          `${event ?? ''} ${notificationAddress}`,
      ),
      ['Install', 'Enable', 'Disable', 'Delete'].map((event) => `notification${event} mno-a`),
    );
    assert.equal(await w.smdp.profilesBuilt(), 1);
  });
}

test('an order gives one subscription, the same one again, and never to another eUICC', async (t) => {
  const { smdp, newCard } = await world(t);
  const [a, b] = [newCard(), newCard()];
  const first = await smdp.downloadOrder({ eid: a.eid, orderId: 'order 1' });
  assert.deepEqual(await smdp.downloadOrder({ eid: a.eid, orderId: 'order 1' }), first);
  const second = await smdp.downloadOrder({ eid: b.eid, orderId: 'order 2' });
  assert.deepEqual(
    [first, second].map(({ iccid, imsi }) => [iccid.slice(0, -1), imsi]),
    [
      ['898821100000000001', '001010000000001'],
      ['898821100000000002', '001010000000002'],
    ],
  );
  assert.equal(luhnDigit(first.iccid.slice(0, -1)), first.iccid.at(-1));
  await assert.rejects(smdp.downloadOrder({ eid: b.eid, orderId: 'order 1' }), code('REFUSED'));
});

test('every repetition of a step gets the first answer, also when both come at once, and builds nothing again', async (t) => {
  const w = await world(t);
  const device = w.newCard();
  const request = await authenticated(w, device);
  const { iccid } = await w.smdp.downloadOrder({ eid: device.eid, orderId: 'order 1' });
  const ask = () => w.smdp.authenticateClient({ ...request, iccid });
  const [once, twice] = await Promise.all([ask(), ask()]);
  assert.deepEqual(once, twice);
  const prepareDownloadResponse = device.card.prepareDownload(once);
  const get = () =>
    w.smdp.getBoundProfilePackage({ transactionId: request.transactionId, prepareDownloadResponse });
  const [package1, package2] = await Promise.all([get(), get()]);
  assert.deepEqual(package1, package2);
  assert.deepEqual(await ask(), once);
  assert.equal(await w.smdp.profilesBuilt(), 1);
  const result = await device.card.load(package1.boundProfilePackage);
  assert.deepEqual(await w.smdp.handleNotification(result), { verified: true });
  assert.deepEqual(await w.smdp.handleNotification(result), { verified: true });
  await assert.rejects(get(), code('REFUSED', /download has ended/));
  await assert.rejects(bound(w, device), code('REFUSED', /installed already/));
});

test('segments keep to the limits of the standard, and no secret shows in the package or in the database', async (t) => {
  const w = await world(t);
  const device = w.newCard();
  const { boundProfilePackage } = await bound(w, device);
  const members = readTlvs(readTlv(boundProfilePackage).value);
  assert.deepEqual(
    members.map(({ tag }) => tag.toString(16)),
    ['bf23', 'a0', 'a1', 'a2', 'a3'],
  );
  const segments = readTlvs(members[4]?.value ?? concat());
  assert.deepEqual(
    segments.map(({ raw }) => raw.length),
    [1020, 1020, 1020, 1020, 1020, 6000 - 5 * 1007 + 13 + segmentPadding(6000 - 5 * 1007)],
  );
  const names = new Set(w.witnessed.map(({ name }) => name));
  assert.deepEqual(
    [...names].toSorted(),
    [
      'ADM1',
      'BSP session ENC',
      'BSP session MAC',
      'K',
      'OPc',
      'OTA KIC',
      'OTA KID',
      'OTA KIK',
      'PPK ENC',
      'PPK MAC',
      'PUK1',
      'PUK2',
      'UPP',
    ].toSorted(),
  );
  const row = await w.store.read((reader) =>
    reader.selectFrom('subscriptions').selectAll().executeTakeFirstOrThrow(),
  );
  const session = await w.store.read((reader) =>
    reader.selectFrom('smdpSessions').selectAll().executeTakeFirstOrThrow(),
  );
  const places = [
    boundProfilePackage,
    ...[row, session].flatMap((each) => Object.values(each)).filter((value) => value instanceof Uint8Array),
  ];
  for (const { name, secret } of w.witnessed) {
    const needle = toHex(name === 'UPP' ? secret.subarray(100, 132) : secret);
    for (const place of places) assert.equal(toHex(place).includes(needle), false, name);
  }
});

/** What ISO/IEC 9797-1 padding adds to so many octets, less the one that the limits count already. */
function segmentPadding(octets: number): number {
  return 16 - (octets % 16) - 1;
}

test('notifications in any order leave the state that the eUICC reached last', async (t) => {
  const w = await world(t);
  const device = w.newCard();
  const { boundProfilePackage, iccid } = await bound(w, device);
  await w.smdp.handleNotification(await device.card.load(boundProfilePackage));
  const profile = installedOn(device.card);
  const [enable, disable, remove] = (['Enable', 'Disable', 'Delete'] as const).map((event) =>
    device.card.notification(`notification${event}`, profile),
  );
  assert.ok(enable && disable && remove);
  assert.equal(eventOf(notificationMetadataOf(disable)), 'notificationDisable');
  const states: (string | undefined)[] = [];
  for (const notification of [disable, enable, disable, remove, enable]) {
    assert.deepEqual(await w.smdp.handleNotification(notification), { verified: true });
    states.push(await stateOf(w, iccid));
  }
  assert.deepEqual(states, ['disabled', 'disabled', 'disabled', 'deleted', 'deleted']);
});

test('the home network knows a subscriber with the keys that are in its profile, as long as the profile may be in use', async (t) => {
  const w = await world(t);
  const subscribers = subscriberStore(w.store, OWNER, SEAL_KEYS);
  const device = w.newCard();
  const { imsi } = await w.smdp.downloadOrder({ eid: device.eid, orderId: 'order 1' });
  assert.equal((await subscribers.findSubscriber(imsi))?.active, false);
  const { boundProfilePackage } = await bound(w, device);
  await device.card.load(boundProfilePackage);
  const found = await subscribers.findSubscriber(imsi);
  assert.ok(found);
  assert.equal(found.active, true);
  assert.equal(found.sqn, 0);
  const profile = installedOn(device.card);
  const [aka] = profile.profile.akas;
  assert.deepEqual(aka?.k.reveal(), found.k.reveal());
  assert.deepEqual(aka?.opc.reveal(), found.opc.reveal());
  await subscribers.saveSqn(imsi, 64);
  assert.equal((await subscribers.findSubscriber(imsi))?.sqn, 64);
  await w.smdp.handleNotification(device.card.notification('notificationDelete', profile));
  assert.equal((await subscribers.findSubscriber(imsi))?.active, false);
  assert.equal(await subscribers.findSubscriber('001019999999999' as typeof imsi), undefined);
});
