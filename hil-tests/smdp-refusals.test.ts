// What an SM-DP refuses of an eUICC, and an eUICC of an SM-DP's package.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, utf8Bytes } from '../base/bytes.ts';
import { encodeTlv } from '../codec/ber-tlv.ts';
import { AuthenticateServerResponse } from '../codec/rsp/authenticate-server.ts';
import { bppSegments } from '../codec/rsp/bpp.ts';
import { EuiccSigned2, PrepareDownloadResponse } from '../codec/rsp/prepare-download.ts';
import type { Verdict } from '../crypto/verdict.ts';
import { finalResultOf } from './rsp-card.ts';
import {
  authenticated,
  bound,
  code,
  ec,
  installedOn,
  prepared,
  random,
  stateOf,
  world,
} from './smdp-world.ts';

test('without an accepted verdict nothing is signed and nothing is built', async (t) => {
  const w = await world(t);
  const device = w.newCard();
  const request = await authenticated(w, device);
  const { iccid } = await w.smdp.downloadOrder({ eid: device.eid, orderId: 'order 1' });
  const verdicts: Verdict[] = [
    { accepted: false, checks: [{ name: 'not revoked', ok: false }] },
    { accepted: true, checks: [{ name: 'not revoked', ok: false }] },
    { accepted: true, checks: [] },
  ];
  for (const verdict of verdicts) {
    await assert.rejects(
      w.smdp.authenticateClient({ ...request, iccid, verdict }),
      code('REFUSED', /no accepted verdict/),
    );
  }
  await assert.rejects(
    w.smdp.getBoundProfilePackage({
      transactionId: request.transactionId,
      prepareDownloadResponse: Uint8Array.of(),
    }),
    code('REFUSED', /not ready/),
  );
  assert.equal(await w.smdp.profilesBuilt(), 0);
  assert.equal(await stateOf(w, iccid), 'reserved');
});

test('a bad identity is refused by the SM-DP too, whatever verdict it is told', async (t) => {
  const w = await world(t);
  const expected = {
    untrusted: /issuer trusted/,
    expired: /validity dates/,
    'wrong-eid': /EID of the certificate/,
  } as const;
  for (const [fault, why] of Object.entries(expected)) {
    const device = w.newCard(fault as keyof typeof expected);
    const request = await authenticated(w, device);
    const { iccid } = await w.smdp.downloadOrder({ eid: device.eid, orderId: fault });
    await assert.rejects(w.smdp.authenticateClient({ ...request, iccid }), code('REFUSED', why), fault);
  }
});

/** The same answer with one octet of `member` changed. */
function damaged(
  response: Uint8Array,
  type: typeof AuthenticateServerResponse | typeof PrepareDownloadResponse,
  member: string,
): Uint8Array {
  const decoded = type.decode(response) as { is: string; value: Record<string, Uint8Array> };
  const octets = Uint8Array.from(decoded.value[member] ?? concat());
  const at = octets.length - 1;
  octets[at] = (octets[at] ?? 0) ^ 1;
  const value = { ...decoded.value, [member]: octets };
  return (type as { encode(value: unknown): Uint8Array }).encode({ ...decoded, value });
}

