// The agent at work: the journal first, then the effect; commands checked, receipted and carried out one at a time.
import { equalBytes, toHex } from '../base/bytes.ts';
import { type Clock, sleep } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { createLock } from '../base/lock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Eid, Iccid } from '../codec/ids.ts';
import { type DownMessage, type DownOf, type UpMessage, upMessages } from '../codec/wire.ts';
import type { MessageLink } from '../transport/message-link.ts';
import { deviceFilter, formatTopic } from '../transport/topics.ts';
import { firstOrder, makeRequest } from './activation.ts';
import { cancelSession } from './cancel-session.ts';
import { carryOut, stepFailure } from './carry-out.ts';
import type { CarryOutContext, StepOptions } from './carry-out-context.ts';
import type { Device } from './device.ts';
import type { Journal } from './journal.ts';
import { createLifeline } from './lifeline.ts';
import { accepts, type Effect, effectOf, type Event, reduce, type State } from './machine.ts';
import { switchEndedBy } from './last-switch.ts';
import { wakeMuteCard } from './mute-card.ts';
import { createNotificationPump } from './notifications.ts';
import { decodeDurable, type Durable, encodeDurable } from './state-codec.ts';
import { createSwitchGuard } from './switch-guard.ts';
import { untilWoken } from './until.ts';

export type RuntimeOptions = {
  readonly eid: Eid;
  readonly device: Device;
  readonly link: MessageLink;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Checks an operator's signature and answers what it says and who said it. Throws COMMAND_REFUSED. */
  readonly openCommand: (
    topic: string,
    payload: Uint8Array,
  ) => { readonly mno: string; readonly message: DownMessage };
  /** Takes what arrives on the block topics. */
  readonly takeBlock: (topic: string, payload: Uint8Array) => void;
  readonly download: CarryOutContext['download'];
  readonly certificatePin?: CarryOutContext['certificatePin'];
  /** Stops or pauses a transfer. */
  readonly transferStop: (stop: DownOf<'transferStop'>) => void;
  readonly progress: CarryOutContext['progress'];
  readonly operatorAt: (address: string) => string | undefined;
  /** The MNO that a card without an operational profile asks for one. */
  readonly activationMno?: string;
  readonly maxBlockSize?: number;
  /** The most time that a new profile has for its connectivity verdict, whatever the operator allows. */
  readonly deadlineMs?: number;
  /** Told of every state, the first one at the start. */
  readonly onState?: (state: State) => void;
};

const HANDLED_KEPT = 128;
const REPEAT_FIRST_MS = 5_000;
const REPEAT_MOST_MS = 300_000;
const RETRY_FIRST_MS = 1_000;
const RETRY_MOST_MS = 60_000;
/** So many failures at the card in a row, and it is started anew if it is silent; twice as many, and it is in any case. */
const CARD_PATIENCE = 4;

