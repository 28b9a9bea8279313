// The agent as a pure machine: what it is doing, what can happen, and what follows. It touches nothing.
import { equalBytes } from '../base/bytes.ts';
import type { DownMessage, DownOf, LadderRecord, UpMessage, UpOf } from '../codec/wire.ts';

export type ProcedureKind = 'provisioning' | 'mno-change';

/** The procedure under way with one operator. */
export type Order = {
  readonly mno: string;
  readonly kind: ProcedureKind;
  /** 16 octets, chosen by this device. */
  readonly transaction: Uint8Array;
  /** The transaction that an interruption ended. */
  readonly resumes?: Uint8Array;
  /** How often it began again. */
  readonly restarts?: number;
  /** The transactionId of the RSP session that the card holds for it, from AuthenticateServer to the package's result. */
  readonly session?: Uint8Array;
};

/** Why the device ends a session (SGP.22, 5.7.14). */
export type CancelReason = 'postponed' | 'timeout' | 'pprNotAllowed' | 'undefinedReason';

/** Commands that the device works on with its card. */
export type WorkCommand =
  | DownOf<'authenticateRequest'>
  | DownOf<'downloadRequest'>
  | DownOf<'manifest'>
  | DownOf<'script'>;

export type State =
  | { readonly at: 'idle' }
  /** The activation request is to be made: it needs the card's challenge. */
  | { readonly at: 'requesting'; readonly order: Order }
  /** A message is with the operator, or on its way; `delivered` when its receipt came. */
  | {
      readonly at: 'awaiting';
      readonly order: Order;
      readonly message: UpMessage;
      readonly delivered: boolean;
    }
  /**
   * A command of the operator is being carried out. `begun` is set before the first octet of a script goes to the card,
   * so that after a restart the card is asked what became of it. `deadline` (Unix milliseconds) ends the wait for the
   * connectivity verdict. `ladder` is what was done to make the modem take the profile; its last step may have been cut
   * short. `goingBack` is set before the way back to the profile that worked begins.
   */
  | {
      readonly at: 'working';
      readonly order: Order;
      readonly command: WorkCommand;
      readonly begun: boolean;
      readonly deadline?: number;
      readonly ladder?: readonly LadderRecord[];
      readonly goingBack?: boolean;
    }
  /**
   * The device gives the order up while the card holds its session: the card signs that it ends it, and the operator is told.
   * `failure` is what the operator hears where the card knows the session no more; `next` is begun afterwards.
   */
  | {
      readonly at: 'cancelling';
      readonly order: Order & { readonly session: Uint8Array };
      readonly reason: CancelReason;
      readonly failure?: UpOf<'failure'>;
      readonly message?: UpMessage;
      readonly next?: Order;
    };

type Cancelling = Extract<State, { readonly at: 'cancelling' }>;

export type Event =
  /** The device or an operator wants a procedure. */
  | { readonly is: 'ordered'; readonly order: Order }
  /** The message that the present step leads to is made; `session` says what became of the card's RSP session by it. */
  | { readonly is: 'answered'; readonly message: UpMessage; readonly session?: Uint8Array | 'ended' }
  /** The device does not go on with the order; `failure` says why. */
  | { readonly is: 'givenUp'; readonly reason: CancelReason; readonly failure: UpOf<'failure'> }
  /** The card has ended the session; without a message it knew none. */
  | { readonly is: 'cancelled'; readonly message?: UpMessage }
  /** A script is about to go to the card. */
  | { readonly is: 'begun'; readonly deadline?: number }
  /** A step is about to be taken that makes the modem look again, or has been. */
  | { readonly is: 'climbed'; readonly ladder: readonly LadderRecord[] }
  /** The verdict is no: the way back begins. */
  | { readonly is: 'goingBack' }
  /** A command of the operator, its signature checked. */
  | { readonly is: 'commanded'; readonly mno: string; readonly command: DownMessage }
  /** The operator has stored our message, or refused it. */
  | { readonly is: 'receipted'; readonly mno: string; readonly of: Uint8Array; readonly refused: boolean }
  /** The work was cut short and the card did not finish it: the procedure begins again under a new transaction. */
  | { readonly is: 'interrupted'; readonly transaction: Uint8Array };

/** What the state asks for; each can be asked again after a restart. */
export type Effect =
  | { readonly is: 'makeRequest'; readonly order: Order }
  | { readonly is: 'deliver'; readonly order: Order; readonly message: UpMessage }
  | {
      readonly is: 'carryOut';
      readonly order: Order;
      readonly command: WorkCommand;
      readonly begun: boolean;
      readonly deadline?: number;
      readonly ladder?: readonly LadderRecord[];
      readonly goingBack?: boolean;
    }
  | {
      readonly is: 'cancelSession';
      readonly order: Cancelling['order'];
      readonly reason: CancelReason;
      readonly failure?: UpOf<'failure'>;
    };

