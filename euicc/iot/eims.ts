// The eIMs that a card obeys: adding, changing and removing one, and what its packages are checked with (SGP.32 2.11.1.1.1,
// 3.5.1, 3.5.2).
import { EMPTY, equalBytes } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { type addEimResult, EimConfigurationData, type updateEimResult } from '../../codec/rsp/sgp32-eim.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import type { CurveName } from '../../crypto/ec.ts';
import { decodePublicKeyInfo } from '../../crypto/ec-keys.ts';
import { parseCertificate } from '../../crypto/x509.ts';
import type { Es10 } from '../es10/functions.ts';
import type { EuiccCredential } from '../rsp/identity.ts';
import type { State } from '../state.ts';
import { eimCells, iotCell } from './records.ts';

export type EimConfiguration = TypeOf<typeof EimConfigurationData>;

export type Eim = {
  readonly number: number;
  readonly eimId: string;
  /** Without counterValue and associationToken. */
  readonly configuration: EimConfiguration;
  /** Of the last package that was accepted, or as configured. */
  readonly counterValue: number;
  /** 0 where there is none. */
  readonly associationToken: number;
};

type AddResult = Extract<TypeOf<typeof addEimResult>, { readonly is: 'addEimResultCode' }>['value'];
type UpdateResult = TypeOf<typeof updateEimResult>;

/** Three octets with the top bit clear: the highest counter that every eUICC takes. */
export const MAX_COUNTER = 0x7f_ffff;
const MAX_EIMS = 8;
/** In a request: the eUICC shall give the eIM a token. */
const TOKEN_WANTED = -1;

/** In the order in which they were added. */
export function listEims(state: State): readonly Eim[] {
  return state
    .ids(eimCells.prefix)
    .map(Number)
    .toSorted((a, b) => a - b)
    .flatMap((number) => {
      const record = state.read(eimCells(number));
      if (record === undefined) return [];
      return [{ ...record, number, configuration: EimConfigurationData.decode(record.configuration) }];
    });
}

export function findEim(state: State, eimId: string): Eim | undefined {
  return listEims(state).find((eim) => eim.eimId === eimId);
}

function store(state: State, { number, configuration, ...eim }: Eim): void {
  const { counterValue: _counter, associationToken: _token, ...kept } = configuration;
  state.write(eimCells(number), { ...eim, configuration: EimConfigurationData.encode(kept) });
}

export function setCounter(state: State, eim: Eim, counterValue: number): void {
  store(state, { ...eim, counterValue });
}

export function removeEim(state: State, { number }: Eim): void {
  state.remove(eimCells(number));
}

/** The key of the eIM's packages; undefined for one that this card cannot use. */
export function packageKey({
  eimPublicKeyData,
}: EimConfiguration): { readonly curve: CurveName; readonly publicKey: Uint8Array } | undefined {
  try {
    switch (eimPublicKeyData?.is) {
      case 'eimPublicKey':
        return decodePublicKeyInfo(eimPublicKeyData.value);
      case 'eimCertificate':
        return parseCertificate(eimPublicKeyData.value);
      case undefined:
        return undefined;
    }
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}

/** Whether packages of both are checked with one key. */
export function hasSameKey(a: EimConfiguration, b: EimConfiguration): boolean {
  const [first, second] = [packageKey(a), packageKey(b)];
  return first?.curve === second?.curve && equalBytes(first?.publicKey ?? EMPTY, second?.publicKey ?? EMPTY);
}

/** The chain with which results for this eIM are signed; undefined where it names a CI that the card has none below. */
export function credentialFor(es10: Es10, { euiccCiPKId }: EimConfiguration): EuiccCredential | undefined {
  return es10.identity.credentials.find(
    ({ ciPKId }) => euiccCiPKId === undefined || equalBytes(ciPKId, euiccCiPKId),
  );
}

/** Stages a new eIM. The answer is the eIM, or why it may not be added. */
export function addEim(es10: Es10, given: EimConfiguration): Eim | Exclude<AddResult, 'ok'> {
  const { state } = es10;
  const { counterValue, associationToken } = given;
  if (findEim(state, given.eimId) !== undefined) return 'associatedEimAlreadyExists';
  if (counterValue === undefined || packageKey(given) === undefined) return 'commandError';
  if (counterValue > MAX_COUNTER) return 'counterValueOutOfRange';
  if (associationToken !== undefined && associationToken !== TOKEN_WANTED) return 'invalidAssociationToken';
  if (credentialFor(es10, given) === undefined) return 'ciPKUnknown';
  const octets = EimConfigurationData.encode(given).length;
  if (listEims(state).length >= MAX_EIMS || octets > es10.freeMemory()) return 'insufficientMemory';
  const iot = state.read(iotCell);
  const lastAssociationToken = iot.lastAssociationToken + (associationToken === undefined ? 0 : 1);
  const eim: Eim = {
    number: iot.nextEimNumber,
    eimId: given.eimId,
    configuration: given,
    counterValue,
    associationToken: associationToken === undefined ? 0 : lastAssociationToken,
  };
  state.write(iotCell, { ...iot, nextEimNumber: iot.nextEimNumber + 1, lastAssociationToken });
  store(state, eim);
  return eim;
}

/**
 * Stages the members that are given in place of those there were. The counter goes down only together with a new key, so
 * that no package of the old one is accepted again.
 */
export function updateEim(es10: Es10, eim: Eim, given: EimConfiguration): UpdateResult {
  const { eimId: _id, counterValue, associationToken, ...members } = given;
  if (associationToken !== undefined) return 'commandError';
  if (counterValue === undefined && Object.keys(members).length === 0) return 'commandError';
  const isKey = members.eimPublicKeyData !== undefined;
  if (isKey && packageKey(given) === undefined) return 'commandError';
  if (counterValue !== undefined && counterValue > MAX_COUNTER) return 'counterValueOutOfRange';
  const isLower = counterValue !== undefined && counterValue < eim.counterValue;
  if (isLower && (!isKey || hasSameKey(given, eim.configuration))) return 'commandError';
  if (members.euiccCiPKId !== undefined && credentialFor(es10, given) === undefined) return 'ciPKUnknown';
  store(es10.state, {
    ...eim,
    configuration: { ...eim.configuration, ...members },
    counterValue: counterValue ?? eim.counterValue,
  });
  return 'ok';
}
