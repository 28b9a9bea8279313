// Commands of registration, operator, signal and data contexts (3GPP TS 27.007, 7.2, 7.3, 8.1, 8.5, 10.1).
import { CME } from '../cme-errors.ts';
import { cardError } from './commands-card.ts';
import {
  DONE,
  keptNumbers,
  numberOf,
  type CommandContext,
  type CommandRow,
  type CommandTable,
} from './commands.ts';
import type { Air, Camped, VisibleNetwork } from './radio.ts';
import type { ServiceState } from './service.ts';

type ReportName = 'CREG' | 'CGREG' | 'CEREG';

const REPORT_NAMES: readonly ReportName[] = ['CREG', 'CGREG', 'CEREG'];
const HIGHEST_LEVEL: Readonly<Record<ReportName, number>> = { CREG: 3, CGREG: 3, CEREG: 5 };
const E_UTRAN = 7;

/** `<stat>`. A combined attach registers for circuit switched service too; GPRS is another radio's. */
function statOf(name: ReportName, state: ServiceState): number {
  switch (state.is) {
    case 'off':
      return 0;
    case 'searching':
      return 2;
    case 'denied':
      return 3;
    case 'registered':
      if (name === 'CGREG' && state.accessTechnology >= E_UTRAN) return 4;
      if (name === 'CEREG' && state.accessTechnology < E_UTRAN) return 4;
      return state.roaming ? 5 : 1;
  }
}

/** What follows `<n>` in the answer and is the whole report, in the detail of level `n`. */
function reportParameters(name: ReportName, level: number, state: ServiceState): string {
  const stat = statOf(name, state);
  const located = level >= 2 && state.is === 'registered' && stat !== 4;
  const parts = [String(stat)];
  if (located) {
    parts.push(
      hexString(state.trackingAreaCode, 4),
      hexString(state.cellId, 8),
      String(state.accessTechnology),
    );
  }
  if ((level === 3 || level === 5) && state.is === 'denied') {
    parts.push('', '', '', ...(name === 'CGREG' ? [''] : []), '0', String(state.cause));
  }
  return parts.join(',');
}

function hexString(value: number, digits: number): string {
  return `"${value.toString(16).toUpperCase().padStart(digits, '0')}"`;
}

/** The unsolicited reports that a change from one state to another brings. */
export function registrationReports(
  levels: Readonly<Record<ReportName, number>>,
  before: ServiceState,
  after: ServiceState,
): string[] {
  return REPORT_NAMES.flatMap((name) => {
    const level = levels[name];
    if (level === 0) return [];
    const [was, is] = [reportParameters(name, level, before), reportParameters(name, level, after)];
    return was === is ? [] : [`+${name}: ${is}`];
  });
}

function report(name: ReportName): CommandRow {
  return {
    test: () => [`+${name}: (0-${HIGHEST_LEVEL[name]})`],
    read: ({ settings, equipment }) => {
      const level = settings.reports[name];
      return [`+${name}: ${level},${reportParameters(name, level, equipment.service.state)}`];
    },
    set: ({ settings }, [n]) => {
      const level = numberOf(n, [0, HIGHEST_LEVEL[name]], 0);
      if (level === undefined) return 'ERROR';
      settings.reports[name] = level;
      return DONE;
    },
  };
}

function camped({ equipment }: CommandContext): Camped | undefined {
  const { state } = equipment.service;
  return state.is === 'registered' ? state : undefined;
}

function operatorText(network: Pick<Camped, 'plmn' | 'operatorName'>, format: number): string {
  return `"${format === 2 ? network.plmn : format === 1 ? network.operatorName.slice(0, 8) : network.operatorName}"`;
}

/** `<stat>` of +COPS=?: available, current, forbidden. */
const ON_AIR = { available: 1, current: 2, forbidden: 3 } as const;

function onAirStat(network: VisibleNetwork, current: Camped | undefined): number {
  if (network.forbidden) return ON_AIR.forbidden;
  return network.plmn === current?.plmn ? ON_AIR.current : ON_AIR.available;
}