test('an answer to the server that is signed wrongly, foreign or an error is refused', async (t) => {
  const w = await world(t);
  const device = w.newCard();
  const { smdp } = w;
  const { iccid } = await smdp.downloadOrder({ eid: device.eid, orderId: 'order 1' });
  const stale = await authenticated(w, device);
  const request = { ...(await authenticated(w, device)), iccid };
  const good = request.authenticateServerResponse;
  const refuses = async (authenticateServerResponse: Uint8Array, why: RegExp): Promise<void> => {
    await assert.rejects(
      smdp.authenticateClient({ ...request, authenticateServerResponse }),
      code('REFUSED', why),
    );
  };
  await refuses(damaged(good, AuthenticateServerResponse, 'euiccSignature1'), /proof of possession/);
  await refuses(damaged(good, AuthenticateServerResponse, 'euiccSigned1'), /proof of possession/);
  await refuses(damaged(good, AuthenticateServerResponse, 'euiccCertificate'), /eUICC certificate signature/);
  await refuses(damaged(good, AuthenticateServerResponse, 'eumCertificate'), /EUM certificate signature/);
  await refuses(stale.authenticateServerResponse, /another transaction/);
  const error = w.newCard().card.authenticateServer(request.answer);
  await refuses(error, /the eUICC refused/);
  await assert.rejects(
    smdp.authenticateClient({ ...request, authenticateServerResponse: good.subarray(0, 40) }),
    code('TLV_INVALID'),
  );
  await assert.rejects(
    smdp.authenticateClient({ ...request, transactionId: random.bytes(16) }),
    code('NOT_FOUND'),
  );
  assert.ok(await smdp.authenticateClient(request));
  await refuses(damaged(good, AuthenticateServerResponse, 'euiccSignature1'), /authenticated already/);
});

test('a profile goes only to the eUICC that it is reserved for', async (t) => {
  const w = await world(t);
  const [a, b] = [w.newCard(), w.newCard()];
  const { iccid } = await w.smdp.downloadOrder({ eid: a.eid, orderId: 'order 1' });
  const asB = await authenticated(w, b);
  await assert.rejects(
    w.smdp.authenticateClient({ ...asB, iccid }),
    code('REFUSED', /no profile is reserved/),
  );
  await assert.rejects(
    w.smdp.authenticateClient({ ...asB, eid: a.eid, iccid }),
    code('REFUSED', /EID of the certificate/),
  );
  const { iccid: own } = await w.smdp.downloadOrder({ eid: b.eid, orderId: 'order 2' });
  await w.smdp.authenticateClient({ ...asB, iccid: own });
  await assert.rejects(
    w.smdp.authenticateClient({ ...asB, iccid }),
    code('REFUSED', /authenticated already/),
  );
  assert.equal(await w.smdp.profilesBuilt(), 0);
});

test('a one-time key that is signed wrongly, foreign or off the curve is refused and nothing is built', async (t) => {
  const w = await world(t);
  const device = w.newCard();
  const other = await prepared(w, w.newCard(), 'order 2');
  const { transactionId, prepareDownloadResponse, answer } = await prepared(w, device);
  const refuses = (response: Uint8Array, why: RegExp) =>
    assert.rejects(
      w.smdp.getBoundProfilePackage({ transactionId, prepareDownloadResponse: response }),
      code('REFUSED', why),
    );
  for (const member of ['euiccSigned2', 'euiccSignature2']) {
    await refuses(damaged(prepareDownloadResponse, PrepareDownloadResponse, member), /euiccSignature2/);
  }
  await refuses(other.prepareDownloadResponse, /another transaction/);
  const euiccOtpk = new Uint8Array(65).fill(1);
  euiccOtpk[0] = 4;
  const euiccSigned2 = EuiccSigned2.encode({ transactionId, euiccOtpk });
  const { curve, privateKey } = device.euicc.euiccKey;
  const euiccSignature2 = ec.sign(curve, privateKey, concat(euiccSigned2, answer.smdpSignature2));
  const offCurve = { is: 'downloadResponseOk', value: { euiccSigned2, euiccSignature2 } } as const;
  await refuses(PrepareDownloadResponse.encode(offCurve), /no key of the curve/);
  const value = { transactionId, downloadErrorCode: 'invalidSignature' } as const;
  await refuses(PrepareDownloadResponse.encode({ is: 'downloadResponseError', value }), /the eUICC refused/);
  await assert.rejects(
    w.smdp.getBoundProfilePackage({ transactionId: random.bytes(16), prepareDownloadResponse }),
    code('NOT_FOUND'),
  );
  assert.equal(await w.smdp.profilesBuilt(), 0);
  const { boundProfilePackage } = await w.smdp.getBoundProfilePackage({
    transactionId,
    prepareDownloadResponse,
  });
  await refuses(other.prepareDownloadResponse, /another one-time key/);
  assert.equal(finalResultOf(await device.card.load(boundProfilePackage)).is, 'successResult');
});

