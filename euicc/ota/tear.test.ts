// The power is cut at every write of a packet: the file is as before or after, the packet is spent before it does anything, and a
// packet that has done something is never executed again.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toHex } from '../../base/bytes.ts';
import { DisableProfileRequest } from '../../codec/rsp/profile-management.ts';
import { POR_STATUS } from '../../codec/secured-packet.ts';
import { decodeResponseScript } from '../../codec/script.ts';
import { sealRemoteCommand } from '../../crypto/scp80-host.ts';
import { isPowerLoss } from '../store-files.ts';
import { deliver, es10Script, otaWorld, script, sendRemote, TAR, targetOf } from '../testing/ota.ts';
import { profileStates } from '../testing/results.ts';
import { tearAtEveryWrite } from '../testing/tear.ts';
import { openIsdR } from '../testing/terminal.ts';
import { ICCID_A, type World } from '../testing/world.ts';

const USIM = targetOf(TAR.usim);
const ISD_R = targetOf(TAR.isdR);
/** Raises a counter: executed twice it would show 000002. */
const RAISE = script('00A4000C024F41', '8032000003 000001');
const RESET_RECORD = script('00A4000C024F41', '00DC000303 000000');

const record = async ({ card }: World, counter: number): Promise<string> => {
  const { data } = await sendRemote(card, USIM, counter, script('00A4000C024F41', '00B2010403'));
  return toHex(decodeResponseScript(data).responses[1] ?? assert.fail());
};

describe('a cut at any write', () => {
  test('leaves a file as before or after', () =>
    tearAtEveryWrite<string>({
      name: 'UPDATE BINARY over the air',
      before: '000000',
      after: '000001',
      world: () => otaWorld(),
      async arrange(world) {
        await sendRemote(world.card, USIM, 1, RESET_RECORD);
        return () => sendRemote(world.card, USIM, 2, RAISE);
      },
      observe: async (world) => (await record(world, nextCounter())).slice(0, 6),
    }));

  test('leaves the profiles as before or after', () =>
    tearAtEveryWrite<Record<string, string | undefined>>({
      name: 'DisableProfile over the air',
      before: { [ICCID_A]: 'enabled' },
      after: { [ICCID_A]: 'disabled' },
      world: () => otaWorld(),
      async arrange({ card }) {
        const disable = DisableProfileRequest.encode({
          profileIdentifier: { is: 'iccid', value: ICCID_A },
          refreshFlag: false,
        });
        return () => sendRemote(card, ISD_R, 1, es10Script(disable));
      },
      observe: async ({ card }) => profileStates(await openIsdR(card)),
    }));

  test('never lets the same packet be executed twice', async () => {
    const packet = sealRemoteCommand(USIM, 2, RAISE);
    let cuts = 0;
    const seen = new Set<string>();
    for (const tear of [{ keep: 0 }, { keep: 5 }, { keep: 40, zeros: 100_000 }, { keep: 1_000_000 }]) {
      for (let at = 1; ; at++) {
        assert.ok(at < 10);
        const world = await otaWorld();
        await sendRemote(world.card, USIM, 1, RESET_RECORD);
        world.files.cutAt(at, tear);
        const lost = await deliver(world.card, packet).then(
          () => false,
          (error: unknown) => {
            if (!isPowerLoss(error)) throw error;
            return true;
          },
        );
        world.files.powerOn();
        await world.reopen();
        // Again and again, as an operator without an answer would send it, or an attacker who has recorded it.
        for (let repeat = 0; repeat < 3; repeat++) await deliver(world.card, packet);
        seen.add((await record(world, 3)).slice(0, 6));
        if (!lost) break;
        cuts++;
      }
    }
    assert.ok(cuts >= 8, `${cuts}`);
    assert.deepEqual([...seen].toSorted(), ['000000', '000001']);
  });
});

let last = 100;
function nextCounter(): number {
  return ++last;
}

test('a packet that was cut off before its counter was stored can be sent again', async () => {
  const world = await otaWorld();
  await sendRemote(world.card, USIM, 1, RESET_RECORD);
  world.files.cutAt(1, { keep: 0 });
  await assert.rejects(sendRemote(world.card, USIM, 2, RAISE), isPowerLoss);
  world.files.powerOn();
  await world.reopen();
  assert.equal((await sendRemote(world.card, USIM, 2, RAISE)).status, POR_STATUS.porOk);
  assert.equal(await record(world, 3), '0000019000');
});

test('a packet whose counter was stored is spent, though nothing was executed', async () => {
  const world = await otaWorld();
  await sendRemote(world.card, USIM, 1, RESET_RECORD);
  world.files.cutAt(2, { keep: 0 });
  await assert.rejects(sendRemote(world.card, USIM, 2, RAISE), isPowerLoss);
  world.files.powerOn();
  await world.reopen();
  assert.equal((await sendRemote(world.card, USIM, 2, RAISE)).status, POR_STATUS.counterLow);
  assert.equal(await record(world, 3), '0000009000');
});

test('a script that is cut in the middle has done its first commands, and says nothing', async () => {
  const world = await otaWorld();
  const two = script('00A4000C024F42', '00D6000001 01', '00D6000101 02');
  world.files.cutAt(3, { keep: 0 });
  await assert.rejects(sendRemote(world.card, USIM, 1, two), isPowerLoss);
  world.files.powerOn();
  await world.reopen();
  const { data } = await sendRemote(world.card, USIM, 2, script('00A4000C024F42', '00B0000002'));
  assert.deepEqual(decodeResponseScript(data).responses.map(toHex), ['9000', '01AA9000']);
});
