// Verdicts of an SM-SR: what is accepted, what each fault is called, and what is bound to what.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type IdentityFault } from '../issuer/factory.ts';
import { createTestEuicc, testServerSigned1 } from './testing-euicc.ts';
import {
  ec,
  IMEI,
  OTHER_IMEI,
  T1,
  T2,
  T3,
  strangeEuicc,
  setUp,
  verify,
  failures,
  secure,
  refused,
} from './testing-world.ts';

test('a good eUICC is accepted, and its facts go into the EIS with their source', async (t) => {
  const world = await setUp(t);
  const verdict = await verify(world);
  assert.deepEqual(failures(verdict), []);
  assert.equal(verdict.accepted, true);
  const eis = await world.a.getEis(world.euicc.eid);
  assert.equal(eis.imei, IMEI);
  assert.deepEqual(
    eis.provenance
      .filter(({ field }) => field === 'imei' || field === 'euiccInfo2')
      .map(({ source }) => source),
    ['eUICC, to mno-a', 'eUICC, to mno-a'],
  );
});

const FAULTS: Readonly<Record<IdentityFault, readonly string[]>> = {
  untrusted: ['issuer trusted', 'EUM certificate signature'],
  expired: ['validity dates'],
  revoked: ['not revoked'],
  'wrong-eid': ['EID of the certificate'],
};
for (const [fault, expected] of Object.entries(FAULTS)) {
  test(`an eUICC made ${fault} is refused for that, and nothing follows from it`, async (t) => {
    const world = await setUp(t, { fault: fault as IdentityFault });
    assert.deepEqual(failures(await verify(world)), expected);
    await assert.rejects(secure(world), refused(/verdict/));
    assert.equal((await world.a.getEis(world.euicc.eid)).imei, undefined);
  });
}

test('words that were signed for another session, device or card are no proof', async (t) => {
  const world = await setUp(t);
  const { eid } = world.euicc;
  const ours = testServerSigned1(T1);
  const ask = (transactionId: Uint8Array, authenticateServerResponse: Uint8Array, imei = IMEI) =>
    world.a.verifyEuicc({
      mno: 'mno-a',
      eid,
      imei,
      transactionId,
      serverSigned1: testServerSigned1(transactionId),
      authenticateServerResponse,
    });
  const replayed = world.card.authenticateServer(testServerSigned1(T1, 8), IMEI);
  assert.deepEqual(failures(await ask(T1, replayed)), ['fresh challenge']);
  const fromOther = world.card.authenticateServer(ours, IMEI);
  assert.deepEqual(failures(await ask(T2, fromOther)), ['fresh challenge']);
  const ofAnother = await world.a.verifyEuicc({
    mno: 'mno-a',
    eid,
    imei: IMEI,
    transactionId: new Uint8Array(16).fill(7),
    serverSigned1: ours,
    authenticateServerResponse: fromOther,
  });
  assert.deepEqual(failures(ofAnother), ['fresh challenge']);
  const otherDevice = world.card.authenticateServer(testServerSigned1(T3), OTHER_IMEI);
  assert.deepEqual(failures(await ask(T3, otherDevice)), ['device identity']);
  const stranger = createTestEuicc({ ec, euicc: strangeEuicc() });
  const t4 = new Uint8Array(16).fill(4);
  assert.deepEqual(failures(await ask(t4, stranger.authenticateServer(testServerSigned1(t4), IMEI))), [
    'EID of the certificate',
    'certificates as registered',
  ]);
  const t5 = new Uint8Array(16).fill(5);
  const forged = world.card.authenticateServer(testServerSigned1(t5), IMEI);
  forged[forged.indexOf(0x5f) + 10] = (forged[forged.indexOf(0x5f) + 10] ?? 0) ^ 1;
  assert.equal((await ask(t5, forged)).accepted, false);
  assert.deepEqual(failures(await ask(new Uint8Array(16).fill(6), new Uint8Array([0xbf, 0x38, 0]))), [
    'response readable',
  ]);
});

test('an eUICC that nobody registered, or with firmware on the deny-list, is refused', async (t) => {
  const world = await setUp(t, { deniedFirmware: ['1.0.0'] });
  assert.deepEqual(failures(await verify(world)), ['firmware']);
  const strange = strangeEuicc();
  const card = createTestEuicc({ ec, euicc: strange, firmware: '2.0.0' });
  const serverSigned1 = testServerSigned1(T2);
  const verdict = await world.a.verifyEuicc({
    mno: 'mno-a',
    eid: strange.eid,
    imei: IMEI,
    transactionId: T2,
    serverSigned1,
    authenticateServerResponse: card.authenticateServer(serverSigned1, IMEI),
  });
  assert.deepEqual(failures(verdict), ['EIS status', 'certificates as registered']);
});

test('a transaction is judged once: the same evidence gets the same verdict, other evidence a refusal', async (t) => {
  const world = await setUp(t);
  const serverSigned1 = testServerSigned1(T1);
  const request = {
    mno: 'mno-a',
    eid: world.euicc.eid,
    imei: IMEI,
    transactionId: T1,
    serverSigned1,
    authenticateServerResponse: world.card.authenticateServer(serverSigned1, IMEI),
  };
  const first = await world.a.verifyEuicc(request);
  await world.service.administration.setStatus(world.euicc.eid, 'locked', 'stolen');
  assert.deepEqual(await world.a.verifyEuicc(request), first);
  const other = {
    ...request,
    authenticateServerResponse: world.card.authenticateServer(serverSigned1, IMEI),
  };
  await assert.rejects(world.a.verifyEuicc(other), refused(/other evidence/));
});

test('an eUICC that proves itself in a second device is quarantined, and its first device with it', async (t) => {
  const world = await setUp(t);
  await verify(world);
  assert.deepEqual(failures(await verify(world, { transactionId: T2, imei: OTHER_IMEI })), [
    'one device for the EID',
  ]);
  assert.equal((await world.a.getEis(world.euicc.eid)).status, 'quarantined');
  assert.deepEqual(failures(await verify(world, { transactionId: T3 })), ['EIS status']);
  await assert.rejects(secure(world), refused(/quarantined/));
});

test('a claim to another device without proof quarantines nobody', async (t) => {
  const world = await setUp(t);
  await verify(world);
  const serverSigned1 = testServerSigned1(T2);
  const answer = world.card.authenticateServer(serverSigned1, OTHER_IMEI);
  const at = answer.length - world.euicc.eumCertificate.length - world.euicc.euiccCertificate.length - 10;
  answer[at] = (answer[at] ?? 0) ^ 0x01;
  const verdict = await world.a.verifyEuicc({
    mno: 'mno-a',
    eid: world.euicc.eid,
    imei: OTHER_IMEI,
    transactionId: T2,
    serverSigned1,
    authenticateServerResponse: answer,
  });
  assert.deepEqual(failures(verdict), ['proof of possession', 'one device for the EID']);
  assert.equal((await world.a.getEis(world.euicc.eid)).status, 'ok');
});
