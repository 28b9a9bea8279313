// The PIN of the certificate profile in an agent that works by itself: one try for each version of its file, however often it starts.
import { readFileSync } from 'node:fs';
import { Secret } from '../base/log.ts';
import { versionOf } from './pin.ts';
import type { PinRecord } from './state-folder.ts';

export type CertificatePin = {
  /** The PIN, where it was never refused or cut short in this version of its file. That it is tried is on the disk then. */
  take(): Promise<Secret<string> | undefined>;
  /** The card took it: it may be tried again. */
  accepted(): Promise<void>;
};

export function createCertificatePin(options: {
  readonly pinFile: string;
  readonly read: () => Promise<PinRecord | undefined>;
  readonly write: (record: PinRecord | undefined) => Promise<void>;
}): CertificatePin {
  const { pinFile, read, write } = options;
  return {
    async take() {
      const file = versionOf(pinFile, 'certificateProfile.pinFile');
      if ((await read())?.file === file) return undefined;
      await write({ file, outcome: 'trying' });
      return new Secret(readFileSync(pinFile, 'utf8').trim());
    },
    accepted: () => write(undefined),
  };
}
