// What an MNO keeps: procedures, messages in and out, transfers, notifications and grants; one transaction a step.
import type { Eid, Iccid } from '../../codec/ids.ts';
import type { NotificationEvent } from '../roles.ts';
import type { Procedure } from './procedure.ts';

/** A message for a device, already signed. It is sent again until the device has dealt with it. */
export type OutgoingMessage = {
  /** 8 octets: the id inside the message. */
  readonly id: Uint8Array;
  readonly eid: Eid;
  readonly topic: string;
  /** COSE_Sign1 as it travels. */
  readonly payload: Uint8Array;
  /** Receipts are sent once: the device repeats what it wants a receipt for. */
  readonly repeat: boolean;
};

/** The content of a transfer with the block size of its manifest. */
export type TransferRecord = {
  readonly transferId: Uint8Array;
  readonly eid: Eid;
  readonly content: Uint8Array;
  readonly blockSize: number;
  /** Unix seconds. */
  readonly expires: number;
};

/** A notification of an eUICC for this MNO. */
export type NotificationRecord = {
  readonly eid: Eid;
  readonly seqNumber: number;
  readonly event: NotificationEvent;
  readonly iccid: Iccid;
  readonly verified: boolean;
  /** As the eUICC signed it: BF37 or 30. */
  readonly pendingNotification: Uint8Array;
  readonly receivedAt: number;
};

/** A change that this MNO, as donor, has granted. */
export type GrantRecord = {
  readonly transaction: Uint8Array;
  readonly eid: Eid;
  readonly receiving: string;
  readonly iccid: Iccid;
  /** COSE_Sign1. */
  readonly rightsGrant: Uint8Array;
  /** The receiving MNO has said that its profile works. */
  readonly confirmed: boolean;
  /** The eUICC's signed disable (or delete) notification for our profile is verified. */
  readonly released: boolean;
  readonly expires: number;
};

/** All that one step changes; it happens whole or not at all. */
export type StepCommit = {
  /** The message that caused the step; a second one with this id finds it in the inbox. */
  readonly inbox?: { readonly eid: Eid; readonly id: Uint8Array };
  /** The procedure after the step, and its version before (undefined for a new one). */
  readonly procedure?: { readonly value: Procedure; readonly version: number | undefined };
  readonly supersedes?: Uint8Array;
  readonly outgoing?: readonly OutgoingMessage[];
  readonly transfer?: TransferRecord;
  readonly notification?: NotificationRecord;
  readonly grant?: GrantRecord;
  /** What happened, for the audit log; no secrets. */
  readonly audit: { readonly action: string; readonly eid: Eid; readonly detail?: string };
};

export type MnoStore = {
  procedure(
    transaction: Uint8Array,
  ): Promise<{ readonly value: Procedure; readonly version: number } | undefined>;
  /** The procedures of an eUICC, or all, oldest first. */
  procedures(eid?: Eid): Promise<Procedure[]>;
  seen(eid: Eid, id: Uint8Array): Promise<boolean>;
  /** Throws CONFLICT when the procedure has another version by now, or the message was seen. */
  commit(step: StepCommit): Promise<void>;
  /** Messages that are not dealt with, in order. `includeSent` also gives those that await an answer. */
  outgoing(options: { readonly includeSent: boolean; readonly eid?: Eid }): Promise<OutgoingMessage[]>;
  markSent(id: Uint8Array): Promise<void>;
  /** The device has dealt with it: it is not sent again. */
  markAnswered(id: Uint8Array): Promise<void>;
  transfer(transferId: Uint8Array): Promise<TransferRecord | undefined>;
  notifications(eid?: Eid): Promise<NotificationRecord[]>;
  grant(eid: Eid, transaction?: Uint8Array): Promise<GrantRecord | undefined>;
};
