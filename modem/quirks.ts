// What is known of modem families, as data: one row each with its sources. The driver works without; rows save it detours.
import type { CardQuirks } from './card-way.ts';

/** Deviations of a modem from the standards; what is absent is as in the standard. */
export type ModemQuirks = {
  readonly card?: CardQuirks;
  /** Vendor commands that power the card slot off and on, and that reset the modem for good. */
  readonly slotPower?: readonly string[];
  readonly vendorReset?: readonly string[];
  /** Sent once after the common start of the dialogue; what the modem refuses of it is left out. */
  readonly initialise?: readonly string[];
};

export type ModemFamily = {
  readonly family: string;
  /** Matched against manufacturer and model as the modem tells them, joined by a space. The first row counts. */
  readonly match: RegExp;
  readonly quirks: ModemQuirks;
  readonly sources: readonly string[];
};

/** Families in the order in which they are looked for: single models before their makers. */
export const MODEM_FAMILIES: readonly ModemFamily[] = [
  {
    family: 'Quectel EC800G',
    match: /Quectel EC800G/i,
    // Over +CGLA the response of STORE DATA never comes.
    quirks: { card: { way: 'csim' } },
    sources: ['https://forums.quectel.com/t/44916'],
  },
  {
    family: 'Quectel EC20, EC25',
    match: /Quectel EC2[0-5]/i,
    // +CGLA fails now and then on the ninth and last block of a segment; +CSIM did not.
    quirks: { card: { way: 'csim' } },
    sources: [
      'https://github.com/estkme-group/lpac/issues/186',
      'https://github.com/estkme-group/lpac/issues/173',
    ],
  },
  {
    family: 'Quectel EG25',
    match: /Quectel EG25/i,
    // APDUs on channels that +CSIM opened fail.
    quirks: { card: { way: 'cgla' } },
    sources: ['https://github.com/estkme-group/lpac/issues/164'],
  },
  {
    family: 'EigenComm',
    match: /EigenComm|\bEC[67]18|Air780E/i,
    quirks: { initialise: ['AT+ECSIMSLEEP=0'] },
    sources: ['https://github.com/estkme-group/lpac/issues/397'],
  },
  {
    family: 'Dell DW5821e, Alcatel IK41',
    match: /DW5821e|IK41/i,
    quirks: { card: { way: 'csim' } },
    sources: ['https://github.com/estkme-group/lpac/issues/164'],
  },
  {
    family: 'Telit',
    match: /Telit|\b[LM]E910|ME310/i,
    quirks: { card: { lockCsim: true, way: 'csim' }, vendorReset: ['AT#REBOOT'] },
    sources: ['ModemManager, plugins/telit', 'Telit AT commands reference guides'],
  },
  {
    family: 'Sierra Wireless',
    match: /Sierra Wireless/i,
    quirks: { card: { way: 'cgla' }, vendorReset: ['AT!RESET'] },
    sources: [
      'https://github.com/estkme-group/lpac/issues/138',
      'https://github.com/estkme-group/lpac/issues/139',
      'Sierra Wireless AT command references',
    ],
  },
  {
    family: 'SIMCom',
    match: /SIMCOM/i,
    quirks: { vendorReset: ['AT+CRESET'] },
    sources: ['SIMCom AT command manuals'],
  },
  {
    family: 'u-blox SARA-R4',
    match: /u-blox (?:SARA-R4|LEXI-R4)/i,
    quirks: { vendorReset: ['AT+CFUN=16'] },
    sources: ['u-blox UBX-23007449, 1.6.3', 'u-blox UBX-17003787'],
  },
  {
    family: 'Nordic nRF91',
    match: /Nordic/i,
    // Sessions are numbered 11 to 14, 17 and 18.
    quirks: { card: { way: 'cgla', sweepSessions: 18 } },
    sources: ['Nordic nRF9160 AT commands reference, +CCHO'],
  },
];

/** The row of a modem; undefined when nothing is known of it. */
export function findFamily(manufacturer: string, model: string): ModemFamily | undefined {
  const name = `${manufacturer} ${model}`;
  return MODEM_FAMILIES.find(({ match }) => match.test(name));
}

/** `given` on top of `known`: what a configuration says counts more than what a row says. */
export function mergeQuirks(known: ModemQuirks, given: ModemQuirks): ModemQuirks {
  return { ...known, ...given, card: { ...known.card, ...given.card } };
}
