// Keys that the ISD-R and an ISD-P agree on with whom a CI has certified: what is proved, what is refused, and what comes of it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, fromHex, toHex } from '../../base/bytes.ts';
import { type CommandApdu, encodeCommandApdu, withChannel } from '../../codec/apdu.ts';
import { GP_ROLE } from '../../codec/gp-certificate.ts';
import type { AgreedKeyset } from '../../codec/key-agreement.ts';
import { DeleteProfileRequest } from '../../codec/rsp/profile-management.ts';
import { decodeResponseScript, encodeCommandScript } from '../../codec/script.ts';
import type { CurveName } from '../../crypto/ec.ts';
import { type AgreementHost, createAgreementHost, SDIN, staticModule, WANTED } from '../testing/agreement.ts';
import { command, swOf, textOf } from '../testing/domains.ts';
import {
  type Keyset,
  keysetOf,
  type ManagementSession,
  openManagement,
  putKeyset,
} from '../testing/management.ts';
import { sendRemote, TAR, targetOf } from '../testing/ota.ts';
import { createTestPki } from '../testing/pki.ts';
import { tearAtEveryWrite } from '../testing/tear.ts';
import { exchange, openIsdR } from '../testing/terminal.ts';
import {
  createWorld,
  ec,
  ICCID_A,
  ISD_R_KEYS,
  sampleMetadata,
  samplePackage,
  type World,
} from '../testing/world.ts';

const ISD_P = fromHex('A0000005591010FFFFFFFF8900001000');
const INSTALL = command(`80E62000 000010${toHex(ISD_P)}000000`);

type Agreeing = { readonly world: World; readonly host: (change?: HostChange) => AgreementHost };
type HostChange = Partial<Parameters<typeof createAgreementHost>[0]>;

async function agreeing(curve: CurveName = 'P-256', kvn = 0x30): Promise<Agreeing> {
  const pki = createTestPki(ec, curve);
  const module = staticModule(pki);
  const world = await createWorld({
    pki,
    securityModules: [module],
    isdRKeys: { ...ISD_R_KEYS, kvn },
    managed: true,
    profiles: [{ upp: samplePackage(ICCID_A), metadata: sampleMetadata(ICCID_A), enabled: false }],
  });
  return { world, host: (change = {}) => createAgreementHost({ pki, module, ...change }) };
}

/** Both steps; the keys that the card has proved. */
async function agree(
  session: ManagementSession,
  host: AgreementHost,
  keyset: AgreedKeyset = WANTED,
  counter?: Uint8Array,
): Promise<Keyset> {
  const challenge = await session.send(host.first);
  assert.equal(challenge.sw, 0x9000);
  const answer = await session.send(host.second(challenge.data, keyset, counter));
  assert.equal(answer.sw.toString(16), '9000');
  const keys = host.keys(answer.data, keyset, counter);
  assert.ok(keys, 'the receipt proves the keys');
  return keys;
}

async function versions({ card }: World): Promise<string> {
  const { channel } = await openIsdR(card);
  const { data } = await exchange(card, { ...command('80CA00E0'), cla: withChannel(0x80, channel) });
  return [...toHex(data).matchAll(/C00401(..)88/g)].map(([, version]) => version).join(' ');
}

