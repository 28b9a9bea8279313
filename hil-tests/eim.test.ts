// An eIM with a real key and an IoT eUICC, over the octets that an IPA would carry: a whole life, with the network lost.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { createSeededRandom } from '../base/random.ts';
import { GetCertsRequest, GetCertsResponse } from '../codec/rsp/euicc-info.ts';
import {
  NotificationSentRequest,
  RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse,
} from '../codec/rsp/notifications.ts';
import { EimAcknowledgements } from '../codec/rsp/sgp32-data.ts';
import { AddInitialEimRequest, AddInitialEimResponse } from '../codec/rsp/sgp32-eim.ts';
import { ProfileRollbackRequest, ProfileRollbackResponse } from '../codec/rsp/sgp32-profile.ts';
import { verifyEuicc } from '../crypto/chain.ts';
import { KEY_USAGE, parseCertificate } from '../crypto/x509.ts';
import { A, B, iotProfiles, P } from '../euicc/testing/eim.ts';
import { TEST_EID } from '../euicc/testing/pki.ts';
import { profileStates } from '../euicc/testing/results.ts';
import { type IsdRChannel, openIsdR } from '../euicc/testing/terminal.ts';
import { createWorld, ec, type World } from '../euicc/testing/world.ts';
import {
  type Association,
  eimConfiguration,
  type EimIdentity,
  judgeResult,
  type Judged,
  type Operations,
  signPackage,
} from '../operator/eim/eim.ts';

/** An eIM's side of one eUICC: each association is stored before its package leaves. */
type Eim = { readonly identity: EimIdentity; stored: Association };

const random = createSeededRandom(32);

function newIdentity(world: World, eimId: string): EimIdentity {
  const key = ec.generate('P-256');
  const { certificate } = world.pki.issue({
    publicKey: key.publicKey,
    subject: { organization: 'Operator', commonName: eimId },
    keyUsage: [KEY_USAGE.digitalSignature],
  });
  return { eimId, key, certificate };
}

/** The key of the card, from certificates that are verified up to the CI. */
async function euiccKeyOf(world: World, isdR: IsdRChannel): Promise<Association['euiccKey']> {
  const answer = GetCertsResponse.decode(await isdR.es10(GetCertsRequest.encode({})));
  assert.ok(answer.is === 'certs');
  const { euiccCertificate, eumCertificate } = answer.value;
  const { checks } = verifyEuicc(
    ec,
    {
      eid: TEST_EID,
      euiccCertificate,
      eumCertificate,
      proof: { signed: new Uint8Array(0), signature: new Uint8Array(0), challengeMatches: false },
    },
    {
      trustedCis: [world.pki.ci],
      crls: [],
      at: Date.UTC(2026, 6, 1),
      eisStatus: 'ok',
      deniedFirmware: [],
    },
  );
  const failed = checks.filter(({ ok }) => !ok).map(({ name }) => name);
  assert.deepEqual(failed, ['fresh challenge', 'proof of possession']);
  const { curve, publicKey } = parseCertificate(euiccCertificate);
  return { curve, publicKey };
}

function send(eim: Eim, operations: Operations): Uint8Array {
  const { association, request } = signPackage(ec, eim.identity, eim.stored, operations, random.bytes(16));
  eim.stored = association;
  return request;
}

function judge(eim: Eim, result: Uint8Array): Judged {
  const judged = judgeResult(ec, eim.identity, eim.stored, result);
  if ('association' in judged) eim.stored = judged.association;
  return judged;
}

async function acknowledge(isdR: IsdRChannel, judged: Judged): Promise<void> {
  assert.ok(judged.is === 'result');
  for (const { value: seqNumber } of EimAcknowledgements.decode(judged.acknowledgements)) {
    const answer = await isdR.es10(NotificationSentRequest.encode({ seqNumber }));
    assert.equal(toHex(answer), 'BF3003800100');
  }
}

async function keptResults(isdR: IsdRChannel): Promise<readonly Uint8Array[]> {
  const request = RetrieveNotificationsListRequest.encode({
    searchCriteria: { is: 'euiccPackageResults', value: true },
  });
  const answer = RetrieveNotificationsListResponse.decode(await isdR.es10(request));
  return answer.is === 'euiccPackageResultList' ? answer.value : [];
}

