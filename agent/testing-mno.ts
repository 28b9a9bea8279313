// An operator for tests of the agent: the procedure's steps without their content, each command repeated until its receipt.
import { toHex } from '../base/bytes.ts';
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Eid, Iccid } from '../codec/ids.ts';
import { ServerSigned1 } from '../codec/rsp/authenticate-server.ts';
import { notificationMetadataOf } from '../codec/rsp/notifications.ts';
import { CancelSessionResponse, EuiccCancelSessionSigned } from '../codec/rsp/prepare-download.ts';
import { type DownMessage, downMessages, type UpMessage, upMessages } from '../codec/wire.ts';
import { makeManifest } from '../transport/manifest.ts';
import type { MessageLink } from '../transport/message-link.ts';
import { formatTopic, operatorFilter } from '../transport/topics.ts';
import type { TestCard } from './testing-card.ts';

type Body<M> = M extends DownMessage ? Omit<M, 'id' | 'eid' | 'transaction'> : never;

export type TestMno = {
  /** What happened, as the operator sees it: reports, notifications, failures, the end. */
  readonly seen: string[];
  readonly contents: Map<string, Uint8Array>;
  readonly done: boolean;
  trigger(kind: 'provisioning' | 'mno-change'): void;
};

const REPEAT_MS = 20_000;
const OBJECT = Uint8Array.of(0x30, 0x00);
const SERVER_SIGNED = ServerSigned1.encode({
  transactionId: new Uint8Array(16).fill(3),
  euiccChallenge: new Uint8Array(16).fill(9),
  serverAddress: 'test',
  serverChallenge: new Uint8Array(16),
});
const OCTETS = Uint8Array.of(0x04, 0x01, 0x00);
const SIGNATURE = Uint8Array.of(0x5f, 0x37, 0x01, 0x00);

