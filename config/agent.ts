// What the device agent can be told, and the loading of it.
import { choice, file, integer, path, records, serialPort, serverUrl, shown, text, texts } from './kinds.ts';
import { type Config, loadConfig, type Rule, type Table } from './table.ts';

const OPERATOR_NAME = /^[a-z0-9][a-z0-9-]*$/;
const ADDRESS = /^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/;
const address = text(253, ADDRESS, 'a host name, as profiles bear it for their notifications');
const atLines = texts(16, text(200, /^at[\x20-\x7e]*$/i, 'an AT command line'));
const seconds = (what: string, value: number) =>
  ({
    kind: integer(1, 3600),
    default: value,
    doc: `The most seconds that ${what} may take.`,
  }) as const;
const operatorName = text(32, OPERATOR_NAME, '1 to 32 lower-case letters, digits and hyphens');

export const agentTable = {
  program: 'euicc-agent',
  keys: {
    state: {
      dir: {
        kind: path('a folder'),
        doc: 'Folder of the journal and of profile packages on their way. Made when it is missing; one agent at a time.',
        example: '/var/lib/euicc-agent',
      },
    },
    modem: {
      port: {
        kind: serialPort(),
        doc: 'Serial port of the modem: its path, the name that udev gives it (usb-modem-if02), tcp://HOST:PORT, or auto for the first modem port that answers and has the card. A port on USB is found again when it is renumbered.',
        example: '/dev/serial/by-id/usb-modem-if02',
      },
      baudRate: {
        kind: integer(300, 4_000_000),
        default: 115_200,
        doc: 'Rate of the line in bits per second.',
      },
      raiseBaudRate: {
        kind: choice('off', 'auto'),
        default: 'off',
        doc: 'auto raises the rate (AT+IPR) for an installation that gains seconds by it, where the line has a rate of its own and the modem offers more; afterwards the rate is given back. For lines that are known to carry modem.maxBaudRate: a modem that cannot be heard there is lost until it restarts.',
      },
      maxBaudRate: {
        kind: integer(9600, 4_000_000),
        default: 460_800,
        doc: 'The highest rate that modem.raiseBaudRate may choose.',
      },
      imei: {
        kind: text(15, /^\d{15}$/, 'an IMEI of 15 digits'),
        optional: true,
        doc: 'IMEI of the modem, where there are several or no other may take its place.',
      },
      access: {
        kind: choice('auto', 'csim', 'cgla'),
        default: 'auto',
        doc: 'How APDUs reach the card: AT+CSIM, AT+CCHO with AT+CGLA, or whichever the modem offers.',
      },
      maxCommandData: {
        kind: integer(16, 255),
        optional: true,
        doc: 'The most octets of data in one command to the card. Left out, 255, and less where the modem turns out to carry less.',
      },
      initialise: {
        kind: atLines,
        optional: true,
        doc: 'AT command lines that this modem needs after every start, such as the choice of its eSIM slot. What it refuses of them is left out.',
      },
      slotPower: {
        kind: atLines,
        optional: true,
        doc: 'AT command lines that power the slot of the card off and on: a step of the ladder after a switch of profiles, where the modem has such commands.',
      },
      vendorReset: {
        kind: atLines,
        optional: true,
        doc: 'AT command lines of which the last resets the modem for good: the last step of the ladder. Left out, what is known of the modem.',
      },
      pinFile: {
        kind: file('a file with the PIN', { secret: true }),
        optional: true,
        doc: 'File with the PIN of the card, closed to others (mode 0600). A PIN that was refused is not tried again before the file is changed.',
      },
    },
    deadlines: {
      probeSeconds: seconds('a modem that works may take to answer AT', 2),
      querySeconds: seconds('a question to the modem', 5),
      channelSeconds: seconds('the opening of a channel to the card', 10),
      cardSeconds: seconds('a command to the card', 30),
      installSeconds: seconds('a command of an installation, which the card may take long for,', 240),
      radioSeconds: seconds('switching the radio, or a restart,', 60),
      searchSeconds: seconds('a search for networks, or an attach,', 180),
    },
    data: {
      apn: {
        kind: text(100, /^[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/, 'an access point name'),
        optional: true,
        doc: 'Access point name of the data context. The agent defines the context, and brings it up wherever the modem has not done so. Left out, the contexts are left alone.',
      },
      type: {
        kind: choice('IP', 'IPV6', 'IPV4V6'),
        default: 'IP',
        doc: 'Type of the data context (3GPP TS 27.007, +CGDCONT).',
      },
      cid: {
        kind: integer(1, 15),
        default: 1,
        doc: 'Number of the data context. 1 is the one that most modems attach with.',
      },
      auth: {
        kind: choice('none', 'pap', 'chap'),
        optional: true,
        doc: 'How the access point checks user and password. Left out, what the modem has is left alone. Needs data.apn.',
      },
      user: {
        kind: text(64, /^[^"]*$/, 'text of 1 to 64 characters without a quote'),
        optional: true,
        doc: 'User name of the access point, for data.auth pap or chap.',
      },
      passwordFile: {
        kind: file('a file with the password', { secret: true }),
        optional: true,
        doc: 'File with the password of the access point, closed to others (mode 0600).',
      },
    },
    certificateProfile: {
      pinFile: {
        kind: file('a file with the PIN', { secret: true }),
        optional: true,
        doc: "File with the PIN of the eUICC's certificate profile, closed to others (mode 0600), for operators that ask for the profile. A PIN that was refused is not tried again before the file is changed.",
      },
    },
    broker: {
      url: {
        kind: serverUrl('mqtt:', 'mqtts:'),
        doc: 'Address of the MQTT broker; mqtts is MQTT over TLS.',
        example: 'mqtts://broker.example.net:8883',
      },
      caFile: {
        kind: file('a PEM file'),
        optional: true,
        doc: 'Certificates that the broker is trusted by, in place of those of the system.',
        example: 'broker-ca.pem',
      },
      certFile: {
        kind: file('a PEM file'),
        optional: true,
        doc: 'Certificate that the device shows the broker. Needs broker.keyFile.',
      },
      keyFile: {
        kind: file('a PEM file', { secret: true }),
        optional: true,
        doc: 'Private key of broker.certFile, closed to others (mode 0600).',
      },
      clientId: {
        kind: text(128, /^[\w.:-]+$/, '1 to 128 letters, digits and . _ : -'),
        optional: true,
        doc: 'MQTT client identifier. Left out, it is derived from the EID.',
      },
      keepaliveSeconds: {
        kind: integer(5, 3600),
        default: 60,
        doc: 'Seconds of silence after which the connection is probed.',
      },
    },
    operators: {
      kind: records(1, 16, {
        name: operatorName,
        address,
        certificateFile: file('a certificate, PEM or DER'),
      }),
      doc: 'The operators this device obeys: the name that stands in the topics, the notification address in their profiles, and the certificate that their commands are signed with.',
      example: [
        { name: 'mno-a', address: 'mno-a.example', certificateFile: 'mno-a.pem' },
        { name: 'mno-b', address: 'mno-b.example', certificateFile: 'mno-b.pem' },
      ],
    },
    activation: {
      mno: {
        kind: operatorName,
        optional: true,
        doc: 'The operator that a card without an operational profile asks for one. Left out, the agent waits to be asked.',
        example: 'mno-a',
      },
    },
    transfer: {
      windowBytes: {
        kind: integer(1024, 1_048_576),
        default: 32_768,
        doc: 'The most octets of a profile package that may be asked for and not yet be here.',
      },
      blockTimeoutMs: {
        kind: integer(1000, 600_000),
        default: 30_000,
        doc: 'Milliseconds after which a missing block is asked for again, until the pace of the line is known.',
      },
    },
    connectivity: {
      deadlineSeconds: {
        kind: integer(5, 3600),
        default: 300,
        doc: 'The most seconds that a new profile has to prove that it reaches the operator, before the agent goes back to the one that worked. An operator may allow less.',
      },
    },
    trace: {
      file: {
        kind: path('a file'),
        optional: true,
        doc: 'Where every octet to and from the modem is recorded, with times. Left out, nothing is; euicc-card decode shows such a file.',
      },
      without: {
        kind: choice('nothing', 'secrets', 'identities'),
        default: 'secrets',
        doc: 'What the trace leaves out: nothing, PINs with keys and contents of profiles (secrets), or besides these ICCID, IMSI, EID and IMEI (identities).',
      },
      maxBytes: {
        kind: integer(65_536, 1_073_741_824),
        default: 4_194_304,
        doc: 'A trace that would become larger is put aside, as FILE.1, and begun anew.',
      },
      keep: {
        kind: integer(0, 100),
        default: 2,
        doc: 'How many traces that were put aside are kept; older ones are removed, so that the disk never fills.',
      },
    },
    log: {
      level: {
        kind: choice('trace', 'debug', 'info', 'warn', 'error'),
        default: 'info',
        doc: 'The least level that is written; trace includes every AT command and APDU.',
      },
      file: { kind: path('a file'), optional: true, doc: 'Where log lines go. Left out, to standard error.' },
    },
  },
} as const satisfies Table;

/** The configuration of the agent, checked and frozen; every path in it is absolute. */
export type AgentConfig = Config<typeof agentTable>;

/**
 * Loads the agent's configuration from a JSON file, the environment (`EUICC_AGENT_MODEM_PORT`) and overrides from a
 * command line (`{ 'modem.port': '/dev/ttyUSB2' }`); later ones win. Throws `CONFIG_INVALID` with all faults.
 */
export function loadAgentConfig(
  filePath: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
  overrides: Readonly<Record<string, string>> = {},
): AgentConfig {
  return loadConfig(agentTable, { file: filePath, env, overrides }, [
    namesAreDistinct,
    activationIsKnown,
    tlsFits,
    dataFits,
  ]);
}

const namesAreDistinct: Rule<typeof agentTable> = {
  keys: ['operators'],
  check({ operators }) {
    const names = operators.map(({ name }) => name);
    return names.flatMap((name, i) =>
      names.indexOf(name) === i
        ? []
        : [{ path: `operators[${i}].name`, found: `${shown(name)} again`, expected: 'each name once' }],
    );
  },
};

const activationIsKnown: Rule<typeof agentTable> = {
  keys: ['operators', 'activation.mno'],
  check({ operators, activation }) {
    const names = operators.map(({ name }) => name);
    if (activation.mno === undefined || names.includes(activation.mno)) return [];
    const expected = `a name that operators has: ${names.join(', ')}`;
    return [{ path: 'activation.mno', found: shown(activation.mno), expected }];
  },
};

const tlsFits: Rule<typeof agentTable> = {
  keys: ['broker.url', 'broker.caFile', 'broker.certFile', 'broker.keyFile'],
  check({ broker }) {
    if (!broker.url.startsWith('mqtts:')) {
      const expected = 'nothing unless broker.url is mqtts';
      return (['caFile', 'certFile', 'keyFile'] as const).flatMap((key) =>
        broker[key] === undefined ? [] : [{ path: `broker.${key}`, found: shown(broker[key]), expected }],
      );
    }
    if ((broker.certFile === undefined) === (broker.keyFile === undefined)) return [];
    const path = broker.certFile === undefined ? 'broker.certFile' : 'broker.keyFile';
    return [{ path, found: 'nothing', expected: 'both broker.certFile and broker.keyFile, or neither' }];
  },
};

const dataFits: Rule<typeof agentTable> = {
  keys: ['data.apn', 'data.auth', 'data.user', 'data.passwordFile'],
  check({ data }) {
    const needs = (path: string, expected: string) => [{ path, found: 'nothing', expected }];
    if (data.auth !== undefined && data.apn === undefined)
      return needs('data.apn', 'a name, since data.auth is given');
    const checked = data.auth === 'pap' || data.auth === 'chap';
    if (checked && data.user === undefined)
      return needs('data.user', `a name, since data.auth is ${data.auth}`);
    if (checked && data.passwordFile === undefined)
      return needs('data.passwordFile', `a file, since data.auth is ${data.auth}`);
    return [];
  },
};
