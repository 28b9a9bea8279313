// Registration, notifications and firewall of an SM-SR.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAgentError } from '../../base/errors.ts';
import { OtherSignedNotification } from '../../codec/rsp/notifications.ts';
import { createTestEuicc } from './testing-euicc.ts';
import {
  ec,
  PROVISIONING,
  PROFILE_A,
  T1,
  strangeEuicc,
  setUp,
  verify,
  secure,
  notify,
  states,
  refused,
  install,
} from './testing-world.ts';

test('a package that was not installed leaves no profile in the EIS', async (t) => {
  const world = await setUp(t);
  await verify(world);
  await secure(world);
  const pir = world.card.installationResult(PROFILE_A, false);
  assert.deepEqual(await notify(world, pir), { verified: true, iccid: PROFILE_A, seqNumber: 1 });
  assert.equal((await states(world))[PROFILE_A], 'deleted');
  await assert.doesNotReject(secure(world));
});

test('notifications: unsigned, foreign and reused numbers are refused, late ones find their place', async (t) => {
  const world = await setUp(t);
  await install(world, 'mno-a', PROFILE_A, T1);
  const enabled = world.card.notification('enable', PROFILE_A, 11);
  const disabledAgain = world.card.notification('disable', PROFILE_A, 12);
  const enabledAtLast = world.card.notification('enable', PROFILE_A, 13);
  assert.equal((await notify(world, disabledAgain)).verified, true);
  assert.equal((await states(world))[PROFILE_A], 'disabled');
  assert.equal((await notify(world, enabled)).verified, true);
  assert.equal((await states(world))[PROFILE_A], 'disabled');
  assert.equal((await notify(world, enabledAtLast)).verified, true);
  assert.equal((await states(world))[PROFILE_A], 'enabled');
  assert.deepEqual(await notify(world, enabled), {
    verified: true,
    event: 'enable',
    iccid: PROFILE_A,
    seqNumber: 11,
  });
  assert.equal((await states(world))[PROFILE_A], 'enabled');
  assert.deepEqual(await notify(world, world.card.notification('delete', PROFILE_A, 13)), {
    verified: false,
  });
  const genuine = OtherSignedNotification.decode(world.card.notification('delete', PROFILE_A, 14));
  const signature = genuine.euiccNotificationSignature.map((octet, i) => (i === 40 ? octet ^ 1 : octet));
  const forged = OtherSignedNotification.encode({ ...genuine, euiccNotificationSignature: signature });
  assert.deepEqual(await notify(world, forged), { verified: false });
  const { euiccCertificate } = strangeEuicc();
  const borrowed = OtherSignedNotification.encode({ ...genuine, euiccCertificate });
  assert.deepEqual(await notify(world, borrowed), { verified: false });
  const stranger = createTestEuicc({ ec, euicc: strangeEuicc() });
  assert.deepEqual(await notify(world, stranger.notification('delete', PROFILE_A, 15)), { verified: false });
  assert.deepEqual(await notify(world, new Uint8Array([0x30, 0])), { verified: false });
  assert.equal((await states(world))[PROFILE_A], 'enabled');
});

test('the firewall lets nobody in without a rule, and nobody speak in another’s name', async (t) => {
  const world = await setUp(t);
  const { eid } = world.euicc;
  const { administration } = world.service;
  await assert.rejects(world.service.as('mno-c').getEis(eid), refused(/allow-list/));
  await administration.allow({ peer: 'mno-c', eid, functions: ['getEis'] });
  assert.equal((await world.service.as('mno-c').getEis(eid)).eid, eid);
  await assert.rejects(
    world.service.as('mno-c').handleNotification({ eid, pendingNotification: new Uint8Array() }),
    refused(/allow-list/),
  );
  const elsewhere = strangeEuicc().eid;
  await assert.rejects(world.service.as('mno-c').getEis(elsewhere), refused(/allow-list/));
  await administration.disallow({ peer: 'mno-c', eid, functions: ['getEis'] });
  await assert.rejects(world.service.as('mno-c').getEis(eid), refused(/allow-list/));
  await assert.rejects(
    world.a.profileCommand({ mno: 'mno-b', eid, iccid: PROVISIONING, command: 'enable' }),
    refused(/another MNO's name/),
  );
  await assert.rejects(world.a.getEis(elsewhere), (thrown) => isAgentError(thrown, 'NOT_FOUND'));
});

test('an EID is registered once: the same again is nothing new, another certificate a conflict', async (t) => {
  const world = await setUp(t);
  await assert.doesNotReject(world.service.registerEis(world.registration));
  const other = strangeEuicc();
  await assert.rejects(
    world.service.registerEis({ ...world.registration, euiccCertificate: other.euiccCertificate }),
    (thrown) => isAgentError(thrown, 'CONFLICT'),
  );
});
