// The RSP session of an eUICC: challenge, AuthenticateServer, PrepareDownload, CancelSession (SGP.22 5.7.5 to 5.7.14). Volatile.
import { equalBytes } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import {
  AuthenticateServerRequest,
  AuthenticateServerResponse,
  ServerSigned1,
} from '../../codec/rsp/authenticate-server.ts';
import {
  CancelSessionRequest,
  CancelSessionResponse,
  type downloadErrorCode,
  EuiccCancelSessionSigned,
  EuiccSigned2,
  PrepareDownloadRequest,
  PrepareDownloadResponse,
  SmdpSigned2,
} from '../../codec/rsp/prepare-download.ts';
import { withSignature } from '../../codec/rsp/types.ts';
import { utf8, type TypeOf } from '../../codec/tlv-table.ts';
import { type DpCertificateError, verifyDpCertificate } from '../../crypto/chain.ts';
import type { Crl } from '../../crypto/crl.ts';
import type { Ec, EcKeyPair } from '../../crypto/ec.ts';
import { type Certificate, RSP_ROLE } from '../../crypto/x509.ts';
import type { EuiccCredential, EuiccIdentity } from './identity.ts';

/** What is known after a successful AuthenticateServer. */
export type AuthenticatedSession = {
  /** 1 to 16 octets. */
  readonly transactionId: Uint8Array;
  readonly serverAddress: string;
  readonly credential: EuiccCredential;
  readonly dpAuthCertificate: Certificate;
  /** The SM-DP+'s object identifier: both its certificates bear it. */
  readonly smdpOid: string;
  /** Whole object 30, and its signature. */
  readonly euiccSigned1: Uint8Array;
  readonly euiccSignature1: Uint8Array;
};

/** What is known after a successful PrepareDownload: a Bound Profile Package may come. */
export type PreparedSession = Pick<AuthenticatedSession, 'transactionId' | 'credential' | 'smdpOid'> & {
  /** Of the server that was authenticated; a session without one has none. */
  readonly serverAddress: string | undefined;
  readonly dpPbCertificate: Certificate;
  readonly euiccOtKey: EcKeyPair;
};

/** The eUICC around the session: what it stores and shows. */
export type SessionHost = {
  /** EUICCInfo2 as a whole object BF22. */
  readonly euiccInfo2: () => Uint8Array;
  readonly crls: () => readonly Crl[];
  /** A one-time key kept from a download that did not end (SGP.22 5.7.5, bppEuiccOtpk). */
  readonly findOtKey: (smdpOid: string, publicKey: Uint8Array) => EcKeyPair | undefined;
  readonly keepOtKey: (smdpOid: string, pair: EcKeyPair) => void;
  /** The static key of the ECASD with this public key. */
  readonly findStaticKey: (smdpOid: string, publicKey: Uint8Array) => EcKeyPair | undefined;
  /** Whether a security module of the card is for this SM-DP (seed 47, 48). */
  readonly isServed: (smdpOid: string) => boolean;
  /** Whether a transaction without a server has installed its profile before. */
  readonly isUsed: (transactionId: Uint8Array) => boolean;
  /** Hears of an error that nobody foresaw: the server gets `undefinedError` for it. */
  readonly unforeseen: (error: unknown) => void;
};

export type RspSession = {
  /** Makes a new challenge of 16 octets; a session that was open ends. */
  getEuiccChallenge(): Uint8Array;
  /** BF38 to BF38. Throws a TLV code where the request is not the structure that is asked for. */
  authenticateServer(request: Uint8Array): Uint8Array;
  /**
   * BF21 to BF21. Throws as above. In a command under the management keys, one that names the static key needs no session with a
   * server (seed 56): smdpSignature2 covers smdpSigned2 alone then, and the counter of those keys makes it fresh.
   */
  prepareDownload(request: Uint8Array, options?: { readonly managed: boolean }): Uint8Array;
  /** BF41 to BF41. Throws as above. */
  cancelSession(request: Uint8Array): Uint8Array;
  /** The session when it is ready for a Bound Profile Package. */
  readonly prepared: PreparedSession | undefined;
  /** Forgets everything: power loss, or the end of a download. */
  end(): void;
};

type AuthenticateError =
  | 'invalidSignature'
  | 'noSessionContext'
  | 'euiccChallengeMismatch'
  | 'ciPKUnknown'
  | DpCertificateError;
type DownloadError = TypeOf<typeof downloadErrorCode>;

const CURVES = ['P-256', 'brainpoolP256r1'] as const;

