// A copy of a trace without what must not be shown: `euicc-agent trace redact`.
import { writeFile } from 'node:fs/promises';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import {
  encodeTraceEntry,
  encodeTraceHeader,
  type ModemTrace,
  parseModemTrace,
} from '../codec/modem-trace.ts';
import { createTraceRedactor, type RedactionOptions } from '../modem/trace-redaction.ts';
import { readBounded } from './read-bounded.ts';

/** Every octet is looked at twice, with what lies before and behind it in memory. */
const MAX_TRACE = 67_108_864;

/** Throws `FILE_FAILED`, `FILE_EXISTS` and `TRACE_INVALID`, which name the file. */
export async function redactTraceFile(from: string, to: string, options: RedactionOptions): Promise<void> {
  const content = await readBounded(from, MAX_TRACE);
  if (content.length > MAX_TRACE) {
    throw new AgentError('FILE_FAILED', {
      file: from,
      why: `more than ${MAX_TRACE / 1_048_576} MiB`,
      do: 'cut it into parts, each with the first line of the trace before it',
    });
  }
  let trace: ModemTrace;
  try {
    trace = parseModemTrace(content);
  } catch (cause) {
    if (!isAgentError(cause)) throw cause;
    throw new AgentError(cause.code, { file: from, ...cause.data }, { cause });
  }
  try {
    await writeFile(to, redactedText(trace, options), { flag: 'wx', mode: 0o600 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new AgentError('FILE_EXISTS', { file: to }, { cause });
    }
    throw new AgentError('FILE_FAILED', { file: to, why: errorOf(cause).message }, { cause });
  }
}

/** Twice over: the first time finds identities that are named before they can be told for what they are. */
function redactedText({ sessions }: ModemTrace, options: RedactionOptions): string {
  const redactor = createTraceRedactor(options);
  for (const { entries } of sessions) redactor.redact(entries);
  const what = options.identities ? ['secrets', 'identities'] : ['secrets'];
  const lines = sessions.flatMap(({ header, entries }) => [
    encodeTraceHeader({ ...header, redacted: [...new Set([...(header.redacted ?? []), ...what])] }),
    ...redactor.redact(entries).map(encodeTraceEntry),
  ]);
  return lines.map((line) => `${line}\n`).join('');
}
