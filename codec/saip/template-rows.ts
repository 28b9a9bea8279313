// The shape of a template's rows and the words in which the template tables are written.

/** Structure of an EF, or the kind of a directory. */
export type TemplateKind = 'mf' | 'adf' | 'df' | 'transparent' | 'linear-fixed' | 'cyclic' | 'ber-tlv';

/** One file of a template. What is undefined has no default: the package must give it. */
export type FileTemplate = {
  /** Member name in the profile element. */
  readonly name: string;
  readonly kind: TemplateKind;
  readonly fid?: number;
  /** Record of the EF.ARR that guards the file unless the package names another. */
  readonly arr: number;
  /** Octets of a transparent or BER-TLV file, or of one record. */
  readonly size?: number;
  readonly records?: number;
  readonly sfi?: number;
  /** First content, see `patternOctets`; without one the file is filled with FF. */
  readonly fill?: string;
  readonly highUpdate?: true;
};

/** Where the first row of a template hangs: a root, the MF, or the network access application created last of a kind. */
type TemplatePlace = 'root' | 'mf' | 'usim' | 'isim' | 'csim' | 'adf';

export type Template = {
  readonly oid: string;
  readonly place: TemplatePlace;
  /** Files that the element does not mention are created too. */
  readonly createdByDefault: boolean;
  /** Directories are followed by the files in them. */
  readonly files: readonly FileTemplate[];
};

type Details = Omit<FileTemplate, 'name' | 'kind' | 'fid' | 'arr'>;

/** Directory; access rule 14 unless given. */
export function dir(kind: 'mf' | 'adf' | 'df', name: string, fid?: number, arr = 14): FileTemplate {
  return fid === undefined ? { name, kind, arr } : { name, kind, fid, arr };
}

function row(kind: TemplateKind) {
  return (name: string, fid: number | undefined, arr: number, details: Details = {}): FileTemplate =>
    fid === undefined ? { name, kind, arr, ...details } : { name, kind, fid, arr, ...details };
}

/** Rows of EFs: member name, file identifier (undefined where one of a range must be given), access rule, the rest. */
export const transparent = row('transparent');
export const linear = row('linear-fixed');
export const cyclic = row('cyclic');
export const berTlv = row('ber-tlv');

const TEMPLATE_ARC = '2.23.143.1.2.';

/** Object identifier of a template by its last arcs. */
export function templateOid(last: string): string {
  return TEMPLATE_ARC + last;
}
