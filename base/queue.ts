// A bounded queue between a producer that cannot wait and a consumer that iterates.
import { AgentError } from './errors.ts';

/**
 * `push` throws `QUEUE_FULL` at the bound and is ignored after `end`; what is left is still handed out, then the iteration
 * ends or throws as `end` says. Of several consumers each item goes to one.
 */
export type Queue<T> = AsyncIterable<T> & {
  push(item: T): void;
  end(error?: Error): void;
  readonly size: number;
};

export function createQueue<T>(limit: number): Queue<T> {
  const items: T[] = [];
  let ended = false;
  let failure: Error | undefined;
  let waiting: (() => void)[] = [];
  const signal = (): void => {
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  };
  return {
    get size() {
      return items.length;
    },
    push(item) {
      if (ended) return;
      if (items.length >= limit) throw new AgentError('QUEUE_FULL', { limit });
      items.push(item);
      signal();
    },
    end(error) {
      if (ended) return;
      ended = true;
      failure = error;
      signal();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        while (items.length > 0) yield items.shift() as T;
        if (ended) {
          if (failure !== undefined) throw failure;
          return;
        }
        await new Promise<void>((resolve) => void waiting.push(resolve));
      }
    },
  };
}
