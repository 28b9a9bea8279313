// GET IDENTITY through the card OS, its answer opened as the home network does.
import assert from 'node:assert/strict';
import { createDecipheriv } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { x25519 } from '@noble/curves/ed25519.js';
import { p256 } from '@noble/curves/nist.js';
import { concat, fromHex, toHex } from '../../base/bytes.ts';
import { Secret } from '../../base/log.ts';
import { decodeProfilePackage, encodeProfilePackage } from '../../codec/saip/package.ts';
import { hmacSha256 } from '../../crypto/hash.ts';
import { x963Kdf } from '../../crypto/kdf.ts';
import type { SuciProfile } from '../../crypto/suci.ts';
import type { Euicc } from '../euicc.ts';
import { loadProfilePackage } from '../profile-loader.ts';
import { content, create, described, directory, management, path, transparent } from '../profile-samples.ts';
import { SELECT_USIM, transcript, VERIFY_1 } from '../testing/os-card.ts';
import { osPackage } from '../testing/os-profile.ts';
import { raw } from '../testing/terminal.ts';
import { createWorld, ICCID_A, IMSI_A, sampleMetadata } from '../testing/world.ts';

const GET_IDENTITY = '8078000100';
const PRIVACY = 1 << 3;
const BY_USIM = 1 << 4;
const IN_5GS = ['5FC0', '4F07'] as const;
const IN_SAIP = ['5FD0', '4F01'] as const;

/** Home network keys of 3GPP TS 33.501, annex C.4. */
const HOME = {
  A: fromHex('C53C22208B61860B06C62E5406A7B330C2B577AA5558981510D128247D38BD1D'),
  B: fromHex('F1AB1074477EBCC7F554EA1C5FC368B1616730155E0041AC447D6301975FECDA'),
};
const KEY_OBJECT = {
  A: `8001278120${toHex(x25519.getPublicKey(HOME.A))}`,
  B: `80011B8121${toHex(p256.getPublicKey(HOME.B, true))}`,
};
const calcInfo = (schemes: string, ...keys: string[]): string => {
  const list = keys.join('');
  const length = (hex: string): string => toHex(Uint8Array.of(hex.length / 2));
  return `A0${length(schemes)}${schemes}A1${length(list)}${list}`;
};

type Files = readonly (readonly [folder: string, fid: string, content: string])[];

/** The card of the tests of the card OS, its USIM with these octets 16 of EF.UST and files. */
async function usim(services: number, files: Files = []): Promise<Euicc> {
  const elements = decodeProfilePackage(osPackage()).flatMap((element) => {
    if (element.type === 'end') {
      const folders = [...new Set(files.map(([folder]) => folder))];
      return [
        ...folders.map((fid) =>
          management(path('7FD0'), create(directory(fid, { pinStatusTemplateDo: fromHex('010A') }))),
        ),
        ...files.map(([folder, fid, octets]) =>
          management(
            path(`7FD0${folder}`),
            create(transparent(fid, (octets.length / 2 + 4).toString(16).padStart(4, '0'))),
            content(octets),
          ),
        ),
        element,
      ];
    }
    if (element.type !== 'usim') return [element];
    const table = toHex(concat(new Uint8Array(15), Uint8Array.of(services), new Uint8Array(1)));
    const ust = described({ efFileSize: fromHex('11') }, table);
    return [{ ...element, value: { ...element.value, files: { ...element.value.files, 'ef-ust': ust } } }];
  });
  const upp = encodeProfilePackage(elements);
  const { card } = await createWorld({
    profiles: [{ upp, metadata: sampleMetadata(ICCID_A), enabled: true }],
  });
  await transcript(card, SELECT_USIM);
  return card;
}

/** Scheme, key and MSIN of a SUCI with the MCC and MNC of the subscriber. */
function opened(answer: string): { readonly scheme: string; readonly msin: string } {
  const bytes = fromHex(answer);
  assert.equal(bytes[0], 0xa1);
  assert.equal(toHex(bytes.subarray(-2)), '9000');
  assert.equal(bytes[1], bytes.length - 4);
  assert.equal(toHex(bytes.subarray(2, 6)), '0100F110');
  const scheme = toHex(bytes.subarray(6, 10));
  const output = bytes.subarray(10, -2);
  if (bytes[8] === 0) return { scheme, msin: toHex(output) };
  return { scheme, msin: toHex(deciphered(bytes[8] === 1 ? 'A' : 'B', output)) };
}

