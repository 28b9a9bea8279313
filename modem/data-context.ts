// The data context (3GPP TS 27.007, 10.1.1, 10.1.9, 10.1.10, 10.1.23, 10.1.31): defined, authenticated, attached, activated, its address.
import type { Log, Secret } from '../base/log.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { type AtCommand, type AtSession, type RunOptions } from './at-session.ts';

export type DataType = 'IP' | 'IPV6' | 'IPV4V6';

/** What the owner of the device wants of the data context. */
export type DataSettings = {
  /** `<cid>`; 1 is the one that a modem attaches with. */
  readonly cid: number;
  readonly apn: string;
  readonly type: DataType;
  /** Left out: what the modem has is left alone. */
  readonly auth?: {
    readonly protocol: 'none' | 'pap' | 'chap';
    readonly user: string;
    readonly password: Secret<string>;
  };
};

export type DataContext = {
  readonly cid: number;
  readonly type: string;
  readonly apn: string;
  /** Undefined where the modem does not tell. */
  readonly active?: boolean;
  /** The first address that is none of zeros. */
  readonly address?: string;
};

export type DataState = { readonly attached?: boolean; readonly contexts: readonly DataContext[] };

/** A parameter with or without quotes. */
const fieldsOf = (text: string): string[] =>
  (text.match(/"[^"]*"|[^,]+|(?<=,)(?=,|$)|^(?=,)/g) ?? []).map((part) => part.trim().replaceAll('"', ''));

const definitions: AtCommand<[], readonly DataContext[]> = {
  send: () => 'AT+CGDCONT?',
  answer: /^\+CGDCONT\s*:\s*(\d{1,3})\s*,(.*)$/,
  deadline: 'query',
  read: (lines) =>
    lines.map((line) => {
      const [type = '', apn = '', address = ''] = fieldsOf(line[2] ?? '');
      return { cid: Number(line[1]), type: type.toUpperCase(), apn, ...addressOf(address) };
    }),
};
const define: AtCommand<[number, string, string], true> = {
  send: (cid, type, apn) => `AT+CGDCONT=${cid},"${type}","${apn}"`,
  deadline: 'query',
  read: () => true,
};
const authenticate: AtCommand<[string], true> = { send: (line) => line, deadline: 'query', read: () => true };
const attachment: AtCommand<[], boolean> = {
  send: () => 'AT+CGATT?',
  answer: /^\+CGATT\s*:\s*([01])\s*$/,
  deadline: 'query',
  read: ([line]) => line && line[1] === '1',
};
const attach: AtCommand<[0 | 1], true> = {
  send: (state) => `AT+CGATT=${state}`,
  deadline: 'search',
  read: () => true,
};
const activeContexts: AtCommand<[], ReadonlyMap<number, boolean>> = {
  send: () => 'AT+CGACT?',
  answer: /^\+CGACT\s*:\s*(\d{1,3})\s*,\s*([01])\s*$/,
  deadline: 'query',
  read: (lines) => new Map(lines.map((line) => [Number(line[1]), line[2] === '1'])),
};
const activate: AtCommand<[0 | 1, number], true> = {
  send: (state, cid) => `AT+CGACT=${state},${cid}`,
  deadline: 'search',
  read: () => true,
};
const addresses: AtCommand<[number], string> = {
  send: (cid) => `AT+CGPADDR=${cid}`,
  answer: /^\+CGPADDR\s*:\s*\d{1,3}\s*(?:,(.*))?$/,
  deadline: 'query',
  read: ([line]) =>
    line &&
    (fieldsOf(line[1] ?? '')
      .map((text) => addressOf(text).address)
      .find((address) => address !== undefined) ??
      ''),
};

/** Four or sixteen octets in decimal with dots (27.007, 10.1.23), or an IPv6 address in its own form. */
function addressOf(text: string): { readonly address?: string } {
  const octets = text.split('.').map(Number);
  if (text.includes(':')) return /[1-9a-f]/i.test(text) ? { address: text.toLowerCase() } : {};
  if (octets.length !== 4 && octets.length !== 16) return {};
  if (!octets.every((octet) => Number.isInteger(octet) && octet >= 0 && octet <= 255)) return {};
  if (octets.every((octet) => octet === 0)) return {};
  if (octets.length === 4) return { address: octets.join('.') };
  const groups = Array.from({ length: 8 }, (_, i) =>
    ((octets[2 * i] ?? 0) * 256 + (octets[2 * i + 1] ?? 0)).toString(16),
  );
  return { address: groups.join(':') };
}

/** What a modem does not have of it is left out. Throws what a broken line throws. */
async function asked<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (!isAgentError(error, 'AT_ERROR', 'AT_ANSWER')) throw error;
    return undefined;
  }
}

