// The donor's signed word that an eUICC may change to another MNO (seed 86): what it says, as the payload of a COSE_Sign1.
import { cborBool, cborBytes, cborId, cborInt, cborItem, cborMap, cborText } from '../codec/cbor-table.ts';
import { utf8Bytes } from '../base/bytes.ts';
import { parseEid, parseIccid } from '../codec/ids.ts';
import { type CoseSigner, openCose, signCose } from '../crypto/cose.ts';
import type { CurveName, Ec } from '../crypto/ec.ts';

/** Bound to one eUICC, one receiving MNO and one transaction; spent by its first use; void after `expires` (Unix seconds). */
export const rightsGrant = cborItem(
  cborMap({
    eid: { key: 1, type: cborId(parseEid) },
    donor: { key: 2, type: cborText(64) },
    receiving: { key: 3, type: cborText(64) },
    transactionId: { key: 4, type: cborBytes({ length: 16 }) },
    /** The donor's profile that is to be given up. */
    iccid: { key: 5, type: cborId(parseIccid) },
    /** Makes the grant single: a verifier remembers it until it expires. */
    nonce: { key: 6, type: cborBytes({ length: 16 }) },
    expires: { key: 7, type: cborInt() },
    /** Whether the donor's profile may be deleted once the change is done; absent: as its policy at the SM-SR says. */
    deleteAllowed: { key: 8, type: cborBool, optional: true },
  }),
);
export type RightsGrant = ReturnType<typeof rightsGrant.decode>;

/** The external_aad of the signature, so that a grant can be taken for nothing else. */
export const RIGHTS_GRANT_CONTEXT = 'euicc-agent/rights-grant/1';

/** Signs an encoded grant with the donor's key. */
export function signRightsGrant(ec: Ec, signer: CoseSigner, payload: Uint8Array): Uint8Array {
  return signCose(ec, signer, payload, utf8Bytes(RIGHTS_GRANT_CONTEXT));
}

/** What a grant says, before anything is believed of it. Throws `SIGNATURE_INVALID`, `CBOR_INVALID` or `MESSAGE_INVALID`. */
export function openRightsGrant(bytes: Uint8Array): {
  readonly grant: RightsGrant;
  /** Whether this key signed it. */
  readonly isSignedBy: (
    ec: Ec,
    key: { readonly curve: CurveName; readonly publicKey: Uint8Array },
  ) => boolean;
} {
  const cose = openCose(bytes);
  return {
    grant: rightsGrant.decode(cose.payload),
    isSignedBy: (ec, key) => cose.verify(ec, key, utf8Bytes(RIGHTS_GRANT_CONTEXT)),
  };
}
