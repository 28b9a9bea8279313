// A card as its fronts use it: powered or not, one command at a time, with a trace of what passed.
import { openSync, writeSync } from 'node:fs';
import { toHex } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import type { CardSlot } from '../codec/card.ts';
import { failed } from './files.ts';

/** A line of a trace. Octets of PINs are left out. */
type TraceLine = {
  /** Unix milliseconds. */
  readonly t: number;
  readonly atr?: string;
  readonly off?: true;
  readonly apdu?: string;
  /** Octets that are not shown. */
  readonly hidden?: number;
  readonly data?: string;
  readonly sw?: string;
};

/** VERIFY, CHANGE, DISABLE, ENABLE and UNBLOCK PIN. */
const PIN_INSTRUCTIONS: readonly number[] = [0x20, 0x24, 0x26, 0x28, 0x2c];
const HEADER_OCTETS = 4;

/** The same card; every reset and exchange is told to `trace` when it is over. */
export function tracedCard(card: CardSlot, clock: Clock, trace: (line: TraceLine) => void): CardSlot {
  return {
    async reset() {
      const atr = await card.reset();
      trace({ t: clock.wall(), atr: toHex(atr) });
      return atr;
    },
    async transmit(command) {
      const response = await card.transmit(command);
      const secret = PIN_INSTRUCTIONS.includes(command[1] ?? 0) && command.length > HEADER_OCTETS;
      trace({
        t: clock.wall(),
        apdu: toHex(secret ? command.subarray(0, HEADER_OCTETS) : command),
        ...(secret ? { hidden: command.length - HEADER_OCTETS } : {}),
        data: toHex(response.subarray(0, -2)),
        sw: toHex(response.subarray(-2)),
      });
      return response;
    },
    async powerOff() {
      await card.powerOff();
      trace({ t: clock.wall(), off: true });
    },
  };
}

/** Appends lines of a trace to a file. Throws `FILE_FAILED`. */
export function traceTo(file: string): (line: TraceLine) => void {
  try {
    const descriptor = openSync(file, 'a', 0o600);
    return (line) => void writeSync(descriptor, `${JSON.stringify(line)}\n`);
  } catch (cause) {
    throw failed(file, cause);
  }
}
