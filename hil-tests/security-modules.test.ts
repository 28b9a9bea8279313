// One security module for all MNOs or one for each: both install, and none serves another's.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { EuiccSigned2, PrepareDownloadResponse } from '../codec/rsp/prepare-download.ts';
import { parseCertificate } from '../crypto/x509.ts';
import { issueEcasdCertificate } from '../operator/issuer/pki.ts';
import { modulePublicKey } from '../operator/smsr/security-modules.ts';
import { openMainJobWorld } from './main-job-world.ts';
import {
  boundPackage,
  deliverNotifications,
  loadScript,
  type ManagedWorld,
  managedWorld,
  type MnoName,
  onCard,
  play,
  PROVISIONING_ICCID,
} from './smsr-world.ts';

const OID: Readonly<Record<MnoName, string>> = { 'mno-a': '2.999.10', 'mno-b': '2.999.11' };

/** PK.ECASD.ECKA as the package of this MNO is bound to it. */
async function boundKey(world: ManagedWorld, mno: MnoName): Promise<string> {
  const { prepareDownloadResponse } = await boundPackage(world, mno, await world.isdR(), 'static');
  const response = PrepareDownloadResponse.decode(prepareDownloadResponse);
  assert.ok(response.is === 'downloadResponseOk');
  return toHex(EuiccSigned2.decode(response.value.euiccSigned2).euiccOtpk);
}

function moduleKey(world: ManagedWorld, mno: MnoName): string | undefined {
  const found = world.euicc.securityModules.find(({ certificate }) =>
    parseCertificate(certificate).registeredIds.includes(OID[mno]),
  );
  return found === undefined ? undefined : toHex(found.key.publicKey);
}

for (const securityModules of ['single', 'per-mno'] as const) {
  for (const euiccKey of ['static', 'dynamic'] as const) {
    test(`the main job completes with security modules ${securityModules} and the ${euiccKey} key`, async () => {
      const world = await openMainJobWorld({ securityModules, euiccKey, profileBytes: 3_000 });
      try {
        for (const kind of ['provisioning', 'mno-change'] as const) {
          const { reason, step } = await world.run(kind);
          assert.deepEqual([kind, step, reason], [kind, 'completed', undefined]);
        }
        const { profiles } = await world.stopAndAsk();
        const states = Object.entries(profiles).map(([iccid, state]) => `${state} ${iccid.slice(0, 7)}`);
        assert.deepEqual(states.toSorted(), ['disabled 8999900', 'enabled 8999902']);
      } finally {
        await world.close();
      }
    });
  }
}

test('each MNO’s packages are bound to the key of its own module', async (t) => {
  for (const mno of ['mno-a', 'mno-b'] as const) {
    const world = await managedWorld(t, { modulesFor: ['mno-a', 'mno-b'] });
    const [own, other] = [moduleKey(world, mno), moduleKey(world, mno === 'mno-a' ? 'mno-b' : 'mno-a')];
    const bound = await boundKey(world, mno);
    assert.equal(bound, own);
    assert.notEqual(bound, other);
  }
});

test('an MNO without a module gets no profile onto the card, until the SM-SR has put one there', async (t) => {
  for (const kvn of [0x30, 0x01]) {
    const world = await managedWorld(t, { modulesFor: ['mno-a'], kvn });
    const { eid, service, eum, issuing } = world;
    const { administration } = service;
    for (const keyMode of ['static', 'dynamic'] as const) {
      await assert.rejects(
        loadScript(world, 'mno-b', undefined, keyMode),
        (thrown) => isAgentError(thrown, 'REFUSED') && /no static key|undefinedError/.test(thrown.message),
      );
    }
    assert.equal(await world.smdpOf('mno-b').profilesBuilt(), 0);
    await world.card.reset();

    const generation = await administration.generateModuleKey(eid, OID['mno-b']);
    const generated = await administration.keyScriptResult(eid, await play(world, generation.script));
    const publicKey = modulePublicKey(generated);
    const certificate = issueEcasdCertificate(issuing, eum, { eid, publicKey, registeredId: OID['mno-b'] });
    const installation = await administration.installModule(eid, certificate);
    const known = async (): Promise<number> => {
      const { transactionId } = await boundPackage(world, 'mno-a', await world.isdR());
      const { certificates } = await service.as('mno-a').euiccKeys({ mno: 'mno-a', eid, transactionId });
      await world.card.reset();
      return certificates.length;
    };
    assert.equal(await known(), 1);
    const { ok, reason } = await administration.keyScriptResult(eid, await play(world, installation.script));
    assert.deepEqual([ok, reason], [true, undefined]);
    assert.equal(await known(), 2);

    assert.equal(await boundKey(world, 'mno-b'), toHex(publicKey));
    await world.card.reset();
    const { iccid, script } = await loadScript(world, 'mno-b', undefined, 'static');
    const loaded = await service.as('mno-b').scriptResult({ eid, responseScript: await play(world, script) });
    assert.deepEqual([loaded.ok, loaded.reason], [true, undefined]);
    assert.deepEqual((await deliverNotifications(world)).at(-1), `install ${iccid}`);
    assert.deepEqual(await onCard(world), { [PROVISIONING_ICCID]: 'enabled', [iccid]: 'disabled' });
  }
});

test('a card with one module for all makes no further one, and says so', async (t) => {
  const world = await managedWorld(t);
  const { administration } = world.service;
  const { script } = await administration.generateModuleKey(world.eid, OID['mno-b']);
  const result = await administration.keyScriptResult(world.eid, await play(world, script));
  assert.deepEqual([result.ok, result.reason], [false, 'singleModule']);
  assert.throws(
    () => modulePublicKey(result),
    (thrown) => isAgentError(thrown, 'REFUSED') && /singleModule/.test(thrown.message),
  );
});

test('the SM-SR sends no certificate of another EUM, eUICC or usage', async (t) => {
  const world = await managedWorld(t, { modulesFor: ['mno-a'] });
  const { administration } = world.service;
  await assert.rejects(
    administration.installModule(world.eid, world.euicc.euiccCertificate),
    (thrown) => isAgentError(thrown, 'REFUSED') && /ECASD key usage/.test(thrown.message),
  );
});
