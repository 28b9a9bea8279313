// The questions of a hardware run: identity, SIM, registration, and what the eUICC tells. Nothing on modem or card is changed.
import { toHex } from '../base/bytes.ts';
import { type Clock, sleep } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import { es10, getEid, withIsdR } from '../agent/card-operations.ts';
import type { CardChannel } from '../codec/card.ts';
import { parseEid } from '../codec/ids.ts';
import { EuiccInfo2, GetEuiccInfo2Request } from '../codec/rsp/euicc-info.ts';
import { ListNotificationRequest, ListNotificationResponse } from '../codec/rsp/notifications.ts';
import { type ProfileInfo, ProfileInfoListRequest, ProfileInfoListResponse } from '../codec/rsp/profiles.ts';
import type { TypeOf } from '../codec/tlv-table.ts';
import { failed, PASSED, type ReadStep, skipped, type StepContext } from './hil-step.ts';

/** How long a card may take to start, and a network to be found. */
const PATIENCE_MS = 30_000;
const ASK_EVERY_MS = 1_000;
/** More often than a modem has channels: what is not closed shows. */
const CHANNEL_ROUNDS = 6;

/** Asks until the answer is there or patience is at an end; the last answer counts. */
async function patiently<T>(
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
  ask: () => Promise<T>,
  isThere: (answer: T) => boolean,
): Promise<T> {
  const endsAt = clock.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (isThere(answer) || clock.now() >= endsAt) return answer;
    await sleep(clock, ASK_EVERY_MS, { signal });
  }
}

export async function onIsdR<T>(
  { modem, signal }: Pick<StepContext, 'modem' | 'signal'>,
  work: (channel: CardChannel) => Promise<T>,
): Promise<T> {
  return withIsdR(await modem.openCard(), { signal }, work);
}

export type CardProfile = TypeOf<typeof ProfileInfo>;

/** ES10c.GetProfilesInfo, as the card tells it. */
export async function cardProfiles(context: Pick<StepContext, 'modem' | 'signal'>): Promise<CardProfile[]> {
  const { signal } = context;
  return onIsdR(context, async (channel) => {
    const answer = ProfileInfoListResponse.decode(
      await es10(channel, ProfileInfoListRequest.encode({}), { signal }),
    );
    return answer.is === 'profileInfoListOk' ? answer.value : [];
  });
}

export function enabledIn(profiles: readonly CardProfile[]): CardProfile | undefined {
  return profiles.find(({ profileState }) => profileState === 'enabled');
}

const identity: ReadStep = {
  id: 'identity',
  title: 'The modem says who it is',
  async run({ modem, note }) {
    const found = await modem.identity();
    for (const [name, value] of Object.entries(found)) note(name, value);
    return found.model === '' ? failed('+CGMM tells no model') : PASSED;
  },
};

const sim: ReadStep = {
  id: 'sim',
  title: 'The modem says whether the SIM is ready; no PIN is tried',
  async run(context) {
    const state = await patiently(
      context,
      () => context.modem.simState(),
      ({ is }) => is !== 'busy',
    );
    context.note('SIM', state.is === 'locked' ? state.lock : state.is);
    return state.is === 'failed' || state.is === 'busy' ? failed(`the SIM is ${state.is}`) : PASSED;
  },
};

const iccid: ReadStep = {
  id: 'iccid',
  title: 'The ICCID is read from the card',
  async run({ modem, note }) {
    const { is } = await modem.simState();
    if (is !== 'ready') return skipped(`the SIM is ${is}`);
    note('ICCID', await modem.readIccid());
    return PASSED;
  },
};

const registration: ReadStep = {
  id: 'registration',
  title: 'The modem says whether it is registered',
  async run(context) {
    const found = await patiently(
      context,
      () => context.modem.registration(),
      ({ status }) => status !== 'searching' && status !== 'not-searching',
    );
    context.note('registration', `${found.status} (+${found.domain})`);
    if (found.rejectCause !== undefined) context.note('reject cause', found.rejectCause);
    return PASSED;
  },
};

const operator: ReadStep = {
  id: 'operator',
  title: 'The modem names its network',
  async run({ modem, note }) {
    const { name, accessTechnology } = await modem.operator();
    note('network', name ?? 'none');
    if (accessTechnology !== undefined) note('access technology', accessTechnology);
    return PASSED;
  },
};

