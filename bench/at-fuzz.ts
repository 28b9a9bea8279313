// fuzz at: a modem that answers anything, against the driver; only an AgentError may come out, in time and in bounded memory.
import { createVirtualClock, type VirtualClock } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { AID_ISD_R, encodeAid } from '../codec/ids.ts';
import {
  cgla,
  closeLogicalChannel,
  csim,
  functionality,
  manufacturer,
  openLogicalChannel,
  operatorName,
  pinState,
  rawLine,
  readBinary,
  registration,
  serialNumber,
  signalQuality,
} from '../modem/at-commands.ts';
import { type AtCommand, DEADLINES_MS, openAtSession } from '../modem/at-session.ts';
import { type ByteLink, createLinkPair } from '../modem/byte-link.ts';
import { type Modem, openModem } from '../modem/modem.ts';
import { atLeast, atMost, type Run } from './figure.ts';
import { createHostileModem, type HostileModem } from './hostile-modem.ts';
import { below, type Dice, pick } from './mutate.ts';
import { openWatchdog } from './watchdog.ts';

const OUTPUTS = 1_000_000;
const ACTIONS_PER_LIFE = 40;
/** Four questions that bring the dialogue back into step may go before a command. */
const RESYNC_MS = 4 * DEADLINES_MS.probe + 10;
/** What one call of the modem or its card may take: it may open the line again, sweep channels and try both ways. */
const CALL_MS = 1_800_000;
/**
 * Processor time of one call, whatever else the machine does: an answer of 64 KB read in one pass takes a fifth of it, a
 * pattern that tries its blanks in every way some 200 ms.
 */
const SLOW_MS = 150;
/** What no life takes, also where the machine has much else to do. */
const STUCK_MS = 120_000;
const MEBIBYTE = 1_048_576;
const SHOWN_FAULTS = 5;
const ISD_R = encodeAid(AID_ISD_R);
const STORE_DATA = Uint8Array.of(0x80, 0xe2, 0x91, 0x00, 0x03, 0xbf, 0x2d, 0x00, 0x00);

/** One call of the driver, and how long it may take by the virtual clock. */
type Action = { readonly name: string; readonly limitMs: number; readonly run: () => Promise<unknown> };

/** Every bar of the run is a property of these. */
type Tally = {
  outputs: number;
  answered: number;
  refused: number;
  wrongErrors: number;
  late: number;
  busiestMs: number;
};

type Life = {
  readonly clock: VirtualClock;
  readonly dice: Dice;
  readonly connect: () => ByteLink;
};

/** The commands of the table themselves: each must end by its own deadline. */
function sessionActions({ clock, dice, connect }: Life): () => Action {
  const session = openAtSession({ link: connect(), clock, log: silentLog });
  const of = <A extends readonly unknown[], T>(command: AtCommand<A, T>, ...args: A): Action => ({
    name: command.send(...args),
    limitMs: DEADLINES_MS[command.deadline] + RESYNC_MS,
    run: () => session.run(command, args),
  });
  return () =>
    pick(dice, [
      of(csim, STORE_DATA),
      of(cgla, '1', STORE_DATA),
      of(openLogicalChannel, ISD_R),
      of(closeLogicalChannel, '1'),
      of(readBinary, 0x2fe2, 10),
      of(registration, 'CEREG'),
      of(operatorName),
      of(signalQuality),
      of(manufacturer),
      of(serialNumber),
      of(pinState),
      of(functionality, 1),
      of(rawLine, 'AT+QCFG=?'),
    ]);
}

/** The modem and its card, with everything that they do by themselves after a failure. */
async function modemActions({ clock, dice, connect }: Life): Promise<() => Action> {
  const opening = openModem({ openLink: async () => connect(), clock, log: silentLog });
  const modem: Modem = await clock.settle(opening, CALL_MS);
  const call = (name: string, run: () => Promise<unknown>): Action => ({ name, limitMs: CALL_MS, run });
  return () =>
    pick(dice, [
      call('identity', () => modem.identity()),
      call('simState', () => modem.simState()),
      call('readIccid', () => modem.readIccid()),
      call('registration', () => modem.registration()),
      call('operator', () => modem.operator()),
      call('signalQuality', () => modem.signalQuality()),
      call('apdu', async () => (await modem.openCard()).basic.transmit(STORE_DATA)),
      call('channel', async () => {
        const channel = await (await modem.openCard()).openChannel(ISD_R);
        try {
          for (let n = below(dice, 4); n >= 0; n--) await channel.transmit(STORE_DATA);
        } finally {
          await channel.close();
        }
      }),
    ]);
}

