// Octets from a modem to lines of text (ITU-T V.250, 5.7): any mix of CR and LF ends a line, noise becomes an event.
import { bytesUtf8 } from '../base/bytes.ts';

/** `garbage` tells of octets that were no text: how many and why, never what they were. */
export type AtLineEvent =
  | { readonly is: 'line'; readonly text: string }
  /** `> ` at the start of a line: the modem waits for text. */
  | { readonly is: 'prompt' }
  | {
      readonly is: 'garbage';
      readonly octets: number;
      readonly why: 'control' | 'encoding' | 'too-long';
    };

export type AtLineSplitter = {
  /** Takes octets as they come; the events depend on the octets alone, not on how they were cut. */
  push(chunk: Uint8Array): AtLineEvent[];
};

/** The longest line that is kept: a response of 8 KiB in hex. */
const MAX_LINE_OCTETS = 16_384;

const [NUL, TAB, LF, CR, SPACE, GREATER, DEL] = [0x00, 0x09, 0x0a, 0x0d, 0x20, 0x3e, 0x7f];
/** DC1 and DC3: flow control of modems that have it on, and no part of any line. */
const [XON, XOFF] = [0x11, 0x13];

/** A splitter with a buffer of fixed size; each octet is looked at once. Empty lines are left out. */
export function createAtLineSplitter(maxLineOctets = MAX_LINE_OCTETS): AtLineSplitter {
  const buffer = new Uint8Array(maxLineOctets);
  let length = 0;
  let controls = false;
  let leadingNuls = 0;
  let tooLong = false;
  let events: AtLineEvent[] = [];

  const garbage = (octets: number, why: 'control' | 'encoding' | 'too-long'): void => {
    if (octets > 0) events.push({ is: 'garbage', octets, why });
  };
  const endLine = (): void => {
    garbage(leadingNuls, 'control');
    if (tooLong) garbage(length, 'too-long');
    else if (controls) garbage(length, 'control');
    else if (length > 0) {
      const text = textOf(buffer.subarray(0, length));
      if (text === undefined) garbage(length, 'encoding');
      else events.push({ is: 'line', text });
    }
    leadingNuls = 0;
    length = 0;
    controls = false;
    tooLong = false;
  };
  const take = (octet: number): void => {
    if (octet === CR || octet === LF) {
      endLine();
      return;
    }
    if (octet === XON || octet === XOFF) return;
    // Modems that start up, and ports that open, put NULs in front of the first line.
    if (octet === NUL && length === 0 && !tooLong) {
      leadingNuls++;
      if (leadingNuls === maxLineOctets) endLine();
      return;
    }
    if (length === maxLineOctets) {
      garbage(length, 'too-long');
      tooLong = true;
      length = 0;
    }
    if ((octet < SPACE && octet !== TAB) || octet === DEL) controls = true;
    buffer[length++] = octet;
    if (length === 2 && !tooLong && buffer[0] === GREATER && octet === SPACE) {
      garbage(leadingNuls, 'control');
      leadingNuls = 0;
      length = 0;
      events.push({ is: 'prompt' });
    }
  };
  return {
    push(chunk) {
      events = [];
      for (const octet of chunk) take(octet);
      return events;
    },
  };
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return bytesUtf8(bytes);
  } catch {
    return undefined;
  }
}
