// Proactive commands of the card (ETSI TS 102 223): FETCH, TERMINAL RESPONSE, and what REFRESH asks of the modem.
import { encodeCommandApdu } from '../../codec/apdu.ts';
import { encodeTlv, readOnly, readTlvs, type Tlv } from '../../codec/ber-tlv.ts';
import type { CardReader } from './card-reader.ts';

/** Command qualifier of REFRESH (8.6). */
export const REFRESH_MODES = [
  'init-and-full-file-change',
  'file-change',
  'init-and-file-change',
  'init',
  'uicc-reset',
  'application-reset',
  'session-reset',
  'steering-of-roaming',
  'steering-of-roaming-iwlan',
  'profile-state-change',
] as const;

export type RefreshMode = (typeof REFRESH_MODES)[number];

/** Type of command (9.4). */
const TYPE = { refresh: 0x01, moreTime: 0x02, pollInterval: 0x03, setUpEventList: 0x05 } as const;
/** General result (8.12). */
const RESULT = { done: 0x00, beyondCapabilities: 0x30 } as const;
const TAG = { proactiveCommand: 0xd0, commandDetails: 0x01, deviceIdentities: 0x02, result: 0x03 } as const;

export type ProactiveTools = {
  readonly reader: CardReader;
  /** Does what the mode asks for; `uicc-reset` ends the card session and needs no TERMINAL RESPONSE. */
  readonly refresh: (mode: RefreshMode) => Promise<void>;
};

/** Fetches the command of `octets` octets, carries it out and answers it. What cannot be read ends in silence. */
export async function serveProactiveCommand(octets: number, tools: ProactiveTools): Promise<void> {
  const { reader } = tools;
  const fetched = await reader.exchange(Uint8Array.of(0x80, 0x12, 0x00, 0x00, octets & 0xff));
  if (fetched === undefined || fetched.data.length === 0) return;
  const command = parse(fetched.data);
  if (command === undefined) return;
  const { type, qualifier, details } = command;
  if (type === TYPE.refresh) {
    const mode = REFRESH_MODES[qualifier] ?? 'uicc-reset';
    await tools.refresh(mode);
    if (mode === 'uicc-reset') return;
  }
  const known = (Object.values(TYPE) as number[]).includes(type);
  await reader.exchange(terminalResponse(details, known ? RESULT.done : RESULT.beyondCapabilities));
}

/** Comprehension required or not: the top bit of a tag says nothing else. */
function tagOf(tlv: Tlv): number {
  return tlv.tag & 0x7f;
}

function parse(
  bytes: Uint8Array,
): { readonly type: number; readonly qualifier: number; readonly details: Uint8Array } | undefined {
  try {
    const members = readTlvs(readOnly(bytes, TAG.proactiveCommand).value);
    const details = members.find((tlv) => tagOf(tlv) === TAG.commandDetails)?.value;
    const [, type, qualifier] = details ?? [];
    if (details === undefined || type === undefined || qualifier === undefined) return undefined;
    return { type, qualifier, details };
  } catch {
    return undefined;
  }
}

function terminalResponse(details: Uint8Array, result: number): Uint8Array {
  const data = [
    encodeTlv(0x80 | TAG.commandDetails, details),
    encodeTlv(0x80 | TAG.deviceIdentities, Uint8Array.of(0x82, 0x81)),
    encodeTlv(0x80 | TAG.result, Uint8Array.of(result)),
  ].flatMap((part) => [...part]);
  return encodeCommandApdu({ cla: 0x80, ins: 0x14, p1: 0, p2: 0, data: Uint8Array.from(data) });
}
