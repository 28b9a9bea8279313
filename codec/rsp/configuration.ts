// Addresses, rules authorisation table and CRL of an eUICC: ES10a, ES10b.GetRAT, ES10b.LoadCRL (SGP.22 5.7.3, 5.7.4, 5.7.12, 5.7.22).
import { readTlvHeader } from '../ber-tlv.ts';
import { codes, flags } from '../tlv-names.ts';
import { choice, listOf, object, sequence, unsigned, utf8 } from '../tlv-table.ts';
import { emptySequence } from './euicc-info.ts';
import { implicitCertificateList, OperatorId, pprIds } from './types.ts';

const TAG_INTEGER = 0x02;

export const EuiccConfiguredAddressesRequest = object(0xbf3c, emptySequence);

export const EuiccConfiguredAddressesResponse = object(
  0xbf3c,
  sequence({
    defaultDpAddress: { tag: 0x80, type: utf8, optional: true },
    rootDsAddress: { tag: 0x81, type: utf8 },
  }),
);

export const SetDefaultDpAddressRequest = object(
  0xbf3f,
  sequence({ defaultDpAddress: { tag: 0x80, type: utf8 } }),
);

export const setDefaultDpAddressResult = codes({ ok: 0, undefinedError: 127 });

export const SetDefaultDpAddressResponse = object(
  0xbf3f,
  sequence({ setDefaultDpAddressResult: { tag: 0x80, type: setDefaultDpAddressResult } }),
);

/** Which operators may set which policy rules. */
export const RulesAuthorisationTable = listOf(
  0x30,
  sequence({
    pprIds: { tag: 0x80, type: pprIds },
    allowedOperators: { tag: 0xa1, type: listOf(0x30, OperatorId) },
    pprFlags: { tag: 0x82, type: flags({ consentRequired: 0 }) },
  }),
);

export const GetRatRequest = object(0xbf43, emptySequence);

export const GetRatResponse = object(0xbf43, sequence({ rat: { tag: 0xa0, type: RulesAuthorisationTable } }));

/** `crl` is a whole X.509 CertificateList, tag 30. */
export const LoadCRLRequest = object(
  0xbf35,
  sequence({ crl: { tag: 0xa0, type: implicitCertificateList, also: [0x30] } }),
);

export const loadCRLResponseError = codes({
  invalidSignature: 1,
  invalidCRLFormat: 2,
  notEnoughMemorySpace: 3,
  verificationKeyNotFound: 4,
  freshCrlAlreadyLoaded: 5,
  /** Of a later version of SGP.22. */
  baseCrlMissing: 6,
  undefinedError: 127,
});

const missingPart = listOf(0x30, sequence({ number: { tag: 0x80, type: unsigned } }));

/** SEQUENCE OF SEQUENCE, as SGP.22 v2.2 has it, or of INTEGER as later versions have it. */
const missingParts: typeof missingPart = {
  ...missingPart,
  decode(bytes) {
    const isLater = bytes.length > 0 && readTlvHeader(bytes).tag === TAG_INTEGER;
    if (!isLater) return missingPart.decode(bytes);
    return listOf(TAG_INTEGER, unsigned)
      .decode(bytes)
      .map((number) => ({ number }));
  },
};

export const LoadCRLResponse = object(
  0xbf35,
  choice({
    loadCRLResponseOk: {
      tag: 0xa0,
      type: sequence({
        missingParts: {
          tag: 0xa0,
          type: missingParts,
          optional: true,
        },
      }),
    },
    loadCRLResponseError: { tag: 0x81, type: loadCRLResponseError },
  }),
);
