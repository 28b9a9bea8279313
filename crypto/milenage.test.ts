// Test sets of 3GPP TS 35.207 and 35.208 (4.3, sets 1 to 5).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { deriveOpc, milenage } from './milenage.ts';

const SETS = [
  {
    number: 1,
    k: '465b5ce8b199b49faa5f0a2ee238a6bc',
    rand: '23553cbe9637a89d218ae64dae47bf35',
    sqn: 'ff9bb4d0b607',
    amf: 'b9b9',
    op: 'cdc202d5123e20f62b6d676ac72cb318',
    opc: 'cd63cb71954a9f4e48a5994e37a02baf',
    macA: '4a9ffac354dfafb3',
    macS: '01cfaf9ec4e871e9',
    res: 'a54211d5e3ba50bf',
    ak: 'aa689c648370',
    ck: 'b40ba9a3c58b2a05bbf0d987b21bf8cb',
    ik: 'f769bcd751044604127672711c6d3441',
    akStar: '451e8beca43b',
  },
  {
    number: 2,
    k: '0396eb317b6d1c36f19c1c84cd6ffd16',
    rand: 'c00d603103dcee52c4478119494202e8',
    sqn: 'fd8eef40df7d',
    amf: 'af17',
    op: 'ff53bade17df5d4e793073ce9d7579fa',
    opc: '53c15671c60a4b731c55b4a441c0bde2',
    macA: '5df5b31807e258b0',
    macS: 'a8c016e51ef4a343',
    res: 'd3a628ed988620f0',
    ak: 'c47783995f72',
    ck: '58c433ff7a7082acd424220f2b67c556',
    ik: '21a8c1f929702adb3e738488b9f5c5da',
    akStar: '30f1197061c1',
  },
  {
    number: 3,
    k: 'fec86ba6eb707ed08905757b1bb44b8f',
    rand: '9f7c8d021accf4db213ccff0c7f71a6a',
    sqn: '9d0277595ffc',
    amf: '725c',
    op: 'dbc59adcb6f9a0ef735477b7fadf8374',
    opc: '1006020f0a478bf6b699f15c062e42b3',
    macA: '9cabc3e99baf7281',
    macS: '95814ba2b3044324',
    res: '8011c48c0c214ed2',
    ak: '33484dc2136b',
    ck: '5dbdbb2954e8f3cde665b046179a5098',
    ik: '59a92d3b476a0443487055cf88b2307b',
    akStar: 'deacdd848cc6',
  },
  {
    number: 4,
    k: '9e5944aea94b81165c82fbf9f32db751',
    rand: 'ce83dbc54ac0274a157c17f80d017bd6',
    sqn: '0b604a81eca8',
    amf: '9e09',
    op: '223014c5806694c007ca1eeef57f004f',
    opc: 'a64a507ae1a2a98bb88eb4210135dc87',
    macA: '74a58220cba84c49',
    macS: 'ac2cc74a96871837',
    res: 'f365cd683cd92e96',
    ak: 'f0b9c08ad02e',
    ck: 'e203edb3971574f5a94b0d61b816345d',
    ik: '0c4524adeac041c4dd830d20854fc46b',
    akStar: '6085a86c6f63',
  },
  {
    number: 5,
    k: '4ab1deb05ca6ceb051fc98e77d026a84',
    rand: '74b0cd6031a1c8339b2b6ce2b8c4a186',
    sqn: 'e880a1b580b6',
    amf: '9f07',
    op: '2d16c5cd1fdf6b22383584e3bef2a8d8',
    opc: 'dcf07cbd51855290b92a07a9891e523e',
    macA: '49e785dd12626ef2',
    macS: '9e85790336bb3fa2',
    res: '5860fc1bce351e7e',
    ak: '31e11a609118',
    ck: '7657766b373d1c2138f307e3de9242f9',
    ik: '1c42e960d89b8fa99f2744e0708ccb53',
    akStar: 'fe2555e54aa9',
  },
];

function hex(bytes: Uint8Array): string {
  return toHex(bytes).toLowerCase();
}

for (const set of SETS) {
  test(`MILENAGE gives the outputs of published test set ${set.number}`, () => {
    const k = new Secret(fromHex(set.k));
    const opc = deriveOpc(k, new Secret(fromHex(set.op)));
    assert.equal(toHex(opc.reveal()).toLowerCase(), set.opc);
    const out = milenage({ k, opc, rand: fromHex(set.rand), sqn: fromHex(set.sqn), amf: fromHex(set.amf) });
    assert.deepEqual(
      {
        macA: hex(out.macA),
        macS: hex(out.macS),
        res: hex(out.res),
        ak: hex(out.ak),
        ck: hex(out.ck.reveal()),
        ik: hex(out.ik.reveal()),
        akStar: hex(out.akStar),
      },
      {
        macA: set.macA,
        macS: set.macS,
        res: set.res,
        ak: set.ak,
        ck: set.ck,
        ik: set.ik,
        akStar: set.akStar,
      },
    );
  });
}

test('MILENAGE names the input that has the wrong length', () => {
  const zero = new Secret(new Uint8Array(16));
  assert.throws(
    () =>
      milenage({
        k: zero,
        opc: zero,
        rand: new Uint8Array(15),
        sqn: new Uint8Array(6),
        amf: new Uint8Array(2),
      }),
    (error) => isAgentError(error, 'KEY_INVALID') && error.data['what'] === 'RAND',
  );
});
