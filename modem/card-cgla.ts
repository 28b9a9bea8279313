// The card over +CCHO, +CGLA and +CCHC (3GPP TS 27.007, 8.43, 8.45, 8.46): the modem manages the logical channels.
import { concat, EMPTY } from '../base/bytes.ts';
import { withChannel } from '../codec/apdu.ts';
import { cgla, closeLogicalChannel, openLogicalChannel } from './at-commands.ts';
import type { AtSession } from './at-session.ts';
import type { CardQuirks, CardWay } from './card-way.ts';

const SWEPT_SESSIONS = 10;

export function createCglaWay(session: AtSession, known: { readonly quirks: CardQuirks }): CardWay {
  const inClass = (id: string, apdu: Uint8Array): Uint8Array => {
    const channel = Number(id);
    if (known.quirks.cglaClassHasChannel !== true || !Number.isInteger(channel) || channel > 19) return apdu;
    return concat(Uint8Array.of(withChannel(apdu[0] ?? 0, channel)), apdu.subarray(1));
  };
  return {
    kind: 'cgla',
    sweepIds: Array.from({ length: known.quirks.sweepSessions ?? SWEPT_SESSIONS }, (_, n) => String(n + 1)),
    async close(id) {
      await session.run(closeLogicalChannel, [id]);
    },
    async open(aid, options) {
      const id = await session.run(openLogicalChannel, [aid], options);
      return {
        id,
        // The answer of +CCHO has no room for what SELECT gave.
        selectResponse: EMPTY,
        send: (apdu, o) => session.run(cgla, [id, inClass(id, apdu)], o),
      };
    },
  };
}
