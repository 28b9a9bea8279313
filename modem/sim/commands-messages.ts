// Short messages (3GPP TS 27.005) in PDU mode: sending, the store of the modem, and how arrivals are told.
import { fromHex, toHex } from '../../base/bytes.ts';
import { decodeSmsSubmit } from '../../codec/sms-tpdu.ts';
import type { Parameter } from './command-line.ts';
import { cardError } from './commands-card.ts';
import {
  DONE,
  keptSetting,
  numberOf,
  type CommandContext,
  type CommandRow,
  type CommandTable,
  type Reply,
} from './commands.ts';

/** `<stat>` in PDU mode. */
type MessageState = 0 | 1 | 2 | 3;
const RECEIVED_UNREAD = 0;
const RECEIVED_READ = 1;
const STORED_UNSENT = 2;
const STORED_SENT = 3;
const ALL = 4;

/** One place of the store: service centre address and TPDU, as `<pdu>` has them. */
export type StoredMessage = { state: MessageState; readonly pdu: Uint8Array };

/** The messages of the modem by `<index>`. They outlive its restarts. */
export type MessageStore = Map<number, StoredMessage>;

const PLACES = 20;
/** +CMS errors (3.2.5). */
const CMS = {
  simNotInserted: 310,
  simPinRequired: 311,
  simPukRequired: 316,
  invalidPduParameter: 304,
  invalidIndex: 321,
  memoryFull: 322,
  noNetwork: 331,
} as const;
const MAX_PDU = 1 + 12 + 164;

/** Puts a message into the first free place. Undefined when there is none. */
export function storeMessage(store: MessageStore, message: StoredMessage): number | undefined {
  for (let index = 1; index <= PLACES; index++) {
    if (store.has(index)) continue;
    store.set(index, message);
    return index;
  }
  return undefined;
}

/** How an arrival is told (`<mt>` of +CNMI, 3.4.1): the unsolicited lines, and whether the message is stored. */
export function arrivalReport({ settings }: CommandContext): 'none' | 'index' | 'message' {
  const mt = settings.values.get('+CNMI')?.split(',')[1];
  return mt === '1' ? 'index' : mt === '2' ? 'message' : 'none';
}

function cardFailure({ equipment }: CommandContext): { readonly cms: number } | undefined {
  const error = cardError(equipment.simStatus, true);
  if (error === undefined) return undefined;
  return { cms: error.cme === 12 ? CMS.simPukRequired : 300 + error.cme };
}

/** `<pdu>` of `length` octets without the service centre's address; undefined where it is none. */
function pduOf(
  text: string,
  length: number,
): { readonly pdu: Uint8Array; readonly tpdu: Uint8Array } | undefined {
  if (!/^(?:[0-9A-Fa-f]{2})+$/.test(text) || text.length > 2 * MAX_PDU) return undefined;
  const pdu = fromHex(text);
  const tpdu = pdu.subarray(1 + (pdu[0] ?? 0));
  return tpdu.length === length ? { pdu, tpdu } : undefined;
}

/** Asks for a PDU after its length, and hands it on when it is one. */
function entered(length: Parameter | undefined, use: (pdu: Uint8Array, tpdu: Uint8Array) => Reply): Reply {
  const octets = numberOf(length, [1, 164]);
  if (octets === undefined) return { cms: CMS.invalidPduParameter };
  return {
    ask: (text) => {
      const message = pduOf(text, octets);
      return message === undefined ? { cms: CMS.invalidPduParameter } : use(message.pdu, message.tpdu);
    },
  };
}

function isSubmit(tpdu: Uint8Array): boolean {
  try {
    decodeSmsSubmit(tpdu);
    return true;
  } catch {
    return false;
  }
}

const cmgs: CommandRow = {
  test: () => DONE,
  set: (context, [length]) => {
    const failure = cardFailure(context);
    if (failure !== undefined) return failure;
    return entered(length, (_, tpdu) => {
      if (!isSubmit(tpdu)) return { cms: CMS.invalidPduParameter };
      if (context.equipment.service.state.is !== 'registered') return { cms: CMS.noNetwork };
      return [`+CMGS: ${context.sendMessage(tpdu)}`];
    });
  },
};

const cmgw: CommandRow = {
  test: () => DONE,
  set: ({ settings }, [length]) =>
    entered(length, (pdu) => {
      const index = storeMessage(settings.messages, { state: STORED_UNSENT, pdu });
      return index === undefined ? { cms: CMS.memoryFull } : [`+CMGW: ${index}`];
    }),
};

/** Sends what is stored (4.7); it stays, as one that was sent. */
const cmss: CommandRow = {
  test: () => DONE,
  set: (context, [index]) => {
    const failure = cardFailure(context);
    if (failure !== undefined) return failure;
    const message = context.settings.messages.get(numberOf(index, [1, PLACES]) ?? 0);
    if (message === undefined || message.state < STORED_UNSENT) return { cms: CMS.invalidIndex };
    const tpdu = message.pdu.subarray(1 + (message.pdu[0] ?? 0));
    if (!isSubmit(tpdu)) return { cms: CMS.invalidPduParameter };
    if (context.equipment.service.state.is !== 'registered') return { cms: CMS.noNetwork };
    message.state = STORED_SENT;
    return [`+CMSS: ${context.sendMessage(tpdu)}`];
  },
};

