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

/** Channels that are open besides the one by which the card is asked, and those that others hold by nature. */
export function leaks({ drawn, witness }: Subject, modem: SimModem, asking: number): string[] {
  // Unknown owners took channels, which nobody but they may be said to have leaked.
  if (modem.faults.struck['exhaust'] !== undefined) return [];
  // Without +CCHC nothing can be closed: a session is used again as long as the line lives.
  if (drawn.quirks.missing?.includes('+CCHC') === true) return [];
  // A handle of 64 bits that got lost on the line cannot be guessed: the card's next reset closes its session.
  if (drawn.quirks.sessionIds === 'handles') return [];
  const open = witness.openChannels().filter((channel) => channel !== asking);
  const allowed = drawn.quirks.ownLpa === true ? 1 : 0;
  return open.length > allowed ? [`channels ${open.join(', ')} are left open`] : [];
}

/** Bits that flip inside of hex digits change what the card is told or said to have answered, and nothing shows it. */
export function wrongAnswers({ drawn, witness }: Subject): readonly string[] {
  return drawn.faults.some(({ kind }) => kind === 'flip') ? [] : witness.unbelievable;
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