describe('EstablishISDRKeySet', () => {
  for (const curve of ['P-256', 'brainpoolP256r1'] as const) {
    for (const [name, keyset] of [
      ['AES-128', WANTED],
      ['AES-256', { ...WANTED, keyOctets: 32 }],
      ['randomness of the card', { ...WANTED, derivationRandom: true }],
      ["both sides' identities", { ...WANTED, identities: { sdin: SDIN, hostId: fromHex('0A0B0C') } }],
      ['the place of its version', { ...WANTED, version: 0x30, replaces: true, keyOctets: 24 }],
    ] as const) {
      test(`gives the SM-SR keys that open a session, on ${curve}: ${name}`, async () => {
        const { host, world } = await agreeing(curve);
        const keys = await agree(await openManagement(world.card, ISD_R_KEYS), host(), keyset);
        await world.reopen();
        assert.equal(await versions(world), keyset.version === 0x30 ? '30' : '30 31');
        const session = await openManagement(world.card, keys);
        assert.equal(textOf(await session.send(command('80CA00C1'))), 'C103000001 9000');
      });
    }
  }

  test('takes a point without the reference of its curve, and a certificate without that of its CI key', async () => {
    const { host, world } = await agreeing();
    const session = await openManagement(world.card, ISD_R_KEYS);
    await agree(session, host({ bare: true, unnamedCi: true }));
  });

  test('counts from where the SM-SR says, for SCP03 and for SCP80', async () => {
    const { host, world } = await agreeing();
    const session = await openManagement(world.card, ISD_R_KEYS);
    const scp03 = { ...WANTED, counter: 0x20 };
    const keys = await agree(session, host(), scp03, fromHex('000020'));
    const under = await openManagement(world.card, keys);
    assert.equal(textOf(await under.send(command('80CA00C1'))), 'C103000021 9000');
    const scp80 = { ...WANTED, version: 0x02, counter: 0x10 };
    const ota = await agree(under, host(), scp80, fromHex('0000000010'));
    assert.equal(await over(world, ota, 0x10, command('80CA00E0')), 'status 2');
    assert.match(await over(world, ota, 0x11, command('80CA00E0')), /9000$/);
  });

  test('goes over SCP80 in two packets, with the answer of the first in between', async () => {
    const { host, world } = await agreeing('P-256', 0x01);
    const old = { ...ISD_R_KEYS, kvn: 0x01 };
    const sm = host();
    const challenge = await over(world, old, 1, sm.first);
    const keyset = { ...WANTED, version: 0x02 };
    const answer = await over(world, old, 2, sm.second(fromHex(challenge.slice(0, -4)), keyset));
    assert.match(answer, /9000$/);
    const keys = sm.keys(fromHex(answer.slice(0, -4)), keyset);
    assert.ok(keys);
    assert.match(await over(world, keys, 1, command('80CA00E0')), /9000$/);
  });

  test('takes the certificate in several blocks', async () => {
    const { host, world } = await agreeing();
    const session = await openManagement(world.card, ISD_R_KEYS);
    const sm = host();
    const { data } = sm.first;
    const part = (p2: number, from: number, to: number): CommandApdu => ({
      ...sm.first,
      p2,
      data: data.subarray(from, to),
    });
    assert.equal(textOf(await session.send(part(0, 0, 100))), ' 9000');
    const challenge = await session.send(part(1, 100, data.length));
    assert.equal(challenge.sw, 0x9000);
    const second = { ...sm.second(challenge.data, WANTED), p2: 2 };
    assert.ok(sm.keys((await session.send(second)).data, WANTED));
  });
});

describe('EstablishISDPKeySet', () => {
  const byDp = { role: GP_ROLE.smDp } as const;

  test('gives an ISD-P keys of its own, under which it is a security domain like any other', async () => {
    const { host, world } = await agreeing();
    const session = await openManagement(world.card, ISD_R_KEYS);
    assert.equal(textOf(await session.send(INSTALL)), '00 9000');
    const keys = await agree(session, host(byDp));
    await world.reopen();
    assert.equal(await versions(world), '30', 'the ISD-R has what it had');
    for (const level of [0x01, 0x03, 0x11, 0x13, 0x33] as const) {
      const own = await openManagement(world.card, keys, { aid: ISD_P, level });
      assert.equal(
        textOf(await own.send(command('80F28002 4F00'))),
        `E31B4F10${toHex(ISD_P)}9F70011FC503800000 9000`,
      );
      assert.equal(await swOf(own.send(command('80F24002 4F00'))), '6a88');
      assert.equal(await swOf(own.send(command(`80F0400F${toHex(ISD_P)}`))), '6d00');
    }
    const own = await openManagement(world.card, keys, { aid: ISD_P });
    const next = keysetOf(0x32, 0x80);
    assert.equal(await swOf(own.send(putKeyset(next, keys.dek))), '9000');
    assert.equal(await swOf(own.send(command('80E40000 D20132'))), '9000');
    assert.equal(await swOf(own.send(command('80E40000 D20131'))), '6985');
    await assert.rejects(openManagement(world.card, { ...keys, kvn: 0x30 }, { aid: ISD_P }), /6a88/);
    await assert.rejects(openManagement(world.card, keys), /6a88/, 'nor does the ISD-R know them');
  });

  test('leaves nothing behind when the profile is deleted', async () => {
    const { host, world } = await agreeing();
    const session = await openManagement(world.card, ISD_R_KEYS);
    await session.send(INSTALL);
    const keys = await agree(session, host(byDp));
    const own = await openManagement(world.card, keys, { aid: ISD_P });
    const request = DeleteProfileRequest.encode({ is: 'iccid', value: ICCID_A });
    const deletion = { cla: 0x80, ins: 0xe2, p1: 0x91, p2: 0, data: request };
    assert.equal(await swOf(session.send(deletion)), '9000');
    assert.equal(await swOf(exchange(world.card, own.wrap(command('80CA00E0')))), '6985');
    assert.equal(await swOf(session.send(INSTALL)), '6a88');
  });

  test('is for who prepares profiles, the keyset of the ISD-R for who manages the card', async () => {
    const { host, world } = await agreeing();
    const session = await openManagement(world.card, ISD_R_KEYS);
    assert.equal(await swOf(session.send(host(byDp).first)), '6640');
    await session.send(INSTALL);
    assert.equal(await swOf(session.send(host().first)), '6640');
    await session.send(INSTALL);
    const sm = host(byDp);
    const challenge = await session.send(sm.first);
    assert.equal(await swOf(session.send(sm.second(challenge.data, { ...WANTED, version: 0x01 }))), '6a80');
  });
});

