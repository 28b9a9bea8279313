// Templates of the MF, DF.CD and DF.TELECOM with its phone book (TCA Interoperable Format, annex A 9.2 to 9.4).
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

/** DF.PHONEBOOK and its files, below DF.TELECOM or an ADF.USIM; several files of one kind differ by identifiers that the package gives. */
export const PHONEBOOK_FILES: readonly FileTemplate[] = [
  dir('df', 'df-phonebook', 0x5f3a),
  linear('ef-pbr', 0x4f30, 2),
  linear('ef-ext1', undefined, 5, { size: 13, fill: '00FF*' }),
  linear('ef-aas', undefined, 5, { fill: FF }),
  linear('ef-gas', undefined, 5, { fill: FF }),
  transparent('ef-psc', 0x4f22, 5, { size: 4, fill: '00000000' }),
  transparent('ef-cc', 0x4f23, 5, { size: 2, fill: '0000', highUpdate: true }),
  transparent('ef-puid', 0x4f24, 5, { size: 2, fill: '0000', highUpdate: true }),
  linear('ef-iap', undefined, 5, { fill: FF }),
  linear('ef-adn', undefined, 5, { fill: FF }),
  linear('ef-pbc', undefined, 5, { size: 2, fill: '00*' }),
  linear('ef-anr', undefined, 5, { fill: FF }),
  linear('ef-puri', undefined, 5),
  linear('ef-email', undefined, 5, { fill: FF }),
  linear('ef-sne', undefined, 5, { fill: FF }),
  linear('ef-uid', undefined, 5, { size: 2, fill: '0000' }),
  linear('ef-grp', undefined, 5, { fill: '00*' }),
  linear('ef-ccp1', undefined, 5, { fill: FF }),
];

const TELECOM_FILES: readonly FileTemplate[] = [
  dir('df', 'df-telecom', 0x7f10),
  linear('ef-arr', 0x6f06, 10),
  linear('ef-rma', 0x6f53, 3),
  transparent('ef-sume', 0x6f54, 3, { size: 22 }),
  linear('ef-ice-dn', 0x6fe0, 9, { records: 50, size: 24, fill: FF }),
  linear('ef-ice-ff', 0x6fe1, 9, { fill: FF }),
  linear('ef-psismsc', 0x6fe5, 5),
  dir('df', 'df-graphics', 0x5f50),
  linear('ef-img', 0x4f20, 2, { fill: '00FF*' }),
  transparent('ef-iidf', undefined, 2, { fill: FF }),
  berTlv('ef-ice-graphics', 0x4f21, 9),
  transparent('ef-launch-scws', 0x4f01, 10),
  transparent('ef-icon', undefined, 10),
  ...PHONEBOOK_FILES,
  dir('df', 'df-multimedia', 0x5f3b),
  berTlv('ef-mml', 0x4f47, 5),
  berTlv('ef-mmdf', 0x4f48, 5),
  dir('df', 'df-mmss', 0x5f3c),
  transparent('ef-mlpl', 0x4f20, 2, { sfi: 0x01 }),
  transparent('ef-mspl', 0x4f21, 2, { sfi: 0x02 }),
  transparent('ef-mmssmode', 0x4f22, 2, { size: 1, sfi: 0x03 }),
];

export const MF_TEMPLATES: readonly Template[] = [
  {
    oid: templateOid('1'),
    place: 'root',
    createdByDefault: true,
    files: [
      { ...dir('mf', 'mf', 0x3f00) },
      transparent('ef-pl', 0x2f05, 1, { size: 2, sfi: 0x05, fill: FF }),
      transparent('ef-iccid', 0x2fe2, 11, { size: 10 }),
      linear('ef-dir', 0x2f00, 10, { sfi: 0x1e }),
      linear('ef-arr', 0x2f06, 10),
      transparent('ef-umpc', 0x2f08, 10, { size: 5, sfi: 0x08 }),
    ],
  },
  {
    oid: templateOid('2'),
    place: 'mf',
    createdByDefault: false,
    files: [
      dir('df', 'df-cd', 0x7f11),
      transparent('ef-launchpad', 0x6f01, 2),
      transparent('ef-icon', undefined, 2),
    ],
  },
  { oid: templateOid('3'), place: 'mf', createdByDefault: false, files: TELECOM_FILES },
  {
    oid: templateOid('3.2'),
    place: 'mf',
    createdByDefault: false,
    files: [
      ...TELECOM_FILES,
      dir('df', 'df-mcs', 0x5f3d),
      transparent('ef-mst', 0x4f01, 2, { sfi: 0x01 }),
      berTlv('ef-mcs-config', 0x4f02, 2, { sfi: 0x02 }),
      dir('df', 'df-v2x', 0x5f3e),
      transparent('ef-vst', 0x4f01, 2, { sfi: 0x01 }),
      berTlv('ef-v2x-config', 0x4f02, 2, { sfi: 0x02 }),
      transparent('ef-v2xp-pc5', 0x4f03, 2),
      transparent('ef-v2xp-Uu', 0x4f04, 2),
    ],
  },
];
