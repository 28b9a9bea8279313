// A small SM-DP+ for tests: makes what a server sends to an eUICC, and whatever a wrong one would.
import { concat, EMPTY } from '../../base/bytes.ts';
import { Secret } from '../../base/log.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import type { Eid } from '../../codec/ids.ts';
import {
  AuthenticateServerRequest,
  type authenticateResponseOk,
  AuthenticateServerResponse,
  CtxParams1,
  ServerSigned1,
} from '../../codec/rsp/authenticate-server.ts';
import {
  ConfigureISDPRequest,
  InitialiseSecureChannelRequest,
  MAX_PLAIN_ENCRYPTED,
  MAX_PLAIN_MAC_ONLY,
  ReplaceSessionKeysRequest,
  smdpSignInput,
} from '../../codec/rsp/bpp.ts';
import {
  EuiccSigned2,
  PrepareDownloadRequest,
  PrepareDownloadResponse,
  SmdpSigned2,
} from '../../codec/rsp/prepare-download.ts';
import { StoreMetadataRequest } from '../../codec/rsp/profiles.ts';
import { withSignature } from '../../codec/rsp/types.ts';
import { oid, type TypeOf } from '../../codec/tlv-table.ts';
import { createBspProtector, deriveBspKeys } from '../../crypto/bsp.ts';
import type { EcKeyPair } from '../../crypto/ec.ts';
import type { ProfileMetadata } from '../profiles.ts';
import { type Held, TEST_DP_OID, type TestPki } from './pki.ts';

export const SERVER_ADDRESS = 'smdp.example.com';
const HOST_ID = Uint8Array.of(1, 2, 3, 4);

export type ServerSession = {
  readonly transactionId: Uint8Array;
  readonly request: Uint8Array;
  readonly auth: Held;
};

/** AuthenticateServer for a challenge; `change` replaces members before they are signed. */
export function authenticateServerRequest(
  pki: TestPki,
  euiccChallenge: Uint8Array,
  change: {
    readonly auth?: Held;
    readonly transactionId?: Uint8Array;
    readonly ciPKId?: Uint8Array;
    readonly signature?: (right: Uint8Array) => Uint8Array;
  } = {},
): ServerSession {
  const auth = change.auth ?? pki.dpAuth();
  const transactionId = change.transactionId ?? new Uint8Array(16).fill(0xa1);
  const serverSigned1 = ServerSigned1.encode({
    transactionId,
    euiccChallenge,
    serverAddress: SERVER_ADDRESS,
    serverChallenge: new Uint8Array(16).fill(0x5c),
  });
  const signature = pki.ec.sign(auth.pair.curve, auth.pair.privateKey, serverSigned1);
  const request = AuthenticateServerRequest.encode({
    serverSigned1,
    serverSignature1: change.signature?.(signature) ?? signature,
    euiccCiPKIdToBeUsed: change.ciPKId ?? pki.ciPKId,
    serverCertificate: auth.certificate,
    ctxParams1: CtxParams1.encode({
      deviceInfo: { tac: Uint8Array.of(0x35, 0x29, 0x06, 0x11), deviceCapabilities: {} },
    }),
  });
  return { transactionId, request, auth };
}

/** The good half of BF38. */
export function authenticated(response: Uint8Array): TypeOf<typeof authenticateResponseOk> {
  const decoded = AuthenticateServerResponse.decode(response);
  if (decoded.is !== 'authenticateResponseOk') throw new Error(`refused: ${decoded.is}`);
  return decoded.value;
}

export function prepareDownloadRequest(
  pki: TestPki,
  input: {
    readonly transactionId: Uint8Array;
    readonly euiccSignature1: Uint8Array;
    readonly pb?: Held;
    readonly ccRequiredFlag?: boolean;
    readonly hashCc?: Uint8Array;
    readonly bppEuiccOtpk?: Uint8Array;
    readonly signature?: (right: Uint8Array) => Uint8Array;
  },
): { readonly request: Uint8Array; readonly pb: Held } {
  const pb = input.pb ?? pki.dpPb();
  const smdpSigned2 = SmdpSigned2.encode({
    transactionId: input.transactionId,
    ccRequiredFlag: input.ccRequiredFlag ?? false,
    ...(input.bppEuiccOtpk === undefined ? {} : { bppEuiccOtpk: input.bppEuiccOtpk }),
  });
  const signed = withSignature(smdpSigned2, input.euiccSignature1);
  const signature = pki.ec.sign(pb.pair.curve, pb.pair.privateKey, signed);
  const request = PrepareDownloadRequest.encode({
    smdpSigned2,
    smdpSignature2: input.signature?.(signature) ?? signature,
    ...(input.hashCc === undefined ? {} : { hashCc: input.hashCc }),
    smdpCertificate: pb.certificate,
  });
  return { request, pb };
}

