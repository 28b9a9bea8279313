// Reads the certificate profile of the eUICC (seed 33 to 35, 73): one try of the PIN, and never a second one.
import type { Secret } from '../base/log.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { concat, EMPTY } from '../base/bytes.ts';
import { type CommandApdu, encodeCommandApdu, isSuccess, swText } from '../codec/apdu.ts';
import type { Card, CardChannel } from '../codec/card.ts';
import {
  AID_CERTIFICATE_PROFILE,
  CERTIFICATE_PROFILE_PIN,
  CertificateProfile,
  encodeCertificateProfilePin,
  TAG_CERTIFICATE_PROFILE,
} from '../codec/certificate-profile.ts';
import { encodeAid } from '../codec/ids.ts';
import { EuiccInfo2 } from '../codec/rsp/euicc-info.ts';
import { parseCertificate } from '../crypto/x509.ts';

export type CertificateProfileAnswer = {
  /** The object EC as the card gave it. */
  readonly profile: Uint8Array;
  /** The object EE, where a challenge was given. */
  readonly proof?: Uint8Array;
};

const TIMEOUT_MS = 30_000;
const SW_SECURITY_STATUS = 0x6982;
const SW_BLOCKED = 0x6983;
const SW_NOT_FOUND = 0x6a88;
const TRIES = 0x63c0;
/** The key of the first chain signs. */
const FIRST_CHAIN = 0x01;

/**
 * Reads it, with the PIN where the card wants one. Throws `CARD_STATUS` where the card has none or wants a PIN that is not given, and
 * `PIN_REFUSED` with the tries left.
 */
export async function readCertificateProfile(
  card: Card,
  options: {
    readonly pin?: Secret<string>;
    /** 16 octets, which the eUICC is to sign the profile with. */
    readonly challenge?: Uint8Array;
    readonly signal?: AbortSignal;
  } = {},
): Promise<CertificateProfileAnswer> {
  const { pin, challenge, ...how } = options;
  const channel = await openProfile(card, how);
  try {
    const ask = async (command: Partial<CommandApdu> & Pick<CommandApdu, 'cla' | 'ins'>) =>
      channel.transmit(encodeCommandApdu({ p1: 0, p2: 0, data: EMPTY, ...command }), {
        timeoutMs: TIMEOUT_MS,
        ...how,
      });
    const read = () => ask({ cla: 0x80, ins: 0xca, p2: TAG_CERTIFICATE_PROFILE, le: 256 });
    let answer = await read();
    if (answer.sw === SW_SECURITY_STATUS) {
      if (pin === undefined) {
        throw new AgentError('CARD_STATUS', {
          sw: swText(answer.sw),
          command: 'GET DATA',
          do: 'the certificate profile is behind a PIN: give it with --pin-file',
        });
      }
      await enterPin(ask, pin);
      answer = await read();
    }
    if (!isSuccess(answer.sw)) {
      throw new AgentError('CARD_STATUS', { sw: swText(answer.sw), command: 'GET DATA' });
    }
    const profile = Uint8Array.from(answer.data);
    if (challenge === undefined) return { profile };
    const proof = await ask({ cla: 0x00, ins: 0x88, p2: FIRST_CHAIN, data: challenge, le: 256 });
    if (!isSuccess(proof.sw)) {
      throw new AgentError('CARD_STATUS', { sw: swText(proof.sw), command: 'INTERNAL AUTHENTICATE' });
    }
    return { profile, proof: Uint8Array.from(proof.data) };
  } finally {
    await channel.close().catch((error: unknown) => {
      if (!isAgentError(error)) throw error;
    });
  }
}

async function openProfile(card: Card, how: { readonly signal?: AbortSignal }): Promise<CardChannel> {
  try {
    return await card.openChannel(encodeAid(AID_CERTIFICATE_PROFILE), how);
  } catch (error) {
    if (!isAgentError(error, 'CARD_STATUS', 'CARD_ACCESS')) throw error;
    const advice = 'this eUICC seems to have no certificate profile: its maker puts it there';
    throw new AgentError(error.code, { ...error.data, do: advice }, { cause: error });
  }
}