test('a device changes its profile for its eIM, loses the network, goes back, and the eIM learns it', async () => {
  const world = await createWorld({ profiles: await iotProfiles() });
  let isdR = await openIsdR(world.card);
  const euiccKey = await euiccKeyOf(world, isdR);
  const fresh = { eid: TEST_EID, euiccKey, counterValue: 0, associationToken: 0, seqNumber: 0 };
  const first: Eim = { identity: newIdentity(world, 'first.example.com'), stored: fresh };
  const second: Eim = { identity: newIdentity(world, 'second.example.com'), stored: fresh };

  // The device is given its first eIM where it is made.
  const initial = eimConfiguration(first.identity, { counterValue: 0, wantsToken: true });
  const added = AddInitialEimResponse.decode(
    await isdR.es10(AddInitialEimRequest.encode({ eimConfigurationDataList: [initial] })),
  );
  assert.ok(added.is === 'addInitialEimOk' && added.value[0]?.is === 'associationToken');
  first.stored = { ...first.stored, associationToken: added.value[0].value };

  // The first eIM introduces the second one.
  const value = eimConfiguration(second.identity, { counterValue: 10, wantsToken: true });
  const introduced = judge(
    first,
    await isdR.es10(
      send(first, {
        ecoList: [
          { is: 'addEim', value },
          { is: 'listEim', value: {} },
        ],
      }),
    ),
  );
  assert.ok(introduced.is === 'result');
  const [given] = introduced.results;
  assert.ok(given?.is === 'addEimResult' && given.value.is === 'associationToken');
  assert.equal(given.value.value, 2);
  await acknowledge(isdR, introduced);
  second.stored = { ...second.stored, counterValue: 10, associationToken: given.value.value };

  // The second one switches to a profile that has no network; the result cannot be delivered.
  const lost = await isdR.es10(
    send(second, { psmoList: [{ is: 'enable', value: { iccid: A, rollbackFlag: true } }] }),
  );
  await world.reopen();
  isdR = await openIsdR(world.card);
  assert.deepEqual(await profileStates(isdR), { [P]: 'disabled', [A]: 'enabled', [B]: 'disabled' });
  assert.deepEqual((await keptResults(isdR)).map(toHex), [toHex(lost)]);

  // The IPA asks for the rollback; power is lost before anybody hears of it.
  const rollback = ProfileRollbackResponse.decode(
    await isdR.es10(ProfileRollbackRequest.encode({ refreshFlag: false })),
  );
  assert.equal(rollback.cmdResult, 'ok');
  await world.reopen();
  isdR = await openIsdR(world.card);
  assert.deepEqual(await profileStates(isdR), { [P]: 'enabled', [A]: 'disabled', [B]: 'disabled' });

  // The network is back: the one result that is left is delivered and acknowledged.
  const [left, ...more] = await keptResults(isdR);
  assert.ok(left);
  assert.equal(more.length, 0);
  assert.equal(toHex(left), toHex(rollback.eUICCPackageResult ?? new Uint8Array(0)));
  const back = judge(second, left);
  assert.ok(back.is === 'result' && back.rolledBack);
  assert.deepEqual(back.results, [{ is: 'rollbackResult', value: 'ok' }]);
  await acknowledge(isdR, back);
  assert.deepEqual(await keptResults(isdR), []);

  // The result that was lost on the way comes late: it is no longer what the eIM waits for.
  assert.deepEqual(judge(second, lost), { is: 'refused', why: 'package' });

  // A second try with the other profile holds.
  const kept = judge(
    second,
    await isdR.es10(send(second, { psmoList: [{ is: 'enable', value: { iccid: B } }] })),
  );
  assert.ok(kept.is === 'result' && !kept.rolledBack);
  await acknowledge(isdR, kept);
  await world.reopen();
  isdR = await openIsdR(world.card);
  assert.deepEqual(await profileStates(isdR), { [P]: 'disabled', [A]: 'disabled', [B]: 'enabled' });
});

test('an eIM believes no answer that is not its eUICC’s answer to its package', async () => {
  const world = await createWorld({ profiles: await iotProfiles() });
  const isdR = await openIsdR(world.card);
  const euiccKey = await euiccKeyOf(world, isdR);
  const identity = newIdentity(world, 'eim');
  const eim: Eim = {
    identity,
    stored: { eid: TEST_EID, euiccKey, counterValue: 0, associationToken: 0, seqNumber: 0 },
  };
  const listed: Operations = { ecoList: [{ is: 'listEim', value: {} }] };
  assert.deepEqual(judge(eim, await isdR.es10(send(eim, listed))), { is: 'unsigned' });
  const configuration = eimConfiguration(identity, { counterValue: 1 });
  await isdR.es10(AddInitialEimRequest.encode({ eimConfigurationDataList: [configuration] }));
  const request = send(eim, listed);
  const result = await isdR.es10(request);
  const replay = await isdR.es10(request);
  const before = eim.stored;
  const why = (association: Association, answer: Uint8Array, who = identity) => {
    const judged = judgeResult(ec, who, association, answer);
    return judged.is === 'refused' ? judged.why : judged.is;
  };
  assert.equal(why(before, result, { ...identity, eimId: 'other' }), 'eimId');
  assert.equal(why({ ...before, associationToken: 1 }, result), 'signature');
  assert.equal(why({ ...before, euiccKey: ec.generate('P-256') }, replay), 'signature');
  const changed = result.map((octet, i) => (i === 40 ? octet ^ 1 : octet));
  assert.notEqual(why(before, changed), 'result');
  const other = { counterValue: 9, eimTransactionId: fromHex('01') };
  assert.equal(why({ ...before, pending: other }, result), 'package');
  assert.equal(why({ ...before, seqNumber: 50 }, result), 'seqNumber');
  assert.equal(why(before, result), 'result');
  const error = judgeResult(ec, identity, before, replay);
  assert.ok(error.is === 'error' && error.code === 'replayError');
  assert.equal(why(error.association, result), 'package');
});
