import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY, fromHex, toHex } from '../../base/bytes.ts';
import { AgentError, isAgentError } from '../../base/errors.ts';
import { cborInt } from '../../codec/cbor-table.ts';
import { encodeResponseApdu } from '../../codec/apdu.ts';
import { ok, refuse } from '../os/reply.ts';
import { cell, createState } from '../state.ts';
import type { CardStore } from '../store.ts';
import { createRemoteSession, goesOn, type RemoteCommands } from './remote-session.ts';

const ROOM = 300;
const value = cell('value', cborInt(), 0);

/** A store whose commits end as they are told to. */
function setUp(process: RemoteCommands['process'], commit: () => Promise<void> = () => Promise.resolve()) {
  const store: CardStore = {
    get: () => undefined,
    names: () => [],
    commit,
    written: { commits: 0, octets: 0 },
    close: () => Promise.resolve(),
  };
  const state = createState(store);
  const session = createRemoteSession(state, { process });
  const run = async (hex: string, room = ROOM): Promise<string> =>
    toHex(encodeResponseApdu(await session.execute(fromHex(hex), room)));
  return { run, state };
}

test('a medium that is full leaves the card as it was, and does not show what did not happen', async () => {
  let shown = 0;
  const { run, state } = setUp(
    () => {
      state.write(value, 7);
      return ok(EMPTY, () => void shown++);
    },
    () => Promise.reject(new Error('no space left')),
  );
  assert.equal(await run('00D6000001AA'), '6581');
  assert.deepEqual([state.read(value), shown], [0, 0]);
});

test('without power there is no answer', async () => {
  const { run } = setUp(
    () => ok(),
    () => Promise.reject(new AgentError('CLOSED', { what: 'power' })),
  );
  await assert.rejects(run('00D6000001AA'), (thrown) => isAgentError(thrown, 'CLOSED'));
});

test('what a refused command staged is forgotten', async () => {
  const { run, state } = setUp(() => {
    state.write(value, 7);
    return refuse(0x6982);
  });
  assert.equal(await run('00D6000001AA'), '6982');
  assert.equal(state.read(value), 0);
});

test('data is announced without Le, given with it, cut by it, by the room, and fetched once', async () => {
  const { run } = setUp(() => ok(fromHex('0102030405')));
  assert.equal(await run('00A4000002AABB'), '6105');
  assert.equal(await run('00C0000003'), '01020362F1');
  assert.equal(await run('00C0000005'), '6985');
  assert.equal(await run('00A4000002AABB00'), '01020304059000');
  assert.equal(await run('00A4000002AABB04'), '0102030462F1');
  assert.equal(await run('00A4000002AABB00', 2), '010262F1');
  assert.equal(await run('00A4000002AABB'), '6105');
  assert.equal(await run('00A4000002AABB00'), '01020304059000');
  assert.equal(await run('00C0000000'), '6985');
});

test('classes and lengths that are not for a script are refused before they reach the application', async () => {
  const { run } = setUp(() => assert.fail());
  for (const [apdu, sw] of [
    ['00', '6700'],
    ['00D6000002AA', '6700'],
    ['00D60000000001AA', '6700'],
    ['01B0000001', '6881'],
    ['83B0000001', '6881'],
    ['41B0000001', '6E00'],
    ['0CB0000001', '6E00'],
    ['10B0000001', '6E00'],
    ['FFB0000001', '6E00'],
    ['A0B0000001', '6E00'],
  ] as const) {
    assert.equal(await run(apdu), sw, apdu);
  }
});

test('a script goes on behind what was done, and behind a warning that lost nothing', () => {
  const words = [0x9000, 0x910b, 0x6110, 0x6282, 0x6283, 0x63f1];
  assert.deepEqual(
    words.map(goesOn),
    words.map(() => true),
  );
  const ends = [0x62f1, 0x63c2, 0x6300, 0x6581, 0x6700, 0x6982, 0x6a82, 0x6d00, 0x9300, 0x9862];
  assert.deepEqual(
    ends.map(goesOn),
    ends.map(() => false),
  );
});
