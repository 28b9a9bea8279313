// `euicc-agent status`: what the state folder says, read beside a running agent without touching anything.
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '../base/bytes.ts';
import type { LadderRecord } from '../codec/wire.ts';
import { readLastRecord } from './journal.ts';
import type { LastSwitch } from './last-switch.ts';
import type { State } from './machine.ts';
import { decodeDurable, type Durable } from './state-codec.ts';
import { accessTechnologyText } from '../modem/registration.ts';
import { signalText } from '../modem/signal.ts';
import type { NetworkRecord } from './network-watch.ts';
import { journalPath, readDeviceRecord, readNetworkRecord, transfersPath } from './state-folder.ts';
import { isStateLocked } from './state-lock.ts';

export type Status = {
  readonly running: boolean;
  /** Of the last start; absent before the first. */
  readonly eid?: string;
  readonly imei?: string;
  readonly state: State['at'];
  readonly procedure?: {
    readonly mno: string;
    readonly kind: string;
    readonly transaction: string;
    /** The message that waits for the operator, or the command that is being carried out. */
    readonly step?: string;
    readonly delivered?: boolean;
    /** Whether a script may have reached the card already. */
    readonly begun?: boolean;
    /** ISO 8601: when the wait for connectivity ends. */
    readonly deadline?: string;
    /** What was done so far to make the modem take the profile; a step without `ms` is under way, or was cut short. */
    readonly ladder?: readonly LadderRecord[];
    /** The new profile did not connect: the way back has begun. */
    readonly goingBack?: boolean;
  };
  /** What became of the last change of profiles. */
  readonly lastSwitch?: {
    readonly mno: string;
    readonly outcome: LastSwitch['outcome'];
    readonly iccid?: string;
    readonly at: string;
    readonly ladder?: readonly LadderRecord[];
    /** When the profile was looked at after a later restart. */
    readonly checkedAt?: string;
    /** The profile that was enabled instead then, and whether the operator knows. */
    readonly reverted?: string;
    readonly told?: boolean;
  };
  /** The network when it last changed, as the modem told it. */
  readonly network?: NetworkRecord;
  /** Room taken by a transfer under way or waiting for its installation, in octets. */
  readonly transferBytes?: number;
};

export async function readStatus(folder: string): Promise<Status> {
  const last = await readLastRecord(journalPath(folder));
  const { state, lastSwitch }: Durable =
    last === undefined ? { state: { at: 'idle' }, handled: [] } : decodeDurable(last);
  const device = await readDeviceRecord(folder);
  const network = await readNetworkRecord(folder);
  const transferBytes = await transferSize(folder);
  return {
    running: await isStateLocked(folder),
    ...device,
    state: state.at,
    ...(state.at === 'idle' ? {} : { procedure: procedureOf(state) }),
    ...(lastSwitch === undefined ? {} : { lastSwitch: lastSwitchOf(lastSwitch) }),
    ...(network === undefined ? {} : { network }),
    ...(transferBytes === 0 ? {} : { transferBytes }),
  };
}

function procedureOf(state: Exclude<State, { at: 'idle' }>): NonNullable<Status['procedure']> {
  const { mno, kind, transaction } = state.order;
  const order = { mno, kind, transaction: toHex(transaction) };
  if (state.at === 'requesting') return order;
  if (state.at === 'awaiting') return { ...order, step: state.message.is, delivered: state.delivered };
  if (state.at === 'cancelling') return { ...order, step: 'cancelSession' };
  return {
    ...order,
    step: state.command.is === 'script' ? state.command.purpose : state.command.is,
    begun: state.begun,
    ...(state.deadline === undefined ? {} : { deadline: new Date(state.deadline).toISOString() }),
    ...(state.ladder === undefined ? {} : { ladder: state.ladder }),
    ...(state.goingBack === true ? { goingBack: true } : {}),
  };
}