describe('an agreement is refused', () => {
  const stranger = createTestPki(ec);
  const certificates: readonly (readonly [string, HostChange, string])[] = [
    ['a CI that the card does not trust', { ci: stranger.issuer }, '6640'],
    ['a CI that it does not trust, under the name of none', { ci: stranger.issuer, unnamedCi: true }, '6640'],
    ['another role', { role: 0x03 }, '6640'],
  ];
  for (const [name, change, sw] of certificates) {
    test(`by a certificate of ${name}`, async () => {
      const { host, world } = await agreeing();
      const session = await openManagement(world.card, ISD_R_KEYS);
      const sm = host(change);
      assert.equal(await swOf(session.send(sm.first)), sw);
      const second = sm.second(fromHex(`8510${'00'.repeat(16)}`), WANTED);
      assert.equal(await swOf(session.send(second)), '6a86', 'and there is nothing to go on with');
      assert.equal(await versions(world), '30');
    });
  }

  const keysets: readonly (readonly [string, AgreedKeyset, string])[] = [
    ['a version that is there', { ...WANTED, version: 0x30 }, '6985'],
    ['a version of another protocol', { ...WANTED, version: 0x20 }, '6a80'],
    ['keys of a length that AES has not', { ...WANTED, keyOctets: 17 }, '6a80'],
    ['a counter that SCP03 cannot reach', { ...WANTED, counter: 0x1000000 }, '6a80'],
    [
      'the number of another card',
      { ...WANTED, identities: { sdin: fromHex('0102'), hostId: fromHex('01') } },
      '6a80',
    ],
  ];
  for (const [name, keyset, sw] of keysets) {
    test(`for ${name}`, async () => {
      const { host, world } = await agreeing();
      const session = await openManagement(world.card, ISD_R_KEYS);
      const sm = host();
      const challenge = await session.send(sm.first);
      const counter = keyset.counter === 0 ? undefined : fromHex('0001000000');
      assert.equal(await swOf(session.send(sm.second(challenge.data, keyset, counter))), sw);
      assert.equal(await versions(world), '30');
    });
  }

  test('for every change of what was signed, and for the second use of a challenge', async () => {
    const { host, world } = await agreeing();
    const session = await openManagement(world.card, ISD_R_KEYS);
    const sm = host();
    const first = await session.send(sm.first);
    const good = sm.second(first.data, WANTED);
    const flipped = (at: number): CommandApdu => ({
      ...good,
      data: good.data.map((octet, i) => (i === at ? octet ^ 1 : octet)),
    });
    for (const at of [10, 27, 60, good.data.length - 1]) {
      const again = await session.send(sm.first);
      assert.notDeepEqual(again.data, first.data, 'a challenge of its own');
      assert.match(await swOf(session.send(flipped(at))), /^6982|6a80$/);
      assert.equal(await swOf(session.send(sm.second(again.data, WANTED))), '6a86', 'one attempt');
    }
    await session.send(sm.first);
    assert.equal(await swOf(session.send(good)), '6982', 'the challenge of before');
    const fresh = await session.send(sm.first);
    const second = sm.second(fresh.data, WANTED);
    assert.equal(await swOf(session.send(second)), '9000');
    assert.equal(await swOf(session.send(second)), '6a86');
  });

  test('without a secure channel, without a key in the ECASD, and in the wrong form', async () => {
    const { host, world } = await agreeing();
    const { channel } = await openIsdR(world.card);
    const on = (apdu: CommandApdu): CommandApdu => ({ ...apdu, cla: withChannel(apdu.cla, channel) });
    assert.equal(await swOf(exchange(world.card, on(host().first))), '6982');
    assert.equal(await swOf(exchange(world.card, on(INSTALL))), '6982');
    const session = await openManagement(world.card, ISD_R_KEYS);
    const { data } = host().first;
    for (const [apdu, sw] of [
      [{ ...host().first, p1: 0x89 }, '6a80'],
      [{ ...host().first, p2: 1 }, '6a86'],
      [{ ...host().first, data: concat(data, fromHex('3A0100')) }, '6a80'],
      [{ ...host().first, data: fromHex('3A020142') }, '6a80'],
      [{ ...host().first, data: fromHex('3A0100') }, '6a80'],
      [{ ...INSTALL, p1: 0x0c }, '6a86'],
      [{ ...INSTALL, data: INSTALL.data.subarray(1) }, '6a80'],
      [command(`80E62000 000010A0000005591010FFFFFFFF8900001100000000`), '6a88'],
    ] as const) {
      assert.equal(await swOf(session.send(apdu)), sw);
    }
    const pki = createTestPki(ec);
    const keyless = await createWorld({ pki });
    const sm = createAgreementHost({ pki, module: staticModule(pki) });
    const other = await openManagement(keyless.card, ISD_R_KEYS);
    const challenge = await other.send(sm.first);
    assert.equal(await swOf(other.send(sm.second(challenge.data, WANTED))), '6a88');
  });

  test('where the only key in the ECASD is for one SM-DP alone', async () => {
    const pki = createTestPki(ec);
    const module = staticModule(pki, '2.999.10');
    const { card } = await createWorld({ pki, securityModules: [module], securityMode: 'per MNO' });
    const session = await openManagement(card, ISD_R_KEYS);
    const sm = createAgreementHost({ pki, module });
    const challenge = await session.send(sm.first);
    assert.equal(await swOf(session.send(sm.second(challenge.data, WANTED))), '6a88');
  });

  test('after a reset, and for an ISD-P after anything in between', async () => {
    const { host, world } = await agreeing();
    const sm = host();
    const before = await openManagement(world.card, ISD_R_KEYS);
    const challenge = await before.send(sm.first);
    await world.card.reset();
    const session = await openManagement(world.card, ISD_R_KEYS);
    assert.equal(await swOf(session.send(sm.second(challenge.data, WANTED))), '6a86');
    await session.send(INSTALL);
    await session.send(command('80CA00E0'));
    assert.equal(
      await swOf(session.send(host({ role: GP_ROLE.smDp }).first)),
      '6640',
      'it is for the ISD-R again',
    );
  });
});

