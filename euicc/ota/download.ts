// SMS-PP DOWNLOAD on the card: from the ENVELOPE to the executed commands and the proof of receipt (3GPP TS 31.111, 7.1.1; TS 31.115,
// 4; ETSI TS 102 225; ETSI TS 102 226).
import { concat, EMPTY, toHex } from '../../base/bytes.ts';
import { errorOf, isAgentError } from '../../base/errors.ts';
import type { Log } from '../../base/log.ts';
import { SW } from '../../codec/apdu.ts';
import {
  type CommandPacket,
  decodeCommandPacket,
  POR_STATUS,
  porStatusName,
  UDH_RESPONSE,
} from '../../codec/secured-packet.ts';
import { encodeSmsSubmit } from '../../codec/sms-tpdu.ts';
import { IEI, packetToUserData } from '../../codec/sms-user-data.ts';
import { sealResponse } from '../../crypto/scp80-response.ts';
import type { IsdR } from '../isd-r.ts';
import type { Card, EnvelopeHandler, PresentedProfile } from '../os/card.ts';
import type { ShortMessage } from '../os/cat.ts';
import { ok, refuse, type Reply, status } from '../os/reply.ts';
import { applicationAt, type RemoteApplication } from './applications.ts';
import { isAnswered, type Judged, judgePacket, type Protection } from './packets.ts';
import { createSmsReception, type ReceivedPacket } from './reception.ts';
import { createRemoteSession, type RemoteSession } from './remote-session.ts';
import { type Progress, runPausing } from './paused-run.ts';
import { runRemoteCommands, type Sessions, type Toolkit } from './scripts.ts';

/** The toolkit is busy: the messages of an earlier answer have not been sent (ETSI TS 102 223, 7.4.2.2). */
const SW_BUSY = 0x9300;
/** User data of a short message. A report cannot be concatenated. */
const MAX_USER_DATA = 140;
/** What a response packet has beside the data: header, counter, status, the longest checksum, padding of a block. */
const RESPONSE_OCTETS = 3 + 6 + 7 + 8 + 15;
/** The most response data that one packet brings, in short messages of its own. */
const MAX_RESPONSE = 4000;
const MOST_MESSAGES = 32;
const PLAIN_8BIT = 0x04;
/** Type of a proactive command. */
const SEND_SHORT_MESSAGE = 0x13;

/** The session of a script that will go on in the next one, for the same application of the same profile. */
type Kept = { readonly profile: PresentedProfile; readonly session: RemoteSession };

