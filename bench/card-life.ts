// soak card: random lives of two cards that do the same, one of which loses its power at any write. After each step the torn card
// holds what the other held before the step or after it; the step repeated, they hold the same again.
import { toHex, uintBytes } from '../base/bytes.ts';
import { Secret } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { type Iccid, parseIccid } from '../codec/ids.ts';
import { bppSegments } from '../codec/rsp/bpp.ts';
import { LoadCRLRequest, SetDefaultDpAddressRequest } from '../codec/rsp/configuration.ts';
import { GetEuiccChallengeRequest } from '../codec/rsp/euicc-info.ts';
import { NotificationSentRequest } from '../codec/rsp/notifications.ts';
import {
  DeleteProfileRequest,
  DisableProfileRequest,
  EnableProfileRequest,
  EuiccMemoryResetRequest,
  SetNicknameRequest,
} from '../codec/rsp/profile-management.ts';
import { issueCrl } from '../crypto/crl.ts';
import { milenage } from '../crypto/milenage.ts';
import { USIM_AID } from '../euicc/profile-samples.ts';
import { openCardStore } from '../euicc/store.ts';
import { isPowerLoss } from '../euicc/store-files.ts';
import { createTestPki, type TestPki } from '../euicc/testing/pki.ts';
import { profileStates, signedNotifications } from '../euicc/testing/results.ts';
import { type IsdRChannel, openIsdR, raw } from '../euicc/testing/terminal.ts';
import {
  createWorld,
  ec,
  ICCID_A,
  ICCID_B,
  install,
  prepare,
  PROVISIONING_ICCID,
  sampleMetadata,
  samplePackage,
  STORE_KEY,
  type World,
} from '../euicc/testing/world.ts';
import { atLeast, atMost, type Run } from './figure.ts';
import { below, type Dice, pick } from './mutate.ts';

const DEFAULT_STEPS = 2000;
const STEPS_A_LIFE = 50;
const TEST_PROFILE = parseIccid('8988211000000000035');
const MAX_SQN = 40;
const TEARS = [{ keep: 0 }, { keep: 20, zeros: 1000 }, { keep: 1_000_000 }] as const;

type Step = (world: World, isdR: IsdRChannel) => Promise<unknown>;

const send =
  (request: Uint8Array): Step =>
  async (_world, isdR) =>
    isdR.send(request);

/** The enabled profile's sequence numbers move on; a challenge that is too old changes nothing. */
const authenticate =
  (seq: number): Step =>
  async ({ card }) => {
    const key = new Secret(new Uint8Array(16));
    const sqn = uintBytes(seq * 32, 6);
    const { ak, macA } = milenage({ k: key, opc: key, rand: key.reveal(), sqn, amf: new Uint8Array(2) });
    const hidden = toHex(sqn.map((octet, i) => octet ^ (ak[i] ?? 0)));
    await raw(card, `00A4040C${toHex(uintBytes(USIM_AID.length / 2, 1))}${USIM_AID}`);
    await raw(card, `008800812210${'00'.repeat(16)}10${hidden}0000${toHex(macA)}00`);
  };

/** A package that the next session interrupts. */
const interrupted: Step = async (world, isdR) => {
  const { boundProfilePackage } = await prepare(world, isdR, { iccid: ICCID_B });
  for (const piece of bppSegments(boundProfilePackage).slice(0, 4)) await isdR.es10(piece);
  await isdR.es10(GetEuiccChallengeRequest.encode({}));
};

function installation(iccid: Iccid): Step {
  return (world, isdR) => install(world, isdR, { iccid });
}

/** Everything that writes, fitting or not: what is refused must change nothing. */
function stepsOf(pki: TestPki, dice: Dice): readonly Step[] {
  const iccids = [ICCID_A, ICCID_B, PROVISIONING_ICCID, TEST_PROFILE];
  const crl = (thisUpdate: number, part?: { readonly number: number; readonly of: number }): Step => {
    const list = { number: 1, thisUpdate, nextUpdate: thisUpdate, revoked: [] };
    const der = issueCrl(ec, pki.issuer, part === undefined ? list : { ...list, part });
    return send(LoadCRLRequest.encode({ crl: der }));
  };
  const AT = Date.UTC(2026, 0, 1);
  const onProfiles = iccids.flatMap((value) => {
    const profileIdentifier = { is: 'iccid', value } as const;
    return [
      send(EnableProfileRequest.encode({ profileIdentifier, refreshFlag: false })),
      send(EnableProfileRequest.encode({ profileIdentifier, refreshFlag: true })),
      send(DisableProfileRequest.encode({ profileIdentifier, refreshFlag: false })),
      send(DeleteProfileRequest.encode(profileIdentifier)),
      send(SetNicknameRequest.encode({ iccid: value, profileNickname: value })),
      send(SetNicknameRequest.encode({ iccid: value, profileNickname: '' })),
    ];
  });
  const installations = [ICCID_A, ICCID_B].flatMap((iccid) => {
    const step = installation(iccid);
    return [step, step, step, step];
  });
  return [
    ...onProfiles,
    ...installations,
    interrupted,
    ...['one', 'two', ''].map((defaultDpAddress) =>
      send(SetDefaultDpAddressRequest.encode({ defaultDpAddress })),
    ),
    ...[1, 2, 3, 4, 5, 6, 7, 8].map((seqNumber) => send(NotificationSentRequest.encode({ seqNumber }))),
    send(EuiccMemoryResetRequest.encode({ resetOptions: ['deleteFieldLoadedTestProfiles'] })),
    send(
      EuiccMemoryResetRequest.encode({
        resetOptions: ['deleteOperationalProfiles', 'resetDefaultSmdpAddress'],
      }),
    ),
    ...[1, 2, 3, 4].map(() => authenticate(1 + below(dice, MAX_SQN))),
    crl(AT),
    crl(AT + 1000, { number: 1, of: 2 }),
    crl(AT + 1000, { number: 2, of: 2 }),
    crl(AT + 2000),
  ];
}

