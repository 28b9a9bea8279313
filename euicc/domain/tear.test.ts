// Power cut at every write of the commands that change keys.
import { describe, test } from 'node:test';
import { isPowerLoss } from '../store-files.ts';
import { deleteKeyCommand } from '../../codec/put-key.ts';
import { keysetOf, type Keyset, openManagement, putKeyset } from '../testing/management.ts';
import { type TearCase, tearAtEveryWrite } from '../testing/tear.ts';
import { raw, selectAid } from '../testing/terminal.ts';
import { createWorld, ISD_R_KEYS, type World } from '../testing/world.ts';
import { AID_ISD_R, encodeAid } from '../../codec/ids.ts';

const NEXT = keysetOf(0x31, 0x80, 32);

/** Versions and lengths of the keys that there are, and which of the two keysets open a session. */
async function keys({ card }: World): Promise<readonly string[]> {
  await selectAid(card, encodeAid(AID_ISD_R));
  const information = await raw(card, '80CA00E000');
  const opens = async (keyset: Keyset): Promise<boolean> => {
    try {
      await openManagement(card, keyset);
      return true;
    } catch (error) {
      if (isPowerLoss(error)) throw error;
      return false;
    }
  };
  const names = [(await opens(ISD_R_KEYS)) ? 'first' : '', (await opens(NEXT)) ? 'next' : ''];
  return [information, names.join(' ').trim()];
}

const FIRST = 'C00401308810C00402308810C00403308810';
const SECOND = 'C00401318820C00402318820C00403318820';
const ONE = [`E012${FIRST}9000`, 'first'];
const BOTH = [`E024${FIRST}${SECOND}9000`, 'first next'];
const OTHER = [`E012${SECOND}9000`, 'next'];

const CASES: readonly TearCase<readonly string[]>[] = [
  {
    name: 'PUT KEY that adds a keyset',
    before: ONE,
    after: BOTH,
    world: () => createWorld(),
    async arrange({ card }) {
      const session = await openManagement(card, ISD_R_KEYS);
      return () => session.send(putKeyset(NEXT, ISD_R_KEYS.dek));
    },
    observe: keys,
  },
  {
    name: 'PUT KEY that replaces a keyset',
    before: ONE,
    after: OTHER,
    world: () => createWorld(),
    async arrange({ card }) {
      const session = await openManagement(card, ISD_R_KEYS);
      return () => session.send(putKeyset(NEXT, ISD_R_KEYS.dek, { replaces: ISD_R_KEYS.kvn }));
    },
    observe: keys,
  },
  {
    name: 'DELETE KEY',
    before: BOTH,
    after: OTHER,
    world: () => createWorld(),
    async arrange({ card }) {
      const first = await openManagement(card, ISD_R_KEYS);
      await first.send(putKeyset(NEXT, ISD_R_KEYS.dek));
      const session = await openManagement(card, NEXT);
      return () => session.send(deleteKeyCommand(ISD_R_KEYS.kvn));
    },
    observe: keys,
  },
];

describe('a power cut leaves the keys as before or after', () => {
  for (const each of CASES) test(each.name, () => tearAtEveryWrite(each));
});
