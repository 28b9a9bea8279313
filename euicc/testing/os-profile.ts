// A profile with a file of each structure and PINs of each kind, for tests of the card OS.
import { fromHex } from '../../base/bytes.ts';
import { encodeIccid, encodeIccidPlain, encodeImsi } from '../../codec/ids.ts';
import { encodeProfilePackage, type ProfileElement } from '../../codec/saip/package.ts';
import {
  content,
  create,
  described,
  END,
  filesElement,
  HEADER,
  management,
  mandated,
  MF_FILES,
  milenage,
  path,
  pins,
  transparent,
  USIM_AID,
} from '../profile-samples.ts';
import { ICCID_A, IMSI_A } from './world.ts';

const FREE = '8001019000';
const RULES = [
  // 1: reading free, updating with PIN 1, deactivation and activation with ADM 1.
  '8001019000800102A406830101950108800118A40683010A950108',
  // 2: reading with PIN 1, updating with PIN 1 and the local PIN.
  '800101A406830101950108800102AF10A406830101950108A406830181950108',
  // 3: reading free, updating with PIN 1 or ADM 1, increasing free.
  '8001019000800102A010A406830101950108A40683010A9501088401329000',
  // 4: nothing at all.
  '80011B9700',
];
const RULE_OCTETS = 40;
const RULE_COUNT = 16;

const ruleRecords = Array.from({ length: RULE_COUNT }, (_, i) =>
  (RULES[i] ?? FREE).padEnd(2 * RULE_OCTETS, 'F'),
).join('');
const ACCESS_RULES = described(
  { fileDescriptor: fromHex('42210028'), efFileSize: fromHex('0280') },
  ruleRecords,
);

const records = (fid: string, descriptor: string, size: string, rule: string, sfi?: string): ProfileElement =>
  management(
    path('7FD0'),
    create({
      fileDescriptor: fromHex(descriptor),
      fileId: fromHex(fid),
      efFileSize: fromHex(size),
      securityAttributesReferenced: fromHex(rule),
      ...(sfi === undefined ? {} : { shortEfid: fromHex(sfi) }),
    }),
    ...(fid === '4F40' ? [content('0102030405'), content('1112131415'), content('2122132425')] : []),
  );

const puks = (pukValue: Uint8Array): ProfileElement => ({
  type: 'pukCodes',
  value: {
    header: mandated(20),
    pukCodes: [
      { keyReference: 1, pukValue, maxNumOfAttempsRetryNumLeft: 0xaa },
      { keyReference: 0x81, pukValue: fromHex('3939393939393939'), maxNumOfAttempsRetryNumLeft: 0x22 },
    ],
  },
});

/** Values that tests look for where they must not be. */
export type OsSecrets = {
  readonly key: Uint8Array;
  readonly opc: Uint8Array;
  readonly puk: Uint8Array;
  readonly adm: Uint8Array;
};

const PLAIN_SECRETS: OsSecrets = {
  key: new Uint8Array(16),
  opc: new Uint8Array(16),
  puk: fromHex('3838383838383838'),
  adm: fromHex('31323334FFFFFFFF'),
};

/**
 * MF: PIN 01 (1234), ADM 0A; EF.ICCID, EF.DIR, EF.ARR. USIM: local PIN 81; EF.IMSI; 4F40 linear fixed 3 x 5 (SFI 10), 4F41
 * cyclic 2 x 3, 4F42 transparent of 300 octets (SFI 28) that needs both PINs for updating, 4F43 that nobody may touch,
 * 4F44 BER-TLV of 1024 octets (SFI 19).
 */
export function osPackage({ key, opc, puk, adm }: OsSecrets = PLAIN_SECRETS): Uint8Array {
  if (HEADER.type !== 'header') throw new Error('no header');
  const mf = filesElement('mf', '1', {
    ...MF_FILES,
    mf: described({ pinStatusTemplateDo: fromHex('010A') }),
    'ef-iccid': [
      { is: 'fileDescriptor', value: { securityAttributesReferenced: fromHex('2F0601') } },
      { is: 'fillFileContent', value: encodeIccid(ICCID_A) },
    ],
    'ef-dir': described(
      {
        fileDescriptor: fromHex('42210026'),
        efFileSize: fromHex('26'),
        securityAttributesReferenced: fromHex('2F0601'),
      },
      `61124F0C${USIM_AID}5000FF`,
    ),
    'ef-arr': ACCESS_RULES,
  });
  const usim = filesElement(
    'usim',
    '4',
    {
      'adf-usim': described({
        fileId: fromHex('7FD0'),
        dfName: fromHex(USIM_AID),
        pinStatusTemplateDo: fromHex('01810A'),
      }),
      'ef-imsi': [
        { is: 'fileDescriptor', value: { securityAttributesReferenced: fromHex('6F0602') } },
        { is: 'fillFileContent', value: encodeImsi(IMSI_A) },
      ],
      'ef-arr': ACCESS_RULES,
      'ef-ust': [],
      'ef-spn': [],
      'ef-est': [],
      'ef-acc': [],
      'ef-ecc': [],
    },
    4,
  );
  return encodeProfilePackage([
    { ...HEADER, value: { ...HEADER.value, iccid: encodeIccidPlain(ICCID_A) } },
    mf,
    puks(puk),
    pins(
      [
        { keyReference: 1, unblockingPinReference: 1 },
        { keyReference: 0x0a, pinValue: adm },
      ],
      21,
    ),
    usim,
    pins([{ keyReference: 0x81, unblockingPinReference: 0x81 }], 22),
    milenage({ key, opc }),
    records('4F40', '42210005', '0F', '6F0601', '50'),
    records('4F41', '46210003', '06', '6F0603'),
    management(
      path('7FD0'),
      create(
        transparent('4F42', '012C', {
          shortEfid: fromHex('E0'),
          securityAttributesReferenced: fromHex('6F0602'),
        }),
      ),
      content('AA'.repeat(300)),
    ),
    management(
      path('7FD0'),
      create(transparent('4F43', '04', { securityAttributesReferenced: fromHex('6F0604') })),
      content('01020304'),
    ),
    management(
      path('7FD0'),
      create({
        fileDescriptor: fromHex('7921'),
        fileId: fromHex('4F44'),
        efFileSize: fromHex('0400'),
        securityAttributesReferenced: fromHex('6F0601'),
        shortEfid: fromHex('98'),
      }),
    ),
    END,
  ]);
}
