// Files in a profile package: file control parameters, the steps that fill a file, and the elements that carry files by
// template (TCA eUICC Profile Package: Interoperable Format, PEDefinitions: Fcp, File, PE-MF … PE-OPT-IoT).
import { AgentError } from '../../base/errors.ts';
import { encodeTlv, readTlvs } from '../ber-tlv.ts';
import { concat } from '../../base/bytes.ts';
import { type Field, nothing, octets, oid, unsigned, type Type, type TypeOf } from '../tlv-table.ts';
import { orderedSequence, steps, within, type UnknownMember, type WithUnknown } from './asn1.ts';

/** Head of every element: its number, and whether the card must know the element to install the profile. */
export const peHeader = orderedSequence({
  mandated: { tag: 0x80, type: nothing, optional: true },
  identification: { tag: 0x81, type: unsigned },
});
export type PeHeader = TypeOf<typeof peHeader>;

const proprietaryInfo = orderedSequence({
  specialFileInformation: { tag: 0xc0, type: octets({ length: 1 }), optional: true },
  fillPattern: { tag: 0xc1, type: octets({ min: 1, max: 200 }), optional: true },
  repeatPattern: { tag: 0xc2, type: octets({ min: 1, max: 200 }), optional: true },
  maximumFileSize: { tag: 0x86, type: octets(), optional: true },
  fileDetails: { tag: 0x84, type: octets({ length: 1 }), optional: true },
});

/** File control parameters, ETSI TS 102 222. Members that are missing take the template's values, or the ASN.1 defaults. */
const fcp = orderedSequence({
  fileDescriptor: { tag: 0x82, type: octets({ min: 2, max: 4 }), optional: true },
  fileId: { tag: 0x83, type: octets({ length: 2 }), optional: true },
  dfName: { tag: 0x84, type: octets({ min: 5, max: 16 }), optional: true },
  lcsi: { tag: 0x8a, type: octets({ length: 1 }), optional: true },
  securityAttributesReferenced: { tag: 0x8b, type: octets({ min: 1, max: 3 }), optional: true },
  efFileSize: { tag: 0x80, type: octets(), optional: true },
  pinStatusTemplateDo: { tag: 0xc6, type: octets(), optional: true },
  shortEfid: { tag: 0x88, type: octets({ max: 1 }), optional: true },
  proprietaryEfInfo: { tag: 0xa5, type: proprietaryInfo, optional: true },
  linkPath: { tag: 0xc7, type: octets({ max: 8 }), optional: true },
});
export type Fcp = TypeOf<typeof fcp>;

/** What happens to one file of a template; an offset counts from where the last step ended. */
const file = steps({
  doNotCreate: { tag: 0x80, type: nothing },
  fileDescriptor: { tag: 0xa1, type: fcp },
  fillFileOffset: { tag: 0x82, type: unsigned },
  fillFileContent: { tag: 0x83, type: octets() },
});
export type FileSteps = TypeOf<typeof file>;

/** One run of generic file management: paths to go to, files to create there, content for the file created last. */
export const fileManagement = steps({
  filePath: { tag: 0x80, type: octets({ max: 8 }) },
  createFcp: { tag: 0x62, type: fcp },
  fillFileOffset: { tag: 0x02, type: unsigned },
  fillFileContent: { tag: 0x81, type: octets() },
});
export type FileManagementSteps = TypeOf<typeof fileManagement>;

/** An element that creates files after a template; `files` is keyed by the ASN.1 member names (`ef-imsi`). */
export type FilesElement = WithUnknown & {
  readonly header: PeHeader;
  /** Object identifier of the template, dotted. */
  readonly templateId: string;
  readonly files: Readonly<Record<string, FileSteps>>;
};

const HEADER_TAG = 0xa0;
const TEMPLATE_TAG = 0x81;

/** Tag number of a constructed context tag as its octets read as one number. */
export function contextTag(number: number): number {
  return number < 31 ? 0xa0 + number : 0xbf00 + number;
}

/** The layout of a file-bearing element: header [0], templateID [1], then one File for each name, `?` marking optional ones. */
export function filesElement(members: string): Type<FilesElement> {
  const names = members
    .trim()
    .split(/\s+/)
    .map((word) => ({ name: word.replace('?', ''), optional: word.endsWith('?') }));
  const known = new Set(names.map(({ name }) => name));
  const fields: Record<string, Field<unknown>> = {
    header: { tag: HEADER_TAG, type: peHeader as Type<unknown> },
    templateID: { tag: TEMPLATE_TAG, type: oid as Type<unknown> },
  };
  for (const [at, { name, optional }] of names.entries()) {
    const row = { tag: contextTag(at + 2), type: file as Type<unknown> };
    fields[name] = optional ? { ...row, optional } : row;
  }
  return {
    shape: { kind: 'sequence', fields },
    decode(bytes) {
      const files: Record<string, FileSteps> = {};
      const unknown: UnknownMember[] = [];
      let header: PeHeader | undefined;
      let templateId: string | undefined;
      let next = 0;
      for (const tlv of readTlvs(bytes)) {
        const at = tagNumber(tlv.tag) - 2;
        const row = names[at];
        if (tlv.tag === HEADER_TAG && header === undefined) {
          header = within('header', tlv.tag, () => peHeader.decode(tlv.value));
        } else if (tlv.tag === TEMPLATE_TAG && templateId === undefined) {
          templateId = within('templateID', tlv.tag, () => oid.decode(tlv.value));
        } else if (row !== undefined && at >= next && tlv.tag === contextTag(at + 2)) {
          files[row.name] = within(row.name, tlv.tag, () => file.decode(tlv.value));
          next = at + 1;
        } else unknown.push({ at: next, raw: Uint8Array.from(tlv.raw) });
      }
      if (header === undefined) throw new AgentError('TLV_MISSING', { field: 'header' });
      if (templateId === undefined) throw new AgentError('TLV_MISSING', { field: 'templateID' });
      for (const { name, optional } of names) {
        if (!optional && files[name] === undefined) throw new AgentError('TLV_MISSING', { field: name });
      }
      return unknown.length > 0 ? { header, templateId, files, unknown } : { header, templateId, files };
    },
    encode(value) {
      for (const name of Object.keys(value.files)) {
        if (!known.has(name)) throw new AgentError('TLV_VALUE', { field: name, why: 'no such file' });
      }
      const parts = [
        encodeTlv(HEADER_TAG, peHeader.encode(value.header)),
        encodeTlv(TEMPLATE_TAG, oid.encode(value.templateId)),
      ];
      for (let i = 0; i <= names.length; i++) {
        for (const member of value.unknown ?? []) if (member.at === i) parts.push(member.raw);
        const row = names[i];
        if (row === undefined) break;
        const held = value.files[row.name];
        if (held !== undefined) parts.push(encodeTlv(contextTag(i + 2), file.encode(held)));
        else if (!row.optional) throw new AgentError('TLV_MISSING', { field: row.name });
      }
      return concat(...parts);
    },
  };
}

function tagNumber(tag: number): number {
  return tag > 0xff ? tag & 0x7f : tag & 0x1f;
}
