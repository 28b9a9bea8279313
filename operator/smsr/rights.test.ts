// Who may do what to whose profile: grants, POL2, and the eUICC's own word.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat } from '../../base/bytes.ts';
import {
  START,
  PROVISIONING,
  PROFILE_A,
  PROFILE_B,
  T1,
  T2,
  T3,
  strangeEuicc,
  setUp,
  verify,
  secure,
  command,
  result,
  notify,
  states,
  refused,
  install,
  enable,
  grantOf,
} from './testing-world.ts';

test('a change of operator: grant, load, enable, the donor’s profile disabled and deleted', async (t) => {
  const world = await setUp(t);
  await install(world, 'mno-a', PROFILE_A, T1);
  await enable(world, 'mno-a', PROFILE_A);
  await install(world, 'mno-b', PROFILE_B, T2, grantOf(world));
  await enable(world, 'mno-b', PROFILE_B);
  assert.deepEqual(await states(world), {
    [PROVISIONING]: 'disabled',
    [PROFILE_A]: 'disabled',
    [PROFILE_B]: 'enabled',
  });
  const { script, rollback } = await command(world, 'mno-b', 'delete', PROFILE_A);
  assert.equal(rollback, undefined);
  assert.equal((await result(world, 'mno-b', world.card.play(script))).ok, true);
  assert.deepEqual(world.card.state.deleted, [PROFILE_A]);
  assert.equal((await notify(world, world.card.notification('delete', PROFILE_A))).verified, true);
  assert.equal((await states(world))[PROFILE_A], 'deleted');
  const audit = await world.service.administration.verifyAudit();
  assert.ok(audit.ok);
});

test('a grant counts for one eUICC, one MNO, one profile, one transaction, one time, and when its donor signed it', async (t) => {
  const world = await setUp(t);
  await install(world, 'mno-a', PROFILE_A, T1);
  await enable(world, 'mno-a', PROFILE_A);
  await verify(world, { mno: 'mno-b', transactionId: T2 });
  const load = (grant?: Uint8Array, transactionId = T2) =>
    secure(world, {
      mno: 'mno-b',
      iccid: PROFILE_B,
      transactionId,
      ...(grant === undefined ? {} : { rightsGrant: grant }),
    });
  await assert.rejects(load(), refused(/mno-a has a profile.*not granted/));
  await assert.rejects(load(grantOf(world, { signer: 'mno-b' })), refused(/not signed by mno-a/));
  await assert.rejects(load(grantOf(world, { donor: 'mno-x' })), refused(/mno-x is not known/));
  await assert.rejects(
    load(grantOf(world, { donor: 'mno-b', signer: 'mno-b' })),
    refused(/mno-a has a profile/),
  );
  await assert.rejects(load(grantOf(world, { receiving: 'mno-c' })), refused(/another MNO/));
  await assert.rejects(load(grantOf(world, { iccid: PROFILE_B })), refused(/another profile/));
  await assert.rejects(load(grantOf(world, { expires: START / 1000 })), refused(/expired/));
  const otherEid = strangeEuicc().eid;
  await assert.rejects(load(grantOf(world, { eid: otherEid })), refused(/another eUICC/));
  await assert.rejects(load(concat(grantOf(world), Uint8Array.of(0))), refused(/cannot be read/));
  const good = grantOf(world);
  const first = await load(good);
  assert.deepEqual(await load(good), first);
  await verify(world, { mno: 'mno-b', transactionId: T3 });
  await assert.rejects(load(good, T3), refused(/spent/));
});