/** Random by nature: keys that are made, and what is signed with random numbers; the list of notifications stands for it. */
const RANDOM_NAMES = /^(otkeys$|notification\/)/;

/** What the card says of itself, and every octet that it stores. */
async function held(world: World): Promise<string> {
  const isdR = await openIsdR(world.card);
  const told = [await profileStates(isdR), await signedNotifications(world, isdR)];
  const { files } = world;
  const store = await openCardStore({ path: 'card', key: STORE_KEY, random: createSeededRandom(1), files });
  const stored = store
    .names()
    .filter((name) => !RANDOM_NAMES.test(name))
    .toSorted()
    .map((name) => `${name} ${toHex(store.get(name) ?? new Uint8Array(0))}`);
  return JSON.stringify([...told, ...stored]);
}

/** One step, then the reset that carries out a switch. False where a cut stopped it. */
async function perform(world: World, step: Step): Promise<boolean> {
  try {
    await step(world, await openIsdR(world.card));
    await world.card.reset();
    return true;
  } catch (error) {
    if (!isPowerLoss(error)) throw error;
    world.files.powerOn();
    await world.reopen();
    return false;
  }
}

type Life = { readonly steps: number; readonly cuts: number; readonly faults: readonly string[] };

async function live(pki: TestPki, dice: Dice, steps: number): Promise<Life> {
  const profiles = [
    { iccid: PROVISIONING_ICCID, profileClass: 'provisioning' as const, enabled: true },
    { iccid: TEST_PROFILE, profileClass: 'test' as const, enabled: false },
  ].map(({ iccid, profileClass, enabled }) => ({
    upp: samplePackage(iccid),
    metadata: sampleMetadata(iccid, { profileClass }),
    enabled,
  }));
  const [torn, twin] = [await createWorld({ pki, profiles }), await createWorld({ pki, profiles })];
  const choices = stepsOf(pki, dice);
  let cuts = 0;
  let after = await held(twin);
  for (let number = 1; number <= steps; number++) {
    const step = pick(dice, choices);
    const before = after;
    await perform(twin, step);
    after = await held(twin);
    torn.files.cutAt(pick(dice, [1, 1, 1, 2]), pick(dice, TEARS));
    const whole = await perform(torn, step);
    torn.files.powerOn();
    if (!whole) cuts++;
    const found = await held(torn);
    if (found !== after) {
      if (whole || found !== before) return { steps: number, cuts, faults: [differenceOf(found, after)] };
      await perform(torn, step);
      const again = await held(torn);
      if (again !== after) return { steps: number, cuts, faults: [differenceOf(again, after)] };
    }
  }
  await torn.card.close();
  await twin.card.close();
  return { steps, cuts, faults: [] };
}

/** Where two states part, without the octets that stand in them. */
function differenceOf(found: string, expected: string): string {
  const parts: unknown = JSON.parse(found);
  const other: unknown = JSON.parse(expected);
  if (!Array.isArray(parts) || !Array.isArray(other)) return 'unreadable';
  const at = Math.max(
    0,
    parts.findIndex((part, i) => JSON.stringify(part) !== JSON.stringify(other[i])),
  );
  const shown = (part: unknown): string => JSON.stringify(part ?? 'nothing').slice(0, 300);
  return `${shown(parts[at])}, expected ${shown(other[at])}`;
}

export const cardLife: Run = {
  doc: 'random lives of a card that loses its power at any write, beside a card that does not; --runs counts steps',
  async run({ runs = DEFAULT_STEPS, seed, progress }) {
    const dice = createSeededRandom(seed);
    const pki = createTestPki(ec);
    let [steps, cuts] = [0, 0];
    const faults: string[] = [];
    for (let life = 1; steps < runs; life++) {
      const lived = await live(pki, dice, Math.min(STEPS_A_LIFE, runs - steps));
      steps += lived.steps;
      cuts += lived.cuts;
      for (const fault of lived.faults) {
        faults.push(fault);
        progress(`life ${life}, step ${lived.steps}: ${fault}`);
      }
    }
    return [
      atLeast('steps', steps, runs),
      atLeast('cutsAHundredSteps', (100 * cuts) / steps, 20),
      atMost('statesBetween', faults.length, 0),
    ];
  },
};
