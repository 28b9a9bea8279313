import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex, utf8Bytes } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { aesCbcDecrypt, aesCbcEncrypt, aesEncryptBlock, aesKeyCheckValue, pad80, unpad80 } from './aes.ts';
import { aesCmac } from './cmac.ts';
import { sha1, sha256 } from './hash.ts';
import { x963Kdf } from './kdf.ts';

const secret = (hex: string): Secret<Uint8Array> => new Secret(fromHex(hex));

const range = (thrown: unknown): boolean => isAgentError(thrown, 'NUMBER_RANGE');

const KEY_128 = '2B7E151628AED2A6ABF7158809CF4F3C';
const KEY_192 = '8E73B0F7DA0E6452C810F32B809079E562F8EAD2522C6B7B';
const KEY_256 = '603DEB1015CA71BE2B73AEF0857D77811F352C073B6108D72D9810A30914DFF4';
const TEXT =
  '6BC1BEE22E409F96E93D7E117393172AAE2D8A571E03AC9C9EB76FAC45AF8E5130C81C46A35CE411E5FBC1191A0A52EFF69F2445DF4F9B17AD2B417BE66C3710';

test('AES encrypts the blocks of FIPS 197 appendix C', () => {
  const rows = [
    ['000102030405060708090A0B0C0D0E0F', '69C4E0D86A7B0430D8CDB78070B4C55A'],
    ['000102030405060708090A0B0C0D0E0F1011121314151617', 'DDA97CA4864CDFE06EAF70A0EC0D7191'],
    ['000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F', '8EA2B7CA516745BFEAFC49904B496089'],
  ] as const;
  const block = fromHex('00112233445566778899AABBCCDDEEFF');
  for (const [key, cipher] of rows) assert.equal(toHex(aesEncryptBlock(secret(key), block)), cipher);
});

test('AES-CBC gives the blocks of NIST SP 800-38A F.2.1 and takes them back', () => {
  const iv = fromHex('000102030405060708090A0B0C0D0E0F');
  const cipher = aesCbcEncrypt(secret(KEY_128), fromHex(TEXT.slice(0, 64)), iv);
  assert.equal(toHex(cipher), '7649ABAC8119B246CEE98E9B12E9197D5086CB9B507219EE95DB113A917678B2');
  assert.equal(toHex(aesCbcDecrypt(secret(KEY_128), cipher, iv)), TEXT.slice(0, 64));
});

test('wrong key and data lengths are errors', () => {
  const key = secret('00'.repeat(15));
  assert.throws(
    () => aesCbcEncrypt(key, new Uint8Array(16)),
    (thrown) => isAgentError(thrown, 'KEY_INVALID'),
  );
  assert.throws(() => aesCbcEncrypt(secret(KEY_128), new Uint8Array(15)), range);
  assert.throws(() => aesCbcDecrypt(secret(KEY_128), new Uint8Array(17)), range);
  assert.throws(() => aesEncryptBlock(secret(KEY_128), new Uint8Array(32)), range);
});

test('CMAC gives the values of RFC 4493 and NIST SP 800-38B', () => {
  const rows = [
    [KEY_128, 0, 'BB1D6929E95937287FA37D129B756746'],
    [KEY_128, 16, '070A16B46B4D4144F79BDD9DD04A287C'],
    [KEY_128, 40, 'DFA66747DE9AE63030CA32611497C827'],
    [KEY_128, 64, '51F0BEBF7E3B9D92FC49741779363CFE'],
    [KEY_192, 64, 'A1D5DF0EED790F794D77589659F39A11'],
    [KEY_256, 64, 'E1992190549F6ED5696A2C056C315410'],
  ] as const;
  for (const [key, length, mac] of rows) {
    const message = fromHex(TEXT.slice(0, 2 * length));
    assert.equal(toHex(aesCmac(secret(key), message)), mac);
    assert.equal(toHex(aesCmac(secret(key), message.subarray(0, 3), message.subarray(3))), mac);
    assert.equal(toHex(message), TEXT.slice(0, 2 * length), 'the message is left as it was');
  }
});

// osmocom/pysim tests/unittests/test_globalplatform.py (commit 597f1e03).
test('key check values are those of a GlobalPlatform card tool', () => {
  assert.equal(toHex(aesKeyCheckValue(secret('000102030405060708090A0B0C0D0E0F'))), 'C35280');
  assert.equal(toHex(aesKeyCheckValue(secret('101112131415161718191A1B1C1D1E1F'))), '013808');
});

test('padding method 2 always adds something and comes off again, for any data', () => {
  assert.equal(toHex(pad80(new Uint8Array(0))), `80${'00'.repeat(15)}`);
  assert.equal(pad80(new Uint8Array(16)).length, 32);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), (data) => {
      assert.deepEqual(unpad80(pad80(data)), Uint8Array.from(data));
    }),
  );
});

test('what carries no padding answers undefined', () => {
  for (const hex of ['', '00'.repeat(16), '01'.repeat(16), `80${'00'.repeat(16)}`, `${'80'.repeat(15)}01`]) {
    assert.equal(unpad80(fromHex(hex)), undefined, hex);
  }
});

test('SHA-1 and SHA-256 give the digests of FIPS 180-4 for abc in parts', () => {
  assert.equal(
    toHex(sha256(utf8Bytes('a'), utf8Bytes('bc'))),
    'BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD',
  );
  assert.equal(toHex(sha1(utf8Bytes('abc'))), 'A9993E364706816ABA3E25717850C26C9CD0D89D');
});

test('the X9.63 derivation gives the keys of the NIST CAVS file ansx963_2001 (SHA-256)', () => {
  const one = x963Kdf(secret('96C05619D56C328AB95FE84B18264B08725B85E33FD34F08'), new Uint8Array(0), 16);
  assert.equal(toHex(one.reveal()), '443024C3DAE66B95E6F5670601558F71');
  const two = x963Kdf(
    secret('22518B10E70F2A3F243810AE3254139EFBEE04AA57C7AF7D'),
    fromHex('75EEF81AA3041E33B80971203D2C0C52'),
    128,
  );
  assert.equal(
    toHex(two.reveal()),
    'C498AF77161CC59F2962B9A713E2B215152D139766CE34A776DF11866A69BF2E52A13D9C7C6FC878C50C5EA0BC7B00E0DA2447CFD874F6CF92F30D0097111485500C90C3AF8B487872D04685D14C8D1DC8D7FA08BEB0CE0ABABC11F0BD496269142D43525A78E5BC79A17F59676A5706DC54D54D4D1F0BD7E386128EC26AFC21',
  );
});
