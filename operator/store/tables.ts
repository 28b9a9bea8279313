// The tables of an operator's database as types. Every row names its owner (a role by name), so that roles may share a file.
import type { Generated } from 'kysely';
import type { Eid, Iccid, Imei, Imsi } from '../../codec/ids.ts';

/** Unix milliseconds. */
type Time = number;
/** 1 or 0: SQLite has no boolean of its own. */
type Flag = 0 | 1;
/** Upper-case hex of 16 octets. */
type TransactionText = string;
/** JSON as text. */
type Json = string;

/** SGP.02 Annex E: what an SM-SR knows of one eUICC. */
export type EisTable = {
  owner: string;
  eid: Eid;
  imei: Imei | null;
  status: 'ok' | 'locked' | 'revoked' | 'quarantined';
  /** Why it is not ok. */
  statusReason: string | null;
  /** Protocol of the management keys. */
  secondLayer: 'scp03' | 'scp80';
  /** X.509 DER. */
  euiccCertificate: Uint8Array;
  eumCertificate: Uint8Array;
  /** EUICCInfo2 as last read, BF22. */
  euiccInfo2: Uint8Array | null;
  ver: number;
  createdAt: Time;
  updatedAt: Time;
};

/** A keyset of the ISD-R; `sealed` is enc, mac and dek under the owner's master key. */
export type EisKeyTable = {
  owner: string;
  eid: Eid;
  kvn: number;
  sealed: Uint8Array;
  /** The sequence counter that the card will use next, as far as is known. */
  sequenceCounter: number;
  /** `pending` until the eUICC has confirmed it, `retired` until the eUICC has deleted it. */
  state: 'active' | 'pending' | 'retired';
  ver: number;
  updatedAt: Time;
};

/** A static key of the eUICC: PK.ECASD.ECKA, 04 X Y, in CERT.ECASD.ECKA, X.509 DER. */
export type EisModuleTable = {
  owner: string;
  eid: Eid;
  /** Object identifier of the SM-DP that it is for; empty where it is for all. */
  registeredId: string;
  curve: 'P-256' | 'brainpoolP256r1';
  publicKey: Uint8Array;
  certificate: Uint8Array;
  /** `pending` until the eUICC has said that it took the certificate. */
  state: 'active' | 'pending';
};

export type EisProfileTable = {
  owner: string;
  eid: Eid;
  iccid: Iccid;
  /** Hex, once the eUICC has named it. */
  isdPAid: string | null;
  mno: string;
  profileClass: 'test' | 'provisioning' | 'operational';
  state: 'ordered' | 'disabled' | 'enabled' | 'deleted';
  /** POL2 (SGP.02 3.6): may it be disabled, may it be deleted, must it go when it is disabled. */
  pol2DisableAllowed: Flag;
  pol2DeleteAllowed: Flag;
  pol2DeleteWhenDisabled: Flag;
  updatedAt: Time;
};

/** When a fact of an EIS was last stated, and by whom. */
export type EisProvenanceTable = { owner: string; eid: Eid; field: string; source: string; at: Time };

export type VerdictTable = {
  owner: string;
  transactionId: TransactionText;
  eid: Eid;
  /** Empty where no device was there to say it. */
  imei: Imei | '';
  mno: string;
  /** SHA-256 over what was judged: the same transaction is judged once. */
  evidenceHash: Uint8Array;
  accepted: Flag;
  /** VerdictCheck[]. */
  checks: Json;
  at: Time;
};

/** A command script under the second layer, from its making to the card's answer. */
export type ScriptTable = {
  owner: string;
  eid: Eid;
  /** Counts the scripts of an eUICC from 1. */
  number: number;
  mno: string;
  purpose:
    | 'load'
    | 'enable'
    | 'disable'
    | 'delete'
    | 'putKey'
    | 'deleteKey'
    | 'unblockPin'
    | 'generateKey'
    | 'installModule';
  /** Empty for a script about keys or the certificate profile. */
  iccid: Iccid | '';
  transactionId: TransactionText | null;
  kvn: number;
  level: number;
  sequenceCounter: number;
  hostChallenge: Uint8Array;
  /** `prepared` until the card's answer; `void` when another script took its place. */
  state: 'prepared' | 'done' | 'failed' | 'void';
  /** Of what a `load` brings, or of the receipt that a `putKey` expects: the same again gets the same script. */
  inputHash: Uint8Array | null;
  /** The unprotected commands, where their responses are protected and so must be opened later. */
  commands: Uint8Array | null;
  commandCount: number;
  /** The protected script; dropped when it is answered. */
  script: Uint8Array | null;
  /** The script that takes it back: made for the sequence counter that follows. */
  rollback: Uint8Array | null;
  rollbackHostChallenge: Uint8Array | null;
  rollbackCommands: Uint8Array | null;
  /** The profile that the rollback enables. */
  rollbackIccid: Iccid | null;
  /** SHA-256 of the answer, and what came of it: a repeated report gets the same result. */
  answerHash: Uint8Array | null;
  result: Uint8Array | null;
  createdAt: Time;
  updatedAt: Time;
};

/** A donor's rights grant that an SM-SR consumed. */
export type GrantTable = {
  owner: string;
  /** The grant's nonce, hex of 16 octets. */
  id: string;
  eid: Eid;
  donor: string;
  receiving: string;
  /** The donor's profile. */
  iccid: Iccid;
  /** The RSP transaction that it was consumed in. */
  transactionId: TransactionText;
  /** The donor's word on the deletion of its profile after the change. */
  deleteAllowed: Flag;
  expires: Time;
  consumedAt: Time;
};

