import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { toHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import { createSeededRandom } from '../../base/random.ts';
import { completeEid, parseIccid, parseImsi } from '../../codec/ids.ts';
import { openStore } from './store.ts';
import {
  addSubscription,
  findSubscription,
  reserveSubscription,
  type SealKeys,
  setSubscriptionState,
  subscriptionSecrets,
  type SubscriptionSecrets,
  takeSqn,
} from './subscriptions.ts';

const EID = completeEid('890490320012345678901234567890');
const ICCIDS = ['8988211000000000001', '8988211000000000002'].map(parseIccid);
const IMSIS = ['901700000000001', '901700000000002'].map(parseImsi);
const random = createSeededRandom(1);
const sealKeys: SealKeys = [{ id: 'k1', key: new Secret(random.bytes(32)) }];
const key = (octet: number) => new Secret(new Uint8Array(16).fill(octet));
const secrets: SubscriptionSecrets = {
  k: key(0x11),
  opc: key(0x22),
  pin1: new Secret('1234'),
  pin2: new Secret('5678'),
  puk1: new Secret('12345678'),
  puk2: new Secret('87654321'),
  adm1: new Secret('55555555'),
  otaKeys: { version: 1, kic: key(0x33), kid: key(0x44), kik: key(0x55) },
};

async function stocked(t: TestContext) {
  const store = await openStore({ url: 'sqlite::memory:' });
  t.after(() => store.close());
  await store.transaction(async (tx) => {
    for (const [i, iccid] of ICCIDS.entries()) {
      const imsi = IMSIS[i] ?? parseImsi('0');
      await addSubscription(tx, { sealKeys, random }, { owner: 'a', iccid, imsi, spn: 'A', secrets }, 1);
    }
  });
  return store;
}

const [FIRST, SECOND] = ICCIDS as [ReturnType<typeof parseIccid>, ReturnType<typeof parseIccid>];

test('secrets come back as they went in, and lie sealed for their own row only', async (t) => {
  const store = await stocked(t);
  const back = await store.read((reader) => subscriptionSecrets(reader, sealKeys, 'a', FIRST));
  assert.equal(toHex(back.k.reveal()), '11'.repeat(16));
  assert.equal(toHex(back.otaKeys.kik.reveal()), '55'.repeat(16));
  assert.equal(back.puk2.reveal(), '87654321');
  const { sealed } = await store.read((reader) =>
    reader.selectFrom('subscriptions').select('sealed').where('iccid', '=', FIRST).executeTakeFirstOrThrow(),
  );
  for (const secret of ['11'.repeat(16), '22'.repeat(16), toHex(new TextEncoder().encode('12345678'))]) {
    assert.equal(toHex(sealed).includes(secret), false);
  }
  await store.transaction((tx) =>
    tx.updateTable('subscriptions').set({ sealed }).where('iccid', '=', SECOND).execute(),
  );
  await assert.rejects(
    store.read((reader) => subscriptionSecrets(reader, sealKeys, 'a', SECOND)),
    (thrown) => isAgentError(thrown, 'SEAL_INVALID'),
  );
  await assert.rejects(
    store.read((reader) => subscriptionSecrets(reader, sealKeys, 'b', FIRST)),
    (thrown) => isAgentError(thrown, 'NOT_FOUND'),
  );
});

test('each order takes another subscription until none is left', async (t) => {
  const store = await stocked(t);
  const reserve = (orderId: string) =>
    store.transaction((tx) => reserveSubscription(tx, { owner: 'a', eid: EID, orderId }, 2));
  const first = await reserve('1');
  assert.deepEqual([first?.iccid, first?.state, first?.eid], [FIRST, 'reserved', EID]);
  assert.equal((await reserve('2'))?.iccid, SECOND);
  assert.equal(await reserve('3'), undefined);
  const found = await store.read((reader) => findSubscription(reader, 'a', { orderId: '2' }));
  assert.equal(found?.imsi, IMSIS[1]);
  await store.transaction((tx) => setSubscriptionState(tx, 'a', SECOND, 'installed', 3));
  const byImsi = await store.read((reader) =>
    findSubscription(reader, 'a', { imsi: parseImsi('901700000000002') }),
  );
  assert.equal(byImsi?.state, 'installed');
});

test('sequence numbers only rise, and pass what the card has seen', async (t) => {
  const store = await stocked(t);
  const take = (atLeast?: number) => store.transaction((tx) => takeSqn(tx, 'a', FIRST, atLeast));
  assert.equal(await take(), 32);
  assert.equal(await take(), 64);
  assert.equal(await take(1001), 1024);
  assert.equal(await take(5), 1056);
});
