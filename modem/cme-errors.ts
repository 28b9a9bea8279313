// Mobile termination errors (3GPP TS 27.007, 9.2) with their two forms: number and verbose text.

/** `<err>` values and their texts. */
export const CME_ERRORS: Readonly<Record<number, string>> = {
  0: 'phone failure',
  1: 'no connection to phone',
  2: 'phone-adaptor link reserved',
  3: 'operation not allowed',
  4: 'operation not supported',
  5: 'PH-SIM PIN required',
  6: 'PH-FSIM PIN required',
  7: 'PH-FSIM PUK required',
  10: 'SIM not inserted',
  11: 'SIM PIN required',
  12: 'SIM PUK required',
  13: 'SIM failure',
  14: 'SIM busy',
  15: 'SIM wrong',
  16: 'incorrect password',
  17: 'SIM PIN2 required',
  18: 'SIM PUK2 required',
  20: 'memory full',
  21: 'invalid index',
  22: 'not found',
  23: 'memory failure',
  24: 'text string too long',
  25: 'invalid characters in text string',
  26: 'dial string too long',
  27: 'invalid characters in dial string',
  30: 'no network service',
  31: 'network timeout',
  32: 'network not allowed - emergency calls only',
  40: 'network personalization PIN required',
  41: 'network personalization PUK required',
  42: 'network subset personalization PIN required',
  43: 'network subset personalization PUK required',
  44: 'service provider personalization PIN required',
  45: 'service provider personalization PUK required',
  46: 'corporate personalization PIN required',
  47: 'corporate personalization PUK required',
  48: 'hidden key required',
  49: 'EAP method not supported',
  50: 'Incorrect parameters',
  51: 'command implemented but currently disabled',
  52: 'command aborted by user',
  53: 'not attached to network due to MT functionality restrictions',
  54: 'modem not allowed - MT restricted to emergency calls only',
  55: 'operation not allowed because of MT functionality restrictions',
  56: 'fixed dial number only allowed - called number is not a fixed dial number',
  57: 'temporarily out of service due to other MT usage',
  58: 'language/alphabet not supported',
  59: 'unexpected data value',
  60: 'system failure',
  61: 'data missing',
  62: 'call barred',
  63: 'message waiting indication subscription failure',
  100: 'unknown',
  103: 'illegal MS',
  106: 'illegal ME',
  107: 'GPRS services not allowed',
  111: 'PLMN not allowed',
  112: 'location area not allowed',
  113: 'roaming not allowed in this location area',
  132: 'service option not supported',
  133: 'requested service option not subscribed',
  134: 'service option temporarily out of order',
  148: 'unspecified GPRS error',
  149: 'PDP authentication failure',
  150: 'invalid mobile class',
};

/** Names for the codes that programs decide on. */
export const CME = {
  notAllowed: 3,
  notSupported: 4,
  simNotInserted: 10,
  simPinRequired: 11,
  simPukRequired: 12,
  simFailure: 13,
  simBusy: 14,
  simWrong: 15,
  incorrectPassword: 16,
  memoryFull: 20,
  invalidIndex: 21,
  notFound: 22,
  noNetwork: 30,
  networkTimeout: 31,
  incorrectParameters: 50,
  unknown: 100,
} as const;

const BY_TEXT = new Map(Object.entries(CME_ERRORS).map(([code, text]) => [plain(text), Number(code)]));

/** Texts that modems send for codes of the table above, seen in reports and manuals. */
const ALSO: Readonly<Record<string, number>> = {
  parameterserror: 50,
  invalidparameter: 50,
  incorrectparameters: 50,
  simnotinserted: 10,
  simbusy: 14,
  simfailure: 13,
  operationnotallowed: 3,
  operationnotsupported: 4,
  unknownerror: 100,
};

/** The code that `<err>` stands for, a number or verbose text in any case and spacing; undefined when unknown. */
export function parseCmeError(err: string): number | undefined {
  const text = err.trim().replace(/^"|"$/g, '');
  if (/^\d{1,5}$/.test(text)) return Number(text);
  return BY_TEXT.get(plain(text)) ?? ALSO[plain(text)];
}

function plain(text: string): string {
  return text.toLowerCase().replace(/[^a-z0-9]/g, '');
}

/** What an error says about the card, the network or the time, and nothing about the command that got it. */
export function isPassing(code: number | undefined): boolean {
  return code !== undefined && ((code >= 5 && code <= 18) || (code >= 30 && code <= 32));
}