test('an MNO enables only its own profile, and in another’s place only while the grant lasts', async (t) => {
  const world = await setUp(t);
  await install(world, 'mno-a', PROFILE_A, T1);
  await assert.rejects(command(world, 'mno-b', 'enable', PROFILE_A), refused(/another MNO's/));
  await enable(world, 'mno-a', PROFILE_A);
  await assert.rejects(command(world, 'mno-a', 'enable', PROFILE_A), refused(/is enabled/));
  await install(world, 'mno-b', PROFILE_B, T2, grantOf(world));
  await world.clock.advance(3_600_001);
  await assert.rejects(
    command(world, 'mno-b', 'enable', PROFILE_B),
    refused(/not granted the change, or no longer/),
  );
});

test('POL2 of the owner binds everybody', async (t) => {
  const world = await setUp(t);
  await install(world, 'mno-a', PROFILE_A, T1);
  const { eid } = world.euicc;
  const rules = (disableAllowed: boolean, deleteAllowed: boolean) =>
    world.a.updatePolicyRules({
      mno: 'mno-a',
      eid,
      iccid: PROFILE_A,
      pol2: { disableAllowed, deleteAllowed, deleteWhenDisabled: false },
    });
  await rules(true, false);
  await assert.rejects(command(world, 'mno-a', 'delete', PROFILE_A), refused(/POL2 forbids to delete/));
  await enable(world, 'mno-a', PROFILE_A);
  await rules(false, true);
  await assert.rejects(command(world, 'mno-a', 'disable', PROFILE_A), refused(/POL2 forbids to disable/));
  await install(world, 'mno-b', PROFILE_B, T2, grantOf(world));
  await assert.rejects(command(world, 'mno-b', 'enable', PROFILE_B), refused(/POL2 of the enabled profile/));
  await assert.rejects(
    world.b.updatePolicyRules({
      mno: 'mno-b',
      eid,
      iccid: PROFILE_A,
      pol2: { disableAllowed: true, deleteAllowed: true, deleteWhenDisabled: false },
    }),
    refused(/another MNO's/),
  );
});

test('a donor’s profile goes only with its word, and after the eUICC has confirmed the new one', async (t) => {
  const world = await setUp(t);
  await install(world, 'mno-a', PROFILE_A, T1);
  await enable(world, 'mno-a', PROFILE_A);
  await assert.rejects(command(world, 'mno-b', 'delete', PROFILE_A), refused(/is enabled/));
  await assert.rejects(command(world, 'mno-b', 'delete', PROVISIONING), refused(/POL2/));
  await install(world, 'mno-b', PROFILE_B, T2, grantOf(world, { deleteAllowed: false }));
  const { script } = await command(world, 'mno-b', 'enable', PROFILE_B);
  await result(world, 'mno-b', world.card.play(script));
  await assert.rejects(command(world, 'mno-b', 'delete', PROFILE_A), refused(/not granted its deletion/));
});

test('deletion waits for the eUICC’s own word on the profile that replaces the donor’s', async (t) => {
  const world = await setUp(t);
  await install(world, 'mno-a', PROFILE_A, T1);
  await enable(world, 'mno-a', PROFILE_A);
  await install(world, 'mno-b', PROFILE_B, T2, grantOf(world));
  const { script } = await command(world, 'mno-b', 'enable', PROFILE_B);
  await result(world, 'mno-b', world.card.play(script));
  await assert.rejects(command(world, 'mno-b', 'delete', PROFILE_A), refused(/not confirmed/));
  await notify(world, world.card.notification('enable', PROFILE_B));
  await assert.doesNotReject(command(world, 'mno-b', 'delete', PROFILE_A));
});

test('disabling falls back to the provisioning profile, never to none', async (t) => {
  const world = await setUp(t);
  await install(world, 'mno-a', PROFILE_A, T1);
  await enable(world, 'mno-a', PROFILE_A);
  const { script } = await command(world, 'mno-a', 'disable', PROFILE_A);
  assert.equal((await result(world, 'mno-a', world.card.play(script))).ok, true);
  assert.equal(world.card.state.enabled, PROVISIONING);
  assert.deepEqual(await states(world), { [PROVISIONING]: 'enabled', [PROFILE_A]: 'disabled' });
});
