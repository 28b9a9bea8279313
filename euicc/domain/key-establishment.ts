// ES5.EstablishISDRKeySet and ES8.EstablishISDPKeySet: keys that a security domain agrees on with who shows a certificate of a CI, by the
// key of the ECASD (SGP.02 4.1.1.8 and 4.1.3.1, scenario #3).
import { concat, EMPTY, equalBytes } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { needDataGroupings, readDataGroupings } from '../../codec/data-groupings.ts';
import { decodeGpCertificate, decodeGpPoint, type GpCertificate } from '../../codec/gp-certificate.ts';
import {
  type AgreedKeyset,
  AGREEMENT,
  decodeAgreedKeyset,
  signedAgreement,
  TAG_RANDOM,
  TAG_RECEIPT,
} from '../../codec/key-agreement.ts';
import { KEY_TYPE_AES } from '../../codec/put-key.ts';
import type { CurveName, Ec } from '../../crypto/ec.ts';
import { agreeOnKeys } from '../../crypto/key-agreement.ts';
import type { Certificate } from '../../crypto/x509.ts';
import { ok, refuse, type Reply } from '../os/reply.ts';
import { wholeModules } from '../security-modules.ts';
import type { State } from '../state.ts';
import { type DomainKeys, isVersionOf, KEY } from './keys.ts';

/** Verification of the certificate failed. */
const SW_CERTIFICATE = 0x6640;
const CHALLENGE_OCTETS = 16;
const MOST_COLLECTED = 1024;
const P1_LAST = 0x80;
const KEY_OCTETS: readonly number[] = [16, 24, 32];
const MAX_KEYSETS = 8;
const MAX_SEQUENCE = 0xffffff;

/** Whose keys are established, and by whom. */
export type AgreementTarget = {
  readonly keys: DomainKeys;
  /** That the certificate must give, as in `GP_ROLE`. */
  readonly role: number;
  /** Protocols whose versions the keys may have. */
  readonly protocols: readonly ('scp03' | 'scp80')[];
  /** Provider identification number and image number. */
  readonly sin: Uint8Array;
  readonly sdin: Uint8Array;
};

export type KeyEstablishment = {
  /** STORE DATA of data groupings; the block numbered 0 begins anew, for this target. */
  store(command: Pick<CommandApdu, 'p1' | 'p2' | 'data'>, target: AgreementTarget): Reply;
};

type Awaited =
  | { readonly is: 'certificate' }
  | { readonly is: 'keys'; readonly certificate: GpCertificate; readonly challenge: Uint8Array };

type Running = {
  readonly target: AgreementTarget;
  readonly blocks: number;
  readonly collected: Uint8Array;
  readonly awaited: Awaited;
};

/** One for the card: answers travel through the SM-SR between two scripts. Whatever is refused ends it; a challenge is good once. */
export function createKeyEstablishment(host: {
  readonly state: State;
  readonly ec: Ec;
  readonly random: Random;
  readonly trustedCis: readonly Certificate[];
}): KeyEstablishment {
  let running: Running | undefined;

  const begin = (certificate: Uint8Array, target: AgreementTarget): Awaited & { is: 'keys' } => {
    const shown = readOr(() => decodeGpCertificate(certificate));
    if (shown.role !== target.role || !isFromCi(host, shown)) refuse(SW_CERTIFICATE);
    const challenge = host.random.bytes(CHALLENGE_OCTETS);
    return { is: 'keys', certificate: { ...shown, publicKey: Uint8Array.from(shown.publicKey) }, challenge };
  };

  return {
    store({ p1, p2, data }, target) {
      const before = p2 === 0 ? start(target) : running;
      running = undefined;
      if (before === undefined || before.blocks !== p2) return refuse(SW.incorrectP1P2);
      const collected = concat(before.collected, data);
      if (collected.length > MOST_COLLECTED) return refuse(SW.notEnoughMemory);
      const isLast = (p1 & P1_LAST) !== 0;
      const next = { ...before, blocks: p2 + 1 };
      const groupings = readDataGroupings(collected);
      const isWhole = groupings !== undefined && groupings.length >= (before.awaited.is === 'keys' ? 3 : 1);
      if (!isWhole) {
        if (isLast) return refuse(SW.wrongData);
        running = { ...next, collected };
        return ok();
      }
      if (before.awaited.is === 'certificate') {
        const [certificate = EMPTY] = readOr(() => needDataGroupings(groupings, [AGREEMENT.certificate]));
        const awaited = begin(certificate, before.target);
        if (isLast) return refuse(SW.wrongData);
        running = { ...next, collected: EMPTY, awaited };
        return ok(encodeTlv(TAG_RANDOM, awaited.challenge));
      }
      if (!isLast) return refuse(SW.wrongData);
      const parts = readOr(() =>
        needDataGroupings(groupings, [AGREEMENT.keys, AGREEMENT.publicKey, AGREEMENT.signature]),
      );
      return establish(host, before.target, before.awaited, parts);
    },
  };
}

