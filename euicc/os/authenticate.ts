// AUTHENTICATE and GET CHALLENGE (3GPP TS 31.102, 7.1; ETSI TS 102 221, 11.1.16).
import { concat } from '../../base/bytes.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import type { NaaContent } from '../profile-content.ts';
import { type Card, type Channel, type Instruction, INTERINDUSTRY } from './card.ts';
import { ok, refuse, type Reply, status } from './reply.ts';
import { AID_ISIM, hasService, requireGlobalPin } from './usim.ts';

const GSM_CONTEXT = 0x80;
const UMTS_CONTEXT = 0x81;
const CHALLENGE_OCTETS = 16;
const TAG_SUCCESS = 0xdb;
const TAG_RESYNC = 0xdc;
/** Authentication error: the security context is not supported here. */
const SW_CONTEXT = 0x9864;

/** Services of a USIM (3GPP TS 31.102, 4.2.8). */
const GSM_ACCESS = 27;
const GSM_SECURITY_CONTEXT = 38;

/** The application selected on the channel, where it authenticates and its PIN is satisfied. */
function naaOf(card: Card, channel: Channel): NaaContent & { readonly aka: number } {
  const naa = card.profile.content.naas.find(({ aid }) => aid === channel.adf?.content.aid);
  if (naa?.aka === undefined || channel.adf === undefined) refuse(SW.conditionsOfUse);
  requireGlobalPin(card, channel.adf);
  return { ...naa, aka: naa.aka };
}

function authenticate(card: Card, channel: Channel, { p1, p2, data }: CommandApdu): Reply {
  if (p1 !== 0 || (p2 !== GSM_CONTEXT && p2 !== UMTS_CONTEXT)) refuse(SW.incorrectP1P2);
  const { aid, aka, type } = naaOf(card, channel);
  const isIsim = type === 'isim' || aid.startsWith(AID_ISIM);
  const [rand, autn, ...more] = fields(data);
  if (rand?.length !== CHALLENGE_OCTETS || more.length > 0) refuse(SW.wrongLength);
  if (p2 === GSM_CONTEXT) {
    if (isIsim) refuse(SW.incorrectP1P2);
    if (hasService(card, channel.adf, GSM_SECURITY_CONTEXT) === false) refuse(SW_CONTEXT);
    if (autn !== undefined) refuse(SW.wrongLength);
    const keys = card.profile.aka.gsm(aka, rand);
    if (keys === undefined) refuse(SW_CONTEXT);
    return ok(concat(withLength(keys.sres), withLength(keys.kc)));
  }
  if (autn?.length !== CHALLENGE_OCTETS) refuse(SW.wrongLength);
  const outcome = card.profile.aka.authenticate(aka, rand, autn);
  switch (outcome.is) {
    case 'ok': {
      const { res, ck, ik, kc } = outcome;
      const withKc = !isIsim && hasService(card, channel.adf, GSM_ACCESS) === true;
      const values = withKc ? [res, ck, ik, kc] : [res, ck, ik];
      return ok(concat(Uint8Array.of(TAG_SUCCESS), ...values.map(withLength)));
    }
    case 'resync':
      return ok(concat(Uint8Array.of(TAG_RESYNC), withLength(outcome.auts)));
    case 'macFailure':
      return status(SW.macError);
    case 'unavailable':
      return refuse(SW_CONTEXT);
  }
}

/** Fields each behind an octet with its length. */
function fields(data: Uint8Array): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  for (let at = 0; at < data.length; ) {
    const end = at + 1 + (data[at] ?? 0);
    if (end > data.length) refuse(SW.wrongLength);
    found.push(data.subarray(at + 1, end));
    at = end;
  }
  return found;
}

function withLength(bytes: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(bytes.length), bytes);
}

function getChallenge(card: Card, _channel: Channel, { p1, p2, data, le }: CommandApdu): Reply {
  if (p1 !== 0 || p2 !== 0) refuse(SW.incorrectP1P2);
  if (data.length > 0) refuse(SW.wrongLength);
  return ok(card.random.bytes(le === undefined || le === 256 ? 8 : le));
}

export const AUTHENTICATION_INSTRUCTIONS: readonly Instruction[] = [
  { ins: 0x88, classes: INTERINDUSTRY, run: authenticate },
  { ins: 0x84, classes: INTERINDUSTRY, run: getChallenge },
];