/** Runs until the signal fires. Rejects only for what this process cannot mend. */
export async function runAgent(
  options: RuntimeOptions,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const { eid, device, link, journal, clock, random, log } = options;
  let durable: Durable =
    journal.last === undefined ? { state: { at: 'idle' }, handled: [] } : decodeDurable(journal.last);
  const cardLock = createLock();
  const journalLock = createLock();
  let changed = (): void => {};
  options.onState?.(durable.state);

  const keep = async (next: Durable, why: string): Promise<void> => {
    await journal.append(encodeDurable(next));
    durable = next;
    options.onState?.(next.state);
    log.write('info', 'agent.state', next.state.at, { why, ...orderFields(next.state) });
    changed();
  };

  const lifeline = createLifeline({ clock, random, refresh: (attempt) => wake(attempt, true) });

  /** Journals what an event leads to. Answers whether it changed anything. */
  const happen = (event: Event): Promise<boolean> =>
    journalLock.run(async () => {
      const state = reduce(durable.state, event);
      if (state === durable.state) return false;
      const ended = switchEndedBy(durable.state, event, {
        wallMs: clock.wall(),
        before: durable.lastSwitch,
      });
      await keep({ ...durable, state, ...(ended === undefined ? {} : { lastSwitch: ended }) }, event.is);
      return true;
    });

  const send = async (mno: string, message: UpMessage): Promise<void> => {
    try {
      await link.publish(formatTopic({ mno, eid, channel: 'up' }), upMessages.encode(message), { signal });
      lifeline.reached();
    } catch (error) {
      lifeline.missed();
      throw error;
    }
  };
  const sendQuietly = async (mno: string, message: UpMessage): Promise<void> => {
    try {
      await send(mno, message);
    } catch (error) {
      if (!isAgentError(error)) throw error;
      log.write('debug', 'agent.send', 'not sent', { mno, message: message.is, error: error.message });
    }
  };

  const pump = createNotificationPump({
    ...options,
    cardLock,
    send,
    unresolved: () => unresolvedIccid(durable.state),
  });
  const guard = createSwitchGuard({
    eid,
    device,
    clock,
    random,
    log,
    send: sendQuietly,
    last: () => (durable.state.at === 'working' ? undefined : durable.lastSwitch),
    keep: (lastSwitch) =>
      journalLock.run(async () => {
        if (durable.state.at !== 'working') await keep({ ...durable, lastSwitch }, 'checked');
      }),
  });

  const receipt = (
    mno: string,
    command: DownMessage,
    outcome: 'done' | 'duplicate' | 'refused',
  ): Promise<void> =>
    sendQuietly(mno, {
      is: 'receipt',
      id: random.bytes(8),
      eid,
      transaction: command.transaction,
      of: command.id,
      outcome,
    });

  /** Ends the transfer of an order that is over: nothing of it is waited for. */
  const stopTransfer = (state: State): void => {
    if (state.at !== 'working' || state.command.is !== 'manifest' || state.begun) return;
    const { id, transaction, transferId } = state.command;
    options.transferStop({ is: 'transferStop', id, eid, transaction, transferId, why: 'superseded' });
  };

  const onCommand = async (mno: string, command: DownMessage): Promise<void> => {
    if (command.is === 'receipt') {
      const refused = command.outcome === 'refused';
      if (refused)
        log.write('warn', 'agent.receipt', 'the operator refuses', { mno, reason: command.reason });
      if (pump.receipted(mno, command.of, refused) || guard.receipted(mno, command.of)) return;
      await happen({ is: 'receipted', mno, of: command.of, refused });
      return;
    }
    if (command.is === 'transferStop') {
      options.transferStop(command);
      return;
    }
    const outcome = await journalLock.run(async () => {
      if (durable.handled.some((id) => equalBytes(id, command.id))) return 'duplicate';
      if (!accepts(durable.state, mno, command)) return 'refused';
      const before = durable.state;
      const state = reduce(before, { is: 'commanded', mno, command });
      if (state.at !== before.at) stopTransfer(before);
      await keep(
        { ...durable, state, handled: [...durable.handled, command.id].slice(-HANDLED_KEPT) },
        command.is,
      );
      if (command.is === 'refused')
        log.write('warn', 'agent.order', 'refused', { mno, reason: command.reason });
      if (command.is === 'completed')
        log.write('info', 'agent.order', 'completed', { mno, iccid: command.iccid });
      return 'done';
    });
    log.write('info', 'agent.command', command.is, { mno, id: toHex(command.id), outcome });
    await receipt(mno, command, outcome);
    if (outcome === 'done' && (command.is === 'completed' || command.is === 'refused')) pump.wake();
  };

  const onMessage = async (topic: string, payload: Uint8Array): Promise<void> => {
    lifeline.reached();
    if (topic.endsWith('/block')) {
      options.takeBlock(topic, payload);
      return;
    }
    try {
      const { mno, message } = options.openCommand(topic, payload);
      await onCommand(mno, message);
    } catch (error) {
      if (!isAgentError(error, 'COMMAND_REFUSED', 'MESSAGE_INVALID', 'CBOR_INVALID', 'SIGNATURE_INVALID'))
        throw error;
      log.write('warn', 'agent.command', 'refused', { topic, error: error.message });
    }
  };

  const context: CarryOutContext = {
    eid,
    device,
    cardLock,
    clock,
    random,
    log,
    download: options.download,
    ...(options.certificatePin === undefined ? {} : { certificatePin: options.certificatePin }),
    progress: options.progress,
    deadlineMs: options.deadlineMs ?? Number.POSITIVE_INFINITY,
    probe: {
      device,
      clock,
      log,
      brokerRoundTrip: ({ signal: stop }) =>
        link.subscribe(deviceFilter(eid, 'down'), {
          timeoutMs: 10_000,
          ...(stop === undefined ? {} : { signal: stop }),
        }),
    },
    begin: async (deadline) => {
      const goesOn = await happen({ is: 'begun', ...(deadline === undefined ? {} : { deadline }) });
      // The operator has ended the order meanwhile: nothing of it reaches the card any more.
      if (!goesOn) throw new AgentError('CONFLICT', { what: 'order' });
    },
    climbed: async (ladder) => {
      await happen({ is: 'climbed', ladder });
    },
    goBack: async () => {
      await happen({ is: 'goingBack' });
    },
  };

  const perform = async (effect: Effect, step: StepOptions): Promise<Event | undefined> => {
    switch (effect.is) {
      case 'makeRequest':
        return makeRequest(context, effect.order, step, options.maxBlockSize);
      case 'deliver':
        await sendQuietly(effect.order.mno, effect.message);
        return undefined;
      case 'carryOut': {
        const event = await carryOut(context, effect, step);
        if (effect.command.is === 'script' || effect.command.is === 'manifest') pump.wake();
        return event;
      }
      case 'cancelSession':
        return cancelSession(context, effect, step);
    }
  };

  /** Settles at the next change of state, or after `ms`. */
  const changeOr = (ms: number): Promise<void> => untilWoken(clock, ms, signal, (wake) => (changed = wake));

  const wake = async (attempt: number, anyway: boolean): Promise<void> => {
    try {
      await cardLock.run(() => wakeMuteCard({ device, log }, attempt, { signal, anyway }));
    } catch (error) {
      if (!isAgentError(error, 'ABORTED')) throw error;
    }
  };

  const work = async (): Promise<void> => {
    let failures = 0;
    let cardFailures = 0;
    let repeats = 0;
    while (!signal.aborted) {
      const { state } = durable;
      const effect = effectOf(state);
      if (effect === undefined) {
        repeats = 0;
        await changeOr(REPEAT_MOST_MS);
        continue;
      }
      try {
        const event = await perform(effect, { signal });
        failures = cardFailures = 0;
        if (event !== undefined) {
          repeats = 0;
          await happen(event);
        } else if (durable.state === state) {
          await changeOr(Math.min(REPEAT_FIRST_MS * 2 ** repeats, REPEAT_MOST_MS));
          repeats += 1;
        }
      } catch (error) {
        if (signal.aborted) return;
        if (!isAgentError(error)) throw error;
        log.write('warn', 'agent.step', 'step failed, will be tried again', {
          effect: effect.is,
          ...stepFailure(error),
        });
        await sleep(clock, Math.min(RETRY_FIRST_MS * 2 ** failures, RETRY_MOST_MS), { signal }).catch(
          () => undefined,
        );
        failures += 1;
        cardFailures = isAgentError(error, 'CARD_ACCESS', 'CARD_LOST') ? cardFailures + 1 : 0;
        if (cardFailures > 0 && cardFailures % CARD_PATIENCE === 0) {
          const anyway = cardFailures % (2 * CARD_PATIENCE) === 0;
          await wake(cardFailures / (anyway ? 2 * CARD_PATIENCE : CARD_PATIENCE), anyway);
        }
      }
    }
  };

  const listen = async (): Promise<void> => {
    for await (const { topic, payload } of link.messages) await onMessage(topic, payload);
    if (!signal.aborted) throw new AgentError('CLOSED', { what: 'message link' });
  };

  /** Asks for both channels; a link that is down remembers them for its next connection. */
  const subscribe = async (): Promise<void> => {
    for (const channel of ['down', 'block'] as const) {
      try {
        await link.subscribe(deviceFilter(eid, channel), { signal });
      } catch (error) {
        if (!isAgentError(error) || error.code === 'ABORTED') throw error;
        log.write('warn', 'agent.link', 'not subscribed yet', { channel, error: error.message });
      }
    }
  };

  const unwatch = link.watch((state) => {
    if (!state.up) {
      lifeline.missed();
      return;
    }
    lifeline.reached();
    pump.wake();
    changed();
  });
  try {
    const activation = firstOrder(context, options.activationMno, durable.state, { signal });
    const running = [
      listen(),
      work(),
      pump.run({ signal }),
      guard.run({ signal }),
      subscribe(),
      activation.then(async (order) => {
        if (order !== undefined) await happen({ is: 'ordered', order });
      }),
    ];
    await Promise.race([aborted(signal), ...running.slice(0, 4), Promise.all(running)]);
  } finally {
    lifeline.close();
    unwatch();
  }
}

/** The profile of an installation that has begun and is not reported yet. */
function unresolvedIccid(state: State): Iccid | undefined {
  return state.at === 'working' && state.begun && state.command.is === 'manifest'
    ? state.command.iccid
    : undefined;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function orderFields(state: State): Readonly<Record<string, string>> {
  if (state.at === 'idle') return {};
  const { mno, kind, transaction } = state.order;
  return { mno, kind, transaction: toHex(transaction) };
}