export function openTestMno(options: {
  readonly name: string;
  readonly address: string;
  readonly eid: Eid;
  readonly iccid: Iccid;
  /** Deleted at the end, when it is still there. */
  readonly donor?: Iccid;
  /** What a rollback goes back to. */
  readonly before: Iccid;
  readonly card: TestCard;
  readonly link: MessageLink;
  readonly clock: Clock;
  readonly random: Random;
  /** Sends each command so many times at once. */
  readonly copies?: number;
  readonly deafToNotifications?: boolean;
  /** What it does with the one-time key of the device's first session, instead of sending a package. */
  readonly atFirstKey?: 'refuse' | 'trigger' | 'withdraw';
}): TestMno {
  const { name, eid, iccid, card, link, clock, random } = options;
  const topic = formatTopic({ mno: name, eid, channel: 'down' });
  const seen: string[] = [];
  const inbox = new Set<string>();
  const unanswered = new Map<string, Uint8Array>();
  const contents = new Map<string, Uint8Array>();
  const stepOf = new Map<string, 'install' | 'enable' | 'delete'>();
  let done = false;

  const publish = (payload: Uint8Array): void => {
    for (let copy = 0; copy < (options.copies ?? 1); copy++) link.publish(topic, payload).catch(() => {});
  };
  const send = (transaction: Uint8Array, body: Body<DownMessage>, repeat = true): void => {
    const message = { ...body, id: random.bytes(8), eid, transaction } as DownMessage;
    const payload = downMessages.encode(message);
    if (repeat) unanswered.set(toHex(message.id), payload);
    publish(payload);
  };
  const repeat = (): void => {
    for (const payload of unanswered.values()) publish(payload);
    clock.schedule(REPEAT_MS, repeat);
  };
  clock.schedule(REPEAT_MS, repeat);

  const script = (transaction: Uint8Array, purpose: 'enable' | 'delete', of: Iccid): void => {
    stepOf.set(toHex(transaction), purpose);
    send(transaction, {
      is: 'script',
      purpose,
      iccid: of,
      script: card.script(purpose, of),
      ...(purpose === 'enable' ? { rollback: card.script('rollback', options.before) } : {}),
      deadlineMs: 120_000,
    });
  };

  const finish = (transaction: Uint8Array): void => {
    done = true;
    send(transaction, { is: 'completed', iccid });
  };

  const step = (message: UpMessage): void => {
    const { transaction } = message;
    switch (message.is) {
      case 'activationRequest':
        seen.push(message.resumes === undefined ? 'request' : 'request again');
        send(transaction, {
          is: 'authenticateRequest',
          serverSigned1: SERVER_SIGNED,
          serverSignature1: SIGNATURE,
          euiccCiPKIdToBeUsed: OCTETS,
          serverCertificate: OBJECT,
        });
        return;
      case 'authenticateResponse':
        send(transaction, {
          is: 'downloadRequest',
          smdpSigned2: OBJECT,
          smdpSignature2: SIGNATURE,
          smdpCertificate: OBJECT,
        });
        return;
      case 'downloadResponse': {
        const first = !seen.includes('key');
        if (options.atFirstKey !== undefined) seen.push('key');
        if (first && options.atFirstKey === 'refuse')
          return send(transaction, { is: 'refused', reason: 'no' });
        if (first && options.atFirstKey === 'trigger') {
          return send(random.bytes(16), { is: 'trigger', kind: 'provisioning' });
        }
        const transferId = random.bytes(16);
        const content = card.script('install', iccid, options.address);
        if (!first || options.atFirstKey !== 'withdraw') contents.set(toHex(transferId), content);
        const manifest = makeManifest({
          transferId,
          content,
          blockSize: 256,
          expires: 1,
          contentKind: 'profile-script',
        });
        stepOf.set(toHex(transaction), 'install');
        send(transaction, { is: 'manifest', ...manifest, iccid });
        return;
      }
      case 'scriptReport': {
        const purpose = stepOf.get(toHex(transaction));
        seen.push(`${purpose} ${message.outcome}`);
        if (message.outcome === 'interrupted' && purpose !== undefined && purpose !== 'install') {
          script(transaction, purpose, purpose === 'enable' ? iccid : (options.donor ?? iccid));
        } else if (message.outcome !== 'done') send(transaction, { is: 'refused', reason: message.outcome });
        else if (purpose === 'install') script(transaction, 'enable', iccid);
        else if (purpose === 'enable' && options.donor !== undefined)
          script(transaction, 'delete', options.donor);
        else finish(transaction);
        return;
      }
      case 'notification': {
        const { profileManagementOperation, seqNumber } = notificationMetadataOf(message.pendingNotification);
        seen.push(`${profileManagementOperation.join(' ')} ${seqNumber}`);
        return;
      }
      case 'failure':
        seen.push(`failure ${message.code}`);
        send(transaction, { is: 'refused', reason: message.code });
        return;
      case 'sessionCancelled': {
        const response = CancelSessionResponse.decode(message.cancelSessionResponse);
        if (response.is !== 'cancelSessionResponseOk') throw new Error('not signed');
        const { reason } = EuiccCancelSessionSigned.decode(response.value.euiccCancelSessionSigned);
        seen.push(['cancelled', reason, message.code ?? []].flat().join(' '));
        return;
      }
      case 'transferReport':
      case 'receipt':
    }
  };

  const receive = (message: UpMessage): void => {
    if (message.is === 'receipt') {
      unanswered.delete(toHex(message.of));
      return;
    }
    if (message.is === 'notification' && options.deafToNotifications === true) return;
    const key = toHex(message.id);
    const duplicate = inbox.has(key);
    inbox.add(key);
    if (!duplicate) step(message);
    send(
      message.transaction,
      { is: 'receipt', of: message.id, outcome: duplicate ? 'duplicate' : 'done' },
      false,
    );
  };

  void (async () => {
    await link.subscribe(operatorFilter(name, 'up'));
    for await (const { payload } of link.messages) receive(upMessages.decode(payload));
  })();
  return {
    seen,
    contents,
    get done() {
      return done;
    },
    trigger: (kind) => send(random.bytes(16), { is: 'trigger', kind }),
  };
}
