// The profiles that a card is made with: packages from files, and a small one of our own with keys that everyone knows.
import { fromHex } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { luhnDigit, parseIccid, parseImsi } from '../codec/ids.ts';
import { pastedOctets } from '../codec/pasted.ts';
import { loadProfilePackage } from '../euicc/profile-loader.ts';
import { profileSummary } from '../euicc/profile-summary.ts';
import type { ProfileMetadata } from '../euicc/profiles.ts';
import { buildProfilePackage } from '../operator/smdp/profile-builder.ts';
import { failed, isMissing, readBytes, reading } from './files.ts';

export type InitialProfile = { readonly upp: Uint8Array; readonly metadata: ProfileMetadata };

/** What stands for our own profile instead of a file name. */
export const MINIMAL = 'minimal';

const CLASSES = ['test', 'provisioning', 'operational'] as const;
const LONGEST_NAME = 32;

/**
 * Reads what `--profile` names: a file with an unprotected profile package (DER, hex or base64), or `minimal`; with
 * `=test`, `=provisioning` or `=operational` behind it for its class. Throws `FILE_FAILED`, `SAIP_INVALID`, `CARD_UNMADE`.
 */
export async function readInitialProfiles(names: readonly string[]): Promise<readonly InitialProfile[]> {
  const profiles: InitialProfile[] = [];
  let minimal = 0;
  for (const given of names) {
    const { name, profileClass } = splitClass(given);
    const upp = name === MINIMAL ? minimalPackage(++minimal) : await packageOf(name);
    profiles.push({ upp, metadata: { ...metadataOf(name, upp), profileClass } });
  }
  const iccids = profiles.map(({ metadata }) => metadata.iccid);
  const twice = iccids.find((iccid, i) => iccids.indexOf(iccid) !== i);
  if (twice !== undefined) throw new AgentError('CARD_UNMADE', { iccid: twice, why: 'two profiles have it' });
  return profiles;
}

function splitClass(given: string): {
  readonly name: string;
  readonly profileClass: (typeof CLASSES)[number];
} {
  const at = given.lastIndexOf('=');
  const profileClass = CLASSES.find((each) => each === given.slice(at + 1));
  return at < 0 || profileClass === undefined
    ? { name: given, profileClass: 'operational' }
    : { name: given.slice(0, at), profileClass };
}

async function packageOf(file: string): Promise<Uint8Array> {
  const content = await readBytes(file).catch((error: unknown) => {
    if (!isMissing(error) || !file.includes('=')) throw error;
    throw failed(file, `there is no such file, and behind = a class is one of ${CLASSES.join(', ')}`);
  });
  return reading(file, () => pastedOctets(content), 'SAIP_INVALID');
}

function metadataOf(file: string, upp: Uint8Array): ProfileMetadata {
  const outcome = reading(file, () => loadProfilePackage(upp), 'SAIP_INVALID');
  if (!outcome.ok) throw new AgentError('SAIP_INVALID', { file, why: outcome.failed.why });
  const { iccid, serviceProvider = 'Test', profileType = 'Profile' } = profileSummary(outcome.profile);
  return {
    iccid,
    serviceProviderName: Array.from(serviceProvider).slice(0, LONGEST_NAME).join(''),
    profileName: Array.from(profileType)
      .slice(0, 2 * LONGEST_NAME)
      .join(''),
  };
}

/**
 * The `number`-th profile of our own: test network 001/01, Milenage with the keys of 3GPP TS 35.208 test set 1, PIN 0000, PUK
 * 12345678. docs/virtual-card.md lists them.
 */
function minimalPackage(number: number): Uint8Array {
  const digits = `8988211${String(number).padStart(11, '0')}`;
  const key = (octet: string): Secret<Uint8Array> => new Secret(fromHex(octet.repeat(16)));
  return buildProfilePackage({
    iccid: parseIccid(digits + luhnDigit(digits)),
    imsi: parseImsi(`00101${String(number).padStart(10, '0')}`),
    mccMnc: '00101',
    k: new Secret(fromHex('465B5CE8B199B49FAA5F0A2EE238A6BC')),
    opc: new Secret(fromHex('CD63CB71954A9F4E48A5994E37A02BAF')),
    pin1: new Secret('0000'),
    pin2: new Secret('0000'),
    puk1: new Secret('12345678'),
    puk2: new Secret('12345678'),
    adm1: new Secret('88888888'),
    spn: 'Test',
    profileName: `Minimal ${number}`,
    otaKeys: { version: 1, kic: key('11'), kid: key('22'), kik: key('33') },
    targetBytes: 0,
  });
}
