// A hardware run: the steps one after another over one target, with a trace of all of it, and everything put back at its end.
import type { Clock } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import { type Log, silentLog } from '../base/log.ts';
import { getEid, withIsdR } from '../agent/card-operations.ts';
import type { Eid } from '../codec/ids.ts';
import type { TraceEntry } from '../codec/modem-trace.ts';
import type { ByteLink } from '../modem/byte-link.ts';
import type { Modem, ModemMemory, ModemOptions } from '../modem/modem.ts';
import { type ModemFound, probeModem, reachesIsdR } from '../modem/modem-probe.ts';
import { createTraceRecorder } from '../modem/trace-recorder.ts';
import type { TraceRedactor } from '../modem/trace-redaction.ts';
import { type DialogueSettings, dialogueText, readDialogue, restoreDialogue } from './hil-settings.ts';
import {
  type Change,
  failed,
  PASSED,
  type ReadStep,
  skipped,
  type StepContext,
  type StepReport,
  type Verdict,
  type WriteStep,
} from './hil-step.ts';

/** Where the modem of a run is. */
export type HilTarget = {
  /** As it stands in reports. */
  readonly name: string;
  readonly clock: Clock;
  openModem(how: {
    readonly around: (link: ByteLink) => ByteLink;
    readonly memory: Pick<ModemOptions, 'remembered' | 'onLearned'>;
  }): Promise<Modem>;
  /** The line, with nothing said on it. */
  openLine(around: (link: ByteLink) => ByteLink): Promise<ByteLink>;
  /** Keeps other programs off the card. */
  readonly lockCard?: (eid: Eid) => Promise<{ release(): Promise<void> }>;
  close(): Promise<void>;
};

export type HilPlan = {
  readonly reads: readonly ReadStep[];
  readonly writes: readonly WriteStep[];
  /** Also `modem probe`, on a line of its own. */
  readonly probe: boolean;
  /** The ICCID that writing steps may work with. */
  readonly profile?: string;
  readonly signal?: AbortSignal;
  readonly redactor?: TraceRedactor;
  readonly onStep?: (step: StepReport) => void;
  readonly onEntry?: (entry: TraceEntry) => void;
  readonly log?: Log;
};

export type HilReport = {
  readonly target: string;
  /** Unix milliseconds. */
  readonly startedAt: number;
  readonly ms: number;
  readonly steps: readonly StepReport[];
  /** What could not be put back: a person must. */
  readonly unrestored: readonly string[];
  readonly stopped: boolean;
  /** Why no modem could be opened. */
  readonly unreachable?: AgentError;
  readonly entries: readonly TraceEntry[];
};

const RESTORE_ATTEMPTS = 3;

/** Never rejects for what modem or card do: that is in the report. */
export async function runHil(target: HilTarget, plan: HilPlan): Promise<HilReport> {
  const book = createBook(target, plan);
  const tools = { clock: target.clock, log: plan.log ?? silentLog };
  let before: DialogueSettings | undefined;
  let unreachable: AgentError | undefined;
  await book.step('settings', 'The dialogue’s settings are noted, to be put back', async ({ note }) => {
    try {
      before = await readDialogue(await target.openLine(book.around), tools);
    } catch (error) {
      if (isAgentError(error, 'PORT_MISSING', 'PORT_BUSY', 'PORT_FAILED')) unreachable = error;
      throw error;
    }
    note('settings', dialogueText(before));
    return PASSED;
  });
  if (unreachable === undefined) {
    try {
      await withModem(target, plan, book, tools);
    } catch (error) {
      unreachable = isAgentError(error) ? error : new AgentError('INTERNAL', { why: errorOf(error).message });
    }
  }
  const gone = unreachable;
  if (gone !== undefined) {
    for (const { id, title } of [...plan.reads, ...plan.writes]) {
      await book.step(id, title, () => Promise.resolve(skipped('no modem answers')));
    }
  }
  await book.step('probe', 'The modem is probed', async ({ note }) => {
    if (gone !== undefined) return skipped('no modem answers');
    if (book.stopped()) return skipped('the run was stopped');
    if (!plan.probe) return skipped('not asked for');
    const found = await probeModem({ link: await target.openLine(book.around), ...tools });
    noteProbe(found, note);
    return reachesIsdR(found) ? PASSED : failed('no way leads to an ISD-R');
  });
  await book.step('restore', 'The dialogue’s settings are put back', async ({ note }) => {
    if (before === undefined) return skipped('they are not known');
    note('settings', dialogueText(before));
    const left = await restoreDialogue(await target.openLine(book.around), before, tools);
    book.unrestored.push(...left.map((line) => `${line} was not taken`));
    return left.length === 0 ? PASSED : failed(`not taken: ${left.join(', ')}`);
  });
  return { ...book.report(), ...(gone === undefined ? {} : { unreachable: gone }) };
}

function noteProbe(found: ModemFound, note: StepContext['note']): void {
  note('family', found.family ?? 'no row fits');
  for (const { way, reaches, maxCommandData } of found.ways) {
    note(way, maxCommandData === undefined ? reaches : `${reaches}, ${maxCommandData} octets`);
  }
  for (const quirk of found.quirks) note('quirk', quirk);
  if (found.row !== undefined) note('row', found.row);
}

