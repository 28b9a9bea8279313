// PUT KEY and DELETE KEY of a security domain: how keys come, change and go (GlobalPlatform Card Specification 11.2, 11.8; SGP.02 2.2.5
// for the versions).
import { equalBytes } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
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
import { desEcbDecrypt, desKeyCheckValue } from '../../crypto/des.ts';
import { decryptWithDek } from '../../crypto/scp03.ts';
import { ok, refuse, type Reply } from '../os/reply.ts';
import { type DomainKey, type DomainKeys, isVersionOf, KEY, onlyComponent } from './keys.ts';

/** Algorithm not supported; invalid key check value (GlobalPlatform 11.8.3.2). */
const SW_ALGORITHM = 0x9484;
const SW_CHECK_VALUE = 0x9485;

const AES_OCTETS: readonly number[] = [16, 24, 32];
/** DES in two or three keys, named as such or as triple DES in CBC mode; a single one is no key to give to anybody today. */
const DES_TYPES: ReadonlySet<number> = new Set([0x80, 0x82]);
const DES_OCTETS: readonly number[] = [16, 24];
/** As many as a security domain keeps at a time. */
const MAX_KEYSETS = 8;

/** Which kinds of keys a security domain takes: SGP.02 knows AES alone, an operator's SCP80 keys may be DES still. */
export type KeyKinds = 'aes' | 'aes and des';

/**
 * PUT KEY under the DEK of the keyset that protects the command. The answer is the receipt: version and check values. A keyset that
 * differs in a session key begins with counters of its own; what only gets another DEK counts on.
 */
export function putKey(keys: DomainKeys, kinds: KeyKinds, command: CommandApdu, protectedBy: number): Reply {
  const given = readOr(() => readPutKey(command));
  const { replaces, version } = given;
  if ((replaces & 0x80) !== 0 || given.identifier < KEY.enc || given.identifier > KEY.dek) {
    return refuse(SW.incorrectP1P2);
  }
  if (!isVersionOf('scp80', version) && !isVersionOf('scp03', version)) return refuse(SW.wrongData);
  const replaced = replaces === 0 ? [] : keys.of(replaces);
  if (replaces !== 0 && replaced.length === 0) return refuse(SW.referencedDataNotFound);
  if (version !== replaces && keys.of(version).length > 0) return refuse(SW.conditionsOfUse);
  if (replaces === 0 && keys.versions().length >= MAX_KEYSETS) return refuse(SW.notEnoughMemory);
  const dek = onlyComponent(keys.of(protectedBy), KEY.dek) ?? refuse(SW.conditionsOfUse);
  const brought = broughtKeys(given, kinds, dek);
  const kept = version === replaces ? replaced : [];
  const next = merged(kept, brought);
  checkKeyset(version, next, kept);
  store(keys, given, next, replaced);
  return ok(encodeKeyReceipt(version, brought.map(checkValueOf)));
}

type Component = DomainKey['components'][number];

function broughtKeys({ identifier, keys }: PutKey, kinds: KeyKinds, dek: Component): DomainKey[] {
  return keys.map((field, index) => {
    const next = identifier + index;
    if (next > KEY.dek) return refuse(SW.wrongData);
    return { identifier: next, components: [openKey(field, kinds, dek)] };
  });
}

function openKey(
  { checkValue, encrypted, length, type }: PutKeyField,
  kinds: KeyKinds,
  dek: Component,
): Component {
  const isAes = type === KEY_TYPE_AES;
  if (!isAes && (kinds === 'aes' || !DES_TYPES.has(type))) return refuse(SW_ALGORITHM);
  const lengths = isAes ? AES_OCTETS : DES_OCTETS;
  if (!lengths.includes(length) || checkValue.length !== KEY_CHECK_OCTETS) return refuse(SW.wrongData);
  const key = { type, data: readOr(() => decrypted(dek, encrypted, length)) };
  return equalBytes(checkValueOf({ identifier: 0, components: [key] }), checkValue)
    ? key
    : refuse(SW_CHECK_VALUE);
}

