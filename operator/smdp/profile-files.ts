// Content of a subscriber's files: MF, ADF.USIM and its optional files (ETSI TS 102 221 clause 13, 3GPP TS 31.102 clause 4.2).
import { concat, EMPTY, fromHex, utf8Bytes } from '../../base/bytes.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { encodeIccid, encodeImsi, encodePlmn, swapNibbles, type Iccid, type Imsi } from '../../codec/ids.ts';
import { encodeAccessRules, TEMPLATE_ACCESS_RULES } from '../../codec/saip/access-rules.ts';
import type { Fcp, FilesElement, FileSteps } from '../../codec/saip/files.ts';

/** The USIM of every profile built here (ETSI TS 101 220, annex E). */
export const AID_USIM_APPLICATION = fromHex('A0000000871002FFFFFFFF8907090000');
/** Stands for the ADF in paths of the package. */
const TEMPORARY_ADF_ID = fromHex('7FD0');

type Files = FilesElement['files'];
type Subscriber = {
  readonly iccid: Iccid;
  readonly imsi: Imsi;
  readonly mccMnc: string;
  readonly spn: string;
  readonly msisdn?: string;
};

/** File size as an FCP gives it: as few octets as possible. */
export function sizeOctets(size: number): Uint8Array {
  const octets = [(size >>> 24) & 0xff, (size >>> 16) & 0xff, (size >>> 8) & 0xff, size & 0xff];
  const first = octets.findIndex((octet) => octet !== 0);
  return Uint8Array.from(octets.slice(first < 0 ? 3 : first));
}

/** A file of the template's own size. */
function content(octets: Uint8Array): FileSteps {
  return [{ is: 'fillFileContent', value: octets }];
}

function described(fcp: Fcp, ...octets: readonly Uint8Array[]): FileSteps {
  return [
    { is: 'fileDescriptor', value: fcp },
    ...octets.map((value) => ({ is: 'fillFileContent' as const, value })),
  ];
}

/** A transparent file as long as its content. */
function sized(octets: Uint8Array): FileSteps {
  return described({ efFileSize: sizeOctets(octets.length) }, octets);
}

/** A linear fixed file whose records are filled up with FF. */
function records(length: number, list: readonly Uint8Array[]): FileSteps {
  const fcp = {
    fileDescriptor: Uint8Array.of(0x42, 0x21, 0x00, length),
    efFileSize: sizeOctets(length * list.length),
  };
  return described(fcp, concat(...list.map((record) => padded(record, length))));
}

function padded(octets: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length).fill(0xff);
  out.set(octets);
  return out;
}

const ARR_RECORD_BYTES = 33;

function accessRules(): FileSteps {
  return records(ARR_RECORD_BYTES, TEMPLATE_ACCESS_RULES.map(encodeAccessRules));
}

const PIN_STATUS_MF = Uint8Array.of(0x01, 0x0a);
const PIN_STATUS_ADF = Uint8Array.of(0x81, 0x01, 0x0a);

export function mfFiles(subscriber: Subscriber): Files {
  const application = encodeTlv(
    0x61,
    encodeTlv(0x4f, AID_USIM_APPLICATION),
    encodeTlv(0x50, utf8Bytes('USIM')),
  );
  return {
    mf: described({ pinStatusTemplateDo: PIN_STATUS_MF }),
    'ef-pl': content(utf8Bytes('en')),
    'ef-iccid': content(encodeIccid(subscriber.iccid)),
    'ef-dir': records(32, [application]),
    'ef-arr': accessRules(),
    // Largest current 60 mA, no further information.
    'ef-umpc': content(fromHex('3C3C000000')),
  };
}

/** Services of EF.UST (3GPP TS 31.102, 4.2.8), each with the files it needs. */
const SERVICES = {
  sms: 10,
  smsParameters: 12,
  spn: 19,
  plmnSelector: 20,
  msisdn: 21,
  gsmAccess: 27,
  smsDownload: 28,
  gsmSecurity: 38,
  operatorPlmnSelector: 42,
  homePlmnSelector: 43,
  ehplmn: 71,
  epsMobility: 85,
  fivegsMobility: 122,
} as const;
const UST_BYTES = 17;
/** Service 33 is not used any more and is always set. */
const ALWAYS_SET = 33;

function serviceTable(hasMsisdn: boolean): Uint8Array {
  const table = new Uint8Array(UST_BYTES);
  for (const service of [...Object.values(SERVICES), ALWAYS_SET]) {
    if (service === SERVICES.msisdn && !hasMsisdn) continue;
    const bit = service - 1;
    table[bit >> 3] = (table[bit >> 3] ?? 0) | (1 << (bit & 7));
  }
  return table;
}

/** One bit for the IMSI's last digit (3GPP TS 22.011, 4.2). */
function accessClass(imsi: Imsi): Uint8Array {
  const bits = 1 << Number(imsi.at(-1) ?? 0);
  return Uint8Array.of(bits >> 8, bits & 0xff);
}

export function usimFiles(subscriber: Subscriber): Files {
  const spn = concat(Uint8Array.of(0x01), utf8Bytes(subscriber.spn));
  const mncDigits = subscriber.mccMnc.length - 3;
  return {
    'adf-usim': described({
      fileId: TEMPORARY_ADF_ID,
      dfName: AID_USIM_APPLICATION,
      pinStatusTemplateDo: PIN_STATUS_ADF,
    }),
    'ef-imsi': content(encodeImsi(subscriber.imsi)),
    'ef-arr': accessRules(),
    'ef-keys': [],
    'ef-keysPS': [],
    'ef-hpplmn': content(Uint8Array.of(0x0a)),
    'ef-ust': sized(serviceTable(subscriber.msisdn !== undefined)),
    'ef-spn': content(padded(spn, 17)),
    'ef-est': content(Uint8Array.of(0)),
    'ef-psloci': [],
    'ef-acc': content(accessClass(subscriber.imsi)),
    'ef-fplmn': [],
    'ef-loci': [],
    'ef-ad': content(Uint8Array.of(0, 0, 0, mncDigits)),
    // 112 and 911 without alpha identifier, no service category.
    'ef-ecc': records(4, [fromHex('11F2FF00'), fromHex('19F1FF00')]),
    'ef-epsloci': [],
    'ef-epsnsc': [],
  };
}

/** NG-RAN, E-UTRAN, UTRAN and GSM (3GPP TS 31.102, 4.2.5). */
const ALL_ACCESS = fromHex('C880');

export function optionalUsimFiles(subscriber: Subscriber): Files {
  const home = encodePlmn(subscriber.mccMnc);
  return {
    'ef-li': content(utf8Bytes('en')),
    ...(subscriber.msisdn === undefined ? {} : { 'ef-msisdn': content(dialling(subscriber.msisdn)) }),
    'ef-plmnwact': [],
    'ef-oplmnwact': [],
    'ef-hplmnwact': content(concat(home, ALL_ACCESS)),
    'ef-ehplmn': content(padded(home, 15)),
  };
}

const ALPHA_BYTES = 10;
const INTERNATIONAL = 0x91;

/** A dialling number record of 24 octets: empty alpha identifier, length, TON/NPI, 20 digits, no CCP, no extension. */
function dialling(digits: string): Uint8Array {
  const packed = swapNibbles(fromHex(digits.length % 2 === 0 ? digits : `${digits}F`));
  const number = concat(Uint8Array.of(packed.length + 1, INTERNATIONAL), packed);
  return padded(concat(padded(EMPTY, ALPHA_BYTES), number), 24);
}
