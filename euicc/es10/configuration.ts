// Addresses, rules authorisation table, revocation lists (SGP.22 5.7.3, 5.7.4, 5.7.12, 5.7.22).
import { equalBytes, toHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import {
  EuiccConfiguredAddressesRequest,
  EuiccConfiguredAddressesResponse,
  GetRatRequest,
  GetRatResponse,
  LoadCRLRequest,
  LoadCRLResponse,
  RulesAuthorisationTable,
  SetDefaultDpAddressRequest,
  SetDefaultDpAddressResponse,
} from '../../codec/rsp/configuration.ts';
import { type Crl, parseCrl } from '../../crypto/crl.ts';
import { crlCells, settingsCell } from '../records.ts';
import type { State } from '../state.ts';
import type { Es10, Es10Function } from './functions.ts';

function getAddresses({ record, state }: Es10, request: Uint8Array): Uint8Array {
  EuiccConfiguredAddressesRequest.decode(request);
  const { defaultDpAddress } = state.read(settingsCell);
  return EuiccConfiguredAddressesResponse.encode({
    ...(defaultDpAddress === '' ? {} : { defaultDpAddress }),
    rootDsAddress: record.rootDsAddress,
  });
}

function setDefaultDpAddress({ state }: Es10, request: Uint8Array): Uint8Array {
  const { defaultDpAddress } = SetDefaultDpAddressRequest.decode(request);
  state.write(settingsCell, { ...state.read(settingsCell), defaultDpAddress });
  return SetDefaultDpAddressResponse.encode({ setDefaultDpAddressResult: 'ok' });
}

function getRat({ record }: Es10, request: Uint8Array): Uint8Array {
  GetRatRequest.decode(request);
  return GetRatResponse.encode({ rat: RulesAuthorisationTable.decode(record.rat) });
}

/** The lists that were loaded. */
export function storedCrls(state: State): readonly Crl[] {
  return state.ids(crlCells.prefix).flatMap((id) => {
    const der = state.read(crlCells(id));
    return der === undefined ? [] : [parseCrl(der)];
  });
}

function loadCrl(es10: Es10, request: Uint8Array): Uint8Array {
  const failed = (
    value: Extract<Parameters<typeof LoadCRLResponse.encode>[0], { is: 'loadCRLResponseError' }>['value'],
  ): Uint8Array => LoadCRLResponse.encode({ is: 'loadCRLResponseError', value });
  const { crl: der } = LoadCRLRequest.decode(request);
  let crl: Crl;
  try {
    crl = parseCrl(der);
  } catch (error) {
    if (isAgentError(error)) return failed('invalidCRLFormat');
    throw error;
  }
  const issuer = es10.identity.trustedCis.find(({ subjectRaw }) => equalBytes(subjectRaw, crl.issuerRaw));
  if (issuer === undefined) return failed('verificationKeyNotFound');
  if (!es10.ec.verify(issuer.curve, issuer.publicKey, crl.tbs, crl.signature))
    return failed('invalidSignature');
  const held = crlCells(toHex(issuer.subjectKeyIdentifier ?? issuer.publicKey));
  const before = es10.state.read(held);
  if (before !== undefined && parseCrl(before).thisUpdate >= crl.thisUpdate)
    return failed('freshCrlAlreadyLoaded');
  if (der.length > es10.freeMemory()) return failed('notEnoughMemorySpace');
  es10.state.write(held, der);
  return LoadCRLResponse.encode({ is: 'loadCRLResponseOk', value: {} });
}

export const CONFIGURATION_FUNCTIONS: readonly Es10Function[] = [
  { tag: 0xbf3c, run: getAddresses },
  { tag: 0xbf3f, manages: true, run: setDefaultDpAddress },
  { tag: 0xbf43, run: getRat },
  { tag: 0xbf35, run: loadCrl },
];