/** The firewall of an SM-SR (seed 7): who may call what for which eUICC; `*` stands for every EID. */
export type AllowListTable = { owner: string; peer: string; eid: string; functionName: string };

/** A subscription of an MNO; `sealed` holds K, OPc, PINs and PUKs under the owner's master key. */
export type SubscriptionTable = {
  owner: string;
  iccid: Iccid;
  imsi: Imsi;
  spn: string;
  sealed: Uint8Array;
  /** Highest sequence number used in an authentication vector (TS 33.102 Annex C). */
  sqn: number;
  state: 'available' | 'reserved' | 'downloaded' | 'installed' | 'enabled' | 'disabled' | 'deleted';
  eid: Eid | null;
  orderId: string | null;
  updatedAt: Time;
};

/** One RSP session of an SM-DP, from InitiateAuthentication to the notification of its result. */
export type SmdpSessionTable = {
  owner: string;
  transactionId: TransactionText;
  state: 'initiated' | 'authenticated' | 'bound' | 'installed' | 'failed' | 'cancelled';
  euiccChallenge: Uint8Array;
  serverChallenge: Uint8Array;
  serverSigned1: Uint8Array;
  ciPkId: Uint8Array;
  eid: Eid | null;
  iccid: Iccid | null;
  euiccCertificate: Uint8Array | null;
  eumCertificate: Uint8Array | null;
  /** The BF38 that was accepted: the same one again gets the same answer. */
  authenticateServerResponse: Uint8Array | null;
  smdpSigned2: Uint8Array | null;
  smdpSignature2: Uint8Array | null;
  /** The BF21 that was accepted. */
  prepareDownloadResponse: Uint8Array | null;
  boundProfilePackage: Uint8Array | null;
  profileBytes: number | null;
  /** The eUICC's static key that the profile is to be bound to; null for a one-time key. */
  staticKey: Uint8Array | null;
  /** How many unprotected profile packages were built in this session. */
  built: number;
  ver: number;
  createdAt: Time;
  updatedAt: Time;
};

/** A procedure of an MNO with one device. */
export type ProcedureTable = {
  owner: string;
  /** The transaction id. */
  id: TransactionText;
  eid: Eid;
  kind: 'provisioning' | 'mno-change';
  family: 'A' | 'B' | 'C';
  state: string;
  /** What the MNO knows of it, as the MNO encodes it. */
  data: Uint8Array;
  ver: number;
  createdAt: Time;
  updatedAt: Time;
};

/** A message to a device, stored with the step that caused it and sent after the commit. */
export type OutboxTable = {
  id: Generated<number>;
  owner: string;
  eid: Eid;
  shard: number;
  /** Hex of 8 octets. */
  messageId: string;
  kind: string;
  payload: Uint8Array;
  createdAt: Time;
  /** When the broker last took it. */
  sentAt: Time | null;
  attempts: number;
  /** When the device's own receipt came. */
  receiptedAt: Time | null;
};

/** Every event that was dealt with, once; `answer` is what a repetition is answered with. */
export type InboxTable = {
  owner: string;
  eventId: string;
  eid: Eid;
  answer: Uint8Array | null;
  at: Time;
};

/** A chunked transfer: the content is protected already. */
export type TransferTable = {
  owner: string;
  /** Hex of 16 octets. */
  transferId: string;
  eid: Eid;
  transactionId: TransactionText;
  /** The manifest as signed. */
  manifest: Uint8Array;
  content: Uint8Array | null;
  totalBytes: number;
  blockSize: number;
  state: 'open' | 'complete' | 'gone' | 'superseded' | 'expired';
  expires: Time;
  createdAt: Time;
};

/** A notification signed by an eUICC, as it came. */
export type NotificationTable = {
  owner: string;
  eid: Eid;
  seqNumber: number;
  event: 'install' | 'enable' | 'disable' | 'delete';
  iccid: Iccid;
  verified: Flag;
  raw: Uint8Array;
  at: Time;
};

/** A change that the owner, as donor, has granted, and how far it has come. */
export type ChangeGrantTable = {
  owner: string;
  transactionId: TransactionText;
  eid: Eid;
  receiving: string;
  iccid: Iccid;
  /** COSE_Sign1. */
  rightsGrant: Uint8Array;
  /** The receiving MNO has said that its profile works. */
  confirmed: Flag;
  /** The eUICC's signed word that the owner's profile is out of use is verified. */
  released: Flag;
  expires: Time;
};

/** Append-only and hash-chained per owner. */
export type AuditTable = {
  owner: string;
  seq: number;
  at: Time;
  actor: string;
  action: string;
  subject: string;
  details: Json;
  prevHash: Uint8Array;
  hash: Uint8Array;
};

export type Tables = {
  eis: EisTable;
  eisKeys: EisKeyTable;
  eisModules: EisModuleTable;
  eisProfiles: EisProfileTable;
  eisProvenance: EisProvenanceTable;
  verdicts: VerdictTable;
  scripts: ScriptTable;
  grants: GrantTable;
  allowList: AllowListTable;
  subscriptions: SubscriptionTable;
  smdpSessions: SmdpSessionTable;
  procedures: ProcedureTable;
  outbox: OutboxTable;
  inbox: InboxTable;
  transfers: TransferTable;
  notifications: NotificationTable;
  changeGrants: ChangeGrantTable;
  audit: AuditTable;
};
