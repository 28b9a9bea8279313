// What a person wants to know of a profile at a glance; holds no secret.
import { toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { decodeImsi, type Aid, type Iccid, type Imsi } from '../codec/ids.ts';
import type { Directory, ElementaryFile, LoadedProfile } from './profile-content.ts';

export type ProfileSummary = {
  readonly iccid: Iccid;
  readonly profileType?: string;
  /** Version of the package format. */
  readonly version: string;
  /** From the first USIM, where it holds one. */
  readonly imsi?: Imsi;
  readonly serviceProvider?: string;
  readonly applications: readonly { readonly aid: Aid; readonly type: string; readonly algorithm?: string }[];
  readonly directories: number;
  readonly files: number;
  /** Octets that files and load blocks take. */
  readonly memory: number;
  readonly securityDomains: readonly { readonly aid: Aid; readonly keyVersions: readonly number[] }[];
  /** TARs that remote file and application management answers to. */
  readonly tars: readonly string[];
};

const EF_IMSI = 0x6f07;
const EF_SPN = 0x6f46;

export function profileSummary(profile: LoadedProfile): ProfileSummary {
  const usim = profile.mf.children.find(
    (node): node is Directory =>
      node.kind === 'adf' && profile.naas.some((naa) => naa.type === 'usim' && naa.aid === node.aid),
  );
  const imsi = imsiOf(fileOf(usim, EF_IMSI));
  const serviceProvider = nameOf(fileOf(usim, EF_SPN));
  const { directories, files } = count(profile.mf);
  return {
    iccid: profile.iccid,
    ...(profile.profileType === undefined ? {} : { profileType: profile.profileType }),
    version: `${profile.version.major}.${profile.version.minor}`,
    ...(imsi === undefined ? {} : { imsi }),
    ...(serviceProvider === undefined ? {} : { serviceProvider }),
    applications: profile.naas.map((naa) => {
      const algorithm = naa.aka === undefined ? undefined : profile.akas[naa.aka]?.algorithm;
      return { aid: naa.aid, type: naa.type, ...(algorithm === undefined ? {} : { algorithm }) };
    }),
    directories,
    files,
    memory: profile.memory,
    securityDomains: profile.securityDomains.map((domain) => ({
      aid: domain.aid,
      keyVersions: [...new Set(domain.keys.map((key) => key.version))],
    })),
    tars: [...profile.rfms, ...profile.securityDomains].flatMap((holder) => holder.tars.map(toHex)),
  };
}

function fileOf(directory: Directory | undefined, fid: number): ElementaryFile | undefined {
  const node = directory?.children.find((child) => child.fid === fid);
  return node?.kind === 'ef' ? node : undefined;
}

function imsiOf(file: ElementaryFile | undefined): Imsi | undefined {
  if (file === undefined) return undefined;
  try {
    return decodeImsi(file.content);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return undefined;
  }
}

/** Octets of the GSM default alphabet (3GPP TS 23.038) that differ from ASCII and are seen in names. */
const GSM_CHARACTERS = new Map([
  [0x00, '@'],
  [0x02, '$'],
  [0x11, '_'],
]);
const SAME_IN_ASCII = /^[ !"#%&'()*+,\-./0-9:;<=>?A-Za-z]$/;

/** EF.SPN: display condition, then the name (3GPP TS 31.102, 4.2.12); undefined where it is not plain text. */
function nameOf(file: ElementaryFile | undefined): string | undefined {
  let name = '';
  for (const octet of file?.content.subarray(1) ?? []) {
    if (octet === 0xff) break;
    const character = String.fromCharCode(octet);
    const text = SAME_IN_ASCII.test(character) ? character : GSM_CHARACTERS.get(octet);
    if (text === undefined) return undefined;
    name += text;
  }
  return name === '' ? undefined : name;
}

function count(directory: Directory): { readonly directories: number; readonly files: number } {
  let directories = 1;
  let files = 0;
  for (const child of directory.children) {
    if (child.kind === 'ef') files++;
    else {
      const inner = count(child);
      directories += inner.directories;
      files += inner.files;
    }
  }
  return { directories, files };
}
