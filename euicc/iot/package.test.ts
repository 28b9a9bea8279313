// What LoadEuiccPackage checks before it obeys, what it answers, and that its answers are signed over the right octets.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { concat, fromHex, toHex } from '../../base/bytes.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { completeEid, encodeEid } from '../../codec/ids.ts';
import { createTestPki, TEST_EID } from '../testing/pki.ts';
import {
  A,
  configurationOf,
  createTestEim,
  deleteOf,
  enableOf,
  iotRig,
  packageRequest,
  readAnswer,
  TRANSACTION,
} from '../testing/eim.ts';
import { profileStates } from '../testing/results.ts';
import { ec } from '../testing/world.ts';

const listEim = { is: 'listEim', value: {} } as const;
const LISTED = 'AB15A0133011800F65696D2E6578616D706C652E636F6D';

describe('a package is obeyed', () => {
  test('when the eIM has signed it for this card with a higher counter', async () => {
    const rig = await iotRig();
    assert.deepEqual(await rig.eco(listEim), {
      is: 'signed',
      eimId: 'eim.example.com',
      counter: 5,
      transaction: toHex(TRANSACTION),
      seqNumber: 1,
      results: [LISTED],
    });
  });

  test('with the key of a certificate as well', async () => {
    const rig = await iotRig();
    const eim = createTestEim('with-certificate');
    const { certificate } = createTestPki(ec).issue({ publicKey: eim.pair.publicKey });
    const value = configurationOf(eim, { eimPublicKeyData: { is: 'eimCertificate', value: certificate } });
    assert.deepEqual((await rig.eco({ is: 'addEim', value })).results, ['A803020100']);
    const answer = await rig.isdR.es10(packageRequest(eim, { ecoList: [listEim] }));
    assert.equal(readAnswer(rig.world, answer, 0).is, 'signed');
  });

  test('on brainpoolP256r1, and without a transaction id', async () => {
    const rig = await iotRig();
    const eim = createTestEim('brainpool', ec.generate('brainpoolP256r1'));
    await rig.eco({ is: 'addEim', value: configurationOf(eim) });
    const signed = concat(
      encodeTlv(0x80, fromHex(toHex(new TextEncoder().encode('brainpool')))),
      encodeTlv(0x5a, encodeEid(TEST_EID)),
      fromHex('810105A102AB00'),
    );
    const request = packageRequest(eim, {}, { signed: encodeTlv(0x30, signed) });
    const answer = readAnswer(rig.world, await rig.isdR.es10(request), 0);
    assert.equal(answer.is, 'signed');
    assert.equal(answer.transaction, undefined);
  });

  test('only with the association token under both signatures', async () => {
    const rig = await iotRig({}, { associationToken: -1 });
    assert.equal(rig.eim.token, 1);
    assert.equal((await rig.eco(listEim)).is, 'signed');
    rig.eim.token = 2;
    const answer = await rig.isdR.es10(packageRequest(rig.eim, { ecoList: [listEim] }));
    assert.deepEqual(readAnswer(rig.world, answer, 1), {
      is: 'unsigned',
      eimId: 'eim.example.com',
      transaction: toHex(TRANSACTION),
      token: 1,
      results: [],
    });
  });
});

