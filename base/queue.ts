// A bounded queue between a producer that cannot wait and a consumer that iterates.
import { AgentError } from './errors.ts';

/** `push` throws `QUEUE_FULL` at the bound and is ignored after `end`; the iteration ends or throws as `end` says. */
export type Queue<T> = AsyncIterable<T> & {
  push(item: T): void;
  end(error?: Error): void;
  readonly size: number;
};

export function createQueue<T>(limit: number): Queue<T> {
  const items: T[] = [];
  let ended = false;
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  const signal = (): void => {
    wake?.();
    wake = undefined;
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
        await new Promise<void>((resolve) => (wake = resolve));
      }
    },
  };
}
