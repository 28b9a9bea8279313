// The protocol of vsmartcard's virtual reader (vpcd): two octets of length, big endian, then a control octet or a command APDU.
import { concat, EMPTY, uintBytes } from '../base/bytes.ts';

/** Messages of one octet. Only `atr` is answered. */
export const VPCD_CONTROL = { off: 0, on: 1, reset: 2, atr: 4 } as const;

/** Where vpcd listens unless it is configured otherwise. */
export const VPCD_PORT = 35_963;

const HEAD_OCTETS = 2;

export function vpcdFrame(message: Uint8Array): Uint8Array {
  return concat(uintBytes(message.length, HEAD_OCTETS), message);
}

/** Cuts a stream into messages. A message has at most 65535 octets, so that what is collected stays bounded. */
export type VpcdReader = {
  /** Takes what came, answers the messages that are whole. */
  push(octets: Uint8Array): Uint8Array[];
  /** Octets of a message that is not whole yet. */
  readonly pending: number;
};

export function createVpcdReader(): VpcdReader {
  let held: Uint8Array = EMPTY;
  return {
    push(octets) {
      held = held.length === 0 ? Uint8Array.from(octets) : concat(held, octets);
      const messages: Uint8Array[] = [];
      let at = 0;
      while (held.length - at >= HEAD_OCTETS) {
        const end = at + HEAD_OCTETS + (held[at] ?? 0) * 256 + (held[at + 1] ?? 0);
        if (end > held.length) break;
        messages.push(held.slice(at + HEAD_OCTETS, end));
        at = end;
      }
      held = held.slice(at);
      return messages;
    },
    get pending() {
      return held.length;
    },
  };
}
