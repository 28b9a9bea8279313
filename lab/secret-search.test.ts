// The search that the report's `secretsOnWire` rests on must find what was planted, in every form it could travel in.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, toHex, utf8Bytes } from '../base/bytes.ts';
import { createSeededRandom } from '../base/random.ts';
import { encodeCommandApdu } from '../codec/apdu.ts';
import { cborItem } from '../codec/cbor-table.ts';
import { block } from '../codec/wire.ts';
import { createRecorder } from './recorder.ts';
import { findSecrets, type Needle } from './secret-search.ts';

const random = createSeededRandom(7);
const key = random.bytes(16);
const upp = random.bytes(400);
const needles: Needle[] = [
  { name: 'K', kind: 'value', bytes: key },
  { name: 'upp', kind: 'package', bytes: upp },
];

function csim(data: Uint8Array): Uint8Array {
  const hex = toHex(encodeCommandApdu({ cla: 0x81, ins: 0xe2, p1: 0x11, p2: 0, data }));
  return utf8Bytes(`AT+CSIM=${hex.length},"${hex}"\r`);
}

describe('secret search', () => {
  test('finds nothing in recordings without a secret', () => {
    const recorder = createRecorder();
    recorder.record('serial-out', csim(random.bytes(200)));
    recorder.record('mqtt-payload', random.bytes(5000), 'a/block');
    recorder.record('mqtt-out', random.bytes(5000));
    assert.deepEqual(findSecrets(recorder.recordings(), needles), []);
  });

  test('finds a key that travels as plain octets', () => {
    const recorder = createRecorder();
    recorder.record('mqtt-out', concat(random.bytes(100), key, random.bytes(9)));
    const found = findSecrets(recorder.recordings(), needles);
    assert.deepEqual(found, [{ name: 'K', where: 'mqtt-out', offset: 100 }]);
  });

  test('finds a key inside the hex of an AT command', () => {
    const recorder = createRecorder();
    recorder.record('serial-out', csim(concat(random.bytes(20), key)));
    assert.ok(findSecrets(recorder.recordings(), needles).some(({ name }) => name === 'K'));
  });

  test('finds a key in lower-case hex that is shifted by one digit', () => {
    const recorder = createRecorder();
    recorder.record('serial-in', utf8Bytes(`\r\n+CSIM: 5,"f${toHex(key).toLowerCase()}9000"\r\n`));
    assert.ok(findSecrets(recorder.recordings(), needles).some(({ name }) => name === 'K'));
  });

  test('finds a key that two APDUs share between them', () => {
    const recorder = createRecorder();
    recorder.record('serial-out', csim(concat(random.bytes(20), key.subarray(0, 7))));
    recorder.record('serial-out', csim(concat(key.subarray(7), random.bytes(20))));
    assert.ok(findSecrets(recorder.recordings(), needles).some(({ name }) => name === 'K'));
  });

  test('finds a window of a profile package that two blocks share, whatever their order', () => {
    const recorder = createRecorder();
    const transferId = random.bytes(16);
    const send = (index: number, data: Uint8Array): void =>
      recorder.record('mqtt-payload', cborItem(block).encode({ transferId, index, data }), 'euicc/block');
    send(1, upp.subarray(116, 140));
    send(0, concat(random.bytes(50), upp.subarray(100, 116)));
    const found = findSecrets(recorder.recordings(), needles);
    assert.equal(found[0]?.name, 'upp at 100');
  });

  test('passes over windows that are a run of one octet', () => {
    const padded: Needle[] = [{ name: 'padding', kind: 'package', bytes: new Uint8Array(300).fill(0xff) }];
    const recorder = createRecorder();
    recorder.record('mqtt-in', new Uint8Array(600).fill(0xff));
    assert.deepEqual(findSecrets(recorder.recordings(), padded), []);
  });
});
