// How an order begins: the first one of a card without an operational profile, and the request of any (seed 38, 61).
import { askedPatiently } from './asked-patiently.ts';
import { answer, type CarryOutContext, type StepOptions } from './carry-out-context.ts';
import { listProfiles, startSession, withIsdR } from './card-operations.ts';
import type { Event, Order, State } from './machine.ts';

/** Data of a short command (ISO/IEC 7816-4). */
const MAX_SHORT_DATA = 255;

/** The first order of a card that has no operational profile, to this MNO; none where there is no MNO to ask (seed 61). */
export async function firstOrder(
  { device, random, clock, log, cardLock }: CarryOutContext,
  mno: string | undefined,
  state: State,
  { signal }: { readonly signal: AbortSignal },
): Promise<Order | undefined> {
  if (mno === undefined || state.at !== 'idle') return undefined;
  const profiles = await askedPatiently({ clock, log, signal, device }, () =>
    cardLock.run(async () =>
      withIsdR(await device.card({ signal }), { signal }, (channel) => listProfiles(channel, { signal })),
    ),
  );
  if (profiles.some(({ profileClass }) => profileClass === 'operational')) return undefined;
  return { mno, kind: 'provisioning', transaction: random.bytes(16) };
}

/** Asks for a profile: the card's challenge with the device's limits, the beginning of an order (seed 38, 61). */
export async function makeRequest(
  context: CarryOutContext,
  order: Order,
  step: StepOptions,
  maxBlockSize: number | undefined,
): Promise<Event> {
  const { cardLock, device } = context;
  const made = await cardLock.run(async () =>
    withIsdR(await device.card(step), step, async (channel) => {
      const profiles = await listProfiles(channel, step);
      const donor = profiles.find(({ enabled, profileClass }) => enabled && profileClass === 'operational');
      return {
        ...(await startSession(channel, step)),
        donorIccid: donor?.iccid,
        maxCommandData: channel.maxCommandData,
      };
    }),
  );
  const { euiccChallenge, euiccInfo1, donorIccid, maxCommandData } = made;
  return answer(context, order, {
    is: 'activationRequest',
    kind: order.kind,
    imei: device.imei,
    euiccChallenge,
    euiccInfo1,
    ...(donorIccid === undefined ? {} : { donorIccid }),
    ...(order.resumes === undefined ? {} : { resumes: order.resumes }),
    ...(maxBlockSize === undefined ? {} : { maxBlockSize }),
    ...(maxCommandData === undefined || maxCommandData === MAX_SHORT_DATA ? {} : { maxCommandData }),
  });
}
