// Proofs of receipt in short messages of their own: SEND SHORT MESSAGE, one after the other, before a REFRESH (3GPP TS 31.115, 4.4; ETSI TS 102 223, 6.4.10).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../base/bytes.ts';
import type { ResponseApdu } from '../../codec/apdu.ts';
import { DisableProfileRequest } from '../../codec/rsp/profile-management.ts';
import { POR_STATUS } from '../../codec/secured-packet.ts';
import { decodeResponseScript } from '../../codec/script.ts';
import { openProofOfReceipt, type Scp80Target, sealRemoteCommand } from '../../crypto/scp80-host.ts';
import { transcript } from '../testing/os-card.ts';
import {
  deliver,
  es10Script,
  fetchMessages,
  fetchProof,
  otaWorld,
  script,
  SENDING_TERMINAL,
  spiOf,
  TAR,
  targetOf,
} from '../testing/ota.ts';
import { raw, TERMINAL_PROFILE } from '../testing/terminal.ts';
import { ICCID_A, type World } from '../testing/world.ts';

const SUBMITTED = targetOf(TAR.usim, { spi: spiOf('1639') });
const REPORTED = targetOf(TAR.usim);
const READ = script('00A4000C024F42', '00B0000002');
const LONG = script('00A4000C024F42', '00B0000000', '00B0010000');
const DONE = ['9000', 'AAAA9000'];

const send = ({ card }: World, target: Scp80Target, counter: number, data = READ): Promise<ResponseApdu> =>
  deliver(card, sealRemoteCommand(target, counter, data));

async function sendingWorld(): Promise<World> {
  const world = await otaWorld();
  await transcript(world.card, [SENDING_TERMINAL, '9000']);
  return world;
}

test('a proof that is asked for so comes in a message to the sender', async () => {
  const world = await sendingWorld();
  const { data, sw } = await send(world, SUBMITTED, 1);
  assert.deepEqual([data.length, sw >> 8], [0, 0x91]);
  const [command] = await fetchMessages(world.card, sw);
  assert.match(
    toHex(command ?? assert.fail()),
    // Command details, from the card to the network, SMS-SUBMIT to +4915112345678, 8 bit, with a header.
    /^D0..8103011300820281838B..41000D91945111325476F80004..027100/,
  );
  const again = await send(world, SUBMITTED, 2);
  const por = await fetchProof(world.card, SUBMITTED, again.sw);
  assert.deepEqual([por.status, por.counter, por.authentic], [0, 2, true]);
  assert.deepEqual(decodeResponseScript(por.data).responses.map(toHex), DONE);
});

test('an error is told the same way, and only an error where only errors are asked for', async () => {
  const world = await sendingWorld();
  const onError = targetOf(TAR.usim, { spi: spiOf('163A') });
  assert.equal((await send(world, onError, 1)).sw, 0x9000);
  const refused = await send(world, onError, 1);
  const por = await fetchProof(world.card, onError, refused.sw);
  assert.deepEqual([por.status, por.authentic], [POR_STATUS.counterLow, true]);
});

test('an answer that a report has no room for is announced in it and comes in messages', async () => {
  const world = await sendingWorld();
  const response = await send(world, REPORTED, 1, LONG);
  assert.deepEqual(
    [openProofOfReceipt(REPORTED, response.data).status, response.sw >> 8],
    [POR_STATUS.actualResponseBySmsSubmit, 0x91],
  );
  const por = await fetchProof(world.card, REPORTED, response.sw);
  assert.equal(por.status, POR_STATUS.porOk);
  assert.deepEqual(
    decodeResponseScript(por.data).responses.map(({ length }) => length),
    [2, 258, 46],
  );
});

test('a terminal that says nothing yet is asked when it has, and one that sends no messages never', async () => {
  const world = await otaWorld();
  assert.equal((await send(world, SUBMITTED, 1)).sw, 0x9000);
  const profile = await raw(world.card, SENDING_TERMINAL);
  assert.equal(profile.slice(0, 2), '91');
  const por = await fetchProof(world.card, SUBMITTED, Number.parseInt(profile, 16));
  assert.equal(por.status, 0);
  const other = await otaWorld();
  await transcript(other.card, [TERMINAL_PROFILE, '9000']);
  assert.equal((await send(other, SUBMITTED, 1)).sw, 0x9000);
  await transcript(other.card, ['8012000001', '6985']);
});

test('a terminal that cannot now is asked again when it is idle, and given up after a while', async () => {
  const world = await sendingWorld();
  const { sw } = await send(world, SUBMITTED, 1);
  assert.equal((await fetchMessages(world.card, sw, '20')).length, 1);
  for (let attempt = 2; attempt <= 5; attempt++) {
    const status = await raw(world.card, '80F2000C00');
    assert.equal(status.slice(0, 2), '91', `attempt ${attempt}`);
    assert.equal((await fetchMessages(world.card, Number.parseInt(status, 16), '20')).length, 1);
  }
  await transcript(world.card, ['80F2000C00', '9000']);
});

test('a message that the network refuses does not keep the others', async () => {
  const world = await sendingWorld();
  const { sw } = await send(world, REPORTED, 1, LONG);
  assert.equal((await fetchMessages(world.card, sw, '35')).length, 3);
  await transcript(world.card, ['80F2000C00', '9000']);
});

test('the card is busy while an earlier answer waits, and spends nothing', async () => {
  const world = await otaWorld();
  const many = script('00A4000C024F42', ...Array.from({ length: 20 }, () => '00B0000000'));
  assert.equal((await send(world, SUBMITTED, 1, many)).sw, 0x9000);
  assert.equal((await send(world, SUBMITTED, 2, many)).sw, 0x9000);
  assert.equal((await send(world, SUBMITTED, 3)).sw, 0x9300);
  // Answers in the report are still there, as short as the report is.
  const short = await send(world, REPORTED, 3, LONG);
  const por = openProofOfReceipt(REPORTED, short.data);
  assert.deepEqual([por.status, decodeResponseScript(por.data).responses.at(-1)?.length], [0, 75]);
  await world.card.reset();
  await transcript(world.card, [SENDING_TERMINAL, '9000']);
  const { sw } = await send(world, SUBMITTED, 4);
  assert.equal((await fetchProof(world.card, SUBMITTED, sw)).status, 0);
});

test('more answers than the card can keep end the script where they end', async () => {
  const world = await sendingWorld();
  const many = script('00A4000C024F42', ...Array.from({ length: 40 }, () => '00B0000000'));
  const { sw } = await send(world, SUBMITTED, 1, many);
  const { data } = await fetchProof(world.card, SUBMITTED, sw);
  const { executed, responses } = decodeResponseScript(data);
  assert.deepEqual(
    [executed, responses.length, toHex(responses.at(-1)?.slice(-2) ?? assert.fail())],
    [17, 17, '62F1'],
  );
});

test('the message goes before the REFRESH that its command wants', async () => {
  const world = await sendingWorld();
  const target = targetOf(TAR.isdR, { spi: spiOf('1639') });
  const disable = DisableProfileRequest.encode({
    profileIdentifier: { is: 'iccid', value: ICCID_A },
    refreshFlag: true,
  });
  const { sw } = await send(world, target, 1, es10Script(disable));
  const por = await fetchProof(world.card, target, sw);
  assert.equal(toHex(por.data), 'AB0D8001012308BF32038001009000');
  // It is fetched behind the message already, as the command after it.
  await transcript(world.card, ['801400000C810303010482028281830100', '9000']);
});
