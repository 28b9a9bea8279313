// Notifications on their way to the operator: kept, sent again, refused, unreadable.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../base/bytes.ts';
import { createVirtualClock } from '../base/clock.ts';
import { createLock } from '../base/lock.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import type { ResponseApdu } from '../codec/apdu.ts';
import type { Card } from '../codec/card.ts';
import { completeEid, completeImei, type Iccid, parseIccid } from '../codec/ids.ts';
import type { UpOf } from '../codec/wire.ts';
import { createNotificationPump } from './notifications.ts';
import { createTestCard } from './testing-card.ts';
import { withIsdR } from './card-operations.ts';
import { RetrieveNotificationsListResponse } from '../codec/rsp/notifications.ts';
import { decodeCommandScript } from '../codec/script.ts';

const eid = completeEid('890490321234512345123456789012');
const A = parseIccid('8999901000000000019');

/** A card with the install notification of A, a pump on it, and the operator as `judge`. */
async function rig(options: {
  readonly unresolved?: () => Iccid | undefined;
  readonly spoil?: (response: ResponseApdu) => ResponseApdu;
  readonly judge?: (raw: Uint8Array) => 'done' | 'refused';
}) {
  const clock = createVirtualClock();
  const test = createTestCard(eid, []);
  await withIsdR(test.card, {}, async (channel) => {
    for (const apdu of decodeCommandScript(test.script('install', A, 'a'))) await channel.transmit(apdu);
  });
  const card: Card = {
    ...test.card,
    async openChannel(aid, how) {
      const channel = await test.card.openChannel(aid, how);
      return {
        ...channel,
        transmit: async (command, given) =>
          (options.spoil ?? ((r) => r))(await channel.transmit(command, given)),
      };
    },
  };
  const sent: string[] = [];
  const stop = new AbortController();
  const pump = createNotificationPump({
    eid,
    device: {
      imei: completeImei('35824005111111'),
      card: async () => card,
      readIccid: async () => A,
      registration: async () => ({ stat: 1 }),
      connect: async () => undefined,
      modem: { steps: [], take: async () => {}, hurry: (_, work) => work(), onRestart: () => () => {} },
    },
    cardLock: createLock(),
    clock,
    random: createSeededRandom(1),
    log: silentLog,
    operatorAt: () => 'mno-a',
    unresolved: options.unresolved ?? (() => undefined),
    async send(mno, message) {
      const { id, pendingNotification } = message as UpOf<'notification'>;
      sent.push(toHex(pendingNotification));
      const verdict = options.judge?.(pendingNotification) ?? 'done';
      queueMicrotask(() => void pump.receipted(mno, id, verdict === 'refused'));
    },
  });
  const running = pump.run({ signal: stop.signal });
  const end = async (): Promise<void> => {
    stop.abort();
    await clock.settle(running);
  };
  return { clock, pump, sent, effects: test.effects, end };
}

test('the result of an installation that is not resolved stays on the card, and goes when it is', async () => {
  let unresolved: Iccid | undefined = A;
  const { clock, pump, sent, effects, end } = await rig({ unresolved: () => unresolved });
  await clock.advance(60_000);
  assert.deepEqual(sent, []);
  unresolved = undefined;
  pump.wake();
  await clock.advance(60_000);
  assert.equal(sent.length, 1);
  assert.ok(effects.some((effect) => effect.startsWith('removeNotification')));
  await end();
});

test('a notification that was refused is sent again where it reads otherwise, and not where it reads the same', async () => {
  let readings = 0;
  const flipped = ({ data, sw }: ResponseApdu): ResponseApdu => {
    const copy = Uint8Array.from(data);
    // The signature at the end is the part that nothing but the operator checks.
    if (copy.length > 60 && readings++ === 0) copy[copy.length - 3] = (copy.at(-3) ?? 0) ^ 1;
    return { data: copy, sw };
  };
  const spoiled = await rig({
    spoil: flipped,
    judge: () => (spoiled.sent.length === 1 ? 'refused' : 'done'),
  });
  await spoiled.clock.advance(60_000);
  assert.equal(spoiled.sent.length, 2);
  assert.notEqual(spoiled.sent[0], spoiled.sent[1]);
  await spoiled.end();

  const never = await rig({ judge: () => 'refused' });
  await never.clock.advance(60_000);
  never.pump.wake();
  await never.clock.advance(60_000);
  assert.equal(never.sent.length, 1);
  await never.end();
});

test('a notification that cannot be read stays on the card, and holds up no other', async () => {
  const broken = [Uint8Array.of(0x30, 0x02, 0x05, 0x00), Uint8Array.of(0xbf, 0x37, 0x02, 0x05, 0x00)];
  const { clock, sent, end } = await rig({
    spoil({ data, sw }) {
      if (data[0] !== 0xbf || data[1] !== 0x2b) return { data, sw };
      const list = RetrieveNotificationsListResponse.decode(data);
      assert.ok(list.is === 'notificationList');
      return {
        data: RetrieveNotificationsListResponse.encode({ ...list, value: [...broken, ...list.value] }),
        sw,
      };
    },
  });
  await clock.advance(60_000);
  assert.equal(sent.length, 1);
  await end();
});