test('the keys of an agreement are there or not, wherever the power is cut', () =>
  tearAtEveryWrite<string>({
    name: 'EstablishISDRKeySet',
    before: '30',
    after: '30 31',
    world: async () => (await agreeing()).world,
    async arrange(world) {
      const { pki } = world;
      const sm = createAgreementHost({ pki, module: staticModule(pki) });
      const session = await openManagement(world.card, ISD_R_KEYS);
      const challenge = await session.send(sm.first);
      return () => session.send(sm.second(challenge.data, WANTED));
    },
    async observe(world) {
      await openManagement(world.card, ISD_R_KEYS);
      return versions(world);
    },
  }));

/** One command over the air under a keyset of the ISD-R. */
async function over({ card }: World, keys: Keyset, counter: number, apdu: CommandApdu): Promise<string> {
  const aes = (key: Keyset['enc']) => ({ algorithm: 'aes', key }) as const;
  const target = targetOf(TAR.isdR, { keyset: keys.kvn, keys: { kic: aes(keys.enc), kid: aes(keys.mac) } });
  const proof = await sendRemote(card, target, counter, encodeCommandScript([encodeCommandApdu(apdu)]));
  if (proof.status !== 0) return `status ${proof.status}`;
  return toHex(decodeResponseScript(proof.data).responses[0] ?? new Uint8Array());
}
