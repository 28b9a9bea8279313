// The card's pending notifications on their way to the MNOs: each to the one whose address it bears, off the card only after that MNO's receipt.
import { type Clock, sleep } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import type { Lock } from '../base/lock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { equalBytes, toHex } from '../base/bytes.ts';
import type { Eid, Iccid } from '../codec/ids.ts';
import type { UpMessage } from '../codec/wire.ts';
import { removeNotification, retrieveNotifications, withIsdR } from './card-operations.ts';
import type { Device } from './device.ts';
import { metadataIn } from './pending-notifications.ts';

export type NotificationPump = {
  /** Something may be pending: look at the card soon. */
  wake(): void;
  /** An MNO's receipt of a message; answers whether it was one of this pump's. */
  receipted(mno: string, of: Uint8Array, refused: boolean): boolean;
  /** Runs until the signal fires. */
  run(options: { readonly signal: AbortSignal }): Promise<void>;
};

const RECEIPT_TIMEOUT_MS = 15_000;
const RETRY_MS = 5_000;

export function createNotificationPump(context: {
  readonly eid: Eid;
  readonly device: Device;
  readonly cardLock: Lock;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The operator that a notification address names, when this device knows it. */
  readonly operatorAt: (address: string) => string | undefined;
  readonly send: (mno: string, message: UpMessage) => Promise<void>;
  /** The profile whose installation is not resolved yet: its notifications stay on the card, which will be asked by them. */
  readonly unresolved: () => Iccid | undefined;
}): NotificationPump {
  const { eid, device, cardLock, clock, random, log } = context;
  /** What an MNO has refused, as it was read: on the next reading it may be another, since a line without check sums lay between. */
  const refused = new Map<number, Uint8Array>();
  let pending = true;
  let wakeUp = (): void => {};
  let waiting:
    | { readonly mno: string; readonly id: string; readonly settle: (refused: boolean) => void }
    | undefined;

  /** One at a time and in the card's order: the first that has an address we know. */
  const next = async (
    signal: AbortSignal,
  ): Promise<{ mno: string; seqNumber: number; raw: Uint8Array } | undefined> => {
    const list = await cardLock.run(async () =>
      withIsdR(await device.card({ signal }), { signal }, (channel) =>
        retrieveNotifications(channel, { signal }),
      ),
    );
    const known = list.flatMap((raw) => {
      const metadata = metadataIn(raw);
      if (metadata === undefined) {
        log.write('debug', 'agent.notifications', 'one that cannot be read stays', { octets: raw.length });
        return [];
      }
      const { seqNumber, notificationAddress, iccid } = metadata;
      const mno = context.operatorAt(notificationAddress);
      const held = iccid !== undefined && iccid === context.unresolved();
      const before = refused.get(seqNumber);
      const again = before !== undefined && equalBytes(before, raw);
      return held || again || mno === undefined ? [] : [{ mno, seqNumber, raw }];
    });
    return known.toSorted((a, b) => a.seqNumber - b.seqNumber)[0];
  };

  const deliver = async (mno: string, raw: Uint8Array): Promise<'done' | 'refused' | 'silent'> => {
    const id = random.bytes(8);
    const message = {
      is: 'notification',
      id,
      eid,
      transaction: new Uint8Array(16),
      pendingNotification: raw,
    } as const;
    const receipt = new Promise<'done' | 'refused' | 'silent'>((resolve) => {
      const cancel = clock.schedule(RECEIPT_TIMEOUT_MS, () => resolve('silent'));
      const settle = (wasRefused: boolean): void => {
        cancel();
        resolve(wasRefused ? 'refused' : 'done');
      };
      waiting = { mno, id: toHex(id), settle };
    });
    try {
      await context.send(mno, message);
      return await receipt;
    } finally {
      waiting = undefined;
    }
  };

  const drain = async (signal: AbortSignal): Promise<void> => {
    for (let found = await next(signal); found !== undefined && !signal.aborted; found = await next(signal)) {
      const { mno, seqNumber, raw } = found;
      const outcome = await deliver(mno, raw);
      log.write('info', 'agent.notifications', 'notification', { mno, seqNumber, outcome });
      if (outcome === 'silent') {
        pending = true;
        return;
      }
      if (outcome === 'refused') {
        refused.set(seqNumber, raw);
        continue;
      }
      await cardLock.run(async () =>
        withIsdR(await device.card({ signal }), { signal }, (channel) =>
          removeNotification(channel, seqNumber, { signal }),
        ),
      );
    }
  };

  return {
    wake() {
      pending = true;
      wakeUp();
    },
    receipted(mno, of, wasRefused) {
      if (waiting === undefined || waiting.mno !== mno || waiting.id !== toHex(of)) return false;
      waiting.settle(wasRefused);
      return true;
    },
    async run({ signal }) {
      while (!signal.aborted) {
        if (!pending) {
          await new Promise<void>((resolve) => {
            wakeUp = () => {
              signal.removeEventListener('abort', wakeUp);
              resolve();
            };
            signal.addEventListener('abort', wakeUp, { once: true });
          });
          continue;
        }
        pending = false;
        try {
          await drain(signal);
        } catch (error) {
          if (!isAgentError(error)) throw error;
          if (error.code === 'ABORTED') return;
          pending = true;
          log.write('debug', 'agent.notifications', 'not delivered yet', { error: error.message });
        }
        if (pending) await sleep(clock, RETRY_MS, { signal }).catch(() => undefined);
      }
    },
  };
}
