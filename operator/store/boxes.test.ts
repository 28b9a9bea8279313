import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAgentError } from '../../base/errors.ts';
import { completeEid } from '../../codec/ids.ts';
import {
  answerInbox,
  inboxAnswer,
  markReceipted,
  markSent,
  putOutbox,
  takeInbox,
  unansweredOutbox,
} from './boxes.ts';
import { openStore, type Store } from './store.ts';

const EID = completeEid('890490320012345678901234567890');
const OTHER_EID = completeEid('890490320012345678901234567891');

const message = (messageId: string, eid = EID) => ({
  owner: 'mno-a',
  eid,
  shard: 3,
  messageId,
  kind: 'script',
  payload: Uint8Array.of(1, 2),
  createdAt: 1000,
});

async function withStore(work: (store: Store) => Promise<void>): Promise<void> {
  const store = await openStore({ url: 'sqlite::memory:' });
  try {
    await work(store);
  } finally {
    await store.close();
  }
}

const open = async (store: Store, query: { sentBefore?: number } = {}): Promise<string[]> => {
  const rows = await store.read((reader) => unansweredOutbox(reader, { owner: 'mno-a', eid: EID, ...query }));
  return rows.map((row) => row.messageId);
};

test('a message stays in the outbox, in order, until the device itself has answered for it', () =>
  withStore(async (store) => {
    await store.transaction(async (tx) => {
      await putOutbox(tx, message('A1'));
      await putOutbox(tx, message('A2'));
      await putOutbox(tx, message('B1', OTHER_EID));
    });
    assert.deepEqual(await open(store), ['A1', 'A2']);
    const [first] = await store.read((reader) => unansweredOutbox(reader, { owner: 'mno-a' }));
    assert.ok(first);
    await store.transaction((tx) => markSent(tx, first.id, 2000));
    assert.deepEqual(await open(store), ['A1', 'A2']);
    assert.deepEqual(await open(store, { sentBefore: 2000 }), ['A2']);
    assert.deepEqual(await open(store, { sentBefore: 2001 }), ['A1', 'A2']);
    assert.equal(await store.transaction((tx) => markReceipted(tx, 'mno-a', 'A1', 3000)), true);
    assert.equal(await store.transaction((tx) => markReceipted(tx, 'mno-a', 'A1', 3000)), false);
    assert.deepEqual(await open(store), ['A2']);
    await assert.rejects(
      store.transaction((tx) => putOutbox(tx, message('A1'))),
      (thrown) => isAgentError(thrown, 'CONFLICT'),
    );
  }));

test('an outbox message is lost with the step that failed', () =>
  withStore(async (store) => {
    await assert.rejects(
      store.transaction(async (tx) => {
        await putOutbox(tx, message('A1'));
        throw new Error('the step fails');
      }),
    );
    assert.deepEqual(await open(store), []);
  }));

test('an event is taken once per owner, and a repetition finds the first answer', () =>
  withStore(async (store) => {
    const take = (owner: string) =>
      store.transaction((tx) => takeInbox(tx, { owner, eventId: 'E1', eid: EID, at: 1 }));
    assert.equal(await take('mno-a'), true);
    assert.equal(await store.read((reader) => inboxAnswer(reader, 'mno-a', 'E1')), undefined);
    await store.transaction((tx) => answerInbox(tx, 'mno-a', 'E1', Uint8Array.of(7)));
    assert.equal(await take('mno-a'), false);
    assert.equal(await take('mno-b'), true);
    assert.deepEqual(await store.read((reader) => inboxAnswer(reader, 'mno-a', 'E1')), Uint8Array.of(7));
  }));