const cops = ({ scan }: Air): CommandRow => ({
  test: (context) => {
    if (context.equipment.functionality !== 1) return { cme: CME.noNetwork };
    const found = scan().map((network) => {
      const names = [0, 1, 2].map((format) => operatorText(network, format)).join(',');
      return `(${onAirStat(network, camped(context))},${names},${network.accessTechnology}),`;
    });
    return [`+COPS: ${found.join('')},(0-4),(0-2)`];
  },
  read: (context) => {
    const network = camped(context);
    const mode = context.settings.values.get('+COPS') ?? '0';
    if (network === undefined) return [`+COPS: ${mode}`];
    const format = context.settings.operatorFormat;
    return [`+COPS: ${mode},${format},${operatorText(network, format)},${network.accessTechnology}`];
  },
  set: (context, [mode, format, operator]) => {
    const wanted = numberOf(mode, [0, 4], 0);
    const shape = numberOf(format, [0, 2], context.settings.operatorFormat);
    if (wanted === undefined || shape === undefined) return 'ERROR';
    if (wanted === 3) {
      context.settings.operatorFormat = shape;
      return DONE;
    }
    const error = cardError(context.equipment.simStatus, true);
    if (error !== undefined) return error;
    let plmn: string | undefined;
    if (wanted === 1) {
      if (operator === undefined) return { cme: CME.incorrectParameters };
      plmn = scan().find((network) => operatorText(network, shape) === `"${operator.text}"`)?.plmn;
      if (plmn === undefined) return { cme: CME.noNetwork };
    }
    context.settings.values.set('+COPS', String(wanted));
    context.equipment.seekService(wanted !== 2, plmn);
    return DONE;
  },
});

const csq = ({ signalStrength }: Air): CommandRow => ({
  test: () => ['+CSQ: (0-31,99),(0-7,99)'],
  action: ({ equipment }) => [`+CSQ: ${equipment.functionality === 1 ? signalStrength() : 99},99`],
});

const PDP_TYPES: readonly string[] = ['IP', 'IPV6', 'IPV4V6'];

const cgdcont: CommandRow = {
  test: () => PDP_TYPES.map((type) => `+CGDCONT: (1-16),"${type}",,,(0),(0)`),
  read: (context) =>
    [...context.settings.contexts].map(([cid, { type, apn }]) => {
      const address = isActive(context, cid) ? (camped(context)?.address ?? '') : '';
      return `+CGDCONT: ${cid},"${type}","${apn}","${address}",0,0`;
    }),
  set: ({ settings }, [id, type, apn]) => {
    const cid = numberOf(id, [1, 16]);
    if (cid === undefined) return 'ERROR';
    if (type === undefined) settings.contexts.delete(cid);
    else if (!PDP_TYPES.includes(type.text)) return 'ERROR';
    else settings.contexts.set(cid, { type: type.text, apn: apn?.text ?? '' });
    return DONE;
  },
};

/** The default bearer is the one context of this modem that carries anything. */
const DEFAULT_BEARER = 1;

function isActive({ equipment }: CommandContext, cid: number): boolean {
  return cid === DEFAULT_BEARER && equipment.service.bearer;
}

/** Authentication of a context (10.1.31): none, PAP, CHAP. The password is never told. */
const cgauth: CommandRow = {
  test: () => ['+CGAUTH: (1-16),(0-2),(0-64),(0-64)'],
  read: ({ settings }) =>
    [...settings.contexts.keys()].map(
      (cid) => `+CGAUTH: ${cid},${settings.values.get(`+CGAUTH ${cid}`) ?? '0'}`,
    ),
  set: ({ settings }, [id, protocol, user, password]) => {
    const cid = numberOf(id, [1, 16]);
    const wanted = numberOf(protocol, [0, 2], 0);
    if (cid === undefined || wanted === undefined || !settings.contexts.has(cid)) return 'ERROR';
    if (wanted > 0 && (user === undefined || password === undefined)) return { cme: CME.incorrectParameters };
    settings.values.set(`+CGAUTH ${cid}`, wanted === 0 ? '0' : `${wanted},"${user?.text ?? ''}"`);
    return DONE;
  },
};

const cgatt: CommandRow = {
  test: () => ['+CGATT: (0,1)'],
  read: ({ equipment }) => [`+CGATT: ${equipment.service.state.is === 'registered' ? 1 : 0}`],
  set: ({ equipment }, [state]) => {
    const wanted = numberOf(state, [0, 1]);
    if (wanted === undefined) return 'ERROR';
    const error = cardError(equipment.simStatus, true);
    if (error !== undefined) return error;
    equipment.seekService(wanted === 1);
    return DONE;
  },
};

const cgact: CommandRow = {
  test: () => ['+CGACT: (0,1)'],
  read: (context) =>
    [...context.settings.contexts.keys()].map((cid) => `+CGACT: ${cid},${isActive(context, cid) ? 1 : 0}`),
  set: ({ equipment, settings }, [state, id]) => {
    const wanted = numberOf(state, [0, 1]);
    const cid = numberOf(id, [1, 16], DEFAULT_BEARER);
    if (wanted === undefined || cid === undefined || !settings.contexts.has(cid)) return 'ERROR';
    if (equipment.service.state.is !== 'registered') return { cme: CME.noNetwork };
    if (cid !== DEFAULT_BEARER) return { cme: CME.notSupported };
    equipment.service.setBearer(wanted === 1);
    return DONE;
  },
};

