// The SM-SR's scripts on a whole managed card: load, switch, change of operator, and what goes wrong on the way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { es10 } from '../agent/card-operations.ts';
import type { Iccid } from '../codec/ids.ts';
import { EnableProfileRequest } from '../codec/rsp/profile-management.ts';
import { decodeCommandScript, decodeResponseScript, encodeCommandScript } from '../codec/script.ts';
import { isAgentError } from '../base/errors.ts';
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

async function provisioned(world: ManagedWorld): Promise<Iccid> {
  const { iccid, script } = await loadScript(world, 'mno-a');
  await done(world, 'mno-a', script);
  await deliverNotifications(world);
  await done(world, 'mno-a', (await ask(world, 'mno-a', 'enable', iccid)).script);
  await deliverNotifications(world);
  return iccid;
}

test('load and enable: card and EIS say the same after every step', async (t) => {
  const world = await managedWorld(t);
  const { iccid, script } = await loadScript(world, 'mno-a');
  await done(world, 'mno-a', script);
  assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'enabled', [iccid]: 'disabled' });
  assert.deepEqual(await deliverNotifications(world), [`install ${iccid}`]);
  assert.deepEqual(await inEis(world), await onCard(world));
  const job = await ask(world, 'mno-a', 'enable', iccid);
  await done(world, 'mno-a', job.script);
  assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'disabled', [iccid]: 'enabled' });
  assert.deepEqual(await inEis(world), await onCard(world));
  assert.deepEqual((await deliverNotifications(world)).toSorted(), [
    `disable ${PROVISIONING_ICCID}`,
    `enable ${iccid}`,
  ]);
  assert.deepEqual(await inEis(world), await onCard(world));
});

test('a change of operator with the donor’s grant ends with the donor’s profile gone', async (t) => {
  const world = await managedWorld(t);
  const old = await provisioned(world);
  const { iccid, script } = await loadScript(world, 'mno-b', grantBy(world, 'mno-a', old));
  await done(world, 'mno-b', script);
  await deliverNotifications(world);
  await done(world, 'mno-b', (await ask(world, 'mno-b', 'enable', iccid)).script);
  assert.deepEqual(
    (await deliverNotifications(world)).toSorted(),
    [`disable ${old}`, `enable ${iccid}`].toSorted(),
  );
  await done(world, 'mno-b', (await ask(world, 'mno-b', 'delete', old)).script);
  assert.deepEqual(await deliverNotifications(world), [`delete ${old}`]);
  assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'disabled', [iccid]: 'enabled' });
  assert.deepEqual(await inEis(world), await onCard(world));
});

test('the rollback script brings back the profile that worked, and the next switch fits', async (t) => {
  const world = await managedWorld(t);
  const { iccid, script } = await loadScript(world, 'mno-a');
  await done(world, 'mno-a', script);
  await deliverNotifications(world);
  const job = await ask(world, 'mno-a', 'enable', iccid);
  assert.ok(job.rollback);
  await play(world, job.script);
  const { ok } = await report(world, 'mno-a', await play(world, job.rollback), true);
  assert.equal(ok, true);
  assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'enabled', [iccid]: 'disabled' });
  await deliverNotifications(world);
  assert.deepEqual(await inEis(world), await onCard(world));
  await done(world, 'mno-a', (await ask(world, 'mno-a', 'enable', iccid)).script);
  assert.deepEqual(await inEis(world), await onCard(world));
});

test('a rollback that is left over does nothing once another script has run', async (t) => {
  const world = await managedWorld(t);
  const { iccid, script } = await loadScript(world, 'mno-a');
  await done(world, 'mno-a', script);
  await deliverNotifications(world);
  const job = await ask(world, 'mno-a', 'enable', iccid);
  await done(world, 'mno-a', job.script);
  await deliverNotifications(world);
  await done(world, 'mno-a', (await ask(world, 'mno-a', 'disable', iccid)).script);
  await deliverNotifications(world);
  await done(world, 'mno-a', (await ask(world, 'mno-a', 'enable', iccid)).script);
  for (const old of [job.script, job.rollback ?? new Uint8Array(0)]) await play(world, old);
  assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'disabled', [iccid]: 'enabled' });
});

test('a card at a counter of its own is met at the second attempt', async (t) => {
  const world = await managedWorld(t, { sequenceCounter: 500 });
  const { iccid, script, again } = await loadScript(world, 'mno-a');
  const answer = await play(world, script);
  assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'enabled' });
  const first = await report(world, 'mno-a', answer);
  assert.deepEqual([first.ok, first.resynchronised], [false, true]);
  const { script: fitting } = await again();
  const channel = await world.isdR();
  assert.notDeepEqual(fitting, script);
  assert.ok(channel);
  const { ok, reason } = await report(world, 'mno-a', await play(world, fitting));
  // The reset between the attempts has ended the RSP session: the card opens the second layer and refuses the package.
  assert.equal(ok, false);
  assert.match(reason ?? '', /6985/);
  const fresh = await loadScript(world, 'mno-a');
  await done(world, 'mno-a', fresh.script);
  assert.notEqual(fresh.iccid, iccid);
});

test('one changed octet in a block: the card ends the session there, and nothing is installed', async (t) => {
  const world = await managedWorld(t);
  const { iccid, script } = await loadScript(world, 'mno-a');
  const commands = decodeCommandScript(script).map((apdu) => Uint8Array.from(apdu));
  const block = commands[9];
  assert.ok(block);
  block[20] = (block[20] ?? 0) ^ 1;
  const answer = await play(world, encodeCommandScript(commands));
  assert.equal(decodeResponseScript(answer).executed, 10);
  const { ok, reason } = await report(world, 'mno-a', answer);
  assert.equal(ok, false);
  assert.match(reason ?? '', /command 10 answered 6982/);
  assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'enabled' });
  const next = await loadScript(world, 'mno-a');
  await done(world, 'mno-a', next.script);
  assert.equal((await onCard(world))[next.iccid], 'disabled');
  assert.equal((await onCard(world))[iccid], undefined);
});

test('without the second layer a managed card changes nothing', async (t) => {
  const world = await managedWorld(t);
  const profileIdentifier = { is: 'iccid', value: PROVISIONING_ICCID } as const;
  const request = EnableProfileRequest.encode({ profileIdentifier, refreshFlag: false });
  await assert.rejects(
    es10(await world.isdR(), request),
    (thrown) => isAgentError(thrown, 'CARD_STATUS') && thrown.data['sw'] === '6982',
  );
});

test('a switch whose report was lost is known from the eUICC’s own notifications', async (t) => {
  const world = await managedWorld(t);
  const { iccid, script } = await loadScript(world, 'mno-a');
  await done(world, 'mno-a', script);
  await deliverNotifications(world);
  await play(world, (await ask(world, 'mno-a', 'enable', iccid)).script);
  const lost = await report(world, 'mno-a', new Uint8Array(0));
  assert.deepEqual([lost.ok, lost.executed], [false, 0]);
  await deliverNotifications(world);
  assert.deepEqual(await inEis(world), { [PROVISIONING_ICCID]: 'disabled', [iccid]: 'enabled' });
  await done(world, 'mno-a', (await ask(world, 'mno-a', 'disable', iccid)).script);
  assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'enabled', [iccid]: 'disabled' });
});
