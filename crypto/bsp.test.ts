import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { readTlv, readTlvs } from '../codec/ber-tlv.ts';
import { decodeEid } from '../codec/ids.ts';
import {
  BSP_MAX_AUTHENTICATED,
  BSP_MAX_ENCRYPTED,
  type BspKeys,
  createBspOpener,
  createBspProtector,
  deriveBspKeys,
} from './bsp.ts';
import { aesCmac } from './cmac.ts';

const secret = (hex: string): Secret<Uint8Array> => new Secret(fromHex(hex));
const keySet = (enc: string, mac: string, initialMcv: string): BspKeys => ({
  enc: secret(enc),
  mac: secret(mac),
  initialMcv: secret(initialMcv),
});
const security = (thrown: unknown): boolean => isAgentError(thrown, 'BSP_SECURITY');

// Trace of a third-party SM-DP+, in osmocom/pysim tests/unittests/test_esim_bsp.py (commit 597f1e03).
const SHARED_SECRET = 'C9A993DD4879A8F7161F2085410EDD4F9652F1DF37BE097BA96BA2CA6BE528FE';
const KEYS = keySet(
  '472F5BFADD97F21D34F3CE9B51B92751',
  '9EC07F5B36A13E12A991D66E294E6242',
  '406D507B448A699E7A36A38494DEBBDE',
);
const SEGMENTS = [
  { tag: 0x87, plaintext: 'BF2400', segment: '8718F6FE031E4B9CFE87C8E1E62F3FDE85C49412D7722A6A2D89' },
  {
    tag: 0x88,
    plaintext:
      'BF252D5A0A98001032547698103214910947534D415F54455354921147534D415F544553545F50524F46494C45950100',
    segment:
      '8838BF252D5A0A98001032547698103214910947534D415F54455354921147534D415F544553545F50524F46494C459501008A62CC9ADBB5CCBC',
  },
  {
    tag: 0x87,
    plaintext:
      'BF26368010000102030405060708090A0B0C0D0E0F8110010102030405060708090A0B0C0D0E0F8210020102030405060708090A0B0C0D0E0F',
    segment:
      '8748A14C800A001992351CD46AD2945654674369701D82B7B46567652BC8FBED234939FC57FBA748015525FD6C651E9D3D1330652D42A0CFAD950E912122AF4EC5362D3C0BC535729C40',
  },
] as const;

test('session keys come out of the agreed secret as in the trace of an SM-DP+', () => {
  const keys = deriveBspKeys({
    sharedSecret: secret(SHARED_SECRET),
    hostId: fromHex('8080808080808080'),
    eid: decodeEid(fromHex('89049032123451234512345678901235')),
  });
  for (const part of ['enc', 'mac', 'initialMcv'] as const) {
    assert.equal(toHex(keys[part].reveal()), toHex(KEYS[part].reveal()), part);
  }
});

test('segments are protected and opened as in the trace of an SM-DP+', () => {
  const protector = createBspProtector(KEYS);
  const opener = createBspOpener(KEYS);
  for (const row of SEGMENTS) {
    assert.equal(toHex(protector.protect(row.tag, fromHex(row.plaintext))), row.segment);
    const opened = opener.open(fromHex(row.segment));
    assert.equal(opened.tag, row.tag);
    assert.equal(toHex(opened.plaintext), row.plaintext);
  }
});

test('segments of the greatest size have 1020 octets and open', () => {
  const protector = createBspProtector(KEYS);
  const opener = createBspOpener(KEYS);
  for (const [tag, size] of [
    [0x86, BSP_MAX_ENCRYPTED],
    [0x88, BSP_MAX_AUTHENTICATED],
  ] as const) {
    const segment = protector.protect(tag, new Uint8Array(size).fill(0x55));
    assert.equal(segment.length, 1020);
    assert.equal(opener.open(segment).plaintext.length, size);
  }
});

test('replaced session keys start a chain and a count of their own', () => {
  const ppk = keySet('11'.repeat(16), '22'.repeat(16), '33'.repeat(16));
  const protector = createBspProtector(KEYS);
  const opener = createBspOpener(KEYS);
  opener.open(protector.protect(0x87, fromHex('BF2400')));
  protector.replaceSessionKeys(ppk);
  opener.replaceSessionKeys(ppk);
  const segment = protector.protect(0x86, fromHex('01'));
  assert.deepEqual(segment, createBspProtector(ppk).protect(0x86, fromHex('01')));
  assert.equal(toHex(opener.open(segment).plaintext), '01');
});

test('one changed octet anywhere in a segment is refused, and nothing opens afterwards', () => {
  const good = createBspProtector(KEYS).protect(0x87, fromHex('BF2400'));
  for (let at = 0; at < good.length; at++) {
    const bad = Uint8Array.from(good);
    bad[at] = (bad[at] ?? 0) ^ 0x01;
    const opener = createBspOpener(KEYS);
    assert.throws(() => opener.open(bad), AgentError, `octet ${at}`);
    assert.throws(() => opener.open(good), security, `after octet ${at}`);
    opener.replaceSessionKeys(KEYS);
    assert.throws(() => opener.open(good), security);
  }
});

test('a segment left out, repeated, exchanged or protected under other keys is refused', () => {
  const protector = createBspProtector(KEYS);
  const [one, two] = [protector.protect(0x86, fromHex('01')), protector.protect(0x86, fromHex('02'))];
  for (const order of [[two], [one, one], [one, concat(two, Uint8Array.of(0))]]) {
    const opener = createBspOpener(KEYS);
    assert.throws(() => order.forEach((segment) => opener.open(segment)), security);
  }
  const other = keySet('11'.repeat(16), '22'.repeat(16), '33'.repeat(16));
  assert.throws(() => createBspOpener(other).open(one), security);
});

