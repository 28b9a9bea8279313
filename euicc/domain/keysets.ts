// The keysets of the ISD-R: which there are, and how keys come, change and go (GlobalPlatform Card Specification 11.2, 11.8; SGP.02
// 2.2.5 for the versions).
import { equalBytes } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import {
  encodeKeyReceipt,
  KEY_CHECK_OCTETS,
  KEY_TYPE_AES,
  type PutKey,
  type PutKeyField,
  readDeleteKey,
  readPutKey,
} from '../../codec/put-key.ts';
import { aesKeyCheckValue } from '../../crypto/aes.ts';
import { decryptWithDek } from '../../crypto/scp03.ts';
import { ok, refuse, type Reply } from '../os/reply.ts';
import { type Keyset, keysetCells, scp80CounterCells } from '../records.ts';
import type { State } from '../state.ts';

/** Algorithm not supported; invalid key check value (GlobalPlatform 11.8.3.2). */
const SW_ALGORITHM = 0x9484;
const SW_CHECK_VALUE = 0x9485;

const KEY_NAMES = ['enc', 'mac', 'dek'] as const;
const KEY_OCTETS: readonly number[] = [16, 24, 32];
/** Versions for SCP80 and for SCP03. */
const VERSIONS: readonly (readonly [number, number])[] = [
  [0x01, 0x0f],
  [0x30, 0x3f],
];
/** As many as the card keeps at a time. */
const MAX_KEYSETS = 8;

/** The versions there are, the lowest first: version 0 of a command means that one. */
export function keyVersions(state: State): readonly number[] {
  return state
    .ids(keysetCells.prefix)
    .map(Number)
    .toSorted((a, b) => a - b);
}

/** Key information template (E0): identifier, version, type and length of each key, no values. */
export function keyInformation(state: State): Uint8Array {
  const entries = keyVersions(state).flatMap((version) => {
    const length = state.read(keysetCells(version))?.enc.length ?? 0;
    return KEY_NAMES.map((_, index) =>
      encodeTlv(0xc0, Uint8Array.of(index + 1, version, KEY_TYPE_AES, length)),
    );
  });
  return encodeTlv(0xe0, ...entries);
}

/**
 * PUT KEY under the DEK of the keyset that protects the command. The answer is the receipt: version and check values. A keyset that
 * differs in a session key begins with counters of its own; what only gets another DEK counts on.
 */
export function putKey(state: State, command: CommandApdu, protectedBy: number): Reply {
  const given = readOr(() => readPutKey(command));
  const { replaces, version } = given;
  if ((replaces & 0x80) !== 0 || given.identifier < 1 || given.identifier > KEY_NAMES.length) {
    return refuse(SW.incorrectP1P2);
  }
  if (!VERSIONS.some(([from, to]) => version >= from && version <= to)) return refuse(SW.wrongData);
  const replaced = replaces === 0 ? undefined : state.read(keysetCells(replaces));
  if (replaces !== 0 && replaced === undefined) return refuse(SW.referencedDataNotFound);
  if (version !== replaces && state.has(keysetCells(version))) return refuse(SW.conditionsOfUse);
  if (replaces === 0 && keyVersions(state).length >= MAX_KEYSETS) return refuse(SW.notEnoughMemory);
  const dek = state.read(keysetCells(protectedBy))?.dek ?? refuse(SW.conditionsOfUse);
  const keys = newKeys(given, new Secret(dek));
  const next = keysetOf(keys, version === replaces ? replaced : undefined);
  store(state, given, next, replaced);
  return ok(encodeKeyReceipt(version, [...keys.values()].map(aesKeyCheckValue)));
}

/** The keys of the command by name. */
function newKeys({ identifier, keys }: PutKey, dek: Secret<Uint8Array>): Map<string, Secret<Uint8Array>> {
  const named = new Map<string, Secret<Uint8Array>>();
  for (const [index, field] of keys.entries()) {
    const name = KEY_NAMES[identifier - 1 + index] ?? refuse(SW.wrongData);
    named.set(name, openKey(field, dek));
  }
  return named;
}

function openKey(
  { checkValue, encrypted, length, type }: PutKeyField,
  dek: Secret<Uint8Array>,
): Secret<Uint8Array> {
  if (type !== KEY_TYPE_AES) return refuse(SW_ALGORITHM);
  if (!KEY_OCTETS.includes(length) || checkValue.length !== KEY_CHECK_OCTETS) return refuse(SW.wrongData);
  const key = readOr(() => decryptWithDek(dek, encrypted, length));
  return equalBytes(aesKeyCheckValue(key), checkValue) ? key : refuse(SW_CHECK_VALUE);
}

/** Three keys of one length; a keyset keeps those that the command does not bring. */
function keysetOf(
  keys: ReadonlyMap<string, Secret<Uint8Array>>,
  kept: Keyset | undefined,
): Omit<Keyset, 'sequenceCounter'> {
  const [enc, mac, dek] = KEY_NAMES.map(
    (name) => keys.get(name)?.reveal() ?? kept?.[name] ?? refuse(SW.wrongData),
  );
  if (enc === undefined || enc.length !== mac?.length || enc.length !== dek?.length)
    return refuse(SW.wrongData);
  return { enc, mac, dek };
}

type SessionKeys = Pick<Keyset, 'enc' | 'mac'>;

function sameSession(a: SessionKeys, b: SessionKeys): boolean {
  return equalBytes(a.enc, b.enc) && equalBytes(a.mac, b.mac);
}

/** Keys that are there already would count from 0 again: what was sent under them could be sent once more. */
function store(
  state: State,
  { replaces, version }: PutKey,
  next: Omit<Keyset, 'sequenceCounter'>,
  replaced: Keyset | undefined,
): void {
  if (version === replaces && replaced !== undefined && sameSession(replaced, next)) {
    state.write(keysetCells(version), { ...next, sequenceCounter: replaced.sequenceCounter });
    return;
  }
  const known = keyVersions(state).flatMap((each) => state.read(keysetCells(each)) ?? []);
  if (known.some((each) => sameSession(each, next))) refuse(SW.wrongData);
  if (replaced !== undefined) remove(state, replaces);
  state.write(keysetCells(version), { ...next, sequenceCounter: 0 });
}

function remove(state: State, version: number): void {
  state.remove(keysetCells(version));
  state.remove(scp80CounterCells(version));
}

/** DELETE KEY: a whole keyset, but not the one that protects the command, and never the last one. */
export function deleteKey(state: State, { p1, p2, data }: CommandApdu, protectedBy: number): Reply {
  if (p1 !== 0 || p2 !== 0) return refuse(SW.incorrectP1P2);
  const { identifier, version } = readOr(() => readDeleteKey(data)) ?? refuse(SW.wrongData);
  if (version === undefined || identifier !== undefined) return refuse(SW.conditionsOfUse);
  if (!state.has(keysetCells(version))) return refuse(SW.referencedDataNotFound);
  if (version === protectedBy || keyVersions(state).length === 1) return refuse(SW.conditionsOfUse);
  remove(state, version);
  // No confirmation beyond the status word (11.2.3.1).
  return ok(Uint8Array.of(0));
}

function readOr<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isAgentError(error)) return refuse(SW.wrongData);
    throw error;
  }
}