/** What is wrong with what the driver threw: anything but an AgentError, also where one hides it as its cause. */
export function wrongError(thrown: unknown): string | undefined {
  let depth = 0;
  for (let error = thrown; error !== undefined && depth < 8; depth++) {
    if (!isAgentError(error)) {
      return error instanceof Error ? (error.stack ?? error.message) : `threw ${JSON.stringify(error)}`;
    }
    error = error.cause;
  }
  return undefined;
}

/** The virtual clock gave up: nothing would ever have ended this. */
function hangs(thrown: unknown): boolean {
  return isAgentError(thrown, 'DEADLINE') && thrown.data['what'] === 'virtual clock';
}

export const atFuzz: Run = {
  doc: 'a modem that answers anything, against the driver and its ways to the card; --runs is the number of answers',
  async run({ runs = OUTPUTS, seed, progress }) {
    const dice = createSeededRandom(seed);
    const tally: Tally = { outputs: 0, answered: 0, refused: 0, wrongErrors: 0, late: 0, busiestMs: 0 };
    let heapBefore = 0;
    let heapMost = 0;
    let shown = 0;
    const fault = (what: string): void => {
      if (++shown <= SHOWN_FAULTS) progress(`--seed ${seed}, answer ${tally.outputs}: ${what}`);
    };
    const attempt = async (clock: VirtualClock, { name, limitMs, run }: Action): Promise<void> => {
      const [begun, busy] = [clock.now(), process.cpuUsage()];
      // Noted when the call ends: the virtual clock may run one more timer before it sees that.
      let ended: number | undefined;
      try {
        const work = run().finally(() => void (ended = clock.now()));
        await clock.settle(work, limitMs + 1);
        tally.answered++;
      } catch (thrown) {
        tally.refused++;
        const wrong = wrongError(thrown);
        if (wrong !== undefined) {
          tally.wrongErrors++;
          fault(`${name}: ${wrong}`);
        } else if (hangs(thrown)) {
          tally.late++;
          fault(`${name}: no end`);
        }
      }
      const tookMs = (ended ?? begun) - begun;
      if (tookMs > limitMs) {
        tally.late++;
        fault(`${name}: ended after ${tookMs} ms`);
      }
      const { user, system } = process.cpuUsage(busy);
      const busyMs = (user + system) / 1000;
      if (busyMs > SLOW_MS) fault(`${name}: ${busyMs} ms of processor time`);
      tally.busiestMs = Math.max(tally.busiestMs, busyMs);
    };
    const live = async (): Promise<void> => {
      const clock = createVirtualClock();
      const modems: HostileModem[] = [];
      const calm = pick(dice, [0, 0.5, 0.9, 0.97]);
      const links: ByteLink[] = [];
      const connect = (): ByteLink => {
        const [link, peer] = createLinkPair();
        links.push(link);
        modems.push(createHostileModem({ link: peer, dice, clock, calm, patienceMs: 40_000 }));
        return link;
      };
      const life = { clock, dice, connect };
      let next: (() => Action) | undefined;
      if (dice.next() < 0.5) next = sessionActions(life);
      else {
        await attempt(clock, {
          name: 'openModem',
          limitMs: CALL_MS,
          run: async () => void (next = await modemActions(life)),
        });
      }
      for (let n = 0; next !== undefined && n < ACTIONS_PER_LIFE; n++) await attempt(clock, next());
      for (const link of links) await link.close();
      for (const { outputs } of modems) tally.outputs += outputs;
    };
    const watchdog = openWatchdog(STUCK_MS, `--seed ${seed}, life`);
    for (let life = 1; tally.outputs < runs; life++) {
      watchdog.beat(life);
      await live();
      if (life % 100 !== 0) continue;
      const { heapUsed, external } = process.memoryUsage();
      if (heapBefore === 0) heapBefore = heapUsed + external;
      heapMost = Math.max(heapMost, heapUsed + external);
      if (life % 5000 === 0) progress(`${tally.outputs} answers`);
    }
    await watchdog.close();
    return [
      atLeast('answers to the driver', tally.outputs, runs),
      atLeast('calls that came to a value in spite of them', tally.answered, 1),
      atLeast('calls that came to an error with a code', tally.refused - tally.wrongErrors, 1),
      atMost('calls that threw anything else', tally.wrongErrors, 0),
      atMost('calls that outlasted their deadline', tally.late, 0),
      atMost('busiest call in ms of processor time', tally.busiestMs, SLOW_MS),
      atMost('memory gained in MiB', (heapMost - heapBefore) / MEBIBYTE, 256),
    ];
  },
};
