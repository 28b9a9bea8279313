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
const SEND_SHORT_MESSAGE = 0x13;
/** From the UICC to the terminal, and to the network. */
const TO_TERMINAL = fromHex('82028182');
const TO_NETWORK = fromHex('82028183');
const TAG_ADDRESS = 0x86;
const TAG_SMS_TPDU = 0x8b;

/** REFRESH modes (ETSI TS 102 223, 8.6). */
const REFRESH_UICC_RESET = 0x04;
const REFRESH_PROFILE_STATE_CHANGE = 0x09;

/** Facilities in a terminal profile: octet from 0, bit (ETSI TS 102 223, 5.2). */
const CAN_REFRESH = { octet: 2, bit: 0x80 } as const;
const CAN_CHANGE_PROFILE_STATE = { octet: 33, bit: 0x20 } as const;
const CAN_SEND_SHORT_MESSAGE = { octet: 3, bit: 0x02 } as const;

/** What a terminal says to be able to, by the type of the command; of those with numbers PLAY TONE and DISPLAY TEXT. */
const CAN_PERFORM: ReadonlyMap<number, { readonly octet: number; readonly bit: number }> = new Map([
  [REFRESH, CAN_REFRESH],
  [SEND_SHORT_MESSAGE, CAN_SEND_SHORT_MESSAGE],
  [0x20, { octet: 2, bit: 0x10 }],
  [0x21, { octet: 2, bit: 0x01 }],
]);

/** Short messages that wait for the terminal, of more than one answer. */
const MAX_MESSAGES = 64;
/** How often a terminal that cannot send a message now is asked to. */
const MAX_ATTEMPTS = 5;

/** What the terminal is asked to do: forget everything by a reset, or take notice of another profile without one. */
type RefreshMode = 'uiccReset' | 'profileStateChange';

/** How the terminal took a proactive command: 0X done, 2X not now, 3X never (ETSI TS 102 223, 8.12). */
type TerminalResult = 'done' | 'later' | 'refused';

/** The end of a REFRESH; a terminal that cannot now is asked again and again. */
type OnRefreshed = (result: Exclude<TerminalResult, 'later'>) => void;

type Proactive = {
  readonly command: Uint8Array;
  readonly details: Uint8Array;
  readonly wanted: Wanted;
  /** As it was made of what was wanted. */
  readonly mode?: RefreshMode;
  fetched: boolean;
};

/** A command that has not become one yet: there is no terminal profile, or the terminal asked for a pause. */
type WantedRefresh = {
  readonly is: 'refresh';
  readonly mode: RefreshMode;
  readonly onResponse: OnRefreshed;
};
type WantedAction = {
  readonly is: 'action';
  readonly action: Action;
  readonly onResponse: (done: boolean) => Promise<void>;
};
type WantedMessage = { readonly is: 'message'; readonly message: ShortMessage; readonly attempts: number };
type Wanted = WantedRefresh | WantedMessage | WantedAction;

/** A proactive command that a remote script asks for: type, qualifier, and the objects behind its details, as they came. */
export type Action = { readonly type: number; readonly qualifier: number; readonly objects: Uint8Array };

/** A message for the network: SMS-SUBMIT, and the service centre (type octet and swapped digits) where not the usual one. */
export type ShortMessage = { readonly tpdu: Uint8Array; readonly serviceCentre?: Uint8Array };

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
  /** Whether so many short messages more can be kept for sending. */
  canSend(messages: number): boolean;
  /**
   * Wants messages sent, before a REFRESH that nobody has fetched: a reset would lose them. A terminal that cannot send any
   * is never asked.
   */
  send(messages: readonly ShortMessage[]): void;
  /** Whether this terminal carries out commands of this type for a script. */
  canPerform(type: number): boolean;
  /**
   * Wants a command carried out that `canPerform`, behind the messages that wait. `onResponse` runs within the command that brings
   * the answer, which waits for it.
   */
  perform(action: Action, onResponse: (done: boolean) => Promise<void>): void;
  fetched(): void;
  /**
   * Takes the objects of a TERMINAL RESPONSE; undefined where they do not answer the command that was fetched. `mode` is that
   * of a REFRESH.
   */
  respond(objects: readonly ComprehensionTlv[]):
    | {
        readonly result: TerminalResult;
        readonly mode?: RefreshMode;
        /** What goes on now that there is an answer. */
        readonly follow?: () => Promise<void>;
      }
    | undefined;
  /** The terminal is alive and idle (STATUS): a command that it could not take before is offered again. */
  poll(): void;
};

