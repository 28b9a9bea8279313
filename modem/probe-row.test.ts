// The row that a probe prints, pasted into the table: the driver works with that modem by it, and goes by what it says.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { toHex } from '../base/bytes.ts';
import { createVirtualClock, type VirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { encodeCommandApdu } from '../codec/apdu.ts';
import { AID_ISD_R, encodeAid, parseImei } from '../codec/ids.ts';
import { storeDataCommands } from '../codec/store-data.ts';
import { type ByteLink, createLinkPair } from './byte-link.ts';
import { type Modem, openModem } from './modem.ts';
import { probeModem } from './modem-probe.ts';
import { findFamily, type ModemFamily } from './quirks.ts';
import { PERSONALITIES, type Personality } from './sim/personalities.ts';
import { deviations } from './sim/quirks.ts';
import { createSimModem, type SimModem } from './sim/sim-modem.ts';
import { createTestCard } from './sim/test-card.ts';
import { createTestRadio } from './sim/test-radio.ts';

const KEYS = ['way', 'keepLe', 'lockCsim', 'sweepSessions', 'maxCommandData', 'cglaClassHasChannel'];

function world({ identity, quirks }: Pick<Personality, 'identity' | 'quirks'>): {
  readonly clock: VirtualClock;
  readonly sim: SimModem;
  readonly heard: string[];
  readonly connect: () => ByteLink;
} {
  const clock = createVirtualClock();
  const sim = createSimModem({
    card: createTestCard(),
    radio: createTestRadio(),
    clock,
    log: silentLog,
    imei: parseImei('490154203237518'),
    identity,
    quirks,
  });
  const heard: string[] = [];
  const connect = (): ByteLink => {
    const [link, peer] = createLinkPair();
    sim.connect(peer);
    return {
      ...link,
      write(bytes) {
        heard.push(String.fromCharCode(...bytes).trim());
        return link.write(bytes);
      },
    };
  };
  return { clock, sim, heard, connect };
}

async function rowOf(
  personality: Pick<Personality, 'identity' | 'quirks'>,
): Promise<ModemFamily | undefined> {
  const { clock, connect } = world(personality);
  await clock.advance(5_000);
  const { row } = await clock.settle(probeModem({ link: connect(), clock, log: silentLog }));
  return row === undefined ? undefined : (runInNewContext(`(${row})`) as ModemFamily);
}

/** A request of several blocks and its whole response. */
async function use(modem: Modem): Promise<void> {
  const card = await modem.openCard();
  const channel = await card.openChannel(encodeAid(AID_ISD_R));
  const octets = Uint8Array.from({ length: 600 }, (_, i) => (i === 0 ? 0x30 : i & 0xff));
  let data = new Uint8Array(0);
  for (const command of storeDataCommands(octets, card.maxCommandData)) {
    const response = await channel.transmit(
      encodeCommandApdu({ ...command, ...(command.p1 >= 0x80 ? { le: 256 } : {}) }),
    );
    assert.equal(response.sw, 0x9000);
    data = Uint8Array.from(response.data);
  }
  assert.equal(toHex(data), toHex(octets));
  await channel.close();
}

async function proves(name: string, personality: Pick<Personality, 'identity' | 'quirks'>): Promise<void> {
  const row = await rowOf(personality);
  assert.ok(row !== undefined, name);
  const { manufacturer, model } = personality.identity;
  assert.match(`${manufacturer} ${model}`, row.match, name);
  for (const other of Object.values(PERSONALITIES)) {
    const same = other.identity.model === model;
    assert.equal(row.match.test(`${other.identity.manufacturer} ${other.identity.model}`), same, name);
  }
  assert.deepEqual(
    Object.keys(row.quirks.card ?? {}).filter((key) => !KEYS.includes(key)),
    [],
    name,
  );
  // The modem under a name that no row of the table knows, so that the new row alone counts.
  const { clock, heard, connect } = world({
    ...personality,
    identity: { manufacturer: 'X', model: 'Y', revision: '1' },
  });
  assert.equal(findFamily('X', 'Y'), undefined);
  const openLink = async (): Promise<ByteLink> => connect();
  const modem = await clock.settle(openModem({ openLink, clock, log: silentLog, quirks: row.quirks }));
  await clock.settle(use(modem));
  const { way } = row.quirks.card ?? {};
  const other = way === 'csim' ? 'AT+CCHO' : way === 'cgla' ? 'AT+CSIM=' : undefined;
  if (other !== undefined)
    assert.ok(!heard.some((line) => line.startsWith(other)), `${name} goes the way that its row says`);
}

for (const [name, personality] of Object.entries(PERSONALITIES)) {
  // A card that sleeps is woken by no probe, and a network’s own settings are in no answer.
  if (name === 'eigencomm-ec718') continue;
  test(`the row that the probe prints for ${name} makes the driver work`, async () => {
    await proves(name, personality);
  });
}

test('so does the row of every single deviation by which a way to the card can be seen', async () => {
  const identity = { manufacturer: 'Example', model: 'M-1 (rev. 2/b)', revision: '1' };
  const unseen = ['slotCommand', 'simSleep', 'isdrAid', 'cardKind'];
  for (const { name, label, quirks, hopeless } of deviations()) {
    if (hopeless || unseen.includes(name)) continue;
    await proves(label, { identity, quirks });
  }
});