function lastSwitchOf(last: LastSwitch): NonNullable<Status['lastSwitch']> {
  const { transaction: _, at, checkedAt, ...rest } = last;
  return {
    ...rest,
    at: new Date(at).toISOString(),
    ...(checkedAt === undefined ? {} : { checkedAt: new Date(checkedAt).toISOString() }),
  };
}

function ladderText(ladder: readonly LadderRecord[]): string {
  return ladder
    .map(({ step, missing, back, ms, failure }) => {
      const took = ms === undefined ? 'not ended' : `${(ms / 1000).toFixed(1)} s`;
      return `${back === true ? 'back: ' : ''}${step} (no ${missing}, ${failure ?? took})`;
    })
    .join(', ');
}

function switchLines(last: NonNullable<Status['lastSwitch']>): [string, string][] {
  const { mno, outcome, iccid = 'no profile seen', at, ladder, checkedAt, reverted, told } = last;
  const lines: [string, string][] = [['last switch', `${outcome}, ${iccid}, with ${mno}, ${at}`]];
  if (ladder !== undefined) lines.push(['ladder', ladderText(ladder)]);
  if (reverted !== undefined)
    lines.push(['reverted', `to ${reverted}; the operator ${told === true ? 'knows' : 'is being told'}`]);
  else if (checkedAt !== undefined) lines.push(['checked', `${checkedAt}, after a restart: still there`]);
  return lines;
}

async function transferSize(folder: string): Promise<number> {
  let octets = 0;
  for (const name of await readdir(transfersPath(folder)).catch(() => [])) {
    const found = await stat(join(transfersPath(folder), name)).catch(() => undefined);
    octets += found?.size ?? 0;
  }
  return octets;
}

function networkLines({
  at,
  registration,
  operator,
  accessTechnology: act,
  signal,
  contexts,
}: NetworkRecord): [string, string][] {
  const parts = [
    registration,
    ...(operator === undefined ? [] : [operator]),
    ...(act === undefined ? [] : [accessTechnologyText(act)]),
  ];
  const shown = contexts.filter(({ active, address }) => active !== false || address !== undefined);
  return [
    ['network', `${parts.join(', ')}, since ${at}`],
    ['signal', `${signalText(signal)} at that time`],
    ...shown.map(({ cid, apn, type, active, address }): [string, string] => {
      const state = address ?? (active === true ? 'up, address not told' : 'state not told');
      return ['data', `context ${cid}, ${type}, ${apn === '' ? 'APN of the network' : apn}: ${state}`];
    }),
  ];
}

export function statusText(status: Status): string {
  const { procedure } = status;
  const lines = [
    ['agent', status.running ? 'running' : 'not running'],
    ['EID', status.eid ?? 'not known yet'],
    ['IMEI', status.imei ?? 'not known yet'],
    ['state', status.state],
  ];
  if (procedure !== undefined) {
    lines.push(
      ['procedure', `${procedure.kind} with ${procedure.mno}`],
      ['transaction', procedure.transaction],
    );
    if (procedure.step !== undefined) {
      const heard = procedure.delivered === true ? ', the operator has it' : '';
      const begun = procedure.begun === true ? ', begun on the card' : '';
      lines.push(['step', `${procedure.step}${heard}${begun}`]);
    }
    if (procedure.ladder !== undefined) lines.push(['ladder', ladderText(procedure.ladder)]);
    if (procedure.goingBack === true) lines.push(['switch', 'going back to the profile that worked']);
    if (procedure.deadline !== undefined) lines.push(['deadline', procedure.deadline]);
  }
  if (status.lastSwitch !== undefined) lines.push(...switchLines(status.lastSwitch));
  if (status.network !== undefined) lines.push(...networkLines(status.network));
  if (status.transferBytes !== undefined) lines.push(['transfer', `${status.transferBytes} octets on disk`]);
  return lines.map(([name = '', value = '']) => `${name.padEnd(12)}${value}`).join('\n');
}
