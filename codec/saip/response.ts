// EUICCResponse: what a card answers to a profile package, the `simaResponse` of a ProfileInstallationResult (TCA eUICC Profile
// Package: Interoperable Format, PEDefinitions; SGP.22 2.5.6).
import { listOf, nothing, object, runOf, sequence, unsigned, utf8, type TypeOf } from '../tlv-table.ts';
import { encodeTlv, readOnly } from '../ber-tlv.ts';

/** Status numbers. ISO 7816 status words (6xxx, 9xxx) may stand for themselves, A000 and above is proprietary. */
export const PE_STATUS = {
  ok: 0,
  peNotSupported: 1,
  memoryFailure: 2,
  badValues: 3,
  notEnoughMemory: 4,
  invalidRequestFormat: 5,
  invalidParameter: 6,
  runtimeNotSupported: 7,
  libNotSupported: 8,
  templateNotSupported: 9,
  featureNotSupported: 10,
  pinCodeMissing: 11,
  unsupportedProfileVersion: 31,
} as const;

export type PeStatusName = keyof typeof PE_STATUS;

const SEQUENCE = 0x30;

const euiccResponse = sequence({
  peStatus: {
    tag: 0xa0,
    type: listOf(
      SEQUENCE,
      sequence({
        status: { tag: 0x80, type: unsigned },
        identification: { tag: 0x81, type: unsigned, optional: true },
        additionalInformation: { tag: 0x82, type: unsigned, optional: true },
        offset: { tag: 0x83, type: unsigned, optional: true },
      }),
    ),
  },
  profileInstallationAborted: { tag: 0x81, type: nothing, optional: true },
  statusMessage: { tag: 0x82, type: utf8, optional: true },
});
export type EuiccResponse = TypeOf<typeof euiccResponse>;

/** One or more whole responses back to back. */
export const euiccResponses = runOf(object(SEQUENCE, euiccResponse));

/** The whole SEQUENCE; success is 30 07 A0 05 30 03 80 01 00. */
export function encodeEuiccResponse(response: EuiccResponse): Uint8Array {
  return encodeTlv(SEQUENCE, euiccResponse.encode(response));
}

/** Throws `TLV_INVALID`, `TLV_MISSING` or `TLV_VALUE`. */
export function decodeEuiccResponse(bytes: Uint8Array): EuiccResponse {
  return euiccResponse.decode(readOnly(bytes, SEQUENCE).value);
}

/** The name of a status number, or the number in hex where it has none. */
export function peStatusName(status: number): string {
  const known = Object.entries(PE_STATUS).find(([, number]) => number === status);
  return known?.[0] ?? status.toString(16).toUpperCase().padStart(4, '0');
}
