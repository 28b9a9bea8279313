// Test sets of 3GPP TS 35.233 (6.3 to 6.8), and the permutation against the hashes that node:crypto makes of it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex, utf8Bytes } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { keccakF1600 } from './keccak.ts';
import { deriveTopc, tuak, type TuakParameters } from './tuak.ts';

const LONG_K = '1574ca56881d05c189c82880f789c9cd4244955f4426aa2b69c29f15770e5aa5';
const COUNTED_K = 'fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0efeeedecebeae9e8e7e6e5e4e3e2e1e0';
const COUNTED_TOP = '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f';
const COUNTED_TOPC = '305425427e18c503c8a4b294ea72c95d0c36c6c6b29d0c65de5974d5977f8524';

const SETS = [
  {
    number: 1,
    in: [
      'abababababababababababababababab',
      '42424242424242424242424242424242',
      '111111111111',
      'ffff',
      '55'.repeat(32),
    ],
    iterations: 1,
    topc: 'bd04d9530e87513c5d837ac2ad954623a8e2330c115305a73eb45d1f40cccbff',
    macA: 'f9a54e6aeaa8618d',
    macS: 'e94b4dc6c7297df3',
    res: '657acd64',
    ck: 'd71a1e5c6caffe986a26f783e5c78be1',
    ik: 'be849fa2564f869aecee6f62d4337e72',
    ak: '719f1e9b9054',
    akStar: 'e7af6b3d0e38',
  },
  {
    number: 2,
    in: [COUNTED_K, '0123456789abcdef0123456789abcdef', '0123456789ab', 'abcd', COUNTED_TOP],
    iterations: 1,
    topc: COUNTED_TOPC,
    macA: 'c0b8c2d4148ec7aa5f1d78a97e4d1d58',
    macS: 'ef81af7290f7842c6ceafa537fa0745b',
    res: 'e9d749dc4eea0035',
    ck: 'a4cb6f6529ab17f8337f27baa8234d47',
    ik: '2274155ccf4199d5e2abcbf621907f90',
    ak: '480a9345cc1e',
    akStar: 'f84eb338848c',
  },
  {
    number: 3,
    in: [COUNTED_K, '0123456789abcdef0123456789abcdef', '0123456789ab', 'abcd', COUNTED_TOP],
    iterations: 1,
    topc: COUNTED_TOPC,
    macA: 'd97b75a1776065271b1e212bc3b1bf173f438b21e6c64a55a96c372e085e5cc5',
    macS: '427bbf07c6e3a86c54f8c5216499f3909a6fd4a164c9fe235b1550258111b821',
    res: '07021c73e7635c7d',
    ck: '4d59ac796834eb85d11fa148a5058c3c',
    ik: '126d47500136fdc5ddfd14f19ebf16749ce4b6435323fbb5715a3a796a6082bd',
    ak: '1d6622c4e59a',
    akStar: 'f84eb338848c',
  },
  {
    number: 4,
    in: [
      'b8da837a50652d6ac7c97da14f6acc61',
      '6887e55425a966bd86c9661a5fa72be8',
      '0dea2ee2c5af',
      'df1e',
      '0952be13556c32ebc58195d9dd930493e12a9003669988ffde5fa1f0fe35cc01',
    ],
    iterations: 1,
    topc: '2bc16eb657a68e1f446f08f57c0efb1d493527a2e652ce281eb6ca0e4487760a',
    macA: '749214087958dd8f58bfcdf869d8ae3f',
    macS: '619e865afe80e382aee13063f9dfb56d',
    res: '4041ce438e3e38e8aa96562eed83ac43',
    ck: '3e3bc01bea0cd914c4c2c83ce2d92757',
    ik: '666a8e6f577b1aa77b7fd53cebb8a3d6',
    ak: '1f880d005119',
    akStar: '45e617d77fe5',
  },
  {
    number: 5,
    in: [
      LONG_K,
      'c570aac68cde651fb1e3088322498bef',
      'c89bb71f3a41',
      '297d',
      'e59f6eb10ea406813f4991b0b9e02f181edf4c7e17b480f66d34da35ee88c95e',
    ],
    iterations: 1,
    topc: '3c6052e41532a28a47aa3cbb89f223e8f3aaa976aecd48bc3e7d6165a55eff62',
    macA: 'd7340dad02b4cb01',
    macS: 'c6021e2e66accb15',
    res: '84d89b41db1867ffd4c7ba1d82163f4d526a20fbae5418fbb526940b1eeb905c',
    ck: 'd419676afe5ab58c1d8bee0d43523a4d2f52ef0b31a4676a0c334427a988fe65',
    ik: '205533e505661b61d05cc0eac87818f4',
    ak: 'd7b3d2d4980a',
    akStar: 'ca9655264986',
  },
  {
    number: 6,
    in: [
      LONG_K,
      'c570aac68cde651fb1e3088322498bef',
      'c89bb71f3a41',
      '297d',
      'e59f6eb10ea406813f4991b0b9e02f181edf4c7e17b480f66d34da35ee88c95e',
    ],
    iterations: 2,
    topc: 'b04a66f26c62fcd6c82de22a179ab65506ecf47f56245cd149966cfa9cec7a51',
    macA: '90d2289ed1ca1c3dbc2247bb480d431ac71d2e4a7677f6e997cfddb0cbad88b7',
    macS: '427355dbac30e825063aba61b556e87583abac638e3ab01c4c884ad9d458dc2f',
    res: 'd67e6e64590d22eecba7324afa4af4460c93f01b24506d6e12047d789a94c867',
    ck: 'ede57edfc57cdffe1aae75066a1b7479bbc3837438e88d37a801cccc9f972b89',
    ik: '48ed9299126e5057402fe01f9201cf25249f9c5c0ed2afcf084755daff1d3999',
    ak: '6aae8d18c448',
    akStar: '8c5f33b61f4e',
  },
] as const;

