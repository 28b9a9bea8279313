// The roles of the back-end and the functions they offer each other, named for the interfaces of SGP.02 and SGP.22.
import type { Eid, Iccid, Imei, Imsi } from '../codec/ids.ts';
import type { Scp03Keys } from '../crypto/scp03.ts';
import type { Verdict } from '../crypto/verdict.ts';

/** ES9+.InitiateAuthentication answer: whole TLVs, and the certificate as X.509 DER. */
export type InitiateAuthenticationAnswer = {
  /** 16 octets. */
  readonly transactionId: Uint8Array;
  readonly serverSigned1: Uint8Array;
  readonly serverSignature1: Uint8Array;
  readonly euiccCiPKIdToBeUsed: Uint8Array;
  /** CERT.DPauth.ECDSA. */
  readonly serverCertificate: Uint8Array;
};

/** ES9+.AuthenticateClient answer: whole TLVs, and the certificate as X.509 DER. */
export type AuthenticateClientAnswer = {
  readonly smdpSigned2: Uint8Array;
  readonly smdpSignature2: Uint8Array;
  /** CERT.DPpb.ECDSA. */
  readonly smdpCertificate: Uint8Array;
  /** BF25, as the package will bring it. */
  readonly profileMetadata: Uint8Array;
};

export type BoundProfile = {
  /** BF36, first layer. */
  readonly boundProfilePackage: Uint8Array;
  /** Length of the unprotected profile package, in octets. */
  readonly profileBytes: number;
  readonly iccid: Iccid;
};

/** SM-DP: builds, protects and signs profiles (seed 5). Nothing is built before an accepted verdict (seed 108). */
export type SmDp = {
  /** ES2.DownloadOrder and ConfirmOrder: reserves a subscription for this EID; the same order answers the same. */
  downloadOrder(order: {
    readonly eid: Eid;
    readonly orderId: string;
  }): Promise<{ readonly iccid: Iccid; readonly imsi: Imsi }>;
  /** ES9+.InitiateAuthentication. */
  initiateAuthentication(request: {
    readonly euiccChallenge: Uint8Array;
    readonly euiccInfo1: Uint8Array;
  }): Promise<InitiateAuthenticationAnswer>;
  /** ES9+.AuthenticateClient: refuses (REFUSED) without an accepted verdict for this EID and transaction. */
  authenticateClient(request: {
    readonly transactionId: Uint8Array;
    /** BF38 as the eUICC answered it. */
    readonly authenticateServerResponse: Uint8Array;
    readonly eid: Eid;
    readonly iccid: Iccid;
    readonly verdict: Verdict;
    /** CERT.ECASD.ECKA: the profile is to be bound to the static key of one of them; to a one-time key unless given. */
    readonly ecasdCertificates?: readonly Uint8Array[];
  }): Promise<AuthenticateClientAnswer>;
  /** ES9+.GetBoundProfilePackage: checks euiccSignature2, builds the package, binds it to otPK.EUICC and signs. */
  getBoundProfilePackage(request: {
    readonly transactionId: Uint8Array;
    /** BF21 as the eUICC answered it. */
    readonly prepareDownloadResponse: Uint8Array;
  }): Promise<BoundProfile>;
  /**
   * ES9+.CancelSession: the eUICC ends the session, for the reason it signed. After `postponed` and `timeout` the package waits
   * for the eUICC's next session; the order stays in either case.
   */
  cancelSession(request: {
    readonly transactionId: Uint8Array;
    /** BF41 as the eUICC answered it. */
    readonly cancelSessionResponse: Uint8Array;
  }): Promise<{ readonly reason: string }>;
  /** ES9+.HandleNotification: a ProfileInstallationResult or another signed notification. */
  handleNotification(pendingNotification: Uint8Array): Promise<{ readonly verified: boolean }>;
};

/** A profile as an EIS knows it. */
export type EisProfile = {
  readonly iccid: Iccid;
  /** The MNO that owns it; empty for a provisioning profile of nobody's. */
  readonly mno: string;
  readonly profileClass: 'test' | 'provisioning' | 'operational';
  readonly state: 'disabled' | 'enabled' | 'deleted';
};

/** eUICC information set: one eUICC's record in an SM-SR (SGP.02 Annex E), without its keys. */
export type Eis = {
  readonly eid: Eid;
  readonly imei?: Imei;
  readonly status: 'ok' | 'locked' | 'revoked' | 'quarantined';
  readonly profiles: readonly EisProfile[];
  /** When each fact was last stated (Unix milliseconds), and by whom. */
  readonly provenance: readonly { readonly field: string; readonly source: string; readonly at: number }[];
};

