// The factory of an EUM: key, certificate and management keys of one eUICC, and on request one whose identity is bad.
import { AgentError } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import { completeEid, type Eid } from '../../codec/ids.ts';
import type { EcKeyPair } from '../../crypto/ec.ts';
import { keyIdentifier } from '../../crypto/x509.ts';
import {
  type Authority,
  createCi,
  createEum,
  type Eum,
  issueEcasdCertificate,
  issueEuiccCertificate,
  issueRevocationList,
  type Issuing,
} from './pki.ts';

/** What is wrong with an identity: each makes one kind of check in a verdict fail. */
export type IdentityFault = 'untrusted' | 'expired' | 'revoked' | 'wrong-eid';

/** Keys of the ISD-R for SCP03 or SCP80, AES-128, 16 octets each. */
export type IsdRKeys = {
  readonly kvn: number;
  readonly enc: Secret<Uint8Array>;
  readonly mac: Secret<Uint8Array>;
  readonly dek: Secret<Uint8Array>;
};

/** SK.ECASD.ECKA, PK.ECASD.ECKA and CERT.ECASD.ECKA, DER. */
export type ManufacturedModule = { readonly key: EcKeyPair; readonly certificate: Uint8Array };

/** What goes into the eUICC, and its public part and management keys to the SM-SR that registers it. */
export type ManufacturedEuicc = {
  /** What the eUICC claims to be. */
  readonly eid: Eid;
  /** CERT.EUICC.ECDSA and CERT.EUM.ECDSA, DER. */
  readonly euiccCertificate: Uint8Array;
  readonly eumCertificate: Uint8Array;
  readonly euiccKey: EcKeyPair;
  /** The CIs that the eUICC trusts (DER), whatever its own chain ends in. */
  readonly ciCertificates: readonly Uint8Array[];
  /** Key identifier of the CI by which servers ask for its chain: the good CI's, also with the fault `untrusted`. */
  readonly ciPKId: Uint8Array;
  readonly isdRKeys: IsdRKeys;
  /** The key agreement pairs in the ECASD, each with its certificate (seed 57). */
  readonly securityModules: readonly ManufacturedModule[];
  /** Whether one of them is for all SM-DPs, or each has its own (seed 47, 48). */
  readonly securityMode: 'single' | 'per MNO';
  /** The EUM's list that names this eUICC, DER; only for the fault `revoked`. */
  readonly revocationList?: Uint8Array;
};

const KEY_VERSION = { scp03: 0x30, scp80: 0x01 } as const;
const DAY = 86_400_000;

/**
 * Makes the `serial`-th eUICC of an EUM: the EID is the EUM's prefix, the number and check digits. With a fault the eUICC still
 * trusts the good CI and signs with its own key, so that it takes part up to the verdict.
 */
export function manufactureOrder(
  issuing: Issuing,
  order: {
    readonly ci: Authority;
    readonly eum: Eum;
    readonly serial: number;
    readonly fault?: IdentityFault;
    /** Which protocol its management keys are for; SCP03 unless given. */
    readonly secondLayer?: keyof typeof KEY_VERSION;
    /** Object identifiers of the SM-DPs that get a security module of their own; one for all unless given. */
    readonly modulesFor?: readonly string[];
  },
): ManufacturedEuicc {
  const { ec, random, at } = issuing;
  const { ci, fault } = order;
  const eum = fault === 'untrusted' ? strangeEum(issuing, order.eum) : order.eum;
  const eid = eidOf(eum, order.serial);
  const euiccKey = ec.generate(eum.curve);
  const until = fault === 'expired' ? { notAfter: Math.floor(at / 1000) * 1000 - DAY } : {};
  const euiccCertificate = issueEuiccCertificate(issuing, eum, {
    ...until,
    eid: fault === 'wrong-eid' ? eidOf(eum, order.serial + 1) : eid,
    publicKey: euiccKey.publicKey,
  });
  const key = (): Secret<Uint8Array> => new Secret(random.bytes(16));
  const isdRKeys = { kvn: KEY_VERSION[order.secondLayer ?? 'scp03'], enc: key(), mac: key(), dek: key() };
  const moduleFor = (registeredId?: string): ManufacturedModule => {
    const pair = ec.generate(eum.curve);
    const named = registeredId === undefined ? {} : { registeredId };
    const { publicKey } = pair;
    return {
      key: pair,
      certificate: issueEcasdCertificate(issuing, eum, { ...until, eid, publicKey, ...named }),
    };
  };
  const { modulesFor } = order;
  return {
    eid,
    euiccCertificate,
    eumCertificate: eum.certificate,
    euiccKey,
    ciCertificates: [ci.certificate],
    ciPKId: keyIdentifier(ci.publicKey),
    isdRKeys,
    securityModules: modulesFor?.map(moduleFor) ?? [moduleFor()],
    securityMode: modulesFor === undefined ? 'single' : 'per MNO',
    ...(fault === 'revoked'
      ? { revocationList: issueRevocationList(issuing, eum, { number: 1, revoked: [euiccCertificate] }) }
      : {}),
  };
}

/** An EUM that looks like `eum` but whose CI nobody knows. */
function strangeEum(issuing: Issuing, eum: Eum): Eum {
  const { eidPrefix, curve, name } = eum;
  const ci = createCi(issuing, { organization: 'Unknown', curve });
  return createEum(issuing, ci, { organization: name.organization ?? '', eidPrefix });
}

const EID_DIGITS_BEFORE_CHECK = 30;

function eidOf(eum: Eum, serial: number): Eid {
  const room = EID_DIGITS_BEFORE_CHECK - eum.eidPrefix.length;
  const digits = String(serial);
  if (!Number.isSafeInteger(serial) || serial < 0 || digits.length > room) {
    throw new AgentError('NUMBER_RANGE', { value: serial, digits: room });
  }
  return completeEid(eum.eidPrefix + digits.padStart(room, '0'));
}
