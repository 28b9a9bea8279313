// Commands of the card (3GPP TS 27.007, 5.6, 8.2, 8.3, 8.17, 8.18, 8.43 to 8.46).
import { equalBytes, fromHex, toHex } from '../../base/bytes.ts';
import { channelOf, encodeCommandApdu, encodeResponseApdu, SW, type ResponseApdu } from '../../codec/apdu.ts';
import { CME } from '../cme-errors.ts';
import { isdRAid } from './card-kinds.ts';
import { passApdu } from './card-path.ts';
import type { Parameter } from './command-line.ts';
import {
  DONE,
  numberOf,
  type CommandContext,
  type CommandRow,
  type CommandTable,
  type Failure,
  type Reply,
  type Sessions,
} from './commands.ts';
import type { Functionality, SimStatus } from './equipment.ts';
import type { SimQuirks } from './quirks.ts';

/** The error that a card in this state gives to commands that need it; undefined when they may go on. */
export function cardError(status: SimStatus, needsPin: boolean): { readonly cme: number } | undefined {
  switch (status) {
    case 'off':
    case 'absent':
      return { cme: CME.simNotInserted };
    case 'starting':
      return { cme: CME.simBusy };
    case 'failed':
      return needsPin ? { cme: CME.simFailure } : undefined;
    case 'pin':
      return needsPin ? { cme: CME.simPinRequired } : undefined;
    case 'puk':
      return needsPin ? { cme: CME.simPukRequired } : undefined;
    case 'ready':
      return undefined;
  }
}

/** `<length>,<command>`: as many characters as said, all hex, at least a header. */
function apduOf(length: Parameter | undefined, command: Parameter | undefined): Uint8Array | undefined {
  const hex = command?.text ?? '';
  if (numberOf(length, [8, 131_072]) !== hex.length || !/^(?:[0-9A-Fa-f]{2})+$/.test(hex)) return undefined;
  return fromHex(hex);
}

/** AUTHENTICATE in GSM context stays with the modem, whatever the class (8.17, 8.43). */
function isForbidden(apdu: Uint8Array): boolean {
  return apdu[1] === 0x88 && ((apdu[3] ?? 0) & 0x07) === 0;
}

function apduInfo(name: string, response: ResponseApdu | Failure): Reply {
  if (typeof response !== 'object' || !('sw' in response)) return response;
  const hex = toHex(encodeResponseApdu(response));
  return [`${name}: ${hex.length},"${hex}"`];
}

const csim: CommandRow = {
  test: () => DONE,
  set: async (context, [length, command]) => {
    const { equipment, quirks, quirkState } = context;
    if (quirks.csimLock) {
      const lock = command === undefined ? numberOf(length, [0, 1]) : undefined;
      if (lock !== undefined) {
        quirkState.csimLocked = lock === 1;
        return DONE;
      }
      if (!quirkState.csimLocked) return { cme: CME.notAllowed };
    }
    const apdu = apduOf(length, command);
    if (apdu === undefined) return { cme: CME.incorrectParameters };
    const error = cardError(equipment.simStatus, false);
    if (error !== undefined) return error;
    if (isForbidden(apdu)) return { cme: CME.notAllowed };
    return apduInfo('+CSIM', await passApdu(context, 'csim', channelOf(apdu[0] ?? 0), apdu));
  },
};

const ccho: CommandRow = {
  test: () => DONE,
  set: async ({ equipment, sessions, quirks }, [name]) => {
    if (quirks.leakHang > 0 && sessions.size >= quirks.leakHang) return 'SILENT';
    if (quirks.ccho === 'error') return 'ERROR';
    if (quirks.ccho === 'denied') return { cme: CME.notAllowed };
    if (name === undefined || !/^(?:[0-9A-Fa-f]{2}){1,16}$/.test(name.text)) {
      return { cme: CME.incorrectParameters };
    }
    const error = cardError(equipment.simStatus, false);
    if (error !== undefined) return error;
    if (quirks.maxSessions > 0 && sessions.size >= quirks.maxSessions) return { cme: CME.memoryFull };
    if (
      quirks.isdrNeedsProfile &&
      equipment.simStatus === 'failed' &&
      equalBytes(fromHex(name.text), isdRAid(quirks))
    ) {
      return 'ERROR';
    }
    const opened = await equipment.reader.openChannel(fromHex(name.text));
    if ('sw' in opened) {
      if (quirks.cchoRefusal === 'bare') return 'ERROR';
      return { cme: quirks.cchoRefusal === 'cme-13' ? CME.simFailure : openError(opened.sw) };
    }
    const id = freeSession(sessions, quirks.sessionIds);
    if (id === undefined) {
      await equipment.reader.closeChannel(opened.channel);
      return { cme: CME.memoryFull };
    }
    sessions.set(id, opened.channel);
    return [quirks.cchoAnswer === 'bare' ? id : `+CCHO: ${id}`];
  },
};

const NORDIC_IDS = ['11', '12', '13', '14', '17', '18'];

