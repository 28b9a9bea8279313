// Certificates in the format of GlobalPlatform, as SM-DPs and SM-SRs show them to an eUICC (SGP.02 4.1.3.1; Amendment E 4.1).
import { concat } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { encodeTlv, findTlv, needTlv, readOnly, readTlvs, type Tlv } from './ber-tlv.ts';

const TAG = {
  certificate: 0x7f21,
  serialNumber: 0x93,
  caIdentifier: 0x42,
  subject: 0x5f20,
  keyUsage: 0x95,
  effective: 0x5f25,
  expiry: 0x5f24,
  discretionary: 0x73,
  role: 0xc8,
  caKeyIdentifier: 0xc9,
  publicKey: 0x7f49,
  point: 0xb0,
  parameter: 0xf0,
  signature: 0x5f37,
} as const;

/** Digital signature verification. */
const VERIFIES_SIGNATURES = Uint8Array.of(0x82);

/** What a certificate makes its holder (octet C8 of its discretionary data). */
export const GP_ROLE = { smDp: 0x01, smSr: 0x02 } as const;

/** Curves by their key parameter reference (Amendment E, table 4-3). */
const CURVES = { 'P-256': 0x00, brainpoolP256r1: 0x03 } as const;
type GpCurve = keyof typeof CURVES;

type GpCertificateBody = {
  readonly serialNumber: Uint8Array;
  readonly caIdentifier: Uint8Array;
  readonly subject: Uint8Array;
  /** YYYYMMDD in BCD. */
  readonly expiry: Uint8Array;
  /** As in `GP_ROLE`. */
  readonly role: number;
  /** Key identifier of the CI's key that signed it. */
  readonly caKeyIdentifier?: Uint8Array;
  readonly curve: GpCurve;
  /** 04 X Y. */
  readonly publicKey: Uint8Array;
};

export type GpCertificate = GpCertificateBody & {
  /** What the signature covers. */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
};

/** What the CI signs. */
export function encodeGpCertificateBody(body: GpCertificateBody): Uint8Array {
  const { caKeyIdentifier } = body;
  return concat(
    encodeTlv(TAG.serialNumber, body.serialNumber),
    encodeTlv(TAG.caIdentifier, body.caIdentifier),
    encodeTlv(TAG.subject, body.subject),
    encodeTlv(TAG.keyUsage, VERIFIES_SIGNATURES),
    encodeTlv(TAG.expiry, body.expiry),
    encodeTlv(
      TAG.discretionary,
      encodeTlv(TAG.role, Uint8Array.of(body.role)),
      ...(caKeyIdentifier === undefined ? [] : [encodeTlv(TAG.caKeyIdentifier, caKeyIdentifier)]),
    ),
    encodeTlv(TAG.publicKey, encodeGpPoint(body.curve, body.publicKey)),
  );
}

/** The certificate (7F21) with the signature over its body, 64 octets. */
export function encodeGpCertificate(body: Uint8Array, signature: Uint8Array): Uint8Array {
  return encodeTlv(TAG.certificate, body, encodeTlv(TAG.signature, signature));
}

/** Reads 7F21; nothing of it is verified. Throws `TLV_MISSING`, `TLV_VALUE` and what BER-TLV throws. */
export function decodeGpCertificate(certificate: Uint8Array): GpCertificate {
  const objects = readTlvs(readOnly(certificate, TAG.certificate).value);
  const value = (tag: number, within: readonly Tlv[] = objects): Uint8Array => needTlv(within, tag).value;
  const last = objects.at(-1);
  if (last?.tag !== TAG.signature) throw new AgentError('TLV_MISSING', { field: 'signature' });
  const discretionary = readTlvs(value(TAG.discretionary));
  const role = value(TAG.role, discretionary);
  if (role.length !== 1) throw new AgentError('TLV_VALUE', { field: 'role', octets: role.length });
  const caKeyIdentifier = findTlv(discretionary, TAG.caKeyIdentifier)?.value;
  return {
    serialNumber: value(TAG.serialNumber),
    caIdentifier: value(TAG.caIdentifier),
    subject: value(TAG.subject),
    expiry: value(TAG.expiry),
    role: role[0] ?? 0,
    ...(caKeyIdentifier === undefined ? {} : { caKeyIdentifier }),
    ...decodeGpPoint(value(TAG.publicKey)),
    signed: concat(...objects.slice(0, -1).map(({ raw }) => raw)),
    signature: last.value,
  };
}

/** A public key with the reference of its curve: the value of 7F49. */
export function encodeGpPoint(curve: GpCurve, publicKey: Uint8Array): Uint8Array {
  return concat(encodeTlv(TAG.point, publicKey), encodeTlv(TAG.parameter, Uint8Array.of(CURVES[curve])));
}

/** A point alone is of P-256, or of `otherwise`: some leave out what both sides know. Throws `TLV_VALUE`. */
export function decodeGpPoint(
  value: Uint8Array,
  otherwise: GpCurve = 'P-256',
): { readonly curve: GpCurve; readonly publicKey: Uint8Array } {
  if (value[0] === 0x04 && value.length === 65) return { curve: otherwise, publicKey: value };
  const objects = readTlvs(value);
  const parameter = findTlv(objects, TAG.parameter)?.value;
  const reference = parameter === undefined ? CURVES[otherwise] : parameter[0];
  const curve = (Object.keys(CURVES) as GpCurve[]).find((name) => CURVES[name] === reference);
  if (curve === undefined || (parameter !== undefined && parameter.length !== 1))
    throw new AgentError('TLV_VALUE', { field: 'key parameter reference', found: reference });
  return { curve, publicKey: needTlv(objects, TAG.point).value };
}
