// Templates of the directories below ADF.USIM: phone book, GSM access, 5GS, SAIP, SNPN, 5G ProSe, and DF.EAP of any application (TCA
// Interoperable Format, annex A 9.5.3 to 9.5.14 and 9.8; files after 3GPP TS 31.102 and ETSI TS 102 310).
import {
  berTlv,
  dir,
  linear,
  templateOid,
  transparent,
  type FileTemplate,
  type Template,
} from './template-rows.ts';
import { PHONEBOOK_FILES } from './templates-mf.ts';

const FF = 'FF*';
const LOCI_5GS = { size: 20, fill: 'FF*00000001', highUpdate: true } as const;

/** Up to EF.Routing_Indicator; the security contexts grew with the third version of the template. */
function df5gs(
  securityContext: { records: number; size: number },
  routingIndicator = 'F0FFFFFF',
): readonly FileTemplate[] {
  return [
    dir('df', 'df-df-5gs', 0x5fc0),
    transparent('ef-5gs3gpploci', 0x4f01, 5, { ...LOCI_5GS, sfi: 0x01 }),
    transparent('ef-5gsn3gpploci', 0x4f02, 5, { ...LOCI_5GS, sfi: 0x02 }),
    linear('ef-5gs3gppnsc', 0x4f03, 5, { ...securityContext, sfi: 0x03, fill: FF, highUpdate: true }),
    linear('ef-5gsn3gppnsc', 0x4f04, 5, { ...securityContext, sfi: 0x04, fill: FF, highUpdate: true }),
    transparent('ef-5gauthkeys', 0x4f05, 5, { size: 110, sfi: 0x05, highUpdate: true }),
    transparent('ef-uac-aic', 0x4f06, 2, { size: 4, sfi: 0x06 }),
    transparent('ef-suci-calc-info', 0x4f07, 2, { sfi: 0x07, fill: FF }),
    linear('ef-opl5g', 0x4f08, 10, { size: 10, sfi: 0x08, fill: FF }),
    transparent('ef-supinai', 0x4f09, 2, { sfi: 0x09 }),
    transparent('ef-routing-indicator', 0x4f0a, 2, { size: 4, sfi: 0x0a, fill: routingIndicator }),
  ];
}

const URSP_AND_SNN: readonly FileTemplate[] = [
  berTlv('ef-ursp', 0x4f0b, 2),
  transparent('ef-tn3gppsnn', 0x4f0c, 2, { size: 1, sfi: 0x0c, fill: '00' }),
];

const FILES_OF_V4: readonly FileTemplate[] = [
  transparent('ef-cag', 0x4f0d, 2, { size: 2, sfi: 0x0d }),
  transparent('ef-sor-cmci', 0x4f0e, 2, { sfi: 0x0e }),
  transparent('ef-dri', 0x4f0f, 2, { size: 7, sfi: 0x0f }),
  transparent('ef-5gsedrx', 0x4f10, 2, { size: 2, sfi: 0x10 }),
  transparent('ef-5gnswo-conf', 0x4f11, 2, { size: 1, sfi: 0x11 }),
  transparent('ef-mchpplmn', 0x4f15, 2, { size: 1, sfi: 0x15 }),
  transparent('ef-kausf-derivation', 0x4f16, 2, { size: 1, sfi: 0x16 }),
];

const CONTEXT_V1 = { records: 1, size: 57 };
const CONTEXT_V3 = { records: 2, size: 62 };

export const USIM_DF_TEMPLATES: readonly Template[] = [
  { oid: templateOid('6'), place: 'usim', createdByDefault: false, files: PHONEBOOK_FILES },
  {
    oid: templateOid('7'),
    place: 'usim',
    createdByDefault: false,
    files: [
      dir('df', 'df-gsm-access', 0x5f3b),
      transparent('ef-kc', 0x4f20, 5, { size: 9, sfi: 0x01, fill: 'FF*07', highUpdate: true }),
      transparent('ef-kcgprs', 0x4f52, 5, { size: 9, sfi: 0x02, fill: 'FF*07', highUpdate: true }),
      transparent('ef-cpbcch', 0x4f63, 5, { size: 10, fill: FF, highUpdate: true }),
      transparent('ef-invscan', 0x4f64, 2, { size: 1, fill: '00' }),
    ],
  },
  {
    oid: templateOid('12'),
    place: 'adf',
    createdByDefault: false,
    files: [
      dir('df', 'df-eap'),
      transparent('ef-eapkeys', 0x4f01, 2, { highUpdate: true }),
      transparent('ef-eapstatus', 0x4f02, 2, { size: 1, fill: '00', highUpdate: true }),
      transparent('ef-puid', 0x4f03, 2),
      transparent('ef-ps', 0x4f04, 5, { fill: FF, highUpdate: true }),
      transparent('ef-curid', 0x4f20, 5, { fill: FF, highUpdate: true }),
      transparent('ef-reid', 0x4f21, 5),
      transparent('ef-realm', 0x4f22, 5),
    ],
  },
  { oid: templateOid('13'), place: 'usim', createdByDefault: false, files: df5gs(CONTEXT_V1) },
  {
    oid: templateOid('13.2'),
    place: 'usim',
    createdByDefault: false,
    files: [...df5gs(CONTEXT_V1), ...URSP_AND_SNN],
  },
  {
    oid: templateOid('13.3'),
    place: 'usim',
    createdByDefault: false,
    files: [...df5gs(CONTEXT_V3), ...URSP_AND_SNN],
  },
  {
    oid: templateOid('13.4'),
    place: 'usim',
    createdByDefault: false,
    files: [...df5gs(CONTEXT_V3, 'F0FF0000'), ...URSP_AND_SNN, ...FILES_OF_V4],
  },
  {
    oid: templateOid('14'),
    place: 'usim',
    createdByDefault: false,
    files: [dir('df', 'df-df-saip', 0x5fd0), transparent('ef-suci-calc-info-usim', 0x4f01, 3, { fill: FF })],
  },
  {
    oid: templateOid('15'),
    place: 'usim',
    createdByDefault: false,
    files: [dir('df', 'df-df-snpn', 0x5fe0), transparent('ef-pws-snpn', 0x4f01, 10, { size: 1 })],
  },
  {
    oid: templateOid('16'),
    place: 'usim',
    createdByDefault: false,
    files: [
      dir('df', 'df-df-5g-prose', 0x5ff0),
      transparent('ef-5g-prose-st', 0x4f01, 2, { size: 1, sfi: 0x01 }),
      transparent('ef-5g-prose-dd', 0x4f02, 2, { size: 26, sfi: 0x02 }),
      transparent('ef-5g-prose-dc', 0x4f03, 2, { size: 12, sfi: 0x03 }),
      transparent('ef-5g-prose-u2nru', 0x4f04, 2, { size: 32, sfi: 0x04 }),
      transparent('ef-5g-prose-ru', 0x4f05, 2, { size: 29, sfi: 0x05 }),
      transparent('ef-5g-prose-uir', 0x4f06, 2, { size: 32, sfi: 0x06 }),
    ],
  },
];
