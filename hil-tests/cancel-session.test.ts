// An order that ends in the middle: the agent has the eUICC end its RSP session and sign it, and the SM-DP believes the signature.
import assert from 'node:assert/strict';
import { describe, test, type TestContext } from 'node:test';
import { requireAllowedRules } from '../agent/rsp-session.ts';
import { EMPTY, fromHex } from '../base/bytes.ts';
import { sleep } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import type { Log } from '../base/log.ts';
import { decodeCommandApdu, withChannel } from '../codec/apdu.ts';
import type { CardChannel } from '../codec/card.ts';
import { StoreMetadataRequest } from '../codec/rsp/profiles.ts';
import { upMessages } from '../codec/wire.ts';
import { exchange, openIsdR } from '../euicc/testing/terminal.ts';
import { createWorld, ICCID_A, sampleMetadata, samplePackage } from '../euicc/testing/world.ts';
import { ENDED, type Procedure } from '../operator/mno/procedure.ts';
import { parseTopic } from '../transport/topics.ts';
import { type MainJobWorld, openMainJobWorld } from './main-job-world.ts';

async function openWorld(t: TestContext) {
  const cancelled: unknown[] = [];
  const log: Log = {
    write(_level, at, text, fields) {
      if (at === 'smdp' && text === 'session cancelled') cancelled.push(fields?.['reason']);
    },
  };
  const world = await openMainJobWorld({ profileBytes: 3_000, log });
  t.after(() => world.close());
  return { world, cancelled };
}

/** Waits until the SM-DP has heard the eUICC's word, or long enough to be sure that it does not. */
async function afterwards({ clock }: MainJobWorld): Promise<void> {
  await clock.settle(sleep(clock, 120_000));
}

async function provisionAgain(world: MainJobWorld): Promise<Procedure> {
  const [{ mno, store }] = world.backEnd.mnos as [MainJobWorld['backEnd']['mnos'][number]];
  const again = async (): Promise<Procedure> => {
    const before = (await store.procedures(world.eid)).length;
    await mno.trigger(world.eid, 'provisioning');
    for (;;) {
      const last = (await store.procedures(world.eid))[before];
      if (last !== undefined && ENDED.has(last.step)) return last;
      await sleep(world.clock, 1_000);
    }
  };
  return world.clock.settle(again(), 4 * 3_600_000);
}

test('a transfer that cannot be completed ends the session, the SM-DP takes the package back, and a later order installs the profile', async (t) => {
  const { world, cancelled } = await openWorld(t);
  world.tamper((message) => {
    if (parseTopic(message.topic).channel !== 'block') return message;
    const payload = Uint8Array.from(message.payload);
    payload[payload.length - 1] = (payload.at(-1) ?? 0) ^ 1;
    return { ...message, payload };
  });
  const { step, reason } = await world.run('provisioning');
  assert.deepEqual([step, reason?.slice(0, 17)], ['failed', 'TRANSFER_MISMATCH']);
  assert.deepEqual(cancelled, ['undefinedReason']);
  world.tamper((message) => message);
  const again = await provisionAgain(world);
  assert.equal(again.step, 'completed', again.reason);
  assert.deepEqual(cancelled, ['undefinedReason']);
});

test('an operator that refuses after the one-time key hears that the session is over; one that refuses before has no session to end', async (t) => {
  for (const at of ['downloadResponse', 'authenticateResponse'] as const) {
    const { world, cancelled } = await openWorld(t);
    const sent: string[] = [];
    world.tamper((message) => {
      if (parseTopic(message.topic).channel !== 'up') return message;
      const { is } = upMessages.decode(message.payload);
      sent.push(is);
      if (is === at) void world.backEnd.smsr.administration.setStatus(world.eid, 'locked', 'stolen');
      return message;
    });
    const { step } = await world.run('provisioning');
    assert.equal(step, 'refused');
    await afterwards(world);
    assert.equal(sent.filter((is) => is === 'sessionCancelled').length, 1, at);
    assert.deepEqual(cancelled, at === 'downloadResponse' ? ['undefinedReason'] : [], at);
  }
});

describe('a device that is offered a profile asks its card for the rules first', () => {
  const owner = { mccMnc: fromHex('62F210') };
  const operational = { upp: samplePackage(ICCID_A), metadata: sampleMetadata(ICCID_A), enabled: true };
  const cases = [
    ['no rule', {}, {}, true],
    ['a rule that the table allows', {}, { profilePolicyRules: ['ppr2'], profileOwner: owner }, true],
    [
      'a rule that the table does not name',
      { rat: [] as [] },
      { profilePolicyRules: ['ppr2'], profileOwner: owner },
      false,
    ],
    ['a rule of nobody', {}, { profilePolicyRules: ['ppr2'] }, false],
    [
      'PPR1 beside an operational profile',
      { profiles: [operational] as [typeof operational] },
      { profilePolicyRules: ['ppr1'], profileOwner: owner },
      false,
    ],
  ] as const;
  for (const [name, card, rules, allowed] of cases) {
    test(`${name}: ${allowed ? 'goes on' : 'ends the session with pprNotAllowed'}`, async () => {
      const world = await createWorld({ profiles: [], ...card });
      const isdR = await openIsdR(world.card);
      const channel: CardChannel = {
        selectResponse: EMPTY,
        transmit: (apdu) => {
          const command = decodeCommandApdu(apdu);
          return exchange(world.card, { ...command, cla: withChannel(command.cla, isdR.channel) });
        },
        close: async () => {},
      };
      const metadata = StoreMetadataRequest.encode({ ...sampleMetadata(ICCID_A), ...rules });
      const asked = requireAllowedRules(channel, metadata, {});
      if (allowed) return asked;
      await assert.rejects(asked, (error) => isAgentError(error, 'PROFILE_FORBIDDEN'));
    });
  }
});
