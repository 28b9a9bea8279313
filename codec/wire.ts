// The messages between agent and operator: every field, its CBOR key and its limits. transport/wire.cddl says the same for others.
import { AgentError } from '../base/errors.ts';
import {
  type CborDecoded,
  type CborFields,
  type CborType,
  cborBool,
  cborBytes,
  cborId,
  cborInt,
  cborList,
  cborMap,
  cborText,
  cborWord,
} from './cbor-table.ts';
import { type CborValue, decodeCbor, encodeCbor } from './cbor.ts';
import { parseEid, parseIccid, parseImei } from './ids.ts';

/** The version that both sides of this program speak. */
export const WIRE_VERSION = 1;

const MAX_CARD_OBJECT = 16_384;
const cardObject = cborBytes({ min: 1, max: MAX_CARD_OBJECT });
const certificate = cborBytes({ min: 1, max: 8192 });
/** Six octets and more for each command of a transfer. */
const MAX_RESPONSES = 1_048_576;
const script = cborBytes({ min: 1, max: 65_536 });
const transferId = cborBytes({ length: 16 });
const messageId = cborBytes({ length: 8 });
const eid = cborId(parseEid);
const iccid = cborId(parseIccid);
const imei = cborId(parseImei);

/** One named check of a verdict. */
export const verdictCheck = cborMap({
  name: { key: 1, type: cborText(64) },
  ok: { key: 2, type: cborBool },
  detail: { key: 3, type: cborText(512), optional: true },
});

/** What the modem says of its registration (3GPP TS 27.007, +CEREG and +COPS). */
const registration = cborMap({
  stat: { key: 1, type: cborInt(0, 10) },
  plmn: { key: 2, type: cborText(32), optional: true },
});

/** One step of making the modem notice a switch: in order from waiting for the card's own REFRESH to the vendor's reset. */
export const ladderRecord = cborMap({
  step: { key: 1, type: cborWord('refresh', 'slot-power', 'radio-cycle', 'restart', 'vendor-reset') },
  /** The layer of connectivity that the step was taken for. */
  missing: { key: 2, type: cborWord('card', 'registration') },
  /** Taken on the way back to the profile that worked. */
  back: { key: 3, type: cborBool, optional: true },
  /** How long the step itself took. Absent where it was cut short. */
  ms: { key: 4, type: cborInt(), optional: true },
  failure: { key: 5, type: cborText(128), optional: true },
});
export type LadderRecord = ReturnType<typeof ladderRecord.fromCbor>;
/** The most steps that are told of one switch. */
export const MAX_LADDER = 32;

/** Fields of every message; the body's keys begin at 10. */
const header = {
  type: { key: 0, type: cborInt(0, 255) },
  version: { key: 1, type: cborInt(1, 255) },
  id: { key: 2, type: messageId },
  transaction: { key: 3, type: cborBytes({ length: 16 }) },
  eid: { key: 4, type: eid },
} as const;

