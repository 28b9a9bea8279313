// eIM configuration data on the eUICC: SGP.32 2.11.1.1.1, ES10b 5.9.4 AddInitialEim, 5.9.18 GetEimConfigurationData.
import { codes, flags, integer, text } from '../tlv-names.ts';
import { choice, listOf, nothing, object, octets, runOf, sequence, unsigned, utf8 } from '../tlv-table.ts';
import { alsoBare, implicitCertificate, implicitPublicKey, subjectKeyIdentifier } from './types.ts';

export const eimId = text(128, 1);

export const eimIdType = codes({ eimIdTypeOid: 1, eimIdTypeFqdn: 2, eimIdTypeProprietary: 3 });

export const eimSupportedProtocol = flags({
  eimRetrieveHttps: 0,
  eimRetrieveCoaps: 1,
  eimInjectHttps: 2,
  eimInjectCoaps: 3,
  eimProprietary: 4,
});

/** `associationToken` -1 in a request asks the eUICC for a new one. */
export const associationToken = integer;

export const EimConfigurationData = sequence({
  eimId: { tag: 0x80, type: eimId },
  eimFqdn: { tag: 0x81, type: utf8, optional: true },
  eimIdType: { tag: 0x82, type: eimIdType, optional: true },
  counterValue: { tag: 0x83, type: unsigned, optional: true },
  associationToken: { tag: 0x84, type: associationToken, optional: true },
  eimPublicKeyData: {
    tag: 0xa5,
    type: choice({
      eimPublicKey: { tag: 0xa0, type: implicitPublicKey },
      eimCertificate: { tag: 0xa1, type: implicitCertificate },
    }),
    optional: true,
  },
  trustedPublicKeyDataTls: {
    tag: 0xa6,
    type: choice({
      trustedEimPkTls: { tag: 0xa0, type: implicitPublicKey },
      trustedCertificateTls: { tag: 0xa1, type: implicitCertificate },
    }),
    optional: true,
  },
  eimSupportedProtocol: { tag: 0x87, type: eimSupportedProtocol, optional: true },
  euiccCiPKId: { tag: 0x88, type: subjectKeyIdentifier, optional: true },
  indirectProfileDownload: { tag: 0x89, type: nothing, optional: true },
  /** SGP.32 v1.3: how to reach an eIM over a protocol of its own. */
  eSipaProprietaryProtocolInformation: { tag: 0xaa, type: octets(), optional: true },
});

const searchCriteria = choice({ eimId: { tag: 0x80, type: eimId } });

export const GetEimConfigurationDataRequest = object(
  0xbf55,
  alsoBare(
    sequence({ searchCriteria: { tag: 0xa0, type: searchCriteria, optional: true } }),
    'searchCriteria',
    searchCriteria,
  ),
);

export const GetEimConfigurationDataResponse = object(
  0xbf55,
  sequence({ eimConfigurationDataList: { tag: 0xa0, type: listOf(0x30, EimConfigurationData) } }),
);

const eimConfigurationDataList = listOf(0x30, EimConfigurationData);

export const AddInitialEimRequest = object(
  0xbf57,
  alsoBare(
    sequence({ eimConfigurationDataList: { tag: 0xa0, type: eimConfigurationDataList } }),
    'eimConfigurationDataList',
    eimConfigurationDataList,
  ),
);

const eimErrors = {
  insufficientMemory: 1,
  associatedEimAlreadyExists: 2,
  ciPKUnknown: 3,
  invalidAssociationToken: 5,
  counterValueOutOfRange: 6,
  commandError: 7,
  undefinedError: 127,
} as const;

export const AddInitialEimResponse = object(
  0xbf57,
  choice({
    addInitialEimOk: {
      tag: 0xa0,
      type: runOf(
        choice({
          associationToken: { tag: 0x84, type: associationToken },
          addOk: { tag: 0x05, type: nothing, also: [0x81] },
        }),
      ),
      bare: true,
    },
    addInitialEimError: { tag: 0x81, type: codes(eimErrors) },
  }),
);

/** A choice without tags of its own in a tagged place: the code is a universal INTEGER. */
export const addEimResult = choice({
  associationToken: { tag: 0x84, type: associationToken },
  addEimResultCode: { tag: 0x02, type: codes({ ok: 0, ...eimErrors }) },
});

export const deleteEimResult = codes({
  ok: 0,
  eimNotFound: 1,
  lastEimDeleted: 2,
  commandError: 7,
  undefinedError: 127,
});

export const updateEimResult = codes({
  ok: 0,
  eimNotFound: 1,
  ciPKUnknown: 3,
  counterValueOutOfRange: 6,
  commandError: 7,
  undefinedError: 127,
});

export const listEimResult = choice({
  eimIdList: {
    tag: 0xa0,
    type: listOf(
      0x30,
      sequence({
        eimId: { tag: 0x80, type: eimId },
        eimIdType: { tag: 0x82, type: eimIdType, optional: true },
      }),
    ),
  },
  listEimError: { tag: 0x81, type: codes({ undefinedError: 127 }) },
});
