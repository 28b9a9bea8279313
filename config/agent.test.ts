import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as fc from 'fast-check';
import { isAgentError } from '../base/errors.ts';
import { type AgentConfig, agentTable, loadAgentConfig } from './agent.ts';
import { tableRows } from './table.ts';

describe('the configuration of the agent', () => {
  let folder = '';
  const at = (name: string): string => join(folder, name);
  const write = (content: unknown, name = 'agent.json'): string => {
    writeFileSync(at(name), typeof content === 'string' ? content : JSON.stringify(content));
    return at(name);
  };
  const least = (): Record<string, unknown> => ({
    state: { dir: 'state' },
    modem: { port: '/dev/ttyUSB2' },
    broker: { url: 'mqtt://127.0.0.1:1883' },
    operators: [{ name: 'mno-a', address: 'a.example', certificateFile: 'a.pem' }],
  });
  /** The faults of a configuration that must not load, a line each. */
  const faults = (load: () => AgentConfig): string[] => {
    try {
      load();
    } catch (error) {
      assert.ok(isAgentError(error, 'CONFIG_INVALID'), String(error));
      return String(error.data['faults']).trim().split(/\n */);
    }
    return assert.fail('the configuration was accepted');
  };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'agent-config-'));
    for (const name of ['a.pem', 'b.pem', 'ca.pem', 'open.key', 'closed.key']) writeFileSync(at(name), 'x');
    chmodSync(at('open.key'), 0o644);
    chmodSync(at('closed.key'), 0o600);
    mkdirSync(at('folder'));
  });
  after(() => rmSync(folder, { recursive: true }));

  test('fills in the defaults, makes paths absolute and is frozen all through', () => {
    const config = loadAgentConfig(write(least()), {});
    assert.deepEqual(config, {
      state: { dir: at('state') },
      modem: {
        port: '/dev/ttyUSB2',
        baudRate: 115_200,
        raiseBaudRate: 'off',
        maxBaudRate: 460_800,
        access: 'auto',
      },
      broker: { url: 'mqtt://127.0.0.1:1883', keepaliveSeconds: 60 },
      operators: [{ name: 'mno-a', address: 'a.example', certificateFile: at('a.pem') }],
      activation: {},
      deadlines: {
        probeSeconds: 2,
        querySeconds: 5,
        channelSeconds: 10,
        cardSeconds: 30,
        installSeconds: 240,
        radioSeconds: 60,
        searchSeconds: 180,
      },
      data: { type: 'IP', cid: 1 },
      certificateProfile: {},
      transfer: { windowBytes: 32_768, blockTimeoutMs: 30_000 },
      connectivity: { deadlineSeconds: 300 },
      trace: { without: 'secrets', maxBytes: 4_194_304, keep: 2 },
      log: { level: 'info' },
    });
    for (const part of [config, config.modem, config.operators, config.operators[0]])
      assert.ok(Object.isFrozen(part));
  });

  test('takes command lines for the modem as a list, from the environment as JSON', () => {
    const initialise = ['AT^SWITCH_SLOT=1', 'at+qcfg="x",1'];
    const modem = { port: 'auto', initialise };
    assert.deepEqual(loadAgentConfig(write({ ...least(), modem }), {}).modem.initialise, initialise);
    const env = { EUICC_AGENT_MODEM_INITIALISE: JSON.stringify(initialise) };
    assert.deepEqual(loadAgentConfig(write(least()), env).modem.initialise, initialise);
    for (const wrong of [['LS'], ['AT\rAT+CFUN=0'], 'AT', [1]]) {
      const given = write({ ...least(), modem: { port: 'auto', initialise: wrong } });
      assert.match(faults(() => loadAgentConfig(given, {}))[0] ?? '', /^modem\.initialise/);
    }
  });

  test('a data context needs its access point, and a password where it is checked', () => {
    const data = (given: object): string[] =>
      faults(() => loadAgentConfig(write({ ...least(), data: given }), {}));
    assert.match(data({ auth: 'pap' })[0] ?? '', /^data\.apn/);
    assert.match(data({ apn: 'iot.example', auth: 'chap' })[0] ?? '', /^data\.user/);
    assert.match(data({ apn: 'iot.example', auth: 'chap', user: 'u' })[0] ?? '', /^data\.passwordFile/);
    assert.match(data({ apn: 'iot"example' })[0] ?? '', /^data\.apn/);
    const whole = { apn: 'iot.example', auth: 'pap', user: 'u', passwordFile: 'closed.key' };
    assert.equal(loadAgentConfig(write({ ...least(), data: whole }), {}).data.auth, 'pap');
  });

  test('takes the environment over the file and the command line over both', () => {
    const content = { ...least(), modem: { port: '/dev/file', baudRate: 9600, access: 'csim' } };
    const env = { EUICC_AGENT_MODEM_PORT: '/dev/env', EUICC_AGENT_MODEM_BAUD_RATE: '19200', PATH: '/bin' };
    const { modem } = loadAgentConfig(write(content), env, { 'modem.port': '/dev/line' });
    assert.deepEqual([modem.port, modem.baudRate, modem.access], ['/dev/line', 19_200, 'csim']);
  });

  test('can do without a file', () => {
    const config = loadAgentConfig(undefined, {
      EUICC_AGENT_STATE_DIR: '/state',
      EUICC_AGENT_MODEM_PORT: '/dev/ttyUSB2',
      EUICC_AGENT_BROKER_URL: 'mqtts://broker.example.net:8883',
      EUICC_AGENT_BROKER_KEEPALIVE_SECONDS: '30',
      EUICC_AGENT_OPERATORS: JSON.stringify([
        { name: 'mno-a', address: 'a.example', certificateFile: at('a.pem') },
      ]),
    });
    assert.equal(config.broker.keepaliveSeconds, 30);
    assert.deepEqual(config.operators, [
      { name: 'mno-a', address: 'a.example', certificateFile: at('a.pem') },
    ]);
  });

  test('names every fault at once, each with key, origin, what was found and what is expected', () => {
    const content = {
      modem: { port: '', baudRate: '115200', acces: 'auto' },
      broker: { url: 'http://broker', keyFile: 'open.key', caFile: 'gone.pem', certFile: 'folder' },
      operators: [{ name: 'MNO A', address: 'a.example', certificateFile: 'a.pem', extra: 1 }, 7],
      transfer: [],
      radio: {},
    };
    const env = { EUICC_AGENT_LOG_LEVEL: 'loud', EUICC_AGENT_MODEM_PROT: '/dev/ttyUSB2' };
    const found = faults(() =>
      loadAgentConfig(write(content), env, { 'modem.speed': '1', 'connectivity.deadlineSeconds': '4' }),
    );
    assert.deepEqual(found.toSorted(), [
      'EUICC_AGENT_MODEM_PROT: is an unknown variable, expected one of EUICC_AGENT_MODEM_PORT, EUICC_AGENT_MODEM_BAUD_RATE, EUICC_AGENT_MODEM_RAISE_BAUD_RATE, EUICC_AGENT_MODEM_MAX_BAUD_RATE, EUICC_AGENT_MODEM_IMEI, EUICC_AGENT_MODEM_ACCESS, EUICC_AGENT_MODEM_MAX_COMMAND_DATA, EUICC_AGENT_MODEM_INITIALISE, EUICC_AGENT_MODEM_SLOT_POWER, EUICC_AGENT_MODEM_VENDOR_RESET, EUICC_AGENT_MODEM_PIN_FILE',
      `broker.caFile (from the file): found "${at('gone.pem')}", which does not exist, expected the path of a PEM file`,
      `broker.certFile (from the file): found "${at('folder')}", which is no file, expected the path of a PEM file`,
      `broker.keyFile (from the file): found "${at('open.key')}", which others may use (mode 0644), expected the path of a PEM file, closed to others (mode 0600)`,
      'broker.url (from the file): found "http://broker", expected an address of the form mqtt://host:port or mqtts://host:port',
      'connectivity.deadlineSeconds (from the command line): found 4, expected an integer from 5 to 3600',
      'log.level (from EUICC_AGENT_LOG_LEVEL): found "loud", expected one of trace, debug, info, warn, error',
      'modem.acces (from the file): is an unknown key, expected one of port, baudRate, raiseBaudRate, maxBaudRate, imei, access, maxCommandData, initialise, slotPower, vendorReset, pinFile',
      'modem.baudRate (from the file): found "115200", expected an integer from 300 to 4000000',
      'modem.port (from the file): found "", expected the path of a serial port, its name, tcp://HOST:PORT, or auto',
      'modem.speed (from the command line): is an unknown key, expected one of port, baudRate, raiseBaudRate, maxBaudRate, imei, access, maxCommandData, initialise, slotPower, vendorReset, pinFile',
      'operators[0].extra (from the file): found an unknown key, expected name, address, certificateFile',
      'operators[0].name (from the file): found "MNO A", expected 1 to 32 lower-case letters, digits and hyphens',
      'operators[1] (from the file): found 7, expected a record with name, address, certificateFile',
      'radio (from the file): is an unknown key, expected one of state, modem, deadlines, data, certificateProfile, broker, operators, activation, transfer, connectivity, trace, log',
      'state.dir: is missing, expected the path of a folder; set it in the file or as EUICC_AGENT_STATE_DIR',
      'transfer (from the file): found [], expected a section with windowBytes, blockTimeoutMs',
    ]);
  });

  test('sees what keys say about each other, beside other faults', () => {
    const twice = { name: 'mno-a', address: 'a.example', certificateFile: 'a.pem' };
    const content = {
      ...least(),
      modem: {},
      operators: [twice, twice],
      activation: { mno: 'mno-c' },
      broker: { url: 'mqtt://h:1', caFile: 'ca.pem' },
    };
    assert.deepEqual(
      faults(() => loadAgentConfig(write(content), {})),
      [
        'modem.port: is missing, expected the path of a serial port, its name, tcp://HOST:PORT, or auto; set it in the file or as EUICC_AGENT_MODEM_PORT',
        'operators[1].name: found "mno-a" again, expected each name once',
        'activation.mno (from the file): found "mno-c", expected a name that operators has: mno-a, mno-a',
        `broker.caFile (from the file): found "${at('ca.pem')}", expected nothing unless broker.url is mqtts`,
      ],
    );
    const half = { ...least(), broker: { url: 'mqtts://h:1', keyFile: 'closed.key' } };
    assert.deepEqual(
      faults(() => loadAgentConfig(write(half), {})),
      ['broker.certFile: found nothing, expected both broker.certFile and broker.keyFile, or neither'],
    );
  });

  test('says of a file that is missing, no JSON or no record what is wrong with it', () => {
    for (const [path, fault] of [
      [at('gone.json'), /gone\.json: cannot be read \(ENOENT\)$/],
      [write('{ "modem": ', 'torn.json'), /torn\.json: is not JSON \(.+\)$/],
      [write('[]', 'list.json'), /list\.json: found \[\], expected a record of sections$/],
    ] as const) {
      assert.ok(
        faults(() => loadAgentConfig(path, {})).some((line) => fault.test(line)),
        path,
      );
    }
  });

  test('never shows a credential of a broker address', () => {
    for (const url of ['mqtt://user:se/cret@host:1', 'user:secret@host', 'mqtts://secret@host']) {
      const [line] = faults(() => loadAgentConfig(write({ ...least(), broker: { url } }), {}));
      assert.match(line ?? '', /^broker\.url/);
      assert.doesNotMatch(line ?? '', /cret/);
    }
  });

  test('takes no key that every object has', () => {
    for (const key of ['__proto__', 'constructor', 'toString']) {
      const inner = `{"modem":{"port":"/dev/x","${key}":{"port":1}}, "${key}":{"a":1}}`;
      const found = faults(() => loadAgentConfig(write(inner), {}));
      assert.equal(
        found.filter((line) => line.includes(`${key} (from the file): is an unknown key`)).length,
        2,
      );
    }
  });

  test('answers any JSON with a configuration or CONFIG_INVALID', () => {
    const names = tableRows(agentTable).map(({ key }) => key);
    const section = fc.dictionary(
      fc.constantFrom(...names.map((name) => name.split('.')[1] ?? 'name')),
      fc.jsonValue(),
    );
    const document = fc.dictionary(
      fc.constantFrom(...Object.keys(agentTable.keys)),
      fc.oneof(section, fc.array(section), fc.jsonValue()),
    );
    fc.assert(
      fc.property(document, (content) => {
        try {
          loadAgentConfig(write(content), {});
        } catch (error) {
          assert.ok(isAgentError(error, 'CONFIG_INVALID'));
        }
      }),
    );
  });
});
