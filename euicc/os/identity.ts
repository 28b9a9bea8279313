// GET IDENTITY: the USIM conceals its subscriber's identity for the home network (3GPP TS 31.102, 7.5; TS 24.501, 9.11.3.4).
import { concat, EMPTY, fromHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { encodeTlv, findTlv, readTlv, type Tlv } from '../../codec/ber-tlv.ts';
import { AID_USIM, decodeImsi, encodePlmn, type Imsi, swapNibbles } from '../../codec/ids.ts';
import { conceal, ephemeralKey, type SuciProfile } from '../../crypto/suci.ts';
import type { FolderPlace } from '../file-system.ts';
import { type Card, type Channel, type Instruction, PROPRIETARY } from './card.ts';
import { ok, refuse, type Reply } from './reply.ts';
import { contentAt, hasService, requireGlobalPin } from './usim.ts';

const SUCI_CONTEXT = 0x01;
const TAG_SUCI = 0xa1;
/** Subscription identifier privacy, and that the USIM itself computes the SUCI. */
const SERVICES = [124, 125];

const FID_IMSI = 0x6f07;
const FID_AD = 0x6fad;
const DF_5GS = 0x5fc0;
const FID_SUCI_CALC_INFO = 0x4f07;
const FID_ROUTING_INDICATOR = 0x4f0a;
/** Where a profile package keeps what the terminal is not to see (TCA interoperable format, annex D). */
const DF_SAIP = 0x5fd0;
const FID_SUCI_CALC_INFO_USIM = 0x4f01;

const TAG_SCHEMES = 0xa0;
const TAG_KEYS = 0xa1;
const TAG_KEY_IDENTIFIER = 0x80;
const TAG_KEY = 0x81;
const PADDING = 0xff;
const PROFILES: ReadonlyMap<number, SuciProfile> = new Map([
  [1, 'A'],
  [2, 'B'],
]);
/** Type of identity SUCI, of a SUPI that is an IMSI. */
const IMSI_SUCI = 0x01;
/** Routing indicator 0 in four digits, the others left out. */
const NO_ROUTING_INDICATOR = fromHex('F0FF');
const NULL_SCHEME: Scheme = { number: 0, keyIdentifier: 0 };

type Scheme = {
  readonly number: number;
  readonly keyIdentifier: number;
  readonly conceals?: { readonly profile: SuciProfile; readonly key: Uint8Array };
};

/** The data objects up to the padding, or to what is none. */
function objectsIn(bytes: Uint8Array): readonly Tlv[] {
  const objects: Tlv[] = [];
  try {
    for (let at = 0; at < bytes.length && bytes[at] !== PADDING; ) {
      const object = readTlv(bytes, at);
      objects.push(object);
      at += object.raw.length;
    }
  } catch (error) {
    if (!isAgentError(error)) throw error;
  }
  return objects;
}

/** The first scheme of the list that the card can use with the key that is named beside it; else none conceals anything. */
function schemeIn(calcInfo: Uint8Array): Scheme {
  const objects = objectsIn(calcInfo);
  const schemes = findTlv(objects, TAG_SCHEMES)?.value ?? EMPTY;
  const listed = objectsIn(findTlv(objects, TAG_KEYS)?.value ?? EMPTY);
  const identifiers = listed.filter(({ tag }) => tag === TAG_KEY_IDENTIFIER);
  const values = listed.filter(({ tag }) => tag === TAG_KEY);
  for (let at = 0; at + 1 < schemes.length; at += 2) {
    const [number = 0, index = 0] = schemes.subarray(at, at + 2);
    if (number === 0) return NULL_SCHEME;
    const profile = PROFILES.get(number);
    const key = values[index - 1]?.value;
    if (profile === undefined || key === undefined) continue;
    return { number, keyIdentifier: identifiers[index - 1]?.value[0] ?? 0, conceals: { profile, key } };
  }
  return NULL_SCHEME;
}

/** MCC and MNC, and the digits behind them. */
function split(card: Card, adf: FolderPlace, imsi: Imsi): readonly [mccMnc: string, msin: string] {
  const length = 3 + (contentAt(card, adf, FID_AD)?.[3] === 3 ? 3 : 2);
  return [imsi.slice(0, length), imsi.slice(length)];
}

function getIdentity(card: Card, channel: Channel, { p1, p2, data }: CommandApdu): Reply {
  if (p1 !== 0 || p2 !== SUCI_CONTEXT) refuse(SW.incorrectP1P2);
  if (data.length > 0) refuse(SW.wrongLength);
  const { adf } = channel;
  if (adf?.content.aid?.startsWith(AID_USIM) !== true) refuse(SW.conditionsOfUse);
  if (!SERVICES.every((service) => hasService(card, adf, service) === true)) refuse(SW.conditionsOfUse);
  requireGlobalPin(card, adf);
  const imsi = contentAt(card, adf, FID_IMSI);
  if (imsi === undefined) refuse(SW.conditionsOfUse);
  const [mccMnc, msin] = split(
    card,
    adf,
    orRefuse(() => decodeImsi(imsi)),
  );
  const plain = swapNibbles(fromHex(msin.padEnd(msin.length + (msin.length % 2), 'F')));
  const calcInfo =
    contentAt(card, adf, DF_SAIP, FID_SUCI_CALC_INFO_USIM) ??
    contentAt(card, adf, DF_5GS, FID_SUCI_CALC_INFO) ??
    EMPTY;
  const { number, keyIdentifier, conceals } = schemeIn(calcInfo);
  const routing = contentAt(card, adf, DF_5GS, FID_ROUTING_INDICATOR)?.subarray(0, 2);
  const output =
    conceals === undefined
      ? plain
      : orRefuse(() => {
          const { profile, key } = conceals;
          return conceal(profile, key, ephemeralKey(profile, card.random), plain);
        });
  const suci = concat(
    Uint8Array.of(IMSI_SUCI),
    encodePlmn(mccMnc),
    routing?.length === 2 && routing[0] !== 0xff ? routing : NO_ROUTING_INDICATOR,
    Uint8Array.of(number, keyIdentifier),
    output,
  );
  return ok(encodeTlv(TAG_SUCI, suci));
}

/** Refuses where a file of the profile holds what it may not. */
function orRefuse<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isAgentError(error)) refuse(SW.conditionsOfUse);
    throw error;
  }
}

export const IDENTITY_INSTRUCTIONS: readonly Instruction[] = [
  { ins: 0x78, classes: PROPRIETARY, run: getIdentity },
];
