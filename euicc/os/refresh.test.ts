// REFRESH after a switch of profiles: 91xx, FETCH, TERMINAL RESPONSE, reset (SGP.22 3.2.1; ETSI TS 102 223, 6.4.7).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toHex } from '../../base/bytes.ts';
import { encodeIccid } from '../../codec/ids.ts';
import {
  DisableProfileRequest,
  EnableProfileRequest,
  EnableProfileResponse,
} from '../../codec/rsp/profile-management.ts';
import { profileStates, signedNotifications } from '../testing/results.ts';
import { type IsdRChannel, openIsdR, raw, TERMINAL_PROFILE } from '../testing/terminal.ts';
import { createWorld, ICCID_A, install, PROVISIONING_ICCID, type World } from '../testing/world.ts';
import { transcript } from '../testing/os-card.ts';

const P = PROVISIONING_ICCID;
const A = ICCID_A;
/** The same terminal with "eUICC Profile State Change": octet 34, bit 6. */
const STATE_CHANGE_PROFILE = `8010000022${'FFFF80'.padEnd(66, '0')}20`;
const enable = (iccid = A, refreshFlag = true): Uint8Array =>
  EnableProfileRequest.encode({ profileIdentifier: { is: 'iccid', value: iccid }, refreshFlag });
const resultOf = async (isdR: IsdRChannel, request: Uint8Array): Promise<string> =>
  EnableProfileResponse.decode((await isdR.send(request)).data).enableResult;

async function installed(terminalProfile?: string): Promise<{ world: World; isdR: IsdRChannel }> {
  const world = await createWorld();
  const isdR = await openIsdR(world.card);
  await install(world, isdR);
  if (terminalProfile !== undefined) await transcript(world.card, [terminalProfile, '9000']);
  return { world, isdR };
}

async function shownIccid({ card }: World): Promise<string> {
  await raw(card, '00A4080C022FE2');
  return raw(card, '00B000000A');
}
const shows = (iccid: typeof A): string => `${toHex(encodeIccid(iccid))}9000`;
const before = { [P]: 'enabled', [A]: 'disabled' };
const after = { [P]: 'disabled', [A]: 'enabled' };
const SWITCHED = ['1 install successResult', `2 notificationDisable ${P}`, `3 notificationEnable ${A}`];
const DONE = '830100';
const response = (details: string, result: string): string => `801400000C8103${details}82028281${result}`;

describe('a terminal that resets the card', () => {
  test('is told by every success until it fetches, and the switch comes with the reset', async () => {
    const { world, isdR } = await installed(TERMINAL_PROFILE);
    const { card } = world;
    assert.equal((await isdR.send(enable())).sw, 0x910b);
    await transcript(
      card,
      ['00A4000C022FE2', '910B'],
      ['00B000000A', `${toHex(encodeIccid(P))}910B`],
      ['00A4000C026F07', '6A82'],
      [response('010104', DONE), '6985'],
      ['8012000001', '6C0B'],
      ['80120000', '6C0B'],
      ['801200000B', 'D0098103010104820281829000'],
      ['801200000B', '6985'],
      ['80F2000C00', '9000'],
    );
    assert.deepEqual(await profileStates(isdR), before);
    assert.equal(await resultOf(isdR, enable()), 'catBusy');
    await card.reset();
    assert.equal(await shownIccid(world), shows(A));
    const again = await openIsdR(card);
    assert.deepEqual(await profileStates(again), after);
    assert.deepEqual(await signedNotifications(world, again), SWITCHED);
  });

  test('a TERMINAL RESPONSE must be the answer to the command', async () => {
    const { world, isdR } = await installed(TERMINAL_PROFILE);
    await isdR.send(enable());
    await transcript(
      world.card,
      ['801200000B', 'D0098103010104820281829000'],
      [response('020104', DONE), '6A80'],
      [response('010109', DONE), '6A80'],
      ['80140000098103010104820282 81', '6A80'],
      ['80140000038301', '6700'],
      ['801400000383 0100', '6A80'],
      ['80140000020103', '6A80'],
      ['80140000', '6700'],
      ['801400010C81030101048202828183 0100', '6A86'],
      [response('010104', '830130'), '9000'],
      [response('010104', '830130'), '6985'],
    );
    assert.deepEqual(await profileStates(isdR), before);
    await world.card.reset();
    assert.equal(await shownIccid(world), shows(P), 'refused is refused');
    assert.deepEqual(await signedNotifications(world, await openIsdR(world.card)), SWITCHED.slice(0, 1));
  });

  test('one that cannot now is asked again when it polls, as often as it takes', async () => {
    const { world, isdR } = await installed(TERMINAL_PROFILE);
    await isdR.send(enable());
    for (const number of ['01', '02', '03']) {
      const details = `${number}0104`;
      await transcript(
        world.card,
        ['801200000B', `D0098103${details}820281829000`],
        [response(details, '830120'), '9000'],
        ['00A4000C022FE2', '9000'],
        ['80F2000C00', '910B'],
      );
    }
    assert.equal(await resultOf(isdR, enable()), 'catBusy');
    await transcript(
      world.card,
      ['801200000B', 'D0098103040104820281829000'],
      [response('040104', DONE), '9000'],
    );
    assert.deepEqual(await profileStates(isdR), after);
  });
});

