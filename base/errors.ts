// The one error class, and the table of its codes. Callers decide on `code` and `retry`, never on wording.

/** What the caller does next: give up, try again at once, later, or after the peer was reset. */
export type Retry = 'never' | 'now' | 'later' | 'after-reset';

type Row = { readonly retry: Retry; readonly text: string };

/** Every code with its advice and its sentence. docs/errors.md is generated from this table. */
export const ERRORS = {
  // base
  HEX_INVALID: { retry: 'never', text: 'the text is not an even number of hex digits' },
  NUMBER_RANGE: { retry: 'never', text: 'the number does not fit its field' },
  TEXT_INVALID: { retry: 'never', text: 'the octets are not valid UTF-8 text' },
  DEADLINE: { retry: 'later', text: 'no answer came before the deadline' },
  ABORTED: { retry: 'never', text: 'the operation was cancelled' },
  QUEUE_FULL: { retry: 'later', text: 'a bounded queue is full' },
  CLOSED: { retry: 'later', text: 'the resource is closed' },
  FILE_FAILED: { retry: 'later', text: 'a file cannot be read or written' },
  FILE_EXISTS: { retry: 'never', text: 'the file or folder is there already' },
  ADDRESS_FAILED: { retry: 'later', text: 'the network address cannot be used' },
  INTERNAL: { retry: 'never', text: 'a state was reached that the program rules out' },
  // codec
  TLV_INVALID: { retry: 'never', text: 'the octets are not a well-formed TLV structure' },
  TLV_MISSING: { retry: 'never', text: 'a mandatory data object is missing' },
  TLV_VALUE: { retry: 'never', text: 'a data object holds a value that its definition rules out' },
  SMS_INVALID: { retry: 'never', text: 'the octets are not a well-formed short message' },
  APDU_INVALID: { retry: 'never', text: 'the octets are not a well-formed APDU' },
  PACKET_INVALID: { retry: 'never', text: 'the octets are not a well-formed secured packet' },
  ID_INVALID: { retry: 'never', text: 'the identifier is malformed or its check digits are wrong' },
  CBOR_INVALID: { retry: 'never', text: 'the octets are not the CBOR that was expected' },
  MESSAGE_INVALID: { retry: 'never', text: 'the message does not match its schema' },
  SAIP_INVALID: { retry: 'never', text: 'the profile package is not a valid sequence of profile elements' },
  // crypto
  KEY_INVALID: { retry: 'never', text: 'the key or point is not valid for its curve or algorithm' },
  CURVE_UNSUPPORTED: { retry: 'never', text: 'the key is on a curve that is not supported' },
  SIGNATURE_INVALID: { retry: 'never', text: 'the signature does not verify' },
  CERTIFICATE_INVALID: { retry: 'never', text: 'the certificate is malformed' },
  BSP_SECURITY: { retry: 'never', text: 'a protected segment fails its MAC or its padding' },
  SCP03_SECURITY: { retry: 'never', text: 'the secure channel refuses a cryptogram, a MAC or a padding' },
  SCP80_SECURITY: { retry: 'never', text: 'a proof of receipt fails its checksum or is malformed' },
  SEAL_INVALID: {
    retry: 'never',
    text: 'the sealed data is damaged, or was sealed with another key or for another place',
  },
  // modem
  PORT_MISSING: { retry: 'later', text: 'the serial port does not exist' },
  PORT_BUSY: { retry: 'later', text: 'another program holds the serial port' },
  PORT_FAILED: { retry: 'later', text: 'the serial port failed' },
  MODEM_OTHER: { retry: 'later', text: 'another modem answers than the one that was there' },
  LINK_CLOSED: { retry: 'after-reset', text: 'the link to the modem is closed' },
  AT_ERROR: { retry: 'never', text: 'the modem refused the command' },
  AT_TIMEOUT: { retry: 'after-reset', text: 'the modem did not answer in time' },
  AT_ANSWER: { retry: 'after-reset', text: 'the modem answered something that the command does not allow' },
  CARD_ACCESS: { retry: 'after-reset', text: 'the modem offers no way to the card' },
  CARD_STATUS: { retry: 'never', text: 'the card refused the command' },
  CARD_LOCKED: { retry: 'later', text: 'another process works with this card' },
  CARD_LOST: { retry: 'after-reset', text: 'the way to the card broke in the middle of an exchange' },
  TRACE_INVALID: { retry: 'never', text: 'the file is no trace of a modem’s line' },
  TRACE_DIVERGES: { retry: 'never', text: 'the driver does otherwise than the trace that is played to it' },
  PIN_REFUSED: { retry: 'never', text: 'the card refused the PIN; it is not tried a second time' },
  // transport
  BROKER_UNREACHABLE: { retry: 'later', text: 'the broker cannot be reached' },
  BROKER_REFUSED: { retry: 'later', text: 'the broker refused the connection' },
  TLS_UNTRUSTED: { retry: 'never', text: 'the certificate of the broker is not trusted' },
  MANIFEST_INVALID: {
    retry: 'never',
    text: 'the manifest is not signed by a known operator or contradicts itself',
  },
  TRANSFER_MISMATCH: { retry: 'never', text: 'blocks keep arriving that the manifest does not name' },
  TRANSFER_STOPPED: { retry: 'never', text: 'the operator withdrew the transfer' },
  TRANSFER_STORAGE: { retry: 'later', text: 'the file of the transfer cannot be written or read' },
  COMMAND_REFUSED: { retry: 'never', text: 'the command is not signed by an operator this device knows' },
  // config
  CONFIG_INVALID: { retry: 'never', text: 'the configuration is invalid' },
  // agent
  JOURNAL_CORRUPT: { retry: 'never', text: 'the journal is damaged before its last record' },
  STORE_LOCKED: { retry: 'later', text: 'another process uses this state folder or database' },
  STATE_FAILED: { retry: 'later', text: 'the state folder cannot be used' },
  PROFILE_FORBIDDEN: {
    retry: 'never',
    text: 'the eUICC does not allow the policy rules of the profile that is offered',
  },
  CARD_UNEXPECTED: { retry: 'never', text: 'the card in the device is not the one the order was for' },
  BUNDLE_INVALID: { retry: 'never', text: 'the file is no whole offline bundle' },
  BUNDLE_EID: { retry: 'never', text: 'the offline bundle is for another eUICC' },
  BUNDLE_EXPIRED: { retry: 'never', text: 'the offline bundle has expired' },
  BUNDLE_STALE: {
    retry: 'never',
    text: 'the card does not take the offline bundle any more: it was used, or the card was managed since',
  },
  BUNDLE_FAILED: { retry: 'never', text: 'the card did not install the profile of the offline bundle' },
  // card
  STORE_CORRUPT: { retry: 'never', text: 'the state file is damaged or was made with another key' },
  CARD_UNMADE: { retry: 'never', text: 'no card can be made from what is given' },
  // operator
  STORE_FAILED: { retry: 'later', text: 'the database cannot be used' },
  STORE_VERSION: { retry: 'never', text: 'the database was written by a newer version of this program' },
  REFUSED: { retry: 'never', text: 'the operator refuses the request' },
  NOT_FOUND: { retry: 'never', text: 'the record does not exist' },
  CONFLICT: { retry: 'now', text: 'the record changed meanwhile' },
} as const satisfies Record<string, Row>;

