// A trace in words: each exchange, chains of STORE DATA put together, and responses that GET RESPONSE fetched in parts made whole.
import { concat, EMPTY, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { channelOf, type CommandApdu, decodeCommandApdu } from './apdu.ts';
import { describeRequests, describeResponses } from './describe.ts';
import { commandFault, describeCommand, describeResponse, isPinInstruction } from './describe-apdu.ts';
import { type DescribedNode, fault, hexNode, leaf } from './describe-node.ts';
import { createStoreDataReassembler, type StoreDataReassembler } from './store-data.ts';
import type { TraceStep } from './trace-lines.ts';

const INS = {
  initializeUpdate: 0x50,
  getResponse: 0xc0,
  storeData: 0xe2,
  readBinary: 0xb0,
  readRecord: 0xb2,
} as const;

/** What is known of a logical channel on the way through a trace. */
type Channel = {
  readonly chain: StoreDataReassembler;
  held: Uint8Array;
  parts: number;
  /** Instruction whose response this is, also when GET RESPONSE fetches it. */
  ins: number;
};

/** One list of nodes for each exchange, ATR or line between them. */
export function describeTrace(steps: readonly TraceStep[]): readonly (readonly DescribedNode[])[] {
  const channels = new Map<number, Channel>();
  const parts: DescribedNode[][] = [];
  let last: { readonly command: CommandApdu; readonly channel: Channel } | undefined;
  let notes: DescribedNode[] | undefined;
  for (const step of steps) {
    if (step.is !== 'note') notes = undefined;
    switch (step.is) {
      case 'note': {
        const node = leaf(0, `line ${step.line}`, step.text);
        if (notes === undefined) parts.push((notes = [node]));
        else notes.push(node);
        break;
      }
      case 'atr':
        channels.clear();
        parts.push([hexNode(0, `line ${step.line}: ATR`, step.octets)]);
        break;
      case 'command':
        last = opened(step.octets, channels);
        parts.push([leaf(0, `line ${step.line}`, step.said ?? ''), ...commandNodes(step.octets, last)]);
        break;
      case 'response': {
        const told = step.said === undefined ? [] : [leaf(0, `line ${step.line}`, step.said)];
        const nodes = [...told, ...responseNodes(step.octets, last)];
        const current = parts.at(-1);
        if (last === undefined || current === undefined)
          parts.push(told.length > 0 ? nodes : [leaf(0, `line ${step.line}`, ''), ...nodes]);
        else current.push(...nodes);
        last = undefined;
      }
    }
  }
  return parts;
}

function opened(
  octets: Uint8Array,
  channels: Map<number, Channel>,
): { readonly command: CommandApdu; readonly channel: Channel } | undefined {
  let command: CommandApdu;
  try {
    command = decodeCommandApdu(octets);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return undefined;
  }
  const number = channelOf(command.cla);
  let channel = channels.get(number);
  if (channel === undefined) {
    channel = { chain: createStoreDataReassembler(), held: EMPTY, parts: 0, ins: 0 };
    channels.set(number, channel);
  }
  return { command, channel };
}

const HEADER_OCTETS = 4;

/** Octets that are no whole command; a part of a PIN is a secret too. */
function cutCommand(octets: Uint8Array): DescribedNode {
  if (!isPinInstruction(octets[1] ?? 0) || octets.length <= HEADER_OCTETS)
    return hexNode(0, 'command', octets);
  const header = toHex(octets.subarray(0, HEADER_OCTETS));
  return { at: 0, name: 'command', length: octets.length, text: `${header}, then secret`, children: [] };
}

function commandNodes(octets: Uint8Array, last: ReturnType<typeof opened>): DescribedNode[] {
  const nodes = describeCommand(octets, 0, describeRequests) ?? [
    cutCommand(octets),
    fault(Math.min(4, octets.length), commandFault(octets)),
  ];
  if (last === undefined) return nodes;
  const { command, channel } = last;
  if (command.ins !== INS.getResponse) {
    [channel.held, channel.parts] = [EMPTY, 0];
    channel.ins = command.ins;
  }
  if (command.ins !== INS.storeData) {
    if (command.ins !== INS.getResponse) channel.chain.reset();
    return nodes;
  }
  const outcome = channel.chain.add(command);
  if (outcome.is === 'refused')
    return [...nodes, fault(0, `block ${command.p2} does not follow the one before`)];
  if (outcome.is === 'more' || command.p2 === 0) return nodes;
  const whole = { at: 0, name: 'whole request', length: outcome.request.length };
  return [...nodes, { ...whole, children: describeRequests(outcome.request, 0) }];
}

/** The answer to INITIALIZE UPDATE (GlobalPlatform Amendment D 7.1.1): names and octets of its fields. */
const INITIALIZE_UPDATE = [
  ['key diversification data', 10],
  ['key version', 1],
  ['secure channel protocol', 1],
  ['options (i)', 1],
  ['card challenge', 8],
  ['card cryptogram', 8],
  ['sequence counter', 3],
] as const;
const INITIALIZE_UPDATE_OCTETS: readonly number[] = [29, 32];

function initializeUpdateNodes(data: Uint8Array, at: number): DescribedNode[] {
  let from = 0;
  return INITIALIZE_UPDATE.filter((_, i) => i < 6 || data.length > 29).map(([name, length]) => {
    const node = hexNode(at + from, name, data.subarray(from, from + length));
    from += length;
    return node;
  });
}

function responseNodes(octets: Uint8Array, last: ReturnType<typeof opened>): DescribedNode[] {
  const data = octets.subarray(0, Math.max(0, octets.length - 2));
  const more = octets.length >= 2 && octets[octets.length - 2] === 0x61;
  const channel = last?.channel;
  const inParts = channel !== undefined && (channel.parts > 0 || (more && data.length > 0));
  const content = channel?.ins === INS.readBinary || channel?.ins === INS.readRecord;
  const plain = (bytes: Uint8Array, at: number): DescribedNode[] => [
    hexNode(at, inParts ? 'part of the response' : 'content', bytes),
  ];
  const session = channel?.ins === INS.initializeUpdate && INITIALIZE_UPDATE_OCTETS.includes(data.length);
  const objects = session ? initializeUpdateNodes : inParts || content ? plain : describeResponses;
  const nodes = describeResponse(octets, 0, objects) ?? [
    hexNode(0, 'response', octets),
    fault(Math.max(0, octets.length - 2), 'expected a status word'),
  ];
  if (channel === undefined || !inParts) return nodes;
  channel.held = concat(channel.held, data);
  channel.parts++;
  if (more) return nodes;
  const whole = { at: 0, name: 'whole response', length: channel.held.length };
  const children = describeResponses(channel.held, 0);
  [channel.held, channel.parts] = [EMPTY, 0];
  return [...nodes, { ...whole, children }];
}
