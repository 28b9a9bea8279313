// SCP80 through a modem: an SM-SR that writes short messages to the ISD-R, and an MNO that writes to its own profile.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { withIsdR } from '../agent/card-operations.ts';
import { fromHex, toHex } from '../base/bytes.ts';
import { createVirtualClock } from '../base/clock.ts';
import { Secret, silentLog } from '../base/log.ts';
import { type CommandApdu, decodeCommandApdu, encodeResponseApdu } from '../codec/apdu.ts';
import type { Card } from '../codec/card.ts';
import { completeImei, parseIccid, parseImsi } from '../codec/ids.ts';
import { DeleteProfileRequest, EnableProfileRequest } from '../codec/rsp/profile-management.ts';
import { decodeSmsPpDownload } from '../codec/sms-tpdu.ts';
import { storeDataCommands } from '../codec/store-data.ts';
import type { Scp80Key } from '../crypto/scp80.ts';
import { type Scp80Target, SECURE_SPI } from '../crypto/scp80-host.ts';
import { raw } from '../euicc/testing/terminal.ts';
import { createWorld, sampleMetadata } from '../euicc/testing/world.ts';
import { openMainJobWorld } from './main-job-world.ts';
import { createLinkPair } from '../modem/byte-link.ts';
import { openModem } from '../modem/modem.ts';
import { createSimModem } from '../modem/sim/sim-modem.ts';
import { createTestRadio } from '../modem/sim/test-radio.ts';
import { buildProfilePackage } from '../operator/smdp/profile-builder.ts';
import type { OpenedScript } from '../operator/smsr/second-layer.ts';
import { openOverTheAir, otaLoadCommands, protectOverTheAir } from '../operator/smsr/second-layer-scp80.ts';
import type { CardSlot } from '../codec/card.ts';
import {
  boundPackage,
  deliverNotifications,
  managedWorld,
  onCard,
  PROVISIONING_ICCID,
} from './smsr-world.ts';

const SENDER = { originator: { type: 0x91, digits: '491511234567' } } as const;

/** A modem around the card, and the card as a device reaches it. */
async function modemAround(t: TestContext, slot: CardSlot) {
  const clock = createVirtualClock();
  const settle = <R>(job: Promise<R>): Promise<R> => clock.settle(job, 3_600_000);
  const sim = createSimModem({
    card: slot,
    radio: createTestRadio(),
    clock,
    log: silentLog,
    imei: completeImei('35824005000001'),
    timing: { mode: 'timed', baudRate: 115_200 },
  });
  const openLink = () => {
    const [here, there] = createLinkPair();
    sim.connect(there);
    return Promise.resolve(here);
  };
  const modem = await settle(openModem({ openLink, clock, log: silentLog, quirks: {} }));
  t.after(async () => {
    await settle(modem.close());
    await settle(sim.close());
  });
  const card = await settle(modem.openCard());
  return { card, clock, settle, sim };
}

/** An operator that counts its packets. */
function operatorOf(target: Scp80Target, card: Card) {
  let counter = 1;
  return async (commands: readonly CommandApdu[]): Promise<OpenedScript> => {
    const packets = protectOverTheAir(target, commands, { counter, sender: SENDER });
    counter += packets.length;
    const answers: Uint8Array[] = [];
    for (const envelope of packets.flatMap(({ envelopes }) => envelopes)) {
      answers.push(encodeResponseApdu(await card.basic.transmit(envelope)));
    }
    return openOverTheAir(target, packets, answers);
  };
}

const aes = (key: Secret<Uint8Array>): Scp80Key => ({ algorithm: 'aes', key });
const asked = (request: Uint8Array): CommandApdu[] =>
  storeDataCommands(request).map((command) => ({ ...command, le: 256 }));

test('an SM-SR loads, enables and deletes profiles by short messages, and the card is refreshed in between', async (t) => {
  const world = await managedWorld(t, { kvn: 1 });
  const { card, clock, settle } = await modemAround(t, world.card);
  const { enc, mac } = world.isdRKeys;
  const target = {
    tar: fromHex('000001'),
    keyset: 1,
    keys: { kic: aes(enc), kid: aes(mac) },
    spi: SECURE_SPI,
  };
  const send = operatorOf(target, card);
  const { iccid, boundProfilePackage } = await settle(
    withIsdR(card, {}, (channel) => boundPackage(world, 'mno-a', channel)),
  );
  const loaded = await settle(send(otaLoadCommands(boundProfilePackage)));
  assert.deepEqual([loaded.ok, loaded.reason], [true, undefined]);
  assert.deepEqual(await deliverNotifications(world), [`install ${iccid}`]);
  const profile = { is: 'iccid', value: iccid } as const;
  const enabled = await settle(
    send(asked(EnableProfileRequest.encode({ profileIdentifier: profile, refreshFlag: true }))),
  );
  assert.deepEqual(enabled.responses.map(toHex), ['BF31038001009000']);
  // The modem fetches the REFRESH by itself.
  await clock.advance(30_000);
  assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'disabled', [iccid]: 'enabled' });
  assert.deepEqual(await deliverNotifications(world), [`disable ${PROVISIONING_ICCID}`, `enable ${iccid}`]);
  const provisioning = { is: 'iccid', value: PROVISIONING_ICCID } as const;
  const deleted = await settle(send(asked(DeleteProfileRequest.encode(provisioning))));
  assert.deepEqual(deleted.responses.map(toHex), ['BF33038001009000']);
  assert.deepEqual(await onCard(world), { [iccid]: 'enabled' });
});

