// The card that measuring runs work on: two profiles whose secrets are known, so that answers can be searched for them.
import { utf8Bytes } from '../base/bytes.ts';
import { type Log, Secret, silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { parseIccid, parseImsi } from '../codec/ids.ts';
import { KEYSETS, otaPackage } from '../euicc/testing/ota.ts';
import { issueCertificate, KEY_USAGE } from '../crypto/x509.ts';
import { createTestPki, TEST_EID, type TestPki } from '../euicc/testing/pki.ts';
import {
  createWorld,
  ec,
  ICCID_A,
  ICCID_B,
  ISD_R_KEYS,
  sampleMetadata,
  STORE_KEY,
  type World,
} from '../euicc/testing/world.ts';
import { buildProfilePackage } from '../operator/smdp/profile-builder.ts';

/** The ISD-R's keyset, of a version that serves both secure channels. */
export const SUBJECT_KEYS = { ...ISD_R_KEYS, kvn: 1 };

/** Octets that no answer of the card may hold. */
export type Hidden = { readonly name: string; readonly value: Uint8Array };
export type Subject = { readonly world: World; readonly hidden: readonly Hidden[] };

const random = createSeededRandom(0x5ec2e7);
const secret = (): Secret<Uint8Array> => new Secret(random.bytes(16));
const digits = (text: string): Secret<string> => new Secret(text);

const OS_SECRETS = {
  key: random.bytes(16),
  opc: random.bytes(16),
  puk: utf8Bytes('90817263'),
  adm: utf8Bytes('54637281'),
};
const SUBSCRIBER = {
  imsi: parseImsi('901700000000017'),
  mccMnc: '90170',
  k: secret(),
  opc: secret(),
  pin1: digits('13572468'),
  pin2: digits('86427531'),
  puk1: digits('19283746'),
  puk2: digits('64738291'),
  adm1: digits('50617283'),
  spn: 'Sample',
  profileName: 'sample',
  otaKeys: { version: 1, kic: secret(), kid: secret(), kik: secret() },
};

/** An operator's whole profile of so many octets. */
export function subscriberPackage(iccid: string, targetBytes: number): Uint8Array {
  return buildProfilePackage({ ...SUBSCRIBER, iccid: parseIccid(iccid), targetBytes });
}

/** Of the certificate profile, for the runs that try it. */
export const PROFILE_PIN = digits('27182818');
const STATIC_KEY = ec.generate('P-256');

function staticCertificate({ eum }: TestPki): Uint8Array {
  const name = { country: 'XX', organization: 'Test EUM', commonName: 'EUM' };
  return issueCertificate(
    ec,
    { name, ...eum.pair },
    {
      serialNumber: Uint8Array.of(0x45),
      subject: { ...name, serialNumber: TEST_EID, commonName: 'ECASD' },
      curve: STATIC_KEY.curve,
      publicKey: STATIC_KEY.publicKey,
      notBefore: Date.UTC(2025, 0, 1),
      notAfter: Date.UTC(2055, 0, 1),
      keyUsage: [KEY_USAGE.keyAgreement],
    },
  );
}

function hiddenOf({ pki }: World): readonly Hidden[] {
  const { k, opc, otaKeys, pin1, pin2, puk1, puk2, adm1 } = SUBSCRIBER;
  const texts = { pin1, pin2, puk1, puk2, adm1, 'the PIN of the certificate profile': PROFILE_PIN };
  const keys = { k, opc, kic: otaKeys.kic, kid: otaKeys.kid, kik: otaKeys.kik };
  const { enc, mac, dek } = ISD_R_KEYS;
  const card = {
    'the static key': STATIC_KEY.privateKey,
    enc,
    mac,
    dek,
    'the private key': pki.euicc.pair.privateKey,
    'the store key': STORE_KEY,
  };
  return [
    ...Object.entries(texts).map(([name, text]) => ({ name, value: utf8Bytes(text.reveal()) })),
    ...Object.entries({ ...keys, ...card }).map(([name, value]) => ({ name, value: value.reveal() })),
    ...Object.entries(KEYSETS).flatMap(([version, { kic, kid }]) => [
      { name: `KIc ${version} of the enabled profile`, value: kic.key.reveal() },
      { name: `KID ${version} of the enabled profile`, value: kid.key.reveal() },
    ]),
    ...Object.entries(OS_SECRETS).map(([name, value]) => ({ name: `${name} of the enabled profile`, value })),
  ];
}

/** A card with one enabled profile of all file structures, and one of an operator. Keys are made once, with `pki`. */
export async function createSubject(options: {
  readonly pki?: TestPki;
  readonly seed: number;
  readonly managed?: boolean;
  readonly log?: Log;
}): Promise<Subject> {
  const { pki = createTestPki(ec), seed, managed = false, log = silentLog } = options;
  const world = await createWorld({
    pki,
    seed,
    managed,
    isdRKeys: SUBJECT_KEYS,
    certificateProfile: { pin: PROFILE_PIN },
    securityModules: [{ key: STATIC_KEY, certificate: staticCertificate(pki) }],
    log,
    profiles: [
      { upp: otaPackage(OS_SECRETS), metadata: sampleMetadata(ICCID_A), enabled: true },
      { upp: subscriberPackage(ICCID_B, 4000), metadata: sampleMetadata(ICCID_B), enabled: false },
    ],
  });
  return { world, hidden: hiddenOf(world) };
}
