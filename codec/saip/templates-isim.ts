// Templates of ADF.ISIM (TCA Interoperable Format, annex A 9.6; files after 3GPP TS 31.103).
import {
  berTlv,
  dir,
  linear,
  templateOid,
  transparent,
  type FileTemplate,
  type Template,
} from './template-rows.ts';

const FF = 'FF*';

const OPTIONAL_FILES: readonly FileTemplate[] = [
  linear('ef-pcscf', 0x6f09, 2, { records: 1 }),
  linear('ef-sms', 0x6f3c, 5, { records: 10, size: 176, fill: '00FF*' }),
  linear('ef-smsp', 0x6f42, 5, { records: 1, size: 38, fill: FF }),
  transparent('ef-smss', 0x6f43, 5, { size: 2, fill: 'FFFF' }),
  linear('ef-smsr', 0x6f47, 5, { records: 10, size: 30, fill: '00FF*' }),
  transparent('ef-gbabp', 0x6fd5, 5, { fill: FF }),
  linear('ef-gbanl', 0x6fd7, 2, { fill: FF }),
  linear('ef-nafkca', 0x6fdd, 2, { fill: FF }),
  linear('ef-uicciari', 0x6fe7, 2),
];

export const ISIM_TEMPLATES: readonly Template[] = [
  {
    oid: templateOid('8'),
    place: 'mf',
    createdByDefault: true,
    files: [
      dir('adf', 'adf-isim'),
      transparent('ef-impi', 0x6f02, 2, { sfi: 0x02 }),
      linear('ef-impu', 0x6f04, 2, { records: 1, sfi: 0x04 }),
      transparent('ef-domain', 0x6f03, 2, { sfi: 0x05 }),
      transparent('ef-ist', 0x6f07, 2, { size: 14, sfi: 0x07 }),
      transparent('ef-ad', 0x6fad, 10, { size: 3, sfi: 0x03, fill: '000000' }),
      linear('ef-arr', 0x6f06, 10, { sfi: 0x06 }),
    ],
  },
  { oid: templateOid('9'), place: 'isim', createdByDefault: false, files: OPTIONAL_FILES },
  {
    oid: templateOid('9.2'),
    place: 'isim',
    createdByDefault: false,
    files: [
      ...OPTIONAL_FILES,
      transparent('ef-frompreferred', 0x6ff7, 2, { size: 1, fill: '00' }),
      berTlv('ef-imsconfigdata', 0x6ff8, 2),
      berTlv('ef-xcapconfigdata', 0x6ffc, 2),
      linear('ef-webrtcuri', 0x6ffa, 2),
      berTlv('ef-mudmidconfigdata', 0x6ffe, 2),
    ],
  },
];