for (const set of SETS) {
  test(`TUAK gives the outputs of published test set ${set.number}`, () => {
    const [k, rand, sqn, amf, top] = set.in.map(fromHex) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const topc = deriveTopc(new Secret(k), new Secret(top), set.iterations);
    const parameters = {
      macOctets: set.macA.length / 2,
      resOctets: set.res.length / 2,
      ckOctets: set.ck.length / 2,
      ikOctets: set.ik.length / 2,
      iterations: set.iterations,
    } as TuakParameters;
    const out = tuak({ k: new Secret(k), topc, rand, sqn, amf, parameters });
    for (const name of ['macA', 'macS', 'res', 'ak', 'akStar'] as const) {
      assert.equal(toHex(out[name]).toLowerCase(), set[name], name);
    }
    for (const name of ['ck', 'ik'] as const) {
      assert.equal(toHex(out[name].reveal()).toLowerCase(), set[name], name);
    }
    assert.equal(toHex(topc.reveal()).toLowerCase(), set.topc);
  });
}

test('TUAK names the input that has the wrong length', () => {
  const input = {
    k: new Secret(new Uint8Array(16)),
    topc: new Secret(new Uint8Array(32)),
    rand: new Uint8Array(16),
    sqn: new Uint8Array(6),
    amf: new Uint8Array(2),
  };
  const named = (what: string) => (thrown: unknown) =>
    isAgentError(thrown, 'KEY_INVALID') && thrown.data['what'] === what;
  assert.throws(() => tuak({ ...input, k: new Secret(new Uint8Array(24)) }), named('K'));
  assert.throws(() => tuak({ ...input, topc: input.k }), named('TOPc'));
  assert.throws(() => tuak({ ...input, rand: new Uint8Array(15) }), named('RAND'));
  assert.throws(() => deriveTopc(input.k, input.k), named('TOP'));
  assert.equal(tuak(input).macA.length, 8);
});

test('the permutation makes the SHA3-256 of node:crypto, for any message of one block', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 135 }), (message) => {
      const state = new Uint8Array(200);
      state.set(message);
      state[message.length] = 0x06;
      state[135] = (state[135] ?? 0) | 0x80;
      const expected = createHash('sha3-256').update(message).digest('hex');
      assert.equal(toHex(keccakF1600(state).subarray(0, 32)).toLowerCase(), expected);
    }),
    { numRuns: 20 },
  );
});

test('the permutation leaves its input as it was', () => {
  const state = new Uint8Array(200).fill(1);
  keccakF1600(state);
  assert.deepEqual(state, new Uint8Array(200).fill(1));
  assert.equal(utf8Bytes('TUAK1.0').length, 7);
});
