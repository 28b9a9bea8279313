// The way messages travel between agent and operator: topics, at-least-once delivery, and a state that comes and goes.
import type { AgentError } from '../base/errors.ts';

export type LinkMessage = { readonly topic: string; readonly payload: Uint8Array };

/**
 * Up means that the broker has accepted this client. `fresh` says that the broker kept nothing of an earlier session,
 * so that messages may have been missed. Down names what went wrong last, where something did.
 */
export type LinkState =
  | { readonly up: true; readonly fresh: boolean }
  | { readonly up: false; readonly error?: AgentError };

export type PublishOptions = {
  /** 0: sent and forgotten. 1 (default): settles when the broker has acknowledged. */
  readonly qos?: 0 | 1;
  /** After this many seconds the broker may drop the message instead of delivering it, where it can. */
  readonly expirySeconds?: number;
  /** Default 30 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
};

export type SubscribeOptions = { readonly timeoutMs?: number; readonly signal?: AbortSignal };

/**
 * A client of a publish/subscribe broker that connects again by itself until `close`. A broker's acknowledgement says
 * that the broker has the message, not that anyone acted on it: receipts are the business of the two ends.
 */
export type MessageLink = {
  /**
   * Rejects with the reason of the broken connection when there is none or it breaks before the acknowledgement; nothing is queued: who needs
   * the message delivered repeats it (outbox.ts).
   */
  publish(topic: string, payload: Uint8Array, options?: PublishOptions): Promise<void>;
  /**
   * Remembers the filter for this and every later connection, and answers when the broker has granted it: a round trip to
   * the broker. Asking for a granted filter again makes that round trip again. Rejects with `DEADLINE` when no grant
   * came in time (the filter stays remembered), with `BROKER_REFUSED` when the broker denies it.
   */
  subscribe(filter: string, options?: SubscribeOptions): Promise<void>;
  /** What arrives on all filters, in order, for one reader. Bounded: a slow reader holds the broker back. Ends with `close`. */
  readonly messages: AsyncIterable<LinkMessage>;
  /** Calls `listener` with the present state now and with every change later, until the answer is called. */
  watch(listener: (state: LinkState) => void): () => void;
  /** Leaves the broker. Idempotent; every waiting call rejects with `CLOSED`. */
  close(): Promise<void>;
};
