// What a profile package leaves on the card: file tree, PINs, AKA parameters, security domains and applications
// (TCA eUICC Profile Package: Interoperable Format). Plain data; the card owns its own, changing copy.
import type { Secret } from '../base/log.ts';
import type { Aid, Iccid } from '../codec/ids.ts';
import type { PeStatusName } from '../codec/saip/response.ts';

/**
 * Which record of which EF.ARR guards a file (ETSI TS 102 221, 9.2.7). The EF.ARR with this identifier is looked for in the
 * file's own directory first, then upwards. `record` counts from 1.
 */
export type AccessRuleReference = { readonly arrFid: number; readonly record: number };

/** A path of file identifiers below the MF; an ADF stands in it with its temporary file identifier. Empty is the MF. */
export type FilePath = readonly number[];

/** An elementary file. Records lie back to back in `content`, record 1 first. */
export type ElementaryFile = {
  readonly kind: 'ef';
  readonly fid: number;
  readonly structure: 'transparent' | 'linear-fixed' | 'cyclic' | 'ber-tlv';
  /** Octets of the body; `content` has as many, except in BER-TLV files, where it holds the data objects that exist. */
  readonly size: number;
  /** Record structures only. */
  readonly recordLength?: number;
  readonly content: Uint8Array;
  /** Short file identifier 1..30; none when the file cannot be reached by one. */
  readonly sfi?: number;
  readonly accessRule: AccessRuleReference;
  /** Life cycle status integer of ETSI TS 102 221, 11.1.1.4.9; 05 is operational and activated. */
  readonly lifeCycle: number;
  /** File descriptor octet as created, ETSI TS 102 221, 11.1.1.4.3 (shareable bit included). */
  readonly descriptor: number;
  /** Special file information, ETSI TS 102 222: 80 high update activity, 40 readable and updatable when deactivated. */
  readonly specialInformation: number;
  /** BER-TLV files: the largest size the file may grow to, where the package gives one. */
  readonly maximumSize?: number;
  /** This file is only another entrance to the file at this path, whose content counts; never to another link. */
  readonly link?: FilePath;
};

/** A directory. An ADF is found by `aid`; its `fid` is the temporary one and cannot be selected on the card. */
export type Directory = {
  readonly kind: 'mf' | 'df' | 'adf';
  readonly fid: number;
  /** ADFs only. */
  readonly aid?: Aid;
  readonly accessRule: AccessRuleReference;
  readonly lifeCycle: number;
  /** PIN status template of the package: the key references of the PINs that the directory's FCP lists (tag C6). */
  readonly pinStatusTemplate: Uint8Array;
  /** Where the local PINs (references 81..8E) of this directory live: index into `LoadedProfile.pinContexts`. */
  readonly pinContext: number;
  readonly children: readonly FileNode[];
  /** Another entrance to the directory at this path; `children` is empty then. */
  readonly link?: FilePath;
};

export type FileNode = ElementaryFile | Directory;

/** One PIN or administrative key (ETSI TS 102 221, 9.5.1 key references). */
export type PinContent = {
  readonly keyReference: number;
  /** 8 octets, digits in ASCII padded with FF. */
  readonly value: Secret<Uint8Array>;
  /** Key reference of the PUK that unblocks it, into `LoadedProfile.puks`. */
  readonly unblockedBy?: number;
  readonly enabled: boolean;
  readonly mayBeChanged: boolean;
  readonly mayBeDisabled: boolean;
  readonly maxAttempts: number;
  readonly attemptsLeft: number;
};

export type PukContent = {
  readonly keyReference: number;
  readonly value: Secret<Uint8Array>;
  readonly maxAttempts: number;
  readonly attemptsLeft: number;
};

/** Authentication of one network access application (3GPP TS 33.102 annex C for the part about sequence numbers). */
export type AkaContent = {
  readonly algorithm: 'milenage' | 'tuak' | 'usim-test';
  /** The octet as given; 02 stands for a RES of 128 bits in usim-test (GSMA TS.48). */
  readonly algorithmOptions: number;
  readonly k: Secret<Uint8Array>;
  /** OPc for Milenage, TOPc for TUAK, meaningless for usim-test. */
  readonly opc: Secret<Uint8Array>;
  /** Milenage r1..r5 in bits. */
  readonly rotations: readonly number[];
  /** Milenage c1..c5, 16 octets each. */
  readonly constants: readonly Uint8Array[];
  /** TUAK: iterations of Keccak-f[1600]. */
  readonly keccakIterations: number;
  /** How often the key may be used; none is without limit. */
  readonly authCounterMax?: number;
  /**
   * The octet as given: bit 1 is the check that SEQ is not older than `sqnAgeLimit`, bit 2 that it jumps no further than
   * `sqnDelta` (GSMA TS.48: wrap around). The test algorithm heeds neither.
   */
  readonly sqnOptions: number;
  readonly sqnDelta: number;
  readonly sqnAgeLimit: number;
  /** The highest accepted SEQ of each of the 32 indices IND; the index itself is not part of the values. */
  readonly sqn: readonly number[];
};

