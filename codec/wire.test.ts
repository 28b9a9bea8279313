import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import * as fc from 'fast-check';
import { isAgentError } from '../base/errors.ts';
import { type CborValue, decodeCbor, encodeCbor } from './cbor.ts';
import { completeEid, completeImei, parseIccid } from './ids.ts';
import {
  block,
  blockRequest,
  type DownKind,
  type DownMessage,
  downMessages,
  type UpKind,
  type UpMessage,
  upMessages,
} from './wire.ts';

const octets = (length: number, octet = 7): Uint8Array => new Uint8Array(length).fill(octet);
const invalid = (error: unknown) => isAgentError(error, 'MESSAGE_INVALID');
const refused = (error: unknown) => isAgentError(error, 'MESSAGE_INVALID', 'CBOR_INVALID', 'ID_INVALID');

const head = { id: octets(8), transaction: octets(16), eid: completeEid('890490320000000000000000000001') };
const iccid = parseIccid('8949000000000000012');
const imei = completeImei('35693803564380');

const UP: { readonly [K in UpKind]: Extract<UpMessage, { is: K }> } = {
  activationRequest: {
    is: 'activationRequest',
    ...head,
    kind: 'mno-change',
    imei,
    euiccChallenge: octets(16),
    euiccInfo1: octets(60),
    donorIccid: iccid,
    resumes: octets(16),
    maxBlockSize: 4096,
    maxCommandData: 120,
  },
  authenticateResponse: {
    is: 'authenticateResponse',
    ...head,
    authenticateServerResponse: octets(900),
    imei,
  },
  downloadResponse: { is: 'downloadResponse', ...head, prepareDownloadResponse: octets(200) },
  transferReport: {
    is: 'transferReport',
    ...head,
    transferId: octets(16),
    state: 'failed',
    receivedBytes: 4096,
    dropped: 2,
    reason: 'no room',
  },
  scriptReport: {
    is: 'scriptReport',
    ...head,
    command: octets(8),
    outcome: 'done',
    responseScript: octets(40),
    profileInstallationResult: octets(100),
    enabledIccid: iccid,
    registration: { stat: 5, plmn: '26201' },
    reason: 'none',
    apdus: 60,
    elapsedMs: 4000,
  },
  notification: { is: 'notification', ...head, pendingNotification: octets(120) },
  failure: { is: 'failure', ...head, command: octets(8), code: 'CARD_LOST', detail: 'x' },
  receipt: { is: 'receipt', ...head, of: octets(8), outcome: 'duplicate' },
  sessionCancelled: {
    is: 'sessionCancelled',
    ...head,
    cancelSessionResponse: octets(110),
    code: 'TRANSFER_STOPPED',
    detail: 'x',
  },
};

const DOWN: { readonly [K in DownKind]: Extract<DownMessage, { is: K }> } = {
  trigger: { is: 'trigger', ...head, kind: 'provisioning' },
  authenticateRequest: {
    is: 'authenticateRequest',
    ...head,
    serverSigned1: octets(80),
    serverSignature1: octets(67),
    euiccCiPKIdToBeUsed: octets(22),
    serverCertificate: octets(600),
    matchingId: 'A-B',
  },
  downloadRequest: {
    is: 'downloadRequest',
    ...head,
    smdpSigned2: octets(40),
    smdpSignature2: octets(67),
    smdpCertificate: octets(600),
    profileMetadata: octets(90),
  },
  manifest: {
    is: 'manifest',
    ...head,
    transferId: octets(16),
    contentKind: 'profile-script',
    totalBytes: 14_000,
    blockSize: 4096,
    sha256: octets(32),
    hashes: octets(64),
    expires: 1_800_000_000,
    iccid,
  },
  script: {
    is: 'script',
    ...head,
    purpose: 'enable',
    iccid,
    script: octets(90),
    rollback: octets(90),
    deadlineMs: 300_000,
  },
  refused: {
    is: 'refused',
    ...head,
    reason: 'chain',
    checks: [{ name: 'dates', ok: false, detail: 'expired' }],
    retryAfterMs: 0,
  },
  completed: { is: 'completed', ...head, iccid },
  transferStop: { is: 'transferStop', ...head, transferId: octets(16), why: 'slow-down', retryAfterMs: 5000 },
  receipt: { is: 'receipt', ...head, of: octets(8), outcome: 'refused', reason: 'why' },
};

