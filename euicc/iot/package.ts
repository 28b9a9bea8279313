// LoadEuiccPackage and ProfileRollback: what an eIM has signed is checked, carried out and answered with the card's own
// signature, in one transaction (SGP.32 3.3.1, 3.3.2, 5.9.1, 5.9.16).
import { isAgentError } from '../../base/errors.ts';
import { readOnly, readTlvs } from '../../codec/ber-tlv.ts';
import {
  Eco,
  type euiccPackageErrorCode,
  euiccPackageFrame,
  EuiccPackageRequest,
  EuiccPackageResult,
  EuiccResultData,
  packageSignatureInput,
  Psmo,
} from '../../codec/rsp/sgp32-package.ts';
import { ProfileRollbackRequest, ProfileRollbackResponse } from '../../codec/rsp/sgp32-profile.ts';
import type { Type, TypeOf } from '../../codec/tlv-table.ts';
import type { Es10, Es10Function } from '../es10/functions.ts';
import { type Outcome, runEco } from './eco.ts';
import { type Eim, findEim, hasSameKey, listEims, MAX_COUNTER, packageKey, setCounter } from './eims.ts';
import { forgetRollback } from './grants.ts';
import { putResult, removeResult, type Result, signedError } from './package-results.ts';
import { type PsmoRun, runPsmo } from './psmo.ts';
import { rollbackCell } from './records.ts';
import { changeProfile, isCatBusy, isEcallActive, refresh } from './session.ts';

/** A package and a list of results that this card takes; longer ones overflow. */
const MAX_PACKAGE = 16_384;
const MAX_RESULTS = 16_384;

type Frame = TypeOf<typeof euiccPackageFrame>;
type PackageError = TypeOf<typeof euiccPackageErrorCode>;

function loadEuiccPackage(es10: Es10, request: Uint8Array): Uint8Array {
  const { euiccPackageSigned, eimSignature } = EuiccPackageRequest.decode(request);
  const frame = euiccPackageFrame.decode(readOnly(euiccPackageSigned, 0x30).value);
  const eim = findEim(es10.state, frame.eimId);
  const key = eim === undefined ? undefined : packageKey(eim.configuration);
  const signed =
    eim !== undefined &&
    key !== undefined &&
    es10.ec.verify(
      key.curve,
      key.publicKey,
      packageSignatureInput(euiccPackageSigned, eim.associationToken),
      eimSignature,
    );
  if (!signed) return unsignedError(frame, eim);
  const error = refuses(es10, eim, frame, request.length);
  if (error !== undefined) return signedError(es10, eim, frame, error);
  return carryOut(es10, eim, frame);
}

/** Nothing is signed for a sender that has not proved who it is. */
function unsignedError({ eimId, eimTransactionId }: Frame, eim: Eim | undefined): Uint8Array {
  const token = eim?.associationToken ?? 0;
  return EuiccPackageResult.encode({
    is: 'euiccPackageErrorUnsigned',
    value: {
      eimId,
      ...(eimTransactionId === undefined ? {} : { eimTransactionId }),
      ...(token === 0 ? {} : { associationToken: token }),
    },
  });
}

function refuses(es10: Es10, eim: Eim, frame: Frame, octets: number): PackageError | undefined {
  if (frame.eidValue !== es10.identity.eid) return 'invalidEid';
  if (frame.counterValue > MAX_COUNTER) return 'counterValueOutOfRange';
  if (frame.counterValue <= eim.counterValue) return 'replayError';
  if (isEcallActive(es10.state)) return 'ecallActive';
  return octets > MAX_PACKAGE ? 'sizeOverflow' : undefined;
}

