// The SM-SR's scripts under SCP80 on a whole managed card: what it does under SCP03 too, and what only packets do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex } from '../base/bytes.ts';
import { decodeResponseApdu } from '../codec/apdu.ts';
import type { Iccid } from '../codec/ids.ts';
import {
  decodeCommandScript,
  decodeResponseScript,
  encodeCommandScript,
  encodeResponseScript,
} from '../codec/script.ts';
import { SECURE_SPI, sealRemoteCommand } from '../crypto/scp80-host.ts';
import { deliver, script as scriptOf } from '../euicc/testing/ota.ts';
import {
  ask,
  deliverNotifications,
  done,
  grantBy,
  inEis,
  loadScript,
  type ManagedWorld,
  managedWorld,
  onCard,
  play,
  PROVISIONING_ICCID,
  report,
} from './smsr-world.ts';

const OTA = { kvn: 1 } as const;

async function loaded(world: ManagedWorld): Promise<Iccid> {
  const { iccid, script, secondLayer } = await loadScript(world, 'mno-a');
  assert.equal(secondLayer, 'scp80');
  for (const apdu of decodeCommandScript(script)) assert.deepEqual([apdu[0], apdu[1]], [0x80, 0xc2]);
  await done(world, 'mno-a', script);
  assert.deepEqual(await deliverNotifications(world), [`install ${iccid}`]);
  return iccid;
}

test('load, enable, change of operator and delete: card and EIS say the same after every step', async (t) => {
  const world = await managedWorld(t, OTA);
  const old = await loaded(world);
  assert.deepEqual(await inEis(world), await onCard(world));
  await done(world, 'mno-a', (await ask(world, 'mno-a', 'enable', old)).script);
  assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'disabled', [old]: 'enabled' });
  assert.deepEqual(await inEis(world), await onCard(world));
  await deliverNotifications(world);
  const { iccid, script } = await loadScript(world, 'mno-b', grantBy(world, 'mno-a', old));
  await done(world, 'mno-b', script);
  await deliverNotifications(world);
  await done(world, 'mno-b', (await ask(world, 'mno-b', 'enable', iccid)).script);
  await deliverNotifications(world);
  await done(world, 'mno-b', (await ask(world, 'mno-b', 'delete', old)).script);
  assert.deepEqual(await deliverNotifications(world), [`delete ${old}`]);
  assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'disabled', [iccid]: 'enabled' });
  assert.deepEqual(await inEis(world), await onCard(world));
});

test('the rollback brings back the profile that worked, and the next switch fits', async (t) => {
  const world = await managedWorld(t, OTA);
  const iccid = await loaded(world);
  const job = await ask(world, 'mno-a', 'enable', iccid);
  assert.ok(job.rollback);
  await play(world, job.script);
  const { ok } = await report(world, 'mno-a', await play(world, job.rollback), true);
  assert.equal(ok, true);
  assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'enabled', [iccid]: 'disabled' });
  assert.deepEqual(await inEis(world), await onCard(world));
  await done(world, 'mno-a', (await ask(world, 'mno-a', 'enable', iccid)).script);
  assert.deepEqual(await inEis(world), await onCard(world));
});

test('scripts that are left over do nothing once another one has run', async (t) => {
  const world = await managedWorld(t, OTA);
  const iccid = await loaded(world);
  const job = await ask(world, 'mno-a', 'enable', iccid);
  await done(world, 'mno-a', job.script);
  await done(world, 'mno-a', (await ask(world, 'mno-a', 'disable', iccid)).script);
  await done(world, 'mno-a', (await ask(world, 'mno-a', 'enable', iccid)).script);
  for (const old of [job.script, job.rollback ?? new Uint8Array(0)]) await play(world, old);
  assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'disabled', [iccid]: 'enabled' });
});

test('a card at a counter of its own is met at the second attempt', async (t) => {
  const world = await managedWorld(t, OTA);
  const iccid = await loaded(world);
  const { enc, mac } = world.isdRKeys;
  const keys = { kic: { algorithm: 'aes', key: enc }, kid: { algorithm: 'aes', key: mac } } as const;
  const target = { tar: fromHex('000001'), keyset: 1, keys, spi: SECURE_SPI };
  // Somebody who had the keys before has counted further.
  await deliver(world.card, sealRemoteCommand(target, 5000, scriptOf('80CA00E000')));
  const first = await report(
    world,
    'mno-a',
    await play(world, (await ask(world, 'mno-a', 'enable', iccid)).script),
  );
  assert.deepEqual([first.ok, first.resynchronised], [false, true]);
  assert.deepEqual(await inEis(world), { [PROVISIONING_ICCID]: 'enabled', [iccid]: 'disabled' });
  await done(world, 'mno-a', (await ask(world, 'mno-a', 'enable', iccid)).script);
  assert.deepEqual(await inEis(world), { [PROVISIONING_ICCID]: 'disabled', [iccid]: 'enabled' });
});

test('what the card does not prove changes nothing in the EIS', async (t) => {
  const before = { [PROVISIONING_ICCID]: 'enabled' };
  for (const [change, expected] of [
    [
      (apdu: Uint8Array) => decodeResponseApdu(apdu).data.map((octet, i) => (i === 30 ? octet ^ 1 : octet)),
      /checksum|padding/,
    ],
    [() => fromHex('027100000B0A000001000000000000 09'.replace(' ', '')), /tarUnknown, not proved/],
    [() => fromHex(''), /no proof of receipt/],
  ] as const) {
    const world = await managedWorld(t, OTA);
    const iccid = await loaded(world);
    const { responses } = decodeResponseScript(
      await play(world, (await ask(world, 'mno-a', 'enable', iccid)).script),
    );
    const changed = responses.map((apdu) => Uint8Array.from([...change(apdu), 0x90, 0x00]));
    const result = await report(
      world,
      'mno-a',
      encodeResponseScript({ executed: changed.length, responses: changed }),
    );
    assert.equal(result.ok, false);
    assert.match(result.reason ?? '', expected);
    assert.deepEqual(await inEis(world), { ...before, [iccid]: 'disabled' });
    // The signed notifications tell what happened all the same.
    await deliverNotifications(world);
    assert.deepEqual(await inEis(world), await onCard(world));
  }
});

test('one changed octet in a message: its packet is refused, the rest has lost its chain, and nothing is installed', async (t) => {
  const world = await managedWorld(t, OTA);
  const { iccid, script } = await loadScript(world, 'mno-a');
  const envelopes = decodeCommandScript(script).map((apdu) => Uint8Array.from(apdu));
  const damaged = envelopes[3];
  assert.ok(damaged);
  damaged[100] = (damaged[100] ?? 0) ^ 1;
  const { ok, reason } = await report(world, 'mno-a', await play(world, encodeCommandScript(envelopes)));
  assert.deepEqual([ok, reason], [false, 'integrityFailed, not proved']);
  assert.equal((await onCard(world))[iccid], undefined);
});