/** One power-on session's receiver; unfinished messages and chained scripts end with it. */
export function createSmsPpDownload(isdR: IsdR, log: Log): EnvelopeHandler {
  const reception = createSmsReception();
  const kept = new Map<string, Kept>();
  let reference = 0;
  /** A script that waits for the terminal. */
  let paused = false;

  const sessionsOf = (
    card: Card,
    /** TAR and keyset: nobody goes on in a session that was begun under other keys, nor ends it. */
    name: string,
    application: RemoteApplication,
    version: number | undefined,
  ): Sessions => ({
    begin: () => createRemoteSession(card.state, application.commands(version)),
    resume() {
      const previous = kept.get(name);
      kept.delete(name);
      return previous?.profile === card.profile ? previous.session : undefined;
    },
    end: () => void kept.delete(name),
    keep: (session) => void kept.set(name, { profile: card.profile, session }),
  });

  const submit = (card: Card, { originator, serviceCentre }: ReceivedPacket, packet: Uint8Array): void => {
    reference = (reference + 1) & 0xff;
    const messages = packetToUserData(packet, reference, IEI.responsePacket).map(
      (userData): ShortMessage => ({
        tpdu: encodeSmsSubmit({
          // The terminal counts its messages itself.
          reference: 0,
          destination: originator,
          pid: 0,
          dcs: PLAIN_8BIT,
          validity: EMPTY,
          validityFormat: 'none',
          userData,
          rejectDuplicates: false,
          statusReport: false,
          replyPath: false,
        }),
        ...(serviceCentre === undefined ? {} : { serviceCentre }),
      }),
    );
    card.cat.send(messages);
  };

  /** The response packet in the report to the message, or in messages of its own where it is asked for or does not fit. */
  const answer = (
    card: Card,
    received: ReceivedPacket,
    { spi, kid, tar }: CommandPacket,
    outcome: { readonly status: number; readonly counter: number; readonly data: Uint8Array },
    protection: Protection,
  ): Reply => {
    if (!isAnswered(spi, outcome.status)) return ok();
    const seal = (change: Partial<typeof outcome> = {}): Uint8Array =>
      sealResponse({ tar, ...outcome, ...change }, { spi: protection.spi, kid }, protection.keys);
    const packet = seal();
    if (spi.porInSubmit) {
      submit(card, received, packet);
      return ok();
    }
    if (UDH_RESPONSE.length + packet.length <= MAX_USER_DATA) return ok(concat(UDH_RESPONSE, packet));
    submit(card, received, packet);
    return ok(concat(UDH_RESPONSE, seal({ status: POR_STATUS.actualResponseBySmsSubmit, data: EMPTY })));
  };

  /** Stores the counter of a packet that was judged well: from then on it is spent, whatever happens. False without room for it. */
  const spend = async ({ state }: Card, { advance }: Extract<Judged, { ok: true }>): Promise<boolean> => {
    if (advance === undefined) return true;
    try {
      state.write(advance.cell, advance.to);
      await state.commit();
      return true;
    } catch (error) {
      if (isAgentError(error, 'CLOSED')) throw error;
      log.write('error', 'euicc.ota', 'a counter was not stored', { error: errorOf(error).message });
      return false;
    }
  };

  const execute = (
    card: Card,
    application: RemoteApplication,
    parts: CommandPacket,
    judged: Extract<Judged, { ok: true }>,
  ): Promise<Progress> => {
    const inReport = MAX_USER_DATA - RESPONSE_OCTETS;
    const version = parts.spi.integrity === 'cc' ? judged.version : undefined;
    const room = parts.spi.por !== 'always' || card.cat.canSend(MOST_MESSAGES) ? MAX_RESPONSE : inReport;
    const sessions = sessionsOf(card, `${toHex(parts.tar)} under ${version ?? 'none'}`, application, version);
    const { cat } = card;
    return runPausing((pause) => {
      const toolkit: Toolkit = {
        get isFree() {
          return !cat.busy && !paused;
        },
        canPerform: (type) => cat.canPerform(type),
        // The answer to a script that paused comes in messages.
        canAnswerLater: parts.spi.por !== 'always' || cat.canPerform(SEND_SHORT_MESSAGE),
        pause,
        perform: (action) => cat.perform(action, () => Promise.resolve()),
      };
      return runRemoteCommands(judged.data, sessions, toolkit, room);
    });
  };

  return async (card, envelope) => {
    const received = reception.receive(envelope.value);
    if (received === undefined) return ok();
    const parts = readPacket(received.packet);
    const sendsAnswer = parts.spi.porInSubmit && parts.spi.por !== 'none';
    if (paused || (sendsAnswer && !card.cat.canSend(MOST_MESSAGES))) return status(SW_BUSY);
    const application = applicationAt(parts.tar, card, isdR);
    const judged = judgePacket(received.packet, parts, application, card.state);
    log.write('debug', 'euicc.ota', 'packet', {
      tar: toHex(parts.tar),
      octets: received.packet.length,
      status: porStatusName(judged.ok ? POR_STATUS.porOk : judged.status),
    });
    if (!judged.ok || application === undefined) {
      const refused = judged.ok ? POR_STATUS.tarUnknown : judged.status;
      const { counter, protection } = judged;
      return answer(card, received, parts, { status: refused, counter, data: EMPTY }, protection);
    }
    const { counter, protection } = judged;
    if (!(await spend(card, judged))) {
      const outcome = { status: POR_STATUS.insufficientMemory, counter, data: EMPTY };
      return answer(card, received, parts, outcome, protection);
    }
    const done = (data: Uint8Array, spi = parts.spi): Reply =>
      answer(card, received, { ...parts, spi }, { status: POR_STATUS.porOk, counter, data }, protection);
    /** The report to the message is gone when the terminal has answered: what is left to say comes in messages. */
    const later = { ...parts.spi, porInSubmit: true };
    const waitFor = (progress: Extract<Progress, { is: 'paused' }>): void => {
      paused = true;
      card.cat.perform(progress.action, async (isDone) => {
        paused = false;
        const next = await progress.resume(isDone);
        if (next.is === 'paused') waitFor(next);
        else done(next.data, later);
      });
    };
    const progress = await execute(card, application, parts, judged);
    if (progress.is === 'done') return done(progress.data);
    waitFor(progress);
    if (parts.spi.porInSubmit || parts.spi.por !== 'always') return ok();
    const outcome = { status: POR_STATUS.actualResponseBySmsSubmit, counter, data: EMPTY };
    return answer(card, received, parts, outcome, protection);
  };
}

function readPacket(packet: Uint8Array): CommandPacket {
  try {
    return decodeCommandPacket(packet);
  } catch (error) {
    if (isAgentError(error)) return refuse(SW.wrongData);
    throw error;
  }
}
