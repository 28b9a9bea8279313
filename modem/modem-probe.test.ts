import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import { silentLog } from '../base/log.ts';
import { parseImei } from '../codec/ids.ts';
import { createLinkPair } from './byte-link.ts';
import { type ModemFound, probeModem, probeText, reachesIsdR } from './modem-probe.ts';
import { PERSONALITIES } from './sim/personalities.ts';
import { createSimModem, type SimModemOptions } from './sim/sim-modem.ts';
import { createTestCard, TEST_PROFILES, type TestCard } from './sim/test-card.ts';
import { createTestRadio } from './sim/test-radio.ts';

const IMEI = parseImei('490154203237518');

type Probed = { readonly found: ModemFound; readonly card: TestCard; readonly cmee: string };

async function probe(sim: Partial<SimModemOptions>): Promise<Probed> {
  const clock = createVirtualClock();
  const card = createTestCard();
  const radio = createTestRadio();
  const device = createSimModem({ card, radio, clock, log: silentLog, imei: IMEI, ...sim });
  const [link, peer] = createLinkPair();
  device.connect(peer);
  await clock.advance(5_000);
  const found = await clock.settle(probeModem({ link, clock, log: silentLog }));
  const [asking, other] = createLinkPair();
  device.connect(other);
  await asking.write(new TextEncoder().encode('AT+CMEE?\r'));
  await clock.advance(1_000);
  let cmee = '';
  await asking.close();
  for await (const chunk of asking.read) cmee += new TextDecoder().decode(chunk);
  return { found, card, cmee };
}

/** Commands that write: UPDATE, VERIFY and its kin, key commands, and a STORE DATA that ends a request other than reading. */
function writes(command: Uint8Array): boolean {
  const [, ins = 0, p1 = 0, , , tag, tag2] = command;
  // VERIFY without data asks how many tries are left, and costs none.
  if (ins === 0x20 && command.length <= 5) return false;
  if (ins === 0xe2) return (p1 & 0x80) !== 0 && !(tag === 0xbf && tag2 === 0x3e);
  return ![0xa4, 0x70, 0xc0, 0xb0, 0xb2, 0xf2, 0x10, 0x12, 0x14, 0x88, 0xaa].includes(ins);
}

test('a standard modem is found whole, and nothing on it or its card is changed', async () => {
  const { found, card, cmee } = await probe({});
  assert.equal(found.identity.imei, IMEI);
  assert.equal(found.sim, 'ready');
  assert.equal(found.iccid['AT+CRSM'], TEST_PROFILES[0]?.iccid);
  assert.deepEqual(
    found.ways.map(({ way, reaches, maxCommandData, leftOpen }) => ({
      way,
      reaches,
      maxCommandData,
      leftOpen,
    })),
    (['cgla', 'csim'] as const).map((way) => ({ way, reaches: 'isd-r', maxCommandData: 255, leftOpen: [] })),
  );
  assert.deepEqual(found.answers['AT+CFUN?'], ['+CFUN: 1']);
  assert.deepEqual(found.quirks, []);
  assert.equal(card.openChannels(), 0);
  assert.deepEqual(card.commands.filter(writes), []);
  assert.match(cmee, /\+CMEE: 0/);
});

const EXPECTED = [
  ['quectel-ec25', 'Quectel EC20, EC25', { cgla: 'isd-r', csim: 'isd-r' }, /./],
  ['quectel-eg25', 'Quectel EG25', { cgla: 'isd-r', csim: 'nothing' }, /csim: opens|way: 'cgla'/],
  ['quectel-bg96', undefined, { cgla: 'nothing', csim: 'isd-r' }, /way: 'csim'/],
  ['telit-le910', 'Telit', { cgla: 'nothing', csim: 'isd-r' }, /lockCsim: true/],
  ['sierra-mc7455', 'Sierra Wireless', { cgla: 'isd-r', csim: 'isd-r' }, /answers a handle/],
  ['fibocom-fm350', undefined, { cgla: 'isd-r', csim: 'nothing' }, /answers the number alone/],
  ['simcom-sim7600', 'SIMCom', { cgla: 'isd-r', csim: 'isd-r' }, /no space after the colon/],
  ['ublox-sara-r4', 'u-blox SARA-R4', { cgla: 'isd-r', csim: 'isd-r' }, /lines end with CR alone/],
  ['nordic-nrf9160', 'Nordic nRF91', { cgla: 'isd-r', csim: 'isd-r' }, /./],
] as const;

for (const [name, family, reaches, says] of EXPECTED) {
  test(`${name} is told by its ways to the card and its spelling`, async () => {
    const { found, card } = await probe(PERSONALITIES[name]);
    assert.equal(found.family, family);
    assert.deepEqual(Object.fromEntries(found.ways.map((way) => [way.way, way.reaches])), reaches);
    assert.match(`${found.quirks.join('\n')}\n${found.row}`, says);
    assert.match(probeText(found), new RegExp(`IMEI\\s+${IMEI}`));
    assert.equal(card.openChannels(), 0);
    assert.deepEqual(card.commands.filter(writes), []);
  });
}

test('every personality is probed to an end, with nothing left open but where the modem cannot close', async () => {
  for (const [name, personality] of Object.entries(PERSONALITIES)) {
    const { found, card } = await probe(personality);
    const left = found.ways.flatMap(({ leftOpen }) => leftOpen).length;
    // Waking a card that the modem lets sleep would change something.
    assert.equal(reachesIsdR(found), name !== 'eigencomm-ec718', name);
    assert.equal(card.openChannels(), left, name);
  }
});

test('the least size that passes is found', async () => {
  for (const oversize of ['error', '6601'] as const) {
    const { found } = await probe({ quirks: { maxCommandData: 130, oversize } });
    assert.deepEqual(
      found.ways.map(({ maxCommandData }) => maxCommandData),
      [120, 120],
    );
    assert.match(found.row ?? '', /maxCommandData: 120/);
  }
});

test('a port that is not for AT is told in bounded time', async () => {
  await assert.rejects(probe({ quirks: { simPort: 'diag' } }), (error) => isAgentError(error, 'AT_TIMEOUT'));
});

test('registration, signal and data contexts are told in words, and asking changes none of them', async () => {
  const { found } = await probe({});
  assert.deepEqual(found.network.data, {
    attached: true,
    contexts: [{ cid: 1, type: 'IP', apn: '', active: true, address: '10.20.30.40' }],
  });
  const text = probeText(found);
  for (const line of [
    /^registration +home at Test operator$/m,
    /^signal +RSRP -93 dBm/m,
    /^attached +yes$/m,
    /^data context +1, IP, no APN, up, 10\.20\.30\.40$/m,
  ])
    assert.match(text, line);
});

test('a path that drops responses without Le, and a vendor’s reset, are in the row', async () => {
  const { found } = await probe({ quirks: { leNeeded: true } });
  assert.match(found.row ?? '', /keepLe: true/);
  const { found: nordic } = await probe(PERSONALITIES['nordic-nrf9160']);
  assert.match(nordic.row ?? '', /sweepSessions: 19/);
});

test('a modem without a name gets no row, since it would be everyone’s', async () => {
  const identity = { manufacturer: '', model: '', revision: '' };
  const { found } = await probe({ identity });
  assert.equal(found.row, undefined);
  assert.match(probeText(found), /no row to contribute/);
});
