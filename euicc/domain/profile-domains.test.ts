// The security domains of a profile: their own secure channels, registry, states and data, on the card and over the air.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { type CommandApdu, withChannel } from '../../codec/apdu.ts';
import { DeleteProfileRequest, DisableProfileRequest } from '../../codec/rsp/profile-management.ts';
import {
  APPLICATION,
  command,
  DOMAIN_KEYS,
  domainTarget,
  domainWorld,
  MNO_SD,
  openDomain,
  over,
  SUB_KEYS,
  SUB_SD,
  swOf,
  TAR_SUB_SD,
  textOf,
} from '../testing/domains.ts';
import { openManagement } from '../testing/management.ts';
import { tearAtEveryWrite } from '../testing/tear.ts';
import { exchange, raw, selectAid } from '../testing/terminal.ts';
import { ICCID_A, ISD_R_KEYS } from '../testing/world.ts';

const { long, ota, scp03 } = DOMAIN_KEYS;

describe("the operator's security domain", () => {
  test('opens a session at every level under its own keys, each with a counter of its own', async () => {
    const { card } = await domainWorld();
    for (const keys of [scp03, long]) {
      for (const [index, level] of ([0x01, 0x03, 0x11, 0x13, 0x33] as const).entries()) {
        const session = await openManagement(card, keys, { aid: MNO_SD, level });
        const counter = (index + 1).toString(16).padStart(6, '0');
        assert.equal(textOf(await session.send(command('80CA00C1'))), `C103${counter} 9000`);
        assert.equal(await swOf(session.send(command('80F28002 4F00'))), '9000');
        assert.equal(await swOf(session.send(command('80CA00CF'))), '6a88');
      }
    }
    await assert.rejects(
      openDomain(card, ISD_R_KEYS),
      /cryptogram/,
      'the keys of the ISD-R are none of its own',
    );
    await assert.rejects(openDomain(card, scp03, SUB_SD), /cryptogram/, 'nor are those of the one above');
    await openDomain(card, SUB_KEYS, SUB_SD);
    await selectAid(card, MNO_SD);
    assert.match(
      await raw(card, '8050000008010203040506070800'),
      /^0{20}300370/,
      'version 0 is the first for SCP03',
    );
  });

  test('counts its sessions from where the package says', async () => {
    const { card } = await domainWorld({ counter: '0000000100' });
    const session = await openDomain(card);
    assert.equal(textOf(await session.send(command('80CA00C1'))), 'C103000101 9000');
    assert.equal(await over(card, domainTarget(ota), 0x100, command('80CA00E0')), 'status 2');
    assert.match(await over(card, domainTarget(ota), 0x101, command('80CA00E0')), /9000$/);
  });

  test('refuses with the status word of each fault', async () => {
    const { card } = await domainWorld();
    await selectAid(card, MNO_SD);
    for (const [apdu, sw] of [
      ['8050330008010203040506070800', '6A88'],
      ['8050010008010203040506070800', '6A88'],
      ['8050040008010203040506070800', '6A88'],
      ['8050300108010203040506070800', '6A86'],
      ['80503000070102030405060700', '6700'],
      ['80503000100102030405060708010203040506070800', '6700'],
      ['848233001000000000000000000000000000000000', '6985'],
      ['80F28002024F0000', '6982'],
      ['80D8000000', '6982'],
      ['80E4000003D2013000', '6982'],
      ['80F0400F08A00000015100000000', '6982'],
      ['80E2900003420101', '6982'],
      ['84CA00E008000000000000000000', '6982'],
      ['80E6000000', '6D00'],
      ['00B0000001', '6E00'],
    ] as const) {
      assert.equal((await raw(card, apdu)).slice(-4), sw, apdu);
    }
  });

  test('is no way round its level: plain, cut, changed and repeated commands are refused and end the session', async () => {
    const { card } = await domainWorld();
    for (const spoil of [
      (wrapped: CommandApdu): CommandApdu => ({ ...wrapped, data: wrapped.data.subarray(0, -1) }),
      (wrapped: CommandApdu): CommandApdu => ({ ...wrapped, data: wrapped.data.subarray(0, 4) }),
      (wrapped: CommandApdu): CommandApdu => ({ ...wrapped, p2: wrapped.p2 ^ 1 }),
      (wrapped: CommandApdu): CommandApdu => ({ ...wrapped, data: wrapped.data.map((octet) => octet ^ 1) }),
    ]) {
      const session = await openDomain(card);
      const plain = command('80F28002 4F00');
      assert.equal(
        await swOf(exchange(card, { ...plain, cla: withChannel(plain.cla, session.channel) })),
        '6982',
        'a plain command in a session',
      );
      assert.equal(await swOf(session.send(plain)), '9000', 'and it goes on');
      assert.equal(await swOf(exchange(card, spoil(session.wrap(plain)))), '6982');
      assert.equal(await swOf(exchange(card, session.wrap(plain))), '6982', 'it is over');
    }
    const session = await openDomain(card);
    const once = session.wrap(command('80F28002 4F00'));
    assert.equal(await swOf(exchange(card, once)), '9000');
    assert.equal(await swOf(exchange(card, once)), '6982', 'twice');
  });

  test('ends a session when something is selected anew, on its channel alone', async () => {
    const { card } = await domainWorld();
    const [first, second] = [await openDomain(card), await openDomain(card)];
    await selectAid(card, MNO_SD, first.channel);
    assert.equal(await swOf(exchange(card, first.wrap(command('80CA00E0')))), '6982');
    assert.equal(await swOf(second.send(command('80CA00E0'))), '9000');
  });

  test('tells of what is below it, and one below only of its own', async () => {
    const { card } = await domainWorld();
    const session = await openDomain(card);
    const entry = (aid: Uint8Array, state: string, privileges: string): string =>
      `E3${(aid.length + 8 + privileges.length / 2).toString(16).padStart(2, '0')}4F0${aid.length}${toHex(aid)}9F7001${state}C50${privileges.length / 2}${privileges}`.toUpperCase();
    const mno = entry(MNO_SD, '0F', '82DC00');
    const sub = entry(SUB_SD, '07', '82DC00');
    const applied = entry(APPLICATION, '07', '00');
    assert.equal(textOf(await session.send(command('80F28002 4F00'))), `${mno} 9000`);
    assert.equal(textOf(await session.send(command('80F24002 4F00'))), `${sub}${applied} 9000`);
    assert.equal(
      textOf(await session.send(command('80F22002 4F00'))),
      'E30E4F08A0000005591010009F700101 9000',
    );
    const below = await openDomain(card, SUB_KEYS, SUB_SD);
    assert.equal(textOf(await below.send(command('80F28002 4F00'))), `${sub} 9000`);
    assert.equal(textOf(await below.send(command('80F24002 4F00'))), `${applied} 9000`);
    assert.equal(await swOf(below.send(command('80F22002 4F00'))), '6a88');
  });

  test('locks and unlocks what is below it, which then can be neither selected nor reached over the air', async () => {
    const { card } = await domainWorld();
    const session = await openDomain(card);
    const below = await openDomain(card, SUB_KEYS, SUB_SD);
    const set = (p1: string, state: string, aid: Uint8Array): Promise<string> =>
      swOf(session.send(command(`80F0${p1}${state}${toHex(aid)}`)));
    assert.equal(await set('60', '80', SUB_SD), '9000');
    assert.equal(await set('60', '80', SUB_SD), '6985', 'it is locked');
    assert.match(textOf(await session.send(command('80F24002 4F00'))), /9F700187C5.*9F700187C5/);
    assert.equal((await selectAid(card, SUB_SD)).sw, 0x6a82);
    assert.equal(await swOf(exchange(card, below.wrap(command('80CA00E0')))), '6985');
    const target = domainTarget({ ...SUB_KEYS, kvn: 1 }, { tar: TAR_SUB_SD });
    assert.equal(await over(card, target, 1, command('80CA00E0')), 'status 9');
    assert.equal(await set('40', '07', SUB_SD), '9000');
    assert.match(textOf(await session.send(command('80F24002 4F00'))), /9F700107C5.*9F700187C5/);
    await openDomain(card, SUB_KEYS, SUB_SD);
    assert.match(await over(card, target, 1, command('80CA00E0')), /9000$/);
    for (const [p1, state, aid, sw] of [
      ['40', '07', APPLICATION, '9000'],
      ['40', '07', APPLICATION, '6985'],
      ['60', '80', APPLICATION, '6985'],
      ['40', '80', MNO_SD, '6985'],
      ['40', '07', MNO_SD, '6985'],
      ['80', '0F', MNO_SD, '6a86'],
      ['40', '80', fromHex('A000000559'), '6a88'],
    ] as const) {
      assert.equal(await set(p1, state, aid), sw, `${p1} ${state} ${toHex(aid)}`);
    }
    const own = await openDomain(card, SUB_KEYS, SUB_SD);
    assert.equal(await swOf(own.send(command(`80F0400F${toHex(SUB_SD)}`))), '9000');
    assert.equal(await swOf(own.send(command(`80F0400F${toHex(SUB_SD)}`))), '6985', 'it is personalized');
    assert.equal(await swOf(own.send(command(`80F04080${toHex(MNO_SD)}`))), '6a88', 'what is above it');
  });

  test('keeps what its owner says of itself', async () => {
    const world = await domainWorld();
    const session = await openDomain(world.card);
    for (const [apdu, sw] of [
      ['80E29000 4203112233', '9000'],
      ['80E28800 007006 45044A4B4C4D', '9000'],
      ['80E29000 4200', '6a80'],
      ['80E29000 4203', '6a80'],
      ['80E29000 5F500141', '6a88'],
      ['80E28800 8F0103 420101', '6a88'],
      ['80E28800 007007 420101', '6a80'],
      ['80E21000 42011A', '6a86'],
      ['80E29001 42011A', '6a86'],
      ['80E2F000 42011A', '6a86'],
    ] as const) {
      assert.equal(await swOf(session.send(command(apdu))), sw, apdu);
    }
    await world.reopen();
    await selectAid(world.card, MNO_SD);
    assert.equal(await raw(world.card, '80CA004200'), '42031122339000');
    assert.equal(await raw(world.card, '80CA004500'), '45044A4B4C4D9000');
    await selectAid(world.card, SUB_SD);
    assert.equal(await raw(world.card, '80CA004200'), '4204890490329000', 'the issuer of the card');
  });

  test('is there only while its profile is enabled, and says nothing once that is deleted', async () => {
    const { card } = await domainWorld();
    const session = await openDomain(card);
    const isdR = await openManagement(card, ISD_R_KEYS);
    const es10 = async (request: Uint8Array): Promise<string> =>
      swOf(isdR.send({ cla: 0x80, ins: 0xe2, p1: 0x91, p2: 0, data: request }));
    assert.equal(await swOf(session.send(command('80CA00E0'))), '9000');
    const profileIdentifier = { is: 'iccid', value: ICCID_A } as const;
    assert.equal(await es10(DisableProfileRequest.encode({ profileIdentifier, refreshFlag: false })), '9000');
    assert.equal(await es10(DeleteProfileRequest.encode(profileIdentifier)), '9000');
    assert.equal(await swOf(exchange(card, session.wrap(command('80CA00E0')))), '6985');
    assert.equal((await selectAid(card, MNO_SD)).sw, 0x6a82);
    await card.reset();
    assert.equal((await selectAid(card, MNO_SD)).sw, 0x6a82);
  });
});

test('SET STATUS is done or not wherever the power is cut', () =>
  tearAtEveryWrite<string>({
    name: 'SET STATUS',
    before: '9000',
    after: '6a82',
    world: () => domainWorld(),
    async arrange({ card }) {
      const session = await openDomain(card);
      return () => session.send(command(`80F06080${toHex(SUB_SD)}`));
    },
    observe: ({ card }) => swOf(selectAid(card, SUB_SD)),
  }));
