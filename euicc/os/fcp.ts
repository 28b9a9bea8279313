// File control parameters, the answer to SELECT and STATUS (ETSI TS 102 221, 11.1.1.3 and 11.1.1.4).
import { EMPTY, fromHex, uintBytes } from '../../base/bytes.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { encodeAid } from '../../codec/ids.ts';
import type { FilePlace, FileSystem, FolderPlace, Place } from '../file-system.ts';
import type { Pins } from './pins.ts';

const TAG = {
  fcp: 0x62,
  fileSize: 0x80,
  fileDescriptor: 0x82,
  fileIdentifier: 0x83,
  dfName: 0x84,
  shortFileIdentifier: 0x88,
  lifeCycle: 0x8a,
  securityReferenced: 0x8b,
  proprietary: 0xa5,
  pinStatus: 0xc6,
} as const;

const UICC_CHARACTERISTICS = fromHex('800171');
const TAG_FREE_MEMORY = 0x83;
/** TERMINAL CAPABILITY is supported. */
const SUPPORTED_COMMANDS = fromHex('870101');
const TAG_SPECIAL_INFORMATION = 0xc0;
/** BER-TLV files: their lengths are DER, what is reserved for them, and how far they may grow. */
const FILE_DETAILS_DER = fromHex('840101');
const TAG_RESERVED_SIZE = 0x85;
const TAG_MAXIMUM_SIZE = 0x86;
const DIRECTORY_DESCRIPTOR = fromHex('7821');
const DATA_CODING = 0x21;
/** The PIN that may stand in for others, and its usage qualifier: to be verified in their place, or not (9.4.1, 9.5.2). */
const UNIVERSAL_PIN = 0x11;
const USE = fromHex('950108');
const DO_NOT_USE = fromHex('950100');

export type FcpContext = {
  readonly files: FileSystem;
  readonly pins: Pins;
  /** Octets of non-volatile memory left. */
  readonly freeMemory: number;
};

/** The whole template 62. */
export function encodeFcp(context: FcpContext, place: Place): Uint8Array {
  return encodeTlv(
    TAG.fcp,
    ...(place.kind === 'file' ? fileParts(context, place) : folderParts(context, place)),
  );
}

function commonParts({ files }: FcpContext, place: Place): readonly Uint8Array[] {
  const { arrFid, record } = place.content.accessRule;
  return [
    encodeTlv(TAG.lifeCycle, Uint8Array.of(files.lifeCycle(place))),
    encodeTlv(TAG.securityReferenced, uintBytes(arrFid, 2), Uint8Array.of(record)),
  ];
}

function fileParts(context: FcpContext, place: FilePlace): readonly Uint8Array[] {
  const { descriptor, fid, recordLength, sfi, structure } = place.content;
  const size = structure === 'ber-tlv' ? context.files.body(place).length : place.content.size;
  const proprietary = proprietaryParts(place);
  const records =
    recordLength === undefined
      ? EMPTY
      : Uint8Array.of(...uintBytes(recordLength, 2), Math.floor(size / recordLength));
  return [
    encodeTlv(TAG.fileDescriptor, Uint8Array.of(descriptor, DATA_CODING), records),
    encodeTlv(TAG.fileIdentifier, uintBytes(fid, 2)),
    ...(proprietary.length === 0 ? [] : [encodeTlv(TAG.proprietary, ...proprietary)]),
    ...commonParts(context, place),
    encodeTlv(TAG.fileSize, sizeOctets(size)),
    encodeTlv(TAG.shortFileIdentifier, sfi === undefined ? EMPTY : Uint8Array.of(sfi << 3)),
  ];
}

function proprietaryParts({ content }: FilePlace): readonly Uint8Array[] {
  const { maximumSize, size, specialInformation, structure } = content;
  const parts: Uint8Array[] = [];
  if (structure === 'ber-tlv') {
    parts.push(FILE_DETAILS_DER, encodeTlv(TAG_RESERVED_SIZE, sizeOctets(size)));
    if (maximumSize !== undefined) parts.push(encodeTlv(TAG_MAXIMUM_SIZE, sizeOctets(maximumSize)));
  }
  if (specialInformation !== 0)
    parts.push(encodeTlv(TAG_SPECIAL_INFORMATION, Uint8Array.of(specialInformation)));
  return parts;
}

function sizeOctets(size: number): Uint8Array {
  return uintBytes(size, size > 0xffff ? 4 : 2);
}

function folderParts(context: FcpContext, place: FolderPlace): readonly Uint8Array[] {
  const { aid, fid } = place.content;
  return [
    encodeTlv(TAG.fileDescriptor, DIRECTORY_DESCRIPTOR),
    encodeTlv(TAG.fileIdentifier, uintBytes(fid, 2)),
    ...(aid === undefined ? [] : [encodeTlv(TAG.dfName, encodeAid(aid))]),
    encodeTlv(
      TAG.proprietary,
      UICC_CHARACTERISTICS,
      encodeTlv(TAG_FREE_MEMORY, uintBytes(context.freeMemory, 4)),
      SUPPORTED_COMMANDS,
    ),
    ...commonParts(context, place),
    pinStatus(context, place),
  ];
}

/** One bit for each key reference, set while the PIN is enabled, then the references (9.5.2). */
function pinStatus({ pins }: FcpContext, place: FolderPlace): Uint8Array {
  const references = [...place.content.pinStatusTemplate];
  const flags = new Uint8Array(Math.max(1, Math.ceil(references.length / 8)));
  for (const [i, reference] of references.entries()) {
    if (pins.find(place.content, reference)?.enabled !== true) continue;
    flags[i >> 3] = (flags[i >> 3] ?? 0) | (0x80 >> (i & 7));
  }
  const isUsed = references.some((reference) => {
    const pin = pins.find(place.content, reference);
    return pin?.enabled === false && pin.replacedBy === UNIVERSAL_PIN;
  });
  return encodeTlv(
    TAG.pinStatus,
    encodeTlv(0x90, flags),
    ...references.flatMap((reference) => [
      ...(reference === UNIVERSAL_PIN ? [isUsed ? USE : DO_NOT_USE] : []),
      encodeTlv(0x83, Uint8Array.of(reference)),
    ]),
  );
}
