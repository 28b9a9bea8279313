// The configuration as the modem's driver takes it.
import { readFileSync } from 'node:fs';
import { AgentError, errorOf } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import type { AgentConfig } from '../config/agent.ts';
import type { DeadlineClass } from '../modem/at-session.ts';
import type { DataSettings } from '../modem/data-context.ts';
import type { ModemAddress } from './modem-port.ts';

export function modemAddressOf({ modem, deadlines }: Pick<AgentConfig, 'modem' | 'deadlines'>): ModemAddress {
  const deadlinesMs: Record<DeadlineClass, number> = {
    probe: deadlines.probeSeconds * 1000,
    query: deadlines.querySeconds * 1000,
    channel: deadlines.channelSeconds * 1000,
    card: deadlines.cardSeconds * 1000,
    install: deadlines.installSeconds * 1000,
    radio: deadlines.radioSeconds * 1000,
    search: deadlines.searchSeconds * 1000,
  };
  const { raiseBaudRate, maxBaudRate, ...address } = modem;
  return { ...address, deadlinesMs, ...(raiseBaudRate === 'auto' ? { maxBaudRate } : {}) };
}

/** The data context that the agent is to bring up; undefined where it is to be left alone. Throws `CONFIG_INVALID`. */
export function dataSettingsOf({ data }: Pick<AgentConfig, 'data'>): DataSettings | undefined {
  const { apn, type, cid, auth, user = '', passwordFile } = data;
  if (apn === undefined) return undefined;
  if (auth === undefined) return { apn, type, cid };
  const password = passwordFile === undefined ? '' : readPassword(passwordFile);
  return { apn, type, cid, auth: { protocol: auth, user, password: new Secret(password) } };
}

/** One line. What would end the command, or be taken for its next parameter, is in no password of a network. */
function readPassword(path: string): string {
  const wrong = (why: string, cause?: Error): AgentError =>
    new AgentError('CONFIG_INVALID', { faults: `\n  data.passwordFile: ${why}` }, { cause });
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (thrown) {
    throw wrong(errorOf(thrown).message, errorOf(thrown));
  }
  if (!/^[\x20-\x21\x23-\x7e]{0,64}$/.test(text))
    throw wrong('expected one line of at most 64 printable characters without a quote');
  return text;
}
