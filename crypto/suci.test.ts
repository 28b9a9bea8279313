// Test data of 3GPP TS 33.501, annex C.4.3 and C.4.4.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { conceal, type SuciProfile } from './suci.ts';

type Row = readonly [
  what: string,
  profile: SuciProfile,
  homeNetwork: string,
  ephemeral: string,
  plain: string,
  out: string,
];

const KEY_A = '5A8D38864820197C3394B92613B20B91633CBD897119273BF8E4A6F4EEC0A650';
const KEY_B = '0272DA71976234CE833A6907425867B82E074D44EF907DFB4B3E21C1C2256EBCD1';

const ROWS: readonly Row[] = [
  [
    'an IMSI in profile A',
    'A',
    KEY_A,
    'C80949F13EBE61AF4EBDBD293EA4F942696B9E815D7E8F0096BBF6ED7DE62256',
    '00012080F6',
    'B2E92F836055A255837DEBF850B528997CE0201CB82ADFE4BE1F587D07D8457DCB02352410CDDD9E730EF3FA87',
  ],
  [
    'a name of more than one block in profile A',
    'A',
    KEY_A,
    'BE9EFF3E9F22A4B42A3D236E7A6C500B3F2E7E0C7449988BA800D664BF4FCD97',
    '766572796C6F6E67757365726E616D6531',
    '977D8B2FDAA7B64AA700D04227D5B440630EA4EC50F9082273A26BB678C922228E358A1582ADB15322C10E515141D2039A12E1D7783A97F1AC',
  ],
  [
    'an IMSI in profile B',
    'B',
    KEY_B,
    '99798858A1DC6A2C68637149A4B1DBFD1FDFF5ADDD62A2142F06699ED7602529',
    '00012080F6',
    '039AAB8376597021E855679A9778EA0B67396E68C66DF32C0F41E9ACCA2DA9B9D146A33FC2716AC7DAE96AA30A4D',
  ],
];

describe('a concealed identity is what the published test data say', () => {
  for (const [what, profile, homeNetwork, ephemeral, plain, out] of ROWS) {
    test(what, () => {
      const key = new Secret(fromHex(ephemeral));
      assert.equal(toHex(conceal(profile, fromHex(homeNetwork), key, fromHex(plain))), out);
    });
  }

  test('what is no public key is named', () => {
    for (const [profile, key] of [
      ['A', '00'],
      ['B', `02${'FF'.repeat(32)}`],
      ['B', KEY_A],
    ] as const) {
      assert.throws(
        () => conceal(profile, fromHex(key), new Secret(new Uint8Array(32).fill(1)), new Uint8Array(5)),
        (error) => isAgentError(error, 'KEY_INVALID'),
      );
    }
  });
});
