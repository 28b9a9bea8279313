// A card behind `euicc-card serve --tcp`, as a slot: the simulated modem's card may live in another process (docs/virtual-card.md).
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { fromHex, toHex } from '../base/bytes.ts';
import { type Clock, withDeadline } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import { createLock } from '../base/lock.ts';
import type { CardSlot } from '../codec/card.ts';

/** `close` is idempotent; afterwards, and once the connection broke, every call throws `CARD_LOST`. */
export type RemoteCard = CardSlot & { close(): Promise<void> };

/** A card may write and compute for long. */
const EXCHANGE_MS = 120_000;
const CONNECT_MS = 10_000;
const MAX_LINE = 262_144;

type Answer = Readonly<Record<string, unknown>>;

/** Connects to the program that serves the card. Throws `CARD_LOST` where that fails, also when it serves another client. */
export async function openRemoteCard(options: {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly timeoutMs?: number;
}): Promise<RemoteCard> {
  const { host, port, clock, timeoutMs = EXCHANGE_MS } = options;
  const socket = connect({ host, port, noDelay: true, keepAlive: true });
  let broken: string | undefined;
  const breakWith = (why: string): AgentError => {
    broken ??= why;
    socket.destroy();
    return new AgentError('CARD_LOST', { host, port, why: broken });
  };
  socket.on('error', (error) => void breakWith(error.message));
  socket.once('close', () => void breakWith('the connection is closed'));
  const lines = linesOf(socket);
  const lock = createLock();

  const ask = (request: Answer): Promise<Answer> =>
    lock.run(async () => {
      if (broken !== undefined) throw breakWith(broken);
      try {
        socket.write(`${JSON.stringify(request)}\n`);
        const line = await withDeadline(clock, timeoutMs, 'remote card', lines.next());
        if (line.done === true) throw breakWith('the connection is closed');
        return parseAnswer(line.value);
      } catch (thrown) {
        // An answer that comes late would be taken for the next one's.
        throw isAgentError(thrown, 'CARD_LOST') ? thrown : breakWith(errorOf(thrown).message);
      }
    });
  const hexOf = async (request: Answer, ...members: readonly string[]): Promise<Uint8Array> => {
    const answer = await ask(request);
    const error = answer['error'];
    if (error !== undefined) throw new AgentError('CARD_LOST', { why: JSON.stringify(error) });
    try {
      return fromHex(members.map((member) => String(answer[member])).join(''));
    } catch {
      throw breakWith('an answer that is not of the protocol');
    }
  };
  await withDeadline(clock, CONNECT_MS, 'remote card', once(socket, 'connect')).catch((thrown: unknown) => {
    throw breakWith(errorOf(thrown).message);
  });
  return {
    reset: () => hexOf({ reset: true }, 'atr'),
    transmit: (command) => hexOf({ apdu: toHex(command) }, 'data', 'sw'),
    async powerOff() {
      await ask({ powerOff: true });
    },
    async close() {
      breakWith('closed here');
    },
  };
}

function parseAnswer(line: string): Answer {
  const value: unknown = JSON.parse(line);
  if (typeof value !== 'object' || value === null)
    throw new AgentError('MESSAGE_INVALID', { why: 'no object' });
  return value as Answer;
}

async function* linesOf(socket: Socket): AsyncGenerator<string, undefined> {
  let held = '';
  socket.setEncoding('latin1');
  for await (const text of socket as AsyncIterable<string>) {
    held += text;
    for (let end = held.indexOf('\n'); end >= 0; end = held.indexOf('\n')) {
      yield held.slice(0, end);
      held = held.slice(end + 1);
    }
    if (held.length > MAX_LINE) throw new AgentError('MESSAGE_INVALID', { why: 'a line without an end' });
  }
  return undefined;
}
