// PINs, PUKs and authentication parameters of a profile package as the card keeps them, with the defaults of the ASN.1 module
// filled in (TCA eUICC Profile Package: Interoperable Format, 8.4 and 8.5).
import { bytesUint, fromHex } from '../base/bytes.ts';
import { Secret } from '../base/log.ts';
import type { AkaParameter, AlgoParameter, PinConfiguration } from '../codec/saip/elements.ts';
import type { ElementValue } from '../codec/saip/package.ts';
import type { AkaContent, CdmaContent, PinContent, PukContent } from './profile-content.ts';
import { refuse } from './profile-tree.ts';

/** High nibble the most attempts, low nibble those left. */
function attempts(octet: number): { readonly maxAttempts: number; readonly attemptsLeft: number } {
  const maxAttempts = octet >> 4;
  const attemptsLeft = octet & 0x0f;
  if (octet > 0xff || attemptsLeft > maxAttempts) refuse('badValues', `retry counter ${octet}`);
  return { maxAttempts, attemptsLeft };
}

const DEFAULT_PIN_ATTEMPTS = 0x33;
const DEFAULT_PUK_ATTEMPTS = 0xaa;
const DEFAULT_PIN_ATTRIBUTES = 7;

function secret(octets: Uint8Array): Secret<Uint8Array> {
  return new Secret(Uint8Array.from(octets));
}

/** PINs of one context; a reference may stand there once. `global` tells the MF's from those of another directory. */
export function pinsOf(list: readonly PinConfiguration[], global: boolean): PinContent[] {
  const pins = list.map((pin): PinContent => {
    const attributes = pin.pinAttributes ?? DEFAULT_PIN_ATTRIBUTES;
    const isLocal = pin.keyReference >= 0x80;
    if (pin.keyReference < 1 || pin.keyReference > 0x8e) {
      refuse('badValues', `PIN reference ${pin.keyReference}`);
    }
    if (isLocal === global) {
      refuse(
        'badValues',
        `PIN reference ${pin.keyReference} belongs ${global ? 'into a DF or ADF' : 'into the MF'}`,
      );
    }
    return {
      keyReference: pin.keyReference,
      value: secret(pin.pinValue),
      ...(pin.unblockingPinReference === undefined ? {} : { unblockedBy: pin.unblockingPinReference }),
      enabled: (attributes & 1) !== 0,
      mayBeChanged: (attributes & 2) !== 0,
      mayBeDisabled: (attributes & 4) !== 0,
      ...attempts(pin.maxNumOfAttempsRetryNumLeft ?? DEFAULT_PIN_ATTEMPTS),
    };
  });
  refuseTwins(pins, 'PIN');
  return pins;
}

export function puksOf(value: ElementValue<'pukCodes'>): PukContent[] {
  const puks = value.pukCodes.map((puk) => ({
    keyReference: puk.keyReference,
    value: secret(puk.pukValue),
    ...attempts(puk.maxNumOfAttempsRetryNumLeft ?? DEFAULT_PUK_ATTEMPTS),
  }));
  refuseTwins(puks, 'PUK');
  return puks;
}

function refuseTwins(list: readonly { readonly keyReference: number }[], what: string): void {
  const seen = new Set<number>();
  for (const { keyReference } of list) {
    if (seen.has(keyReference)) refuse('badValues', `${what} ${keyReference} is given twice`);
    seen.add(keyReference);
  }
}

const ALGORITHMS = new Map<number, AkaContent['algorithm']>([
  [1, 'milenage'],
  [2, 'tuak'],
  [3, 'usim-test'],
]);

/** Whether this card has the algorithm. */
export function isKnownAlgorithm({ algorithmId }: Pick<AlgoParameter, 'algorithmId'>): boolean {
  return ALGORITHMS.has(algorithmId);
}