const signal: ReadStep = {
  id: 'signal',
  title: 'The modem measures its signal',
  async run({ modem, note }) {
    const level = await modem.signalQuality();
    note('+CSQ', level === 99 ? 'not known' : `${level} (${2 * level - 113} dBm)`);
    return level === 99 || level <= 31 ? PASSED : failed(`${level} is no level of +CSQ`);
  },
};

const access: ReadStep = {
  id: 'access',
  title: 'A way to the ISD-R is found, and its channel closed again',
  async run(context) {
    const octets = await onIsdR(context, (channel) => Promise.resolve(channel.maxCommandData ?? 255));
    context.note('way', context.lastSession()?.way ?? 'unknown');
    context.note('octets a command', octets);
    noteOpen(context);
    return PASSED;
  },
};

/** Some modems cannot close a session: the driver then uses it again. */
function noteOpen(context: StepContext): void {
  const open = context.memory().openSessions ?? [];
  if (open.length === 0) return;
  context.note(
    'sessions that the modem does not close',
    open.map(({ way, id }) => `${way} ${id}`).join(', '),
  );
}

const eid: ReadStep = {
  id: 'eid',
  title: 'The EID is read',
  async run(context) {
    const found = await onIsdR(context, (channel) => getEid(channel, { signal: context.signal }));
    context.note('EID', found);
    try {
      parseEid(found);
    } catch (error) {
      if (!isAgentError(error, 'ID_INVALID')) throw error;
      // Such cards are in the field, and work.
      context.note('check digits of the EID', 'wrong');
    }
    return PASSED;
  },
};

const info: ReadStep = {
  id: 'info',
  title: 'EUICCInfo2 is read',
  async run(context) {
    const answer = await onIsdR(context, (channel) =>
      es10(channel, GetEuiccInfo2Request.encode({}), { signal: context.signal }),
    );
    const { svn, euiccFirmwareVer, profileVersion, euiccCiPKIdListForVerification } =
      EuiccInfo2.decode(answer);
    context.note('SGP.22 version', svn);
    context.note('firmware of the eUICC', euiccFirmwareVer);
    context.note('profile package version', profileVersion);
    const keys = euiccCiPKIdListForVerification.map((key) => toHex(key).slice(0, 8)).join(' ');
    context.note('CI keys', keys === '' ? 'none' : keys);
    return PASSED;
  },
};

const profiles: ReadStep = {
  id: 'profiles',
  title: 'The profiles are listed, and the enabled one is the one that the modem sees',
  async run(context) {
    const list = await cardProfiles(context);
    for (const { iccid: number, profileState, profileClass, profileName, profileNickname } of list) {
      const words = [profileState, profileClass, profileName, profileNickname].filter(Boolean);
      context.note(number ?? 'a profile without ICCID', words.join(', '));
    }
    if (list.length === 0) context.note('profiles', 'none');
    const enabled = enabledIn(list)?.iccid;
    if (enabled === undefined || (await context.modem.simState()).is !== 'ready') return PASSED;
    const seen = await context.modem.readIccid();
    return seen === enabled ? PASSED : failed(`${enabled} is enabled, but the modem sees ${seen}`);
  },
};

const notifications: ReadStep = {
  id: 'notifications',
  title: 'The pending notifications are listed, and stay',
  async run(context) {
    const answer = ListNotificationResponse.decode(
      await onIsdR(context, (channel) =>
        es10(channel, ListNotificationRequest.encode({}), { signal: context.signal }),
      ),
    );
    if (answer.is !== 'notificationMetadataList') return failed('the eUICC answers an error');
    for (const { seqNumber, profileManagementOperation, notificationAddress } of answer.value) {
      context.note(
        `notification ${seqNumber}`,
        `${profileManagementOperation.join(' ')} ${notificationAddress}`,
      );
    }
    if (answer.value.length === 0) context.note('notifications', 'none');
    return PASSED;
  },
};

const channels: ReadStep = {
  id: 'channels',
  title: 'Channels are opened and closed more often than there are any',
  async run(context) {
    const ids = new Set<string>();
    for (let round = 0; round < CHANNEL_ROUNDS; round++) {
      context.signal.throwIfAborted();
      await onIsdR(context, () => Promise.resolve());
      const session = context.lastSession();
      ids.add(`${session?.way ?? ''} ${session?.id ?? ''}`.trim());
    }
    context.note('sessions used', [...ids].join(', '));
    noteOpen(context);
    return PASSED;
  },
};

export const READ_STEPS: readonly ReadStep[] = [
  identity,
  sim,
  iccid,
  registration,
  operator,
  signal,
  access,
  eid,
  info,
  profiles,
  notifications,
  channels,
];
