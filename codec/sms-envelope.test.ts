import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { encodeTimestamp, packetEnvelopes } from './sms-envelope.ts';
import { decodeSmsDeliver, decodeSmsPpDownload } from './sms-tpdu.ts';
import { createMessageAssembler } from './sms-user-data.ts';

const SENDER = { originator: { type: 0x81, digits: '12345678' } } as const;

type Vector = { name: string; encodedCmd: string; encodedTpduSmsDeliver: string };
const VECTORS = '../shared/testdata/vectors/ota-sms.json';

test('a published packet becomes the published message', (t) => {
  if (!existsSync(VECTORS)) return t.skip('no shared test data');
  const { dataDriven } = JSON.parse(readFileSync(VECTORS, 'utf8')) as { dataDriven: Vector[] };
  const timestamp = fromHex('22705200000000');
  let compared = 0;
  for (const { encodedCmd, encodedTpduSmsDeliver, name } of dataDriven) {
    if (!encodedTpduSmsDeliver.endsWith(encodedCmd)) continue;
    const [envelope, ...more] = packetEnvelopes(fromHex(encodedCmd), { ...SENDER, timestamp }, 0);
    assert.deepEqual(more, []);
    const { tpdu } = decodeSmsPpDownload(envelope?.data ?? assert.fail());
    // The tool leaves "no more messages" out and counts the header alone in TP-UDL.
    const published = fromHex(encodedTpduSmsDeliver);
    published[0] = (published[0] ?? 0) | 0x04;
    published[16] = published.length - 17;
    assert.equal(toHex(tpdu), toHex(published), name);
    compared++;
  }
  assert.ok(compared > 0);
});

test('an ENVELOPE says where the message comes from', () => {
  const [envelope] = packetEnvelopes(
    fromHex('000E'),
    {
      ...SENDER,
      serviceCentre: fromHex('911234F5'),
      timestamp: encodeTimestamp(new Date('2027-03-09T23:58:07Z')),
    },
    0,
  );
  assert.deepEqual([envelope?.cla, envelope?.ins, envelope?.le], [0x80, 0xc2, undefined]);
  assert.equal(
    toHex(envelope?.data ?? assert.fail()),
    'D122820283818604911234F58B16440881214365877FF672309032857000050270 00000E'.replace(' ', ''),
  );
  assert.throws(
    () => packetEnvelopes(fromHex('000E'), { ...SENDER, serviceCentre: new Uint8Array(13) }, 0),
    (thrown) => isAgentError(thrown, 'SMS_INVALID'),
  );
});

test('packets of any length come together again from their messages', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 0, max: 255 }), (length, reference) => {
      const packet = Uint8Array.from({ length }, (_, i) => i * 7);
      const assembler = createMessageAssembler();
      const whole = packetEnvelopes(packet, SENDER, reference)
        .map(({ data }) => {
          assert.ok(data.length <= 255);
          return assembler.add('x', decodeSmsDeliver(decodeSmsPpDownload(data).tpdu).userData);
        })
        .at(-1);
      assert.deepEqual(whole?.body, packet);
    }),
    { numRuns: 40 },
  );
  assert.throws(
    () => packetEnvelopes(new Uint8Array(134 * 255), SENDER, 0),
    (thrown) => isAgentError(thrown, 'SMS_INVALID'),
  );
});
