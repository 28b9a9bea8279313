// A modem by chance: a personality or single deviations, the way to its card, and faults by script and by rate.
import type { ModemQuirks } from '../modem/quirks.ts';
import type { CardWayKind } from '../modem/card-way.ts';
import type { SimIdentity } from '../modem/sim/commands.ts';
import { FAULTS, type Fault, type FaultKind } from '../modem/sim/faults.ts';
import { PERSONALITIES } from '../modem/sim/personalities.ts';
import { deviations, type QuirkName, type SimQuirks } from '../modem/sim/quirks.ts';
import { below, type Dice, pick } from './mutate.ts';

export type DrawnModem = {
  /** As one would type it. */
  readonly label: string;
  readonly identity: Partial<SimIdentity>;
  readonly quirks: Partial<SimQuirks>;
  readonly configured: ModemQuirks;
  readonly faults: readonly Fault[];
};

/** Deviations that narrow the ways to the card: two of them together may leave none. */
const NARROWING: ReadonlySet<QuirkName> = new Set([
  'missing',
  'csimChannels',
  'ccho',
  'cglaLastBlock',
  'endless61',
  'csimSelect',
  'csimLock',
  'p3Exact',
  'getResponse',
  'leNeeded',
  'maxSessions',
  'leakHang',
  'maxCommandData',
  'oversize',
  'simSleep',
]);
/** What another procedure, or an owner's configuration, is about. */
const LEFT_OUT: ReadonlySet<QuirkName> = new Set(['slotCommand', 'revertsTo', 'isdrAid']);
const FAULT_KINDS = Object.keys(FAULTS) as FaultKind[];
/** At most so often, by what is counted. */
const MOST = { apdu: 0.03, answer: 0.03, octet: 0.0002 } as const;
const LONGEST_MS = 8_000;
/** Answers that come when nobody waits for them any more are the ones that are mixed up most easily. */
const LATE: readonly FaultKind[] = ['stall', 'pause'];
const LATEST_MS = 60_000;
const CME_NUMBERS = [3, 4, 10, 13, 14, 20, 100];

function drawQuirks(dice: Dice): Pick<DrawnModem, 'label' | 'identity' | 'quirks'> {
  const [name, personality] = pick(dice, Object.entries(PERSONALITIES));
  if (dice.next() < 0.5) return { label: `--personality ${name}`, ...personality };
  const all = deviations().filter((each) => !each.hopeless && !LEFT_OUT.has(each.name));
  const first = pick(dice, all);
  const second = pick(
    dice,
    all.filter(
      (each) => each.name !== first.name && !(NARROWING.has(first.name) && NARROWING.has(each.name)),
    ),
  );
  const both = dice.next() < 0.5 ? [first] : [first, second];
  return {
    label: both.map(({ label }) => `--quirk ${label}`).join(' '),
    identity: {},
    quirks: Object.assign({}, ...both.map(({ quirks }) => quirks)) as Partial<SimQuirks>,
  };
}

function drawFault(dice: Dice, kind: FaultKind): Fault {
  const row = FAULTS[kind];
  const taken = 'argument' in row ? row.argument : undefined;
  const argument =
    taken === 'ms'
      ? 100 + below(dice, LATE.includes(kind) && dice.next() < 0.5 ? LATEST_MS : LONGEST_MS)
      : taken === 'cme'
        ? pick(dice, CME_NUMBERS)
        : 1 + below(dice, 8);
  // A single blow falls on the procedure's own commands, more often than by rate.
  if (row.level === 'apdu' && dice.next() < 0.5) return { kind, argument, when: { at: 1 + below(dice, 90) } };
  return { kind, argument, when: { rate: MOST[row.level] * dice.next() } };
}

/** An octet lost and one doubled in the same line keep its length, and AT has no check sum: not both in one run. */
function isCompatible(kinds: readonly FaultKind[]): boolean {
  return !(kinds.includes('duplicate') && kinds.some((kind) => kind === 'lose' || kind === 'tear'));
}

export function drawModem(dice: Dice): DrawnModem {
  const drawn = drawQuirks(dice);
  const way: CardWayKind | undefined = pick(dice, [['cgla'], ['csim'], []] as const)[0];
  const kinds: FaultKind[] = [];
  for (let count = 1 + below(dice, 6); count > 0; count--) {
    const kind = pick(dice, FAULT_KINDS);
    if (!kinds.includes(kind) && isCompatible([...kinds, kind])) kinds.push(kind);
  }
  const faults = kinds.map((kind) => drawFault(dice, kind));
  const words = faults.map(({ kind, argument, when }) => {
    const [word, value] = Object.entries(when)[0] ?? [];
    return `${kind}${'argument' in FAULTS[kind] ? `=${argument}` : ''}@${word}=${Number(value).toPrecision(3)}`;
  });
  return {
    ...drawn,
    label: [drawn.label, `way ${way ?? 'free'}`, ...words.map((word) => `--fault ${word}`)].join(' '),
    configured: way === undefined ? {} : { card: { way } },
    faults,
  };
}