/** What a manufacturer hands over of a new eUICC. */
export type EisRegistration = {
  readonly eid: Eid;
  /** X.509 DER. */
  readonly euiccCertificate: Uint8Array;
  readonly eumCertificate: Uint8Array;
  /** Management keys of the ISD-R: key version 30 to 3F for SCP03, 01 to 0F for SCP80. */
  readonly isdRKeys: Scp03Keys & { readonly kvn: number };
  /** The sequence counter of the card's next session; that of a new eUICC unless given. */
  readonly sequenceCounter?: number;
  /** CERT.ECASD.ECKA, X.509 DER: the keys for static key agreement. */
  readonly ecasdCertificates?: readonly Uint8Array[];
  readonly profiles: readonly EisProfile[];
  /** Who states it: the manufacturer's name. */
  readonly source: string;
};

/** An SM-SR as a manufacturer sees it. */
export type EisRegistry = {
  /** ES1.RegisterEIS. The same registration again changes nothing; another one for a known EID is `CONFLICT`. */
  registerEis(registration: EisRegistration): Promise<void>;
};

/**
 * A Command Scripting template (TS 102 226 5.2.1) under the second layer: commands to the ISD-R under SCP03, or ENVELOPEs to the
 * card with short messages under SCP80.
 */
export type ScriptJob = {
  readonly script: Uint8Array;
  readonly secondLayer: 'scp03' | 'scp80';
  /** Restores the state before; made for the sequence counter that follows. */
  readonly rollback?: Uint8Array;
};

export type ScriptResult = {
  /** Whether the card accepted every command of the script. */
  readonly ok: boolean;
  readonly executed: number;
  readonly lastSw: number;
  /** Responses out of their second layer, data and status word. */
  readonly responses: readonly Uint8Array[];
  /** What went wrong, where `ok` is false. */
  readonly reason?: string;
  /** The card was at another sequence counter; it is known now, and the same request makes a script that fits. */
  readonly resynchronised?: true;
};

export type NotificationEvent = 'install' | 'enable' | 'disable' | 'delete';

export type NotificationResult = {
  readonly verified: boolean;
  readonly event?: NotificationEvent;
  readonly iccid?: Iccid;
  readonly seqNumber?: number;
};

/** SM-SR: holds the EIS and the management keys, verifies eUICCs and puts the second layer on (seed 6, 66). */
export type SmSr = {
  /** ES3.GetEIS. Throws NOT_FOUND. */
  getEis(eid: Eid): Promise<Eis>;
  /** Full verdict on the certificate and the proof of possession; stored with its reasons. */
  verifyEuicc(request: {
    readonly mno: string;
    readonly eid: Eid;
    readonly imei: Imei;
    readonly transactionId: Uint8Array;
    readonly serverSigned1: Uint8Array;
    /** BF38 with euiccSigned1, euiccSignature1 and both certificates. */
    readonly authenticateServerResponse: Uint8Array;
  }): Promise<Verdict>;
  /**
   * Second layer for a bound profile package: a script that loads it under SCP03. Needs the accepted verdict of this
   * transaction and, when another MNO's operational profile is on the card, that donor's rights grant, which it consumes.
   */
  secureProfile(request: {
    readonly mno: string;
    readonly eid: Eid;
    readonly transactionId: Uint8Array;
    readonly boundProfilePackage: Uint8Array;
    readonly iccid: Iccid;
    /** COSE_Sign1 of the donor MNO. */
    readonly rightsGrant?: Uint8Array;
    /** The most octets of data in one command of the script (32 to 255), for devices whose way to the card takes no more. */
    readonly maxCommandData?: number;
  }): Promise<ScriptJob>;
  /**
   * ES3/ES5 EnableProfile, DisableProfile, DeleteProfile as a script under SCP03 (responses protected too). An MNO may
   * enable only its own profile; another's may be deleted only with that owner's consent on record.
   */
  profileCommand(request: {
    readonly mno: string;
    readonly eid: Eid;
    readonly iccid: Iccid;
    readonly command: 'enable' | 'disable' | 'delete';
  }): Promise<ScriptJob>;
  /**
   * Unwraps what the card answered to the last script. `rolledBack` says that the rollback script ran after it; the answer is the
   * rollback's then. An empty answer says that nothing is known of it. The same answer again gets the same result.
   */
  scriptResult(request: {
    readonly eid: Eid;
    /** Response Scripting template AB, or nothing. */
    readonly responseScript: Uint8Array;
    readonly rolledBack?: boolean;
  }): Promise<ScriptResult>;
  /** A notification signed by the eUICC: verified with its certificate, then the EIS is updated. */
  handleNotification(request: {
    readonly eid: Eid;
    readonly pendingNotification: Uint8Array;
  }): Promise<NotificationResult>;
};

