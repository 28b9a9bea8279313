import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { isAgentError } from '../base/errors.ts';
import { createSeededRandom } from '../base/random.ts';
import { encodeCbor } from '../codec/cbor.ts';
import { completeEid, parseIccid } from '../codec/ids.ts';
import { downMessages, type DownMessage } from '../codec/wire.ts';
import { signCose } from '../crypto/cose.ts';
import { createNobleEc } from '../crypto/ec-noble.ts';
import { createNodeEc } from '../crypto/ec-node.ts';
import { KEY_USAGE, issueCertificate, keyIdentifier } from '../crypto/x509.ts';
import { createMessageOpener, createMessageSealer, operatorKey } from './envelope.ts';
import { formatTopic } from './topics.ts';

const random = createSeededRandom(7);
const nodeEc = createNodeEc();
const ec = createNobleEc(random);
const eid = completeEid('890490320012345678901234567890');
const otherEid = completeEid('890490320012345678901234567891');

function makeOperator(mno: string) {
  const pair = nodeEc.generate('P-256');
  const name = { commonName: mno };
  const certificate = issueCertificate(
    nodeEc,
    { ...pair, name },
    {
      ...pair,
      serialNumber: Uint8Array.of(1),
      subject: name,
      notBefore: 0,
      notAfter: 4_000_000_000_000,
      keyUsage: [KEY_USAGE.digitalSignature],
    },
  );
  const signer = { ...pair, kid: keyIdentifier(pair.publicKey) };
  return { key: operatorKey(mno, certificate), signer, sealer: createMessageSealer({ ec: nodeEc, signer }) };
}

const a = makeOperator('mno-a');
const b = makeOperator('mno-b');
const stranger = makeOperator('mno-c');
const opener = createMessageOpener({ ec, eid, operators: [a.key, b.key] });
const topic = formatTopic({ mno: 'mno-a', eid, channel: 'down' });

const message: DownMessage = {
  is: 'completed',
  id: random.bytes(8),
  transaction: random.bytes(16),
  eid,
  iccid: parseIccid('8988211000000000018'),
};
const sealed = a.sealer.seal(message, topic);

function refusal(why: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(isAgentError(error, 'COMMAND_REFUSED'), String(error));
    assert.match(error.message, why);
    return true;
  };
}

test('what an operator seals for a topic, the device opens there, and learns who sealed it', () => {
  assert.deepEqual(opener.open(topic, sealed), { mno: 'mno-a', message });
});

test('a command of an operator that the device was not given is refused by its key', () => {
  const at = formatTopic({ mno: 'mno-c', eid, channel: 'down' });
  assert.throws(
    () => opener.open(at, stranger.sealer.seal(message, at)),
    refusal(/key [0-9A-F]{16} is of no operator/),
  );
});

test('a known operator cannot command on the topic of another', () => {
  assert.throws(
    () => opener.open(topic, b.sealer.seal(message, topic)),
    refusal(/key is that of mno-b, the topic that of mno-a/),
  );
});

test('a signature under a key that only claims to be the operator is refused', () => {
  const forged = signCose(nodeEc, { ...stranger.signer, kid: a.signer.kid }, downMessages.encode(message));
  assert.throws(() => opener.open(topic, forged), refusal(/signature is not that of mno-a/));
});

test('a signature made without the topic, or for another, does not count here', () => {
  const payload = downMessages.encode(message);
  const elsewhere = formatTopic({ mno: 'mno-a', eid: otherEid, channel: 'down' });
  for (const aad of [undefined, encodeCbor(['euicc-agent/1', elsewhere]), encodeCbor(['other', topic])]) {
    assert.throws(() => opener.open(topic, signCose(nodeEc, a.signer, payload, aad)), refusal(/signature/));
  }
});

test('a command for another eUICC is refused, by its topic and by its content', () => {
  const elsewhere = formatTopic({ mno: 'mno-a', eid: otherEid, channel: 'down' });
  const foreign = { ...message, eid: otherEid };
  assert.throws(
    () => opener.open(elsewhere, a.sealer.seal(foreign, elsewhere)),
    refusal(/topic names another eUICC/),
  );
  assert.throws(
    () => opener.open(topic, a.sealer.seal(foreign, topic)),
    refusal(/message is for another eUICC/),
  );
});

test('a command that comes on a topic for something else is refused', () => {
  const up = formatTopic({ mno: 'mno-a', eid, channel: 'up' });
  assert.throws(() => opener.open(up, a.sealer.seal(message, up)), refusal(/not one of commands/));
});

test('a signed payload that is no message is refused', () => {
  const aad = encodeCbor(['euicc-agent/1', topic]);
  const nonsense = signCose(nodeEc, a.signer, Uint8Array.of(0xa0), aad);
  assert.throws(() => opener.open(topic, nonsense), refusal(/the message/));
});

test('every single changed bit of a sealed command is refused', () => {
  const fast = createMessageOpener({ ec: nodeEc, eid, operators: [a.key, b.key] });
  for (let bit = 0; bit < sealed.length * 8; bit++) {
    const changed = Uint8Array.from(sealed);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.throws(() => fast.open(topic, changed), refusal(/./), `bit ${bit}`);
  }
});

test('a cut-off command and random octets are refused', () => {
  for (let length = 0; length < sealed.length; length++) {
    assert.throws(() => opener.open(topic, sealed.subarray(0, length)), refusal(/envelope/));
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (octets, anyTopic) => {
      assert.throws(() => opener.open(topic, octets), refusal(/./));
      assert.throws(() => opener.open(anyTopic, sealed), refusal(/topic/));
    }),
  );
});
