// What is read of the notifications that wait on a card: one that cannot be read is no reason to lose the others.
import { isAgentError } from '../base/errors.ts';
import { notificationMetadataOf } from '../codec/rsp/notifications.ts';

/** Undefined for one that is malformed, or that says nothing of itself as compact results do. */
export function metadataIn(
  pendingNotification: Uint8Array,
): ReturnType<typeof notificationMetadataOf> | undefined {
  try {
    return notificationMetadataOf(pendingNotification);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return undefined;
  }
}