function start(target: AgreementTarget): Running {
  return { target, blocks: 0, collected: EMPTY, awaited: { is: 'certificate' } };
}

function isFromCi(
  { ec, trustedCis }: { readonly ec: Ec; readonly trustedCis: readonly Certificate[] },
  { caKeyIdentifier, signature, signed }: GpCertificate,
): boolean {
  return trustedCis
    .filter(
      ({ subjectKeyIdentifier }) =>
        caKeyIdentifier === undefined ||
        (subjectKeyIdentifier !== undefined && equalBytes(subjectKeyIdentifier, caKeyIdentifier)),
    )
    .some((ci) => ec.verify(ci.curve, ci.publicKey, signed, signature));
}

function establish(
  { ec, random, state }: { readonly ec: Ec; readonly random: Random; readonly state: State },
  target: AgreementTarget,
  { certificate, challenge }: Extract<Awaited, { is: 'keys' }>,
  [control = EMPTY, ephemeral = EMPTY, signature = EMPTY]: readonly Uint8Array[],
): Reply {
  const signed = signedAgreement(control, ephemeral, challenge);
  if (!ec.verify(certificate.curve, certificate.publicKey, signed, signature)) refuse(SW.securityStatus);
  const keyset = readOr(() => decodeAgreedKeyset(control));
  checkKeyset(target, keyset);
  const peer = readOr(() => decodeGpPoint(ephemeral, certificate.curve));
  const sharedSecret = readOr(() => ecasdSecret(ec, state, peer));
  const derivationRandom = keyset.derivationRandom ? random.bytes(CHALLENGE_OCTETS) : undefined;
  const agreed = agreeOnKeys({
    sharedSecret,
    keyset,
    control,
    sin: target.sin,
    ...(derivationRandom === undefined ? {} : { derivationRandom }),
  });
  const { dek, enc, mac } = agreed.keys;
  const key = (identifier: number, data: Secret<Uint8Array>) => ({
    identifier,
    components: [{ type: KEY_TYPE_AES, data }],
  });
  target.keys.put(keyset.version, [key(KEY.enc, enc), key(KEY.mac, mac), key(KEY.dek, dek)], {
    from: keyset.counter,
  });
  return ok(
    concat(
      derivationRandom === undefined ? EMPTY : encodeTlv(TAG_RANDOM, derivationRandom),
      encodeTlv(TAG_RECEIPT, agreed.receipt),
    ),
  );
}

function checkKeyset({ keys, protocols, sdin }: AgreementTarget, keyset: AgreedKeyset): void {
  const { counter, identities, keyOctets, replaces, version } = keyset;
  const protocol = protocols.find((each) => isVersionOf(each, version));
  if (protocol === undefined || !KEY_OCTETS.includes(keyOctets)) refuse(SW.wrongData);
  if (protocol === 'scp03' && counter > MAX_SEQUENCE) refuse(SW.wrongData);
  if (identities !== undefined && !equalBytes(identities.sdin, sdin)) refuse(SW.wrongData);
  const isThere = keys.of(version).length > 0;
  if (isThere && !replaces) refuse(SW.conditionsOfUse);
  if (!isThere && keys.versions().length >= MAX_KEYSETS) refuse(SW.notEnoughMemory);
}

/** What the key of the ECASD on the peer's curve and the peer's key give. A module of one SM-DP alone serves nobody here. */
function ecasdSecret(
  ec: Ec,
  state: State,
  { curve, publicKey }: { readonly curve: CurveName; readonly publicKey: Uint8Array },
): Secret<Uint8Array> {
  const held = wholeModules(state).find((each) => each.curve === curve && each.registeredId === '');
  if (held === undefined) return refuse(SW.referencedDataNotFound);
  return ec.sharedSecret(curve, new Secret(held.privateKey), publicKey);
}

function readOr<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isAgentError(error)) return refuse(SW.wrongData);
    throw error;
  }
}
