// An asynchronous line whose two ends have rates of their own (ITU-T V.250, 6.2.10): at different ones either hears noise only.
import type { Random } from '../../base/random.ts';
import { type ByteLink, createLinkPair } from '../byte-link.ts';

export type Uart = {
  /** The terminal's end, whose rate can be changed. */
  readonly terminal: ByteLink;
  /** The modem's end. */
  readonly modem: ByteLink;
};

export type UartOptions = {
  /** The terminal's rate at first. */
  readonly baudRate: number;
  /** The modem's rate now; 0 is one that follows the terminal. */
  readonly modemRate: () => number;
  readonly random: Random;
};

/** A wire between a terminal and a modem. */
export function createUart({ baudRate, modemRate, random }: UartOptions): Uart {
  const [terminal, modem] = createLinkPair();
  let rate = baudRate;
  const heardAt = (octets: Uint8Array, from: number, to: number): Uint8Array =>
    from === to || modemRate() === 0 ? octets : noise(octets.length * (to / from), random);
  return {
    terminal: {
      ...terminal,
      write: (octets) => terminal.write(heardAt(octets, rate, modemRate())),
      async setBaudRate(next) {
        rate = next;
      },
    },
    modem: { ...modem, write: (octets) => modem.write(heardAt(octets, modemRate(), rate)) },
  };
}

/** A slow ear takes several characters for one, a fast one hears each several times; neither hears text. */
function noise(octets: number, random: Random): Uint8Array {
  return random.bytes(Math.max(1, Math.min(4096, Math.round(octets)))).map((octet) => octet | 0x80);
}
