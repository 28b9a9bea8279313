// An MNO's back-end for its devices: receives their messages, runs the steps, and keeps sending until they are answered.
import { equalBytes } from '../../base/bytes.ts';
import type { Clock } from '../../base/clock.ts';
import { AgentError, errorOf, isAgentError } from '../../base/errors.ts';
import { createLock, type Lock } from '../../base/lock.ts';
import type { Log } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { cborItem } from '../../codec/cbor-table.ts';
import type { Eid, Iccid } from '../../codec/ids.ts';
import {
  type BlockRequest,
  blockRequest,
  type DownMessage,
  type UpMessage,
  type UpOf,
  upMessages,
} from '../../codec/wire.ts';
import type { MessageSealer } from '../../transport/envelope.ts';
import type { MessageLink } from '../../transport/message-link.ts';
import { formatTopic, operatorFilter, parseTopic } from '../../transport/topics.ts';
import { answerBlocks } from '../../transport/block-server.ts';
import { makeManifest } from '../../transport/manifest.ts';
import type { EuiccKeys, PartnerMno, SmDp, SmSr } from '../roles.ts';
import type { MnoStore, OutgoingMessage, StepCommit } from './mno-store.ts';
import { createPartner } from './partner.ts';
import type { ChangePolicy } from './pcf.ts';
import { ENDED, type Procedure, wordsOf } from './procedure.ts';
import type { ProfilePolicy } from './profile-check.ts';
import { createRelay } from './relay.ts';
import { isRefusal, refuse, type StepContext, type StepOutcome } from './step-outcome.ts';
import { activationRequest, confirmation, stepFor } from './steps.ts';

export type MnoOptions = {
  /** The name by which partners and devices know this MNO; part of its topics. */
  readonly name: string;
  readonly store: MnoStore;
  readonly smdp: SmDp;
  readonly smsr: SmSr;
  /** Given, profiles are bound to the eUICC's static key (seed 57); otherwise it is asked for a new one each time (seed 59). */
  readonly euiccKeys?: EuiccKeys;
  /** Given, eUICCs are asked for their certificate profile, and judged by it beside the SM-SR's verdict (seed 75). */
  readonly profilePolicy?: ProfilePolicy;
  readonly policy: ChangePolicy;
  readonly partner: (name: string) => PartnerMno | undefined;
  readonly link: MessageLink;
  readonly sealer: MessageSealer;
  readonly signGrant: (payload: Uint8Array) => Uint8Array;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** How long a device waits for its connectivity verdict after a switch, in milliseconds. */
  readonly switchDeadlineMs?: number;
  /** How long after its sending an unanswered message is sent again, in milliseconds. */
  readonly repeatAfterMs?: number;
};

export type Mno = {
  readonly partner: PartnerMno;
  /** Asks a device for an activation request: the start of an MNO change to this MNO. */
  trigger(eid: Eid, kind: 'provisioning' | 'mno-change'): Promise<void>;
  close(): Promise<void>;
};

const DEFAULT_SWITCH_DEADLINE_MS = 300_000;
const DEFAULT_REPEAT_MS = 20_000;
const TRANSFER_LIFETIME_MS = 24 * 3_600_000;

