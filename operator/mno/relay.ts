// What an MNO sends to its devices: published once it is stored, and again until it is answered.
import type { Clock } from '../../base/clock.ts';
import { errorOf } from '../../base/errors.ts';
import { createLock } from '../../base/lock.ts';
import type { Log } from '../../base/log.ts';
import type { MessageLink } from '../../transport/message-link.ts';
import type { MnoStore } from './mno-store.ts';

export type RelayOptions = {
  /** The MNO's name, for the log. */
  readonly mno: string;
  readonly store: Pick<MnoStore, 'outgoing' | 'markSent'>;
  readonly link: Pick<MessageLink, 'publish'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly repeatAfterMs: number;
};

export type Relay = {
  /** Publishes what the last commits left behind; a failure leaves it for the next turn. */
  flush(): Promise<void>;
  /** Publishes all that is unanswered, now and again and again until `stop`. */
  start(): Promise<void>;
  stop(): void;
};

export function createRelay({ mno, store, link, clock, log, repeatAfterMs }: RelayOptions): Relay {
  const lock = createLock();
  const publish = (includeSent: boolean): Promise<void> =>
    lock.run(async () => {
      for (const message of await store.outgoing({ includeSent })) {
        try {
          await link.publish(message.topic, message.payload);
        } catch (error) {
          log.write('warn', 'mno.relay', 'publish failed', { mno, error: errorOf(error).message });
          return;
        }
        await store.markSent(message.id);
      }
    });
  let cancelRepeat = (): void => {};
  const repeatLater = (): void => {
    cancelRepeat = clock.schedule(repeatAfterMs, () => {
      void publish(true)
        .catch((error: unknown) =>
          log.write('error', 'mno.relay', 'repeat failed', { error: errorOf(error).message }),
        )
        .then(repeatLater);
    });
  };
  return {
    flush: () => publish(false),
    async start() {
      await publish(true);
      repeatLater();
    },
    stop: () => cancelRepeat(),
  };
}