type Book = ReturnType<typeof createBook>;

/** Trace and report of one run. */
function createBook(target: HilTarget, plan: HilPlan) {
  const { clock } = target;
  const { redactor, signal } = plan;
  const entries: TraceEntry[] = [];
  const recorder = createTraceRecorder({
    clock,
    write(entry) {
      entries.push(entry);
      plan.onEntry?.(entry);
    },
    ...(redactor === undefined ? {} : { redactor }),
  });
  const [startedAt, begun] = [clock.wall(), clock.now()];
  const steps: StepReport[] = [];
  const unrestored: string[] = [];
  const shown = (text: string): string => redactor?.text(text) ?? text;
  if (plan.profile !== undefined) recorder.note('plan', { profile: shown(plan.profile) });
  const stopped = (): boolean => signal?.aborted === true;
  return {
    unrestored,
    stopped,
    around: (link: ByteLink): ByteLink => recorder.around(link),
    async step(
      id: string,
      title: string,
      work: (how: Pick<StepContext, 'note'>) => Promise<Verdict>,
    ): Promise<void> {
      const findings: [string, string][] = [];
      const at = clock.now() - begun;
      recorder.note('step', { name: id });
      const verdict = await work({ note: (name, value) => void findings.push([name, String(value)]) }).catch(
        (error: unknown) => failed(stopped() ? 'the run was stopped' : errorOf(error).message),
      );
      recorder.note('done', { name: id, outcome: verdict.is });
      const report: StepReport = {
        id,
        title,
        verdict: verdict.is === 'passed' ? verdict : { ...verdict, why: shown(verdict.why) },
        findings: findings.map(([name, value]) => [shown(name), shown(value)]),
        at,
        ms: clock.now() - begun - at,
      };
      steps.push(report);
      plan.onStep?.(report);
    },
    report(): HilReport {
      recorder.flush();
      return {
        target: target.name,
        startedAt,
        ms: clock.now() - begun,
        steps,
        unrestored: unrestored.map(shown),
        stopped: stopped(),
        entries,
      };
    },
  };
}

type Tools = { readonly clock: Clock; readonly log: Log };

/** All that goes through the driver. Throws where the modem cannot be opened. */
async function withModem(target: HilTarget, plan: HilPlan, book: Book, tools: Tools): Promise<void> {
  const signal = plan.signal ?? new AbortController().signal;
  let memory: ModemMemory = {};
  let lastSession: ReturnType<StepContext['lastSession']>;
  const learned: NonNullable<ModemOptions['onLearned']> = (_who, now) => {
    memory = now;
    lastSession = now.openSessions?.at(-1) ?? lastSession;
  };
  let opened: Modem | undefined;
  let lock: { release(): Promise<void> } | undefined;
  let failure: Error | undefined;
  await book.step('open', 'The modem is opened, and answers', async () => {
    if (book.stopped()) return skipped('the run was stopped');
    try {
      opened = await target.openModem({ around: book.around, memory: { onLearned: learned } });
      lock = await lockCard(target, opened);
      return PASSED;
    } catch (error) {
      failure = errorOf(error);
      throw error;
    }
  });
  const modem = opened;
  try {
    if (failure !== undefined) throw failure;
    for (const each of [...plan.reads, ...plan.writes]) {
      await book.step(each.id, each.title, async ({ note }) => {
        if (book.stopped() || modem === undefined) return skipped('the run was stopped');
        const context: StepContext = {
          ...tools,
          modem,
          signal,
          note,
          memory: () => memory,
          lastSession: () => lastSession,
        };
        if ('run' in each) return each.run(context);
        const wish = plan.profile === undefined ? {} : { profile: plan.profile };
        const prepared = await each.prepare(context, wish);
        return 'is' in prepared ? prepared : changeAndRestore(prepared, book);
      });
    }
  } finally {
    await lock?.release();
    await modem?.close();
  }
}

/** A card that does not tell its EID is no eUICC that another program could work with. */
async function lockCard(target: HilTarget, modem: Modem): ReturnType<NonNullable<HilTarget['lockCard']>> {
  const free = { release: () => Promise.resolve() };
  let eid: Eid;
  try {
    eid = await withIsdR(await modem.openCard(), {}, (channel) => getEid(channel));
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return free;
  }
  return target.lockCard === undefined ? free : target.lockCard(eid);
}

/** Whatever becomes of the change, what was before is put back. */
async function changeAndRestore(change: Change, book: Book): Promise<Verdict> {
  const verdict = await change
    .run()
    .catch((error: unknown) => failed(book.stopped() ? 'the run was stopped' : errorOf(error).message));
  let left: string | undefined = 'it is not known whether all is as before';
  for (let attempt = 1; attempt <= RESTORE_ATTEMPTS && left !== undefined; attempt++) {
    try {
      await change.restore();
      left = await change.left();
    } catch (error) {
      left = errorOf(error).message;
    }
  }
  if (left === undefined) return verdict;
  book.unrestored.push(left);
  const first = verdict.is === 'passed' ? '' : `${verdict.why}; `;
  return failed(`${first}not put back: ${left}`);
}
