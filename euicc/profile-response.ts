// The simaResponse of a profile package: its outcome as an EUICCResponse (TCA interoperable format, PEDefinitions).
import { encodeEuiccResponse, PE_STATUS } from '../codec/saip/response.ts';
import type { LoadOutcome, PeStatus } from './profile-content.ts';

/** Success is `ok` once; elements that were left out follow as warnings. */
export function loadResponse(outcome: LoadOutcome): Uint8Array {
  if (outcome.ok) {
    return encodeEuiccResponse({ peStatus: [{ status: PE_STATUS.ok }, ...outcome.warnings.map(row)] });
  }
  return encodeEuiccResponse({ peStatus: [row(outcome.failed)], profileInstallationAborted: true });
}

function row(status: PeStatus): { status: number; identification?: number } {
  const { identification } = status;
  return { status: PE_STATUS[status.status], ...(identification === undefined ? {} : { identification }) };
}

/** Why the installation failed, in the words of SGP.22 (2.5.6). */
export function failureReason(
  outcome: Extract<LoadOutcome, { ok: false }>,
): 'installFailedDueToInsufficientMemoryForProfile' | 'installFailedDueToPEProcessingError' {
  const { status } = outcome.failed;
  return status === 'notEnoughMemory' || status === 'memoryFailure'
    ? 'installFailedDueToInsufficientMemoryForProfile'
    : 'installFailedDueToPEProcessingError';
}
