// The certificate profile from the card through the agent to the operator's verdict, and its PIN unblocked by the SM-SR.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { Secret, silentLog } from '../base/log.ts';
import {
  certificateProfileFile,
  certificateProfileSummary,
  readCertificateProfile,
} from '../agent/certificate-profile.ts';
import type { Card } from '../codec/card.ts';
import { CertificateProfile } from '../codec/certificate-profile.ts';
import { completeImei, type Eid } from '../codec/ids.ts';
import { EuiccInfo2 } from '../codec/rsp/euicc-info.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import { parseCertificate } from '../crypto/x509.ts';
import { createRadioWorld } from '../lab/radio-world.ts';
import { createLinkPair } from '../modem/byte-link.ts';
import { openModem } from '../modem/modem.ts';
import { createSimModem } from '../modem/sim/sim-modem.ts';
import { judgeCertificateProfile, type ServiceNeeds } from '../operator/certificate-profile.ts';
import { type ManagedWorld, managedWorld, play } from './smsr-world.ts';

const ec = createNodeEc();
const PIN = new Secret('314159');
const WRONG = new Secret('111111');
const CHALLENGE = new Uint8Array(16).fill(0x3c);

/** The card in a modem, as long as the work takes; `sent` collects the AT lines. */
async function inModem<T>(
  world: ManagedWorld,
  work: (card: Card) => Promise<T>,
  sent: string[] = [],
): Promise<T> {
  const { clock } = world;
  const radio = createRadioWorld({ networks: [], clock, onBearer: () => {} });
  const imei = completeImei('35824005000001');
  const device = createSimModem({ card: world.card, radio, clock, log: silentLog, imei });
  const openLink = async () => {
    const [link, peer] = createLinkPair();
    device.connect(peer);
    return {
      ...link,
      write: (bytes: Uint8Array) => {
        sent.push(new TextDecoder().decode(bytes));
        return link.write(bytes);
      },
    };
  };
  const whole = (async () => {
    const modem = await openModem({ openLink, clock, log: silentLog });
    try {
      return await work(await modem.openCard());
    } finally {
      await modem.close();
      await device.close();
    }
  })();
  return clock.settle(whole, 3_600_000);
}

const gated = (t: TestContext) => managedWorld(t, { certificateProfile: { pin: PIN } });

function judge(
  world: ManagedWorld,
  file: Uint8Array,
  change: {
    readonly challenge?: Uint8Array;
    readonly eid?: Eid;
    readonly firmware?: string;
    readonly needs?: ServiceNeeds;
    readonly foreign?: true;
  } = {},
): string[] {
  const trustedCis = change.foreign ? [] : [parseCertificate(world.ci.certificate)];
  const { challenge } = change;
  const { checks, accepted } = judgeCertificateProfile(
    ec,
    { file, eid: change.eid ?? world.eid, ...(challenge === undefined ? {} : { challenge }) },
    {
      trustedCis,
      crls: [],
      at: world.clock.wall(),
      eisStatus: 'ok',
      deniedFirmware: change.firmware === undefined ? [] : [change.firmware],
    },
    change.needs,
  );
  const failed = checks.filter(({ ok }) => !ok).map(({ name }) => name);
  assert.equal(accepted, failed.length === 0);
  return failed;
}

test('the agent reads it with the PIN, and the operator accepts what the eUICC signed for its challenge', async (t) => {
  const world = await gated(t);
  const answer = await inModem(world, (card) =>
    readCertificateProfile(card, { pin: PIN, challenge: CHALLENGE }),
  );
  assert.deepEqual(judge(world, certificateProfileFile(answer), { challenge: CHALLENGE }), []);
  const summary = certificateProfileSummary(answer);
  assert.deepEqual(
    [summary.eid, summary.signed, summary.chains.length, summary.staticKeys.length],
    [world.eid, true, 1, 1],
  );
  const module = world.euicc.securityModules[0]?.certificate ?? new Uint8Array();
  const { ecasdCertificate } = CertificateProfile.decode(answer.profile);
  assert.deepEqual(ecasdCertificate.map(toHex), [toHex(module)]);
});