/** The tries are asked for first, which costs none; a blocked PIN is not sent at all. */
async function enterPin(
  ask: (command: Pick<CommandApdu, 'cla' | 'ins' | 'p2' | 'data'>) => Promise<{ readonly sw: number }>,
  pin: Secret<string>,
): Promise<void> {
  const verify = (data: Uint8Array) => ask({ cla: 0x00, ins: 0x20, p2: CERTIFICATE_PROFILE_PIN, data });
  const refused = (sw: number): AgentError =>
    new AgentError('PIN_REFUSED', {
      what: 'certificate profile',
      sw: swText(sw),
      triesLeft: sw === SW_BLOCKED ? 0 : sw & 0x0f,
      do:
        sw === SW_BLOCKED || sw === TRIES
          ? 'the PIN is blocked: the SM-SR can unblock it under its management keys'
          : 'see that the PIN is the right one before trying again',
    });
  const value = encodeCertificateProfilePin(pin.reveal());
  const before = await verify(EMPTY);
  if (before.sw === SW_BLOCKED || before.sw === SW_NOT_FOUND) throw refused(before.sw);
  const after = await verify(value);
  if (!isSuccess(after.sw)) throw refused(after.sw);
}

/** Both objects one behind the other, as the operator takes them. */
export function certificateProfileFile({ profile, proof }: CertificateProfileAnswer): Uint8Array {
  return proof === undefined ? profile : concat(profile, proof);
}

export type CertificateProfileSummary = {
  readonly eid: string;
  readonly cardOs: string;
  readonly platform: string;
  readonly hardware: string;
  readonly firmware: string;
  readonly sasAccreditationNumber: string;
  readonly certification?: string;
  /** Common names, from the eUICC up. */
  readonly chains: readonly string[];
  readonly staticKeys: readonly string[];
  readonly signed: boolean;
};

/** What it says, of which nothing is judged here. Throws `TLV_*` and `CERTIFICATE_INVALID` for what is none. */
export function certificateProfileSummary(answer: CertificateProfileAnswer): CertificateProfileSummary {
  const { eidValue, commonInformation, euiccInfo2, chain, ecasdCertificate } = CertificateProfile.decode(
    answer.profile,
  );
  const info = EuiccInfo2.decode(euiccInfo2);
  const named = (der: Uint8Array): string => {
    const { subject, curve, notAfter } = parseCertificate(der);
    return `${subject.commonName ?? subject.serialNumber ?? ''}, ${curve}, until ${new Date(notAfter).toISOString().slice(0, 10)}`;
  };
  const { certificationDataObject: certified } = info;
  return {
    eid: eidValue,
    ...commonInformation,
    firmware: info.euiccFirmwareVer,
    sasAccreditationNumber: info.sasAcreditationNumber,
    ...(certified === undefined
      ? {}
      : { certification: `${certified.platformLabel}, ${certified.discoveryBaseURL}` }),
    chains: chain.map(({ euiccCertificate, eumCertificate }) =>
      [euiccCertificate, eumCertificate].map(named).join(' < '),
    ),
    staticKeys: ecasdCertificate.map(named),
    signed: answer.proof !== undefined,
  };
}

export function certificateProfileText(summary: CertificateProfileSummary): string {
  const lines: (readonly [string, string])[] = [
    ['EID', summary.eid],
    ['card OS', summary.cardOs],
    ['platform', summary.platform],
    ['hardware', summary.hardware],
    ['firmware', summary.firmware],
    ['SAS', summary.sasAccreditationNumber],
    ...(summary.certification === undefined ? [] : [['certified', summary.certification] as const]),
    ...summary.chains.map((chain) => ['chain', chain] as const),
    ...summary.staticKeys.map((key) => ['static key', key] as const),
    ['signed', summary.signed ? 'by the eUICC, over the challenge' : 'no'],
  ];
  return lines.map(([name, value]) => `${name.padEnd(12)}${value}`).join('\n');
}
