// What a hardware run may change when it is told to: each change looks first, and puts back what was there.
import { sleep } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import { es10 } from '../agent/card-operations.ts';
import type { CardChannel } from '../codec/card.ts';
import { AID_ISD_R, encodeAid, type Iccid } from '../codec/ids.ts';
import {
  EnableProfileRequest,
  EnableProfileResponse,
  SetNicknameRequest,
  SetNicknameResponse,
} from '../codec/rsp/profile-management.ts';
import { cardProfiles, enabledIn, onIsdR } from './hil-reads.ts';
import { failed, PASSED, skipped, type StepContext, type Verdict, type WriteStep } from './hil-step.ts';

const NICKNAME = 'hardware test';
const FULL = 1;
const REGISTER_MS = 180_000;
const ASK_EVERY_MS = 1_000;
/** More than any card has. */
const MANY_CHANNELS = 24;

/** Putting back runs to its end, also when the run was stopped meanwhile, and is no finding. */
function unstoppable(context: StepContext): StepContext {
  return { ...context, signal: new AbortController().signal, note: () => {} };
}

async function setNickname(context: StepContext, iccid: Iccid, profileNickname: string): Promise<string> {
  return onIsdR(context, async (channel) => {
    const request = SetNicknameRequest.encode({ iccid, profileNickname });
    const answer = await es10(channel, request, { signal: context.signal });
    return SetNicknameResponse.decode(answer).setNicknameResult;
  });
}

const nickname: WriteStep = {
  id: 'nickname',
  title: 'A profile gets a nickname, which the card keeps',
  changes: 'the nickname of one profile (ES10c.SetNickname)',
  async prepare(context, { profile }) {
    const list = await cardProfiles(context);
    const chosen =
      profile === undefined ? (enabledIn(list) ?? list[0]) : list.find(({ iccid }) => iccid === profile);
    const iccid = chosen?.iccid;
    if (iccid === undefined)
      return skipped(profile === undefined ? 'there is no profile' : `no profile ${profile}`);
    const before = chosen?.profileNickname ?? '';
    const now = async (how: StepContext): Promise<string> =>
      (await cardProfiles(how)).find((each) => each.iccid === iccid)?.profileNickname ?? '';
    context.note('profile', iccid);
    return {
      async run() {
        const result = await setNickname(context, iccid, NICKNAME);
        if (result !== 'ok') return failed(`the eUICC answers ${result}`);
        const found = await now(context);
        return found === NICKNAME ? PASSED : failed(`the nickname is ${JSON.stringify(found)}`);
      },
      async restore() {
        if ((await now(unstoppable(context))) !== before)
          await setNickname(unstoppable(context), iccid, before);
      },
      async left() {
        const found = await now(unstoppable(context));
        return found === before ? undefined : `the nickname of ${iccid} is ${JSON.stringify(found)}`;
      },
    };
  },
};

async function enable(context: StepContext, iccid: Iccid): Promise<Verdict> {
  const result = await onIsdR(context, async (channel) => {
    const request = EnableProfileRequest.encode({
      profileIdentifier: { is: 'iccid', value: iccid },
      refreshFlag: true,
    });
    return EnableProfileResponse.decode(await es10(channel, request, { signal: context.signal }))
      .enableResult;
  }).catch((error: unknown) => {
    if (!isAgentError(error, 'CARD_LOST', 'LINK_CLOSED')) throw error;
    // The REFRESH may take the modem's port away before the answer is here: the card itself says what came of it.
    context.note('the answer to EnableProfile', 'was lost');
    return 'ok' as const;
  });
  if (result !== 'ok') return failed(`the eUICC answers ${result}`);
  const { modem, signal } = context;
  const outcome = await modem.awaitProfile(iccid, { signal });
  const steps = outcome.steps.map(({ step }) => step).join(', ');
  if (steps !== '') context.note('seen after', steps);
  return outcome.seen ? PASSED : failed(`the modem does not see ${iccid}`);
}

