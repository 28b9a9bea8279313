// The files of a card without an enabled profile: an MF with its access rules and an empty EF.DIR.
import { fromHex } from '../base/bytes.ts';
import { FID_MF } from './file-system.ts';
import type { Directory, ElementaryFile, LoadedProfile } from './profile-content.ts';

/** What the card needs of a profile that it presents. */
export type ProfileFiles = Pick<
  LoadedProfile,
  | 'mf'
  | 'pinContexts'
  | 'puks'
  | 'naas'
  | 'akas'
  | 'securityDomains'
  | 'rfms'
  | 'applications'
  | 'loadPackages'
>;

const FID_ARR = 0x2f06;
const FID_DIR = 0x2f00;
const SFI_ARR = 0x06;
const SFI_DIR = 0x1e;
const OPERATIONAL = 0x05;
const LINEAR_FIXED = 0x42;
const DIR_RECORD_OCTETS = 0x26;
/** Record 1: reading is free; no condition stands for updating, so nobody may. */
const ARR_RECORD = fromHex('8001019000');

const accessRule = { arrFid: FID_ARR, record: 1 };

function recordFile(fid: number, sfi: number, content: Uint8Array): ElementaryFile {
  return {
    kind: 'ef',
    fid,
    structure: 'linear-fixed',
    size: content.length,
    recordLength: content.length,
    content,
    sfi,
    accessRule,
    lifeCycle: OPERATIONAL,
    descriptor: LINEAR_FIXED,
    specialInformation: 0,
  };
}

const mf: Directory = {
  kind: 'mf',
  fid: FID_MF,
  accessRule,
  lifeCycle: OPERATIONAL,
  pinStatusTemplate: new Uint8Array(0),
  pinContext: 0,
  children: [
    recordFile(FID_ARR, SFI_ARR, ARR_RECORD),
    recordFile(FID_DIR, SFI_DIR, new Uint8Array(DIR_RECORD_OCTETS).fill(0xff)),
  ],
};

export const BARE_PROFILE: ProfileFiles = {
  mf,
  pinContexts: [[]],
  puks: [],
  naas: [],
  akas: [],
  securityDomains: [],
  rfms: [],
  applications: [],
  loadPackages: [],
};
