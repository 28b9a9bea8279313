// Scripts of an SM-SR whose eUICC has keys for SCP80: ENVELOPEs for the device to hand on, and what the card proves it has done.
import { type CommandApdu, decodeCommandApdu, encodeCommandApdu } from '../../codec/apdu.ts';
import { decodeCommandScript, encodeCommandScript } from '../../codec/script.ts';
import { P1_LAST } from '../../codec/store-data.ts';
import type { Scp03Keys } from '../../crypto/scp03.ts';
import type { Scp80Key } from '../../crypto/scp80.ts';
import { type Scp80Target, SECURE_SPI } from '../../crypto/scp80-host.ts';
import {
  openOverTheAir,
  type OpenedOverTheAir,
  type OtaPacket,
  protectOverTheAir,
} from './second-layer-scp80.ts';

const MAX_OTA_VERSION = 0x0f;
const TAR_ISD_R = Uint8Array.of(0, 0, 1);
/** As whom an SM-SR writes: a number that nobody answers, since proofs of receipt come in the report. */
const SENDER = { originator: { type: 0x81, digits: '7677' } } as const;

/** Whether a keyset of the ISD-R is for SCP80 (GSMA SGP.02, 2.4.3: versions 1 to 15). */
export function isOverTheAir(kvn: number): boolean {
  return kvn <= MAX_OTA_VERSION;
}

/** An eUICC's keyset: version and keys. */
export type OtaKeyset = { readonly kvn: number; readonly keys: Scp03Keys };

function targetOf({ keys, kvn }: OtaKeyset): Scp80Target {
  const aes = (key: Scp80Key['key']): Scp80Key => ({ algorithm: 'aes', key });
  return {
    tar: TAR_ISD_R,
    keyset: kvn,
    keys: { kic: aes(keys.enc), kid: aes(keys.mac) },
    spi: SECURE_SPI,
  };
}

/** The same packets each time for the same commands behind the same counter. */
function packetsOf(keyset: OtaKeyset, commands: readonly CommandApdu[], counter: number): OtaPacket[] {
  return protectOverTheAir(targetOf(keyset), commands, { counter: counter + 1, sender: SENDER });
}

/** STORE DATA asks for its answer where it is short: what a load answers is signed and fetched as a notification. */
export function askingCommands(commands: readonly CommandApdu[]): CommandApdu[] {
  return commands.map((command) => (command.p1 === P1_LAST ? { ...command, le: 256 } : command));
}

/** A Command Scripting template of ENVELOPEs, and how many counters it takes behind the last one that was used. */
export function protectOtaScript(
  keyset: OtaKeyset,
  commands: readonly CommandApdu[],
  counter: number,
): { readonly script: Uint8Array; readonly counters: number } {
  const packets = packetsOf(keyset, commands, counter);
  return {
    script: encodeCommandScript(packets.flatMap(({ envelopes }) => envelopes)),
    counters: packets.length,
  };
}

export function keptCommands(commands: readonly CommandApdu[]): Uint8Array {
  return encodeCommandScript(commands.map(encodeCommandApdu));
}

/** What the card answered to the ENVELOPEs of a script whose commands were kept. */
export function openOtaAnswer(
  keyset: OtaKeyset,
  script: { readonly commands: Uint8Array; readonly counter: number },
  answers: readonly Uint8Array[],
): OpenedOverTheAir & { readonly counters: number } {
  const commands = decodeCommandScript(script.commands).map(decodeCommandApdu);
  const packets = packetsOf(keyset, commands, script.counter);
  return { ...openOverTheAir(targetOf(keyset), packets, answers), counters: packets.length };
}