/** Asks for all of it, and changes nothing. */
export async function readDataState(session: AtSession, options: RunOptions = {}): Promise<DataState> {
  const attached = await asked(session.run(attachment, [], options));
  const defined = (await asked(session.run(definitions, [], options))) ?? [];
  const active = await asked(session.run(activeContexts, [], options));
  const contexts: DataContext[] = [];
  for (const context of defined) {
    const isActive = active?.get(context.cid);
    const { address: told, ...rest } = context;
    const address =
      isActive === false ? undefined : (await asked(session.run(addresses, [context.cid], options))) || told;
    contexts.push({
      ...rest,
      ...(isActive === undefined ? {} : { active: isActive }),
      ...(address === undefined ? {} : { address }),
    });
  }
  return { ...(attached === undefined ? {} : { attached }), contexts };
}

const AUTH_NUMBER = { none: 0, pap: 1, chap: 2 } as const;
/** `<context_type>` of Quectel's +QICSGP. */
const QUECTEL_TYPE: Readonly<Record<DataType, number>> = { IP: 1, IPV6: 2, IPV4V6: 3 };

/** The standard's command first, then the vendors' own for modems without it. The password is in no log: only names of commands are. */
function authLines({ cid, apn, type, auth }: DataSettings): string[] {
  if (auth === undefined) return [];
  const [user, password, number] = [auth.user, auth.password.reveal(), AUTH_NUMBER[auth.protocol]];
  const named = auth.protocol === 'none' ? '' : `,"${user}","${password}"`;
  return [
    `AT+CGAUTH=${cid},${number}${named}`,
    `AT+QICSGP=${cid},${QUECTEL_TYPE[type]},"${apn}","${user}","${password}",${number}`,
    `AT$QCPDPP=${cid},${number}${auth.protocol === 'none' ? '' : `,"${password}","${user}"`}`,
  ];
}

/**
 * Brings the context of `settings` up and answers its address, where the modem tells one. What is as it should be is left
 * alone; a context of another APN is defined anew, and the modem attached again with it. Throws `AT_ERROR` where the network
 * or the modem refuses.
 */
export async function connectData(
  session: AtSession,
  settings: DataSettings,
  log: Log,
  options: RunOptions = {},
): Promise<string | undefined> {
  const { cid, apn, type } = settings;
  const before = await readDataState(session, options);
  const held = before.contexts.find((context) => context.cid === cid);
  const changed = held === undefined || held.apn.toLowerCase() !== apn.toLowerCase() || held.type !== type;
  if (changed) {
    await leave(session, cid, held?.active !== false, options);
    await session.run(define, [cid, type, apn], options);
  }
  if (changed || held.active === false) await setAuth(session, settings, log, options);
  if (changed || before.attached === false) await asked(session.run(attach, [1], options));
  const active = await asked(session.run(activeContexts, [], options));
  if (active?.get(cid) !== true) await session.run(activate, [1, cid], options);
  const address = await asked(session.run(addresses, [cid], options));
  log.write('info', 'modem.data', 'context is up', { cid, apn, changed, address: address ?? '' });
  return address === '' ? undefined : address;
}

/** A context that is up keeps its APN. The only one of an LTE modem goes down with the attachment alone. */
async function leave(
  session: AtSession,
  cid: number,
  maybeActive: boolean,
  options: RunOptions,
): Promise<void> {
  if (!maybeActive) return;
  await asked(session.run(activate, [0, cid], options));
  await asked(session.run(attach, [0], options));
}

async function setAuth(
  session: AtSession,
  settings: DataSettings,
  log: Log,
  options: RunOptions,
): Promise<void> {
  const lines = authLines(settings);
  if (lines.length === 0) return;
  for (const line of lines) if ((await asked(session.run(authenticate, [line], options))) === true) return;
  if (settings.auth?.protocol !== 'none')
    throw new AgentError('AT_ERROR', { command: 'AT+CGAUTH', why: 'the modem has no command for it' });
  log.write('debug', 'modem.data', 'no command switches the authentication off', {});
}