const switchProfile: WriteStep = {
  id: 'switch',
  title: 'Another profile is enabled, and the modem sees it',
  changes: 'the enabled profile, to --profile ICCID and back; the card keeps notifications of it',
  async prepare(context, { profile }) {
    const list = await cardProfiles(context);
    const before = enabledIn(list)?.iccid;
    const other = list.find(({ iccid }) => iccid === profile)?.iccid;
    if (profile === undefined) return skipped('name the profile with --profile ICCID');
    if (other === undefined) return skipped(`the eUICC has no profile ${profile}`);
    if (before === undefined) return skipped('no profile is enabled: there is none to go back to');
    if (before === other) return skipped(`${profile} is enabled already`);
    const now = async (): Promise<string | undefined> =>
      enabledIn(await cardProfiles(unstoppable(context)))?.iccid;
    return {
      async run() {
        const verdict = await enable(context, other);
        if (verdict.is !== 'passed') return verdict;
        const found = enabledIn(await cardProfiles(context))?.iccid;
        return found === other ? PASSED : failed(`${found ?? 'no profile'} is enabled`);
      },
      async restore() {
        if ((await now()) !== before) await enable(unstoppable(context), before);
      },
      async left() {
        const found = await now();
        return found === before ? undefined : `${found ?? 'no profile'} is enabled, not ${before}`;
      },
    };
  },
};

const radio: WriteStep = {
  id: 'radio',
  title: 'The radio goes off and on, and the network takes the modem back',
  changes: 'the radio, off and on (AT+CFUN): the device is without its network for a while',
  async prepare(context) {
    const { modem, clock, signal } = context;
    const before = await modem.functionality();
    if (before === undefined) return skipped('the modem does not tell its +CFUN');
    if (before !== FULL) return skipped(`+CFUN is ${before}: the radio is off already`);
    const { registered } = await modem.registration();
    return {
      async run() {
        await modem.setRadio(false).catch((error: unknown) => {
          if (!isAgentError(error, 'LINK_CLOSED')) throw error;
          context.note('its port', 'goes away with the radio');
        });
        context.note('+CFUN while off', (await modem.functionality()) ?? 'not known');
        signal.throwIfAborted();
        await modem.setRadio(true);
        const [since, endsAt] = [clock.now(), clock.now() + REGISTER_MS];
        while (registered && !(await modem.registration()).registered) {
          if (clock.now() >= endsAt) return failed('the network does not take the modem back');
          await sleep(clock, ASK_EVERY_MS, { signal });
        }
        if (registered) context.note('registered again after', `${Math.round(clock.now() - since)} ms`);
        return PASSED;
      },
      async restore() {
        if ((await modem.functionality()) !== before) await modem.setRadio(true);
      },
      async left() {
        const now = await modem.functionality();
        return now === before ? undefined : `+CFUN is ${now ?? 'not known'}, not ${before}`;
      },
    };
  },
};

const restart: WriteStep = {
  id: 'restart',
  title: 'The modem restarts and is the same one',
  changes: 'nothing that lasts: the modem restarts (AT+CFUN=1,1)',
  async prepare({ modem }) {
    const before = await modem.imei();
    return {
      async run() {
        await modem.restart();
        const after = await modem.imei();
        return after === before ? PASSED : failed(`IMEI ${after} came back`);
      },
      restore: () => Promise.resolve(),
      left: () => Promise.resolve(undefined),
    };
  },
};

const exhaust: WriteStep = {
  id: 'exhaust',
  title: 'Channels are opened until there is none left, and all are free again',
  changes: 'every free logical channel of the card is taken for a moment',
  async prepare(context) {
    const { modem } = context;
    const open: CardChannel[] = [];
    return {
      async run() {
        const card = await modem.openCard();
        while (open.length < MANY_CHANNELS) {
          context.signal.throwIfAborted();
          try {
            open.push(await card.openChannel(encodeAid(AID_ISD_R), { signal: context.signal }));
          } catch (error) {
            if (!isAgentError(error, 'CARD_ACCESS', 'CARD_STATUS')) throw error;
            break;
          }
        }
        context.note('channels at once', open.length);
        return open.length > 0 ? PASSED : failed('not one channel opens');
      },
      async restore() {
        for (const channel of open.splice(0)) await channel.close();
      },
      async left() {
        await onIsdR(unstoppable(context), () => Promise.resolve());
        return undefined;
      },
    };
  },
};

export const WRITE_STEPS: readonly WriteStep[] = [nickname, exhaust, radio, restart, switchProfile];
