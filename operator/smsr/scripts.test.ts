// Scripts of an SM-SR under the second layer, from their making to the card's answer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../base/bytes.ts';
import { decodeCommandScript, decodeResponseScript, encodeResponseScript } from '../../codec/script.ts';
import { createTestEuicc, testBoundProfilePackage } from './testing-euicc.ts';
import {
  ec,
  PROVISIONING,
  PROFILE_A,
  T1,
  T2,
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
} from './testing-world.ts';

test('a load: the card takes every block under the second layer, and only its signed result changes the EIS', async (t) => {
  const world = await setUp(t);
  await verify(world);
  const { script, rollback } = await secure(world);
  assert.equal(rollback, undefined);
  assert.deepEqual(await states(world), { [PROVISIONING]: 'enabled' });
  world.card.state.arriving = PROFILE_A;
  const answer = world.card.play(script);
  assert.deepEqual(world.card.state.loaded, testBoundProfilePackage(T1));
  assert.equal(world.card.state.sequenceCounter, 1);
  const lengths = decodeCommandScript(script).map((apdu) => apdu.length);
  assert.ok(Math.max(...lengths) <= 5 + 255);
  const played = await result(world, 'mno-a', answer);
  assert.equal(played.ok, true);
  assert.equal(played.lastSw, 0x9000);
  assert.deepEqual(await states(world), { [PROVISIONING]: 'enabled' });
  assert.deepEqual(await result(world, 'mno-a', answer), played);
  const pir = played.responses.at(-1)?.subarray(0, -2) ?? new Uint8Array();
  assert.deepEqual(await notify(world, pir), {
    verified: true,
    event: 'install',
    iccid: PROFILE_A,
    seqNumber: 1,
  });
  assert.deepEqual(await states(world), { [PROVISIONING]: 'enabled', [PROFILE_A]: 'disabled' });
});

test('the same package again gets the same script until the card has answered it', async (t) => {
  const world = await setUp(t);
  await verify(world);
  const first = await secure(world);
  assert.deepEqual(await secure(world), first);
  world.card.state.arriving = PROFILE_A;
  await result(world, 'mno-a', world.card.play(first.script));
  assert.notDeepEqual(await secure(world), first);
});

test('a load needs the accepted verdict of its own MNO, eUICC and transaction', async (t) => {
  const world = await setUp(t);
  await assert.rejects(secure(world), refused(/no verdict/));
  await verify(world);
  await assert.rejects(secure(world, { mno: 'mno-b' }), refused(/no verdict/));
  await assert.rejects(secure(world, { transactionId: T2 }), refused(/no verdict/));
  const request = { mno: 'mno-a', eid: world.euicc.eid, transactionId: T1, iccid: PROFILE_A };
  await assert.rejects(
    world.a.secureProfile({ ...request, boundProfilePackage: testBoundProfilePackage(T2) }),
    refused(/another transaction/),
  );
  await world.service.administration.setStatus(world.euicc.eid, 'locked', 'stolen');
  await assert.rejects(secure(world), refused(/locked.*stolen/));
});

test('enabling under protected responses, with a proactive command waiting, and its rollback for the next counter', async (t) => {
  const world = await setUp(t);
  await install(world, 'mno-a', PROFILE_A, T1);
  const job = await command(world, 'mno-a', 'enable', PROFILE_A);
  assert.ok(job.rollback);
  assert.deepEqual(await command(world, 'mno-a', 'enable', PROFILE_A), job);
  world.card.state.success = 0x910b;
  const answer = world.card.play(job.script);
  assert.equal(world.card.state.enabled, PROFILE_A);
  world.card.play(job.rollback);
  assert.equal(world.card.state.enabled, PROVISIONING);
  const played = await result(world, 'mno-a', answer, true);
  assert.deepEqual([played.ok, played.lastSw], [true, 0x910b]);
  assert.equal((await states(world))[PROVISIONING], 'enabled');
  await enable(world, 'mno-a', PROFILE_A);
  assert.equal(world.card.state.enabled, PROFILE_A);
});

test('after a rollback the report of the rollback itself is understood, and the counter is past both', async (t) => {
  const world = await setUp(t);
  await install(world, 'mno-a', PROFILE_A, T1);
  const job = await command(world, 'mno-a', 'enable', PROFILE_A);
  world.card.play(job.script);
  const played = await result(world, 'mno-a', world.card.play(job.rollback ?? new Uint8Array()), true);
  assert.deepEqual([played.ok, played.reason], [true, undefined]);
  assert.deepEqual(await states(world), { [PROVISIONING]: 'enabled', [PROFILE_A]: 'disabled' });
  await enable(world, 'mno-a', PROFILE_A);
  assert.deepEqual(await states(world), { [PROVISIONING]: 'disabled', [PROFILE_A]: 'enabled' });
});

