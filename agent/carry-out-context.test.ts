// What a message of an order may hold: the largest that comes, and what no message takes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY } from '../base/bytes.ts';
import { createVirtualClock } from '../base/clock.ts';
import { createLock } from '../base/lock.ts';
import { silentLog } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { encodeTlv } from '../codec/ber-tlv.ts';
import type { CardChannel } from '../codec/card.ts';
import { completeEid, completeImei } from '../codec/ids.ts';
import { AuthenticateServerResponse } from '../codec/rsp/authenticate-server.ts';
import { type UpMessage, upMessages } from '../codec/wire.ts';
import { carryOut } from './carry-out.ts';
import { answer, type CarryOutContext, responseScript } from './carry-out-context.ts';
import type { Device } from './device.ts';
import type { Order } from './machine.ts';

const eid = completeEid('890490321234512345123456789012');
const order: Order = { mno: 'mno-a', kind: 'provisioning', transaction: new Uint8Array(16).fill(1) };
const random = createSeededRandom(1);

/** A card of which every command is answered with `data`. */
function contextOf(data: Uint8Array): CarryOutContext {
  const clock = createVirtualClock();
  const channel: CardChannel = {
    selectResponse: EMPTY,
    transmit: async () => ({ data, sw: 0x9000 }),
    close: async () => {},
  };
  const device: Device = {
    imei: completeImei('35824005111111'),
    card: async () => ({ openChannel: async () => channel, basic: channel, close: async () => {} }),
    readIccid: async () => undefined,
    registration: async () => ({ stat: 1 }),
    connect: async () => undefined,
    modem: { steps: [], take: async () => {}, hurry: (_, work) => work(), onRestart: () => () => {} },
  };
  return {
    eid,
    device,
    cardLock: createLock(),
    clock,
    random,
    log: silentLog,
    download: async () => EMPTY,
    progress: () => {},
    deadlineMs: Number.POSITIVE_INFINITY,
    probe: { device, clock, log: silentLog, brokerRoundTrip: async () => {} },
    begin: async () => {},
    climbed: async () => {},
    goBack: async () => {},
  };
}

test('a card whose answer no message holds ends the order: nothing gets into the journal that the next start cannot read', async () => {
  const object = Uint8Array.of(0x30, 0x00);
  const response = AuthenticateServerResponse.encode({
    is: 'authenticateResponseOk',
    value: {
      euiccSigned1: encodeTlv(0x30, new Uint8Array(20_000)),
      euiccSignature1: new Uint8Array(64),
      euiccCertificate: object,
      eumCertificate: object,
    },
  });
  const command = {
    is: 'authenticateRequest',
    id: new Uint8Array(8),
    eid,
    transaction: order.transaction,
    serverSigned1: object,
    serverSignature1: encodeTlv(0x5f37, new Uint8Array(64)),
    euiccCiPKIdToBeUsed: encodeTlv(0x04, new Uint8Array(20)),
    serverCertificate: object,
  } as const;
  const event = await carryOut(contextOf(response), { is: 'carryOut', order, command, begun: false }, {});
  assert.ok(event.is === 'givenUp');
  assert.equal(event.failure.code, 'MESSAGE_INVALID');
  const readBack: UpMessage = upMessages.decode(upMessages.encode(event.failure));
  assert.equal(readBack.is, 'failure');
});

test('the responses to the largest transfer fit into their report', () => {
  const responses = Array.from({ length: 70_000 }, () => Uint8Array.of(0x90, 0x00));
  const script = responseScript({ responses, total: responses.length, lastSw: 0x9000 });
  const { message } = answer({ random, eid }, order, {
    is: 'scriptReport',
    command: new Uint8Array(8),
    outcome: 'done',
    responseScript: script,
  });
  assert.ok(message.is === 'scriptReport');
  assert.ok(script.length > 65_536);
});