/** CAVE and CDMA2000 parameters of a CSIM, as given. */
export type CdmaContent = {
  readonly authenticationKey: Secret<Uint8Array>;
  readonly ssd?: Secret<Uint8Array>;
  readonly hrpdAccessAuthentication?: Secret<Uint8Array>;
  readonly simpleIpAuthentication?: Secret<Uint8Array>;
  readonly mobileIpAuthentication?: Secret<Uint8Array>;
};

/** A network access application: its ADF and what it authenticates with. */
export type NaaContent = {
  readonly aid: Aid;
  readonly type: 'usim' | 'isim' | 'csim' | 'other';
  /** Index into `LoadedProfile.akas`; two applications may share one (mapping), and with it the sequence numbers. */
  readonly aka?: number;
  readonly cdma?: CdmaContent;
};

export type KeyContent = {
  readonly usage: Uint8Array;
  readonly access: number;
  readonly identifier: number;
  readonly version: number;
  /** Start value of the key's counter, where one is given. */
  readonly counter?: Uint8Array;
  /** GlobalPlatform key type (80 DES, 88 AES, …), the key itself, MAC length in octets. */
  readonly components: readonly {
    readonly type: number;
    readonly data: Secret<Uint8Array>;
    readonly macLength: number;
  }[];
};

/** An installed application: a security domain or anything else; parameters are kept as they came. */
export type ApplicationContent = {
  readonly aid: Aid;
  readonly loadPackageAid: Aid;
  readonly classAid: Aid;
  /** The security domain it belongs to, when it was extradited. */
  readonly securityDomainAid?: Aid;
  readonly privileges: Uint8Array;
  readonly lifeCycle: number;
  /** Application specific install parameters (tag C9). */
  readonly parameters: Uint8Array;
  /** Toolkit application references under which SCP80 reaches it (from the UICC toolkit parameters). */
  readonly tars: readonly Uint8Array[];
  /** Minimum security level, as the first SPI octet, from the toolkit parameters; 0 when none is given. */
  readonly minimumSecurityLevel: number;
  /** STORE DATA commands sent to the application when it was created. */
  readonly processData: readonly Uint8Array[];
};

export type SecurityDomainContent = ApplicationContent & {
  readonly keys: readonly KeyContent[];
  /** Personalisation data, as STORE DATA payloads (DGIs). */
  readonly persoData: readonly Uint8Array[];
};

/** A package that applications are made from; the load block stays opaque. */
export type LoadPackageContent = {
  readonly aid: Aid;
  readonly securityDomainAid?: Aid;
  readonly loadBlock: Uint8Array;
};

/** Remote file management (ETSI TS 102 226): which TARs reach which files under which keys. */
export type RfmContent = {
  readonly instanceAid: Aid;
  readonly securityDomainAid?: Aid;
  readonly tars: readonly Uint8Array[];
  readonly minimumSecurityLevel: number;
  /** Access domain parameters (ETSI TS 102 226, 8.2.1.3.2.3.2), as given: 00 is full access, FF none. */
  readonly accessDomain: Uint8Array;
  readonly adminAccessDomain: Uint8Array;
  /** The ADF selected at the start of a script; none means the MF. */
  readonly adf?: {
    readonly aid: Aid;
    readonly accessDomain: Uint8Array;
    readonly adminAccessDomain: Uint8Array;
  };
};

export type LoadedProfile = {
  readonly iccid: Iccid;
  /** Free text of the header, the profile's own name for itself. */
  readonly profileType?: string;
  readonly version: { readonly major: number; readonly minor: number };
  /** Services that the header makes mandatory, by their ASN.1 names: usim, milenage, ber-tlv, … */
  readonly services: readonly string[];
  /** Policy octets (POL1) of the header. */
  readonly pol?: Uint8Array;
  readonly connectivityParameters?: Uint8Array;
  /** The MF; ADFs are children of it with kind `adf`. */
  readonly mf: Directory;
  /** Context 0 holds the global PINs and administrative keys. */
  readonly pinContexts: readonly (readonly PinContent[])[];
  readonly puks: readonly PukContent[];
  readonly naas: readonly NaaContent[];
  readonly akas: readonly AkaContent[];
  readonly securityDomains: readonly SecurityDomainContent[];
  readonly rfms: readonly RfmContent[];
  readonly applications: readonly ApplicationContent[];
  readonly loadPackages: readonly LoadPackageContent[];
  /** Octets that files and load blocks take. */
  readonly memory: number;
};

/** What one profile element came to. `identification` is the element's own number; `why` is for people and holds no secret. */
export type PeStatus = {
  readonly status: PeStatusName;
  readonly identification?: number;
  /** Name of the element. */
  readonly element?: string;
  readonly why?: string;
};

/** `warnings` are elements that were left out because they are not mandatory. */
export type LoadOutcome =
  | { readonly ok: true; readonly profile: LoadedProfile; readonly warnings: readonly PeStatus[] }
  | { readonly ok: false; readonly failed: PeStatus };
