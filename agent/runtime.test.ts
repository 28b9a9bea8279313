// One fault at any point of a procedure: the process dies before or after an effect or a journal write, and starts again.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../base/bytes.ts';
import { createVirtualClock } from '../base/clock.ts';
import { AgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { completeEid, completeImei, parseIccid } from '../codec/ids.ts';
import { downMessages } from '../codec/wire.ts';
import { createMemoryBroker } from '../transport/memory-link.ts';
import { parseTopic } from '../transport/topics.ts';
import type { Device } from './device.ts';
import type { Journal } from './journal.ts';
import { runAgent } from './runtime.ts';
import { decodeDurable } from './state-codec.ts';
import { createTestCard, type TestProfile } from './testing-card.ts';
import { openTestMno } from './testing-mno.ts';

const eid = completeEid('890490321234512345123456789012');
const imei = completeImei('35824005111111');
const PROVISIONING = parseIccid('8999901000000000001');
const A = parseIccid('8999901000000000019');
const B = parseIccid('8999901000000000027');

/** The process is gone. Not an AgentError: nothing in the agent may catch it. */
class Killed extends Error {}

type Fault = {
  /** Kills at the n-th (from 1) of these points; 0 never. */
  readonly at?: {
    readonly point: 'before effect' | 'after effect' | 'before journal' | 'after journal';
    readonly n: number;
  };
  /** Whether the card loses its power with the process. */
  readonly powerCut?: boolean;
  readonly copies?: number;
  /** Whether a device may reach its operator with a profile. */
  readonly reaches?: (profile: string) => boolean;
  /** The operators answer no notification. */
  readonly deafToNotifications?: boolean;
  /** What the operator does with the one-time key of the first session. */
  readonly atFirstKey?: 'refuse' | 'trigger' | 'withdraw';
  /** Stops the agent as SIGTERM does, at the n-th effect. */
  readonly stopAt?: number;
};

type Outcome = {
  readonly effects: readonly string[];
  readonly seen: readonly string[];
  readonly profiles: readonly string[];
  readonly lives: number;
  readonly elapsedMs: number;
  readonly points: { effects: number; writes: number };
};

/** Runs a procedure to its end, through the death that `fault` asks for, on one card, one journal and one operator. */
async function story(kind: 'provisioning' | 'mno-change', fault: Fault = {}): Promise<Outcome> {
  const clock = createVirtualClock();
  const random = createSeededRandom(4);
  const broker = createMemoryBroker(clock);
  const profiles: TestProfile[] = [
    { iccid: PROVISIONING, profileClass: 'provisioning', address: 'a', enabled: kind === 'provisioning' },
  ];
  if (kind === 'mno-change')
    profiles.push({ iccid: A, profileClass: 'operational', address: 'a', enabled: true });
  const card = createTestCard(eid, profiles);
  const target = kind === 'provisioning' ? A : B;
  const names = { 'mno-a': 'a', 'mno-b': 'b' };
  const mnos = (['mno-a', 'mno-b'] as const).map((name) =>
    openTestMno({
      name,
      address: names[name],
      eid,
      iccid: target,
      before: kind === 'provisioning' ? PROVISIONING : A,
      ...(kind === 'mno-change' ? { donor: A } : {}),
      card,
      link: broker.link(name),
      clock,
      random,
      copies: fault.copies ?? 1,
      deafToNotifications: fault.deafToNotifications ?? false,
      ...(fault.atFirstKey === undefined ? {} : { atFirstKey: fault.atFirstKey }),
    }),
  );
  const main = mnos[kind === 'provisioning' ? 0 : 1];
  assert.ok(main !== undefined);
  if (kind === 'mno-change') main.trigger('mno-change');

  const points = { effects: 0, writes: 0 };
  let record: Uint8Array | undefined;
  let lives = 0;

  const live = async (): Promise<void> => {
    lives += 1;
    const stop = new AbortController();
    let dead = false;
    const mayDie = (point: NonNullable<Fault['at']>['point'], n: number): void => {
      if (dead || (fault.at?.point === point && fault.at.n === n)) {
        dead = true;
        throw new Killed(`${point} ${n}`);
      }
    };
    card.onEffect = (_effect, when) => {
      if (when === 'before') points.effects += 1;
      mayDie(`${when} effect`, points.effects);
      if (fault.stopAt === points.effects && when === 'before' && lives === 1) {
        stop.abort();
        throw new AgentError('ABORTED', { what: 'APDU' });
      }
    };
    const journal: Journal = {
      get last() {
        return record;
      },
      droppedBytes: 0,
      async append(next) {
        await Promise.resolve();
        points.writes += 1;
        mayDie('before journal', points.writes);
        record = next;
        mayDie('after journal', points.writes);
      },
      close: async () => {},
    };
    const enabled = (): string | undefined => card.profiles.find((profile) => profile.enabled)?.iccid;
    const device: Device = {
      imei,
      async card() {
        if (dead) throw new Killed();
        return card.card;
      },
      readIccid: async () => card.profiles.find((profile) => profile.enabled)?.iccid,
      registration: async () => ({ stat: fault.reaches?.(enabled() ?? '') === false ? 2 : 1 }),
      connect: async () => undefined,
      modem: {
        steps: ['radio-cycle', 'restart'],
        take: async () => {},
        hurry: (_, work) => work(),
        onRestart: () => () => {},
      },
    };
    const link = broker.link('device');
    const running = runAgent(
      {
        eid,
        device,
        link,
        journal,
        clock,
        random,
        log: silentLog,
        openCommand: (topic, payload) => ({
          mno: parseTopic(topic).mno,
          message: downMessages.decode(payload),
        }),
        takeBlock: () => {},
        async download(_order, manifest) {
          const content = main.contents.get(toHex(manifest.transferId));
          if (content === undefined) throw new AgentError('TRANSFER_STOPPED', { why: 'gone' });
          return content;
        },
        transferStop: () => {},
        progress: () => {},
        operatorAt: (address) => Object.entries(names).find(([, at]) => at === address)?.[0],
        ...(kind === 'provisioning' ? { activationMno: 'mno-a' } : {}),
      },
      { signal: stop.signal },
    );
    const idle = async (): Promise<void> => {
      for (let quiet = 0; quiet < 4; ) {
        await new Promise<void>((resolve) => clock.schedule(10_000, resolve));
        const at = record === undefined ? 'idle' : decodeDurable(record).state.at;
        quiet = at === 'idle' && lives > 0 && card.effects.length > 0 ? quiet + 1 : 0;
      }
    };
    try {
      await Promise.race([running, idle()]);
    } finally {
      // A process that is stopped still ends what it has begun; a killed one does nothing more.
      dead = fault.stopAt === undefined;
      stop.abort();
      for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve));
      dead = true;
      await link.close();
      await running.catch(() => {});
    }
  };

  const whole = async (): Promise<void> => {
    for (;;) {
      try {
        await live();
        if (fault.stopAt !== undefined && lives === 1) continue;
        return;
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
        if (fault.powerCut === true) card.cutPower();
      }
    }
  };
  await clock.settle(whole(), 24 * 3_600_000);
  return {
    effects: card.effects,
    seen: main.seen,
    profiles: card.profiles.map(({ iccid, enabled }) => `${iccid} ${enabled ? 'enabled' : 'disabled'}`),
    lives,
    elapsedMs: clock.now(),
    points,
  };
}

