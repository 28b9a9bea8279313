// The fronts of a card: a virtual reader it connects to or waits for, lines of JSON on TCP or on standard input and output.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { type Clock, sleep } from '../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import type { CardSlot } from '../codec/card.ts';
import { createJsonSession, MAX_LINE, tooLong } from './json-session.ts';
import { linesOf } from './lines.ts';
import { serveVpcd } from './vpcd-session.ts';

export type Address = { readonly host: string; readonly port: number };

export type ServeContext = {
  readonly card: CardSlot;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends the front. */
  readonly signal: AbortSignal;
};

const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 10_000;
const CONNECT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;

/** Connects to a vpcd, again and again with growing pauses, until the signal fires. */
export async function serveVpcdClient({ host, port }: Address, context: ServeContext): Promise<void> {
  const { clock, log, signal } = context;
  const at = addressText({ host, port });
  let pauseMs = FIRST_RETRY_MS;
  let told = false;
  while (!signal.aborted) {
    const socket = await connected({ host, port }, context).catch((thrown: unknown) => {
      if (!told && !signal.aborted) {
        log.write('warn', 'card.vpcd', 'the virtual reader cannot be reached yet', {
          address: at,
          why: errorOf(thrown).message,
        });
      }
      told = true;
      return undefined;
    });
    if (socket !== undefined) {
      log.write('info', 'card.vpcd', 'connected to the virtual reader', { address: at });
      const startedMs = clock.now();
      await serveSocket(socket, context, (each) => serveVpcd({ ...context, socket: each }));
      log.write('info', 'card.vpcd', 'the virtual reader closed the connection', { address: at });
      told = false;
      // A reader that hangs up at once is no reason to hurry.
      if (clock.now() - startedMs > LONGEST_RETRY_MS) pauseMs = FIRST_RETRY_MS;
    }
    await sleep(clock, pauseMs, { signal }).catch(() => {});
    pauseMs = Math.min(2 * pauseMs, LONGEST_RETRY_MS);
  }
}

async function connected({ host, port }: Address, { clock, signal }: ServeContext): Promise<Socket> {
  const socket = connect({ host, port });
  const cancel = clock.schedule(CONNECT_MS, () =>
    socket.destroy(new AgentError('DEADLINE', { what: 'connect', timeoutMs: CONNECT_MS })),
  );
  try {
    await once(socket, 'connect', { signal });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    cancel();
  }
}

/** Waits for a vpcd that is configured with this address (its reversed mode). One reader at a time. */
export function serveVpcdListener(address: Address, context: ServeContext): Promise<void> {
  return serveConnections(address, context, {
    session: (socket) => serveVpcd({ ...context, socket }),
    refuse: (socket) => void socket.destroy(),
  });
}

/** Serves lines of JSON on TCP: several clients one after another. */
export function serveTcp(address: Address, context: ServeContext): Promise<void> {
  return serveConnections(address, context, {
    session: (socket) =>
      serveLines(
        socket,
        (line) => void socket.write(line),
        context.card,
        () => socket.writableLength,
        () => Promise.race([once(socket, 'drain'), once(socket, 'close')]),
      ),
    refuse(socket) {
      const { code, message } = new AgentError('STORE_LOCKED', {
        what: 'the card',
        holder: 'another client',
      });
      socket.end(`${JSON.stringify({ error: { code, message } })}\n`);
    },
  });
}

/** Serves lines of JSON until the input ends. */
export async function serveStdio(
  input: NodeJS.ReadableStream & AsyncIterable<string | Uint8Array>,
  output: NodeJS.WritableStream & { readonly writableLength: number },
  { card, signal }: ServeContext,
): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  const served = serveLines(
    input as AsyncIterable<Uint8Array>,
    (line) => void output.write(line),
    card,
    () => output.writableLength,
    () => once(output, 'drain'),
  );
  await Promise.race([served, stopped]);
}

/** Answers that a client does not fetch may pile up to so many octets before no more requests are read. */
const MAX_UNREAD = 1_048_576;

async function serveLines(
  input: AsyncIterable<Uint8Array>,
  write: (line: string) => void,
  card: CardSlot,
  unread: () => number,
  drained: () => Promise<unknown>,
): Promise<void> {
  const session = createJsonSession(card);
  for await (const line of linesOf(input, MAX_LINE)) {
    write(`${line.is === 'tooLong' ? tooLong() : await session.answer(line.text)}\n`);
    if (unread() > MAX_UNREAD) await drained();
  }
  await card.powerOff();
}

/** Listens until the signal fires; a client that comes while another is served is refused. Throws `ADDRESS_FAILED`. */
async function serveConnections(
  address: Address,
  context: ServeContext,
  {
    session,
    refuse,
  }: { readonly session: (socket: Socket) => Promise<void>; readonly refuse: (socket: Socket) => void },
): Promise<void> {
  const { log, signal } = context;
  let serving: Promise<void> | undefined;
  const server = createServer(
    { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
    (socket) => {
      const from = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
      socket.on('error', () => socket.destroy());
      if (serving !== undefined) {
        log.write('warn', 'card.serve', 'refused a client: another one is served', { from });
        refuse(socket);
        return;
      }
      log.write('info', 'card.serve', 'a client came', { from });
      serving = serveSocket(socket, context, session)
        .then(() => log.write('info', 'card.serve', 'the client went', { from }))
        .finally(() => void (serving = undefined));
    },
  );
  await listening(server, address);
  log.write('info', 'card.serve', 'listening', { address: boundText(server) });
  if (!signal.aborted) await once(signal, 'abort');
  server.close();
  await serving;
}

function listening(server: Server, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new AgentError(
          'ADDRESS_FAILED',
          { at: addressText({ host, port }), why: error.code },
          { cause: error },
        ),
      );
    });
    server.listen(port, host, () => resolve());
  });
}

/** Runs one session; the signal closes its socket. What only the connection suffers from ends the session and nothing else. */
async function serveSocket(
  socket: Socket,
  { card, log, signal }: ServeContext,
  session: (socket: Socket) => Promise<void>,
): Promise<void> {
  const stop = (): void => void socket.destroy();
  socket.on('error', stop);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    await session(socket);
  } catch (thrown) {
    if (signal.aborted) return;
    // A client may vanish; where the card's medium failed, it hears of it by the end of the connection.
    const vanished = socket.destroyed && !isAgentError(thrown);
    log.write(vanished ? 'warn' : 'error', 'card.serve', 'the session broke', {
      why: errorOf(thrown).message,
    });
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroySoon();
    await card.powerOff();
  }
}

function boundText(server: Server): string {
  const bound = server.address();
  return bound === null || typeof bound === 'string'
    ? String(bound)
    : addressText({ host: bound.address, port: bound.port });
}

function addressText({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
