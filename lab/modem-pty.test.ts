import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../base/bytes.ts';
import { realClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { encodeCommandApdu } from '../codec/apdu.ts';
import { AID_ISD_R, encodeAid, parseImei } from '../codec/ids.ts';
import { storeDataCommands } from '../codec/store-data.ts';
import { openModem } from '../modem/modem.ts';
import { openSerialLink } from '../modem/serial-link.ts';
import { createSimModem } from '../modem/sim/sim-modem.ts';
import { createTestCard } from '../modem/sim/test-card.ts';
import { createTestRadio } from '../modem/sim/test-radio.ts';
import { openPty } from './pty.ts';

test('the whole way works over a real serial port: driver, port, terminal, modem, card', async () => {
  const pty = openPty({ clock: realClock });
  const card = createTestCard();
  const imei = parseImei('490154203237518');
  const sim = createSimModem({ card, radio: createTestRadio(), clock: realClock, log: silentLog, imei });
  sim.connect(pty.link);
  const openLink = () => openSerialLink({ path: pty.path, baudRate: 115200, clock: realClock });
  for (let life = 0; life < 2; life++) {
    const modem = await openModem({ openLink, clock: realClock, log: silentLog });
    assert.equal(await modem.imei(), imei);
    assert.equal((await modem.registration()).registered, true);
    const port = await modem.openCard();
    const channel = await port.openChannel(encodeAid(AID_ISD_R));
    const request = Uint8Array.from({ length: 20_000 }, (_, i) => (i * 31 + 0x30) & 0xff);
    let data = new Uint8Array(0);
    for (const command of storeDataCommands(request)) {
      data = Uint8Array.from((await channel.transmit(encodeCommandApdu(command))).data);
    }
    assert.equal(toHex(data), toHex(request));
    await modem.close();
    assert.equal(card.openChannels(), 0);
  }
  await sim.close();
});