function shown({ pdu }: StoredMessage): readonly [number, string] {
  return [pdu.length - 1 - (pdu[0] ?? 0), toHex(pdu)];
}

const cmgr: CommandRow = {
  test: () => DONE,
  set: ({ settings }, [index]) => {
    const message = settings.messages.get(numberOf(index, [1, PLACES]) ?? 0);
    if (message === undefined) return { cms: CMS.invalidIndex };
    const [length, pdu] = shown(message);
    const line = `+CMGR: ${message.state},,${length}`;
    if (message.state === RECEIVED_UNREAD) message.state = RECEIVED_READ;
    return [line, pdu];
  },
};

function list({ settings }: CommandContext, wanted: number): readonly string[] {
  return [...settings.messages]
    .toSorted(([a], [b]) => a - b)
    .filter(([, { state }]) => wanted === ALL || state === wanted)
    .flatMap(([index, message]) => {
      const [length, pdu] = shown(message);
      const line = `+CMGL: ${index},${message.state},,${length}`;
      if (message.state === RECEIVED_UNREAD) message.state = RECEIVED_READ;
      return [line, pdu];
    });
}

const cmgl: CommandRow = {
  test: () => ['+CMGL: (0-4)'],
  action: (context) => list(context, RECEIVED_UNREAD),
  set: (context, [state]) => {
    const wanted = numberOf(state, [0, ALL], RECEIVED_UNREAD);
    return wanted === undefined ? { cms: CMS.invalidPduParameter } : list(context, wanted);
  },
};

/** `<delflag>`: 0 this index, 1 what was read, 2 and 3 also what is own, 4 all. */
const cmgd: CommandRow = {
  test: ({ settings }) => [`+CMGD: (${[...settings.messages.keys()].join(',')}),(0-4)`],
  set: ({ settings: { messages } }, [place, flag]) => {
    const index = numberOf(place, [1, PLACES]);
    const what = numberOf(flag, [0, 4], 0);
    if (index === undefined || what === undefined) return { cms: CMS.invalidIndex };
    if (what === 0 && !messages.has(index)) return { cms: CMS.invalidIndex };
    for (const [at, { state }] of messages) {
      const read = state === RECEIVED_READ;
      const gone = what === 0 ? at === index : what === 4 || read || (what >= 2 && state >= STORED_UNSENT);
      if (gone) messages.delete(at);
    }
    return DONE;
  },
};

const cpms: CommandRow = {
  test: () => ['+CPMS: ("ME"),("ME"),("ME")'],
  read: ({ settings }) => [`+CPMS: ${Array(3).fill(`"ME",${settings.messages.size},${PLACES}`).join(',')}`],
  set: ({ settings }, names) => {
    if (names.length > 3 || names.some((name) => name !== undefined && name.text !== 'ME')) return 'ERROR';
    return [`+CPMS: ${Array(3).fill(`${settings.messages.size},${PLACES}`).join(',')}`];
  },
};

const csca: CommandRow = {
  test: () => DONE,
  read: ({ settings }) => [`+CSCA: ${settings.values.get('+CSCA') ?? '"+9990100000",145'}`],
  set: ({ settings }, [address, type]) => {
    const kind = numberOf(type, [128, 255], address?.text.startsWith('+') === true ? 145 : 129);
    if (address === undefined || kind === undefined || !/^\+?\d{1,20}$/.test(address.text)) return 'ERROR';
    settings.values.set('+CSCA', `"${address.text}",${kind}`);
    return DONE;
  },
};

const CNMI_HIGHEST = [3, 3, 3, 2, 1] as const;

const cnmi: CommandRow = {
  test: () => ['+CNMI: (0-3),(0-3),(0-3),(0-2),(0,1)'],
  read: ({ settings }) => [`+CNMI: ${settings.values.get('+CNMI') ?? '0,0,0,0,0'}`],
  set: ({ settings }, given) => {
    const before = (settings.values.get('+CNMI') ?? '0,0,0,0,0').split(',').map(Number);
    const next = CNMI_HIGHEST.map((highest, n) => numberOf(given[n], [0, highest], before[n] ?? 0));
    if (given.length > CNMI_HIGHEST.length || next.includes(undefined)) return 'ERROR';
    settings.values.set('+CNMI', next.join(','));
    return DONE;
  },
};

const csms: CommandRow = {
  test: () => ['+CSMS: (0,1)'],
  read: ({ settings }) => [`+CSMS: ${settings.values.get('+CSMS') ?? '0'},1,1,0`],
  set: ({ settings }, [service]) => {
    const value = numberOf(service, [0, 1], 0);
    if (value === undefined) return 'ERROR';
    settings.values.set('+CSMS', String(value));
    return ['+CSMS: 1,1,0'];
  },
};

export const MESSAGE_COMMANDS: CommandTable = {
  '+CMGF': keptSetting('+CMGF', ['0'], false),
  '+CMGS': cmgs,
  '+CMGW': cmgw,
  '+CMSS': cmss,
  '+CMGR': cmgr,
  '+CMGL': cmgl,
  '+CMGD': cmgd,
  '+CPMS': cpms,
  '+CSCA': csca,
  '+CNMI': cnmi,
  '+CSMS': csms,
};