/** Effects in short: a authenticate, p prepare, i install, e enable, b rollback, d delete, and the number of each removed notification. */
function short(outcome: Outcome): string {
  return outcome.effects
    .map((effect) =>
      effect.startsWith('remove') ? effect.replace('removeNotification ', '') : effect.charAt(0),
    )
    .join(' ')
    .replace('r', 'b');
}

const POINTS = ['before effect', 'after effect', 'before journal', 'after journal'] as const;

type Row = {
  readonly kind: 'provisioning' | 'mno-change';
  readonly powerCut: boolean;
  /** The first effect and journal write that differ from what another row has shown already. */
  readonly from: { readonly effect: number; readonly journal: number };
  readonly plain: string;
  readonly others: Readonly<Record<string, string>>;
};

/**
 * What the card did, for a death at each point. Everything that changes the card is there once in every list. An authentication is
 * repeated where its answer was lost; a whole session is, where the card lost it or a script was cut off before it did anything.
 */
const DEATHS: readonly Row[] = [
  {
    kind: 'provisioning',
    powerCut: true,
    from: { effect: 1, journal: 1 },
    plain: 'a p i 1 e 2 3',
    others: {
      'before effect 1': 'a a p i 1 e 2 3',
      'before effect 2': 'a p a p i 1 e 2 3',
      'before effect 3': 'a p a p i e 1 2 3',
      'before journal 11': 'a p i e 1 2 3',
      'after effect 1': 'a a a p i 1 e 2 3',
      'after effect 2': 'a p p a p i 1 e 2 3',
      'before journal 3': 'a a p i 1 e 2 3',
      'before journal 4': 'a a a p i 1 e 2 3',
      'before journal 5': 'a p a p i 1 e 2 3',
      'before journal 6': 'a p p a p i 1 e 2 3',
      'after journal 2': 'a a p i 1 e 2 3',
      'after journal 3': 'a a p i 1 e 2 3',
      'after journal 4': 'a p a p i 1 e 2 3',
      'after journal 5': 'a p a p i 1 e 2 3',
      'after journal 8': 'a p a p i e 1 2 3',
      'after journal 10': 'a p i e 1 2 3',
    },
  },
  {
    kind: 'mno-change',
    powerCut: false,
    from: { effect: 3, journal: 8 },
    plain: 'a p i 1 e 2 d 3 4',
    others: {
      'before effect 3': 'a p a p i e d 1 2 3 4',
      'before effect 5': 'a p i 1 e d 2 3 4',
      'before effect 6': 'a p i 1 e 2 3 d 4',
      'before effect 7': 'a p i 1 e 2 3 d 4',
      'after effect 4': 'a p i 1 e d 2 3 4',
      'after effect 6': 'a p i 1 e 2 3 d 4',
      'before journal 10': 'a p i 1 e d 2 3 4',
      'before journal 11': 'a p i e 1 d 2 3 4',
      'before journal 13': 'a p i 1 e 2 3 d 4',
      'after journal 8': 'a p a p i e d 1 2 3 4',
      'after journal 10': 'a p i e 1 d 2 3 4',
      'after journal 12': 'a p i 1 e d 2 3 4',
    },
  },
];

