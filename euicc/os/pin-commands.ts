// VERIFY, CHANGE, DISABLE, ENABLE and UNBLOCK PIN (ETSI TS 102 221, 11.1.9 to 11.1.13).
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import type { Directory } from '../profile-content.ts';
import { type Card, type Channel, type Instruction, INTERINDUSTRY } from './card.ts';
import { type Pin, PIN_OCTETS, type PinOutcome } from './pins.ts';
import { ok, refuse, type Reply, status } from './reply.ts';

const SW_ATTEMPTS_LEFT = 0x63c0;
const SW_INVALIDATED = 0x6984;
const MAX_COUNTER = 0x0f;
const P2_RESERVED = 0x60;

type Named = { readonly folder: Directory; readonly reference: number; readonly pin: Pin };

function named(card: Card, channel: Channel, { p1, p2 }: Pick<CommandApdu, 'p1' | 'p2'>): Named {
  if (p1 !== 0 || p2 === 0 || (p2 & P2_RESERVED) !== 0) refuse(SW.incorrectP1P2);
  const folder = channel.folder.content;
  const pin = card.profile.pins.find(folder, p2);
  if (pin === undefined) refuse(SW.referencedDataNotFound);
  return { folder, reference: p2, pin };
}

function attemptsLeft(left: number): Reply {
  return left === 0
    ? status(SW.authenticationBlocked)
    : status(SW_ATTEMPTS_LEFT | Math.min(left, MAX_COUNTER));
}

/** What a comparison answers: nothing when right. Where the last attempt failed, the counter is shown as 63C0. */
function failure(outcome: PinOutcome): Reply | undefined {
  if (outcome.is === 'right') return undefined;
  return outcome.is === 'blocked'
    ? status(SW.authenticationBlocked)
    : status(SW_ATTEMPTS_LEFT | Math.min(outcome.left, MAX_COUNTER));
}

function verify(card: Card, channel: Channel, command: CommandApdu): Reply {
  const { folder, reference, pin } = named(card, channel, command);
  if (command.data.length === 0) return attemptsLeft(pin.attemptsLeft);
  if (command.data.length !== PIN_OCTETS) refuse(SW.wrongLength);
  if (!pin.enabled) refuse(SW_INVALIDATED);
  return failure(card.profile.pins.verify(folder, reference, command.data)) ?? ok();
}

function change(card: Card, channel: Channel, command: CommandApdu): Reply {
  const { folder, reference, pin } = named(card, channel, command);
  const { data } = command;
  if (data.length !== 2 * PIN_OCTETS) refuse(SW.wrongLength);
  if (!pin.enabled) refuse(SW_INVALIDATED);
  if (!pin.content.mayBeChanged) refuse(SW.conditionsOfUse);
  requirePinForm(reference, data.subarray(PIN_OCTETS));
  const failed = failure(card.profile.pins.verify(folder, reference, data.subarray(0, PIN_OCTETS)));
  if (failed !== undefined) return failed;
  card.profile.pins.change(folder, reference, data.slice(PIN_OCTETS));
  return ok();
}

/** The PIN of the command with its right value, or the answer to a wrong one. */
function proved(card: Card, channel: Channel, command: CommandApdu, enabled: boolean): Named | Reply {
  const found = named(card, channel, { p1: 0, p2: command.p2 });
  const { folder, pin, reference } = found;
  if (command.data.length !== PIN_OCTETS) refuse(SW.wrongLength);
  if (pin.enabled !== enabled || !pin.content.mayBeDisabled) refuse(SW.conditionsOfUse);
  return failure(card.profile.pins.verify(folder, reference, command.data)) ?? found;
}

const P1_REPLACEMENT = 0x80;

/** The global PIN that P1 names to stand in for the disabled one; none where P1 is 00. */
function replacementOf(card: Card, channel: Channel, { p1, p2 }: CommandApdu): number | undefined {
  if (p1 === 0) return undefined;
  const reference = p1 & 0x1f;
  if ((p1 & 0xe0) !== P1_REPLACEMENT || reference === 0 || isAdministrative(reference) || reference === p2) {
    return refuse(SW.incorrectP1P2);
  }
  const found = card.profile.pins.find(channel.folder.content, reference);
  return found === undefined ? refuse(SW.referencedDataNotFound) : reference;
}

function disable(card: Card, channel: Channel, command: CommandApdu): Reply {
  const replacement = replacementOf(card, channel, command);
  const found = proved(card, channel, command, true);
  if ('sw' in found) return found;
  card.profile.pins.disable(found.folder, found.reference, replacement);
  return ok();
}

function enable(card: Card, channel: Channel, command: CommandApdu): Reply {
  if (command.p1 !== 0) refuse(SW.incorrectP1P2);
  const found = proved(card, channel, command, false);
  if ('sw' in found) return found;
  card.profile.pins.enable(found.folder, found.reference);
  return ok();
}

function unblock(card: Card, channel: Channel, command: CommandApdu): Reply {
  const { folder, reference } = named(card, channel, command);
  const { data } = command;
  const left = card.profile.pins.pukAttempts(folder, reference);
  if (left === undefined) refuse(SW.referencedDataNotFound);
  if (data.length === 0) return attemptsLeft(left);
  if (data.length !== 2 * PIN_OCTETS) refuse(SW.wrongLength);
  requirePinForm(reference, data.subarray(PIN_OCTETS));
  const puk = data.subarray(0, PIN_OCTETS);
  return failure(card.profile.pins.unblock(folder, reference, puk, data.slice(PIN_OCTETS))) ?? ok();
}

function isAdministrative(reference: number): boolean {
  const low = reference & 0x7f;
  return low >= 0x0a && low <= 0x0e;
}

/** Four to eight digits in ASCII, then FF (9.5.1); administrative keys (0A to 0E, 8A to 8E) may hold anything. */
function requirePinForm(reference: number, value: Uint8Array): void {
  if (isAdministrative(reference)) return;
  let digits = 0;
  while (digits < value.length && (value[digits] ?? 0) >= 0x30 && (value[digits] ?? 0) <= 0x39) digits++;
  if (digits < 4 || value.subarray(digits).some((octet) => octet !== 0xff)) refuse(SW.wrongData);
}

export const PIN_INSTRUCTIONS: readonly Instruction[] = [
  { ins: 0x20, classes: INTERINDUSTRY, run: verify },
  { ins: 0x24, classes: INTERINDUSTRY, run: change },
  { ins: 0x26, classes: INTERINDUSTRY, run: disable },
  { ins: 0x28, classes: INTERINDUSTRY, run: enable },
  { ins: 0x2c, classes: INTERINDUSTRY, run: unblock },
];
