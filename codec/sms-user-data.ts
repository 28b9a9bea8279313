// User data of short messages: the header's elements, secured packets cut into parts and put together again (3GPP TS 23.040 9.2.3.24, TS 31.115 4).
import { concat, EMPTY } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';

export type UserDataElement = { readonly id: number; readonly data: Uint8Array };

/** `elements` is empty where there is no user data header. */
export type UserData = { readonly elements: readonly UserDataElement[]; readonly body: Uint8Array };

/** Information element identifiers in use. */
export const IEI = {
  concatenated8: 0x00,
  concatenated16: 0x08,
  commandPacket: 0x70,
  responsePacket: 0x71,
} as const;

function malformed(why: string): AgentError {
  return new AgentError('SMS_INVALID', { why });
}

/** Takes header and body apart; octets that are no whole element are an error. Throws `SMS_INVALID`. */
export function splitUserData(bytes: Uint8Array, hasHeader: boolean): UserData {
  if (!hasHeader) return { elements: [], body: Uint8Array.from(bytes) };
  const end = 1 + (bytes[0] ?? 0);
  if (bytes.length < end) throw malformed('the user data header is cut off');
  const elements: UserDataElement[] = [];
  for (let at = 1; at < end; ) {
    const [id, length] = bytes.subarray(at, end);
    const next = at + 2 + (length ?? 0);
    if (id === undefined || length === undefined || next > end)
      throw malformed('an element of the user data header');
    elements.push({ id, data: bytes.slice(at + 2, next) });
    at = next;
  }
  if (elements.length === 0) throw malformed('an empty user data header');
  return { elements, body: bytes.slice(end) };
}

export function joinUserData({ elements, body }: UserData): Uint8Array {
  if (elements.length === 0) return Uint8Array.from(body);
  const parts = elements.map(({ id, data }) => concat(Uint8Array.of(id, data.length), data));
  const header = concat(...parts);
  if (header.length > 139 || elements.some(({ data }) => data.length > 137))
    throw malformed('the user data header is too long');
  return concat(Uint8Array.of(header.length), header, body);
}

const MAX_USER_DATA = 140;
/** 00 03 reference parts number. */
const CONCATENATION_OCTETS = 5;
const MAX_PARTS = 255;

/**
 * A secured packet as the user data of one short message, or of several when it does not fit: each has the concatenation
 * element, the first the packet's own as well (TS 31.115 4.1). `reference` is 0 to 255.
 */
export function packetToUserData(
  packet: Uint8Array,
  reference: number,
  element: typeof IEI.commandPacket | typeof IEI.responsePacket = IEI.commandPacket,
): UserData[] {
  const marker = { id: element, data: EMPTY };
  if (packet.length <= MAX_USER_DATA - 3) return [{ elements: [marker], body: packet }];
  const firstRoom = MAX_USER_DATA - 1 - CONCATENATION_OCTETS - 2;
  const room = MAX_USER_DATA - 1 - CONCATENATION_OCTETS;
  const count = 1 + Math.ceil((packet.length - firstRoom) / room);
  if (count > MAX_PARTS) throw malformed(`${packet.length} octets are too many for one message`);
  return Array.from({ length: count }, (_, i) => {
    const concatenation = { id: IEI.concatenated8, data: Uint8Array.of(reference & 0xff, count, i + 1) };
    const from = i === 0 ? 0 : firstRoom + (i - 1) * room;
    return {
      elements: i === 0 ? [concatenation, marker] : [concatenation],
      body: packet.slice(from, i === 0 ? firstRoom : from + room),
    };
  });
}

/** Collects the parts of concatenated messages, a bounded number of messages at a time. */
export type MessageAssembler = {
  /**
   * Takes one message of `originator`; answers the whole user data once all parts are there, with the elements of the
   * first part less the concatenation. Repeated parts are ignored. Throws `SMS_INVALID`.
   */
  add(originator: string, part: UserData): UserData | undefined;
  /** Messages of which parts are still missing. */
  readonly pending: number;
};

type Pending = { readonly count: number; readonly parts: Map<number, UserData> };

/** Beyond `limit` unfinished messages the oldest one is given up. */
export function createMessageAssembler(limit = 4): MessageAssembler {
  const messages = new Map<string, Pending>();
  return {
    get pending() {
      return messages.size;
    },
    add(originator, part) {
      const place = placeOf(part);
      if (place === undefined) return part;
      const key = `${originator} ${place.reference} ${place.count}`;
      const message = messages.get(key) ?? { count: place.count, parts: new Map<number, UserData>() };
      // Set anew so that the message that waits longest without a part stands first.
      messages.delete(key);
      messages.set(key, message);
      if (!message.parts.has(place.number)) message.parts.set(place.number, part);
      if (message.parts.size < message.count) {
        const [oldest] = messages.keys();
        if (messages.size > limit && oldest !== undefined) messages.delete(oldest);
        return undefined;
      }
      messages.delete(key);
      return whole(message);
    },
  };
}

function whole({ count, parts }: Pending): UserData {
  const ordered = Array.from({ length: count }, (_, i) => parts.get(i + 1) ?? { elements: [], body: EMPTY });
  const elements = (ordered[0]?.elements ?? []).filter(({ id }) => !isConcatenation(id));
  return { elements, body: concat(...ordered.map(({ body }) => body)) };
}

function isConcatenation(id: number): boolean {
  return id === IEI.concatenated8 || id === IEI.concatenated16;
}

type Place = { readonly reference: string; readonly count: number; readonly number: number };

function placeOf({ elements }: UserData): Place | undefined {
  const element = elements.find(({ id }) => isConcatenation(id));
  if (element === undefined) return undefined;
  const wide = element.id === IEI.concatenated16;
  const { data } = element;
  if (data.length !== (wide ? 4 : 3)) throw malformed('the concatenation element');
  const [count = 0, number = 0] = data.subarray(wide ? 2 : 1);
  // TS 23.040 9.2.3.24.1: such an element is to be ignored, which leaves a message of its own.
  if (count === 0 || number === 0 || number > count) return undefined;
  const reference = wide ? `w${(data[0] ?? 0) * 256 + (data[1] ?? 0)}` : `${data[0] ?? 0}`;
  return { reference, count, number };
}
