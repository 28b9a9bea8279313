// An eIM: signs packages for eUICCs that it is associated with, and judges what they answer (SGP.32 2.11, 3.3.1, 5.14.6). Pure:
// the caller stores an association before it sends the package, and after it has judged the answer.
import { equalBytes } from '../../base/bytes.ts';
import type { Eid } from '../../codec/ids.ts';
import { EimAcknowledgements } from '../../codec/rsp/sgp32-data.ts';
import type { EimConfigurationData } from '../../codec/rsp/sgp32-eim.ts';
import {
  type Eco,
  EuiccPackageErrorDataSigned,
  EuiccPackageRequest,
  EuiccPackageResult,
  EuiccPackageResultDataSigned,
  EuiccPackageSigned,
  type EuiccResultData,
  packageSignatureInput,
  type Psmo,
} from '../../codec/rsp/sgp32-package.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import type { CurveName, Ec, EcKeyPair } from '../../crypto/ec.ts';
import { encodePublicKeyInfo } from '../../crypto/ec-keys.ts';

/** Who an eIM is to eUICCs: they check its packages with the key, or with the certificate where there is one. */
export type EimIdentity = {
  readonly eimId: string;
  readonly key: EcKeyPair;
  /** DER, of the same key. */
  readonly certificate?: Uint8Array;
};

/** What an eIM must not forget of one eUICC. */
export type Association = {
  readonly eid: Eid;
  /** The key of the eUICC's certificate, whose chain the caller has verified. 04 X Y. */
  readonly euiccKey: { readonly curve: CurveName; readonly publicKey: Uint8Array };
  /** Of the last package that was signed. */
  readonly counterValue: number;
  /** As the eUICC gave it, 0 for none. */
  readonly associationToken: number;
  /** The highest number of a result that was accepted, 0 before the first. */
  readonly seqNumber: number;
  /** The package that waits for its result. */
  readonly pending?: { readonly counterValue: number; readonly eimTransactionId: Uint8Array };
};

export type Operations =
  | { readonly psmoList: readonly TypeOf<typeof Psmo>[] }
  | { readonly ecoList: readonly TypeOf<typeof Eco>[] };

type Result = TypeOf<typeof EuiccResultData>;
type ErrorCode = TypeOf<typeof EuiccPackageErrorDataSigned>['euiccPackageErrorCode'];

/** What an answer is worth. `refused` names why it may not be believed; nothing changes then. */
export type Judged =
  | {
      readonly is: 'result';
      readonly association: Association;
      readonly results: readonly Result[];
      /** The eUICC went back to the profile before, and this takes the place of the result of the package. */
      readonly rolledBack: boolean;
      /** BF53, by which the IPA lets the eUICC forget the result. */
      readonly acknowledgements: Uint8Array;
    }
  | { readonly is: 'error'; readonly association: Association; readonly code: ErrorCode }
  /** The eUICC does not know this eIM, or did not believe it; whoever carries the answer can say so too. */
  | { readonly is: 'unsigned'; readonly associationToken?: number }
  | { readonly is: 'refused'; readonly why: 'eimId' | 'signature' | 'package' | 'seqNumber' };

/** What an eUICC is told of this eIM, for AddInitialEim or for the addEim of another. */
export function eimConfiguration(
  { eimId, key, certificate }: EimIdentity,
  given: {
    readonly counterValue: number;
    readonly wantsToken?: boolean;
    readonly eimFqdn?: string;
    readonly euiccCiPKId?: Uint8Array;
  },
): TypeOf<typeof EimConfigurationData> {
  const { wantsToken = false, ...members } = given;
  return {
    eimId,
    ...members,
    ...(wantsToken ? { associationToken: -1 } : {}),
    eimPublicKeyData:
      certificate === undefined
        ? { is: 'eimPublicKey', value: encodePublicKeyInfo(key.curve, key.publicKey) }
        : { is: 'eimCertificate', value: certificate },
  };
}

/** Signs the next package. Store the association before the request leaves: a counter is good for one package. */
export function signPackage(
  ec: Ec,
  { eimId, key }: EimIdentity,
  association: Association,
  operations: Operations,
  eimTransactionId: Uint8Array,
): { readonly association: Association; readonly request: Uint8Array } {
  const counterValue = association.counterValue + 1;
  const euiccPackageSigned = EuiccPackageSigned.encode({
    eimId,
    eidValue: association.eid,
    counterValue,
    eimTransactionId,
    ...('psmoList' in operations
      ? { psmoList: [...operations.psmoList] }
      : { ecoList: [...operations.ecoList] }),
  });
  const input = packageSignatureInput(euiccPackageSigned, association.associationToken);
  const request = EuiccPackageRequest.encode({
    euiccPackageSigned,
    eimSignature: ec.sign(key.curve, key.privateKey, input),
  });
  return {
    association: { ...association, counterValue, pending: { counterValue, eimTransactionId } },
    request,
  };
}

/** Judges BF51. Throws a TLV code where the octets are no result. */
export function judgeResult(
  ec: Ec,
  { eimId }: EimIdentity,
  association: Association,
  euiccPackageResult: Uint8Array,
): Judged {
  const answer = EuiccPackageResult.decode(euiccPackageResult);
  const believed = (signed: Uint8Array, signature: Uint8Array): boolean => {
    const { curve, publicKey } = association.euiccKey;
    return ec.verify(
      curve,
      publicKey,
      packageSignatureInput(signed, association.associationToken),
      signature,
    );
  };
  const { pending, ...settled } = association;
  const isPending = (data: {
    readonly counterValue: number;
    readonly eimTransactionId?: Uint8Array;
  }): boolean =>
    pending !== undefined &&
    data.counterValue === pending.counterValue &&
    data.eimTransactionId !== undefined &&
    equalBytes(data.eimTransactionId, pending.eimTransactionId);
  switch (answer.is) {
    case 'euiccPackageErrorUnsigned': {
      const { associationToken } = answer.value;
      if (answer.value.eimId !== eimId) return { is: 'refused', why: 'eimId' };
      return { is: 'unsigned', ...(associationToken === undefined ? {} : { associationToken }) };
    }
    case 'euiccPackageErrorSigned': {
      const { euiccPackageErrorDataSigned: signed, euiccSignEPE } = answer.value;
      if (!believed(signed, euiccSignEPE)) return { is: 'refused', why: 'signature' };
      const data = EuiccPackageErrorDataSigned.decode(signed);
      if (data.eimId !== eimId) return { is: 'refused', why: 'eimId' };
      if (!isPending(data)) return { is: 'refused', why: 'package' };
      return { is: 'error', association: settled, code: data.euiccPackageErrorCode };
    }
    case 'euiccPackageResultSigned': {
      const { euiccPackageResultDataSigned: signed, euiccSignEPR } = answer.value;
      if (!believed(signed, euiccSignEPR)) return { is: 'refused', why: 'signature' };
      const data = EuiccPackageResultDataSigned.decode(signed);
      if (data.eimId !== eimId) return { is: 'refused', why: 'eimId' };
      if (!isPending(data)) return { is: 'refused', why: 'package' };
      if (data.seqNumber <= association.seqNumber) return { is: 'refused', why: 'seqNumber' };
      return {
        is: 'result',
        association: { ...settled, seqNumber: data.seqNumber },
        results: data.euiccResult,
        rolledBack: data.euiccResult.some(({ is }) => is === 'rollbackResult'),
        acknowledgements: EimAcknowledgements.encode([{ is: 'sequenceNumber', value: data.seqNumber }]),
      };
    }
  }
}
