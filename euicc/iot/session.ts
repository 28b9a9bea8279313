// What the SGP.32 functions remember until the card loses its power, and how they change the enabled profile (SGP.32 3.3.1).
import type { Profile } from '../profiles.ts';
import type { Es10 } from '../es10/functions.ts';
import { iotCell } from './records.ts';
import type { State } from '../state.ts';

export type IotSession = {
  /** The profile that the last download installed, until the next download begins (5.9.15). */
  installed?: { readonly number: number; readonly smdpOid: string; readonly serverAddress: string };
  /** A REFRESH for a change of these functions is under way; one is enough for all that happened before it. */
  refreshing?: boolean;
};

/** Whether the emergency profile is enabled: packages and resets are refused then. */
export function isEcallActive(state: State): boolean {
  return state.read(iotCell).emergencyReturn !== undefined;
}

/** Whether the toolkit has something else to do, or a switch of ES10c waits for its REFRESH. */
export function isCatBusy({ cat, iot, profiles }: Es10): boolean {
  return profiles.pendingSwitch !== undefined || (cat.busy && iot.refreshing !== true);
}

/**
 * Asks the terminal to notice a change that is done. Unlike a switch of ES10c this one does not wait for the answer: what
 * the card has signed holds at once, and the power may go at any time.
 */
export function refresh({ cat, iot }: Es10): void {
  if (iot.refreshing === true) return;
  iot.refreshing = true;
  cat.refresh('profileStateChange', () => {
    iot.refreshing = false;
  });
}

/** Enables another profile, or none, in the transaction of the command. `silent`: nobody is notified. */
export function changeProfile(
  es10: Es10,
  to: Profile | undefined,
  how: { readonly refreshFlag: boolean; readonly silent?: true },
): void {
  es10.profiles.switchTo(to, how);
  if (how.refreshFlag) refresh(es10);
}
