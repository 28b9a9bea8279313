// What modems say of signal, operator and SIM, in every spelling.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { networkSearch, operatorName, VENDOR_ICCID } from './at-commands.ts';
import { openAtSession } from './at-session.ts';
import { readSignal, signalText } from './signal.ts';
import { readSimState } from './sim-state.ts';
import { createTestingModem, ok } from './testing-modem.ts';

function talk(answers: Readonly<Record<string, string>>) {
  const clock = createVirtualClock();
  const modem = createTestingModem((line) => answers[line] ?? '\r\nERROR\r\n');
  return { clock, session: openAtSession({ link: modem.link, clock, log: silentLog }) };
}

test('the signal is told in dBm, by whichever command the modem has', async () => {
  for (const [answers, expected] of [
    [{ 'AT+CSQ': ok('+CSQ: 20,99') }, { rssi: -73 }],
    [{ 'AT+CSQ': ok('+CSQ: 99,99') }, {}],
    [{ 'AT+CSQ': ok('+CSQ:145,99') }, { rssi: -71 }],
    [
      { 'AT+CSQ': ok('+CSQ: 31,99'), 'AT+CESQ': ok('+CESQ: 99,99,255,255,20,41') },
      { rssi: -51, rsrp: -100, rsrq: -10 },
    ],
    [{ 'AT+CESQ': ok('+CESQ: 99,99,255,255,255,255,65,60,60') }, { rsrp: -97, rsrq: -11 }],
    [{ 'AT+CESQ': ok('+CESQ: 99,99,40,10,255,255') }, { rssi: -81 }],
    [{ 'AT+CESQ': ok('+CESQ: 30,99,255,255,255,255') }, { rssi: -81 }],
    [
      { 'AT+CSQ': ok('+CSQ: 99,99'), 'AT+QCSQ': ok('+QCSQ: "LTE",-69,-102,150,-12') },
      { rssi: -69, rsrp: -102, rsrq: -12 },
    ],
    [{ 'AT+QCSQ': ok('+QCSQ:"GSM",-70') }, { rssi: -70 }],
    [{ 'AT+QCSQ': ok('+QCSQ: "NOSERVICE"') }, {}],
    [{}, {}],
  ] as const) {
    const { clock, session } = talk(answers);
    assert.deepEqual(await clock.settle(readSignal(session)), expected);
  }
  assert.equal(signalText({ rsrp: -100, rsrq: -10, rssi: -70 }), 'RSRP -100 dBm, RSRQ -10 dB, RSSI -70 dBm');
  assert.equal(signalText({}), 'not known');
});

test('+COPS is read in all its forms', async () => {
  for (const [line, expected] of [
    ['+COPS: 0', {}],
    ['+COPS: 2', {}],
    ['+COPS: 0,0,"Test operator",7', { name: 'Test operator', accessTechnology: 7 }],
    ['+COPS:0,0,"T-Mobile"', { name: 'T-Mobile' }],
    ['+COPS: 1,2,"26201",9', { plmn: '26201', accessTechnology: 9 }],
    ['+COPS: 0,2,310410', { plmn: '310410' }],
    ['+COPS: 0,1,"",0', { accessTechnology: 0 }],
  ] as const) {
    const { clock, session } = talk({ 'AT+COPS?': ok(line) });
    assert.deepEqual(await clock.settle(session.run(operatorName, [])), expected, line);
  }
  const { clock, session } = talk({
    'AT+COPS=?': ok(
      '+COPS: (2,"Home, sweet","Home","26201",7),(1,"Other","Oth","310410"),(3,,,"26203",0),,(0-4),(0-2)',
    ),
  });
  const found = await clock.settle(session.run(networkSearch, []));
  assert.deepEqual(
    found.map(({ plmn, stat, accessTechnology }) => [plmn, stat, accessTechnology]),
    [
      ['26201', 'current', 7],
      ['310410', 'available', undefined],
      ['26203', 'forbidden', 0],
    ],
  );
});

test('the ICCID is taken in the spelling of any vendor', async () => {
  const digits = '8944500612345678901';
  for (const [command, line] of [
    ['AT+QCCID', `+QCCID: ${digits}F`],
    ['AT+CCID', `+CCID: "${digits}"`],
    ['AT+CCID', digits],
    ['AT#CCID', `#CCID: ${digits}`],
    ['AT+CICCID', `+ICCID: ${digits}`],
    ['AT%CCID', `%CCID: ${digits}`],
    ['AT^ICCID?', `^ICCID: ${digits}f`],
    ['AT+ICCID', `ICCID:${digits}`],
  ] as const) {
    const { clock, session } = talk({ [command]: ok(line) });
    const row = VENDOR_ICCID.find((each) => each.send() === command);
    assert.ok(row !== undefined, command);
    assert.equal(await clock.settle(session.run(row, [])), digits, line);
  }
});

test('+CPIN tells the state of the card in words or errors', async () => {
  for (const [answer, expected] of [
    [ok('+CPIN: READY'), 'ready'],
    [ok('+CPIN:"READY"'), 'ready'],
    [ok('+CPIN: SIM PIN'), 'pin-required'],
    [ok('+CPIN: SIM PUK'), 'puk-required'],
    [ok('+CPIN: SIM PIN2'), 'ready'],
    [ok('+CPIN: NOT INSERTED'), 'absent'],
    [ok('+CPIN: NOT READY'), 'busy'],
    [ok('+CPIN: PH-NET PIN'), 'locked'],
    ['\r\n+CME ERROR: 10\r\n', 'absent'],
    ['\r\n+CME ERROR: SIM not inserted\r\n', 'absent'],
    ['\r\n+CME ERROR: SIM busy\r\n', 'busy'],
    ['\r\n+CME ERROR: 14\r\n', 'busy'],
    ['\r\n+CME ERROR: 11\r\n', 'pin-required'],
    ['\r\n+CME ERROR: 12\r\n', 'puk-required'],
    ['\r\n+CME ERROR: 13\r\n', 'failed'],
    ['\r\nERROR\r\n', 'failed'],
  ] as const) {
    const { clock, session } = talk({ 'AT+CPIN?': answer });
    assert.equal((await clock.settle(readSimState(session))).is, expected, answer);
  }
});
