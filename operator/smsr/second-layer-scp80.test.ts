// The second layer by SCP80 against the virtual card: an installation in short messages, and every way it goes wrong.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { type CommandApdu, decodeCommandApdu, encodeResponseApdu } from '../../codec/apdu.ts';
import type { CardSlot } from '../../codec/card.ts';
import { DisableProfileRequest } from '../../codec/rsp/profile-management.ts';
import { storeDataCommands } from '../../codec/store-data.ts';
import { otaWorld, SENDER, spiOf, TAR, targetOf } from '../../euicc/testing/ota.ts';
import { profileStates, signedNotifications } from '../../euicc/testing/results.ts';
import { exchange, openIsdR } from '../../euicc/testing/terminal.ts';
import {
  ICCID_A,
  ICCID_B,
  prepare,
  sampleMetadata,
  samplePackage,
  type World,
} from '../../euicc/testing/world.ts';
import { openOverTheAir, otaLoadCommands, type OtaPacket, protectOverTheAir } from './second-layer-scp80.ts';

const ISD_R = targetOf(TAR.isdR);

/** What a device does with the messages: hands each to the card, and gives back every answer. */
async function play(slot: CardSlot, packets: readonly OtaPacket[]): Promise<Uint8Array[]> {
  const answers: Uint8Array[] = [];
  for (const { envelopes } of packets) {
    for (const envelope of envelopes) {
      answers.push(encodeResponseApdu(await exchange(slot, decodeCommandApdu(envelope))));
    }
  }
  return answers;
}

async function boundFor(world: World): Promise<Uint8Array> {
  const isdR = await openIsdR(world.card);
  const { boundProfilePackage } = await prepare(world, isdR, {
    iccid: ICCID_B,
    metadata: sampleMetadata(ICCID_B),
    upp: samplePackage(ICCID_B),
  });
  return boundProfilePackage;
}

const EID_REQUEST = fromHex('BF3E035C015A');
const eidCommands: readonly CommandApdu[] = storeDataCommands(EID_REQUEST).map((command) => ({
  ...command,
  le: 256,
}));

test('a bound profile package is installed by short messages, whatever a packet holds', async () => {
  for (const messages of [2, 5, 20, 255]) {
    const world = await otaWorld();
    const commands = otaLoadCommands(await boundFor(world));
    const packets = protectOverTheAir(ISD_R, commands, {
      counter: 1,
      sender: SENDER,
      messages: messages === 2 ? 3 : messages,
    });
    for (const { envelopes } of packets) assert.ok(envelopes.length <= Math.max(3, messages));
    assert.equal(
      packets.reduce((sum, packet) => sum + packet.commands, 0),
      commands.length,
    );
    const opened = openOverTheAir(ISD_R, packets, await play(world.card, packets));
    // The card has the result and offers it by 61xx; it is fetched as a notification.
    assert.deepEqual([opened.ok, opened.lastSw >> 8, opened.responses.length], [true, 0x61, commands.length]);
    const isdR = await openIsdR(world.card);
    assert.deepEqual(await signedNotifications(world, isdR), ['1 install successResult']);
    assert.deepEqual(await profileStates(isdR), { [ICCID_A]: 'enabled', [ICCID_B]: 'disabled' });
  }
});

test('answers come back with their data', async () => {
  const world = await otaWorld();
  const packets = protectOverTheAir(ISD_R, eidCommands, { counter: 9, sender: SENDER });
  assert.deepEqual(
    packets.map(({ commands, counter, envelopes }) => [counter, commands, envelopes.length]),
    [[9, 1, 1]],
  );
  const opened = openOverTheAir(ISD_R, packets, await play(world.card, packets));
  assert.equal(opened.ok, true);
  assert.match(toHex(opened.responses[0] ?? assert.fail()), /^BF3E125A10[0-9]{32}9000$/);
});

