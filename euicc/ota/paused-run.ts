// A script that may pause for an answer of the terminal: it runs within one command until it pauses or ends, and goes on within the
// command that brings the answer (ETSI TS 102 226, 5.2.1.2).
import type { Action } from '../os/cat.ts';

export type Progress =
  | { readonly is: 'done'; readonly data: Uint8Array }
  /** It goes on with `resume`, once, with whether the action was carried out. */
  | {
      readonly is: 'paused';
      readonly action: Action;
      readonly resume: (done: boolean) => Promise<Progress>;
    };

/** What a script may ask for while it runs: settles when the terminal has answered. */
export type Pause = (action: Action) => Promise<boolean>;

/** Runs until the first pause or the end. Rejects where the script throws. */
export function runPausing(script: (pause: Pause) => Promise<Uint8Array>): Promise<Progress> {
  let tell: (progress: Progress) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const next = (): Promise<Progress> =>
    new Promise((resolve, reject) => {
      tell = resolve;
      fail = reject;
    });
  const pause: Pause = (action) =>
    new Promise((answered) => {
      const resume = (done: boolean): Promise<Progress> => {
        const progress = next();
        answered(done);
        return progress;
      };
      tell({ is: 'paused', action, resume });
    });
  const first = next();
  script(pause).then(
    (data) => tell({ is: 'done', data }),
    (error: unknown) => fail(error),
  );
  return first;
}
