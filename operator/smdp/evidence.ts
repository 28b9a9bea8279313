// What an SM-DP checks itself of an eUICC's answers, beside the SM-SR's verdict (SGP.22 3.1.3, 5.6.2, 5.6.3).
import { equalBytes } from '../../base/bytes.ts';
import { AgentError, type ErrorData } from '../../base/errors.ts';
import type { Eid } from '../../codec/ids.ts';
import {
  AuthenticateServerResponse,
  type authenticateResponseOk,
  EuiccSigned1,
  ServerSigned1,
} from '../../codec/rsp/authenticate-server.ts';
import {
  CancelSessionResponse,
  type cancelSessionReason,
  type downloadResponseOk,
  EuiccCancelSessionSigned,
  EuiccSigned2,
  PrepareDownloadResponse,
} from '../../codec/rsp/prepare-download.ts';
import { withSignature } from '../../codec/rsp/types.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import { verifyEcasdCertificate, verifyEuicc } from '../../crypto/chain.ts';
import type { CurveName, Ec } from '../../crypto/ec.ts';
import type { Verdict } from '../../crypto/verdict.ts';
import { parseCertificate } from '../../crypto/x509.ts';

type CancelSessionReason = TypeOf<typeof cancelSessionReason>;

export function refused(why: string, data: ErrorData = {}): AgentError {
  return new AgentError('REFUSED', { why, ...data });
}

/** Throws `REFUSED` unless every check of the verdict was passed. */
export function requireAccepted({ accepted, checks }: Verdict): void {
  const failed = checks.filter(({ ok }) => !ok).map(({ name }) => name);
  if (accepted && checks.length > 0 && failed.length === 0) return;
  throw refused('no accepted verdict', { failed: failed.join(', ') });
}

/**
 * Checks the answer to our serverSigned1: the eUICC's chain up to our CI, its EID, its signature over our challenge. Throws
 * `REFUSED` naming what is wrong, and TLV codes where the answer is not the structure.
 */
export function checkAuthenticateResponse(
  ec: Ec,
  request: {
    readonly response: Uint8Array;
    readonly eid: Eid;
    readonly serverSigned1: Uint8Array;
    readonly ciCertificate: Uint8Array;
    readonly at: number;
  },
): TypeOf<typeof authenticateResponseOk> {
  const response = AuthenticateServerResponse.decode(request.response);
  if (response.is === 'authenticateResponseError') {
    throw refused('the eUICC refused', { error: response.value.authenticateErrorCode });
  }
  if (response.is !== 'authenticateResponseOk') throw refused('the answer is in the compact form');
  const { euiccSigned1, euiccSignature1, euiccCertificate, eumCertificate } = response.value;
  const signed = EuiccSigned1.decode(euiccSigned1);
  const server = ServerSigned1.decode(request.serverSigned1);
  if (!equalBytes(signed.transactionId, server.transactionId)) throw refused('another transaction');
  if (signed.serverAddress !== server.serverAddress) throw refused('another server address');
  const { checks } = verifyEuicc(
    ec,
    {
      euiccCertificate,
      eumCertificate,
      eid: request.eid,
      proof: {
        signed: euiccSigned1,
        signature: euiccSignature1,
        challengeMatches: equalBytes(signed.serverChallenge, server.serverChallenge),
      },
    },
    {
      trustedCis: [parseCertificate(request.ciCertificate)],
      crls: [],
      at: request.at,
      eisStatus: 'ok',
      deniedFirmware: [],
    },
  );
  const failed = checks.filter(({ ok }) => !ok).map(({ name }) => name);
  if (failed.length > 0) throw refused('the identity does not hold', { failed: failed.join(', ') });
  return response.value;
}

/**
 * The static key to bind a profile to: of the security module that is for this SM-DP, or of the one that is for all (seed 47, 48).
 * Throws `REFUSED` where the certificate does not hold, and where there is none on the curve of CERT.DPpb.
 */