const DEFAULT_ROTATIONS = fromHex('4000204060');
const DEFAULT_CONSTANTS = fromHex(
  [0, 1, 2, 4, 8].map((last) => last.toString(16).padStart(32, '0')).join(''),
);
const DEFAULT_SQN_OPTIONS = 0x02;
const DEFAULT_SQN_LIMIT = fromHex('000010000000');
const SQN_INDICES = 32;
const HIGHEST_SEQ = 0x07ffffffffff;

/** The parameters of one application; `value` holds algorithm parameters of its own, not a mapping. */
export function akaOf(value: AkaParameter, algo: AlgoParameter): AkaContent {
  const algorithm =
    ALGORITHMS.get(algo.algorithmId) ?? refuse('featureNotSupported', `AKA algorithm ${algo.algorithmId}`);
  const keyLengths = algorithm === 'tuak' ? [16, 32] : [16];
  if (!keyLengths.includes(algo.key.length)) {
    refuse('badValues', `${algorithm} with a key of ${algo.key.length} octets`);
  }
  const opcLength = algorithm === 'tuak' ? 32 : 16;
  if (algorithm !== 'usim-test' && algo.opc.length !== opcLength) {
    refuse('badValues', `${algorithm} with an operator value of ${algo.opc.length} octets`);
  }
  const keccakIterations = algo.numberOfKeccak ?? 1;
  if (keccakIterations < 1 || keccakIterations > 255)
    refuse('badValues', `${keccakIterations} Keccak iterations`);
  const constants = algo.xoringConstants ?? DEFAULT_CONSTANTS;
  const sqn = value.sqnInit ?? [];
  if (value.sqnInit !== undefined && sqn.length !== SQN_INDICES)
    refuse('badValues', `${sqn.length} start values of SQN`);
  return {
    algorithm,
    algorithmOptions: algo.algorithmOptions[0] ?? 0,
    k: secret(algo.key),
    opc: secret(algo.opc),
    rotations: [...(algo.rotationConstants ?? DEFAULT_ROTATIONS)],
    constants: [0, 1, 2, 3, 4].map((i) => constants.slice(16 * i, 16 * i + 16)),
    keccakIterations,
    ...(algo.authCounterMax === undefined ? {} : { authCounterMax: bytesUint(algo.authCounterMax) }),
    sqnOptions: value.sqnOptions?.[0] ?? DEFAULT_SQN_OPTIONS,
    sqnDelta: seq(value.sqnDelta ?? DEFAULT_SQN_LIMIT),
    sqnAgeLimit: seq(value.sqnAgeLimit ?? DEFAULT_SQN_LIMIT),
    sqn: Array.from({ length: SQN_INDICES }, (_, i) => seq(sqn[i] ?? new Uint8Array(6))),
  };
}

function seq(octets: Uint8Array): number {
  const value = bytesUint(octets);
  if (value > HIGHEST_SEQ) refuse('badValues', 'a sequence number above 07FFFFFFFFFF');
  return value;
}

export function cdmaOf(value: ElementValue<'cdmaParameter'>): CdmaContent {
  const { ssd, hrpdAccessAuthenticationData, simpleIpAuthenticationData, mobileIpAuthenticationData } = value;
  return {
    authenticationKey: secret(value.authenticationKey),
    ...(ssd === undefined ? {} : { ssd: secret(ssd) }),
    ...(hrpdAccessAuthenticationData === undefined
      ? {}
      : { hrpdAccessAuthentication: secret(hrpdAccessAuthenticationData) }),
    ...(simpleIpAuthenticationData === undefined
      ? {}
      : { simpleIpAuthentication: secret(simpleIpAuthenticationData) }),
    ...(mobileIpAuthenticationData === undefined
      ? {}
      : { mobileIpAuthentication: secret(mobileIpAuthenticationData) }),
  };
}

/** A test profile authenticates with the test algorithm, or with a key whose entropy is 8 bits (SGP.22 2.4.5). */
export function isTestKey({ algorithm, k }: AkaContent): boolean {
  return (
    algorithm === 'usim-test' ||
    k
      .reveal()
      .subarray(0, -1)
      .every((octet) => octet === 0)
  );
}