function addressLine(context: CommandContext, cid: number): string {
  const address = isActive(context, cid) ? camped(context)?.address : undefined;
  return address === undefined ? `+CGPADDR: ${cid}` : `+CGPADDR: ${cid},"${address}"`;
}

/** Without a number the addresses of all contexts that are defined (10.1.14). */
const cgpaddr: CommandRow = {
  test: ({ settings }) => [`+CGPADDR: (${[...settings.contexts.keys()].join(',')})`],
  action: (context) => [...context.settings.contexts.keys()].map((cid) => addressLine(context, cid)),
  set: (context, given) => {
    const cids = given.map((id) => numberOf(id, [1, 16]));
    const defined = cids.every((cid) => cid !== undefined && context.settings.contexts.has(cid));
    return defined ? cids.map((cid) => addressLine(context, cid ?? 0)) : 'ERROR';
  },
};

/** Received power in dBm as +CSQ counts it (8.5); LTE's reference signals are about 20 dB below. */
function powers({ signalStrength }: Air): { readonly rssi: number; readonly rsrp: number } | undefined {
  const csq = signalStrength();
  return csq > 31 ? undefined : { rssi: 2 * csq - 113, rsrp: 2 * csq - 133 };
}

const cesq = (air: Air): CommandRow => ({
  test: () => ['+CESQ: (0-63,99),(0-7,99),(0-96,255),(0-49,255),(0-34,255),(0-97,255)'],
  action: ({ equipment }) => {
    const power = equipment.functionality === 1 ? powers(air) : undefined;
    return [`+CESQ: 99,99,255,255,${power === undefined ? '255,255' : `20,${power.rsrp + 141}`}`];
  },
});

/** Dynamic parameters of an active context (10.1.23): bearer 5 is the default one. */
const cgcontrdp: CommandRow = {
  test: (context) => [`+CGCONTRDP: (${isActive(context, DEFAULT_BEARER) ? DEFAULT_BEARER : ''})`],
  action: (context) => contextLine(context, DEFAULT_BEARER),
  set: (context, [id]) => {
    const cid = numberOf(id, [1, 16], DEFAULT_BEARER);
    return cid === undefined ? 'ERROR' : contextLine(context, cid);
  },
};

function contextLine(context: CommandContext, cid: number): readonly string[] {
  const network = camped(context);
  if (!isActive(context, cid) || network === undefined) return [];
  const apn = context.settings.contexts.get(cid)?.apn ?? '';
  return [`+CGCONTRDP: ${cid},5,"${apn}","${network.address}.255.255.255.0"`];
}

/** Indicators (8.9): signal, service, roaming. */
const cind = ({ signalStrength }: Air): CommandRow => ({
  test: () => ['+CIND: ("signal",(0-5)),("service",(0,1)),("roam",(0,1))'],
  read: (context) => {
    const network = camped(context);
    const csq = signalStrength();
    const bars = network === undefined || csq > 31 ? 0 : Math.ceil(csq / 7);
    return [`+CIND: ${bars},${network === undefined ? 0 : 1},${network?.roaming === true ? 1 : 0}`];
  },
});

const ws46: CommandRow = {
  // 5.9 shows both without the command's name.
  test: () => ['(28)'],
  read: () => ['28'],
  set: (_, [n]) => (numberOf(n, [28, 28]) === undefined ? 'ERROR' : DONE),
};

export function networkCommands(air: Air): CommandTable {
  return {
    '+CREG': report('CREG'),
    '+CGREG': report('CGREG'),
    '+CEREG': report('CEREG'),
    '+COPS': cops(air),
    '+CSQ': csq(air),
    '+CESQ': cesq(air),
    '+CIND': cind(air),
    '+CPAS': { test: () => ['+CPAS: (0,3,4)'], action: () => ['+CPAS: 0'] },
    '+WS46': ws46,
    '+CGDCONT': cgdcont,
    '+CGCONTRDP': cgcontrdp,
    '+CGATT': cgatt,
    '+CGAUTH': cgauth,
    '+CGACT': cgact,
    '+CGPADDR': cgpaddr,
    '+CGEREP': keptNumbers(
      '+CGEREP',
      [
        [0, 2],
        [0, 1],
      ],
      [0, 0],
    ),
  };
}

/** Commands that a vendor adds; personalities name those that they have. */
export function vendorNetworkCommands(air: Air): CommandTable {
  return {
    '+QCSQ': {
      test: () => ['+QCSQ: "NOSERVICE","GSM","WCDMA","LTE","eMTC","NBIoT"'],
      action: ({ equipment }) => {
        const power = equipment.functionality === 1 ? powers(air) : undefined;
        return [
          power === undefined ? '+QCSQ: "NOSERVICE"' : `+QCSQ: "LTE",${power.rssi},${power.rsrp},150,-10`,
        ];
      },
    },
  };
}
