// A modem that answers anything: plausible answers to the driver's commands, most of them damaged, late, torn, or absent.
import { concat, toHex, utf8Bytes } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import type { ByteLink } from '../modem/byte-link.ts';
import { below, type Dice, mutate, pick } from './mutate.ts';

export type HostileModem = {
  /** Answers that were written, or kept back on purpose. */
  readonly outputs: number;
};

const URCS = [
  '+CREG: 1',
  '+CEREG: 5,"1A2B","01CF0A0B",7',
  '+CGREG: 0',
  'RING',
  'RDY',
  '+CPIN: SIM REMOVED',
  'NO CARRIER',
  '+CME ERROR: 13',
  'OK',
  'ERROR',
  '> ',
  '+CSIM: 4,"9000"',
  '+CGLA: 4,"6A82"',
  '+CCHO: 1',
];
const ERRORS = [
  'ERROR',
  '+CME ERROR: 3',
  '+CME ERROR: 4',
  '+CME ERROR: 14',
  '+CME ERROR: SIM busy',
  '+CMS ERROR: 310',
  'COMMAND NOT SUPPORT',
  'NO CARRIER',
];
/** What the driver sends at a prompt. */
const BLANK = 0x20;
const ESCAPE = '\u001b';
const STATUS_WORDS = [
  '9000',
  '9000',
  '9000',
  '6100',
  '6110',
  '6C04',
  '6282',
  '6310',
  '6A82',
  '6F00',
  '910B',
  '0000',
];

/** What a modem in order answers, by the command's beginning. */
const ANSWERS: readonly (readonly [RegExp, (dice: Dice, line: string) => string])[] = [
  [/^AT\+CSIM=\d+,/, (dice, line) => `+CSIM: ${cardAnswer(dice, line)}`],
  [/^AT\+CGLA=/, (dice, line) => `+CGLA: ${cardAnswer(dice, line)}`],
  [/^AT\+CRSM=/, (dice) => `+CRSM: 144,0,"${toHex(dice.bytes(10))}"`],
  [/^AT\+CCHO=/, (dice) => `+CCHO: ${1 + below(dice, 4)}`],
  [/^AT\+CGMI/, () => 'Quectel'],
  [/^AT\+CGMM/, (dice) => pick(dice, ['EC25', 'BG96', 'SIMCOM_SIM7600E', 'LE910C1-EU', 'unheard-of'])],
  [/^AT\+CGMR/, () => 'Revision: EC25EFAR06A01M4G'],
  [/^AT\+CGSN/, () => '490154203237518'],
  [/^AT\+CPIN\?/, (dice) => `+CPIN: ${pick(dice, ['READY', 'SIM PIN', 'SIM PUK', 'PH-NET PIN'])}`],
  [/^AT\+CMEE\?/, () => '+CMEE: 1'],
  [/CFUN\?/, () => '+CFUN: 1'],
  [/CSQ/, (dice) => `+CSQ: ${below(dice, 32)},99`],
  [/^AT\+COPS\?/, () => '+COPS: 0,0,"vodafone",7'],
  [/^AT\+(CREG|CGREG|CEREG)\?/, (_, line) => `${line.slice(2, -1)}: 2,1,"1A2B","01CF0A0B",7`],
  [/CCID$/, () => '+QCCID: 89490200001234567890'],
];

function cardAnswer(dice: Dice, line: string): string {
  // A new channel is what MANAGE CHANNEL answers; anything else gets octets by chance.
  const opens = line.includes('0070000001');
  const data = opens
    ? Uint8Array.of(1 + below(dice, 3))
    : dice.bytes(dice.next() < 0.5 ? 0 : below(dice, 256));
  const hex = toHex(data) + pick(dice, STATUS_WORDS);
  return `${hex.length},"${hex}"`;
}