/** Subscribes to the devices' topics and serves them until it is closed. */
export async function openMno(options: MnoOptions): Promise<Mno> {
  const { name, store, smdp, smsr, link, sealer, clock, random, log } = options;
  const context: StepContext = {
    mno: name,
    smdp,
    smsr,
    ...(options.euiccKeys === undefined ? {} : { euiccKeys: options.euiccKeys }),
    ...(options.profilePolicy === undefined ? {} : { profilePolicy: options.profilePolicy }),
    partner: options.partner,
    clock,
    random,
    switchDeadlineMs: options.switchDeadlineMs ?? DEFAULT_SWITCH_DEADLINE_MS,
  };
  const locks = new Map<Eid, Lock>();
  const lock = (eid: Eid): Lock => {
    let held = locks.get(eid);
    if (held === undefined) locks.set(eid, (held = createLock()));
    return held;
  };

  const sealed = (eid: Eid, message: DownMessage, repeat: boolean): OutgoingMessage => {
    const topic = formatTopic({ mno: name, eid, channel: 'down' });
    return { id: message.id, eid, topic, payload: sealer.seal(message, topic), repeat };
  };
  const addressed = (eid: Eid, transaction: Uint8Array) => ({ id: random.bytes(8), eid, transaction });

  /** Turns what a step leads to into one commit. */
  const commitOf = (
    outcome: StepOutcome,
    before: { readonly version: number } | undefined,
    eid: Eid,
    transaction: Uint8Array,
    audit: StepCommit['audit'],
  ): StepCommit => {
    const outgoing: OutgoingMessage[] = [];
    let procedure = outcome.procedure;
    let transfer: StepCommit['transfer'];
    for (const body of outcome.send ?? []) {
      outgoing.push(sealed(eid, { ...body, ...addressed(eid, transaction) }, true));
    }
    if (outcome.transfer !== undefined && procedure?.iccid !== undefined) {
      const transferId = random.bytes(16);
      const expires = Math.floor((clock.wall() + TRANSFER_LIFETIME_MS) / 1000);
      const { content, blockSize } = outcome.transfer;
      transfer = { transferId, eid, content, blockSize, expires };
      procedure = { ...procedure, transferId };
      const manifest = makeManifest({
        transferId,
        content,
        blockSize,
        expires,
        contentKind: 'profile-script',
      });
      const message = {
        is: 'manifest',
        ...addressed(eid, transaction),
        ...manifest,
        iccid: procedure.iccid,
      } as const;
      outgoing.push(sealed(eid, message as DownMessage, true));
    }
    return {
      ...(procedure === undefined ? {} : { procedure: { value: procedure, version: before?.version } }),
      ...(transfer === undefined ? {} : { transfer }),
      outgoing,
      audit,
    };
  };

  const relay = createRelay({
    mno: name,
    store,
    link,
    clock,
    log,
    repeatAfterMs: options.repeatAfterMs ?? DEFAULT_REPEAT_MS,
  });

  const receiptFor = (message: UpMessage, receipt: NonNullable<StepOutcome['receipt']>): OutgoingMessage => {
    const { eid, transaction } = message;
    return sealed(eid, { is: 'receipt', ...addressed(eid, transaction), of: message.id, ...receipt }, false);
  };

  const activate = async (message: UpOf<'activationRequest'>): Promise<[StepOutcome, Procedure[]]> => {
    const earlier = await store.procedures(message.eid);
    const { resumes } = message;
    const resumed =
      resumes === undefined
        ? undefined
        : earlier.find((held) => equalBytes(held.transaction, resumes) && held.step !== 'completed');
    return [
      await activationRequest(context, message, resumed),
      earlier.filter(({ step }) => !ENDED.has(step)),
    ];
  };

  const runStep = async (message: UpMessage): Promise<StepCommit | undefined> => {
    const { eid, transaction } = message;
    const inbox = { eid, id: message.id };
    const held = await store.procedure(transaction);
    if (message.is === 'notification') return notificationCommit(message);
    if (message.is === 'activationRequest' && held === undefined) {
      const [outcome, open] = await activate(message);
      const audit = { action: message.kind, eid, detail: `requested, IMEI ${message.imei}` };
      const commit = commitOf(outcome, undefined, eid, transaction, audit);
      const superseded = open[0];
      return {
        ...commit,
        inbox,
        ...(superseded === undefined ? {} : { supersedes: superseded.transaction }),
        outgoing: [receiptFor(message, { outcome: 'done' }), ...(commit.outgoing ?? [])],
      };
    }
    if (held === undefined) {
      const receipt = receiptFor(message, { outcome: 'refused', reason: 'no such procedure' });
      return { inbox, outgoing: [receipt], audit: { action: 'unknown-procedure', eid, detail: message.is } };
    }
    const outcome = (await stepFor(context, message, held.value)) ?? {};
    const audit = {
      action: message.is,
      eid,
      detail: [
        `${held.value.step} -> ${outcome.procedure?.step ?? held.value.step}${wordsOf(message)}`,
        outcome.detail ?? [],
      ]
        .flat()
        .join(', '),
    };
    const commit = commitOf(outcome, held, eid, transaction, audit);
    const receipt = receiptFor(message, outcome.receipt ?? { outcome: 'done' });
    return { ...commit, inbox, outgoing: [receipt, ...(commit.outgoing ?? [])] };
  };

  /** Verifies a notification with the eUICC's certificate at the SM-SR and the SM-DP before it is believed (seed 93). */
  const notificationCommit = async (message: UpOf<'notification'>): Promise<StepCommit> => {
    const { eid, pendingNotification } = message;
    const inbox = { eid, id: message.id };
    const atSmSr = await smsr.handleNotification({ eid, pendingNotification });
    const atSmDp = await smdp.handleNotification(pendingNotification);
    const verified = atSmSr.verified && atSmDp.verified;
    const { event, iccid, seqNumber } = atSmSr;
    if (!verified || event === undefined || iccid === undefined || seqNumber === undefined) {
      return {
        inbox,
        outgoing: [
          receiptFor(message, { outcome: 'refused', reason: 'the notification is not signed by this eUICC' }),
        ],
        audit: { action: 'notification-refused', eid },
      };
    }
    return {
      inbox,
      notification: { eid, seqNumber, event, iccid, verified, pendingNotification, receivedAt: clock.wall() },
      outgoing: [receiptFor(message, { outcome: 'done' })],
      audit: { action: 'notification', eid, detail: `${event} ${iccid}` },
    };
  };

  /** Changes a procedure that waits, looks again at what follows, and stores both. */
  const resume = (
    eid: Eid,
    transaction: Uint8Array,
    change: (procedure: Procedure) => Procedure,
  ): Promise<void> =>
    lock(eid)
      .run(async () => {
        const held = await store.procedure(transaction);
        if (held === undefined || ENDED.has(held.value.step)) return;
        const outcome = await confirmation(context, change(held.value));
        const audit = {
          action: 'resume',
          eid,
          detail: `${held.value.step} -> ${outcome.procedure?.step ?? ''}`,
        };
        await store.commit(commitOf(outcome, held, eid, transaction, audit));
      })
      .then(() => relay.flush());

  const partner = createPartner({
    mno: name,
    store,
    smsr,
    policy: options.policy,
    clock,
    random,
    lock,
    partner: options.partner,
    signGrant: options.signGrant,
    resume,
  });

  /** After a notification is stored: our own enable moves our procedure on, our disable moves the partner's. */
  const afterNotification = async (eid: Eid, event: string, iccid: Iccid): Promise<void> => {
    if (event === 'disable' || event === 'delete') await partner.profileLeft(eid, iccid);
    if (event !== 'enable') return;
    for (const procedure of await store.procedures(eid)) {
      if (procedure.iccid !== iccid || ENDED.has(procedure.step)) continue;
      await resume(eid, procedure.transaction, (held) => ({ ...held, enableVerified: true }));
    }
  };

  const refusedByRole = async (message: UpMessage, error: AgentError): Promise<void> => {
    const { eid, transaction } = message;
    const held = await store.procedure(transaction);
    const receipt = receiptFor(message, { outcome: 'refused', reason: error.message.slice(0, 256) });
    const audit = { action: 'refused', eid, detail: `${message.is}: ${error.message}` };
    const inbox = { eid, id: message.id };
    if (held === undefined || ENDED.has(held.value.step) || message.is === 'notification') {
      const word = {
        is: 'refused',
        ...addressed(eid, transaction),
        reason: error.message.slice(0, 256),
      } as const;
      const answer = message.is === 'activationRequest' ? [sealed(eid, word, true)] : [];
      await store.commit({ inbox, outgoing: [receipt, ...answer], audit });
      return;
    }
    const commit = commitOf(refuse(context, held.value, error.message), held, eid, transaction, audit);
    await store.commit({ ...commit, inbox, outgoing: [receipt, ...(commit.outgoing ?? [])] });
  };

  const handle = async (message: UpMessage): Promise<void> => {
    const { eid } = message;
    const notified = await lock(eid).run(async () => {
      if (message.is === 'receipt') {
        await store.markAnswered(message.of);
        return undefined;
      }
      if (await store.seen(eid, message.id)) {
        await link.publish(...published(receiptFor(message, { outcome: 'duplicate' })));
        return undefined;
      }
      try {
        const commit = await runStep(message);
        if (commit !== undefined) await store.commit(commit);
        return commit?.notification;
      } catch (error) {
        if (!isRefusal(error)) throw error;
        await refusedByRole(message, error);
        return undefined;
      }
    });
    await relay.flush();
    if (notified !== undefined) await afterNotification(eid, notified.event, notified.iccid);
  };

  const serveBlocks = async (eid: Eid, request: BlockRequest): Promise<void> => {
    const transfer = await store.transfer(request.transferId);
    const known = transfer !== undefined && transfer.eid === eid ? transfer : undefined;
    const expired = known !== undefined && known.expires * 1000 < clock.wall();
    if (known === undefined || expired) {
      const why = expired ? 'expired' : 'gone';
      const { transferId } = request;
      const stop = { is: 'transferStop', ...addressed(eid, new Uint8Array(16)), transferId, why } as const;
      await link.publish(...published(sealed(eid, stop, false)));
      return;
    }
    const topic = formatTopic({ mno: name, eid, channel: 'block' });
    for (const payload of answerBlocks(known, request)) await link.publish(topic, payload);
  };

  const receive = async (topic: string, payload: Uint8Array): Promise<void> => {
    const address = parseTopic(topic);
    if (address.mno !== name) return;
    if (address.channel === 'get') return serveBlocks(address.eid, cborItem(blockRequest).decode(payload));
    if (address.channel !== 'up') return;
    const message = upMessages.decode(payload);
    if (message.eid !== address.eid)
      throw new AgentError('MESSAGE_INVALID', { field: 'eid', why: "not the topic's" });
    await handle(message);
  };

  await link.subscribe(operatorFilter(name, 'up'));
  await link.subscribe(operatorFilter(name, 'get'));
  const running = new Set<Promise<void>>();
  const pump = (async () => {
    for await (const { topic, payload } of link.messages) {
      const work = receive(topic, payload).catch((error: unknown) => {
        const level = isAgentError(error, 'MESSAGE_INVALID', 'CBOR_INVALID', 'CONFLICT') ? 'warn' : 'error';
        log.write(level, 'mno.receive', 'message not handled', {
          mno: name,
          topic,
          error: errorOf(error).message,
        });
      });
      running.add(work);
      void work.finally(() => running.delete(work));
    }
  })();

  await relay.start();

  return {
    partner,
    async trigger(eid, kind) {
      const message = { is: 'trigger', ...addressed(eid, random.bytes(16)), kind } as const;
      await store.commit({
        outgoing: [sealed(eid, message, true)],
        audit: { action: 'trigger', eid, detail: kind },
      });
      await relay.flush();
    },
    async close() {
      relay.stop();
      await link.close();
      await pump;
      await Promise.allSettled(running);
    },
  };
}

function published(message: OutgoingMessage): [string, Uint8Array] {
  return [message.topic, message.payload];
}
