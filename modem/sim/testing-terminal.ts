// A terminal on a simulated modem for tests: types, and answers what the modem says.
import { utf8Bytes } from '../../base/bytes.ts';
import { createVirtualClock, type VirtualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { parseImei } from '../../codec/ids.ts';
import { createLinkPair } from '../byte-link.ts';
import { createSimModem, type SimModem, type SimModemOptions } from './sim-modem.ts';
import { createTestCard, type TestCard, type TestCardOptions } from './test-card.ts';
import { createTestRadio, type TestRadio, type TestRadioOptions } from './test-radio.ts';

export const IMEI = parseImei('490154203237518');
export const ISD_R = 'A0000005591010FFFFFFFF8900000100';

export type Rig = {
  readonly modem: SimModem;
  readonly card: TestCard;
  readonly radio: TestRadio;
  readonly clock: VirtualClock;
  /** Types octets and answers all that the modem says until it is quiet. */
  readonly type: (text: string) => Promise<string>;
};

/** A modem that has started, with a terminal on it. */
export async function rig(
  options: { card?: TestCardOptions; radio?: TestRadioOptions; modem?: Partial<SimModemOptions> } = {},
): Promise<Rig> {
  const clock = createVirtualClock();
  const card = createTestCard(options.card);
  const radio = createTestRadio(options.radio);
  const modem = createSimModem({ card, radio, clock, log: silentLog, imei: IMEI, ...options.modem });
  await clock.advance(1);
  return { modem, card, radio, clock, type: terminal(modem, clock) };
}

/** Another terminal on the modem; the one before is left. */
export function terminal(modem: SimModem, clock: VirtualClock): (text: string) => Promise<string> {
  const [link, peer] = createLinkPair();
  modem.connect(peer);
  let said = '';
  const anyOctets = new TextDecoder('latin1');
  void (async () => {
    for await (const chunk of link.read) said += anyOctets.decode(chunk);
  })();
  return async (text) => {
    await link.write(utf8Bytes(text));
    await clock.advance(5);
    const all = said;
    said = '';
    return all;
  };
}

/** A rig whose terminal sends lines without echo and sees results as `a|b|OK`. */
export async function lines(
  options: Parameters<typeof rig>[0] = {},
): Promise<Rig & { at: (line: string) => Promise<string> }> {
  const made = await rig(options);
  await made.type('ATE0+CMEE=1\r');
  const at = async (line: string): Promise<string> =>
    (await made.type(`AT${line}\r`))
      .split('\r\n')
      .filter((part) => part !== '')
      .join('|');
  return { ...made, at };
}
