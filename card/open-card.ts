// A card file taken for this process alone, and the card in it.
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { acquireProcessLock } from '../config/process-lock.ts';
import type { Ec } from '../crypto/ec.ts';
import { type Euicc, openEuicc } from '../euicc/euicc.ts';
import { type CardStore, isCardFile, openCardStore } from '../euicc/store.ts';
import { createMemoryFiles, createNodeFiles, cutAtWrite } from '../euicc/store-files.ts';
import { failed, readBytes } from './files.ts';
import { type KeyOptions, readStoreKey } from './store-key.ts';

type Context = { readonly ec: Ec; readonly random: Random; readonly log: Log };

/** A power cut that was asked for: at which write to the card file, and who is told. */
export type PowerCut = { readonly at: number; readonly onCut: () => void };

/**
 * Opens the card of a file. It is this process's until `close`. Throws `STORE_LOCKED` with the holder, `STORE_CORRUPT`,
 * `KEY_INVALID` or `FILE_FAILED`.
 */
export async function openCardFile(
  context: Context,
  path: string,
  options: KeyOptions,
  cut?: PowerCut,
): Promise<Euicc> {
  const { ec, random, log } = context;
  // A file that is missing is an error here: the store would begin a new one.
  requireCard(path, await readBytes(path));
  const key = await readStoreKey(path, options);
  const lock = await acquireProcessLock(path, 'euicc-card serve');
  try {
    const real = createNodeFiles();
    const files = cut === undefined ? real : cutAtWrite(real, cut.at, cut.onCut);
    const store = await openCardStore({ path, key, random, files });
    const euicc = await openEuicc({ store, ec, random, log });
    return {
      ...euicc,
      async close() {
        await euicc.close();
        await lock.release();
      },
    };
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** A file of something else is told before its key is looked for. */
function requireCard(path: string, content: Uint8Array): void {
  if (!isCardFile(content)) throw failed(path, 'it is not a card of euicc-card create');
}

/** The card as the file has it now, to look at: what is done to it changes nothing, and whoever serves it is not disturbed. */
export async function openCardCopy(
  context: Context,
  path: string,
  options: KeyOptions,
): Promise<{ readonly euicc: Euicc; readonly store: CardStore; readonly octets: number }> {
  const content = await readBytes(path);
  requireCard(path, content);
  const key = await readStoreKey(path, options);
  const store = await openCardStore({
    path,
    key,
    random: context.random,
    files: createMemoryFiles(new Map([[path, content]])),
  });
  return { euicc: await openEuicc({ store, ...context }), store, octets: content.length };
}
