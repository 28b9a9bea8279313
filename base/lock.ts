// One mutual exclusion for the whole project: holders in order of arrival, never two at once.

/** Runs functions one after another; one that fails does not stop the next. */
export type Lock = { run<T>(work: () => Promise<T>): Promise<T> };

export function createLock(): Lock {
  let tail: Promise<unknown> = Promise.resolve();
  return {
    run(work) {
      const mine = tail.then(work);
      tail = mine.catch(() => {});
      return mine;
    },
  };
}
