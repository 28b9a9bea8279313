// The donor's signed word that an eUICC may change to another MNO (seed 86): what it says, as the payload of a COSE_Sign1.
import { cborBytes, cborId, cborInt, cborItem, cborMap, cborText } from '../codec/cbor-table.ts';
import { parseEid, parseIccid } from '../codec/ids.ts';

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
  }),
);
export type RightsGrant = ReturnType<typeof rightsGrant.decode>;

/** The external_aad of the signature, so that a grant can be taken for nothing else. */
export const RIGHTS_GRANT_CONTEXT = 'euicc-agent/rights-grant/1';