function deciphered(profile: SuciProfile, output: Uint8Array): Uint8Array {
  const point = profile === 'A' ? 32 : 33;
  const [sender, cipher, mac] = [output.subarray(0, point), output.subarray(point, -8), output.subarray(-8)];
  const shared =
    profile === 'A'
      ? x25519.getSharedSecret(HOME.A, sender)
      : p256.getSharedSecret(HOME.B, sender, true).subarray(1);
  const keys = x963Kdf(new Secret(shared), sender, 64).reveal();
  assert.equal(toHex(hmacSha256(new Secret(keys.subarray(32)), cipher).subarray(0, 8)), toHex(mac));
  return createDecipheriv('aes-128-ctr', keys.subarray(0, 16), keys.subarray(16, 32)).update(cipher);
}

/** The digits behind MCC and MNC, two an octet, the first in the low half. */
const msin = IMSI_A.slice(5).replaceAll(/(.)(.)/gu, '$2$1');

describe('GET IDENTITY', () => {
  test('needs the PIN, and both services of the USIM', async () => {
    const card = await usim(PRIVACY | BY_USIM);
    await transcript(card, [GET_IDENTITY, '6982'], VERIFY_1);
    assert.deepEqual(opened(await raw(card, GET_IDENTITY)), { scheme: 'F0FF0000', msin });
    for (const services of [0, PRIVACY, BY_USIM]) {
      await transcript(await usim(services), VERIFY_1, [GET_IDENTITY, '6985']);
    }
  });

  for (const profile of ['A', 'B'] as const) {
    const number = { A: '01', B: '02' }[profile];
    test(`conceals in profile ${profile} with the key that the scheme names, anew each time`, async () => {
      const other = KEY_OBJECT[profile === 'A' ? 'B' : 'A'];
      const info = calcInfo(`${number}020001`, other, KEY_OBJECT[profile]);
      const card = await usim(PRIVACY | BY_USIM, [
        [...IN_SAIP, info],
        ['5FC0', '4F0A', '2143FFFF'],
      ]);
      await transcript(card, VERIFY_1);
      const answers = [await raw(card, GET_IDENTITY), await raw(card, GET_IDENTITY)];
      for (const answer of answers) {
        assert.deepEqual(opened(answer), {
          scheme: `2143${number}${KEY_OBJECT[profile].slice(4, 6)}`,
          msin,
        });
      }
      assert.notEqual(answers[0], answers[1]);
    });
  }

  test('takes the first scheme that it can use, and the file of the terminal where there is no other', async () => {
    const rows: readonly (readonly [schemes: string, scheme: string])[] = [
      ['030101010000', 'F0FF0127'],
      ['000001010201', 'F0FF0000'],
      ['0103', 'F0FF0000'],
      ['', 'F0FF0000'],
    ];
    for (const [schemes, scheme] of rows) {
      const card = await usim(PRIVACY | BY_USIM, [[...IN_5GS, calcInfo(schemes, KEY_OBJECT.A)]]);
      await transcript(card, VERIFY_1);
      assert.deepEqual(opened(await raw(card, GET_IDENTITY)), { scheme, msin }, schemes);
    }
  });

  test('reveals nothing where the key of the scheme is none', async () => {
    for (const key of ['8001278103010203', `800127812102${'FF'.repeat(32)}`]) {
      const card = await usim(PRIVACY | BY_USIM, [[...IN_SAIP, calcInfo('0201', key)]]);
      await transcript(card, VERIFY_1, [GET_IDENTITY, '6985']);
    }
  });
});

test("a TS.48 profile that needs the command answers it with its subscriber's identity", async (t) => {
  const file = '../shared/testdata/ts48/TS48v5_SAIP2.3_BERTLV_SUCI.der';
  if (!existsSync(file)) return t.skip('no shared test data');
  const upp = new Uint8Array(readFileSync(file));
  const loaded = loadProfilePackage(upp);
  assert.ok(loaded.ok);
  const metadata = sampleMetadata(loaded.profile.iccid);
  const { card } = await createWorld({ profiles: [{ upp, metadata, enabled: true }] });
  const usimAid = loaded.profile.naas.find(({ type }) => type === 'usim')?.aid ?? '';
  await transcript(card, [`00A4040C${toHex(Uint8Array.of(usimAid.length / 2))}${usimAid}`, '9000']);
  assert.deepEqual(opened(await raw(card, GET_IDENTITY)), { scheme: 'F0FF0000', msin: '1032540636' });
});
