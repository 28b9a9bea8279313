// bench codec: how fast structures, commands and messages go through the codecs.
import { fromHex, toHex } from '../base/bytes.ts';
import { createSeededRandom } from '../base/random.ts';
import { decodeCommandApdu, encodeCommandApdu } from '../codec/apdu.ts';
import { encodeTlv, isConstructed, readTlvs } from '../codec/ber-tlv.ts';
import { completeEid, completeImei } from '../codec/ids.ts';
import { upMessages, type UpMessage } from '../codec/wire.ts';
import { atLeast, type Run, timesPerSecond } from './figure.ts';

const MEGABYTE = 1e6;
const SEGMENT = 239;
const ROUNDS = 5;

/** Visits every data object of a structure and answers how many there are. */
function countObjects(bytes: Uint8Array, depth = 0): number {
  let count = 0;
  for (const tlv of readTlvs(bytes)) {
    count += 1 + (depth < 8 && isConstructed(tlv.tag) ? countObjects(tlv.value, depth + 1) : 0);
  }
  return count;
}

export const codecThroughput: Run = {
  doc: 'octets a second through BER-TLV and hex, APDUs and messages a second; --runs is the number of rounds, the best counts',
  async run({ clock, runs = ROUNDS, seed, progress }) {
    const random = createSeededRandom(seed);
    const segments = Array.from({ length: 50 }, () => encodeTlv(0x86, random.bytes(SEGMENT)));
    const encodePackage = (): Uint8Array => encodeTlv(0xbf36, encodeTlv(0xa3, ...segments));
    const tree = encodeTlv(
      0xbf2d,
      ...Array.from({ length: 60 }, () =>
        encodeTlv(
          0xe3,
          encodeTlv(0x5a, random.bytes(10)),
          encodeTlv(0x9f70, Uint8Array.of(1)),
          encodeTlv(0x92, random.bytes(16)),
        ),
      ),
    );
    const command = { cla: 0x81, ins: 0xe2, p1: 0x11, p2: 0, data: random.bytes(SEGMENT) };
    const commandOctets = encodeCommandApdu(command);
    const block = random.bytes(4096);
    const message: UpMessage = {
      is: 'activationRequest',
      id: random.bytes(8),
      transaction: random.bytes(16),
      eid: completeEid('890490320000000000000000000001'),
      kind: 'provisioning',
      imei: completeImei('35693803564380'),
      euiccChallenge: random.bytes(16),
      euiccInfo1: random.bytes(60),
    };
    const measure = (name: string, bar: number, perRun: number, work: () => void) => {
      progress(name);
      return atLeast(name, timesPerSecond(clock, work, runs) * perRun, bar);
    };
    return [
      measure('BER-TLV read, small objects, million objects a second', 1, countObjects(tree) / 1e6, () =>
        countObjects(tree),
      ),
      measure(
        'BER-TLV write and read, 239-octet segments, MB/s',
        100,
        encodePackage().length / MEGABYTE,
        () => countObjects(encodePackage()),
      ),
      measure('command APDU write and read, thousand a second', 100, 1e-3, () => {
        decodeCommandApdu(encodeCommandApdu(command));
      }),
      measure('hex write and read, MB/s', 2, block.length / MEGABYTE, () => fromHex(toHex(block))),
      measure('command APDU as hex and back, thousand a second', 10, 1e-3, () =>
        fromHex(toHex(commandOctets)),
      ),
      measure('message write and read, thousand a second', 10, 1e-3, () => {
        upMessages.decode(upMessages.encode(message));
      }),
    ];
  },
};
