// PIN contexts of a finished file tree, and whether every PIN and PUK that is named is there (TCA eUICC Profile Package:
// Interoperable Format, 8.4).
import type { PinContent, PukContent } from './profile-content.ts';
import { fidText, pathOf, refuse, type DraftDirectory } from './profile-tree.ts';

export type PinContexts = {
  readonly contexts: readonly (readonly PinContent[])[];
  /** The context that a directory brought along or shares; none where it takes its parent's. */
  readonly contextOf: (directory: DraftDirectory) => number | undefined;
};

/** Numbers the contexts in the order of the tree; the MF's is number 0 even when it has no PIN. */
export function collectPinContexts(mf: DraftDirectory): PinContexts {
  const contexts: PinContent[][] = [];
  const indexOf = new Map<DraftDirectory, number>();
  const visit = (directory: DraftDirectory): void => {
    const own = Array.isArray(directory.pins) ? directory.pins : undefined;
    if (own !== undefined || directory.kind === 'mf') {
      indexOf.set(directory, contexts.push(own ?? []) - 1);
    }
    for (const child of directory.children) if (child.kind !== 'ef') visit(child);
  };
  visit(mf);
  return {
    contexts,
    contextOf: (directory) =>
      indexOf.get(Array.isArray(directory.pins) ? directory : (directory.pins ?? directory)),
  };
}

/** Every PIN of a PIN status template is defined in its directory or above, every PUK of a PIN is defined. */
export function checkPinReferences(
  mf: DraftDirectory,
  pins: readonly PinContent[],
  puks: readonly PukContent[],
): void {
  const orphan = pins.find(
    (pin) => pin.unblockedBy !== undefined && !puks.some((puk) => puk.keyReference === pin.unblockedBy),
  );
  if (orphan !== undefined)
    refuse('pinCodeMissing', `PIN ${orphan.keyReference} names PUK ${orphan.unblockedBy}`);
  const visit = (directory: DraftDirectory, above: readonly number[]): void => {
    const own = Array.isArray(directory.pins) ? directory.pins : directory.pins?.pins;
    const here = [...above, ...(Array.isArray(own) ? own.map((pin) => pin.keyReference) : [])];
    const missing = [...directory.pinStatusTemplate].find((reference) => !here.includes(reference));
    if (missing !== undefined) {
      const place = pathOf(directory).map(fidText).join('/') || 'the MF';
      refuse('pinCodeMissing', `PIN ${missing} of ${place} is not defined`);
    }
    for (const child of directory.children) if (child.kind !== 'ef') visit(child, here);
  };
  visit(mf, []);
}
