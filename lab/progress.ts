// Progress for a person: a bar that redraws itself on a terminal, plain lines elsewhere.

export type Progress = {
  /** A line that stays. */
  step(text: string): void;
  /** A bar under way; `done` of `total`. At the end it stays as a line. */
  bar(label: string, done: number, total: number): void;
  /** Ends an unfinished bar. */
  end(): void;
};

const WIDTH = 32;

/** Writes to `out`; redraws only when it is a terminal. */
export function createProgress(out: { readonly isTTY?: boolean; write(text: string): unknown }): Progress {
  const live = out.isTTY === true;
  let open = '';
  let lastQuarter = -1;
  const end = (): void => {
    if (open !== '' && live) out.write('\n');
    open = '';
    lastQuarter = -1;
  };
  return {
    step(text) {
      end();
      out.write(`${text}\n`);
    },
    bar(label, done, total) {
      const share = total <= 0 ? 1 : Math.min(1, done / total);
      if (open !== '' && open !== label) end();
      open = label;
      const filled = Math.round(share * WIDTH);
      const text = `  ${label.padEnd(14)}[${'#'.repeat(filled)}${'.'.repeat(WIDTH - filled)}] ${String(Math.floor(share * 100)).padStart(3)} %`;
      if (live) out.write(`\r${text}`);
      else {
        const quarter = Math.floor(share * 4);
        if (quarter > lastQuarter) out.write(`${text}\n`);
        lastQuarter = quarter;
      }
      if (share >= 1) end();
    },
    end,
  };
}