/** Messages of the agent. The number is the type on the wire. */
const UP = {
  /** Opening request (seed 38): IMEI and EID, with the card's challenge and EUICCInfo1 so that the answer can be bound to it. */
  activationRequest: [
    1,
    {
      kind: { key: 10, type: cborWord('provisioning', 'mno-change') },
      imei: { key: 11, type: imei },
      euiccChallenge: { key: 12, type: cborBytes({ length: 16 }) },
      euiccInfo1: { key: 13, type: cardObject },
      /** ICCID of the enabled operational profile, when there is one: the donor's. */
      donorIccid: { key: 14, type: iccid, optional: true },
      /** The transaction that an interruption ended and that this request takes up again. */
      resumes: { key: 15, type: cborBytes({ length: 16 }), optional: true },
      /** The largest block this device wants, in octets. */
      maxBlockSize: { key: 16, type: cborInt(256, 65_536), optional: true },
      /** The most octets of data that a command to this card may carry, where its way there takes less than 255. */
      maxCommandData: { key: 17, type: cborInt(32, 255), optional: true },
    },
  ],
  /** ES10b.AuthenticateServer response: status, capability (EUICCInfo2) and certificates at the same time (seed 79). */
  authenticateResponse: [
    2,
    {
      authenticateServerResponse: { key: 10, type: cardObject },
      imei: { key: 11, type: imei },
      /** The certificate profile as it was asked for: the object EC, and the object EE over the challenge (seed 60, 73). */
      certificateProfile: { key: 12, type: cborBytes({ min: 2, max: 32_768 }), optional: true },
      /** Why there is none. */
      certificateProfileError: { key: 13, type: cborText(128), optional: true },
    },
  ],
  /** ES10b.PrepareDownload response with the signed one-time key (seed 59). */
  downloadResponse: [3, { prepareDownloadResponse: { key: 10, type: cardObject } }],
  /** Where a transfer stands; sent at phase changes and every quarter. */
  transferReport: [
    4,
    {
      transferId: { key: 10, type: transferId },
      state: { key: 11, type: cborWord('started', 'progress', 'complete', 'failed') },
      receivedBytes: { key: 12, type: cborInt() },
      dropped: { key: 13, type: cborInt(), optional: true },
      reason: { key: 14, type: cborText(128), optional: true },
    },
  ],
  /** What the card answered to a script (Response Scripting template, TS 102 226 5.2.1) and what the device saw after it. */
  scriptReport: [
    5,
    {
      /** The message that brought the script, or the manifest of the transfer that held it. */
      command: { key: 10, type: messageId },
      outcome: { key: 11, type: cborWord('done', 'failed', 'rolled-back', 'interrupted') },
      responseScript: { key: 12, type: cborBytes({ max: MAX_RESPONSES }) },
      /** The ProfileInstallationResult (BF37) when the script installed a profile. */
      profileInstallationResult: { key: 13, type: cardObject, optional: true },
      enabledIccid: { key: 14, type: iccid, optional: true },
      registration: { key: 15, type: registration, optional: true },
      reason: { key: 16, type: cborText(256), optional: true },
      /** Figures of the card dialogue, for the operator's records. */
      apdus: { key: 17, type: cborInt(), optional: true },
      elapsedMs: { key: 18, type: cborInt(), optional: true },
      /** What was done to make the modem take the profile. */
      ladder: { key: 19, type: cborList(ladderRecord, MAX_LADDER), optional: true },
    },
  ],
  /** One PendingNotification of the card (BF37 or 30), for the MNO whose address it bears. */
  notification: [6, { pendingNotification: { key: 10, type: cardObject } }],
  /** The device cannot do the step that it was asked for. */
  failure: [
    7,
    {
      command: { key: 10, type: messageId, optional: true },
      code: { key: 11, type: cborText(64) },
      detail: { key: 12, type: cborText(512), optional: true },
    },
  ],
  /** The device has dealt with a message of the operator. */
  receipt: [
    8,
    {
      of: { key: 10, type: messageId },
      outcome: { key: 11, type: cborWord('done', 'duplicate', 'refused') },
    },
  ],
  /** The device has ended a session that it gives up: ES10b.CancelSession, with the reason that the eUICC signed. */
  sessionCancelled: [
    9,
    {
      cancelSessionResponse: { key: 10, type: cardObject },
      /** Why, where it was the device that could not go on; as in `failure`. */
      code: { key: 11, type: cborText(64), optional: true },
      detail: { key: 12, type: cborText(512), optional: true },
    },
  ],
} as const satisfies Record<string, readonly [number, CborFields]>;

/** Messages of an operator; each travels as the payload of a COSE_Sign1. */
const DOWN = {
  /** A receiving MNO asks the device for an activation request (MNO change), or wakes a device that should make one. */
  trigger: [64, { kind: { key: 10, type: cborWord('provisioning', 'mno-change') } }],
  /** ES9+.InitiateAuthentication answer: status and capability request (seed 62). */
  authenticateRequest: [
    65,
    {
      serverSigned1: { key: 10, type: cardObject },
      serverSignature1: { key: 11, type: cardObject },
      euiccCiPKIdToBeUsed: { key: 12, type: cardObject },
      serverCertificate: { key: 13, type: certificate },
      matchingId: { key: 14, type: cborText(64), optional: true },
      /** Asks for the certificate profile too, signed with this challenge. */
      certificateProfileChallenge: { key: 15, type: cborBytes({ length: 16 }), optional: true },
    },
  ],
  /** ES9+.AuthenticateClient answer: the request for a one-time key. */
  downloadRequest: [
    66,
    {
      smdpSigned2: { key: 10, type: cardObject },
      smdpSignature2: { key: 11, type: cardObject },
      smdpCertificate: { key: 12, type: certificate },
      /** StoreMetadata (BF25) of the profile that is offered: the device checks its policy rules before it accepts. */
      profileMetadata: { key: 13, type: cardObject, optional: true },
    },
  ],
  /** What a transfer brings. `hashes` is one SHA-256 cut to 16 octets a block. */
  manifest: [
    67,
    {
      transferId: { key: 10, type: transferId },
      /** What the content is for: a command script whose last response is a ProfileInstallationResult. */
      contentKind: { key: 11, type: cborWord('profile-script') },
      totalBytes: { key: 12, type: cborInt(1, 16_777_216) },
      blockSize: { key: 13, type: cborInt(256, 65_536) },
      sha256: { key: 14, type: cborBytes({ length: 32 }) },
      hashes: { key: 15, type: cborBytes({ min: 16, max: 1_048_576 }) },
      /** Unix seconds; after it the transfer is void. */
      expires: { key: 16, type: cborInt() },
      iccid: { key: 17, type: iccid },
    },
  ],
  /** A short command script, sent whole: enable, disable or delete, under the second layer. */
  script: [
    68,
    {
      purpose: { key: 10, type: cborWord('enable', 'disable', 'delete') },
      iccid: { key: 11, type: iccid },
      script: { key: 12, type: script },
      /** Restores the profile that worked, for the case that the verdict after an enable fails. */
      rollback: { key: 13, type: script, optional: true },
      /** How long the device waits for its connectivity verdict before it rolls back. */
      deadlineMs: { key: 14, type: cborInt(1000, 86_400_000) },
    },
  ],
  /** The end without a profile: why, and which checks of the verdict failed. */
  refused: [
    69,
    {
      reason: { key: 10, type: cborText(256) },
      checks: { key: 11, type: cborList(verdictCheck, 64), optional: true },
      /** The operator expects no further attempt before this many milliseconds. Absent: never by itself. */
      retryAfterMs: { key: 12, type: cborInt(), optional: true },
    },
  ],
  /** The procedure is complete and every party has confirmed. */
  completed: [70, { iccid: { key: 10, type: iccid } }],
  /** A transfer ends or pauses. */
  transferStop: [
    71,
    {
      transferId: { key: 10, type: transferId },
      why: { key: 11, type: cborWord('gone', 'superseded', 'expired', 'slow-down') },
      retryAfterMs: { key: 12, type: cborInt(), optional: true },
    },
  ],
  /** The operator has stored what the message of this id said; only now the device may forget it. */
  receipt: [
    72,
    {
      of: { key: 10, type: messageId },
      outcome: { key: 11, type: cborWord('done', 'duplicate', 'refused') },
      reason: { key: 12, type: cborText(256), optional: true },
    },
  ],
} as const satisfies Record<string, readonly [number, CborFields]>;

