// The data context, in every spelling of the commands and on the simulated modem.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createVirtualClock } from '../base/clock.ts';
import { isAgentError } from '../base/errors.ts';
import { createLog, Secret, silentLog } from '../base/log.ts';
import { openAtSession } from './at-session.ts';
import { connectData, type DataSettings, readDataState } from './data-context.ts';
import { openTestingDriver } from './testing-driver.ts';
import { createTestingModem, ok, SYNC_ANSWERS } from './testing-modem.ts';

const APN: DataSettings = { cid: 1, apn: 'iot.example', type: 'IP' };

/** A modem that has found its network. */
async function attached() {
  const driver = await openTestingDriver();
  await driver.clock.advance(1_000);
  return driver;
}

/** A session with a modem that answers by `answers`, and ERROR to the rest. */
function talk(answers: Readonly<Record<string, string>>) {
  const clock = createVirtualClock();
  const modem = createTestingModem((line) => answers[line] ?? '\r\nERROR\r\n');
  const session = openAtSession({ link: modem.link, clock, log: silentLog });
  return { clock, modem, session };
}

test('attachment, contexts, their state and addresses are read in every spelling', async () => {
  const { clock, session } = talk({
    'AT+CGATT?': ok('+CGATT:1'),
    'AT+CGDCONT?': ok(
      '+CGDCONT: 1,"IPV4V6","internet","0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",0,0,0,0',
      '+CGDCONT: 2,IP,ims.example,,0,0',
      '+CGDCONT: 3,"ip","","10.1.2.3"',
      '+CGDCONT: 4,"IPV6","six",,,',
    ),
    'AT+CGACT?': ok('+CGACT: 1,1', '+CGACT: 2,0', '+CGACT:3, 1', '+CGACT: 4,1'),
    'AT+CGPADDR=1': ok('+CGPADDR: 1,"10.20.30.40","32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1"'),
    'AT+CGPADDR=3': ok('+CGPADDR: 3'),
    'AT+CGPADDR=4': ok('+CGPADDR: 4,,2001:DB8::1'),
  });
  assert.deepEqual(await clock.settle(readDataState(session)), {
    attached: true,
    contexts: [
      { cid: 1, type: 'IPV4V6', apn: 'internet', active: true, address: '10.20.30.40' },
      { cid: 2, type: 'IP', apn: 'ims.example', active: false },
      { cid: 3, type: 'IP', apn: '', active: true, address: '10.1.2.3' },
      { cid: 4, type: 'IPV6', apn: 'six', active: true, address: '2001:db8::1' },
    ],
  });
});

test('an address of sixteen octets in decimal is an IPv6 address, and one of zeros is none', async () => {
  const { clock, session } = talk({
    'AT+CGDCONT?': ok('+CGDCONT: 1,"IPV6","a","",0,0', '+CGDCONT: 2,"IP","b","",0,0'),
    'AT+CGPADDR=1': ok('+CGPADDR: 1,32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1'),
    'AT+CGPADDR=2': ok('+CGPADDR: 2,0.0.0.0'),
  });
  const { contexts } = await clock.settle(readDataState(session));
  assert.deepEqual(
    contexts.map(({ address }) => address),
    ['2001:db8:0:0:0:0:0:1', undefined],
  );
});

test('a modem without any of the commands has no data state, and that is no fault', async () => {
  const { clock, session } = talk({});
  assert.deepEqual(await clock.settle(readDataState(session)), { contexts: [] });
});

test('a context that is up with its APN is left alone', async () => {
  const { modem, clock } = await attached();
  await clock.settle(modem.command('AT+CGDCONT=1,"IP","IOT.example"'));
  const { heard, session } = ((): { heard: string[]; session: ReturnType<typeof talk> } => {
    const talking = talk({
      'AT+CGATT?': ok('+CGATT: 1'),
      'AT+CGDCONT?': ok('+CGDCONT: 1,"IP","IOT.example","",0,0'),
      'AT+CGACT?': ok('+CGACT: 1,1'),
      'AT+CGPADDR=1': ok('+CGPADDR: 1,"10.0.0.1"'),
    });
    return { heard: talking.modem.heard, session: talking };
  })();
  const address = await session.clock.settle(connectData(session.session, APN, silentLog));
  assert.equal(address, '10.0.0.1');
  assert.ok(
    heard.every((line) => line.endsWith('?') || line === 'AT+CGPADDR=1'),
    heard.join(', '),
  );
});

test('another APN is defined, and the modem attached again with it', async () => {
  const { modem, clock, radio } = await attached();
  const address = await clock.settle(modem.connectData(APN));
  assert.equal(address, '10.20.30.40');
  const state = await clock.settle(modem.dataState());
  assert.deepEqual(state, {
    attached: true,
    contexts: [{ cid: 1, type: 'IP', apn: 'iot.example', active: true, address: '10.20.30.40' }],
  });
  assert.deepEqual([...radio.attached.values()], [true]);
});

test('a context that went down is activated again', async () => {
  const { modem, clock, radio } = await attached();
  await clock.settle(modem.connectData(APN));
  await clock.settle(modem.command('AT+CGACT=0,1'));
  assert.deepEqual([...radio.attached.values()], [false]);
  assert.equal(await clock.settle(modem.connectData(APN)), '10.20.30.40');
  assert.deepEqual([...radio.attached.values()], [true]);
});

test('user and password are set by the command that the modem has, and stand in no log', async () => {
  const lines: string[] = [];
  const log = createLog({ clock: createVirtualClock(), level: 'trace', out: (line) => lines.push(line) });
  const auth = { protocol: 'chap', user: 'meter', password: new Secret('hunter22') } as const;
  const { modem, clock } = await attached();
  await clock.settle(modem.connectData({ ...APN, auth }));
  assert.deepEqual(await clock.settle(modem.command('AT+CGAUTH?')), ['+CGAUTH: 1,2,"meter"']);

  const answers: Readonly<Record<string, string>> = {
    ...SYNC_ANSWERS,
    'AT+CGDCONT?': ok('+CGDCONT: 1,"IP","old","",0,0'),
    'AT+CGACT?': ok('+CGACT: 1,1'),
    'AT+CGPADDR=1': ok('+CGPADDR: 1,"10.0.0.1"'),
  };
  const quectel = createTestingModem((line) =>
    line.startsWith('AT+CGAUTH') ? '\r\nERROR\r\n' : (answers[line] ?? ok()),
  );
  const talking = createVirtualClock();
  const session = openAtSession({ link: quectel.link, clock: talking, log });
  await talking.settle(connectData(session, { ...APN, auth }, log));
  assert.ok(
    quectel.heard.includes('AT+QICSGP=1,1,"iot.example","meter","hunter22",2'),
    quectel.heard.join('\n'),
  );
  assert.ok(lines.length > 0);
  assert.ok(!lines.join('\n').includes('hunter22'));
});

test('a modem that cannot take the password says so instead of connecting without', async () => {
  const auth = { protocol: 'pap', user: 'meter', password: new Secret('x') } as const;
  const { clock, session } = talk({
    'AT+CGDCONT?': ok('+CGDCONT: 1,"IP","old","",0,0'),
    'AT+CGDCONT=1,"IP","iot.example"': ok(),
  });
  await assert.rejects(clock.settle(connectData(session, { ...APN, auth }, silentLog)), (error) =>
    isAgentError(error, 'AT_ERROR'),
  );
});
