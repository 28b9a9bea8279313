// Looks again after a restart: some modems and cards go back to another profile then, and the operator must know.
import { toHex } from '../base/bytes.ts';
import { type Clock, sleep } from '../base/clock.ts';
import { errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Eid, Iccid } from '../codec/ids.ts';
import type { UpMessage } from '../codec/wire.ts';
import type { Device } from './device.ts';
import type { LastSwitch } from './last-switch.ts';
import { untilWoken } from './until.ts';

export type SwitchGuard = {
  /** The operator's receipt of a message; answers whether it was one of this guard's. */
  receipted(mno: string, of: Uint8Array): boolean;
  /** Runs until the signal fires. */
  run(options: { readonly signal: AbortSignal }): Promise<void>;
};

export type SwitchGuardOptions = {
  readonly eid: Eid;
  readonly device: Device;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly send: (mno: string, message: UpMessage) => Promise<void>;
  /** The last switch; undefined before the first, and while another one is under way. */
  readonly last: () => LastSwitch | undefined;
  /** Puts what was found into the journal, unless another switch has begun meanwhile. */
  readonly keep: (found: LastSwitch) => Promise<void>;
};

/** How long after a start the card may take to be there. */
const SETTLE_MS = 10_000;
const READ_EVERY_MS = 5_000;
const READS = 24;
const REPEAT_MS = 60_000;
const IDLE_MS = 86_400_000;

export function createSwitchGuard(options: SwitchGuardOptions): SwitchGuard {
  const { eid, device, clock, random, log } = options;
  let due = false;
  let wake = (): void => {};
  let awaited: { readonly mno: string; readonly id: string } | undefined;

  const readIccid = async (signal: AbortSignal): Promise<Iccid | undefined> => {
    for (let attempt = 0; attempt < READS && options.last() !== undefined; attempt++) {
      await sleep(clock, attempt === 0 ? SETTLE_MS : READ_EVERY_MS, { signal });
      try {
        const iccid = await device.readIccid({ signal });
        if (iccid !== undefined) return iccid;
      } catch (error) {
        if (!isAgentError(error) || error.code === 'ABORTED') throw error;
      }
    }
    return undefined;
  };
  const look = async (signal: AbortSignal): Promise<void> => {
    const found = await readIccid(signal);
    const last = options.last();
    if (found === undefined || last?.iccid === undefined) return;
    const { reverted, told, ...rest } = last;
    const checked: LastSwitch = { ...rest, checkedAt: Math.max(0, Math.round(clock.wall())) };
    if (found === last.iccid) {
      await options.keep(checked);
      return;
    }
    log.write('warn', 'agent.switch', 'another profile is enabled after a restart', {
      expected: last.iccid,
      found,
    });
    await options.keep({ ...checked, reverted: found, told: reverted === found && told === true });
  };
  /** Until its receipt is here. */
  const tell = async ({ mno, transaction, iccid, reverted, checkedAt }: LastSwitch): Promise<void> => {
    const detail = `${reverted} instead of ${iccid} after a restart`;
    // The same word of the same look has the same id, whichever life of this program says it.
    const id = random.bytes(8);
    awaited = { mno, id: toHex(id) };
    log.write('debug', 'agent.switch', 'the operator is told', { mno, detail, checkedAt });
    await options.send(mno, { is: 'failure', id, eid, transaction, code: 'PROFILE_REVERTED', detail });
  };
  return {
    receipted(mno, of) {
      if (awaited === undefined || awaited.mno !== mno || awaited.id !== toHex(of)) return false;
      awaited = undefined;
      const last = options.last();
      if (last === undefined) return true;
      options.keep({ ...last, told: true }).then(
        () => wake(),
        (error: unknown) => {
          // The operator is told once more, which harms nobody.
          log.write('warn', 'agent.switch', 'the receipt is not written down', {
            why: errorOf(error).message,
          });
        },
      );
      return true;
    },
    async run({ signal }) {
      due = options.last() !== undefined;
      const unwatch = device.modem.onRestart(() => {
        // While a switch is under way its verdict is the look.
        due ||= options.last() !== undefined;
        wake();
      });
      try {
        while (!signal.aborted) {
          const last = options.last();
          if (due && last?.iccid !== undefined) {
            due = false;
            await look(signal);
            continue;
          }
          const owed = last?.reverted !== undefined && last.told !== true ? last : undefined;
          if (owed !== undefined) await tell(owed);
          const ms = owed === undefined ? IDLE_MS : REPEAT_MS;
          await untilWoken(clock, ms, signal, (done) => (wake = done));
        }
      } catch (error) {
        if (!isAgentError(error, 'ABORTED')) throw error;
      } finally {
        unwatch();
      }
    },
  };
}