test('the verdict names a foreign CI, another EID, an old challenge, a denied firmware, a change and a missing capability', async (t) => {
  const world = await managedWorld(t, { certificateProfile: {} });
  const answer = await inModem(world, (card) => readCertificateProfile(card, { challenge: CHALLENGE }));
  const file = certificateProfileFile(answer);
  const challenge = CHALLENGE;
  assert.deepEqual(judge(world, file, { challenge, foreign: true }), [
    'issuer trusted',
    'EUM certificate signature',
  ]);
  const other = '89049032000000000000000000000260' as Eid;
  assert.deepEqual(judge(world, file, { challenge, eid: other }), [
    'EID of the profile',
    'EID of the certificate',
    'ECASD EID',
  ]);
  assert.deepEqual(judge(world, file, { challenge: new Uint8Array(16) }), ['fresh challenge']);
  assert.deepEqual(judge(world, answer.profile, { challenge }), ['fresh challenge', 'proof of possession']);
  assert.deepEqual(judge(world, answer.profile), []);
  assert.deepEqual(judge(world, file, { challenge, firmware: '1.0.0' }), ['firmware']);
  assert.deepEqual(judge(world, file, { challenge, needs: { capabilities: ['akaMilenage', 'multos'] } }), [
    'capabilities',
  ]);
  const content = CertificateProfile.decode(answer.profile);
  const info = EuiccInfo2.decode(content.euiccInfo2);
  const forged = CertificateProfile.encode({
    ...content,
    euiccInfo2: EuiccInfo2.encode({ ...info, euiccFirmwareVer: '9.9.9', euiccCiPKIdListForSigning: [] }),
    commonInformation: { ...content.commonInformation, hardware: ' ' },
  });
  const changed = certificateProfileFile({ ...answer, profile: forged });
  assert.deepEqual(judge(world, changed, { challenge }), [
    'fresh challenge',
    'common information',
    'CI of EUICCInfo2',
  ]);
  const swapped = CertificateProfile.encode({
    ...content,
    ecasdCertificate: content.chain.map(({ euiccCertificate }) => euiccCertificate),
  });
  assert.deepEqual(judge(world, swapped), ['ECASD key usage']);
  for (const hostile of [
    file.subarray(0, 40),
    new Uint8Array(0),
    Uint8Array.of(0xec, 0),
    new Uint8Array(50),
  ]) {
    assert.deepEqual(judge(world, hostile), ['certificate profile readable']);
  }
});

test('a wrong PIN is sent once; without one, or once it is blocked, none is sent', async (t) => {
  const world = await gated(t);
  const sent: string[] = [];
  const verifies = (): number => sent.filter((line) => /00200001 ?08|..200001083/.test(line)).length;
  const attempt = (pin?: Secret<string>) =>
    inModem(world, (card) => readCertificateProfile(card, pin === undefined ? {} : { pin }), sent);
  await assert.rejects(
    attempt(),
    (thrown) => isAgentError(thrown, 'CARD_STATUS') && /6982/.test(thrown.message),
  );
  assert.equal(verifies(), 0);
  for (const [triesLeft, n] of [
    [2, 1],
    [1, 2],
    [0, 3],
  ] as const) {
    await assert.rejects(
      attempt(WRONG),
      (thrown) => isAgentError(thrown, 'PIN_REFUSED') && thrown.data['triesLeft'] === triesLeft,
    );
    assert.equal(verifies(), n);
  }
  await assert.rejects(attempt(PIN), (thrown) => isAgentError(thrown, 'PIN_REFUSED'));
  assert.equal(verifies(), 3);
  await assert.rejects(attempt(new Secret('12')), (thrown) => isAgentError(thrown, 'ID_INVALID'));
});

for (const kvn of [0x30, 0x01]) {
  test(`the SM-SR unblocks the PIN under the management keys, version ${kvn}`, async (t) => {
    const world = await managedWorld(t, { certificateProfile: { pin: PIN }, kvn });
    const attempt = (pin: Secret<string>) => inModem(world, (card) => readCertificateProfile(card, { pin }));
    for (let n = 0; n < 3; n++) await assert.rejects(attempt(WRONG));
    await assert.rejects(attempt(PIN));
    const { administration } = world.service;
    await world.card.reset();
    const { script } = await administration.unblockCertificateProfile(world.eid);
    assert.equal(toHex(script).includes(toHex(new TextEncoder().encode(PIN.reveal()))), false);
    const { ok, reason } = await administration.keyScriptResult(world.eid, await play(world, script));
    assert.deepEqual([ok, reason], [true, undefined]);
    const { profile } = await attempt(PIN);
    assert.equal(CertificateProfile.decode(profile).eidValue, world.eid);
  });
}

test('an eUICC without a certificate profile is told as such', async (t) => {
  const world = await managedWorld(t);
  await assert.rejects(
    inModem(world, (card) => readCertificateProfile(card)),
    (thrown) =>
      isAgentError(thrown, 'CARD_STATUS', 'CARD_ACCESS') &&
      /no certificate profile/.test(String(thrown.data['do'])),
  );
});
