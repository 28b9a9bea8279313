// The power is cut at every write of what changes keys and counters of the ISD-R, over SCP03 and over SCP80: the old keys or the new
// ones, whole, with the counter that belongs to them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toHex } from '../../base/bytes.ts';
import { encodeCommandApdu, withChannel } from '../../codec/apdu.ts';
import { deleteKeyCommand, KEY_TYPE_AES } from '../../codec/put-key.ts';
import { encodeCommandScript } from '../../codec/script.ts';
import { aesKeyCheckValue } from '../../crypto/aes.ts';
import { encryptWithDek } from '../../crypto/scp03.ts';
import { createScp03Host } from '../../crypto/scp03-host.ts';
import { sealRemoteCommand } from '../../crypto/scp80-host.ts';
import { command } from '../testing/domains.ts';
import { type Keyset, keysetOf, openManagement, putKeyset } from '../testing/management.ts';
import { deliver, sendRemote, TAR, targetOf } from '../testing/ota.ts';
import { tearAtEveryWrite } from '../testing/tear.ts';
import { exchange, openIsdR } from '../testing/terminal.ts';
import { createWorld, ISD_R_KEYS, type World } from '../testing/world.ts';

const NEXT = keysetOf(0x31, 0x80);
const IN_PLACE = { ...NEXT, kvn: 0x30 };

/** Versions, and the next sequence counter of each set whose keys open a session. */
async function shown({ card }: World, known: readonly Keyset[]): Promise<string> {
  const { channel } = await openIsdR(card);
  const { data } = await exchange(card, { ...command('80CA00E0'), cla: withChannel(0x80, channel) });
  const versions = [...toHex(data).matchAll(/C00401(..)88/g)].map(([, version]) => version);
  const opened: string[] = [];
  for (const keys of known) {
    const host = createScp03Host({
      keys,
      keyVersion: keys.kvn,
      level: 0x03,
      hostChallenge: new Uint8Array(8),
    });
    const { initializeUpdate } = host;
    const answer = await exchange(card, {
      ...initializeUpdate,
      cla: withChannel(initializeUpdate.cla, channel),
    });
    if (answer.sw !== 0x9000) continue;
    try {
      host.accept(answer.data);
    } catch {
      continue;
    }
    opened.push(`${keys.kvn.toString(16)}:${toHex(answer.data.subarray(-3))}`);
  }
  return `${versions.join(' ')} / ${opened.join(' ')}`;
}

const single = putKeyset(NEXT, ISD_R_KEYS.dek, {
  replaces: 0x30,
  version: 0x30,
  identifier: 3,
  keys: [
    {
      type: KEY_TYPE_AES,
      length: 16,
      encrypted: encryptWithDek(ISD_R_KEYS.dek, NEXT.dek),
      checkValue: aesKeyCheckValue(NEXT.dek),
    },
  ],
});