/** The state after an event. Total: an event that does not fit leaves the state as it is. */
export function reduce(state: State, event: Event): State {
  switch (event.is) {
    case 'ordered':
      return state.at === 'idle' ? { at: 'requesting', order: event.order } : state;
    case 'answered':
      if (state.at !== 'requesting' && state.at !== 'working') return state;
      return awaiting(state.order, event.message, event.session);
    case 'givenUp':
      if (state.at !== 'working') return state;
      return (
        cancelling(state.order, { reason: event.reason, failure: event.failure }) ??
        awaiting(state.order, event.failure)
      );
    case 'cancelled':
      if (state.at !== 'cancelling' || state.message !== undefined) return state;
      return event.message === undefined ? afterCancelling(state) : { ...state, message: event.message };
    case 'begun':
      if (state.at !== 'working') return state;
      return { ...state, begun: true, ...(event.deadline === undefined ? {} : { deadline: event.deadline }) };
    case 'climbed':
      return state.at === 'working' && state.begun ? { ...state, ladder: event.ladder } : state;
    case 'goingBack':
      return state.at === 'working' && state.begun ? { ...state, goingBack: true } : state;
    case 'commanded':
      return commanded(state, event.mno, event.command);
    case 'receipted':
      if (state.at !== 'awaiting' && state.at !== 'cancelling') return state;
      if (state.order.mno !== event.mno || state.message === undefined) return state;
      if (!equalBytes(state.message.id, event.of)) return state;
      if (state.at === 'cancelling') return afterCancelling(state);
      return event.refused ? left(state.order) : { ...state, delivered: true };
    case 'interrupted': {
      if (state.at !== 'working') return state;
      const { mno, kind, transaction: resumes, restarts = 0 } = state.order;
      const order = { mno, kind, transaction: event.transaction, resumes, restarts: restarts + 1 };
      return { at: 'requesting', order };
    }
  }
}

function awaiting(order: Order, message: UpMessage, session?: Uint8Array | 'ended'): State {
  const { session: held, ...rest } = order;
  const now = session ?? held;
  return {
    at: 'awaiting',
    order: now === undefined || now === 'ended' ? rest : { ...rest, session: now },
    message,
    delivered: false,
  };
}

/** On the way out of an order whose session the card holds; undefined where it holds none. */
function cancelling(
  { session, ...order }: Order,
  how: Pick<Cancelling, 'reason' | 'failure' | 'next'>,
): State | undefined {
  return session === undefined ? undefined : { at: 'cancelling', order: { ...order, session }, ...how };
}

/** The operator wants the order no more. */
function left(order: Order): State {
  return cancelling(order, { reason: 'undefinedReason' }) ?? { at: 'idle' };
}

/** The session is over, and the operator knows it or need not: what there is left to say, or to begin. */
function afterCancelling({ order, failure, message, next }: Cancelling): State {
  if (message === undefined && failure !== undefined) return awaiting(order, failure, 'ended');
  return next === undefined ? { at: 'idle' } : { at: 'requesting', order: next };
}

/** An order that an operator asks for. */
function triggered(state: State, order: Order): State {
  const begun: State = { at: 'requesting', order };
  switch (state.at) {
    case 'idle':
      return begun;
    case 'awaiting':
      if (!isAnother(state.order, order)) return state;
      return cancelling(state.order, { reason: 'postponed', next: order }) ?? begun;
    case 'cancelling':
      // Who hears nothing more of an operator must not wait for its receipt when another one calls.
      if (state.order.mno !== order.mno) return state.message === undefined ? state : begun;
      return isAnother(state.next ?? state.order, order) ? { ...state, next: order } : state;
    case 'requesting':
    case 'working':
      return state;
  }
}

function commanded(state: State, mno: string, command: DownMessage): State {
  if (command.is === 'trigger') {
    return triggered(state, { mno, kind: command.kind, transaction: command.transaction });
  }
  if (!belongs(state, mno, command)) return state;
  switch (command.is) {
    case 'authenticateRequest':
    case 'downloadRequest':
    case 'manifest':
    case 'script':
      if (state.at !== 'awaiting') return state;
      return { at: 'working', order: state.order, command, begun: false };
    case 'refused':
      if (state.at === 'cancelling') return withoutFailure(state);
      return state.at === 'idle' ? state : left(state.order);
    case 'completed':
      return state.at === 'cancelling' ? state : { at: 'idle' };
    case 'transferStop':
    case 'receipt':
      return state;
  }
}

/** An operator may begin anew what it has left waiting itself; nobody interrupts work on the card. */
function isAnother(held: Order, order: Order): boolean {
  return held.mno === order.mno && !equalBytes(held.transaction, order.transaction);
}

/** The operator has ended the order itself: it need not hear why the device would have. */
function withoutFailure(state: Cancelling): State {
  const { failure, ...rest } = state;
  return failure === undefined ? state : rest;
}

/** Whether a command is for the procedure under way: its operator, and its transaction. */
function belongs(state: State, mno: string, command: DownMessage): boolean {
  return (
    state.at !== 'idle' && state.order.mno === mno && equalBytes(state.order.transaction, command.transaction)
  );
}

/** Whether a command would change anything now; one that would not is refused instead of being lost in silence. */
export function accepts(state: State, mno: string, command: DownMessage): boolean {
  return reduce(state, { is: 'commanded', mno, command }) !== state;
}

export function effectOf(state: State): Effect | undefined {
  switch (state.at) {
    case 'idle':
      return undefined;
    case 'requesting':
      return { is: 'makeRequest', order: state.order };
    case 'awaiting':
      return state.delivered ? undefined : { is: 'deliver', order: state.order, message: state.message };
    case 'working': {
      const { at: _, ...work } = state;
      return { is: 'carryOut', ...work };
    }
    case 'cancelling': {
      const { order, reason, failure, message } = state;
      if (message !== undefined) return { is: 'deliver', order, message };
      return { is: 'cancelSession', order, reason, ...(failure === undefined ? {} : { failure }) };
    }
  }
}
