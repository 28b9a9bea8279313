// GetEUICCInfo1/2, GetEUICCChallenge, GetEID, GetCerts (SGP.22 5.7.7, 5.7.8, 5.7.20; SGP.32 5.9.10).
import { equalBytes } from '../../base/bytes.ts';
import { AgentError } from '../../base/errors.ts';
import {
  EuiccInfo1,
  EuiccInfo2,
  GetCertsRequest,
  GetCertsResponse,
  GetEuiccChallengeRequest,
  GetEuiccChallengeResponse,
  GetEuiccDataRequest,
  GetEuiccDataResponse,
  GetEuiccInfo1Request,
  GetEuiccInfo2Request,
} from '../../codec/rsp/euicc-info.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import { cardResources } from '../domain/card-data.ts';
import type { Es10, Es10Function } from './functions.ts';

const TAG_EID = 0x5a;

/** EUICCInfo2 as it is now: the memory left and the number of applications stand in extCardResource. */
export function currentEuiccInfo2(es10: Es10): Uint8Array {
  const info: TypeOf<typeof EuiccInfo2> = EuiccInfo2.decode(es10.record.euiccInfo2);
  return EuiccInfo2.encode({ ...info, extCardResource: cardResources(es10) });
}

function info1(es10: Es10, request: Uint8Array): Uint8Array {
  GetEuiccInfo1Request.decode(request);
  const { svn, euiccCiPKIdListForVerification, euiccCiPKIdListForSigning } = EuiccInfo2.decode(
    es10.record.euiccInfo2,
  );
  return EuiccInfo1.encode({ svn, euiccCiPKIdListForVerification, euiccCiPKIdListForSigning });
}

function info2(es10: Es10, request: Uint8Array): Uint8Array {
  GetEuiccInfo2Request.decode(request);
  return currentEuiccInfo2(es10);
}

function challenge({ iot, session }: Es10, request: Uint8Array): Uint8Array {
  GetEuiccChallengeRequest.decode(request);
  delete iot.installed;
  return GetEuiccChallengeResponse.encode({ euiccChallenge: session.getEuiccChallenge() });
}

function eid({ identity }: Es10, request: Uint8Array): Uint8Array {
  const { tagList } = GetEuiccDataRequest.decode(request);
  if (tagList.length !== 1 || tagList[0] !== TAG_EID) throw new AgentError('TLV_VALUE', { field: 'tagList' });
  return GetEuiccDataResponse.encode({ eidValue: identity.eid });
}

function certs({ identity }: Es10, request: Uint8Array): Uint8Array {
  const { euiccCiPKId } = GetCertsRequest.decode(request);
  const credential = identity.credentials.find(
    ({ ciPKId }) => euiccCiPKId === undefined || equalBytes(ciPKId, euiccCiPKId),
  );
  if (credential === undefined)
    return GetCertsResponse.encode({ is: 'getCertsError', value: 'invalidCiPKId' });
  const { euiccCertificate, eumCertificate } = credential;
  return GetCertsResponse.encode({ is: 'certs', value: { eumCertificate, euiccCertificate } });
}

export const INFO_FUNCTIONS: readonly Es10Function[] = [
  { tag: 0xbf20, run: info1 },
  { tag: 0xbf22, run: info2 },
  { tag: 0xbf2e, run: challenge },
  { tag: 0xbf3e, run: eid },
  { tag: 0xbf56, run: certs },
];
