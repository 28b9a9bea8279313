// What terminals do with the certificate profile of a card, with the choices left to dice.
import { toHex } from '../base/bytes.ts';
import { AID_CERTIFICATE_PROFILE, encodeCertificateProfilePin } from '../codec/certificate-profile.ts';
import { encodeAid } from '../codec/ids.ts';
import { raw, selectAid } from '../euicc/testing/terminal.ts';
import type { World } from '../euicc/testing/world.ts';
import { PROFILE_PIN } from './card-subject.ts';
import { below, type Dice, pick } from './mutate.ts';

const PIN = toHex(encodeCertificateProfilePin(PROFILE_PIN.reveal()));

/** PIN, reading and signing, right and wrong. */
export async function certificateProfile({ card }: World, dice: Dice): Promise<void> {
  await selectAid(card, encodeAid(AID_CERTIFICATE_PROFILE));
  for (let left = below(dice, 12); left > 0; left--) {
    const challenge = toHex(dice.bytes(16));
    const command = pick(dice, [
      '00200001',
      `0020000108${PIN}`,
      `0020000108${PIN}`,
      '002000010831313131FFFFFFFF',
      '80CA00EC00',
      '80CA005A00',
      `0088000110${challenge}00`,
      `008800${toHex(dice.bytes(1))}10${challenge}00`,
    ]);
    await raw(card, command);
  }
}
