// Whole modems for the simulator: what they call themselves, and the quirks that were reported of them.
import type { SimIdentity } from './commands.ts';
import type { SimQuirks } from './quirks.ts';

export type Personality = { readonly identity: SimIdentity; readonly quirks: Partial<SimQuirks> };

/** Names as on the command line. What is not listed is as in the standards; the sources are with the quirks. */
export const PERSONALITIES = {
  generic: {
    identity: { manufacturer: 'euicc-agent', model: 'Simulated modem', revision: 'SIM-1.0' },
    quirks: {},
  },
  'quectel-ec25': {
    identity: { manufacturer: 'Quectel', model: 'EC25', revision: 'EC25EFAR06A06M4G' },
    quirks: {
      vendorCommands: ['+QCCID'],
      cglaLastBlock: 2,
      bootLine: 'RDY',
      answerDelay: 20,
      attachNeedsRestart: true,
    },
  },
  'quectel-eg25': {
    identity: { manufacturer: 'Quectel', model: 'EG25', revision: 'EG25GGBR07A08M2G' },
    quirks: {
      vendorCommands: ['+QCCID'],
      csimChannels: 'apdus-fail',
      refreshDropsPort: 4_000,
      bootLine: 'RDY',
      answerDelay: 20,
    },
  },
  'quectel-bg95': {
    identity: { manufacturer: 'Quectel', model: 'BG95-M3', revision: 'BG95M3LAR02A04' },
    quirks: {
      vendorCommands: ['+QCCID'],
      bootLine: 'APP RDY',
      answerDelay: 50,
      missing: ['+CCHO', '+CGLA', '+CCHC'],
    },
  },
  'quectel-ec800g': {
    identity: { manufacturer: 'Quectel', model: 'EC800G-CN', revision: 'EC800GCNGAR01A02M04' },
    quirks: { vendorCommands: ['+QCCID'], endless61: true, bootLine: 'RDY' },
  },
  'quectel-eg916q': {
    identity: { manufacturer: 'Quectel', model: 'EG916Q-GL', revision: 'EG916QGLLGR01A05M08' },
    quirks: {
      vendorCommands: ['+QCCID'],
      crsm: 'cme-3',
      proactive: 'ignored',
      radioOffDropsPort: 3_000,
      bootLine: 'RDY',
    },
  },
  'eigencomm-ec718': {
    identity: { manufacturer: 'EigenComm', model: 'EC718P', revision: 'EC718_SW_V1.0' },
    quirks: { simSleep: true },
  },
  'simcom-sim7600': {
    identity: {
      manufacturer: 'SIMCOM INCORPORATED',
      model: 'SIMCOM_SIM7600G-H',
      revision: 'LE20B04SIM7600G22',
    },
    quirks: { vendorCommands: ['+ICCID'], proactive: 'ignored', answerForm: 'tight', bootLine: 'RDY' },
  },
  'ublox-sara-r4': {
    identity: { manufacturer: 'u-blox', model: 'SARA-R410M-02B', revision: 'L0.0.00.00.05.08' },
    quirks: { vendorCommands: ['+CCID'], lineEnd: 'cr', errorText: 'vendor', answerDelay: 60 },
  },
  'telit-le910': {
    identity: { manufacturer: 'Telit', model: 'LE910C4-EU', revision: '25.20.664' },
    quirks: {
      vendorCommands: ['+CCID'],
      csimLock: true,
      answerForm: 'trailing-quote',
      missing: ['+CCHO', '+CGLA', '+CCHC'],
    },
  },
  'sierra-mc7455': {
    identity: {
      manufacturer: 'Sierra Wireless, Incorporated',
      model: 'MC7455',
      revision: 'SWI9X30C_02.38.00.00',
    },
    quirks: { sessionIds: 'handles', testForm: 'error', maxSessions: 3 },
  },
  'sierra-em9191': {
    identity: {
      manufacturer: 'Sierra Wireless, Incorporated',
      model: 'EM9191',
      revision: 'SWIX55C_03.09.11.00',
    },
    quirks: { missing: ['+CCHC'], maxSessions: 3 },
  },
  'fibocom-fm350': {
    identity: {
      manufacturer: 'Fibocom Wireless Inc.',
      model: 'FM350-GL',
      revision: '81600.0000.00.29.23.06',
    },
    quirks: {
      cchoAnswer: 'bare',
      testForm: 'silent',
      cchcLine: true,
      leakHang: 3,
      missing: ['+CSIM'],
      vendorCommands: ['+CCID', '+ICCID'],
    },
  },
  'nordic-nrf9160': {
    identity: {
      manufacturer: 'Nordic Semiconductor ASA',
      model: 'nRF9160-SICA',
      revision: 'mfw_nrf9160_1.3.5',
    },
    quirks: { sessionIds: 'nordic', vendorCommands: ['+ICCID'], lineEnd: 'crlf' },
  },
  'wavecom-manual': {
    identity: { manufacturer: 'WAVECOM MODEM', model: 'MULTIBAND 900E 1800', revision: '641b09gg.Q2403A' },
    quirks: {
      p3Exact: true,
      getResponse: 'modem',
      missing: ['+CCHO', '+CGLA', '+CCHC'],
      vendorCommands: ['+CCID'],
    },
  },
} as const satisfies Readonly<Record<string, Personality>>;