test('what the card does not do is told with its reason', async () => {
  const world = await otaWorld();
  const send = async (
    change: Partial<typeof ISD_R>,
    counter: number,
    commands = eidCommands,
  ): Promise<string> => {
    const target = { ...ISD_R, ...change };
    const packets = protectOverTheAir(target, commands, { counter, sender: SENDER });
    const { ok, reason = '' } = openOverTheAir(target, packets, await play(world.card, packets));
    return ok ? 'ok' : reason;
  };
  assert.equal(await send({}, 1), 'ok');
  assert.equal(await send({}, 1), 'counterLow');
  assert.equal(await send({ tar: fromHex('B0FFFF') }, 2), 'tarUnknown, not proved');
  assert.equal(await send({ spi: spiOf('1219') }, 2), 'insufficientSecurityLevel, not proved');
  assert.equal(await send({ spi: spiOf('1601') }, 2), 'the proof of receipt is not protected');
  assert.equal(await send({ spi: spiOf('1600') }, 3), 'no proof of receipt, 9000');
  const failing = [
    { ...eidCommands[0], cla: 0x80, ins: 0xca, p1: 0, p2: 0, data: fromHex('') },
    ...eidCommands,
  ];
  assert.equal(await send({}, 4, failing), 'command 1 answered 6A88');
  const profile = { is: 'iccid', value: ICCID_B } as const;
  const disable = storeDataCommands(
    DisableProfileRequest.encode({ profileIdentifier: profile, refreshFlag: false }),
  );
  assert.equal(await send({}, 5, disable), 'ok');
});

test('a message that is lost, a packet that is out of order, and answers of another packet are found out', async () => {
  const world = await otaWorld();
  const commands = otaLoadCommands(await boundFor(world));
  const packets = protectOverTheAir(ISD_R, commands, { counter: 1, sender: SENDER, messages: 5 });
  assert.ok(packets.length > 2);
  const [first, second, third] = packets;
  if (first === undefined || second === undefined || third === undefined) assert.fail();
  const lost = { ...first, envelopes: first.envelopes.slice(1) };
  const partial = await play(world.card, [lost]);
  assert.match(
    openOverTheAir(ISD_R, packets, [encodeResponseApdu({ data: fromHex(''), sw: 0x9000 }), ...partial])
      .reason ?? '',
    /^no proof of receipt, 9000$/,
  );
  assert.equal(openOverTheAir(ISD_R, packets, []).reason, 'packet 1 was not delivered');
  const good = await play(world.card, [first]);
  const again = [
    ...good,
    ...Array.from(second.envelopes, (_, i) => good[Math.min(i, good.length - 1)] ?? assert.fail()),
  ];
  again[first.envelopes.length + second.envelopes.length - 1] = good.at(-1) ?? assert.fail();
  const opened = openOverTheAir(ISD_R, packets, again);
  assert.deepEqual([opened.ok, opened.reason], [false, 'the proof of receipt is of another packet']);
  await play(world.card, [third]);
  const behind = openOverTheAir(ISD_R, [second], await play(world.card, [second]));
  assert.equal(behind.reason, 'counterLow');
});

test('a chain that the card has lost is told, and nothing of its packet is executed', async () => {
  const world = await otaWorld();
  const commands = otaLoadCommands(await boundFor(world));
  const packets = protectOverTheAir(ISD_R, commands, { counter: 1, sender: SENDER, messages: 5 });
  const begun = await play(world.card, packets.slice(0, 1));
  await world.card.reset();
  const rest = await play(world.card, packets.slice(1));
  const opened = openOverTheAir(ISD_R, packets, [...begun, ...rest]);
  assert.deepEqual([opened.ok, opened.reason], [false, 'the chain of scripts is broken']);
  assert.deepEqual(await profileStates(await openIsdR(world.card)), { [ICCID_A]: 'enabled' });
});

test('a command that no packet has room for is refused', () => {
  const long = [{ cla: 0x80, ins: 0xe2, p1: 0x91, p2: 0, data: new Uint8Array(255) }];
  assert.throws(
    () => protectOverTheAir(ISD_R, long, { counter: 1, sender: SENDER, messages: 1 }),
    (thrown) => isAgentError(thrown, 'SMS_INVALID'),
  );
});

test('any octets as answers end with a reason', () => {
  const packets = protectOverTheAir(ISD_R, eidCommands, { counter: 1, sender: SENDER });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (noise, headed) => {
      const answer = headed ? concat(fromHex('027100'), noise, fromHex('9000')) : noise;
      const { ok, reason } = openOverTheAir(ISD_R, packets, [answer]);
      assert.equal(ok, false);
      assert.notEqual(reason, undefined);
    }),
  );
});