describe('a package is refused', () => {
  const unsigned = { is: 'unsigned', transaction: toHex(TRANSACTION), results: [] } as const;

  test('without a signature of the card when the eIM is not known', async () => {
    const rig = await iotRig();
    const stranger = createTestEim('stranger');
    const answer = await rig.isdR.es10(packageRequest(stranger, { ecoList: [listEim] }));
    assert.deepEqual(readAnswer(rig.world, answer, 0), { ...unsigned, eimId: 'stranger' });
  });

  test('when the eIM’s signature fails: another key, a changed octet, a signature of another length', async () => {
    const rig = await iotRig();
    const forger = { ...rig.eim, pair: ec.generate('P-256') };
    const changed = (right: Uint8Array): Uint8Array => right.map((octet, i) => (i === 3 ? octet ^ 1 : octet));
    for (const request of [
      packageRequest(forger, { ecoList: [listEim] }),
      packageRequest(rig.eim, { ecoList: [listEim] }, { signature: changed }),
      packageRequest(rig.eim, { ecoList: [listEim] }, { signature: (right) => right.subarray(0, 63) }),
    ]) {
      const answer = readAnswer(rig.world, await rig.isdR.es10(request), 0);
      assert.deepEqual(answer, { ...unsigned, eimId: 'eim.example.com' });
    }
  });

  test('with signed errors when it is for another card, an old one, or its counter is too high', async () => {
    const rig = await iotRig();
    const send = async (fields: Parameters<typeof packageRequest>[1]) => {
      const answer = await rig.isdR.es10(packageRequest(rig.eim, { ecoList: [listEim], ...fields }));
      const { is, code, counter, transaction } = readAnswer(rig.world, answer, 0);
      return [is, code, counter, transaction];
    };
    const transaction = toHex(TRANSACTION);
    const other = completeEid('890490321234512345123456789099');
    assert.deepEqual(await send({ eidValue: other }), ['error', 3, 5, transaction]);
    assert.deepEqual(await send({ counterValue: 4 }), ['error', 4, 4, transaction]);
    assert.deepEqual(await send({ counterValue: 0x80_0000 }), ['error', 6, 0x80_0000, transaction]);
    assert.deepEqual(await send({ counterValue: 5 }), ['signed', undefined, 5, transaction]);
    assert.deepEqual(await send({ counterValue: 5 }), ['error', 4, 5, transaction]);
    assert.deepEqual(await send({ counterValue: 0x7f_ffff }), ['signed', undefined, 0x7f_ffff, transaction]);
  });

  test('as a replay also after a restart', async () => {
    const rig = await iotRig();
    const request = packageRequest(rig.eim, { ecoList: [listEim] });
    assert.equal(readAnswer(rig.world, await rig.isdR.es10(request), 0).is, 'signed');
    await rig.restart();
    assert.equal(readAnswer(rig.world, await rig.isdR.es10(request), 0).code, 4);
  });

  test('when it is too large, or the emergency profile is enabled', async () => {
    const rig = await iotRig({ a: { ecallIndication: true } });
    const many = Array.from({ length: 9000 }, () => listEim);
    assert.deepEqual((await rig.eco(...many)).code, 15);
    await rig.ask('BF5B03800100');
    assert.deepEqual((await rig.eco(listEim)).code, 104);
    await rig.ask('BF5C03800100');
    assert.deepEqual((await rig.eco(listEim)).is, 'signed');
  });

  test('with a status word when it is no package at all', async () => {
    const rig = await iotRig();
    for (const hex of ['BF5100', 'BF51023000', 'BF5105300080015A', 'BF510730038001615F3700']) {
      assert.equal((await rig.isdR.send(fromHex(hex))).sw, 0x6a80, hex);
    }
  });
});

describe('processing', () => {
  test('stops at the first operation that fails; what ran before it stays', async () => {
    const rig = await iotRig();
    const answer = await rig.psmo(enableOf(A), enableOf(A), deleteOf(A));
    assert.deepEqual(answer.results, ['830100', '83017F']);
    assert.equal((await profileStates(rig.isdR))[A], 'enabled');
  });

  test('stops at an operation that the card does not know or cannot read', async () => {
    const rig = await iotRig();
    const signed = (list: string): Uint8Array =>
      encodeTlv(
        0x30,
        encodeTlv(0x80, new TextEncoder().encode('eim.example.com')),
        encodeTlv(0x5a, encodeEid(TEST_EID)),
        encodeTlv(0x81, Uint8Array.of(++rig.eim.counter)),
        fromHex(list),
      );
    const results = async (list: string): Promise<readonly string[]> =>
      readAnswer(rig.world, await rig.isdR.es10(packageRequest(rig.eim, {}, { signed: signed(list) })), 0)
        .results;
    const damaged = '020102';
    assert.deepEqual(await results('A105AB00BF7F00'), [LISTED, damaged]);
    assert.deepEqual(await results('A002A300'), [damaged]);
    assert.deepEqual(await results('A003A30580'), [damaged]);
    assert.deepEqual(await results('A000'), []);
    assert.deepEqual(await results(''), [damaged]);
    assert.deepEqual(await results('A002A600A102AB00'), [damaged]);
  });

  test('stops when the results overflow', async () => {
    const rig = await iotRig();
    const answer = await rig.eco(...Array.from({ length: 2000 }, () => listEim));
    assert.equal(answer.results.at(-1), '020101');
    assert.ok(answer.results.length > 500);
  });
});