export function staticKeyOf(
  ec: Ec,
  request: {
    readonly ecasdCertificates: readonly Uint8Array[];
    readonly eumCertificate: Uint8Array;
    readonly eid: Eid;
    readonly registeredId: string;
    readonly curve: CurveName;
    readonly at: number;
  },
): Uint8Array {
  const { eumCertificate, eid, registeredId, curve, at } = request;
  const offered = request.ecasdCertificates.map(parseCertificate).filter((each) => each.curve === curve);
  const certificate =
    offered.find(({ registeredIds }) => registeredIds.includes(registeredId)) ??
    offered.find(({ registeredIds }) => registeredIds.length === 0);
  if (certificate === undefined) throw refused('the eUICC has no static key for this SM-DP', { curve });
  const evidence = { ecasdCertificate: certificate.raw, eumCertificate, eid };
  const { checks } = verifyEcasdCertificate(ec, evidence, { crls: [], at });
  const failed = checks.filter(({ ok }) => !ok).map(({ name }) => name);
  if (failed.length > 0) throw refused('the static key does not hold', { failed: failed.join(', ') });
  return certificate.publicKey;
}

/**
 * Checks the answer to our smdpSigned2; answers otPK.EUICC.ECKA, 04 X Y. Throws `REFUSED` and TLV codes as above.
 */
export function checkDownloadResponse(
  ec: Ec,
  request: {
    readonly response: Uint8Array;
    readonly transactionId: Uint8Array;
    readonly smdpSignature2: Uint8Array;
    readonly euiccCertificate: Uint8Array;
  },
): Uint8Array {
  const response = PrepareDownloadResponse.decode(request.response);
  if (response.is === 'downloadResponseError') {
    throw refused('the eUICC refused', { error: response.value.downloadErrorCode });
  }
  if (response.is !== 'downloadResponseOk') throw refused('the answer is in the compact form');
  const { euiccSigned2, euiccSignature2 }: TypeOf<typeof downloadResponseOk> = response.value;
  const signed = EuiccSigned2.decode(euiccSigned2);
  if (!equalBytes(signed.transactionId, request.transactionId)) throw refused('another transaction');
  const { curve, publicKey } = parseCertificate(request.euiccCertificate);
  const covered = withSignature(euiccSigned2, request.smdpSignature2);
  if (!ec.verify(curve, publicKey, covered, euiccSignature2)) throw refused('euiccSignature2 is wrong');
  return signed.euiccOtpk;
}

/** otPK.EUICC.ECKA of an answer that was checked before. */
export function euiccOtpkOf(prepareDownloadResponse: Uint8Array): Uint8Array | undefined {
  const response = PrepareDownloadResponse.decode(prepareDownloadResponse);
  return response.is === 'downloadResponseOk'
    ? EuiccSigned2.decode(response.value.euiccSigned2).euiccOtpk
    : undefined;
}

/**
 * Checks the eUICC's word that it ends the session; answers its reason. Throws `REFUSED` and TLV codes as above.
 */
export function checkCancelSession(
  ec: Ec,
  request: {
    readonly response: Uint8Array;
    readonly transactionId: Uint8Array;
    readonly registeredId: string;
    readonly euiccCertificate: Uint8Array;
  },
): CancelSessionReason {
  const response = CancelSessionResponse.decode(request.response);
  if (response.is === 'cancelSessionResponseError') {
    throw refused('the eUICC refused', { error: response.value });
  }
  if (response.is !== 'cancelSessionResponseOk') throw refused('the answer is in the compact form');
  const { euiccCancelSessionSigned, euiccCancelSessionSignature } = response.value;
  const { reason, smdpOid, transactionId } = EuiccCancelSessionSigned.decode(euiccCancelSessionSigned);
  if (!equalBytes(transactionId, request.transactionId)) throw refused('another transaction');
  if (smdpOid !== request.registeredId) throw refused('another SM-DP', { smdpOid });
  const { curve, publicKey } = parseCertificate(request.euiccCertificate);
  if (!ec.verify(curve, publicKey, euiccCancelSessionSigned, euiccCancelSessionSignature)) {
    throw refused('euiccCancelSessionSignature is wrong');
  }
  return reason;
}
