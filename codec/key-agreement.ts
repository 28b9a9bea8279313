// Scenario #3: what an SM-DP or SM-SR and a security domain tell each other to agree on a keyset (GlobalPlatform Amendment A 3.5 and E;
// SGP.02 4.1.1.8 and 4.1.3.1).
import { bytesUint, concat, EMPTY } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { encodeTlv, findTlv, needTlv, readOnly, readTlvs, type Tlv } from './ber-tlv.ts';
import { encodeDataGrouping } from './data-groupings.ts';

/** Data groupings: the certificate; what keys are wanted; the ephemeral public key; the signature; the challenge, in what is signed. */
export const AGREEMENT = {
  certificate: 0x3a01,
  keys: 0x3a02,
  publicKey: 0x7f49,
  signature: 0x5f37,
  challenge: 0x0085,
} as const;
/** Of the answers: the random challenge or the derivation random; the receipt. */
export const TAG_RANDOM = 0x85;
export const TAG_RECEIPT = 0x86;

const TAG_CONTROL = 0xa6;
const TAG = {
  scenario: 0x90,
  usage: 0x95,
  access: 0x96,
  type: 0x80,
  length: 0x81,
  identifier: 0x82,
  version: 0x83,
  counter: 0x91,
  sdin: 0x45,
  hostId: 0x84,
} as const;
const SCENARIO_3 = 0x03;
/** Parameter of the scenario. */
const PARAMETER = {
  replaces: 0x01,
  derivationRandom: 0x02,
  identities: 0x04,
  certificateFirst: 0x08,
} as const;
const KNOWN_PARAMETER =
  PARAMETER.replaces | PARAMETER.derivationRandom | PARAMETER.identities | PARAMETER.certificateFirst;
/** Three keys of a secure channel. */
const USAGE_THREE_KEYS = 0x10;
const KEY_TYPE_AES = 0x88;
const FIRST_KEY = 0x01;
const COUNTER_OCTETS: readonly number[] = [0, 2, 3, 5, 8];

/** Which keyset is wanted. */
export type AgreedKeyset = {
  readonly version: number;
  /** Octets of each AES key: 16, 24 or 32. */
  readonly keyOctets: number;
  /** Takes the place of the keyset of this version. */
  readonly replaces: boolean;
  /** The security domain is to mix in randomness of its own. */
  readonly derivationRandom: boolean;
  /** What counts under the keyset begins here. */
  readonly counter: number;
  /** Both sides' identities are mixed in: the host's own, and the image number of the security domain. */
  readonly identities?: { readonly hostId: Uint8Array; readonly sdin: Uint8Array };
};

/** The control reference template (A6). */
export function encodeAgreedKeyset(keyset: AgreedKeyset, counter = EMPTY): Uint8Array {
  const { derivationRandom, identities, keyOctets, replaces, version } = keyset;
  const parameter =
    PARAMETER.certificateFirst |
    (replaces ? PARAMETER.replaces : 0) |
    (derivationRandom ? PARAMETER.derivationRandom : 0) |
    (identities === undefined ? 0 : PARAMETER.identities);
  const octet = (tag: number, value: number): Uint8Array => encodeTlv(tag, Uint8Array.of(value));
  return encodeTlv(
    TAG_CONTROL,
    encodeTlv(TAG.scenario, Uint8Array.of(SCENARIO_3, parameter)),
    octet(TAG.usage, USAGE_THREE_KEYS),
    octet(TAG.type, KEY_TYPE_AES),
    octet(TAG.length, keyOctets),
    octet(TAG.identifier, FIRST_KEY),
    octet(TAG.version, version),
    encodeTlv(TAG.counter, counter),
    ...(identities === undefined
      ? []
      : [encodeTlv(TAG.sdin, identities.sdin), encodeTlv(TAG.hostId, identities.hostId)]),
  );
}

/** Throws `TLV_VALUE` for what is not three AES keys by scenario #3, `TLV_MISSING`, and what BER-TLV throws. */
export function decodeAgreedKeyset(control: Uint8Array): AgreedKeyset {
  const objects = readTlvs(readOnly(control, TAG_CONTROL).value);
  const octet = (tag: number, field: string): number => {
    const { value } = needTlv(objects, tag);
    return value.length === 1 ? (value[0] ?? 0) : wrong(field);
  };
  const expect = (tag: number, field: string, expected: number): void => {
    if (octet(tag, field) !== expected) wrong(field);
  };
  const scenario = needTlv(objects, TAG.scenario).value;
  const parameter = scenario[1] ?? wrong('scenario');
  if (scenario.length !== 2 || scenario[0] !== SCENARIO_3 || (parameter & ~KNOWN_PARAMETER) !== 0) {
    wrong('scenario');
  }
  if ((parameter & PARAMETER.certificateFirst) === 0) wrong('scenario');
  expect(TAG.usage, 'key usage', USAGE_THREE_KEYS);
  expect(TAG.type, 'key type', KEY_TYPE_AES);
  expect(TAG.identifier, 'key identifier', FIRST_KEY);
  const counter = findTlv(objects, TAG.counter)?.value ?? EMPTY;
  if (!COUNTER_OCTETS.includes(counter.length)) wrong('counter');
  return {
    version: octet(TAG.version, 'key version'),
    keyOctets: octet(TAG.length, 'key length'),
    replaces: (parameter & PARAMETER.replaces) !== 0,
    derivationRandom: (parameter & PARAMETER.derivationRandom) !== 0,
    counter: bytesUint(counter.slice(-6)),
    ...identitiesIn(objects, (parameter & PARAMETER.identities) !== 0),
  };
}

function identitiesIn(objects: readonly Tlv[], wanted: boolean): Pick<AgreedKeyset, 'identities'> {
  const [sdin, hostId] = [findTlv(objects, TAG.sdin)?.value, findTlv(objects, TAG.hostId)?.value];
  if (!wanted) return sdin === undefined && hostId === undefined ? {} : wrong('identities');
  return sdin === undefined || hostId === undefined ? wrong('identities') : { identities: { sdin, hostId } };
}

/** What the host signs with the key of its certificate. */
export function signedAgreement(
  control: Uint8Array,
  ephemeralKey: Uint8Array,
  challenge: Uint8Array,
): Uint8Array {
  return concat(
    encodeDataGrouping(AGREEMENT.keys, control),
    encodeDataGrouping(AGREEMENT.publicKey, ephemeralKey),
    encodeDataGrouping(AGREEMENT.challenge, challenge),
  );
}

function wrong(field: string): never {
  throw new AgentError('TLV_VALUE', { field, why: 'not for three AES keys by scenario #3' });
}
