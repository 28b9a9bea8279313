import assert from 'node:assert/strict';
import { createDecipheriv } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, toHex, utf8Bytes } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { createSeededRandom, systemRandom } from '../base/random.ts';
import {
  keyFromMaterial,
  keyFromPassphrase,
  openSeal,
  seal,
  sealKeyFromFile,
  sealKeyId,
  type SealKey,
} from './seal.ts';

const KEY: SealKey = { id: '2026-1', key: new Secret(new Uint8Array(32).fill(0x42)) };
const PLAIN = new Secret(utf8Bytes('465B5CE8B199B49FAA5F0A2EE238A6BC'));
const invalid = (thrown: unknown): boolean => isAgentError(thrown, 'SEAL_INVALID');

test('what is sealed opens with the same key and context, and shows nothing of itself', () => {
  const sealed = seal(KEY, systemRandom, PLAIN, 'subscriber.k:001');
  assert.equal(sealKeyId(sealed), '2026-1');
  assert.deepEqual(openSeal([KEY], sealed, 'subscriber.k:001').reveal(), PLAIN.reveal());
  assert.equal(toHex(sealed).includes(toHex(PLAIN.reveal())), false);
  assert.notDeepEqual(seal(KEY, systemRandom, PLAIN, 'subscriber.k:001'), sealed);
});

test('the layout is the written one, readable with AES-256-GCM alone', () => {
  const sealed = seal(KEY, createSeededRandom(1), PLAIN, 'row 7');
  assert.equal(toHex(sealed.subarray(0, 8)), `0106${toHex(utf8Bytes('2026-1'))}`);
  const decipher = createDecipheriv('aes-256-gcm', KEY.key.reveal(), sealed.subarray(8, 20));
  decipher.setAAD(concat(sealed.subarray(0, 8), utf8Bytes('row 7'))).setAuthTag(sealed.subarray(-16));
  const plain = concat(decipher.update(sealed.subarray(20, -16)), decipher.final());
  assert.deepEqual(plain, PLAIN.reveal());
});

test('another context, another key of the same name, an unknown key, any flipped bit or cut is refused', () => {
  const sealed = seal(KEY, systemRandom, PLAIN, 'row 7');
  assert.throws(() => openSeal([KEY], sealed, 'row 8'), invalid);
  const other = { id: KEY.id, key: new Secret(new Uint8Array(32)) };
  assert.throws(() => openSeal([other], sealed, 'row 7'), invalid);
  assert.throws(() => openSeal([{ ...KEY, id: '2027-1' }], sealed, 'row 7'), invalid);
  for (let at = 0; at < sealed.length; at++) {
    const bad = Uint8Array.from(sealed, (octet, i) => (i === at ? octet ^ 0x01 : octet));
    assert.throws(() => openSeal([KEY], bad, 'row 7'), invalid, `octet ${at}`);
    assert.throws(() => openSeal([KEY], sealed.subarray(0, at), 'row 7'), invalid, `cut at ${at}`);
  }
});

test('after a change of keys, old and new seals open', () => {
  const next: SealKey = { id: '2026-2', key: new Secret(new Uint8Array(32).fill(0x43)) };
  const [old, young] = [seal(KEY, systemRandom, PLAIN, 'x'), seal(next, systemRandom, PLAIN, 'x')];
  for (const sealed of [old, young]) {
    assert.deepEqual(openSeal([next, KEY], sealed, 'x').reveal(), PLAIN.reveal());
  }
});

test('any plaintext and context come back, random octets are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.string(), (plain, context) => {
      const sealed = seal(KEY, systemRandom, new Secret(plain), context);
      assert.deepEqual(openSeal([KEY], sealed, context).reveal(), Uint8Array.from(plain));
      assert.throws(() => openSeal([KEY], plain, context), invalid);
    }),
  );
});

test('keys that are no sealing keys are refused', () => {
  const bad: readonly SealKey[] = [
    { id: 'x', key: new Secret(new Uint8Array(16)) },
    { id: '', key: KEY.key },
    { id: 'x'.repeat(256), key: KEY.key },
  ];
  for (const key of bad) {
    assert.throws(
      () => seal(key, systemRandom, PLAIN, 'x'),
      (thrown) => isAgentError(thrown, 'KEY_INVALID'),
    );
  }
  const short = new Secret(new Uint8Array(31));
  assert.throws(
    () => sealKeyFromFile('x', short, 'store'),
    (thrown) => isAgentError(thrown, 'KEY_INVALID'),
  );
});

test('HKDF gives the key of RFC 5869 A.3, and another key for another purpose', () => {
  const rfc = keyFromMaterial(new Secret(new Uint8Array(22).fill(0x0b)), '');
  assert.equal(toHex(rfc.reveal()), '8DA4E775A563C18F715F802A063C5A31B8A11F5C5EE1879EC3454E5F3C738D2D');
  const content = new Secret(new Uint8Array(32).fill(7));
  const key = (purpose: string): Uint8Array => sealKeyFromFile('f', content, purpose).key.reveal();
  assert.deepEqual(key('a'), keyFromMaterial(content, 'a').reveal());
  assert.notDeepEqual(key('a'), key('b'));
});

test('scrypt gives the key of RFC 7914 section 12', () => {
  const key = keyFromPassphrase(new Secret('pleaseletmein'), utf8Bytes('SodiumChloride'), 16384);
  assert.equal(toHex(key.reveal()), '7023BDCB3AFD7348461C06CD81FD38EBFDA8FBBA904F8E3EA9B543F6545DA1F2');
  assert.equal(keyFromPassphrase(new Secret('x'), utf8Bytes('salt')).reveal().length, 32);
});