const END = {
  provisioning: ['8999901000000000001 disabled', '8999901000000000019 enabled'],
  'mno-change': ['8999901000000000001 disabled', '8999901000000000027 enabled'],
};

for (const { kind, powerCut, from, plain, others } of DEATHS) {
  test(`${kind}: one death of the process${powerCut ? ' with a power cut' : ''} at any point changes nothing in its end`, async () => {
    const whole = await story(kind);
    assert.deepEqual([short(whole), whole.lives, whole.profiles], [plain, 1, END[kind]]);
    for (const point of POINTS) {
      const [first, count] = point.endsWith('effect')
        ? [from.effect, whole.points.effects]
        : [from.journal, whole.points.writes];
      for (let n = first; n <= count; n++) {
        const outcome = await story(kind, { at: { point, n }, powerCut });
        const name = `${point} ${n}`;
        assert.equal(short(outcome), others[name] ?? plain, name);
        assert.deepEqual([outcome.lives, outcome.profiles], [2, END[kind]], name);
      }
    }
  });
}

test('every command sent three times has its effect once', async () => {
  const outcome = await story('mno-change', { copies: 3 });
  assert.equal(short(outcome), 'a p i e 1 d 2 3 4');
  assert.deepEqual(outcome.profiles, END['mno-change']);
});

