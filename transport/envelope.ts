// Operators' messages as COSE_Sign1 (RFC 9052): signed for one topic, checked against the operators this device was given.
import { equalBytes } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { encodeCbor } from '../codec/cbor.ts';
import { idText } from '../codec/cbor-table.ts';
import type { Eid } from '../codec/ids.ts';
import { type DownMessage, downMessages } from '../codec/wire.ts';
import { type CoseSigner, openCose, signCose } from '../crypto/cose.ts';
import type { CurveName, Ec } from '../crypto/ec.ts';
import { keyIdentifier, parseCertificate } from '../crypto/x509.ts';
import { parseTopic } from './topics.ts';

/** What every signature of this protocol begins with, so that none made for something else can be used here. */
const CONTEXT = 'euicc-agent/1';

/** Signed and not sent: a message lifted to another device's or operator's topic no longer verifies. */
function externalAad(topic: string): Uint8Array {
  return encodeCbor([CONTEXT, topic]);
}

/** The operator's end. */
export type MessageSealer = { seal(message: DownMessage, topic: string): Uint8Array };

/** `signer.kid` must be the key identifier of the certificate that the devices hold: `keyIdentifier(publicKey)`. */
export function createMessageSealer(options: {
  readonly ec: Ec;
  readonly signer: CoseSigner;
}): MessageSealer {
  return {
    seal: (message, topic) =>
      signCose(options.ec, options.signer, downMessages.encode(message), externalAad(topic)),
  };
}

/** An operator that a device obeys: its name in the topics and its key. */
export type OperatorKey = {
  readonly mno: string;
  readonly kid: Uint8Array;
  readonly curve: CurveName;
  readonly publicKey: Uint8Array;
};

/**
 * The key of an operator from its certificate (DER). The certificate was put on the device by its owner and is trusted as it stands:
 * its dates are not asked, because a device without a clock must still obey. Throws `CERTIFICATE_INVALID`.
 */
export function operatorKey(mno: string, certificate: Uint8Array): OperatorKey {
  const { curve, publicKey } = parseCertificate(certificate);
  return { mno, kid: keyIdentifier(publicKey), curve, publicKey };
}

/** The device's end. `open` throws `COMMAND_REFUSED`, with what is wrong in `why`. */
export type MessageOpener = {
  open(topic: string, payload: Uint8Array): { readonly mno: string; readonly message: DownMessage };
};

export function createMessageOpener(options: {
  readonly ec: Ec;
  readonly eid: Eid;
  readonly operators: readonly OperatorKey[];
}): MessageOpener {
  const { ec, eid, operators } = options;
  return {
    open(topic, payload) {
      const refused = (why: string, cause?: unknown): AgentError =>
        new AgentError('COMMAND_REFUSED', { topic: topic.slice(0, 120), why }, { cause });
      /** Hostile octets end in a refusal; what is no AgentError is a fault of ours. */
      const attempt = <T>(why: string, work: () => T): T => {
        try {
          return work();
        } catch (cause) {
          throw isAgentError(cause) ? refused(`${why}: ${cause.message}`, cause) : cause;
        }
      };
      const address = attempt('the topic', () => parseTopic(topic));
      if (address.channel !== 'down') throw refused('the topic is not one of commands');
      if (address.eid !== eid) throw refused('the topic names another eUICC');
      const envelope = attempt('the envelope', () => openCose(payload));
      const key = operators.find(({ kid }) => equalBytes(kid, envelope.kid));
      if (key === undefined)
        throw refused(`the key ${idText(envelope.kid)} is of no operator this device knows`);
      if (key.mno !== address.mno)
        throw refused(`the key is that of ${key.mno}, the topic that of ${address.mno}`);
      if (!envelope.verify(ec, key, externalAad(topic)))
        throw refused(`the signature is not that of ${key.mno}`);
      const message = attempt('the message', () => downMessages.decode(envelope.payload));
      if (message.eid !== eid) throw refused('the message is for another eUICC');
      return { mno: key.mno, message };
    },
  };
}
