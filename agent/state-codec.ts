// The machine's state as octets for the journal: CBOR with a version of its own, messages inside as they go over the wire.
import { AgentError } from '../base/errors.ts';
import {
  cborBool,
  cborBytes,
  cborInt,
  cborItem,
  cborList,
  cborMap,
  cborText,
  cborWord,
  type CborType,
} from '../codec/cbor-table.ts';
import {
  type DownMessage,
  downMessages,
  ladderRecord,
  MAX_LADDER,
  type UpMessage,
  upMessages,
} from '../codec/wire.ts';
import { type LastSwitch, lastSwitchType } from './last-switch.ts';
import type { CancelReason, State, WorkCommand } from './machine.ts';

/** Raised when a record could not be read by the program before it; the records of that program are read. */
export const STATE_VERSION = 2;
const OLDEST_VERSION = 1;

const octets = cborBytes({ max: 16_777_216 });
const upMessage: CborType<UpMessage> = {
  fromCbor: (value) => upMessages.decode(octets.fromCbor(value)),
  toCbor: (message) => upMessages.encode(message),
};
const workCommand: CborType<WorkCommand> = {
  fromCbor: (value) => workCommandOf(downMessages.decode(octets.fromCbor(value))),
  toCbor: (message) => downMessages.encode(message),
};

function workCommandOf(message: DownMessage): WorkCommand {
  switch (message.is) {
    case 'authenticateRequest':
    case 'downloadRequest':
    case 'manifest':
    case 'script':
      return message;
    default:
      throw new AgentError('MESSAGE_INVALID', { why: `${message.is} is no work` });
  }
}

const order = cborMap({
  mno: { key: 1, type: cborText(32) },
  kind: { key: 2, type: cborWord('provisioning', 'mno-change') },
  transaction: { key: 3, type: cborBytes({ length: 16 }) },
  resumes: { key: 4, type: cborBytes({ length: 16 }), optional: true },
  restarts: { key: 5, type: cborInt(0, 255), optional: true },
  session: { key: 6, type: cborBytes({ min: 1, max: 16 }), optional: true },
});

const cancelReason: CborType<CancelReason> = cborWord(
  'postponed',
  'timeout',
  'pprNotAllowed',
  'undefinedReason',
);

const record = cborItem(
  cborMap({
    version: { key: 0, type: cborInt(1, 255) },
    at: { key: 1, type: cborWord('idle', 'requesting', 'awaiting', 'working', 'cancelling') },
    order: { key: 2, type: order, optional: true },
    message: { key: 3, type: upMessage, optional: true },
    delivered: { key: 4, type: cborBool, optional: true },
    command: { key: 5, type: workCommand, optional: true },
    begun: { key: 6, type: cborBool, optional: true },
    deadline: { key: 7, type: cborInt(), optional: true },
    /** Ids of the last commands dealt with, 8 octets each, newest last. */
    handled: { key: 8, type: cborBytes({ max: 8 * 256 }) },
    ladder: { key: 9, type: cborList(ladderRecord, MAX_LADDER), optional: true },
    goingBack: { key: 10, type: cborBool, optional: true },
    lastSwitch: { key: 11, type: lastSwitchType, optional: true },
    reason: { key: 12, type: cancelReason, optional: true },
    failure: { key: 13, type: upMessage, optional: true },
    next: { key: 14, type: order, optional: true },
  }),
);

/** What the journal keeps: the state, and the commands that were dealt with, so that a repeated one has no second effect. */
export type Durable = {
  readonly state: State;
  readonly handled: readonly Uint8Array[];
  readonly lastSwitch?: LastSwitch;
};

export function encodeDurable({ state, handled, lastSwitch }: Durable): Uint8Array {
  const { at, ...rest } = state;
  const ids = new Uint8Array(8 * handled.length);
  for (const [i, id] of handled.entries()) ids.set(id, 8 * i);
  return record.encode({
    version: STATE_VERSION,
    at,
    handled: ids,
    ...rest,
    ...(lastSwitch === undefined ? {} : { lastSwitch }),
  });
}

/** Throws `MESSAGE_INVALID` or `CBOR_INVALID`, also for a version that is not spoken here. */
export function decodeDurable(bytes: Uint8Array): Durable {
  const {
    version,
    at,
    handled: ids,
    order: held,
    message,
    delivered,
    command,
    begun,
    deadline,
    ladder,
    goingBack,
    lastSwitch,
    reason,
    failure,
    next,
  } = record.decode(bytes);
  if (version < OLDEST_VERSION || version > STATE_VERSION)
    throw new AgentError('MESSAGE_INVALID', { field: 'version', why: String(version) });
  const handled: Uint8Array[] = [];
  for (let i = 0; i + 8 <= ids.length; i += 8) handled.push(ids.subarray(i, i + 8));
  const incomplete = new AgentError('MESSAGE_INVALID', { field: at, why: 'incomplete' });
  const stateOf = (): State => {
    if (at === 'idle') return { at };
    if (held === undefined) throw incomplete;
    if (at === 'requesting') return { at, order: held };
    if (at === 'awaiting') {
      if (message === undefined || delivered === undefined) throw incomplete;
      return { at, order: held, message, delivered };
    }
    if (at === 'cancelling') {
      const { session } = held;
      if (session === undefined || reason === undefined) throw incomplete;
      if (failure !== undefined && failure.is !== 'failure') throw incomplete;
      return {
        at,
        order: { ...held, session },
        reason,
        ...(failure === undefined ? {} : { failure }),
        ...(message === undefined ? {} : { message }),
        ...(next === undefined ? {} : { next }),
      };
    }
    if (command === undefined || begun === undefined) throw incomplete;
    return {
      at,
      order: held,
      command,
      begun,
      ...(deadline === undefined ? {} : { deadline }),
      ...(ladder === undefined ? {} : { ladder }),
      ...(goingBack === undefined ? {} : { goingBack }),
    };
  };
  return { state: stateOf(), handled, ...(lastSwitch === undefined ? {} : { lastSwitch }) };
}
