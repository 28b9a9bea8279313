// How an installation over a troubled modem ended, by what the card says and what it was seen to do.
import { listProfiles, retrieveNotifications } from '../agent/card-operations.ts';
import { decodeCommandApdu, withChannel } from '../codec/apdu.ts';
import type { CardChannel, CardSlot } from '../codec/card.ts';
import type { Iccid } from '../codec/ids.ts';
import { notificationMetadataOf } from '../codec/rsp/notifications.ts';
import { exchange, openIsdR } from '../euicc/testing/terminal.ts';
import { finalResultOf } from '../hil-tests/rsp-card.ts';
import type { SimModem } from '../modem/sim/sim-modem.ts';
import type { CardWitness } from './card-witness.ts';
import type { DrawnModem } from './modem-draw.ts';

type Subject = { readonly drawn: DrawnModem; readonly witness: CardWitness };

/** What is not looked at in a run, and why: each is a thing that no driver could have done better. */
export const EXEMPTIONS = {
  owners: 'installations whose channels were not counted, since unknown owners took some',
  unclosable: 'installations whose channels were not counted, since the modem closes none',
  handles: 'installations whose channels were not counted, since nobody can guess their handles',
  flips: 'installations whose status words were not compared, since bits flipped within them',
} as const;
export type Exemption = keyof typeof EXEMPTIONS;

/** Only what struck in this run, or holds for its modem, exempts it. A way that is configured is tried first, and not the only one. */
export function exemptions(
  { drawn }: Pick<Subject, 'drawn'>,
  struck: SimModem['faults']['struck'],
): Exemption[] {
  return [
    ...(struck['exhaust'] === undefined ? [] : (['owners'] as const)),
    // Without +CCHC nothing can be closed: a session is used again as long as the line lives.
    ...(drawn.quirks.missing?.includes('+CCHC') === true ? (['unclosable'] as const) : []),
    // A handle of 64 bits that got lost on the line cannot be guessed: the card's next reset closes its session.
    ...(drawn.quirks.sessionIds === 'handles' ? (['handles'] as const) : []),
    // Bits that flip inside of hex digits change what the card is told or said to have answered, and nothing shows it.
    ...(struck['flip'] === undefined ? [] : (['flips'] as const)),
  ];
}

/** Channels that are open besides the one by which the card is asked, and those that others hold by nature. */
export function leaks(subject: Subject, modem: SimModem, asking: number): string[] {
  if (exemptions(subject, modem.faults.struck).some((each) => each !== 'flips')) return [];
  const open = subject.witness.openChannels().filter((channel) => channel !== asking);
  const allowed = subject.drawn.quirks.ownLpa === true ? 1 : 0;
  return open.length > allowed ? [`channels ${open.join(', ')} are left open`] : [];
}

export function wrongAnswers(subject: Subject, modem: SimModem): readonly string[] {
  return exemptions(subject, modem.faults.struck).includes('flips') ? [] : subject.witness.unbelievable;
}

/**
 * One ISD-P for the profile that was installed, none that nobody ordered, and one notification of each installation: at the operator, which
 * was `told`, or on the card still. What an operator ordered before it gave up may be there too.
 */
export async function wrongCard(
  card: CardSlot,
  known: {
    readonly iccid: Iccid | undefined;
    readonly ordered: readonly (Iccid | undefined)[];
    readonly told: readonly (string | undefined)[];
  },
): Promise<string[]> {
  const { channel: number } = await openIsdR(card);
  const channel: CardChannel = {
    selectResponse: new Uint8Array(0),
    transmit(apdu) {
      const command = decodeCommandApdu(apdu);
      return exchange(card, { ...command, cla: withChannel(command.cla, number) });
    },
    close: async () => {},
  };
  const operational = (await listProfiles(channel)).filter((each) => each.profileClass === 'operational');
  const iccids = operational.map(({ iccid }) => iccid);
  const pending = await retrieveNotifications(channel);
  const wrong = iccids.flatMap((iccid) => {
    const times = iccids.filter((each) => each === iccid).length;
    const waiting = pending.filter((each) => isInstalled(each, iccid)).length;
    const arrived = known.told.filter((each) => each === iccid).length;
    return [
      ...(times === 1 ? [] : [`${iccid} is on the card ${times} times`]),
      ...(known.ordered.includes(iccid) ? [] : [`${iccid} is on the card and nobody ordered it`]),
      ...(arrived + waiting === 1
        ? []
        : [`${iccid}: ${arrived} install notifications arrived, ${waiting} are on the card`]),
    ];
  });
  return known.iccid !== undefined && iccids.includes(known.iccid)
    ? wrong
    : [...wrong, 'the profile is not on the card'];
}

/** Attempts that failed have results of their own, which do not count. */
function isInstalled(notification: Uint8Array, iccid: Iccid | undefined): boolean {
  const { profileManagementOperation, iccid: of } = notificationMetadataOf(notification);
  if (of !== iccid || !profileManagementOperation.includes('notificationInstall')) return false;
  return finalResultOf(notification).is === 'successResult';
}