export function createRspSession(options: {
  readonly ec: Ec;
  readonly identity: EuiccIdentity;
  readonly random: Random;
  readonly host: SessionHost;
}): RspSession {
  const { ec, identity, random, host } = options;
  let challenge: Uint8Array | undefined;
  let authenticated: AuthenticatedSession | undefined;
  let prepared: PreparedSession | undefined;

  const end = (): void => {
    challenge = undefined;
    authenticated = undefined;
    prepared = undefined;
  };

  /** The server must not wait for an answer because something broke. */
  const told = <R>(work: () => R): R | 'undefinedError' => {
    try {
      return work();
    } catch (error) {
      if (isAgentError(error)) throw error;
      host.unforeseen(error);
      return 'undefinedError';
    }
  };

  const authenticate = (
    request: TypeOf<typeof AuthenticateServerRequest>,
  ): AuthenticatedSession | AuthenticateError => {
    if (challenge === undefined) return 'noSessionContext';
    const { serverSigned1, euiccCiPKIdToBeUsed: ciPKId } = request;
    const credential = identity.credentials.find((held) => equalBytes(held.ciPKId, ciPKId));
    if (credential === undefined) return 'ciPKUnknown';
    const verified = verifyDpCertificate(ec, {
      certificate: request.serverCertificate,
      roles: ['dpAuth', 'dsAuth'],
      trustedCis: identity.trustedCis,
      curves: CURVES,
      crls: host.crls(),
    });
    if (!verified.ok) return verified.error;
    const { certificate } = verified;
    if (!ec.verify(certificate.curve, certificate.publicKey, serverSigned1, request.serverSignature1)) {
      return 'invalidSignature';
    }
    const signed = ServerSigned1.decode(serverSigned1);
    if (!equalBytes(signed.euiccChallenge, challenge)) return 'euiccChallengeMismatch';
    const euiccSigned1 = euiccSigned1Of(signed, host.euiccInfo2(), request.ctxParams1);
    return {
      transactionId: signed.transactionId,
      serverAddress: signed.serverAddress,
      credential,
      dpAuthCertificate: certificate,
      smdpOid: certificate.registeredIds[0] ?? '',
      euiccSigned1,
      euiccSignature1: ec.sign(credential.curve, credential.privateKey, euiccSigned1),
    };
  };

  /** Without a server: bound to this card by its static key, fresh by the secure channel around it. */
  const prepareAlone = (
    request: TypeOf<typeof PrepareDownloadRequest>,
    { bppEuiccOtpk, ccRequiredFlag, transactionId }: TypeOf<typeof SmdpSigned2>,
  ): PreparedSession | DownloadError => {
    const verified = verifyDpCertificate(ec, {
      certificate: request.smdpCertificate,
      roles: ['dpPb'],
      trustedCis: identity.trustedCis,
      curves: CURVES,
      crls: host.crls(),
    });
    if (!verified.ok)
      return verified.error === 'unsupportedCurve' ? 'unsupportedCurve' : 'invalidCertificate';
    const { certificate } = verified;
    const smdpOid = certificate.registeredIds[0] ?? '';
    const key = bppEuiccOtpk === undefined ? undefined : host.findStaticKey(smdpOid, bppEuiccOtpk);
    if (key === undefined || key.curve !== certificate.curve) return 'noSessionContext';
    if (!ec.verify(certificate.curve, certificate.publicKey, request.smdpSigned2, request.smdpSignature2))
      return 'invalidSignature';
    if (host.isUsed(transactionId)) return 'invalidTransactionId';
    if (ccRequiredFlag && request.hashCc === undefined) return 'undefinedError';
    const { authorityKeyIdentifier: aki } = certificate;
    const held = identity.credentials;
    const credential = held.find(({ ciPKId }) => aki !== undefined && equalBytes(ciPKId, aki)) ?? held[0];
    if (credential === undefined) return 'undefinedError';
    return {
      transactionId,
      serverAddress: undefined,
      credential,
      smdpOid,
      dpPbCertificate: certificate,
      euiccOtKey: key,
    };
  };

  const prepare = (
    request: TypeOf<typeof PrepareDownloadRequest>,
    signed: TypeOf<typeof SmdpSigned2>,
  ): PreparedSession | DownloadError => {
    if (authenticated === undefined) return 'noSessionContext';
    if (!equalBytes(signed.transactionId, authenticated.transactionId)) return 'invalidTransactionId';
    const { dpAuthCertificate, smdpOid, euiccSignature1 } = authenticated;
    // An SM-DS has events, and no profiles.
    if (!dpAuthCertificate.policies.includes(RSP_ROLE.dpAuth)) return 'invalidCertificate';
    const verified = verifyDpCertificate(ec, {
      certificate: request.smdpCertificate,
      roles: ['dpPb'],
      trustedCis: identity.trustedCis,
      curves: CURVES,
      crls: host.crls(),
      registeredId: smdpOid,
    });
    if (!verified.ok)
      return verified.error === 'unsupportedCurve' ? 'unsupportedCurve' : 'invalidCertificate';
    const { certificate } = verified;
    const covered = withSignature(request.smdpSigned2, euiccSignature1);
    if (!ec.verify(certificate.curve, certificate.publicKey, covered, request.smdpSignature2))
      return 'invalidSignature';
    if (signed.ccRequiredFlag && request.hashCc === undefined) return 'undefinedError';
    if (!host.isServed(smdpOid)) return 'undefinedError';
    const { bppEuiccOtpk } = signed;
    const found =
      bppEuiccOtpk === undefined
        ? undefined
        : (host.findStaticKey(smdpOid, bppEuiccOtpk) ?? host.findOtKey(smdpOid, bppEuiccOtpk));
    // The one-time keys of both sides are on the curve of CERT.DPpb.
    const kept = found?.curve === certificate.curve ? found : undefined;
    const euiccOtKey = kept ?? ec.generate(certificate.curve);
    if (kept === undefined) host.keepOtKey(smdpOid, euiccOtKey);
    const { transactionId, serverAddress, credential } = authenticated;
    return {
      transactionId,
      serverAddress,
      credential,
      smdpOid,
      dpPbCertificate: certificate,
      euiccOtKey,
    };
  };

  return {
    getEuiccChallenge() {
      end();
      challenge = random.bytes(16);
      return challenge;
    },
    authenticateServer(bytes) {
      const request = AuthenticateServerRequest.decode(bytes);
      const { transactionId } = ServerSigned1.decode(request.serverSigned1);
      const result = told(() => authenticate(request));
      if (typeof result === 'string') {
        end();
        const value = { transactionId, authenticateErrorCode: result };
        return AuthenticateServerResponse.encode({ is: 'authenticateResponseError', value });
      }
      authenticated = result;
      prepared = undefined;
      const { credential, euiccSigned1, euiccSignature1 } = result;
      return AuthenticateServerResponse.encode({
        is: 'authenticateResponseOk',
        value: {
          euiccSigned1,
          euiccSignature1,
          euiccCertificate: credential.euiccCertificate,
          eumCertificate: credential.eumCertificate,
        },
      });
    },
    prepareDownload(bytes, { managed } = { managed: false }) {
      const request = PrepareDownloadRequest.decode(bytes);
      const signed = SmdpSigned2.decode(request.smdpSigned2);
      const { transactionId } = signed;
      const isOpen = authenticated !== undefined && equalBytes(transactionId, authenticated.transactionId);
      const alone = managed && !isOpen && signed.bppEuiccOtpk !== undefined;
      const result = alone ? prepareAlone(request, signed) : prepare(request, signed);
      if (typeof result === 'string') {
        end();
        const value = { transactionId, downloadErrorCode: result };
        return PrepareDownloadResponse.encode({ is: 'downloadResponseError', value });
      }
      prepared = result;
      const { credential, euiccOtKey } = result;
      const euiccSigned2 = EuiccSigned2.encode({
        transactionId,
        euiccOtpk: euiccOtKey.publicKey,
        ...(request.hashCc === undefined ? {} : { hashCc: request.hashCc }),
      });
      const covered = withSignature(euiccSigned2, request.smdpSignature2);
      const euiccSignature2 = ec.sign(credential.curve, credential.privateKey, covered);
      return PrepareDownloadResponse.encode({
        is: 'downloadResponseOk',
        value: { euiccSigned2, euiccSignature2 },
      });
    },
    cancelSession(bytes) {
      const { transactionId, reason } = CancelSessionRequest.decode(bytes);
      const open = authenticated;
      if (open === undefined || !equalBytes(open.transactionId, transactionId)) {
        return CancelSessionResponse.encode({
          is: 'cancelSessionResponseError',
          value: 'invalidTransactionId',
        });
      }
      const { credential, smdpOid } = open;
      const euiccCancelSessionSigned = EuiccCancelSessionSigned.encode({ transactionId, smdpOid, reason });
      const signature = ec.sign(credential.curve, credential.privateKey, euiccCancelSessionSigned);
      end();
      return CancelSessionResponse.encode({
        is: 'cancelSessionResponseOk',
        value: { euiccCancelSessionSigned, euiccCancelSessionSignature: signature },
      });
    },
    get prepared() {
      return prepared;
    },
    end,
  };
}

/** euiccSigned1 as a whole object 30: EUICCInfo2 and ctxParams1 stand in it as they are. */
function euiccSigned1Of(
  signed: TypeOf<typeof ServerSigned1>,
  euiccInfo2: Uint8Array,
  ctxParams1: Uint8Array,
): Uint8Array {
  return encodeTlv(
    0x30,
    encodeTlv(0x80, signed.transactionId),
    encodeTlv(0x83, utf8.encode(signed.serverAddress)),
    encodeTlv(0x84, signed.serverChallenge),
    euiccInfo2,
    ctxParams1,
  );
}
