// Network registration (3GPP TS 27.007, 7.2, 10.1.20, 10.1.22): reading all forms of +CREG, +CGREG and +CEREG.
import { isAgentError } from '../base/errors.ts';
import { registration, reportRegistration, type RegistrationCommand } from './at-commands.ts';
import type { AtSession, RunOptions } from './at-session.ts';

/** What `<stat>` says, by number. */
const STATUS = [
  'not-searching',
  'home',
  'searching',
  'denied',
  'unknown',
  'roaming',
  'sms-home',
  'sms-roaming',
  'emergency',
  'csfb-home',
  'csfb-roaming',
] as const;

export type RegistrationStatus = (typeof STATUS)[number];

/** The `<stat>` that a status stands for. */
export function registrationNumber(status: RegistrationStatus): number {
  return STATUS.indexOf(status);
}

/** One domain's registration. Area and cell are upper-case hex as the modem wrote them. */
export type DomainRegistration = {
  readonly status: RegistrationStatus;
  readonly areaCode?: string;
  readonly cellId?: string;
  readonly accessTechnology?: number;
  /** EMM or GMM cause (3GPP TS 24.301 or 24.008) of a refusal. */
  readonly rejectCause?: number;
};

export type Registration = DomainRegistration & {
  /** Whether the network carries data for this subscription. */
  readonly registered: boolean;
  readonly roaming: boolean;
  /** Whose answer this is: EPS where registered there, else packet or circuit switched. */
  readonly domain: RegistrationCommand;
};

/** Domains in the order in which they are believed. */
const DOMAINS: readonly RegistrationCommand[] = ['CEREG', 'CGREG', 'CREG'];
const REPORT_LEVELS = [3, 2, 1];
const REPORT = /^\+(C|CG|CE)REG\s*:\s*(\d{1,2}\s*(?:,.*)?)$/;

/** Reads `<stat>[,<area>,<cell>[,<AcT>[,<rac>][,<cause_type>,<reject_cause>]]]`. Unknown status numbers are `unknown`. */
export function parseDomainRegistration(
  command: RegistrationCommand,
  parameters: string,
): DomainRegistration {
  const parts = parameters.split(',').map((part) => part.trim().replace(/^"|"$/g, ''));
  const [stat, areaCode, cellId, technology] = parts;
  const [causeType, cause] = parts.slice(command === 'CGREG' ? 5 : 4);
  return {
    status: STATUS[Number(stat)] ?? 'unknown',
    ...(isHex(areaCode) ? { areaCode: areaCode.toUpperCase() } : {}),
    ...(isHex(cellId) ? { cellId: cellId.toUpperCase() } : {}),
    ...(isNumber(technology) ? { accessTechnology: Number(technology) } : {}),
    ...(causeType === '0' && isNumber(cause) ? { rejectCause: Number(cause) } : {}),
  };
}

/** An unsolicited report line; undefined for every other line. */
export function parseRegistrationReport(
  line: string,
): readonly [RegistrationCommand, DomainRegistration] | undefined {
  const match = REPORT.exec(line);
  if (match === null) return undefined;
  const command = `${match[1] ?? 'C'}REG` as RegistrationCommand;
  return [command, parseDomainRegistration(command, match[2] ?? '')];
}

/** The whole picture: a packet domain that is registered, else what the most modern domain says. */
export function combineRegistration(
  domains: ReadonlyMap<RegistrationCommand, DomainRegistration>,
): Registration {
  const known = DOMAINS.filter((domain) => domains.has(domain));
  const packet = known.filter((domain) => domain !== 'CREG');
  // Circuit switched service alone carries no data; it counts only where the modem knows nothing else.
  const candidates = packet.length > 0 ? packet : known;
  const domain =
    candidates.find((name) => hasService(domains.get(name))) ??
    candidates.find((name) => domains.get(name)?.status !== 'unknown') ??
    candidates[0] ??
    'CEREG';
  const found = domains.get(domain) ?? { status: 'unknown' };
  return {
    ...found,
    domain,
    registered: hasService(found),
    roaming: found.status === 'roaming' || found.status === 'csfb-roaming',
  };
}

function hasService(found: DomainRegistration | undefined): boolean {
  return found !== undefined && /^(?:home|roaming|csfb-)/.test(found.status);
}

/** Keeps the whole picture from answers and reports, and tells its changes. */
export type RegistrationWatch = {
  /** Takes an unsolicited line; others than registration reports are left alone. */
  see(line: string): void;
  set(domains: Map<RegistrationCommand, DomainRegistration>): Registration;
  subscribe(listener: (registration: Registration) => void): () => void;
};

export function createRegistrationWatch(): RegistrationWatch {
  const listeners = new Set<(registration: Registration) => void>();
  let domains = new Map<RegistrationCommand, DomainRegistration>();
  let lastTold = '';
  const tell = (): Registration => {
    const combined = combineRegistration(domains);
    const text = JSON.stringify(combined);
    if (text !== lastTold) for (const listener of listeners) listener(combined);
    lastTold = text;
    return combined;
  };
  return {
    see(line) {
      const report = parseRegistrationReport(line);
      if (report === undefined) return;
      domains.set(...report);
      tell();
    },
    set(read) {
      domains = read;
      return tell();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

/** Asks every domain that the modem has. Throws when none answers. */
export async function readRegistration(
  session: AtSession,
  options: RunOptions = {},
): Promise<Map<RegistrationCommand, DomainRegistration>> {
  const domains = new Map<RegistrationCommand, DomainRegistration>();
  let failure: unknown;
  for (const domain of DOMAINS) {
    try {
      const parameters = await session.run(registration, [domain], options);
      domains.set(domain, parseDomainRegistration(domain, parameters));
    } catch (error) {
      if (!isAgentError(error, 'AT_ERROR')) throw error;
      failure = error;
    }
  }
  if (domains.size === 0) throw failure;
  return domains;
}

/** Switches the unsolicited reports on, with as much detail as the modem has. Returns whether any domain has them. */
export async function enableRegistrationReports(session: AtSession): Promise<boolean> {
  let any = false;
  for (const domain of DOMAINS) {
    for (const level of REPORT_LEVELS) {
      try {
        await session.run(reportRegistration, [domain, level]);
        any = true;
        break;
      } catch (error) {
        if (!isAgentError(error, 'AT_ERROR')) throw error;
      }
    }
  }
  return any;
}

function isHex(text: string | undefined): text is string {
  return text !== undefined && /^[0-9A-Fa-f]{1,8}$/.test(text);
}

function isNumber(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,3}$/.test(text);
}

/** `<AcT>` (3GPP TS 27.007, 7.3). */
const ACCESS_TECHNOLOGIES: Readonly<Record<number, string>> = {
  0: 'GSM',
  2: 'UTRAN',
  3: 'GSM with EGPRS',
  4: 'UTRAN with HSDPA',
  5: 'UTRAN with HSUPA',
  6: 'UTRAN with HSPA',
  7: 'E-UTRAN',
  8: 'EC-GSM-IoT',
  9: 'NB-IoT',
  11: 'NR',
  12: 'NG-RAN',
  13: 'E-UTRA-NR',
};

/** Empty where it is not known. */
export function accessTechnologyText(act: number | undefined): string {
  return act === undefined ? '' : (ACCESS_TECHNOLOGIES[act] ?? `technology ${act}`);
}