/** An SM-SR as those see it who bind profiles to an eUICC's static key (seed 57, 58). */
export type EuiccKeys = {
  /** CERT.ECASD.ECKA of the eUICC, X.509 DER. Needs the accepted verdict of this transaction. */
  euiccKeys(request: {
    readonly mno: string;
    readonly eid: Eid;
    readonly transactionId: Uint8Array;
  }): Promise<{ readonly certificates: readonly Uint8Array[] }>;
};

/** An SM-DP that binds a profile to an eUICC it cannot talk to (seed 56, 72). */
export type OfflineSmDp = {
  /**
   * Builds the profile of an order for the static key of the eUICC. Refuses (REFUSED) without an accepted verdict. `prepareDownload` is
   * BF21 as the eUICC takes it in front of the package, under its management keys.
   */
  offlineProfile(request: {
    /** 16 octets, not used before. */
    readonly transactionId: Uint8Array;
    readonly eid: Eid;
    readonly iccid: Iccid;
    readonly verdict: Verdict;
    readonly certificates: EuiccCertificates;
  }): Promise<BoundProfile & { readonly prepareDownload: Uint8Array }>;
};

/** Of one eUICC, X.509 DER. */
export type EuiccCertificates = {
  readonly euiccCertificate: Uint8Array;
  readonly eumCertificate: Uint8Array;
  readonly ecasdCertificates: readonly Uint8Array[];
};

/** An SM-SR that prepares what an eUICC takes without a network. */
export type OfflineSmSr = {
  /** The verdict on the eUICC as it is registered: everything but a signature over our challenge, and its static keys. */
  verifyRegistered(request: {
    readonly mno: string;
    readonly eid: Eid;
    readonly transactionId: Uint8Array;
  }): Promise<{ readonly verdict: Verdict; readonly certificates: EuiccCertificates }>;
  /**
   * The second layer, once for each of so many sequence counters from the next one on: a load that loses its power can be begun again.
   * SCP03 only. Otherwise as `secureProfile`.
   */
  secureOffline(
    request: Parameters<SmSr['secureProfile']>[0] & {
      readonly prepareDownload: Uint8Array;
      readonly attempts: number;
    },
  ): Promise<{ readonly scripts: readonly Uint8Array[]; readonly sequenceCounter: number }>;
};

/** POL2 of a profile at the SM-SR (SGP.02 3.6): may it be disabled, may it be deleted, must it go when it is disabled. */
export type Pol2 = {
  readonly disableAllowed: boolean;
  readonly deleteAllowed: boolean;
  readonly deleteWhenDisabled: boolean;
};

/** An SM-SR as the owner of a profile sees its policy. */
export type PolicyRules = {
  /** ES3.UpdatePolicyRules: by the owner of the profile alone. */
  updatePolicyRules(request: {
    readonly mno: string;
    readonly eid: Eid;
    readonly iccid: Iccid;
    readonly pol2: Pol2;
  }): Promise<void>;
};

export type RightsDecision =
  | { readonly granted: true; readonly rightsGrant: Uint8Array; readonly iccid: Iccid }
  | { readonly granted: false; readonly reason: string };

/** One MNO as another MNO sees it (after ES4; seed 85 to 89). Every call may be repeated and answers the same. */
export type PartnerMno = {
  readonly name: string;
  /** The donor's policy control function decides; the grant is EID-bound, single use and expires. */
  requestRightsGrant(request: {
    readonly eid: Eid;
    readonly receiving: string;
    readonly transactionId: Uint8Array;
  }): Promise<RightsDecision>;
  /**
   * Receiving to donor: the new profile works and its signed enable notification was verified. Answers the release
   * when the donor has already verified the signed disable notification; else `profileReleased` follows.
   */
  changeConfirmed(request: {
    readonly eid: Eid;
    readonly receiving: string;
    readonly transactionId: Uint8Array;
  }): Promise<{ readonly released: boolean; readonly deleteAllowed: boolean }>;
  /** Donor to receiving: the signed disable notification was verified; says whether the donor's policy lets the profile go. */
  profileReleased(request: {
    readonly eid: Eid;
    readonly donor: string;
    readonly transactionId: Uint8Array;
    readonly iccid: Iccid;
    readonly deleteAllowed: boolean;
  }): Promise<void>;
};
