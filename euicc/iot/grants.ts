// What one change of the enabled profile allows next, a rollback or a way back, and any other change takes away again.
import type { State } from '../state.ts';
import { iotCell, rollbackCell } from './records.ts';

/** Forgets the rollback, the way back from the fallback and the one from the emergency profile (SGP.32 3.4.1, 5.9.15 to 5.9.23). */
export function forgetGrants(state: State): void {
  forgetRollback(state);
  const { emergencyReturn, ...iot } = state.read(iotCell);
  if (emergencyReturn !== undefined || iot.fallbackReturn !== 0) {
    state.write(iotCell, { ...iot, fallbackReturn: 0 });
  }
}

/** A package that is accepted ends the grant of an earlier one (5.9.1). */
export function forgetRollback(state: State): void {
  if (state.has(rollbackCell)) state.remove(rollbackCell);
}