test('an MNO reaches its profile through the network, and no program of the device has a part in it', async (t) => {
  const profiles = [
    { upp: buildProfilePackage(SUBSCRIBER), metadata: sampleMetadata(SUBSCRIBER.iccid), enabled: true },
  ];
  const { card: slot } = await createWorld({ profiles, managed: true });
  const { clock, settle, sim } = await modemAround(t, slot);
  const { kic, kid } = SUBSCRIBER.otaKeys;
  const target = {
    tar: fromHex('B00140'),
    keyset: 1,
    keys: { kic: aes(kic), kid: aes(kid) },
    spi: SECURE_SPI,
  };
  const select = { cla: 0, ins: 0xa4, p1: 0, p2: 0x0c, data: fromHex('6F46') };
  const update = { cla: 0, ins: 0xd6, p1: 0, p2: 0, data: fromHex('0154') };
  const packets = protectOverTheAir(target, [select, update], { counter: 1, sender: SENDER });
  const answers: Uint8Array[] = [];
  await clock.advance(60_000);
  for (const envelope of packets.flatMap(({ envelopes }) => envelopes)) {
    const { tpdu } = decodeSmsPpDownload(decodeCommandApdu(envelope).data);
    const arrival = await settle(sim.deliver(tpdu));
    assert.ok(arrival.is === 'card', arrival.is);
    answers.push(encodeResponseApdu(arrival.response));
  }
  const opened = openOverTheAir(target, packets, answers);
  assert.deepEqual([opened.ok, opened.responses.map(toHex)], [true, ['9000', '9000']]);
});

const octets = (value: number): Secret<Uint8Array> => new Secret(new Uint8Array(16).fill(value));
const SUBSCRIBER = {
  iccid: parseIccid('8988211000000000019'),
  imsi: parseImsi('001010000000001'),
  mccMnc: '00101',
  k: octets(1),
  opc: octets(2),
  pin1: new Secret('1234'),
  pin2: new Secret('5678'),
  puk1: new Secret('12345678'),
  puk2: new Secret('87654321'),
  adm1: new Secret('88888888'),
  spn: 'Before',
  profileName: 'over the air',
  otaKeys: { version: 1, kic: octets(0x60), kid: octets(0x70), kik: octets(0x80) },
};

test('an MNO changes a file of its own profile, and the terminal reads it', async (t) => {
  const upp = buildProfilePackage(SUBSCRIBER);
  const profiles = [{ upp, metadata: sampleMetadata(SUBSCRIBER.iccid), enabled: true }];
  const { card: slot } = await createWorld({ profiles, managed: true });
  const { card, settle } = await modemAround(t, slot);
  const { kic, kid } = SUBSCRIBER.otaKeys;
  const usim = { tar: fromHex('B00140'), keyset: 1, keys: { kic: aes(kic), kid: aes(kid) }, spi: SECURE_SPI };
  const select = { cla: 0, ins: 0xa4, p1: 0, p2: 0x0c, data: fromHex('6F46') };
  const name = fromHex(`01${toHex(new TextEncoder().encode('After'))}`.padEnd(34, 'F'));
  const update = { cla: 0, ins: 0xd6, p1: 0, p2: 0, data: name };
  const written = await settle(operatorOf(usim, card)([select, update]));
  assert.deepEqual([written.ok, written.responses.map(toHex)], [true, ['9000', '9000']]);
  await raw(slot, '00A4040C07A0000000871002');
  assert.equal(await raw(slot, '00A4000C026F46'), '9000');
  assert.equal(await raw(slot, '00B0000011'), `${toHex(name)}9000`);
  // The keys of another operator open nothing.
  const stranger = { ...usim, keys: { kic: aes(octets(0x61)), kid: aes(octets(0x71)) } };
  const refused = await settle(operatorOf(stranger, card)([select, update]));
  assert.deepEqual([refused.ok, refused.reason], [false, 'integrityFailed, not proved']);
});

test('both procedures of the main job run with an SM-SR that writes short messages', async () => {
  const world = await openMainJobWorld({ secondLayer: 'scp80', profileBytes: 3_000 });
  try {
    const provisioning = await world.run('provisioning');
    assert.deepEqual([provisioning.step, provisioning.reason], ['completed', undefined]);
    assert.equal(provisioning.secondLayer, 'scp80');
    const change = await world.run('mno-change');
    assert.deepEqual([change.step, change.reason, change.secondLayer], ['completed', undefined, 'scp80']);
    await world.clock.advance(120_000);
    const { profiles } = await world.stopAndAsk();
    const states = Object.entries(profiles).map(([iccid, state]) => `${state} ${iccid.slice(0, 7)}`);
    assert.deepEqual(states.toSorted(), ['disabled 8999900', 'enabled 8999902']);
    assert.deepEqual((await world.notifications()).toSorted(), [
      'mno-a delete',
      'mno-a disable',
      'mno-a enable',
      'mno-a install',
      'mno-b enable',
      'mno-b install',
    ]);
  } finally {
    await world.close();
  }
});
