// The card application toolkit as far as an eUICC needs it: what the terminal can do, and one proactive command at a time
// (ETSI TS 102 223, clauses 5, 6 and 8; SGP.22 3.2.1 for the REFRESH of a switch).
import { equalBytes, fromHex } from '../../base/bytes.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import type { ComprehensionTlv } from '../../codec/comprehension-tlv.ts';

const TAG_PROACTIVE = 0xd0;
const TAG_COMMAND_DETAILS = 0x01;
const TAG_RESULT = 0x03;
const COMPREHENSION = 0x80;
const REFRESH = 0x01;
/** From the UICC to the terminal. */
const DEVICE_IDENTITIES = fromHex('82028182');

/** REFRESH modes (ETSI TS 102 223, 8.6). */
const REFRESH_UICC_RESET = 0x04;
const REFRESH_PROFILE_STATE_CHANGE = 0x09;

/** Facilities in a terminal profile: octet from 0, bit (ETSI TS 102 223, 5.2). */
const CAN_REFRESH = { octet: 2, bit: 0x80 } as const;
const CAN_CHANGE_PROFILE_STATE = { octet: 33, bit: 0x20 } as const;

/** What the terminal is asked to do: forget everything by a reset, or take notice of another profile without one. */
type RefreshMode = 'uiccReset' | 'profileStateChange';

/** How the terminal took a proactive command: 0X done, 2X not now, 3X never (ETSI TS 102 223, 8.12). */
type TerminalResult = 'done' | 'later' | 'refused';

/** The end of a REFRESH; a terminal that cannot now is asked again and again. */
type OnRefreshed = (result: Exclude<TerminalResult, 'later'>) => void;

type Proactive = {
  readonly command: Uint8Array;
  readonly details: Uint8Array;
  readonly mode: RefreshMode;
  readonly onResponse: OnRefreshed;
  fetched: boolean;
};

/** A REFRESH that has not become a command yet: there is no terminal profile, or the terminal asked for a pause. */
type Wanted = { readonly mode: RefreshMode; readonly onResponse: OnRefreshed };

/** The toolkit session. Volatile: a reset ends it. */
export type Cat = {
  /** The command that waits to be fetched. */
  readonly waiting: Uint8Array | undefined;
  /** Whether a proactive command waits, is being carried out, or waits for its turn. */
  readonly busy: boolean;
  /** TERMINAL PROFILE: what the terminal can do from now on. */
  downloadProfile(profile: Uint8Array): void;
  /**
   * Wants a REFRESH. A terminal that cannot change a profile's state without a reset gets a UICC reset; one that has said
   * nothing yet is asked when it has; one that cannot refresh at all is never asked. `onResponse` runs within the command
   * that brings the answer. Ask `busy` before.
   */
  refresh(mode: RefreshMode, onResponse: OnRefreshed): void;
  fetched(): void;
  /** Takes the objects of a TERMINAL RESPONSE; undefined where they do not answer the command that was fetched. */
  respond(
    objects: readonly ComprehensionTlv[],
  ): { readonly result: TerminalResult; readonly mode: RefreshMode } | undefined;
  /** The terminal is alive and idle (STATUS): a command that it could not take before is offered again. */
  poll(): void;
};

export function createCat(): Cat {
  let terminalProfile: Uint8Array | undefined;
  let wanted: Wanted | undefined;
  let current: Proactive | undefined;
  let number = 0;
  const can = ({ octet, bit }: typeof CAN_REFRESH | typeof CAN_CHANGE_PROFILE_STATE): boolean =>
    ((terminalProfile?.[octet] ?? 0) & bit) !== 0;
  const offer = (): void => {
    if (terminalProfile === undefined || wanted === undefined || current !== undefined) return;
    const { mode: asked, onResponse } = wanted;
    wanted = undefined;
    if (!can(CAN_REFRESH)) return;
    const mode = asked === 'profileStateChange' && can(CAN_CHANGE_PROFILE_STATE) ? asked : 'uiccReset';
    const qualifier = mode === 'uiccReset' ? REFRESH_UICC_RESET : REFRESH_PROFILE_STATE_CHANGE;
    number = (number % 0xfe) + 1;
    const details = Uint8Array.of(number, REFRESH, qualifier);
    const command = encodeTlv(
      TAG_PROACTIVE,
      encodeTlv(COMPREHENSION | TAG_COMMAND_DETAILS, details),
      DEVICE_IDENTITIES,
    );
    current = { command, details, mode, onResponse, fetched: false };
  };
  return {
    get waiting() {
      return current?.fetched === false ? current.command : undefined;
    },
    get busy() {
      return current !== undefined || wanted !== undefined;
    },
    downloadProfile(profile) {
      terminalProfile = Uint8Array.from(profile);
      offer();
    },
    refresh(mode, onResponse) {
      wanted = { mode, onResponse };
      offer();
    },
    fetched() {
      if (current !== undefined) current.fetched = true;
    },
    respond(objects) {
      const answered = current;
      if (answered?.fetched !== true) return undefined;
      const details = find(objects, TAG_COMMAND_DETAILS);
      if (details === undefined || !equalBytes(details, answered.details)) return undefined;
      const result = resultOf(objects);
      if (result === undefined) return undefined;
      const { mode } = answered;
      current = undefined;
      if (result === 'later') wanted = { mode, onResponse: answered.onResponse };
      else answered.onResponse(result);
      return { result, mode };
    },
    poll: offer,
  };
}

function find(objects: readonly ComprehensionTlv[], wantedTag: number): Uint8Array | undefined {
  return objects.find(({ tag }) => tag === wantedTag)?.value;
}

function resultOf(objects: readonly ComprehensionTlv[]): TerminalResult | undefined {
  const general = find(objects, TAG_RESULT)?.[0];
  if (general === undefined) return undefined;
  if (general < 0x20) return 'done';
  return general < 0x30 ? 'later' : 'refused';
}