describe('a terminal that knows "eUICC Profile State Change"', () => {
  test('sees the new profile with its TERMINAL RESPONSE, as after a reset', async () => {
    const { world, isdR } = await installed(STATE_CHANGE_PROFILE);
    const { card } = world;
    assert.equal((await isdR.send(enable())).sw, 0x910b);
    await transcript(
      card,
      ['00A4040C07A0000000871002', '910B'],
      ['801200000B', 'D0098103010109820281829000'],
    );
    assert.equal(await shownIccid(world), shows(P));
    await transcript(
      card,
      [response('010109', DONE), '9000'],
      ['01A4000C023F00', '6881'],
      ['80F2000100', '9000'],
      ['00B000000A', '6986'],
    );
    assert.equal(await shownIccid(world), shows(A));
    await transcript(card, ['00D6000001FF', '6982']);
    const again = await openIsdR(card);
    assert.deepEqual(await profileStates(again), after);
    await card.reset();
    assert.equal(await shownIccid(world), shows(A));
    assert.deepEqual(await signedNotifications(world, await openIsdR(card)), SWITCHED);
  });

  test('disabling leaves a card without a profile', async () => {
    const { world, isdR } = await installed(STATE_CHANGE_PROFILE);
    const request = DisableProfileRequest.encode({
      profileIdentifier: { is: 'iccid', value: P },
      refreshFlag: true,
    });
    assert.equal((await isdR.send(request)).sw, 0x910b);
    await raw(world.card, '801200000B');
    await transcript(
      world.card,
      [response('010109', DONE), '9000'],
      ['00A4000C022FE2', '6A82'],
      ['00A4000C022F00', '9000'],
    );
    assert.deepEqual(await profileStates(await openIsdR(world.card)), { [P]: 'disabled', [A]: 'disabled' });
  });

  test('a memory reset asks for a UICC reset all the same', async () => {
    const { world, isdR } = await installed(STATE_CHANGE_PROFILE);
    await raw(world.card, '80F2000C00');
    await isdR.send(enable(A, false));
    await world.card.reset();
    await transcript(world.card, [STATE_CHANGE_PROFILE, '9000'], ['0070000001', '019000']);
    await transcript(
      world.card,
      ['01A4040C10A0000005591010FFFFFFFF8900000100', '9000'],
      ['81E2910007BF340482020780 00', 'BF3403800100910B'],
      ['801200000B', 'D0098103010104820281829000'],
    );
  });
});

describe('a terminal without the toolkit', () => {
  test('that never sends a TERMINAL PROFILE gets no proactive command; the next reset shows the profile', async () => {
    const { world, isdR } = await installed();
    assert.equal((await isdR.send(enable())).sw, 0x9000);
    await transcript(world.card, ['801200000B', '6985'], ['80F2000C00', '9000']);
    assert.deepEqual(await profileStates(isdR), before);
    await world.card.reset();
    assert.equal(await shownIccid(world), shows(A));
  });

  test('that sends its TERMINAL PROFILE later is asked then', async () => {
    const { world, isdR } = await installed();
    await isdR.send(enable());
    await transcript(world.card, [TERMINAL_PROFILE, '910B'], ['801200000B', 'D0098103010104820281829000']);
  });

  test('that cannot refresh is not asked', async () => {
    const { world, isdR } = await installed('8010000003FFFF7F');
    assert.equal((await isdR.send(enable())).sw, 0x9000);
    await world.card.reset();
    assert.equal(await shownIccid(world), shows(A));
  });
});

test('the toolkit talks on the basic channel only', async () => {
  const { world } = await installed();
  await transcript(
    world.card,
    ['8110000003FFFF80', '6E00'],
    ['811200000B', '6E00'],
    ['811400000383 0100', '6E00'],
    ['81C2000004D1020100', '6E00'],
    ['81AA000003A90100', '6A80'],
    ['81AA000005A903810100', '9000'],
  );
});
