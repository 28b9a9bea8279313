// The certificate profile in the status step (seed 60, 73 to 75): asked for, signed, judged by the MNO, and its static key used.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Secret } from '../base/log.ts';
import { type CertificatePin, createCertificatePin } from '../agent/certificate-pin.ts';
import { readPinRecord, writePinRecord } from '../agent/state-folder.ts';
import type { Procedure } from '../operator/mno/procedure.ts';
import { type MainJobWorldOptions, openMainJobWorld } from './main-job-world.ts';

const PIN = new Secret('161803');
const GATED = { pin: PIN };

async function provisioning(options: MainJobWorldOptions): Promise<Procedure & { readonly built: number }> {
  const world = await openMainJobWorld({ profileBytes: 3_000, ...options });
  try {
    const ended = await world.run('provisioning');
    const [mno] = world.backEnd.mnos;
    return { ...ended, built: (await mno?.smdp.profilesBuilt()) ?? 0 };
  } finally {
    await world.close();
  }
}

function pinIn(
  t: TestContext,
  digits: string,
): { readonly pin: CertificatePin; readonly tries: () => number; readonly write: (digits: string) => void } {
  const folder = mkdtempSync(join(tmpdir(), 'status-step-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const pinFile = join(folder, 'pin');
  writeFileSync(pinFile, digits);
  let tries = 0;
  const held = createCertificatePin({
    pinFile,
    read: () => readPinRecord(folder, 'certificate-pin'),
    write: (record) => writePinRecord(folder, record, 'certificate-pin'),
  });
  const pin: CertificatePin = {
    ...held,
    async take() {
      const taken = await held.take();
      if (taken !== undefined) tries++;
      return taken;
    },
  };
  return { pin, tries: () => tries, write: (next) => writeFileSync(pinFile, next) };
}

const names = ({ verdict }: Procedure): string[] =>
  (verdict?.checks ?? []).filter(({ ok }) => !ok).map(({ name }) => name);

test('the eUICC hands its profile and static key to the MNO, which judges both and binds the profile to that key', async () => {
  const ended = await provisioning({
    certificateProfile: { useStaticKey: true, needs: { capabilities: ['usimSupport', 'akaMilenage'] } },
    cardProfile: {},
  });
  assert.deepEqual([ended.step, ended.reason, ended.keyMode], ['completed', undefined, 'static']);
  const own = ended.verdict?.checks.filter(({ name }) => name.startsWith('certificate profile: ')) ?? [];
  assert.ok(own.some(({ name, ok }) => ok && name === 'certificate profile: proof of possession'));
  assert.ok(own.some(({ name, ok }) => ok && name === 'certificate profile: ECASD key usage'));
});

test('without the wish for its key the profile is judged all the same, and a one-time key is used', async () => {
  const ended = await provisioning({ certificateProfile: {}, cardProfile: {} });
  assert.deepEqual([ended.step, ended.keyMode], ['completed', 'dynamic']);
});

test('an eUICC that the MNO’s service does not fit on, or with denied firmware, is refused before a profile is built', async () => {
  const unfit = await provisioning({
    certificateProfile: { needs: { capabilities: ['multos'] } },
    cardProfile: {},
  });
  assert.deepEqual(
    [unfit.step, unfit.built, names(unfit)],
    ['refused', 0, ['certificate profile: capabilities']],
  );
  const denied = await provisioning({ certificateProfile: { deniedFirmware: ['1.0.0'] }, cardProfile: {} });
  assert.deepEqual(
    [denied.step, denied.built, names(denied)],
    ['refused', 0, ['certificate profile: firmware']],
  );
});

test('an eUICC without a profile, or with one behind a PIN that nobody knows, is refused with the reason', async () => {
  const none = await provisioning({ certificateProfile: {} });
  assert.deepEqual(
    [none.step, none.built, names(none)],
    ['refused', 0, ['certificate profile: certificate profile']],
  );
  const gated = await provisioning({ certificateProfile: {}, cardProfile: GATED });
  assert.deepEqual([gated.step, gated.built], ['refused', 0]);
  assert.match(gated.verdict?.checks.at(-1)?.detail ?? '', /6982/);
});

test('the agent enters the right PIN, and may again', async (t) => {
  const { pin, tries } = pinIn(t, '161803\n');
  const ended = await provisioning({ certificateProfile: {}, cardProfile: GATED, certificatePin: pin });
  assert.equal(ended.step, 'completed');
  assert.equal(tries(), 1);
  assert.notEqual(await pin.take(), undefined);
});

test('a wrong PIN is tried once in the agent’s life, and again only when its file is changed', async (t) => {
  const { pin, tries, write } = pinIn(t, '000000');
  const world = await openMainJobWorld({
    profileBytes: 3_000,
    certificateProfile: {},
    cardProfile: GATED,
    certificatePin: pin,
  });
  try {
    const first = await world.run('provisioning');
    assert.equal(first.step, 'refused');
    assert.match(first.verdict?.checks.at(-1)?.detail ?? '', /triesLeft 2/);
    const [mno] = world.backEnd.mnos;
    const again = async (): Promise<Procedure | undefined> => {
      await mno?.mno.trigger(world.eid, 'provisioning');
      await world.clock.advance(60_000);
      return (await mno?.store.procedures(world.eid))?.at(-1);
    };
    const second = await again();
    assert.equal(second?.step, 'refused');
    assert.match(second.verdict?.checks.at(-1)?.detail ?? '', /6982/);
    assert.equal(tries(), 1);
    write('161803 ');
    const third = await again();
    assert.notEqual(third?.step, 'refused', third?.reason);
    assert.equal(tries(), 2);
  } finally {
    await world.close();
  }
});
