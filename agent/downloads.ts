// Fetches what a manifest names into the state folder: one transfer at a time, resumed from its file, told to the operator.
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import { errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { equalBytes } from '../base/bytes.ts';
import { cborItem } from '../codec/cbor-table.ts';
import type { Eid } from '../codec/ids.ts';
import { blockRequest, type DownOf, type UpOf, upMessages } from '../codec/wire.ts';
import {
  createBlockReceiver,
  type BlockReceiver,
  type TransferFigures,
} from '../transport/block-receiver.ts';
import { blockCount } from '../transport/manifest.ts';
import type { MessageLink } from '../transport/message-link.ts';
import { formatTopic, parseTopic } from '../transport/topics.ts';
import { openTransferFile } from '../transport/transfer-file.ts';
import type { Order } from './machine.ts';

export type Downloads = {
  /** The whole content, verified. What an earlier attempt brought is not fetched again. */
  download(
    order: Order,
    manifest: DownOf<'manifest'>,
    options: { readonly signal?: AbortSignal },
  ): Promise<Uint8Array>;
  takeBlock(topic: string, payload: Uint8Array): void;
  transferStop(stop: DownOf<'transferStop'>): void;
  /** Removes the files of transfers that are over. */
  clear(): Promise<void>;
  close(): void;
};

export type DownloadOptions = {
  /** Made when it is missing. */
  readonly folder: string;
  readonly eid: Eid;
  readonly link: MessageLink;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly windowBytes: number;
  readonly blockTimeoutMs: number;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
  readonly onDone: (figures: TransferFigures) => void;
};

const blockRequestItem = cborItem(blockRequest);

export function createDownloads(options: DownloadOptions): Downloads {
  const { folder, eid, link, clock, random, log } = options;
  let current:
    | { readonly mno: string; readonly id: Uint8Array; readonly receiver: BlockReceiver }
    | undefined;
  const unwatch = link.watch((state) => {
    if (state.up) current?.receiver.nudge();
  });

  /** Tells the operator; nothing waits for it, since what counts is the report after the installation. */
  const tell = (
    order: Order,
    body: Pick<UpOf<'transferReport'>, 'transferId' | 'state' | 'receivedBytes' | 'dropped' | 'reason'>,
  ): void => {
    const address = {
      is: 'transferReport',
      id: random.bytes(8),
      eid,
      transaction: order.transaction,
    } as const;
    const topic = formatTopic({ mno: order.mno, eid, channel: 'up' });
    link.publish(topic, upMessages.encode({ ...address, ...body })).catch((error: unknown) => {
      log.write('debug', 'agent.transfer', 'report not sent', { why: errorOf(error).message });
    });
  };

  const removeAllBut = async (keep: string): Promise<void> => {
    for (const name of await readdir(folder).catch(() => [])) {
      if (name !== keep) await rm(join(folder, name), { force: true });
    }
  };

  return {
    async download(order, manifest, { signal }) {
      const { transferId, totalBytes } = manifest;
      blockCount(manifest);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const name = `${toHex(transferId)}.part`;
      await removeAllBut(name);
      const file = await openTransferFile(join(folder, name), totalBytes);
      const get = formatTopic({ mno: order.mno, eid, channel: 'get' });
      let quarter = 0;
      let done = 0;
      const receiver = createBlockReceiver({
        manifest,
        file,
        clock,
        random,
        log,
        maxWindowBytes: options.windowBytes,
        firstTimeoutMs: options.blockTimeoutMs,
        request: (request) => link.publish(get, blockRequestItem.encode(request)),
        onProgress(doneBytes) {
          done = doneBytes;
          options.onProgress(doneBytes, totalBytes);
          const reached = Math.floor((4 * doneBytes) / totalBytes);
          if (reached <= quarter || reached === 4) return;
          quarter = reached;
          tell(order, { transferId, state: 'progress', receivedBytes: doneBytes });
        },
      });
      current = { mno: order.mno, id: transferId, receiver };
      tell(order, { transferId, state: 'started', receivedBytes: 0 });
      try {
        const { content, figures } = await receiver.run(signal === undefined ? {} : { signal });
        const dropped = figures.bad + figures.foreign;
        tell(order, { transferId, state: 'complete', receivedBytes: totalBytes, dropped });
        options.onDone(figures);
        return content;
      } catch (error) {
        if (isAgentError(error) && error.code !== 'ABORTED') {
          tell(order, { transferId, state: 'failed', receivedBytes: done, reason: error.code });
        }
        throw error;
      } finally {
        current = undefined;
        await file.close();
      }
    },
    takeBlock(topic, payload) {
      if (current === undefined) return;
      try {
        if (parseTopic(topic).mno === current.mno) current.receiver.take(payload);
      } catch (error) {
        if (!isAgentError(error)) throw error;
        log.write('debug', 'agent.transfer', 'block dropped', { topic: topic.slice(0, 120) });
      }
    },
    transferStop(stop) {
      if (current !== undefined && equalBytes(stop.transferId, current.id)) current.receiver.stop(stop);
    },
    clear: () => (current === undefined ? removeAllBut('') : Promise.resolve()),
    close: unwatch,
  };
}
