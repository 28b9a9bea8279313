// A card that is silent, and one that only seems so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { completeImei, type Iccid, parseIccid } from '../codec/ids.ts';
import { askedPatiently } from './asked-patiently.ts';
import type { Device } from './device.ts';
import { wakeMuteCard } from './mute-card.ts';

const ICCID = parseIccid('8999901000000000019');

/** A device whose card shows itself after `silentFor` refreshes. */
function device(silentFor: number): Device & { readonly refreshed: string[] } {
  const refreshed: string[] = [];
  return {
    refreshed,
    imei: completeImei('35824005111111'),
    card: () => Promise.reject(new AgentError('CARD_ACCESS')),
    async readIccid(): Promise<Iccid> {
      if (refreshed.length < silentFor) throw new AgentError('CARD_LOST');
      return ICCID;
    },
    registration: async () => ({ stat: 1 }),
    connect: async () => undefined,
    modem: {
      steps: ['radio-cycle', 'restart'],
      take: async (step) => void refreshed.push(step),
      hurry: (_, work) => work(),
      onRestart: () => () => {},
    },
  };
}

function asking(of: Device, ask: () => Promise<string>): Promise<string> {
  const clock = createVirtualClock();
  const { signal } = new AbortController();
  return clock.settle(askedPatiently({ clock, log: silentLog, signal, device: of }, ask));
}

test('a card that does not even show its ICCID is started anew, one that does is left alone', async () => {
  const [silent, well] = [device(1), device(0)];
  assert.equal(await wakeMuteCard({ device: silent, log: silentLog }, 3), true);
  assert.equal(await wakeMuteCard({ device: well, log: silentLog }, 3), false);
  assert.deepEqual([silent.refreshed, well.refreshed], [['radio-cycle'], []]);
  assert.equal(await wakeMuteCard({ device: well, log: silentLog }, 2, { anyway: true }), true);
  assert.deepEqual(well.refreshed, ['restart']);
});

test('a refresh that fails is left for the next time, a cancelled one ends the work', async () => {
  const failing = (code: 'LINK_CLOSED' | 'ABORTED'): Device => ({
    ...device(1),
    modem: { ...device(1).modem, take: () => Promise.reject(new AgentError(code)) },
  });
  assert.equal(await wakeMuteCard({ device: failing('LINK_CLOSED'), log: silentLog }, 1), true);
  await assert.rejects(wakeMuteCard({ device: failing('ABORTED'), log: silentLog }, 1), (error) =>
    isAgentError(error, 'ABORTED'),
  );
});

test('the first question wakes a silent card before it gives up, and asks a card that shows itself no second time', async () => {
  const silent = device(2);
  const answer = await asking(silent, async () => {
    if (silent.refreshed.length < 2) throw new AgentError('CARD_ACCESS');
    return 'eid';
  });
  assert.equal(answer, 'eid');
  assert.deepEqual(silent.refreshed, ['radio-cycle', 'restart']);
  let asked = 0;
  const plain = device(0);
  const refused = asking(plain, async () => {
    asked++;
    throw new AgentError('CARD_ACCESS');
  });
  await assert.rejects(refused, (error) => isAgentError(error, 'CARD_ACCESS'));
  assert.deepEqual([asked, plain.refreshed], [1, []]);
});