function withRightMac(tag: number, data: Uint8Array): Uint8Array {
  const head = Uint8Array.of(tag, data.length + 8);
  const mac = aesCmac(KEYS.mac, KEYS.initialMcv.reveal(), head, data);
  return concat(head, data, mac.subarray(0, 8));
}

test('a right MAC does not save a wrong padding, a part of a block or an unknown tag', () => {
  const rows = [
    [0x86, 16, 'wrong padding'],
    [0x87, 0, 'not whole blocks'],
    [0x86, 15, 'not whole blocks'],
    [0x85, 16, 'unknown segment tag'],
  ] as const;
  for (const [tag, length, why] of rows) {
    const segment = withRightMac(tag, new Uint8Array(length));
    assert.throws(
      () => createBspOpener(KEYS).open(segment),
      (thrown) => security(thrown) && (thrown as AgentError).data['why'] === why,
      why,
    );
  }
  assert.equal(createBspOpener(KEYS).open(withRightMac(0x88, new Uint8Array(3))).plaintext.length, 3);
});

test('truncated and random segments end in an AgentError', () => {
  const good = createBspProtector(KEYS).protect(0x86, new Uint8Array(40));
  for (let length = 0; length < good.length; length++) {
    assert.throws(() => createBspOpener(KEYS).open(good.subarray(0, length)), AgentError);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      assert.throws(() => createBspOpener(KEYS).open(bytes), AgentError);
    }),
  );
});

test('what one side protects the other opens, for any run of segments', () => {
  const segment = fc.tuple(fc.constantFrom(0x86, 0x87, 0x88), fc.uint8Array({ maxLength: 200 }));
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 6 }), (run) => {
      const [protector, opener] = [createBspProtector(KEYS), createBspOpener(KEYS)];
      for (const [tag, plaintext] of run) {
        const opened = opener.open(protector.protect(tag, plaintext));
        assert.deepEqual(opened, { tag, plaintext: Uint8Array.from(plaintext) });
      }
    }),
    { numRuns: 50 },
  );
});

const VECTORS = '../shared/testdata/vectors/';
type Row = { readonly tag: string; readonly plaintext: string; readonly output: string };

test('the published KDF cases and 1007-octet segments hold', (t) => {
  if (!existsSync(`${VECTORS}bsp.json`)) return t.skip('no shared test data');
  const vectors = JSON.parse(readFileSync(`${VECTORS}bsp.json`, 'utf8')) as {
    kdf: Record<'sharedSecret' | 'hostId' | 'eid' | 'sEnc' | 'sMac' | 'initialMcv', string>[];
    afterReplaceSessionKeys: { ppkEnc: string; ppkCmac: string; initialMcv: string; steps: Row[] };
  };
  for (const row of vectors.kdf) {
    const { enc, mac, initialMcv } = deriveBspKeys({
      sharedSecret: secret(row.sharedSecret),
      hostId: fromHex(row.hostId),
      eid: decodeEid(fromHex(row.eid)),
    });
    assert.deepEqual(
      [enc, mac, initialMcv].map((key) => toHex(key.reveal()).toLowerCase()),
      [row.sEnc, row.sMac, row.initialMcv],
    );
  }
  const ppk = vectors.afterReplaceSessionKeys;
  const keys = keySet(ppk.ppkEnc, ppk.ppkCmac, ppk.initialMcv);
  const [protector, opener] = [createBspProtector(keys), createBspOpener(keys)];
  for (const step of ppk.steps) {
    assert.equal(toHex(protector.protect(0x86, fromHex(step.plaintext))).toLowerCase(), step.output);
    assert.equal(toHex(opener.open(fromHex(step.output)).plaintext).toLowerCase(), step.plaintext);
  }
});

test('a package of an early third-party SM-DP+ opens to its profile', (t) => {
  if (!existsSync(`${VECTORS}bpp-osmocom.json`)) return t.skip('no shared test data');
  const vectors = JSON.parse(readFileSync(`${VECTORS}bpp-osmocom.json`, 'utf8')) as {
    bpp: string;
    upp: string;
    storeMetadata: string;
    session: Record<'sEnc' | 'sMac' | 'initialMcv', string>;
    ppk: Record<'ppkEnc' | 'ppkCmac' | 'initialMcv', string>;
  };
  const parts = readTlvs(readTlv(fromHex(vectors.bpp)).value);
  // Its segments are wrapped once more than they should be.
  const segments = (tag: number): Uint8Array[] =>
    readTlvs(parts.find((part) => part.tag === tag)?.value ?? new Uint8Array(0)).map((tlv) => tlv.value);
  const { session, ppk } = vectors;
  const opener = createBspOpener(keySet(session.sEnc, session.sMac, session.initialMcv));
  const opened = [...segments(0xa0), ...segments(0xa1)].map((segment) => opener.open(segment).plaintext);
  assert.equal(toHex(opened[0] ?? new Uint8Array(0)), 'BF2400');
  assert.equal(toHex(concat(...opened.slice(1))).toLowerCase(), vectors.storeMetadata);
  opener.replaceSessionKeys(keySet(ppk.ppkEnc, ppk.ppkCmac, ppk.initialMcv));
  const upp = concat(...segments(0xa3).map((segment) => opener.open(segment).plaintext));
  assert.equal(toHex(upp).toLowerCase(), vectors.upp);
});