function freeSession(sessions: Sessions, form: SimQuirks['sessionIds']): string | undefined {
  if (form === 'nordic') return NORDIC_IDS.find((id) => !sessions.has(id));
  for (let number = 1; ; number++) {
    const id =
      form === 'numbers' ? String(number) : `7FB45C${number.toString(16).padStart(10, '0')}`.toUpperCase();
    if (!sessions.has(id)) return id;
  }
}

function openError(sw: number): number {
  if (sw === SW.fileNotFound) return CME.notFound;
  if (sw === SW.channelNotSupported || sw === SW.functionNotSupported) return CME.memoryFull;
  return CME.simFailure;
}

const cchc: CommandRow = {
  test: () => DONE,
  set: async ({ equipment, sessions, quirks }, [id]) => {
    const channel = id === undefined ? undefined : sessions.get(id.text);
    if (id === undefined || channel === undefined) return { cme: CME.invalidIndex };
    sessions.delete(id.text);
    await equipment.reader.closeChannel(channel);
    return quirks.cchcLine ? ['+CCHC'] : DONE;
  },
};

const cgla: CommandRow = {
  test: () => DONE,
  set: async (context, [id, length, command]) => {
    const { equipment, sessions } = context;
    const apdu = apduOf(length, command);
    if (id === undefined || apdu === undefined) return { cme: CME.incorrectParameters };
    const error = cardError(equipment.simStatus, false);
    if (error !== undefined) return error;
    const channel = id.text === '0' ? 0 : sessions.get(id.text);
    if (channel === undefined) return { cme: CME.invalidIndex };
    if (isForbidden(apdu)) return { cme: CME.notAllowed };
    return apduInfo('+CGLA', await passApdu(context, 'cgla', channel, apdu));
  },
};

const RETRIEVE_DATA = 203;
const SET_DATA = 219;

/** `<command>` of +CRSM to the instruction, and what its fifth octet is. */
const RESTRICTED: Readonly<Record<number, 'read' | 'update' | 'status'>> = {
  176: 'read', // READ BINARY
  178: 'read', // READ RECORD
  192: 'status', // GET RESPONSE: the file's control parameters
  203: 'read', // RETRIEVE DATA
  214: 'update', // UPDATE BINARY
  219: 'update', // SET DATA
  220: 'update', // UPDATE RECORD
  242: 'status', // STATUS
};

const crsm: CommandRow = {
  test: () => DONE,
  set: async (context, [command, file, p1, p2, p3, data, path]) => {
    const { equipment } = context;
    if (context.quirks.crsm === 'cme-3') return { cme: CME.notAllowed };
    const ins = numberOf(command, [0, 255]);
    const kind = ins === undefined ? undefined : RESTRICTED[ins];
    const [fid, one, two, three] = [
      numberOf(file, [0, 0xffff]),
      numberOf(p1, [0, 255], 0),
      numberOf(p2, [0, 255], 0),
      numberOf(p3, [0, 255], 0),
    ];
    const update = data?.text ?? '';
    if (
      ins === undefined ||
      kind === undefined ||
      one === undefined ||
      two === undefined ||
      three === undefined
    ) {
      return { cme: CME.incorrectParameters };
    }
    if (kind !== 'status' && fid === undefined) return { cme: CME.incorrectParameters };
    if (!/^(?:[0-9A-Fa-f]{2})*$/.test(update + (path?.text ?? ''))) return { cme: CME.incorrectParameters };
    const error = cardError(equipment.simStatus, true);
    if (error !== undefined) return error;
    const selected = fid === undefined ? undefined : await selectFile(context, fid, path?.text ?? '');
    if (selected !== undefined && !isOk(selected)) return crsmInfo(selected);
    if (kind === 'status' && selected !== undefined) return crsmInfo(selected);
    if (kind === 'update') {
      const cla = ins === SET_DATA ? 0x80 : 0x00;
      const apdu = encodeCommandApdu({ cla, ins, p1: one, p2: two, data: fromHex(update) });
      return crsmInfo(await equipment.reader.exchange(apdu));
    }
    if (ins === RETRIEVE_DATA) {
      // The first part names the object by its tag (ETSI TS 102 221, 11.3.1).
      const apdu = encodeCommandApdu({ cla: 0x80, ins, p1: one, p2: two, data: fromHex(update), le: 256 });
      return crsmInfo(await equipment.reader.exchange(apdu));
    }
    return crsmInfo(
      await equipment.reader.exchange(Uint8Array.of(kind === 'status' ? 0x80 : 0, ins, one, two, three)),
    );
  },
};

const CURRENT_ADF = '7FFF';

