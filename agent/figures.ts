// What a procedure costs: card commands, octets on the serial line, blocks and times, told in one log line when it ends.
import { toHex } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { ByteLink } from '../modem/byte-link.ts';
import type { TransferFigures } from '../transport/block-receiver.ts';
import type { Order, State } from './machine.ts';

export type Figures = {
  /** A line to the modem that counts its octets. */
  countLink(link: ByteLink): ByteLink;
  countApdu(): void;
  transferred(figures: TransferFigures): void;
  /** Every state that the agent enters. A procedure runs from the first that has an order to the next that has none. */
  entered(state: State): void;
};

type Running = {
  readonly order: Order;
  readonly startedAt: number;
  readonly before: { readonly apdus: number; readonly octetsOut: number; readonly octetsIn: number };
  transfer?: TransferFigures;
  install?: { readonly apdus: number; readonly elapsedMs: number };
};

export function createFigures(clock: Clock, log: Log): Figures {
  const total = { apdus: 0, octetsOut: 0, octetsIn: 0 };
  let running: Running | undefined;

  const tell = ({ order, startedAt, before, transfer, install }: Running): void => {
    log.write('info', 'agent.figures', 'procedure', {
      kind: order.kind,
      mno: order.mno,
      transaction: toHex(order.transaction),
      elapsedMs: Math.round(clock.now() - startedAt),
      apdus: total.apdus - before.apdus,
      serialBytesOut: total.octetsOut - before.octetsOut,
      serialBytesIn: total.octetsIn - before.octetsIn,
      ...(transfer === undefined
        ? {}
        : {
            blocks: transfer.blocks,
            blockRequests: transfer.requests,
            blocksDropped: transfer.bad + transfer.foreign + transfer.duplicates,
            transferMs: transfer.elapsedMs,
          }),
      ...(install === undefined ? {} : { installApdus: install.apdus, installMs: install.elapsedMs }),
    });
  };

  return {
    countLink: (link) => ({
      ...link,
      write(bytes) {
        total.octetsOut += bytes.length;
        return link.write(bytes);
      },
      read: counted(link.read, (octets) => {
        total.octetsIn += octets;
      }),
    }),
    countApdu() {
      total.apdus += 1;
    },
    transferred(figures) {
      if (running !== undefined) running.transfer = figures;
    },
    entered(state) {
      if (state.at === 'idle') {
        if (running !== undefined) tell(running);
        running = undefined;
        return;
      }
      // An interrupted procedure goes on under a new transaction: it is the same one here.
      running ??= { order: state.order, startedAt: clock.now(), before: { ...total } };
      if (state.at !== 'awaiting' || state.message.is !== 'scriptReport') return;
      const { profileInstallationResult, apdus, elapsedMs } = state.message;
      if (profileInstallationResult === undefined || apdus === undefined || elapsedMs === undefined) return;
      running.install = { apdus, elapsedMs };
    },
  };
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  onOctets: (octets: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    onOctets(chunk.length);
    yield chunk;
  }
}