export type ErrorCode = keyof typeof ERRORS;

export type ErrorData = Readonly<Record<string, string | number | boolean | undefined>>;

/** An error with a code from the table. `data` says what and where; it must hold no secret. */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  readonly code: ErrorCode;
  readonly data: ErrorData;

  constructor(code: ErrorCode, data: ErrorData = {}, options?: ErrorOptions) {
    super(`${sentence(code, data)} (${code})`, options);
    this.code = code;
    this.data = data;
  }

  get retry(): Retry {
    return ERRORS[this.code].retry;
  }
}

function sentence(code: ErrorCode, data: ErrorData): string {
  const details = Object.entries(data)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => `${key} ${String(value)}`);
  return details.length === 0 ? ERRORS[code].text : `${ERRORS[code].text}: ${details.join(', ')}`;
}

/** Turns whatever was thrown into an Error. */
export function errorOf(thrown: unknown): Error {
  if (thrown instanceof Error) return thrown;
  try {
    return new Error(String(thrown));
  } catch {
    return new Error('something that has no text was thrown');
  }
}

/** Whether `thrown` is an AgentError, of one of `codes` where any are given. */
export function isAgentError(thrown: unknown, ...codes: readonly ErrorCode[]): thrown is AgentError {
  return thrown instanceof AgentError && (codes.length === 0 || codes.includes(thrown.code));
}
