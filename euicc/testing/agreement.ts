// An SM-DP or SM-SR that agrees on keys with a card by scenario #3, for tests: its certificate below the CI, its commands, its own keys.
import { concat, EMPTY, equalBytes, fromHex } from '../../base/bytes.ts';
import type { CommandApdu } from '../../codec/apdu.ts';
import { findTlv, needTlv, readOnly, readTlvs } from '../../codec/ber-tlv.ts';
import { encodeDataGrouping } from '../../codec/data-groupings.ts';
import {
  encodeGpCertificate,
  encodeGpCertificateBody,
  encodeGpPoint,
  GP_ROLE,
} from '../../codec/gp-certificate.ts';
import {
  type AgreedKeyset,
  AGREEMENT,
  encodeAgreedKeyset,
  signedAgreement,
  TAG_RANDOM,
  TAG_RECEIPT,
} from '../../codec/key-agreement.ts';
import type { EcKeyPair } from '../../crypto/ec.ts';
import { agreeOnKeys } from '../../crypto/key-agreement.ts';
import { issueCertificate, KEY_USAGE } from '../../crypto/x509.ts';
import type { PersonalisedModule } from '../security-modules.ts';
import type { Keyset } from './management.ts';
import { TEST_EID, type TestPki } from './pki.ts';

const EUM = { country: 'XX', organization: 'Test EUM', commonName: 'EUM' };

/** The pair in the ECASD with its certificate; `registeredId` is the one SM-DP that it is for. */
export function staticModule({ curve, ec, eum }: TestPki, registeredId?: string): PersonalisedModule {
  const key = ec.generate(curve);
  const certificate = issueCertificate(
    ec,
    { name: EUM, ...eum.pair },
    {
      serialNumber: fromHex('4502'),
      subject: { ...EUM, serialNumber: TEST_EID, commonName: 'ECASD' },
      curve,
      publicKey: key.publicKey,
      notBefore: 0,
      notAfter: Date.UTC(2040, 0, 1),
      keyUsage: [KEY_USAGE.keyAgreement],
      ...(registeredId === undefined ? {} : { registeredId }),
    },
  );
  return { key, certificate };
}

/** Identification numbers of the card's own security domains: the digits of its EID. */
const SIN = fromHex(TEST_EID.slice(0, 8));
export const SDIN = fromHex(TEST_EID.slice(8));

export const WANTED: AgreedKeyset = {
  version: 0x31,
  keyOctets: 16,
  replaces: false,
  derivationRandom: false,
  counter: 0,
};

export type AgreementHost = {
  /** The certificate (7F21). */
  readonly certificate: Uint8Array;
  /** STORE DATA with the certificate; its answer brings the challenge. */
  readonly first: CommandApdu;
  /** STORE DATA that asks for the keyset. */
  second(answer: Uint8Array, keyset: AgreedKeyset, counter?: Uint8Array): CommandApdu;
  /** The keys, once the receipt in the answer proves them; undefined where it does not. */
  keys(answer: Uint8Array, keyset: AgreedKeyset, counter?: Uint8Array): Keyset | undefined;
};

export function createAgreementHost(options: {
  readonly pki: TestPki;
  /** The pair in the ECASD. */
  readonly module: PersonalisedModule;
  readonly role?: number;
  /** Whose key signs the certificate; the CI's unless given. */
  readonly ci?: EcKeyPair;
  /** The certificate does not say by which key of the CI it is signed. */
  readonly unnamedCi?: true;
  /** The ephemeral key without the reference of its curve. */
  readonly bare?: true;
}): AgreementHost {
  const { bare, ci = options.pki.issuer, module, pki, role = GP_ROLE.smSr, unnamedCi } = options;
  const { ciPKId, curve, ec } = pki;
  const own = ec.generate(curve);
  const ephemeral = ec.generate(curve);
  const body = encodeGpCertificateBody({
    serialNumber: fromHex('0102'),
    caIdentifier: fromHex('42020304'),
    subject: fromHex('2B0601'),
    expiry: fromHex('20401231'),
    role,
    ...(unnamedCi === true ? {} : { caKeyIdentifier: ciPKId }),
    curve,
    publicKey: own.publicKey,
  });
  const certificate = encodeGpCertificate(body, ec.sign(curve, ci.privateKey, body));
  const point = bare === true ? ephemeral.publicKey : encodeGpPoint(curve, ephemeral.publicKey);
  const store = (p1: number, p2: number, data: Uint8Array): CommandApdu => ({
    cla: 0x80,
    ins: 0xe2,
    p1,
    p2,
    data,
    le: 256,
  });
  return {
    certificate,
    first: store(0x09, 0, encodeDataGrouping(AGREEMENT.certificate, certificate)),
    second(answer, keyset, counter = EMPTY) {
      const challenge = readOnly(answer, TAG_RANDOM).value;
      const control = encodeAgreedKeyset(keyset, counter);
      const signature = ec.sign(curve, own.privateKey, signedAgreement(control, point, challenge));
      return store(
        0x89,
        1,
        concat(
          encodeDataGrouping(AGREEMENT.keys, control),
          encodeDataGrouping(AGREEMENT.publicKey, point),
          encodeDataGrouping(AGREEMENT.signature, signature),
        ),
      );
    },
    keys(answer, keyset, counter = EMPTY) {
      const objects = readTlvs(answer);
      const derivationRandom = findTlv(objects, TAG_RANDOM)?.value;
      const { keys, receipt } = agreeOnKeys({
        sharedSecret: ec.sharedSecret(curve, ephemeral.privateKey, module.key.publicKey),
        keyset,
        control: encodeAgreedKeyset(keyset, counter),
        sin: SIN,
        ...(derivationRandom === undefined ? {} : { derivationRandom }),
      });
      return equalBytes(needTlv(objects, TAG_RECEIPT).value, receipt)
        ? { ...keys, kvn: keyset.version }
        : undefined;
    },
  };
}