function carryOut(es10: Es10, eim: Eim, frame: Frame): Uint8Array {
  const { state } = es10;
  forgetRollback(state);
  const run: PsmoRun = { enabled: false, disabled: false, deleted: false, notified: [] };
  const results = runAll(es10, run, frame);
  keepCounter(es10, eim, frame.counterValue);
  const { seqNumber, whole } = putResult(es10, eim, frame, results);
  if (run.rollback !== undefined) {
    const { eimTransactionId } = frame;
    state.write(rollbackCell, {
      ...run.rollback,
      eim: eim.number,
      counterValue: frame.counterValue,
      ...(eimTransactionId === undefined ? {} : { eimTransactionId }),
      seqNumbers: [seqNumber, ...run.notified],
    });
  }
  if (run.enabled || run.disabled) refresh(es10);
  return whole;
}

/** The counter of the package, unless the package has given the eIM a new key with a counter of its own. */
function keepCounter({ state }: Es10, before: Eim, counterValue: number): void {
  const after = listEims(state).find(({ number }) => number === before.number);
  if (after === undefined) return;
  if (!hasSameKey(after.configuration, before.configuration)) return;
  setCounter(state, after, Math.max(counterValue, after.counterValue));
}

/** Runs the operations in their order; the first one that fails is the last. */
function runAll(es10: Es10, run: PsmoRun, { psmoList, ecoList }: Frame): readonly Result[] {
  const damaged: Outcome = {
    ok: false,
    result: { is: 'processingTerminated', value: 'unknownOrDamagedCommand' },
  };
  const each = <T>(list: Uint8Array, type: Type<T>, perform: (operation: T) => Outcome): Result[] => {
    const results: Result[] = [];
    let octets = 0;
    for (const raw of wholeObjects(list) ?? [undefined]) {
      const operation = raw === undefined ? undefined : decoded(type, raw);
      const outcome = operation === undefined ? damaged : perform(operation);
      octets += EuiccResultData.encode(outcome.result).length;
      if (octets > MAX_RESULTS) {
        results.push({ is: 'processingTerminated', value: 'resultSizeOverflow' });
        break;
      }
      results.push(outcome.result);
      if (!outcome.ok) break;
    }
    return results;
  };
  if (psmoList !== undefined && ecoList === undefined) {
    return each(psmoList, Psmo, (psmo) => runPsmo(es10, run, psmo));
  }
  if (ecoList !== undefined && psmoList === undefined) return each(ecoList, Eco, (eco) => runEco(es10, eco));
  return [damaged.result];
}

function wholeObjects(list: Uint8Array): readonly Uint8Array[] | undefined {
  try {
    return readTlvs(list).map(({ raw }) => raw);
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}

function decoded<T>(type: Type<T>, raw: Uint8Array): T | undefined {
  try {
    return type.decode(raw);
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}

/** Takes the place of the result that could not be delivered; the profile before the package is enabled again. */
function profileRollback(es10: Es10, request: Uint8Array): Uint8Array {
  const { refreshFlag } = ProfileRollbackRequest.decode(request);
  const { notifications, profiles, state } = es10;
  const granted = state.read(rollbackCell);
  const eim = listEims(state).find(({ number }) => number === granted?.eim);
  const to = profiles.list().find(({ number }) => number === granted?.to);
  if (granted === undefined || eim === undefined || to === undefined || profiles.enabled === undefined) {
    return ProfileRollbackResponse.encode({ cmdResult: 'rollbackNotAllowed' });
  }
  if (isCatBusy(es10)) return ProfileRollbackResponse.encode({ cmdResult: 'catBusy' });
  for (const seqNumber of granted.seqNumbers) {
    if (!removeResult(state, seqNumber)) notifications.remove(seqNumber);
  }
  changeProfile(es10, to, { refreshFlag });
  const { whole } = putResult(es10, eim, granted, [{ is: 'rollbackResult', value: 'ok' }]);
  return ProfileRollbackResponse.encode({ cmdResult: 'ok', eUICCPackageResult: whole });
}

export const PACKAGE_FUNCTIONS: readonly Es10Function[] = [
  { tag: 0xbf51, run: loadEuiccPackage },
  { tag: 0xbf58, run: profileRollback },
];