test('an eUICC that does not know the CI is told so before a session begins', async (t) => {
  const [ours, theirs] = [await world(t), await world(t)];
  const { card } = theirs.newCard();
  await assert.rejects(
    ours.smdp.initiateAuthentication({
      euiccChallenge: card.getEuiccChallenge(),
      euiccInfo1: card.euiccInfo1,
    }),
    code('REFUSED', /no common certificate issuer/),
  );
});

test('a change in any member of the package is found by the eUICC and named in its signed result', async (t) => {
  const w = await world(t);
  /** Which segment, and what the eUICC says of it. */
  const expected = [
    [0, 'initialiseSecureChannel', 'invalidSignature'],
    [1, 'configureISDP', 'scp03tSecurityError'],
    [3, 'storeMetadata', 'scp03tSecurityError'],
    [4, 'replaceSessionKeys', 'scp03tSecurityError'],
    [6, 'loadProfileElements', 'scp03tSecurityError'],
    [-1, 'loadProfileElements', 'scp03tSecurityError'],
  ] as const;
  for (const [i, [segment, bppCommandId, errorReason]] of expected.entries()) {
    const device = w.newCard();
    const { boundProfilePackage, iccid } = await bound(w, device, `order ${i}`);
    const pieces = bppSegments(boundProfilePackage).map((piece) => Uint8Array.from(piece));
    const piece = pieces.at(segment);
    assert.ok(piece);
    piece[piece.length - 1] = (piece.at(-1) ?? 0) ^ 1;
    const result = await device.card.load(boundProfilePackage, pieces);
    assert.deepEqual(finalResultOf(result), {
      is: 'errorResult',
      value: { bppCommandId, errorReason },
    });
    assert.deepEqual(device.card.installed, []);
    assert.deepEqual(await w.smdp.handleNotification(result), { verified: true });
    assert.equal(await stateOf(w, iccid), 'reserved');
  }
});

test('the package is of no use to another eUICC or with another one-time key', async (t) => {
  const w = await world(t);
  const [a, b] = [w.newCard(), w.newCard()];
  const { boundProfilePackage } = await bound(w, a, 'order 1');
  await bound(w, b, 'order 2');
  assert.deepEqual(finalResultOf(await b.card.load(boundProfilePackage)), {
    is: 'errorResult',
    value: { bppCommandId: 'initialiseSecureChannel', errorReason: 'invalidSignature' },
  });
});

test('a notification or result that the eUICC did not sign so is not verified and changes nothing', async (t) => {
  const w = await world(t);
  const [device, stranger] = [w.newCard(), w.newCard()];
  const { boundProfilePackage, iccid } = await bound(w, device);
  const result = await device.card.load(boundProfilePackage);
  const unverified = async (notification: Uint8Array): Promise<void> => {
    assert.deepEqual(await w.smdp.handleNotification(notification), { verified: false });
    assert.equal(await stateOf(w, iccid), 'downloaded');
  };
  const changed = (bytes: Uint8Array, at: number): Uint8Array =>
    bytes.map((octet, i) => (i === (at + bytes.length) % bytes.length ? octet ^ 1 : octet));
  await unverified(changed(result, -1));
  await unverified(changed(result, -80));
  const profile = installedOn(device.card);
  await unverified(stranger.card.notification('notificationEnable', profile));
  const enable = device.card.notification('notificationEnable', profile);
  await unverified(changed(enable, 20));
  await unverified(changed(enable, -1));
  await unverified(concat());
  await unverified(enable.subarray(0, 30));
  await unverified(encodeTlv(0xbf37, utf8Bytes('?')));
  assert.deepEqual(await w.smdp.handleNotification(enable), { verified: true });
  assert.equal(await stateOf(w, iccid), 'enabled');
});