describe('over SCP03', () => {
  for (const [name, apdu, after] of [
    ['PUT KEY that adds', putKeyset(NEXT, ISD_R_KEYS.dek), '30 31 / 30:000001 31:000000'],
    [
      'PUT KEY in the place of another version',
      putKeyset(NEXT, ISD_R_KEYS.dek, { replaces: 0x30 }),
      '31 / 31:000000',
    ],
    ['PUT KEY in place', putKeyset(IN_PLACE, ISD_R_KEYS.dek, { replaces: 0x30 }), '30 / 30:000000'],
  ] as const) {
    test(`${name} is done or not`, () =>
      tearAtEveryWrite<string>({
        name,
        before: '30 / 30:000001',
        after,
        world: () => createWorld(),
        async arrange({ card }) {
          const session = await openManagement(card, ISD_R_KEYS);
          return () => session.send(apdu);
        },
        observe: (world) => shown(world, [ISD_R_KEYS, IN_PLACE, NEXT]),
      }));
  }

  test('PUT KEY of the DEK alone is done or not', () =>
    tearAtEveryWrite<string>({
      name: 'PUT KEY of the DEK alone',
      before: 'old',
      after: 'new',
      world: () => createWorld(),
      async arrange({ card }) {
        const session = await openManagement(card, ISD_R_KEYS);
        return () => session.send(single);
      },
      observe: deks,
    }));

  test('DELETE KEY is done or not', () =>
    tearAtEveryWrite<string>({
      name: 'DELETE KEY',
      before: '30 31 / 30:000001 31:000001',
      after: '31 / 31:000001',
      world: () => createWorld(),
      async arrange({ card }) {
        const session = await openManagement(card, ISD_R_KEYS);
        await session.send(putKeyset(NEXT, ISD_R_KEYS.dek));
        const next = await openManagement(card, NEXT);
        return () => next.send(deleteKeyCommand(0x30));
      },
      observe: (world) => shown(world, [ISD_R_KEYS, NEXT]),
    }));

  test('EXTERNAL AUTHENTICATE spends its sequence counter or opens nothing', () =>
    tearAtEveryWrite<string>({
      name: 'EXTERNAL AUTHENTICATE',
      before: '30 / 30:000000',
      after: '30 / 30:000001',
      world: () => createWorld(),
      arrange: ({ card }) => Promise.resolve(() => openManagement(card, ISD_R_KEYS)),
      observe: (world) => shown(world, [ISD_R_KEYS]),
    }));
});

/** Which DEKs the card takes a new keyset under; it is taken away again. */
async function deks({ card }: World): Promise<string> {
  const taken: string[] = [];
  for (const [name, dek] of [
    ['old', ISD_R_KEYS.dek],
    ['new', NEXT.dek],
  ] as const) {
    const session = await openManagement(card, ISD_R_KEYS, { challenge: 0x21 });
    const { sw } = await session.send(putKeyset(keysetOf(0x3f, 0x11), dek));
    if (sw !== 0x9000) continue;
    taken.push(name);
    assert.equal((await session.send(deleteKeyCommand(0x3f))).sw, 0x9000);
  }
  return taken.join(' ');
}

describe('over SCP80', () => {
  const old = { ...ISD_R_KEYS, kvn: 0x01 };
  const next = keysetOf(0x02, 0x80);
  const target = (keys: Keyset) => {
    const aes = (key: Keyset['enc']) => ({ algorithm: 'aes', key }) as const;
    return targetOf(TAR.isdR, { keyset: keys.kvn, keys: { kic: aes(keys.enc), kid: aes(keys.mac) } });
  };
  /** Which keysets answer to their next counter. */
  const answering = async (
    { card }: World,
    counters: readonly (readonly [Keyset, number])[],
  ): Promise<string> => {
    const found: string[] = [];
    for (const [keys, counter] of counters) {
      const probe = encodeCommandScript([encodeCommandApdu(command('80CA00E0'))]);
      const { status } = await sendRemote(card, target(keys), counter, probe);
      if (status === 0) found.push(keys.kvn.toString(16));
    }
    return found.join(' ');
  };
  for (const [name, apdu, after] of [
    ['PUT KEY that adds', putKeyset(next, old.dek), '1 2'],
    ['PUT KEY in the place of another version', putKeyset(next, old.dek, { replaces: 1 }), '2'],
  ] as const) {
    test(`${name} is done or not`, () => {
      let counter = 10;
      return tearAtEveryWrite<string>({
        name,
        before: '1',
        after,
        world: () => createWorld({ isdRKeys: old, managed: true }),
        arrange({ card }) {
          const packet = sealRemoteCommand(target(old), 1, encodeCommandScript([encodeCommandApdu(apdu)]));
          return Promise.resolve(() => deliver(card, packet));
        },
        observe: (world) => {
          counter += 1;
          return answering(world, [
            [old, counter],
            [next, counter],
          ]);
        },
      });
    });
  }
});
