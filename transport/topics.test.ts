import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { AgentError } from '../base/errors.ts';
import { completeEid } from '../codec/ids.ts';
import {
  CHANNELS,
  deviceFilter,
  formatTopic,
  operatorFilter,
  parseTopic,
  shardOf,
  topicMatches,
} from './topics.ts';

const eid = completeEid('890490320012345678901234567890');

test('the shard is CRC-32 of the digits modulo 64, written as two digits', () => {
  // CRC-32 of these 32 ASCII digits by the table of ISO 3309, worked out with python's zlib.crc32.
  assert.equal(eid, '89049032001234567890123456789057');
  assert.equal(shardOf(eid), 62);
  assert.equal(formatTopic({ mno: 'mno-a', eid, channel: 'up' }), `euicc/1/mno-a/62/${eid}/up`);
});

test('a topic reads back as it was written', () => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,31}$/);
  const digits = fc.stringMatching(/^\d{30}$/);
  fc.assert(
    fc.property(name, digits, fc.constantFrom(...CHANNELS), (mno, first30, channel) => {
      const topic = { mno, eid: completeEid(first30), channel };
      assert.deepEqual(parseTopic(formatTopic(topic)), topic);
      assert.ok(topicMatches(deviceFilter(topic.eid, channel), formatTopic(topic)));
      assert.ok(topicMatches(operatorFilter(mno, channel), formatTopic(topic)));
      assert.ok(topicMatches(operatorFilter(mno, channel, shardOf(topic.eid)), formatTopic(topic)));
    }),
  );
});

test('a topic that is not whole, has another shard, EID, operator or channel is refused', () => {
  const good = formatTopic({ mno: 'mno-a', eid, channel: 'down' });
  const bad = [
    '',
    'euicc/1',
    good.replace('euicc/1', 'euicc/2'),
    good.replace(`/62/`, '/64/'),
    good.replace('/down', '/sideways'),
    `${good}/more`,
    good.replace('mno-a', '+'),
    good.replace('mno-a', 'MNO'),
    good.replace(eid, `${eid.slice(0, 31)}8`),
  ];
  for (const text of bad) {
    assert.throws(
      () => parseTopic(text),
      (error) => error instanceof AgentError && error.code === 'MESSAGE_INVALID',
      text,
    );
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      assert.throws(() => parseTopic(text), AgentError);
    }),
  );
});

test('an operator name that would open another level cannot become a topic', () => {
  for (const mno of ['a/b', '+', '#', '', 'A', 'x'.repeat(33)]) {
    assert.throws(() => formatTopic({ mno, eid, channel: 'up' }), { code: 'ID_INVALID' });
    assert.throws(() => operatorFilter(mno, 'up'), { code: 'ID_INVALID' });
  }
});

test('filters match as MQTT says', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['a/+/c', 'a/b/c', true],
    ['a/+/c', 'a/b/d', false],
    ['a/+', 'a/b/c', false],
    ['a/#', 'a/b/c', true],
    ['a/b', 'a', false],
    ['a', 'a/b', false],
  ];
  for (const [filter, topic, expected] of cases)
    assert.equal(topicMatches(filter, topic), expected, `${filter} ${topic}`);
});