/** `patienceMs` is the longest that an answer is held back. */
export function createHostileModem(options: {
  readonly link: ByteLink;
  readonly dice: Dice;
  readonly clock: Clock;
  /** The share of answers that are in order. */
  readonly calm: number;
  readonly patienceMs: number;
}): HostileModem {
  const { link, dice, clock, calm, patienceMs } = options;
  let outputs = 0;
  let last: Uint8Array = utf8Bytes('\r\nOK\r\n');

  const send = (bytes: Uint8Array): void => {
    const parts = 1 + (dice.next() < 0.3 ? below(dice, 6) : 0);
    for (let at = 0, n = 1; n <= parts; n++) {
      const end = n === parts ? bytes.length : at + below(dice, bytes.length - at + 1);
      link.write(bytes.subarray(at, end)).catch(() => {});
      at = end;
    }
  };
  const answer = (line: string): void => {
    outputs++;
    const whole = inOrder(dice, line);
    const bytes = dice.next() < calm ? whole : damaged(dice, whole, last);
    last = whole;
    const chance = dice.next();
    if (chance < 0.01) return;
    if (chance < 0.04) clock.schedule(below(dice, patienceMs), () => send(bytes));
    else send(bytes);
    if (chance > 0.9995) void link.close();
  };
  void (async () => {
    let held = '';
    const decoder = new TextDecoder('latin1');
    for await (const chunk of link.read) {
      held += decoder.decode(chunk);
      for (let end = held.indexOf('\r'); end >= 0; end = held.indexOf('\r')) {
        answer(held.slice(0, end).replaceAll(ESCAPE, ''));
        held = held.slice(end + 1);
      }
    }
  })();
  return {
    get outputs() {
      return outputs;
    },
  };
}

function inOrder(dice: Dice, line: string): Uint8Array {
  const row = ANSWERS.find(([command]) => command.test(line));
  const echo = dice.next() < 0.05 ? `${line}\r` : '';
  const urc = dice.next() < 0.1 ? `\r\n${pick(dice, URCS)}\r\n` : '';
  const refused = dice.next() < 0.05;
  const text = refused || row === undefined ? '' : `\r\n${row[1](dice, line)}\r\n`;
  return utf8Bytes(`${echo}${urc}${text}\r\n${refused ? pick(dice, ERRORS) : 'OK'}\r\n`);
}

function damaged(dice: Dice, whole: Uint8Array, last: Uint8Array): Uint8Array {
  const chance = dice.next();
  if (chance < 0.6) return mutate(dice, whole, [whole, last]);
  if (chance < 0.7) return concat(last, whole);
  if (chance < 0.8) return dice.bytes(below(dice, 400));
  if (chance < 0.99) return concat(whole, ...Array.from({ length: below(dice, 5) }, () => urcLine(dice)));
  return flood(dice, whole);
}

function urcLine(dice: Dice): Uint8Array {
  return utf8Bytes(`\r\n${pick(dice, URCS)}\r\n`);
}

/** One character of an answer that is in order, over and over: whatever a pattern may try in more ways than one. */
function blownUp(dice: Dice, whole: Uint8Array): Uint8Array {
  const at = below(dice, whole.length);
  const octet = dice.next() < 0.5 ? (whole[at] ?? BLANK) : BLANK;
  const many = new Uint8Array(below(dice, 32_768)).fill(octet);
  return concat(whole.subarray(0, at), many, whole.subarray(at));
}

/** Much of one thing: a line without an end, blanks that a pattern might try in every way, lines without a result. */
function flood(dice: Dice, whole: Uint8Array): Uint8Array {
  if (dice.next() < 0.5) return blownUp(dice, whole);
  const length = below(dice, 65_536);
  const text = pick(dice, [
    'A'.repeat(length),
    `+CME ERROR: ${' '.repeat(length)}x\r\n`,
    `+CME ERROR: 1${' '.repeat(length % 16_000)}x\r\n`,
    `Quectel${' '.repeat(length % 16_000)}"x"\r\n`,
    `OK${' '.repeat(length % 16_000)}x\r\n`,
    `+CSIM: 4${' '.repeat(length % 16_000)},"9000"\r\n`,
    '> '.repeat(length % 2000),
    '\r\n+X: 1'.repeat(length % 4000),
    '\0'.repeat(length),
  ]);
  return concat(utf8Bytes(text), dice.next() < 0.5 ? whole : new Uint8Array(0));
}
