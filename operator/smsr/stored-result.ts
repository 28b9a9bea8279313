// What came of a script, as its row keeps it.
import {
  cborBool,
  cborBytes,
  cborInt,
  cborItem,
  cborList,
  cborMap,
  cborText,
} from '../../codec/cbor-table.ts';
import type { ScriptResult } from '../roles.ts';

export const storedResult = cborItem(
  cborMap({
    ok: { key: 1, type: cborBool },
    executed: { key: 2, type: cborInt() },
    lastSw: { key: 3, type: cborInt(0, 0xffff) },
    responses: { key: 4, type: cborList(cborBytes({ max: 65_536 }), 65_536) },
    reason: { key: 5, type: cborText(2048), optional: true },
    resynchronised: { key: 6, type: cborBool, optional: true },
  }),
);

/** The result that a row holds. */
export function restored(bytes: Uint8Array): ScriptResult {
  const { reason, resynchronised, ...rest } = storedResult.decode(bytes);
  return {
    ...rest,
    ...(reason === undefined ? {} : { reason }),
    ...(resynchronised === true ? { resynchronised } : {}),
  };
}