test('what the function itself refuses is no success, whatever the status word', async (t) => {
  const world = await setUp(t);
  await install(world, 'mno-a', PROFILE_A, T1);
  const { script } = await command(world, 'mno-a', 'enable', PROFILE_A);
  world.card.state.enableResult = 'disallowedByPolicy';
  const played = await result(world, 'mno-a', world.card.play(script));
  assert.deepEqual([played.ok, played.reason], [false, 'disallowedByPolicy']);
  assert.equal((await states(world))[PROFILE_A], 'disabled');
});

test('a response that was changed on its way is not believed', async (t) => {
  const world = await setUp(t);
  await install(world, 'mno-a', PROFILE_A, T1);
  const { script } = await command(world, 'mno-a', 'enable', PROFILE_A);
  const { executed, responses } = decodeResponseScript(world.card.play(script));
  const last = responses.at(-1) ?? new Uint8Array();
  const changed = last.map((octet, i) => (i === 3 ? octet ^ 1 : octet));
  const played = await result(
    world,
    'mno-a',
    encodeResponseScript({ executed, responses: [...responses.slice(0, -1), changed] }),
  );
  assert.equal(played.ok, false);
  assert.match(played.reason ?? '', /SCP03_SECURITY/);
  assert.equal((await states(world))[PROFILE_A], 'disabled');
});

test('a card at another counter is found out by its own proof, and the next script fits', async (t) => {
  const world = await setUp(t, { sequenceCounter: 41 });
  await verify(world);
  const { script } = await secure(world);
  const answer = world.card.play(script);
  const played = await result(world, 'mno-a', answer);
  assert.deepEqual([played.ok, played.resynchronised], [false, true]);
  assert.match(played.reason ?? '', /counter 41, expected 0/);
  assert.deepEqual(await result(world, 'mno-a', answer), played);
  world.card.state.arriving = PROFILE_A;
  assert.equal((await result(world, 'mno-a', world.card.play((await secure(world)).script))).ok, true);
});

test('a counter without the card’s cryptogram moves nothing', async (t) => {
  const world = await setUp(t);
  await verify(world);
  const { script } = await secure(world);
  const liar = createTestEuicc({
    ec,
    euicc: strangeEuicc(),
    sequenceCounter: 900,
  });
  const played = await result(world, 'mno-a', liar.play(script));
  assert.deepEqual([played.ok, played.resynchronised], [false, undefined]);
  assert.match(played.reason ?? '', /cryptogram/);
  world.card.state.sequenceCounter = 1;
  world.card.state.arriving = PROFILE_A;
  assert.equal((await result(world, 'mno-a', world.card.play((await secure(world)).script))).ok, true);
});

test('a counter that the device made up does not fit the card’s challenge and moves nothing', async (t) => {
  const world = await setUp(t);
  await verify(world);
  const { script } = await secure(world);
  world.card.state.arriving = PROFILE_A;
  const { executed, responses } = decodeResponseScript(world.card.play(script));
  const [first = new Uint8Array(), ...others] = responses;
  const forged = first.map((octet, i) => (i === first.length - 3 ? 77 : octet));
  const played = await result(
    world,
    'mno-a',
    encodeResponseScript({ executed, responses: [forged, ...others] }),
  );
  assert.deepEqual([played.ok, played.resynchronised], [false, undefined]);
  assert.match(played.reason ?? '', /cryptogram/);
});

test('reports that are empty, unreadable, cut short or another MNO’s are values, not faults', async (t) => {
  const world = await setUp(t);
  await verify(world);
  await secure(world);
  assert.match((await result(world, 'mno-a', new Uint8Array([0xab, 5]))).reason ?? '', /TLV/);
  assert.match(
    (await result(world, 'mno-b', encodeResponseScript({ executed: 0, responses: [] }))).reason ?? '',
    /no script/,
  );
  const { script } = await secure(world);
  const { responses } = decodeResponseScript(world.card.play(script));
  const cut = encodeResponseScript({ executed: 5, responses: responses.slice(0, 5) });
  const played = await result(world, 'mno-a', cut);
  assert.deepEqual([played.ok, played.executed], [false, 5]);
  assert.match(played.reason ?? '', /commands were not executed/);
  await secure(world);
  assert.match((await result(world, 'mno-a', new Uint8Array())).reason ?? '', /nothing is known/);
});

test('no management or session key stands in the database or in a script in the clear', async (t) => {
  const world = await setUp(t);
  await install(world, 'mno-a', PROFILE_A, T1);
  const { script, rollback } = await command(world, 'mno-a', 'enable', PROFILE_A);
  const rows = await world.store.read((reader) => reader.selectFrom('eisKeys').selectAll().execute());
  const seen = [script, rollback ?? new Uint8Array(), ...rows.map(({ sealed }) => sealed)]
    .map(toHex)
    .join(' ');
  const { enc, mac, dek } = world.euicc.isdRKeys;
  const secrets = [enc, mac, dek].map((key) => key.reveal()).concat(world.secrets);
  assert.equal(world.secrets.length, 9);
  for (const secret of secrets) assert.equal(seen.includes(toHex(secret)), false);
});
