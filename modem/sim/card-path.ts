// The way of the terminal's APDUs through the simulated modem: channel in the class, quirks and faults of this path.
import { concat, EMPTY, equalBytes } from '../../base/bytes.ts';
import { sleep } from '../../base/clock.ts';
import { decodeCommandApdu, SW, withChannel, type ResponseApdu } from '../../codec/apdu.ts';
import { exchangeApdu } from '../apdu-exchange.ts';
import { CME } from '../cme-errors.ts';
import { isdRAid } from './card-kinds.ts';
import type { CommandContext, Failure } from './commands.ts';
import type { ApduFault } from './faults.ts';

const INS = { manageChannel: 0x70, select: 0xa4, getResponse: 0xc0, storeData: 0xe2 } as const;
const LINK_ERROR = 0x6601;
const LAST_BLOCK = { p1: 0x91, p2: 0x08 };

/** Sends one APDU and answers what the terminal is shown: a response, or the result in its place. */
export async function passApdu(
  context: CommandContext,
  way: 'csim' | 'cgla',
  channel: number,
  apdu: Uint8Array,
): Promise<ResponseApdu | Failure> {
  const { quirks, equipment } = context;
  const refused = refusal(context, way, channel, apdu);
  if (refused !== undefined) return refused;
  if (quirks.answerDelay > 0) await sleep(context.clock, quirks.answerDelay);
  const fault = context.faults.nextApdu();
  const before = fault === undefined ? undefined : await strikeBefore(context, fault);
  if (before !== undefined) return before;

  const send = async (command: Uint8Array): Promise<ResponseApdu> => {
    // Over +CSIM the terminal's class is its own; only what the modem fetches itself needs the channel.
    const own = way === 'csim' && (command[1] !== INS.getResponse || apdu[1] === INS.getResponse);
    const cla = command[0] ?? 0;
    const inClass = concat(Uint8Array.of(own ? cla : withChannel(cla, channel)), command.subarray(1));
    const answer = await equipment.reader.transmit(inClass);
    if (answer === undefined) throw new NoAnswer();
    return answer;
  };
  let response: ResponseApdu;
  try {
    const fetches = quirks.getResponse === 'modem' || quirks.p3Exact;
    response = fetches ? await exchangeApdu(apdu, send, { keepLe: true }) : await send(apdu);
  } catch {
    return { cme: CME.simFailure };
  }
  if (way === 'csim') noteChannel(context, apdu, response);
  const after = fault === undefined ? undefined : await strikeAfter(context, fault);
  if (after !== undefined) return after;
  return distort(context, way, apdu, response);
}

/** Remembers which channels MANAGE CHANNEL opened and closed. */
function noteChannel({ quirkState }: CommandContext, apdu: Uint8Array, { data, sw }: ResponseApdu): void {
  const [, ins, p1, p2 = 0] = apdu;
  if (ins !== INS.manageChannel || sw !== SW.ok) return;
  if (p1 === 0x80) quirkState.csimChannels.delete(p2);
  else if (data[0] !== undefined) quirkState.csimChannels.add(data[0]);
}

class NoAnswer extends Error {}

/** What the modem refuses on its own. */
function refusal(
  { quirks, equipment }: CommandContext,
  way: 'csim' | 'cgla',
  channel: number,
  apdu: Uint8Array,
): ResponseApdu | Failure | undefined {
  const ins = apdu[1];
  const isdR = isdRAid(quirks);
  if (quirks.p3Exact && (ins === INS.getResponse || !hasExactP3(apdu))) {
    return { cme: ins === INS.getResponse ? CME.notAllowed : CME.incorrectParameters };
  }
  if (way === 'csim' && quirks.csimSelect === 'cme-0' && ins === INS.select) return { cme: 0 };
  if (way === 'csim' && quirks.csimChannels === 'apdus-fail' && channel !== 0) return 'ERROR';
  if (way === 'csim' && quirks.csimChannels === 'refused' && ins === INS.manageChannel) return 'ERROR';
  if (quirks.isdrNeedsProfile && equipment.simStatus === 'failed' && ins === INS.select) {
    if (equalBytes(apdu.subarray(5, 5 + isdR.length), isdR)) return 'ERROR';
  }
  if (quirks.maxCommandData > 0 && apdu.length > 5 && (apdu[4] ?? 0) > quirks.maxCommandData) {
    return quirks.oversize === '6601' ? { data: EMPTY, sw: LINK_ERROR } : 'ERROR';
  }
  return undefined;
}

/** Commands that carry data need the exact length; those that read name what they expect. */
function hasExactP3(apdu: Uint8Array): boolean {
  return apdu.length === 5 || apdu[4] === apdu.length - 5;
}

/** Faults that come before the card sees the command. */
async function strikeBefore(context: CommandContext, fault: ApduFault): Promise<Failure | undefined> {
  switch (fault.kind) {
    case 'reset':
      context.crash();
      return 'SILENT';
    case 'card-mute':
      await context.equipment.reader.powerOff();
      return { cme: CME.simFailure };
    case 'card-out':
    case 'card-swap':
      context.takeCardOut(fault.argument, fault.kind === 'card-swap');
      return { cme: CME.simNotInserted };
    case 'stall':
      await sleep(context.clock, fault.argument);
      return undefined;
    case 'exhaust':
      for (let opened = 0; opened < 20; opened++) {
        const answer = await context.equipment.reader.exchange(Uint8Array.of(0, INS.manageChannel, 0, 0, 1));
        if (answer?.sw !== SW.ok) break;
        context.sessions.set(String(50 + opened), answer.data[0] ?? 0);
      }
      return undefined;
    default:
      return undefined;
  }
}

/** Faults that come when the card has executed the command. */
async function strikeAfter(context: CommandContext, fault: ApduFault): Promise<Failure | undefined> {
  switch (fault.kind) {
    case 'reset-after':
      context.crash();
      return 'SILENT';
    case 'drop-port':
      context.dropPort(fault.argument);
      return 'SILENT';
    case 'mute':
      return 'SILENT';
    case 'cme':
      return { cme: fault.argument };
    default:
      return undefined;
  }
}

/** What the modem makes of a response of the card. */
function distort(
  context: CommandContext,
  way: 'csim' | 'cgla',
  apdu: Uint8Array,
  response: ResponseApdu,
): ResponseApdu | Failure {
  const { quirks, quirkState } = context;
  const [, ins, p1, p2] = apdu;
  const promises = response.sw >> 8 === 0x61;
  if (way === 'cgla' && quirks.endless61) {
    if (ins === INS.storeData && promises) quirkState.endless = true;
    else if (ins !== INS.getResponse) quirkState.endless = false;
    if (quirkState.endless) return { data: EMPTY, sw: 0x6100 };
  }
  if (way === 'cgla' && quirks.cglaLastBlock > 0 && p1 === LAST_BLOCK.p1 && p2 === LAST_BLOCK.p2) {
    quirkState.lastBlocks++;
    if (ins === INS.storeData && quirkState.lastBlocks % quirks.cglaLastBlock === 0) return 'ERROR';
  }
  if (quirks.leNeeded && promises && hasDataWithoutLe(apdu)) return { data: EMPTY, sw: SW.ok };
  return response;
}

function hasDataWithoutLe(apdu: Uint8Array): boolean {
  try {
    const { data, le } = decodeCommandApdu(apdu);
    return data.length > 0 && le === undefined;
  } catch {
    return false;
  }
}
