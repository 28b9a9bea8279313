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

function named(card: Card, channel: Channel, { p1, p2 }: CommandApdu): Named {
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

function setEnabled(enabled: boolean): Instruction['run'] {
  return (card, channel, command) => {
    const { folder, reference, pin } = named(card, channel, command);
    if (command.data.length !== PIN_OCTETS) refuse(SW.wrongLength);
    if (pin.enabled === enabled || !pin.content.mayBeDisabled) refuse(SW.conditionsOfUse);
    const failed = failure(card.profile.pins.verify(folder, reference, command.data));
    if (failed !== undefined) return failed;
    card.profile.pins.setEnabled(folder, reference, enabled);
    return ok();
  };
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

/** Four to eight digits in ASCII, then FF (9.5.1); administrative keys (0A to 0E, 8A to 8E) may hold anything. */
function requirePinForm(reference: number, value: Uint8Array): void {
  const low = reference & 0x7f;
  if (low >= 0x0a && low <= 0x0e) return;
  let digits = 0;
  while (digits < value.length && (value[digits] ?? 0) >= 0x30 && (value[digits] ?? 0) <= 0x39) digits++;
  if (digits < 4 || value.subarray(digits).some((octet) => octet !== 0xff)) refuse(SW.wrongData);
}

export const PIN_INSTRUCTIONS: readonly Instruction[] = [
  { ins: 0x20, classes: INTERINDUSTRY, run: verify },
  { ins: 0x24, classes: INTERINDUSTRY, run: change },
  { ins: 0x26, classes: INTERINDUSTRY, run: setEnabled(false) },
  { ins: 0x28, classes: INTERINDUSTRY, run: setEnabled(true) },
  { ins: 0x2c, classes: INTERINDUSTRY, run: unblock },
];