type Bodies = Record<string, readonly [number, CborFields]>;
type Message<B extends Bodies> = {
  [K in keyof B]: { readonly is: K } & Omit<CborDecoded<typeof header>, 'type' | 'version'> &
    CborDecoded<B[K][1]>;
}[keyof B];

/** Any message of the agent. `is` names the row of the table. */
export type UpMessage = Message<typeof UP>;
/** Any message of an operator. */
export type DownMessage = Message<typeof DOWN>;
export type UpKind = keyof typeof UP;
export type DownKind = keyof typeof DOWN;
export type UpOf<K extends UpKind> = Extract<UpMessage, { is: K }>;
export type DownOf<K extends DownKind> = Extract<DownMessage, { is: K }>;

export type MessageCodec<M> = {
  readonly encode: (message: M) => Uint8Array;
  /** Throws `CBOR_INVALID` or `MESSAGE_INVALID`; an unknown type or version is `MESSAGE_INVALID`. */
  readonly decode: (bytes: Uint8Array) => M;
};

function messageCodec<B extends Bodies>(bodies: B): MessageCodec<Message<B>> {
  const byName = new Map<string, readonly [number, CborType<object>]>();
  const byType = new Map<number, readonly [string, CborType<object>]>();
  for (const [name, [type, fields]] of Object.entries(bodies)) {
    const codec = cborMap({ ...header, ...fields }) as CborType<object>;
    byName.set(name, [type, codec]);
    byType.set(type, [name, codec]);
  }
  return {
    encode(message) {
      const row = byName.get(String(message.is));
      if (row === undefined)
        throw new AgentError('MESSAGE_INVALID', { why: `no message ${String(message.is)}` });
      const [type, codec] = row;
      return encodeCbor(codec.toCbor({ ...message, type, version: WIRE_VERSION }));
    },
    decode(bytes) {
      const value = decodeCbor(bytes);
      if (!(value instanceof Map)) throw new AgentError('MESSAGE_INVALID', { why: 'not a map' });
      const fields = value as ReadonlyMap<number, CborValue>;
      const type = fields.get(header.type.key);
      const version = fields.get(header.version.key);
      if (version !== WIRE_VERSION)
        throw new AgentError('MESSAGE_INVALID', {
          field: 'version',
          why: `${typeof version === 'number' ? version : 'none'} is not spoken here`,
        });
      const row = typeof type === 'number' ? byType.get(type) : undefined;
      if (row === undefined)
        throw new AgentError('MESSAGE_INVALID', {
          field: 'type',
          why: `${typeof type === 'number' ? type : 'none'} is unknown`,
        });
      const { type: _type, version: _version, ...rest } = row[1].fromCbor(value) as Record<string, unknown>;
      return { is: row[0], ...rest } as Message<B>;
    },
  };
}

export const upMessages: MessageCodec<UpMessage> = messageCodec(UP);
export const downMessages: MessageCodec<DownMessage> = messageCodec(DOWN);

/** A request for blocks of a transfer: ranges of [first index, count]. On a topic of its own, answered statelessly. */
export const blockRequest = cborMap({
  transferId: { key: 1, type: transferId },
  ranges: { key: 2, type: cborList(cborList(cborInt(0, 65_536), 2), 64) },
});
export type BlockRequest = ReturnType<typeof blockRequest.fromCbor>;

/** One block. Not signed: the manifest's hash decides. */
export const block = cborMap({
  transferId: { key: 1, type: transferId },
  index: { key: 2, type: cborInt(0, 65_536) },
  data: { key: 3, type: cborBytes({ min: 1, max: 65_536 }) },
});
export type Block = ReturnType<typeof block.fromCbor>;

/** The tables themselves, for the description that other programs read. */
export const WIRE_TABLES = {
  header,
  up: UP,
  down: DOWN,
  others: { 'block-request': blockRequest, block },
} as const;
