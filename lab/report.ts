// The main job's report: one object for programs, a short table for people.
import type { Verdict } from '../crypto/verdict.ts';

/** One procedure as it went. Times in milliseconds, sizes in octets. */
export type ProcedureReport = {
  readonly kind: 'provisioning' | 'mno-change';
  readonly family: 'C';
  readonly keyMode: 'static' | 'dynamic';
  readonly secondLayer: 'scp03' | 'scp80';
  readonly mno: string;
  readonly iccid: string;
  readonly outcome: string;
  readonly profileBytes: number;
  readonly packageBytes: number;
  readonly blocks: number;
  readonly apdus: number;
  readonly serialBytesOut: number;
  readonly serialBytesIn: number;
  readonly transferMs: number;
  readonly installMs: number;
  readonly verdict: Verdict;
  readonly notifications: readonly NotificationReport[];
};

export type NotificationReport = {
  readonly to: string;
  readonly event: 'install' | 'enable' | 'disable' | 'delete';
  readonly verified: boolean;
};

/** New management keys: the versions of the ISD-R's keysets by the card's word, and how many scripts it took. */
export type KeyRotationReport = {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly scripts: number;
};

export type Report = {
  readonly ok: boolean;
  /** What speaks against `ok`, in sentences; empty when it is true. */
  readonly problems: readonly string[];
  readonly eid: string;
  readonly imei: string;
  readonly procedures: readonly ProcedureReport[];
  /** Where it was asked for. */
  readonly keyRotation?: KeyRotationReport;
  readonly card: {
    readonly enabledIccid: string;
    readonly profiles: readonly { readonly iccid: string; readonly state: 'enabled' | 'disabled' }[];
  };
  readonly secretsOnWire: number;
  /** How many unprotected profile packages the SM-DPs have built. */
  readonly profilesBuilt: number;
};

/** The report as a person reads it. */
export function reportText(report: Report): string {
  const lines = [`EID ${report.eid}   IMEI ${report.imei}`, ''];
  for (const procedure of report.procedures) lines.push(...procedureLines(procedure), '');
  if (report.keyRotation !== undefined) {
    const { after, before, scripts } = report.keyRotation;
    lines.push(
      `management keys of version ${versionsText(before)} replaced by version ${versionsText(after)}, ${scripts} scripts`,
      '',
    );
  }
  const { enabledIccid, profiles } = report.card;
  lines.push(`card          enabled ${enabledIccid === '' ? 'none' : enabledIccid}`);
  for (const { iccid, state } of profiles) lines.push(`              ${iccid}  ${state}`);
  lines.push(`secrets seen on the serial line or in MQTT: ${report.secretsOnWire}`);
  for (const problem of report.problems) lines.push(`problem: ${problem}`);
  lines.push(report.ok ? 'ok: card and operators agree' : 'not ok');
  return lines.join('\n');
}

function versionsText(versions: readonly number[]): string {
  return versions.map((version) => version.toString(16).toUpperCase().padStart(2, '0')).join(' and ');
}

function procedureLines(procedure: ProcedureReport): string[] {
  const { verdict } = procedure;
  const failed = verdict.checks.filter(({ ok }) => !ok);
  const lines = [
    `${procedure.kind} with ${procedure.mno}: ${procedure.outcome}   (family ${procedure.family}, ${procedure.keyMode} key, second layer ${procedure.secondLayer})`,
    row('verdict', verdict.accepted ? `accepted, ${verdict.checks.length} checks` : 'refused'),
    ...failed.map(({ name, detail }) =>
      row('', `failed: ${name}${detail === undefined ? '' : ` (${detail})`}`),
    ),
  ];
  if (procedure.packageBytes === 0) return lines;
  const { transferMs, installMs, serialBytesOut, serialBytesIn } = procedure;
  return [
    ...lines,
    row(
      'profile',
      `${procedure.iccid}, ${procedure.profileBytes} octets, ${procedure.packageBytes} under two layers`,
    ),
    row('transfer', `${procedure.blocks} blocks in ${seconds(transferMs)}`),
    row(
      'installation',
      `${procedure.apdus} APDUs in ${seconds(installMs)}, serial ${serialBytesOut} out, ${serialBytesIn} in`,
    ),
    ...procedure.notifications.map(({ to, event, verified }) =>
      row('notification', `${event} to ${to}, signature ${verified ? 'verified' : 'NOT verified'}`),
    ),
  ];
}

function row(name: string, value: string): string {
  return `  ${name.padEnd(14)}${value}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
