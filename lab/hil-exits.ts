// How `npm run hil` ends. docs/exit-codes.md is written from it.
import type { ErrorCode } from '../base/errors.ts';

export const HIL_EXIT = {
  ok: 0,
  internal: 1,
  usage: 2,
  failed: 3,
  unrestored: 4,
  missing: 20,
  busy: 21,
  silent: 22,
  stopped: 130,
} as const;

export const HIL_EXITS = [
  [HIL_EXIT.ok, 'every step passed, or was skipped for a reason that is told'],
  [HIL_EXIT.internal, 'a fault of the program, or its report cannot be written'],
  [HIL_EXIT.usage, 'the command line is wrong'],
  [HIL_EXIT.failed, 'a step failed'],
  [HIL_EXIT.unrestored, 'something that was changed could not be put back: the report says what'],
  [HIL_EXIT.missing, 'the port does not exist'],
  [HIL_EXIT.busy, 'another program holds the port or the card'],
  [HIL_EXIT.silent, 'nothing on the port answers to AT'],
  [HIL_EXIT.stopped, 'stopped by SIGINT or SIGTERM; what was changed is put back'],
] as const;

/** The exit code of a modem that could not be opened. */
export function unreachableExit(code: ErrorCode): number {
  if (code === 'PORT_MISSING') return HIL_EXIT.missing;
  if (code === 'PORT_BUSY' || code === 'CARD_LOCKED') return HIL_EXIT.busy;
  return code === 'INTERNAL' ? HIL_EXIT.internal : HIL_EXIT.silent;
}
