// The hardware run on simulated modems: it finds what is there, changes nothing unless told to, and puts back what it changed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../base/bytes.ts';
import { createVirtualClock, type VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { latin1, type TraceEntry } from '../codec/modem-trace.ts';
import { AID_ISD_R } from '../codec/ids.ts';
import { rawLine } from '../modem/at-commands.ts';
import { openAtSession } from '../modem/at-session.ts';
import { openModem } from '../modem/modem.ts';
import { parseFault } from '../modem/sim/faults.ts';
import { PERSONALITIES } from '../modem/sim/personalities.ts';
import { createSimModem } from '../modem/sim/sim-modem.ts';
import { createTestCard } from '../modem/sim/test-card.ts';
import { createTestRadio } from '../modem/sim/test-radio.ts';
import { linkTo } from '../modem/testing-driver.ts';
import { createTraceRedactor } from '../modem/trace-redaction.ts';
import { READ_STEPS } from './hil-reads.ts';
import { type HilPlan, type HilReport, type HilTarget, runHil } from './hil-run.ts';
import { failed, type WriteStep } from './hil-step.ts';
import {
  openDeviceTarget,
  openSimTarget,
  type PersonalityName,
  type SimChoice,
  type SimTarget,
} from './hil-targets.ts';
import { settersIn } from './hil-text.ts';
import { WRITE_STEPS } from './hil-writes.ts';

const NOTHING: HilPlan = { reads: [], writes: [], probe: false };
const READ_ONLY: HilPlan = { reads: READ_STEPS, writes: [], probe: true };
const NAMES = Object.keys(PERSONALITIES) as PersonalityName[];

type World = { readonly clock: VirtualClock; readonly target: SimTarget };

async function open(choice: Partial<SimChoice> = {}): Promise<World> {
  const clock = createVirtualClock();
  const random = createSeededRandom(1);
  const target = await openSimTarget({ clock, random, choice: { personality: 'generic', ...choice } });
  await clock.advance(20_000);
  return { clock, target };
}

function run({ clock, target }: World, plan: HilPlan): Promise<HilReport> {
  return clock.settle(runHil(target, plan));
}

/** What a modem answers to questions about what it keeps. */
async function ask({ clock, target }: World, lines: readonly string[]): Promise<Record<string, string>> {
  const answers: Record<string, string> = {};
  const session = openAtSession({
    link: await target.openLine((link) => link),
    clock,
    log: silentLog,
  });
  for (const line of lines) {
    const asked = session.run(rawLine, [line], { timeoutMs: 5_000 }).then(
      (answer) => answer.join('|'),
      (error: unknown) => String(error),
    );
    answers[line] = await clock.settle(asked);
  }
  await session.close();
  return answers;
}

const KEPT = [
  'AT+CFUN?',
  'AT+CPIN?',
  'AT+CLCK="SC",2',
  'AT+COPS?',
  'AT+CGDCONT?',
  'AT+CGATT?',
  'AT+CGACT?',
  'AT+CMEE?',
  'AT+CREG?',
  'AT+CGREG?',
  'AT+CEREG?',
  'AT+CNMI?',
  'AT+CPMS?',
  'AT+CMGF?',
];
const OPEN = `AT+CCHO="${AID_ISD_R}"`;
/** What the driver sets to be understood; put back, or gone with the session. */
const DIALOGUE = ['ATE0', 'ATE1', 'AT+CMEE', 'AT+CREG', 'AT+CGREG', 'AT+CEREG', 'AT+ECSIMSLEEP'];

const outcomes = ({ steps }: HilReport): Record<string, string> =>
  Object.fromEntries(steps.map(({ id, verdict }) => [id, verdict.is === 'passed' ? 'passed' : verdict.why]));
const whys = (report: HilReport): string[] =>
  Object.entries(outcomes(report)).flatMap(([id, outcome]) =>
    outcome === 'passed' ? [] : [`${id}: ${outcome}`],
  );
const finding = ({ steps }: HilReport, id: string, name: string): string | undefined =>
  steps.find((step) => step.id === id)?.findings.find(([each]) => each === name)?.[1];
const said = (entries: readonly TraceEntry[]): string =>
  entries.map((entry) => (entry.is === 'octets' ? latin1(entry.octets) : '')).join('');

for (const name of NAMES) {
  test(`a run that only reads passes on ${name}, and leaves card and modem as they were`, async () => {
    const world = await open({ personality: name });
    const [before, image] = [await ask(world, KEPT), toHex(await world.target.image())];
    const report = await run(world, READ_ONLY);
    assert.deepEqual(whys(report), []);
    assert.equal(finding(report, 'identity', 'model'), PERSONALITIES[name].identity.model);
    assert.match(finding(report, 'eid', 'EID') ?? '', /^\d{32}$/);
    assert.equal(toHex(await world.target.image()), image, 'the card has stored nothing');
    assert.deepEqual(await ask(world, KEPT), before);
    const sent = settersIn(report.entries).filter((line) => !DIALOGUE.includes(line));
    assert.deepEqual(sent, []);
    await world.clock.settle(world.target.close());
  });
}

test('settings of the dialogue are put back whatever they were', async () => {
  const world = await open();
  await ask(world, ['ATE0', 'AT+CMEE=2', 'AT+CREG=2', 'AT+CEREG=1']);
  const before = await ask(world, KEPT);
  const report = await run(world, READ_ONLY);
  assert.equal(finding(report, 'settings', 'settings'), 'echo off, +CMEE: 2, +CREG: 2, +CGREG: 0, +CEREG: 1');
  assert.deepEqual(await ask(world, KEPT), before);
  const last = await run(world, NOTHING);
  assert.match(finding(last, 'settings', 'settings') ?? '', /^echo off/);
});

test('every change is made and put back on every personality', async () => {
  for (const name of NAMES) {
    const world = await open({ personality: name });
    const first = await run(world, READ_ONLY);
    const disabled = first.steps
      .find(({ id }) => id === 'profiles')
      ?.findings.find(([, words]) => words.startsWith('disabled'))?.[0];
    const before = await ask(world, KEPT);
    const report = await run(world, { ...NOTHING, writes: WRITE_STEPS, profile: disabled ?? '' });
    assert.deepEqual(whys(report), ['probe: not asked for'], name);
    assert.deepEqual(report.unrestored, [], name);
    const after = await run(world, READ_ONLY);
    assert.deepEqual(
      after.steps.find(({ id }) => id === 'profiles')?.findings,
      first.steps.find(({ id }) => id === 'profiles')?.findings,
      name,
    );
    await world.clock.advance(60_000);
    assert.deepEqual(await ask(world, KEPT), before, name);
    await world.clock.settle(world.target.close());
  }
});

test('only what is named is changed', async () => {
  const world = await open();
  const report = await run(world, { ...NOTHING, writes: WRITE_STEPS.filter(({ id }) => id === 'nickname') });
  assert.equal(outcomes(report)['nickname'], 'passed');
  assert.ok(!settersIn(report.entries).includes('AT+CFUN'));
  const names = said(report.entries).match(/80E29100..BF(?:29|31|32|33)/g) ?? [];
  assert.deepEqual(new Set(names.map((hex) => hex.slice(10))), new Set(['BF29']));
});

test('where a step breaks off at any place, what was before is put back', async () => {
  let [struck, broken] = [0, 0];
  const reads = READ_STEPS.filter(({ id }) => id === 'profiles');
  const whole = await run(await open(), { ...NOTHING, reads });
  const found = whole.steps.find(({ id }) => id === 'profiles')?.findings ?? [];
  const disabled = found.find(([, words]) => words.startsWith('disabled'))?.[0] ?? '';
  for (const fault of ['cme=13', 'reset', 'mute']) {
    for (let at = 4; at < 40; at += 4) {
      const world = await open({ faults: [parseFault(`${fault}@at=${at}`)] });
      const writes = WRITE_STEPS.filter(({ id }) => id !== 'restart');
      const report = await run(world, { ...NOTHING, writes, profile: disabled });
      struck += Object.keys(world.target.device.faults.struck).length;
      if (report.steps.some(({ id, verdict }) => verdict.is === 'failed' && id !== 'settings')) broken++;
      assert.deepEqual(report.unrestored, [], `${fault}@at=${at}`);
      const last = await run(world, { ...NOTHING, reads });
      assert.deepEqual(last.steps.find(({ id }) => id === 'profiles')?.findings, found, `${fault}@at=${at}`);
      assert.match((await ask(world, ['AT+CFUN?']))['AT+CFUN?'] ?? '', /\+CFUN: 1/);
      await world.clock.settle(world.target.close());
    }
  }
  assert.ok(broken >= 5, `${struck} faults struck, ${broken} steps broke off`);
});

test('what cannot be put back is tried again and told', async () => {
  let attempts = 0;
  const stuck: WriteStep = {
    id: 'stuck',
    title: '',
    changes: '',
    prepare: () =>
      Promise.resolve({
        run: () => Promise.resolve(failed('it broke')),
        restore: () => Promise.resolve(void attempts++),
        left: () => Promise.resolve('it is still there'),
      }),
  };
  const report = await run(await open(), { ...NOTHING, writes: [stuck] });
  assert.deepEqual(report.unrestored, ['it is still there']);
  assert.equal(outcomes(report)['stuck'], 'it broke; not put back: it is still there');
  assert.equal(attempts, 3);
});

test('a run that is stopped in the middle of a change puts it back, closes its channel and does no more', async () => {
  const world = await open();
  const stop = new AbortController();
  const before = await run(world, { ...NOTHING, reads: READ_STEPS.filter(({ id }) => id === 'profiles') });
  const stopping = WRITE_STEPS.filter(({ id }) => id === 'nickname').map(
    (step): WriteStep => ({
      ...step,
      async prepare(context, wish) {
        const change = await step.prepare(context, wish);
        if ('is' in change) return change;
        return {
          ...change,
          async run() {
            const verdict = await change.run();
            stop.abort();
            return context.signal.aborted ? change.run() : verdict;
          },
        };
      },
    }),
  );
  const report = await run(world, {
    ...READ_ONLY,
    reads: [],
    writes: [...stopping, ...WRITE_STEPS.filter(({ id }) => id === 'radio')],
    signal: stop.signal,
  });
  assert.equal(report.stopped, true);
  assert.deepEqual(report.unrestored, []);
  assert.deepEqual(outcomes(report), {
    settings: 'passed',
    open: 'passed',
    nickname: 'the run was stopped',
    radio: 'the run was stopped',
    probe: 'the run was stopped',
    restore: 'passed',
  });
  const channel = await ask(world, [OPEN]);
  assert.match(channel[OPEN] ?? '', /\+CCHO: 1$/, 'no channel is left open');
  const after = await run(world, { ...NOTHING, reads: READ_STEPS.filter(({ id }) => id === 'profiles') });
  assert.deepEqual(
    after.steps.find(({ id }) => id === 'profiles')?.findings,
    before.steps.find(({ id }) => id === 'profiles')?.findings,
  );
});

test('a PIN is never tried, whatever is asked for', async () => {
  const clock = createVirtualClock();
  const card = createTestCard({ pin: '4711' });
  const imei = '358240050000017' as Parameters<typeof createSimModem>[0]['imei'];
  const device = createSimModem({ card, radio: createTestRadio(), clock, log: silentLog, imei });
  const connect: HilTarget['openLine'] = async (around) => around(await linkTo(device)());
  const target: HilTarget = {
    name: 'locked',
    clock,
    openLine: connect,
    openModem: ({ around, memory }) =>
      openModem({ openLink: () => connect(around), clock, log: silentLog, ...memory }),
    close: () => device.close(),
  };
  await clock.advance(5_000);
  const report = await clock.settle(runHil(target, { ...READ_ONLY, writes: WRITE_STEPS }));
  assert.equal(finding(report, 'sim', 'SIM'), 'pin-required');
  assert.equal(outcomes(report)['iccid'], 'the SIM is pin-required');
  assert.doesNotMatch(said(report.entries), /AT\+CPIN=|00200001/);
  assert.deepEqual(
    card.commands.filter(([, ins, , , length = 0]) => ins === 0x20 && length > 0),
    [],
  );
});

test('a port that is not there, and one that does not answer, end the run with what is wrong', async () => {
  const missing = await runHil(openDeviceTarget({ port: '/dev/no-such-port', baudRate: 9_600 }), READ_ONLY);
  assert.equal(missing.unreachable?.code, 'PORT_MISSING');
  assert.ok(missing.steps.every(({ verdict }) => verdict.is !== 'passed'));
  const deaf = await run(await open({ quirks: { simPort: 'diag' } }), READ_ONLY);
  assert.equal(deaf.unreachable?.code, 'AT_TIMEOUT');
  assert.equal(outcomes(deaf)['identity'], 'no modem answers');
});

test('without identities neither trace nor report names card or modem', async () => {
  const world = await open();
  const open1 = await run(world, READ_ONLY);
  const names = [
    finding(open1, 'identity', 'imei'),
    finding(open1, 'iccid', 'ICCID'),
    finding(open1, 'eid', 'EID'),
    ...(open1.steps.find(({ id }) => id === 'profiles')?.findings.map(([name]) => name) ?? []),
  ].filter((name) => name !== undefined);
  assert.ok(names.length >= 5 && names.every((name) => /^\d{15,32}$/.test(name)), names.join());
  const covered = await run(world, { ...READ_ONLY, redactor: createTraceRedactor({ identities: true }) });
  const all = JSON.stringify(covered.steps) + said(covered.entries);
  for (const name of names) assert.ok(!all.includes(name), name);
  assert.deepEqual(
    covered.steps.map(({ id, verdict }) => [id, verdict.is]),
    open1.steps.map(({ id, verdict }) => [id, verdict.is]),
  );
});