/** The modem selects by itself (8.18, note 1): the path, else the MF for files of its level and the USIM for others. */
async function selectFile(
  { equipment }: CommandContext,
  fid: number,
  path: string,
): Promise<ResponseApdu | undefined> {
  const { reader, sim } = equipment;
  const underMf = fid >> 8 === 0x2f || fid === 0x3f00;
  if (path !== '' || underMf || sim?.usim === undefined) {
    await reader.exchange(selectApdu(0x00, fromHex('3F00')));
    const folders = path.toUpperCase().replace(/^3F00/, '');
    for (let at = 0; at + 4 <= folders.length; at += 4) {
      const folder = folders.slice(at, at + 4);
      // 7FFF is the ADF of the application in use, which a card finds by its name alone here.
      const byName = folder === CURRENT_ADF && sim?.usim !== undefined;
      const select = byName ? selectApdu(0x04, sim.usim) : selectApdu(0x00, fromHex(folder));
      const selected = await reader.exchange(select);
      if (!isOk(selected)) return selected;
    }
  } else {
    await reader.exchange(selectApdu(0x04, sim.usim));
  }
  return reader.exchange(selectApdu(0x00, Uint8Array.of(fid >> 8, fid & 0xff)));
}

function selectApdu(p1: number, data: Uint8Array): Uint8Array {
  return encodeCommandApdu({ cla: 0, ins: 0xa4, p1, p2: 0x04, data, le: 256 });
}

function crsmInfo(response: ResponseApdu | undefined): Reply {
  if (response === undefined) return { cme: CME.simFailure };
  const { sw, data } = response;
  const status = `+CRSM: ${sw >> 8},${sw & 0xff}`;
  return [data.length === 0 ? status : `${status},"${toHex(data)}"`];
}

function isOk(response: ResponseApdu | undefined): boolean {
  return response !== undefined && (response.sw === SW.ok || response.sw >> 8 === 0x91);
}

const cpin: CommandRow = {
  test: () => DONE,
  read: ({ equipment }) => {
    const error = cardError(equipment.simStatus, false);
    if (error !== undefined) return error;
    if (equipment.simStatus === 'failed') return { cme: CME.simFailure };
    const shown = { ready: 'READY', pin: 'SIM PIN', puk: 'SIM PUK' } as const;
    return [`+CPIN: ${shown[equipment.simStatus as keyof typeof shown]}`];
  },
  set: async ({ equipment }, [first, second]) => {
    const error = cardError(equipment.simStatus, false);
    if (error !== undefined) return error;
    if (first === undefined || !/^\d{4,8}$/.test(first.text)) return { cme: CME.incorrectPassword };
    if (equipment.simStatus === 'pin' && second === undefined) {
      return (await equipment.enterPin(first.text)) ? DONE : { cme: CME.incorrectPassword };
    }
    if (equipment.simStatus === 'puk' && second !== undefined && /^\d{4,8}$/.test(second.text)) {
      return (await equipment.unblock(first.text, second.text)) ? DONE : { cme: CME.incorrectPassword };
    }
    return { cme: CME.notAllowed };
  },
};

const FUNCTIONALITIES: readonly Functionality[] = [0, 1, 4];

const cfun: CommandRow = {
  test: () => ['+CFUN: (0,1,4),(0,1)'],
  read: ({ equipment }) => [`+CFUN: ${equipment.functionality}`],
  set: async ({ equipment, restart, quirks, dropPort }, [fun, reset]) => {
    const wanted = FUNCTIONALITIES.find((value) => value === numberOf(fun, [0, 127], 1));
    const again = numberOf(reset, [0, 1], 0);
    if (wanted === undefined || again === undefined) return { cme: CME.incorrectParameters };
    if (again === 1) restart();
    else await equipment.setFunctionality(wanted);
    if (wanted === 0 && quirks.radioOffDropsPort > 0) dropPort(quirks.radioOffDropsPort);
    return DONE;
  },
};

const cimi: CommandRow = {
  test: () => DONE,
  action: ({ equipment }) => {
    const error = cardError(equipment.simStatus, true);
    if (error !== undefined) return error;
    return equipment.sim?.imsi === undefined ? { cme: CME.simFailure } : [equipment.sim.imsi];
  },
};

/** Vendor commands for the ICCID answer from what the modem read at the card's start. */
function iccid(name: string): CommandRow {
  return {
    test: () => DONE,
    action: ({ equipment }) => {
      const error = cardError(equipment.simStatus, false);
      if (error !== undefined) return error;
      return equipment.sim?.iccid === undefined
        ? { cme: CME.simFailure }
        : [`${name}: ${equipment.sim.iccid}`];
    },
  };
}

export const CARD_COMMANDS: CommandTable = {
  '+CSIM': csim,
  '+CCHO': ccho,
  '+CCHC': cchc,
  '+CGLA': cgla,
  '+CRSM': crsm,
  '+CPIN': cpin,
  '+CFUN': cfun,
  '+CIMI': cimi,
};

/** Commands that a vendor adds; personalities name those that they have. */
export const VENDOR_CARD_COMMANDS: CommandTable = {
  '+QCCID': iccid('+QCCID'),
  '+CCID': iccid('+CCID'),
  '+ICCID': iccid('+ICCID'),
};