const codecs = [
  { name: 'agent', codec: upMessages, samples: Object.values(UP) },
  { name: 'operator', codec: downMessages, samples: Object.values(DOWN) },
] as const;

/** The map of a message, to be changed by a test. */
function mapOf(bytes: Uint8Array): Map<number | string, CborValue> {
  const value = decodeCbor(bytes);
  assert.ok(value instanceof Map);
  return value;
}

for (const { name, codec, samples } of codecs) {
  describe(`the messages of the ${name}`, () => {
    const encode = codec.encode as (message: object) => Uint8Array;
    const [first = {}] = samples;

    for (const message of samples) {
      test(`${message.is} comes back as it went`, () => {
        assert.deepEqual(codec.decode(encode(message)), message);
      });

      test(`${message.is} with a mandatory field missing is refused, an unknown field is passed over`, () => {
        const whole = mapOf(encode(message));
        for (const key of whole.keys()) {
          const less = new Map(whole);
          less.delete(key);
          try {
            const read = codec.decode(encodeCbor(less));
            assert.ok(Object.keys(read).length === Object.keys(message).length - 1);
          } catch (error) {
            assert.ok(invalid(error), String(error));
          }
        }
        for (const key of [0, 1, 2, 3, 4]) {
          const less = new Map(whole);
          less.delete(key);
          assert.throws(() => codec.decode(encodeCbor(less)), invalid);
        }
        assert.deepEqual(codec.decode(encodeCbor(new Map([...whole, [250, 'later']]))), message);
      });
    }

    test('of another version or an unknown type are refused', () => {
      const whole = mapOf(encode(first));
      for (const [key, value] of [
        [0, 250],
        [0, '1'],
        [1, 2],
        [1, [1]],
      ] as const) {
        assert.throws(() => codec.decode(encodeCbor(new Map([...whole, [key, value]]))), invalid);
      }
      for (const other of [[], 1, 'x', null]) assert.throws(() => codec.decode(encodeCbor(other)), invalid);
    });

    test('name the field that is wrong', () => {
      const whole = mapOf(encode(first));
      assert.throws(
        () => codec.decode(encodeCbor(new Map([...whole, [4, '123']]))),
        (error) => refused(error) && isAgentError(error) && error.data['field'] === 'eid',
      );
    });

    test('however changed, are read or refused and nothing else', () => {
      fc.assert(
        fc.property(fc.constantFrom(...samples), fc.nat(), fc.nat(255), (message, place, octet) => {
          const bytes = Uint8Array.from(encode(message));
          bytes[place % bytes.length] = octet;
          for (const hostile of [bytes, bytes.subarray(0, place % bytes.length)]) {
            try {
              codec.decode(hostile);
            } catch (error) {
              assert.ok(refused(error), String(error));
            }
          }
        }),
        { numRuns: 500 },
      );
    });
  });
}

test('a message of one side is no message of the other', () => {
  for (const message of Object.values(UP))
    assert.throws(() => downMessages.decode(upMessages.encode(message)), invalid);
  for (const message of Object.values(DOWN))
    assert.throws(() => upMessages.decode(downMessages.encode(message)), invalid);
});

test('requests for blocks and blocks come back as they went, and hold to their limits', () => {
  const request = {
    transferId: octets(16),
    ranges: [
      [0, 4],
      [9, 1],
    ],
  };
  assert.deepEqual(blockRequest.fromCbor(decodeCbor(encodeCbor(blockRequest.toCbor(request)))), request);
  const one = { transferId: octets(16), index: 3, data: octets(4096) };
  assert.deepEqual(block.fromCbor(decodeCbor(encodeCbor(block.toCbor(one)))), one);
  for (const wrong of [
    { ...one, index: 70_000 },
    { ...one, data: octets(0) },
    { ...one, data: octets(70_000) },
    { ...one, transferId: octets(4) },
  ]) {
    assert.throws(() => block.fromCbor(decodeCbor(encodeCbor(block.toCbor(wrong)))), invalid);
  }
  const many = { transferId: octets(16), ranges: Array.from({ length: 65 }, () => [0, 1]) };
  assert.throws(() => blockRequest.fromCbor(decodeCbor(encodeCbor(blockRequest.toCbor(many)))), invalid);
});
