// A card with the profile of tests of the card OS, and transcripts of commands and their literal answers.
import type { TransmissionOptions } from '../card-os.ts';
import type { Euicc } from '../euicc.ts';
import { USIM_AID } from '../profile-samples.ts';
import { osPackage } from './os-profile.ts';
import { raw } from './terminal.ts';
import { createWorld, ICCID_A, sampleMetadata, type World } from './world.ts';

const profiles = [{ upp: osPackage(), metadata: sampleMetadata(ICCID_A), enabled: true }];

export function osWorld(transmission: TransmissionOptions = {}): Promise<World> {
  return createWorld({ profiles, transmission });
}

export async function osCard(transmission: TransmissionOptions = {}): Promise<Euicc> {
  return (await osWorld(transmission)).card;
}

/** Sends each command and expects its answer. */
export async function transcript(
  card: Euicc,
  ...steps: readonly (readonly [command: string, answer: string])[]
): Promise<void> {
  for (const [i, [command, expected]] of steps.entries()) {
    const answer = await raw(card, command.replaceAll(' ', ''));
    if (answer !== expected.replaceAll(' ', '')) {
      throw new Error(`step ${i}, ${command}: ${answer}, expected ${expected}`);
    }
  }
}

export const SELECT_USIM: readonly [string, string] = [`00A4040C0C${USIM_AID}`, '9000'];
export const PIN = '31323334FFFFFFFF';
export const VERIFY_1: readonly [string, string] = [`0020000108${PIN}`, '9000'];
export const VERIFY_LOCAL: readonly [string, string] = [`0020008108${PIN}`, '9000'];
