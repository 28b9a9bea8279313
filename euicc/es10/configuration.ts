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
import type { Certificate } from '../../crypto/x509.ts';
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

/** The lists that were loaded, those of all issuers or of one. A list counts however old it is: the card has no clock. */
export function storedCrls(state: State, of = ''): readonly Crl[] {
  const ids = state.ids(crlCells.prefix).filter((id) => id.startsWith(of));
  return ids.flatMap((id) => {
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
  // CIs of one name differ in their keys: those of a curve each, or of an old key and its successor.
  const issuers = es10.identity.trustedCis.filter(
    ({ subjectRaw, subjectKeyIdentifier: ski }) =>
      equalBytes(subjectRaw, crl.issuerRaw) &&
      (crl.authorityKeyIdentifier === undefined ||
        (ski !== undefined && equalBytes(ski, crl.authorityKeyIdentifier))),
  );
  if (issuers.length === 0) return failed('verificationKeyNotFound');
  const issuer = issuers.find(({ curve, publicKey }) =>
    es10.ec.verify(curve, publicKey, crl.tbs, crl.signature),
  );
  if (issuer === undefined) return failed('invalidSignature');
  const held = heldParts(es10.state, issuer);
  const isOld = held.some(({ part, thisUpdate }) =>
    part?.number === crl.part?.number ? thisUpdate >= crl.thisUpdate : thisUpdate > crl.thisUpdate,
  );
  if (isOld) return failed('freshCrlAlreadyLoaded');
  if (der.length > es10.freeMemory()) return failed('notEnoughMemorySpace');
  es10.state.write(crlCells(nameOf(issuer, crl)), der);
  const missing = missingParts(es10.state, issuer, crl);
  if (missing.length === 0) removeOlder(es10.state, issuer, crl);
  return LoadCRLResponse.encode({
    is: 'loadCRLResponseOk',
    value: missing.length === 0 ? {} : { missingParts: missing.map((number) => ({ number })) },
  });
}

function keyName(issuer: Certificate): string {
  return toHex(issuer.subjectKeyIdentifier ?? issuer.publicKey);
}

function nameOf(issuer: Certificate, { part }: Crl): string {
  return part === undefined ? keyName(issuer) : `${keyName(issuer)}.${part.number}`;
}

/** The whole list of an issuer, or the parts of it. */
function heldParts(state: State, issuer: Certificate): readonly Crl[] {
  return storedCrls(state, keyName(issuer));
}

/** Numbers of the parts that a list still lacks. */
function missingParts(state: State, issuer: Certificate, { part, thisUpdate }: Crl): readonly number[] {
  const held = heldParts(state, issuer).filter((each) => each.thisUpdate === thisUpdate);
  return Array.from({ length: part?.of ?? 0 }, (_, i) => i + 1).filter(
    (number) => !held.some((each) => each.part?.number === number),
  );
}

/** An older list counts until the newer one is whole. */
function removeOlder(state: State, issuer: Certificate, { thisUpdate }: Crl): void {
  for (const old of heldParts(state, issuer)) {
    if (old.thisUpdate < thisUpdate) state.remove(crlCells(nameOf(issuer, old)));
  }
}

export const CONFIGURATION_FUNCTIONS: readonly Es10Function[] = [
  { tag: 0xbf3c, run: getAddresses },
  { tag: 0xbf3f, manages: true, run: setDefaultDpAddress },
  { tag: 0xbf43, run: getRat },
  { tag: 0xbf35, run: loadCrl },
];
