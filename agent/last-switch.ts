// What became of the last switch of profiles: kept in the journal beside the state, for a person and for the look after the next reset.
import {
  cborBool,
  cborBytes,
  cborId,
  cborInt,
  cborList,
  cborMap,
  cborText,
  cborWord,
} from '../codec/cbor-table.ts';
import { parseIccid } from '../codec/ids.ts';
import { ladderRecord, MAX_LADDER } from '../codec/wire.ts';
import type { Event, State } from './machine.ts';

const iccid = cborId(parseIccid);

export const lastSwitchType = cborMap({
  mno: { key: 1, type: cborText(32) },
  transaction: { key: 2, type: cborBytes({ length: 16 }) },
  outcome: { key: 3, type: cborWord('done', 'failed', 'rolled-back', 'interrupted') },
  /** When it ended, in Unix milliseconds by the device's clock. */
  at: { key: 4, type: cborInt() },
  /** The profile that it left enabled, as far as it was seen. */
  iccid: { key: 5, type: iccid, optional: true },
  ladder: { key: 6, type: cborList(ladderRecord, MAX_LADDER), optional: true },
  /** When the profile was last looked at after a restart of the device or its modem. */
  checkedAt: { key: 7, type: cborInt(), optional: true },
  /** The profile that was there instead then. */
  reverted: { key: 8, type: iccid, optional: true },
  /** Whether the operator has been told. */
  told: { key: 9, type: cborBool, optional: true },
});

export type LastSwitch = ReturnType<typeof lastSwitchType.fromCbor>;

/**
 * What is known of the last switch when `event` ends a script; undefined where nothing is new. A profile that was disabled or
 * deleted on an operator's command is not expected to be enabled any more.
 */
export function switchEndedBy(
  state: State,
  event: Event,
  { wallMs, before }: { readonly wallMs: number; readonly before: LastSwitch | undefined },
): LastSwitch | undefined {
  if (event.is !== 'answered' || event.message.is !== 'scriptReport') return undefined;
  if (state.at !== 'working' || state.command.is !== 'script') return undefined;
  const { outcome, enabledIccid, ladder } = event.message;
  const { mno, transaction } = state.order;
  if (state.command.purpose !== 'enable') {
    if (outcome !== 'done' || before === undefined || before.iccid !== state.command.iccid) return undefined;
    const { iccid: _, reverted: __, told: ___, ...rest } = before;
    return rest;
  }
  return {
    mno,
    transaction,
    outcome,
    at: Math.max(0, Math.round(wallMs)),
    ...(enabledIccid === undefined ? {} : { iccid: enabledIccid }),
    ...(ladder === undefined ? {} : { ladder }),
  };
}
