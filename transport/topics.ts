// Topics of the wire: euicc/1/{mno}/{shard}/{eid}/{channel}. The shard is fixed by the EID, so that work can be divided without a directory.
import { crc32 } from 'node:zlib';
import { AgentError } from '../base/errors.ts';
import { parseEid, type Eid } from '../codec/ids.ts';

/** up: messages of the agent. down: messages of an operator. get: requests for blocks. block: blocks. */
export const CHANNELS = ['up', 'down', 'get', 'block'] as const;
export type Channel = (typeof CHANNELS)[number];

export type Topic = { readonly mno: string; readonly eid: Eid; readonly channel: Channel };

export const SHARDS = 64;

const PREFIX = 'euicc/1';
const MNO_NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;

/** Whether `name` can stand as an operator in a topic: lower-case letters, digits and hyphens, at most 32. */
export function isMnoName(name: string): boolean {
  return MNO_NAME.test(name);
}

/** The shard of an EID: CRC-32 of its 32 digits modulo 64. */
export function shardOf(eid: Eid): number {
  return crc32(eid) % SHARDS;
}

/** Writes a topic. Throws `ID_INVALID` for a name that no topic can hold. */
export function formatTopic(topic: Topic): string {
  return `${PREFIX}/${mnoPart(topic.mno)}/${shardPart(shardOf(topic.eid))}/${topic.eid}/${topic.channel}`;
}

/** Reads a topic. Throws `MESSAGE_INVALID` for anything but a whole topic with the right shard. */
export function parseTopic(text: string): Topic {
  const [root, version, mno, shard, eidText, channelText, ...rest] = text.split('/');
  const channel = CHANNELS.find((known) => known === channelText);
  if (`${root}/${version}` !== PREFIX || rest.length > 0 || channel === undefined)
    throw invalid(text, 'form');
  if (mno === undefined || !isMnoName(mno)) throw invalid(text, 'operator');
  let eid: Eid;
  try {
    eid = parseEid(eidText ?? '');
  } catch (cause) {
    throw invalid(text, 'EID', cause);
  }
  if (shard !== shardPart(shardOf(eid))) throw invalid(text, 'shard');
  return { mno, eid, channel };
}

/** What a device subscribes to: one channel of its EID, from any operator. */
export function deviceFilter(eid: Eid, channel: Channel): string {
  return `${PREFIX}/+/${shardPart(shardOf(eid))}/${eid}/${channel}`;
}

/** What an operator subscribes to: one channel of its devices, of one shard or of all. */
export function operatorFilter(mno: string, channel: Channel, shard?: number): string {
  return `${PREFIX}/${mnoPart(mno)}/${shard === undefined ? '+' : shardPart(shard)}/+/${channel}`;
}

/** Whether `topic` lies under `filter` (MQTT 3.1.1, 4.7: + is one level, # at the end the rest). */
export function topicMatches(filter: string, topic: string): boolean {
  const pattern = filter.split('/');
  const levels = topic.split('/');
  for (const [i, part] of pattern.entries()) {
    if (part === '#') return true;
    if (levels[i] === undefined || (part !== '+' && part !== levels[i])) return false;
  }
  return pattern.length === levels.length;
}

function shardPart(shard: number): string {
  return String(shard).padStart(2, '0');
}

function mnoPart(mno: string): string {
  if (!isMnoName(mno)) throw new AgentError('ID_INVALID', { kind: 'operator name', value: mno.slice(0, 40) });
  return mno;
}

function invalid(text: string, why: string, cause?: unknown): AgentError {
  return new AgentError('MESSAGE_INVALID', { topic: text.slice(0, 120), why }, { cause });
}