function decrypted(dek: Component, encrypted: Uint8Array, length: number): Secret<Uint8Array> {
  if (dek.type === KEY_TYPE_AES) return decryptWithDek(dek.data, encrypted, length);
  if (!DES_TYPES.has(dek.type) || encrypted.length !== length) return refuse(SW.wrongData);
  return new Secret(desEcbDecrypt(dek.data, encrypted));
}

function checkValueOf({ components }: DomainKey): Uint8Array {
  const [key] = components;
  if (key === undefined) return refuse(SW.wrongData);
  return key.type === KEY_TYPE_AES ? aesKeyCheckValue(key.data) : desKeyCheckValue(key.data);
}

/** A keyset keeps those keys that the command does not bring. */
function merged(kept: readonly DomainKey[], brought: readonly DomainKey[]): DomainKey[] {
  const others = kept.filter(({ identifier }) => !brought.some((key) => key.identifier === identifier));
  return [...others, ...brought].toSorted((a, b) => a.identifier - b.identifier);
}

/** Three keys of one kind, and of one length where they are for SCP03; what a keyset never had may go on missing. */
function checkKeyset(version: number, keys: readonly DomainKey[], before: readonly DomainKey[]): void {
  const set = [KEY.enc, KEY.mac, KEY.dek].flatMap((identifier) => {
    const key = onlyComponent(keys, identifier);
    const missedBefore = before.length > 0 && !before.some((each) => each.identifier === identifier);
    if (key === undefined && !(missedBefore && identifier === KEY.dek)) return refuse(SW.wrongData);
    return key === undefined ? [] : [key];
  });
  const allAes = set.every(({ type }) => type === KEY_TYPE_AES);
  const allDes = set.every(({ type }) => DES_TYPES.has(type));
  const lengths = new Set(set.map(({ data }) => data.reveal().length));
  if (isVersionOf('scp03', version) && !allAes) refuse(SW.wrongData);
  if ((!allAes && !allDes) || (allAes && lengths.size > 1)) refuse(SW.wrongData);
}

/** Whether what one set of keys protects, the other one does too. */
function sameSession(a: readonly DomainKey[], b: readonly DomainKey[]): boolean {
  return [KEY.enc, KEY.mac].every((identifier) => {
    const [left, right] = [onlyComponent(a, identifier), onlyComponent(b, identifier)];
    return left !== undefined && right !== undefined && equalBytes(left.data.reveal(), right.data.reveal());
  });
}

/** Keys that are there already would count from 0 again: what was sent under them could be sent once more. */
function store(
  keys: DomainKeys,
  { replaces, version }: PutKey,
  next: readonly DomainKey[],
  replaced: readonly DomainKey[],
): void {
  if (version === replaces && sameSession(replaced, next)) {
    keys.put(version, next, 'goes on');
    return;
  }
  if (keys.versions().some((each) => sameSession(keys.of(each), next))) refuse(SW.wrongData);
  if (replaces !== 0 && replaces !== version) keys.remove(replaces);
  keys.put(version, next, { from: 0 });
}

/** DELETE KEY: a whole keyset, but not the one that protects the command, and never the last one. */
export function deleteKey(keys: DomainKeys, { p1, p2, data }: CommandApdu, protectedBy: number): Reply {
  if (p1 !== 0 || p2 !== 0) return refuse(SW.incorrectP1P2);
  const { identifier, version } = readOr(() => readDeleteKey(data)) ?? refuse(SW.wrongData);
  if (version === undefined || identifier !== undefined) return refuse(SW.conditionsOfUse);
  if (keys.of(version).length === 0) return refuse(SW.referencedDataNotFound);
  if (version === protectedBy || keys.versions().length === 1) return refuse(SW.conditionsOfUse);
  keys.remove(version);
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
