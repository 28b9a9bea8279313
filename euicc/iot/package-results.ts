// Results of eUICC packages: signed for the eIM that asked, kept until it has acknowledged them (SGP.32 2.11.2.1, 5.9.11).
import {
  EuiccPackageErrorDataSigned,
  type euiccPackageErrorCode,
  EuiccPackageResult,
  EuiccPackageResultDataSigned,
  type EuiccResultData,
  packageSignatureInput,
} from '../../codec/rsp/sgp32-package.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import type { Es10 } from '../es10/functions.ts';
import type { State } from '../state.ts';
import { credentialFor, type Eim } from './eims.ts';
import { packageResultCells } from './records.ts';

export type Result = TypeOf<typeof EuiccResultData>;

/** What names a package in its answers. */
export type PackageName = {
  readonly counterValue: number;
  readonly eimTransactionId?: Uint8Array;
};

/** More are not kept: the oldest goes (2.11.2). */
const MAX_RESULTS = 32;

function sign(es10: Es10, eim: Eim, data: Uint8Array): Uint8Array {
  const credential = credentialFor(es10, eim.configuration);
  if (credential === undefined) throw new Error('an eIM without a chain of this card');
  const input = packageSignatureInput(data, eim.associationToken);
  return es10.ec.sign(credential.curve, credential.privateKey, input);
}

/** Signs a result, stages it under the next sequence number, and answers it whole. */
export function putResult(
  es10: Es10,
  eim: Eim,
  name: PackageName,
  euiccResult: readonly Result[],
): { readonly seqNumber: number; readonly whole: Uint8Array } {
  const { state, notifications } = es10;
  const seqNumber = notifications.takeSeqNumber();
  const data = EuiccPackageResultDataSigned.encode({
    eimId: eim.eimId,
    ...named(name),
    seqNumber,
    euiccResult: [...euiccResult],
  });
  const whole = EuiccPackageResult.encode({
    is: 'euiccPackageResultSigned',
    value: { euiccPackageResultDataSigned: data, euiccSignEPR: sign(es10, eim, data) },
  });
  const [oldest] = listResults(state);
  if (oldest !== undefined && listResults(state).length >= MAX_RESULTS) removeResult(state, oldest.seqNumber);
  state.write(packageResultCells(seqNumber), whole);
  return { seqNumber, whole };
}

/** A signed error; it is not kept, the same package brings it again. */
export function signedError(
  es10: Es10,
  eim: Eim,
  name: PackageName,
  code: TypeOf<typeof euiccPackageErrorCode>,
): Uint8Array {
  const data = EuiccPackageErrorDataSigned.encode({
    eimId: eim.eimId,
    ...named(name),
    euiccPackageErrorCode: code,
  });
  return EuiccPackageResult.encode({
    is: 'euiccPackageErrorSigned',
    value: { euiccPackageErrorDataSigned: data, euiccSignEPE: sign(es10, eim, data) },
  });
}

function named({ counterValue, eimTransactionId }: PackageName): PackageName {
  return { counterValue, ...(eimTransactionId === undefined ? {} : { eimTransactionId }) };
}

type KeptResult = { readonly seqNumber: number; readonly whole: Uint8Array };

/** In the order of their sequence numbers. */
export function listResults(state: State): readonly KeptResult[] {
  return state
    .ids(packageResultCells.prefix)
    .map(Number)
    .toSorted((a, b) => a - b)
    .flatMap((seqNumber) => {
      const whole = state.read(packageResultCells(seqNumber));
      return whole === undefined ? [] : [{ seqNumber, whole }];
    });
}

export function removeResult(state: State, seqNumber: number): boolean {
  const held = packageResultCells(seqNumber);
  if (!state.has(held)) return false;
  state.remove(held);
  return true;
}
