// A trace of a modem's line beside whatever a program does on it: the file, what is left out of it, and its end.
import type { Clock } from '../base/clock.ts';
import type { AgentError } from '../base/errors.ts';
import type { ByteLink } from './byte-link.ts';
import { openTraceFile } from './trace-file.ts';
import { createTraceRecorder } from './trace-recorder.ts';
import { createTraceRedactor } from './trace-redaction.ts';

export type LineTraceOptions = {
  readonly file: string;
  readonly without: 'nothing' | 'secrets' | 'identities';
  readonly maxBytes: number;
  readonly keep: number;
};

export type LineTrace = {
  /** The link to use in place of `link`, which is at the driver's end of the line unless said otherwise. */
  around(link: ByteLink, end?: 'driver' | 'modem'): ByteLink;
  close(): void;
};

/** Throws `FILE_FAILED` where the file cannot be opened; what fails later is told once and stops nothing. */
export function openLineTrace(
  options: LineTraceOptions,
  context: {
    readonly clock: Clock;
    readonly program: string;
    readonly port?: string;
    readonly onFailure: (error: AgentError) => void;
  },
): LineTrace {
  const { file, without, maxBytes, keep } = options;
  const { clock, program, port, onFailure } = context;
  const redacted =
    without === 'nothing' ? [] : without === 'secrets' ? ['secrets'] : ['secrets', 'identities'];
  const kept = openTraceFile({
    path: file,
    clock,
    header: {
      program,
      ...(port === undefined ? {} : { port }),
      ...(redacted.length === 0 ? {} : { redacted }),
    },
    maxBytes,
    keep,
    onFailure,
  });
  const recorder = createTraceRecorder({
    clock,
    write: (entry) => kept.write(entry),
    ...(without === 'nothing'
      ? {}
      : { redactor: createTraceRedactor({ identities: without === 'identities' }) }),
  });
  return {
    around: (link, end) => recorder.around(link, end),
    close() {
      recorder.flush();
      kept.close();
    },
  };
}
