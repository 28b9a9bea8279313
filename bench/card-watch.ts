// What every answer of a card and every state of its store must be like, whatever was sent.
import { bytesUint, toHex } from '../base/bytes.ts';
import { createSeededRandom } from '../base/random.ts';
import { decodeCommandApdu } from '../codec/apdu.ts';
import { isAgentError } from '../base/errors.ts';
import {
  notificationCells,
  otKeysCell,
  packageCell,
  pendingSwitchCell,
  profileCells,
  settingsCell,
} from '../euicc/records.ts';
import { iotCell, packageResultCells, rollbackCell } from '../euicc/iot/records.ts';
import { createState, type State } from '../euicc/state.ts';
import { openCardStore } from '../euicc/store.ts';
import { STORE_KEY, type World } from '../euicc/testing/world.ts';
import type { Hidden } from './card-subject.ts';

const MAX_ANSWER = 258;
/** Status words that the card has, besides those that carry a number. */
const KNOWN = new Set([
  0x9000, 0x6200, 0x6282, 0x6283, 0x62f1, 0x62f2, 0x6300, 0x63f1, 0x63f2, 0x6700, 0x6881, 0x6882, 0x6884,
  0x6981, 0x6982, 0x6983, 0x6984, 0x6985, 0x6986, 0x6a80, 0x6a81, 0x6a82, 0x6a83, 0x6a84, 0x6a86, 0x6a87,
  0x6a88, 0x6b00, 0x6d00, 0x6e00, 0x9300, 0x9850, 0x9862, 0x9864,
]);
/** 61xx, 63Cx, 6Cxx, 91xx. */
const NUMBERED: readonly (readonly [mask: number, sw: number])[] = [
  [0xff00, 0x6100],
  [0xfff0, 0x63c0],
  [0xff00, 0x6c00],
  [0xff00, 0x9100],
];
const INS_GET_RESPONSE = 0xc0;
const OUT_OF_SEQUENCE = 0x6f00;
/** A part of a secret that is as good as the whole. */
const TELLING_OCTETS = 8;

export type Watch = {
  /** Why an answer is wrong, or undefined. */
  answer(command: Uint8Array, answer: Uint8Array): string | undefined;
  /** Why what the card has stored is wrong, or undefined. */
  store(world: World): Promise<string | undefined>;
};

export function createWatch(hidden: readonly Hidden[]): Watch {
  const telling = new Map<number, Hidden[]>();
  const hide = (secret: Hidden): void => {
    for (let at = 0; at + TELLING_OCTETS <= secret.value.length; at++) {
      const part = { name: secret.name, value: secret.value.subarray(at, at + TELLING_OCTETS) };
      const first = bytesUint(part.value.subarray(0, 4));
      const known = telling.get(first);
      if (known === undefined) telling.set(first, [part]);
      else known.push(part);
    }
  };
  hidden.forEach(hide);
  const secretIn = (answer: Uint8Array): string | undefined => {
    const view = new DataView(answer.buffer, answer.byteOffset, answer.length);
    for (let at = 0; at + TELLING_OCTETS <= answer.length; at++) {
      const parts = telling.get(view.getUint32(at));
      const found = parts?.find(({ value }) => value.every((octet, i) => answer[at + i] === octet));
      if (found !== undefined) return `holds ${found.name}`;
    }
    return undefined;
  };
  return {
    answer: (command, answer) => malformed(command, answer) ?? secretIn(answer),
    async store({ files }) {
      const random = createSeededRandom(1);
      const state = createState(await openCardStore({ path: 'card', key: STORE_KEY, random, files }));
      for (const { privateKey } of state.read(otKeysCell))
        hide({ name: 'a one-time key', value: privateKey });
      return inconsistent(state);
    },
  };
}

function malformed(command: Uint8Array, answer: Uint8Array): string | undefined {
  if (answer.length < 2 || answer.length > MAX_ANSWER) return `${answer.length} octets`;
  const sw = bytesUint(answer.subarray(-2));
  const known = KNOWN.has(sw) || NUMBERED.some(([mask, is]) => (sw & mask) === is);
  if (!known && !(sw === OUT_OF_SEQUENCE && command[1] === INS_GET_RESPONSE)) {
    return `status word ${toHex(answer.subarray(-2))}`;
  }
  const octets = answer.length - 2;
  if (octets === 0) return undefined;
  if (sw >> 8 > 0x63 && sw >> 8 < 0x90) return `${octets} octets with an error`;
  const most = octetsExpected(command);
  return octets > most ? `${octets} octets where ${most} were asked for` : undefined;
}

/** Most octets that a command of T=0 may be answered with. */
function octetsExpected(command: Uint8Array): number {
  try {
    return decodeCommandApdu(command).le ?? 0;
  } catch (error) {
    if (isAgentError(error)) return 0;
    throw error;
  }
}

function inconsistent(state: State): string | undefined {
  const { enabled, nextSeqNumber, nextProfileNumber } = state.read(settingsCell);
  const profiles = state.ids(profileCells.prefix).map(Number);
  if (enabled !== 0 && !profiles.includes(enabled)) return `profile ${enabled} is enabled and not there`;
  if (profiles.some((number) => number >= nextProfileNumber)) return 'a profile number is given out again';
  const bare = profiles.find((number) => !state.has(packageCell(number)));
  if (bare !== undefined) return `profile ${bare} has no package`;
  const iccids = profiles.map((number) => state.read(profileCells(number))?.iccid);
  if (new Set(iccids).size !== iccids.length) return 'an ICCID is there twice';
  const orphan = state.ids('profile/').find((name) => !profiles.includes(Number(name.split('/')[0])));
  if (orphan !== undefined) return `profile/${orphan} has no profile`;
  const pending = state.read(pendingSwitchCell)?.to ?? 0;
  if (pending !== 0 && !profiles.includes(pending)) return `a switch to ${pending}, which is not there`;
  const late = [...state.ids(notificationCells.prefix), ...state.ids(packageResultCells.prefix)].find(
    (number) => Number(number) >= nextSeqNumber,
  );
  if (late !== undefined) return `notification ${late} before its number was given out`;
  const rollback = state.read(rollbackCell);
  if (rollback !== undefined && rollback.from !== enabled)
    return 'a rollback of a profile that is not enabled';
  const { emergencyReturn, fallback, fallbackReturn } = state.read(iotCell);
  if (emergencyReturn !== undefined && enabled === 0) return 'an emergency call without a profile';
  return fallbackReturn !== 0 && enabled !== fallback ? 'a way back without a fallback' : undefined;
}