export function createCat(): Cat {
  let terminalProfile: Uint8Array | undefined;
  let refresh: WantedRefresh | undefined;
  const messages: WantedMessage[] = [];
  const actions: WantedAction[] = [];
  let current: Proactive | undefined;
  let number = 0;
  const can = ({ octet, bit }: { readonly octet: number; readonly bit: number }): boolean =>
    ((terminalProfile?.[octet] ?? 0) & bit) !== 0;
  const make = (
    wanted: Wanted,
    type: number,
    qualifier: number,
    objects: readonly Uint8Array[],
    mode?: RefreshMode,
  ): void => {
    number = (number % 0xfe) + 1;
    const details = Uint8Array.of(number, type, qualifier);
    const command = encodeTlv(
      TAG_PROACTIVE,
      encodeTlv(COMPREHENSION | TAG_COMMAND_DETAILS, details),
      ...objects,
    );
    current = { command, details, wanted, fetched: false, ...(mode === undefined ? {} : { mode }) };
  };
  const offerMessage = (wanted: WantedMessage): void => {
    const { tpdu, serviceCentre } = wanted.message;
    const address = serviceCentre === undefined ? [] : [encodeTlv(TAG_ADDRESS, serviceCentre)];
    make(wanted, SEND_SHORT_MESSAGE, 0, [TO_NETWORK, ...address, encodeTlv(TAG_SMS_TPDU, tpdu)]);
  };
  const offerRefresh = (wanted: WantedRefresh): void => {
    const changes = wanted.mode === 'profileStateChange' && can(CAN_CHANGE_PROFILE_STATE);
    const mode = changes ? wanted.mode : 'uiccReset';
    const qualifier = mode === 'uiccReset' ? REFRESH_UICC_RESET : REFRESH_PROFILE_STATE_CHANGE;
    make(wanted, REFRESH, qualifier, [TO_TERMINAL], mode);
  };
  const offer = (): void => {
    if (terminalProfile === undefined || current !== undefined) return;
    if (!can(CAN_SEND_SHORT_MESSAGE)) messages.length = 0;
    const message = messages.shift();
    if (message !== undefined) {
      offerMessage(message);
      return;
    }
    const next = actions.shift();
    if (next !== undefined) {
      const { objects, qualifier, type } = next.action;
      make(next, type, qualifier, [objects]);
      return;
    }
    const wanted = refresh;
    refresh = undefined;
    if (wanted !== undefined && can(CAN_REFRESH)) offerRefresh(wanted);
  };
  /** What the terminal could not do now is kept for later, in its place. */
  const postpone = (wanted: Wanted): void => {
    if (wanted.is === 'refresh') refresh = wanted;
    else if (wanted.is === 'message' && wanted.attempts < MAX_ATTEMPTS)
      messages.unshift({ ...wanted, attempts: wanted.attempts + 1 });
  };
  return {
    get waiting() {
      return current?.fetched === false ? current.command : undefined;
    },
    get busy() {
      return current !== undefined || refresh !== undefined || messages.length > 0 || actions.length > 0;
    },
    downloadProfile(profile) {
      terminalProfile = Uint8Array.from(profile);
      offer();
    },
    refresh(mode, onResponse) {
      refresh = { is: 'refresh', mode, onResponse };
      offer();
    },
    canSend: (more) => messages.length + more <= MAX_MESSAGES,
    send(list) {
      if (current?.fetched === false && current.wanted.is === 'refresh') {
        refresh = current.wanted;
        current = undefined;
      }
      messages.push(...list.map((message) => ({ is: 'message' as const, message, attempts: 1 })));
      offer();
    },
    canPerform(type) {
      const facility = CAN_PERFORM.get(type);
      return facility !== undefined && can(facility);
    },
    perform(action, onResponse) {
      actions.push({ is: 'action', action, onResponse });
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
      const { mode, wanted } = answered;
      current = undefined;
      if (wanted.is === 'action') {
        const follow = async (): Promise<void> => {
          // 1X is what the user has ended.
          await wanted.onResponse((find(objects, TAG_RESULT)?.[0] ?? 0xff) < 0x10);
          offer();
        };
        return { result, follow };
      }
      if (result === 'later') postpone(wanted);
      else {
        if (wanted.is === 'refresh') wanted.onResponse(result);
        // Nothing more of this kind waits behind a refresh that was carried out: the next message is offered at once.
        else offer();
      }
      return mode === undefined ? { result } : { result, mode };
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
