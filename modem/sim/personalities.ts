// Whole modems for the simulator: what they call themselves, and the quirks that were reported of them.
import type { SimIdentity } from './commands.ts';
import type { SimQuirks } from './quirks.ts';

export type Personality = {
  readonly identity: SimIdentity;
  readonly quirks: Partial<SimQuirks>;
  /** Where its deviations come from. */
  readonly seen: string;
};

/** Names as on the command line. What is not listed is as in the standards. */
export const PERSONALITIES = {
  generic: {
    identity: { manufacturer: 'euicc-agent', model: 'Simulated modem', revision: 'SIM-1.0' },
    quirks: {},
    seen: '3GPP TS 27.007, 27.005; ITU-T V.250',
  },
  'quectel-ec25': {
    identity: { manufacturer: 'Quectel', model: 'EC25', revision: 'EC25EFAR06A06M4G' },
    quirks: {
      vendorCommands: ['+QCCID', '+QCSQ'],
      cglaLastBlock: 2,
      bootLine: 'RDY',
      answerDelay: 20,
      attachNeedsRestart: true,
    },
    seen: 'lpac#186, #173; MengMengCode/VoCat#110',
  },
  'quectel-eg25': {
    identity: { manufacturer: 'Quectel', model: 'EG25', revision: 'EG25GGBR07A08M2G' },
    quirks: {
      vendorCommands: ['+QCCID', '+QCSQ'],
      csimChannels: 'apdus-fail',
      refreshDropsPort: 4_000,
      bootLine: 'RDY',
      answerDelay: 20,
    },
    seen: 'lpac#164; commaai/agnos-builder#556',
  },
  'quectel-bg95': {
    identity: { manufacturer: 'Quectel', model: 'BG95-M3', revision: 'BG95M3LAR02A04' },
    quirks: {
      vendorCommands: ['+QCCID', '+QCSQ'],
      bootLine: 'APP RDY',
      answerDelay: 50,
      missing: ['+CCHO', '+CGLA', '+CCHC'],
    },
    seen: 'as its sibling BG96; no reports of its own',
  },
  'quectel-bg96': {
    identity: { manufacturer: 'Quectel', model: 'BG96', revision: 'BG96MAR02A07M1G' },
    quirks: {
      vendorCommands: ['+QCCID', '+QCSQ'],
      bootLine: 'APP RDY',
      answerDelay: 50,
      missing: ['+CCHO', '+CGLA', '+CCHC'],
    },
    seen: 'fasferraz/USIM-https-server#1 (+CSIM works)',
  },
  'quectel-eg95': {
    identity: { manufacturer: 'Quectel', model: 'EG95', revision: 'EG95EFBR06A08M4G' },
    quirks: { vendorCommands: ['+QCCID', '+QCSQ'], csimSelect: 'cme-0', bootLine: 'RDY', answerDelay: 20 },
    seen: 'atsign-foundation/at_libraries#395',
  },
  'quectel-em061k': {
    identity: { manufacturer: 'Quectel', model: 'EM061K-GL', revision: 'EM061KGLAAR01A03M4G' },
    quirks: { vendorCommands: ['+QCCID', '+QCSQ'], isdrNeedsProfile: true, testForm: 'error' },
    seen: 'lpac#242, #300 (EM05-G)',
  },
  'quectel-ec800g': {
    identity: { manufacturer: 'Quectel', model: 'EC800G-CN', revision: 'EC800GCNGAR01A02M04' },
    quirks: { vendorCommands: ['+QCCID', '+QCSQ'], endless61: true, bootLine: 'RDY' },
    seen: 'forums.quectel.com/t/44916',
  },
  'quectel-eg916q': {
    identity: { manufacturer: 'Quectel', model: 'EG916Q-GL', revision: 'EG916QGLLGR01A05M08' },
    quirks: {
      vendorCommands: ['+QCCID', '+QCSQ'],
      crsm: 'cme-3',
      proactive: 'ignored',
      radioOffDropsPort: 3_000,
      bootLine: 'RDY',
    },
    seen: 'openpilot#37779; forums.quectel.com/t/34559',
  },
  'eigencomm-ec718': {
    identity: { manufacturer: 'EigenComm', model: 'EC718P', revision: 'EC718_SW_V1.0' },
    quirks: { simSleep: true },
    seen: 'lpac#397',
  },
  'simcom-sim7600': {
    identity: {
      manufacturer: 'SIMCOM INCORPORATED',
      model: 'SIMCOM_SIM7600G-H',
      revision: 'LE20B04SIM7600G22',
    },
    quirks: {
      vendorCommands: ['+ICCID'],
      proactive: 'ignored',
      cardChange: 'ignored',
      answerForm: 'tight',
      bootLine: 'RDY',
    },
    seen: 'lpac#236, #238 (A7908E)',
  },
  'ublox-sara-r4': {
    identity: { manufacturer: 'u-blox', model: 'SARA-R410M-02B', revision: 'L0.0.00.00.05.08' },
    quirks: { vendorCommands: ['+CCID'], lineEnd: 'cr', errorText: 'vendor', answerDelay: 60 },
    seen: 'particle-iot/device-os#1824, #2573',
  },
  'telit-le910': {
    identity: { manufacturer: 'Telit', model: 'LE910C4-EU', revision: '25.20.664' },
    quirks: {
      vendorCommands: ['+CCID'],
      csimLock: true,
      answerForm: 'trailing-quote',
      missing: ['+CCHO', '+CGLA', '+CCHC'],
    },
    seen: 'ModemManager plugins/telit',
  },
  'sierra-mc7455': {
    identity: {
      manufacturer: 'Sierra Wireless, Incorporated',
      model: 'MC7455',
      revision: 'SWI9X30C_02.38.00.00',
    },
    quirks: { sessionIds: 'handles', testForm: 'error', maxSessions: 3 },
    seen: 'lpac#138, #139; libqmi merge request 376',
  },
  'sierra-em9191': {
    identity: {
      manufacturer: 'Sierra Wireless, Incorporated',
      model: 'EM9191',
      revision: 'SWIX55C_03.09.11.00',
    },
    quirks: { missing: ['+CCHC'], maxSessions: 3 },
    seen: 'lpac#187',
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
    seen: 'lpac#209, #442, #445; fildunsky/luci-app-5gmodem',
  },
  'dell-dw5821e': {
    identity: {
      manufacturer: 'DELL',
      model: 'DW5821e-eSIM Snapdragon X20 LTE',
      revision: 'T77W968.F1.1.1.2',
    },
    quirks: { missing: ['+CCHO', '+CGLA', '+CCHC'], cardStopsData: true },
    seen: 'lpac#164, #184',
  },
  'nordic-nrf9160': {
    identity: {
      manufacturer: 'Nordic Semiconductor ASA',
      model: 'nRF9160-SICA',
      revision: 'mfw_nrf9160_1.3.5',
    },
    quirks: { sessionIds: 'nordic', vendorCommands: ['+ICCID'], lineEnd: 'crlf' },
    seen: 'Nordic nRF9160 AT reference',
  },
  'wavecom-manual': {
    identity: { manufacturer: 'WAVECOM MODEM', model: 'MULTIBAND 900E 1800', revision: '641b09gg.Q2403A' },
    quirks: {
      p3Exact: true,
      getResponse: 'modem',
      missing: ['+CCHO', '+CGLA', '+CCHC'],
      vendorCommands: ['+CCID'],
    },
    seen: 'Moxa OnCell G2150I manual, p. 3-9',
  },
} as const satisfies Readonly<Record<string, Personality>>;