test('a notification stays on the card until its operator has answered it', async () => {
  const outcome = await story('provisioning', { deafToNotifications: true });
  assert.equal(short(outcome), 'a p i e');
  assert.deepEqual(outcome.profiles, END.provisioning);
});

test('a profile without connectivity is given up at the deadline, and the operator is told', async () => {
  const outcome = await story('mno-change', { reaches: (profile) => profile !== B });
  assert.equal(short(outcome), 'a p i 1 e 2 3 b 4 5');
  assert.deepEqual(outcome.profiles, [
    '8999901000000000001 disabled',
    '8999901000000000019 enabled',
    '8999901000000000027 disabled',
  ]);
  assert.ok(outcome.seen.includes('enable rolled-back'));
  assert.ok(outcome.elapsedMs >= 120_000, `${outcome.elapsedMs} ms`);
});

test('a death while the verdict is awaited does not make the device keep a dead profile', async () => {
  const whole = await story('mno-change', { reaches: (profile) => profile !== B });
  const point = 'after effect';
  const outcome = await story('mno-change', { reaches: (profile) => profile !== B, at: { point, n: 4 } });
  assert.equal(short(whole), 'a p i 1 e 2 3 b 4 5');
  assert.equal(short(outcome), 'a p i 1 e b 2 3 4 5');
  assert.deepEqual(outcome.profiles, whole.profiles);
  assert.equal(outcome.lives, 2);
});

test('an agent that is stopped in the middle of a step takes the step up again, and reports no failure', async () => {
  const outcome = await story('provisioning', { stopAt: 2 });
  assert.equal(outcome.lives, 2);
  assert.deepEqual(outcome.profiles, END.provisioning);
  assert.ok(!outcome.seen.some((entry) => entry.startsWith('failure')), outcome.seen.join(', '));
});

/** What the card did (c is a cancelled session) and what the operator heard, where an order ends with its session open. */
async function givenUp(fault: Fault): Promise<string> {
  const outcome = await story('provisioning', fault);
  return `${short(outcome)} | ${outcome.seen.join(', ')}`;
}

const INSTALLED =
  'request, key, install done, notificationInstall 1, notificationDisable 2, enable done, notificationEnable 3';

test('an order that ends with its session open is cancelled on the card, and the operator gets what the card signed', async () => {
  assert.equal(await givenUp({ atFirstKey: 'refuse' }), 'a p c | request, key, cancelled undefinedReason');
  assert.equal(
    await givenUp({ atFirstKey: 'withdraw' }),
    'a p c | request, key, cancelled timeout TRANSFER_STOPPED',
  );
  assert.equal(
    await givenUp({ atFirstKey: 'trigger' }),
    `a p c a p i 1 e 2 3 | request, key, cancelled postponed, ${INSTALLED}`,
  );
});

test('one death at any point of giving up leaves no session open, and no order waiting', async () => {
  // The card says its word once: what it signed is lost only where the device died with it.
  const plain = 'a p c | request, key, cancelled undefinedReason';
  const others: Readonly<Record<string, string>> = {
    'before effect 3, power cut': 'a p c | request, key',
    'after effect 3': 'a p c c | request, key',
    'after effect 3, power cut': 'a p c c | request, key',
    'before journal 8': 'a p c c | request, key',
    'before journal 8, power cut': 'a p c c | request, key',
    'after journal 7, power cut': 'a p c | request, key',
  };
  const rows = [
    ['before effect', 3],
    ['after effect', 3],
    ['after journal', 7],
    ['before journal', 8],
    ['after journal', 8],
    ['before journal', 9],
  ] as const;
  for (const [point, n] of rows) {
    for (const powerCut of [false, true]) {
      const name = `${point} ${n}${powerCut ? ', power cut' : ''}`;
      const found = await givenUp({ atFirstKey: 'refuse', at: { point, n }, powerCut });
      assert.equal(found, others[name] ?? plain, name);
    }
  }
});