/** The one-time public key in BF21. */
export function euiccOtpkOf(response: Uint8Array): Uint8Array {
  const decoded = PrepareDownloadResponse.decode(response);
  if (decoded.is !== 'downloadResponseOk') throw new Error(`refused: ${decoded.is}`);
  return EuiccSigned2.decode(decoded.value.euiccSigned2).euiccOtpk;
}

export type BindChange = {
  readonly transactionId?: Uint8Array;
  readonly keyType?: number;
  readonly remoteOpId?: 'code 2';
  readonly smdpOtpk?: Uint8Array;
  readonly signature?: (right: Uint8Array) => Uint8Array;
  readonly dpOid?: string;
  /** Without ReplaceSessionKeys the session keys protect the package too. */
  readonly keepSessionKeys?: true;
  readonly metadata?: Uint8Array;
  /** Most octets of metadata in one segment. */
  readonly metadataSegment?: number;
  readonly upp?: Uint8Array;
  /** Most octets of the profile package in one segment. */
  readonly segment?: number;
  /** The plaintexts of the two segments 87. */
  readonly configureIsdp?: Uint8Array;
  readonly replaceSessionKeys?: Uint8Array;
};

/** A bound profile package BF36. */
export function bindProfile(
  pki: TestPki,
  input: {
    readonly eid: Eid;
    readonly transactionId: Uint8Array;
    readonly euiccOtpk: Uint8Array;
    readonly pb: Held;
    readonly metadata: ProfileMetadata;
    readonly upp: Uint8Array;
  },
  change: BindChange = {},
): Uint8Array {
  const { ec } = pki;
  const otKey: EcKeyPair = ec.generate(input.pb.pair.curve);
  const unsigned = InitialiseSecureChannelRequest.encode({
    remoteOpId: change.remoteOpId ?? 'installBoundProfilePackage',
    transactionId: change.transactionId ?? input.transactionId,
    controlRefTemplate: { keyType: change.keyType ?? 0x88, keyLen: 0x10, hostId: HOST_ID },
    smdpOtpk: change.smdpOtpk ?? otKey.publicKey,
    smdpSign: new Uint8Array(64),
  });
  const { curve, privateKey } = input.pb.pair;
  const sign = ec.sign(curve, privateKey, smdpSignInput(unsigned, input.euiccOtpk));
  const smdpSign = change.signature?.(sign) ?? sign;
  const initialise = concat(unsigned.subarray(0, unsigned.length - 64), smdpSign);

  const sharedSecret = ec.sharedSecret(otKey.curve, otKey.privateKey, input.euiccOtpk);
  const bsp = createBspProtector(deriveBspKeys({ sharedSecret, hostId: HOST_ID, eid: input.eid }));
  const dpProprietaryData = encodeTlv(0x80, oid.encode(change.dpOid ?? TEST_DP_OID));
  const configureIsdp = change.configureIsdp ?? ConfigureISDPRequest.encode({ dpProprietaryData });
  const first = bsp.protect(0x87, configureIsdp);
  const metadata = change.metadata ?? StoreMetadataRequest.encode(input.metadata);
  const metadataSegments = pieces(metadata, change.metadataSegment ?? MAX_PLAIN_MAC_ONLY).map((piece) =>
    bsp.protect(0x88, piece),
  );
  let second: Uint8Array = EMPTY;
  if (change.keepSessionKeys !== true) {
    const keys = { initialMacChainingValue: fill(0x11), ppkEnc: fill(0x22), ppkCmac: fill(0x33) };
    const request = change.replaceSessionKeys ?? ReplaceSessionKeysRequest.encode(keys);
    second = encodeTlv(0xa2, bsp.protect(0x87, request));
    bsp.replaceSessionKeys({
      initialMcv: new Secret(keys.initialMacChainingValue),
      enc: new Secret(keys.ppkEnc),
      mac: new Secret(keys.ppkCmac),
    });
  }
  const segments = pieces(change.upp ?? input.upp, change.segment ?? MAX_PLAIN_ENCRYPTED).map((piece) =>
    bsp.protect(0x86, piece),
  );
  return encodeTlv(
    0xbf36,
    initialise,
    encodeTlv(0xa0, first),
    encodeTlv(0xa1, ...metadataSegments),
    second,
    encodeTlv(0xa3, ...segments),
  );
}

function fill(octet: number): Uint8Array {
  return new Uint8Array(16).fill(octet);
}

function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
    bytes.subarray(i * size, (i + 1) * size),
  );
}
