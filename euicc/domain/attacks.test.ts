// What somebody without the keys can do to the management plane with what was recorded: nothing (GlobalPlatform Amendment D 6.2).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { type CommandApdu, type ResponseApdu, withChannel } from '../../codec/apdu.ts';
import type { CardSlot } from '../../codec/card.ts';
import type { Scp03Level } from '../../crypto/scp03.ts';
import { createScp03Host, type Scp03Host } from '../../crypto/scp03-host.ts';
import { command } from '../testing/domains.ts';
import { keysetOf, putKeyset } from '../testing/management.ts';
import { exchange, openIsdR } from '../testing/terminal.ts';
import { createWorld, ISD_R_KEYS, type World } from '../testing/world.ts';

const NEXT = keysetOf(0x31, 0x80);
const AID_ISD_R = fromHex('A0000005591010FFFFFFFF8900000100');

type Wire = {
  readonly channel: number;
  /** Everything that went to the card. */
  readonly sent: CommandApdu[];
  send(apdu: CommandApdu): Promise<string>;
  answer(apdu: CommandApdu): Promise<ResponseApdu>;
};

/** A channel to the ISD-R that somebody listens to. */
async function tapped(card: CardSlot): Promise<Wire> {
  const { channel } = await openIsdR(card);
  const sent: CommandApdu[] = [];
  const answer = (apdu: CommandApdu): Promise<ResponseApdu> => {
    sent.push(apdu);
    return exchange(card, { ...apdu, cla: withChannel(apdu.cla, channel) });
  };
  return { channel, sent, answer, send: async (apdu) => (await answer(apdu)).sw.toString(16) };
}

function hostOf(level: Scp03Level = 0x33, challenge = 5): Scp03Host {
  const hostChallenge = new Uint8Array(8).fill(challenge);
  return createScp03Host({ keys: ISD_R_KEYS, keyVersion: 0x30, level, hostChallenge });
}

async function open(wire: Wire, host = hostOf()): Promise<Scp03Host> {
  host.accept((await wire.answer(host.initializeUpdate)).data);
  assert.equal(await wire.send(host.externalAuthenticate()), '9000');
  return host;
}

async function versions({ card }: World): Promise<string> {
  const { channel } = await openIsdR(card);
  const { data } = await exchange(card, { ...command('80CA00E0'), cla: withChannel(0x80, channel) });
  return [...toHex(data).matchAll(/C00401(..)88/g)].map(([, version]) => version).join(' ');
}

describe('a recorded session', () => {
  test('opens nothing when it is played again, on the same channel, on another, or after a reset', async () => {
    const world = await createWorld();
    const wire = await tapped(world.card);
    const host = await open(wire);
    await wire.send(host.wrap(putKeyset(NEXT, ISD_R_KEYS.dek)));
    await wire.send(host.wrap(command('80E40000 D20131')));
    const recorded = [...wire.sent];
    const outcomes = async (to: Wire): Promise<string[]> => {
      const told: string[] = [];
      for (const apdu of recorded) told.push(await to.send(apdu));
      return told;
    };
    const refused = ['9000', '6300', '6982', '6982'];
    assert.deepEqual(await outcomes(wire), refused);
    assert.deepEqual(await outcomes(await tapped(world.card)), refused);
    await world.card.reset();
    assert.deepEqual(await outcomes(await tapped(world.card)), refused);
    assert.equal(await versions(world), '30');
  });

  test('is not joined: its commands mean nothing on another channel, and end the session that is there', async () => {
    const { card } = await createWorld();
    const [first, second] = [await tapped(card), await tapped(card)];
    const host = await open(first);
    const wrapped = host.wrap(putKeyset(NEXT, ISD_R_KEYS.dek));
    assert.equal(await second.send(wrapped), '6982', 'no session there');
    const other = await open(second, hostOf(0x33, 6));
    assert.equal(await second.send(wrapped), '6982');
    assert.equal(await second.send(other.wrap(command('80CA00E0'))), '6982');
    assert.equal(await first.send(wrapped), '9000', 'its own goes on');
  });
});

describe('EXTERNAL AUTHENTICATE', () => {
  test('comes once: a second one ends the session', async () => {
    const { card } = await createWorld();
    const wire = await tapped(card);
    const host = hostOf();
    host.accept((await wire.answer(host.initializeUpdate)).data);
    const authenticate = host.externalAuthenticate();
    assert.equal(await wire.send(authenticate), '9000');
    assert.equal(await wire.send(authenticate), '6985');
    assert.equal(await wire.send(host.wrap(command('80CA00E0'))), '6982');
  });

  test('does not skip sequence counters, nor go back', async () => {
    const { card } = await createWorld({ isdRKeys: { ...ISD_R_KEYS, sequenceCounter: 7 } });
    for (const [assumed, sw] of [
      [8, '6300'],
      [6, '6300'],
      [0, '6300'],
      [7, '9000'],
      [7, '6300'],
      [8, '9000'],
    ] as const) {
      const wire = await tapped(card);
      const host = hostOf();
      await wire.answer(host.initializeUpdate);
      host.assume(assumed, AID_ISD_R);
      assert.equal(await wire.send(host.externalAuthenticate()), sw, `counter ${assumed}`);
      await card.reset();
    }
  });

  test('at another level than its MAC was made for is refused, and so is one that asks for none', async () => {
    const { card } = await createWorld();
    for (const [p1, sw] of [
      [0x00, '6a86'],
      [0x02, '6a86'],
      [0x10, '6a86'],
      [0x30, '6a86'],
      [0x31, '6a86'],
      [0x01, '6982'],
      [0x03, '6982'],
      [0x13, '6982'],
      [0xff, '6a86'],
    ] as const) {
      const wire = await tapped(card);
      const host = hostOf();
      host.accept((await wire.answer(host.initializeUpdate)).data);
      assert.equal(await wire.send({ ...host.externalAuthenticate(), p1 }), sw, p1.toString(16));
      assert.equal(await wire.send(host.wrap(command('80CA00E0'))), '6982');
      await card.reset();
    }
    const wire = await tapped(card);
    await open(wire);
    const { data } = await wire.answer(hostOf().initializeUpdate);
    assert.equal(toHex(data.subarray(-3)), '000001', 'what was refused spent nothing');
  });
});

describe('a session', () => {
  test('is over when INITIALIZE UPDATE comes, also one that is refused', async () => {
    for (const again of [
      '8050300008 0102030405060708',
      '80503F0008 0102030405060708',
      '8050300007 01020304050607',
    ]) {
      const { card } = await createWorld();
      const wire = await tapped(card);
      const host = await open(wire);
      const octets = fromHex(again.replaceAll(' ', ''));
      const [cla = 0, ins = 0, p1 = 0, p2 = 0] = octets;
      await wire.answer({ cla, ins, p1, p2, data: octets.subarray(5), le: 256 });
      assert.equal(await wire.send(host.wrap(command('80CA00E0'))), '6982', again);
    }
  });

  test('at a low level lets nobody in without its MAC', async () => {
    const { card } = await createWorld();
    for (const level of [0x01, 0x03, 0x11, 0x13, 0x33] as const) {
      const wire = await tapped(card);
      const host = await open(wire, hostOf(level));
      const put = putKeyset(NEXT, ISD_R_KEYS.dek);
      assert.equal(await wire.send(put), '6982', 'without secure messaging');
      assert.equal(await wire.send({ ...put, cla: 0x84 }), '6982', 'announced and not there');
      assert.equal(await wire.send(host.wrap(put)), '6982', 'and it is over');
      await card.reset();
    }
  });
});
