// The proofs of receipt that real cards gave to an open OTA tool, opened and refused as they are to be.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { decodeCompactResponse } from '../codec/remote-commands.ts';
import { porStatusName } from '../codec/secured-packet.ts';
import { keyIndicator, type Scp80Key } from './scp80.ts';
import { openResponse } from './scp80-response.ts';

const VECTORS = '../shared/testdata/vectors/ota-sms.json';

type Answer = {
  readonly name: string;
  readonly keyset: { readonly kidIdx: number; readonly kic: string; readonly kid: string };
  readonly spi: { readonly por_shall_be_ciphered: boolean; readonly por_rc_cc_ds: 'cc' | 'no_rc_cc_ds' };
  readonly encodedResp: string;
  readonly expect: { readonly numberOfCommands: number; readonly lastStatusWord: string } | null;
};

test('the published answers of a card are opened, and the one with a wrong checksum refused', (t) => {
  if (!existsSync(VECTORS)) return t.skip('no shared test data');
  const { responses } = JSON.parse(readFileSync(VECTORS, 'utf8')) as { responses: readonly Answer[] };
  assert.equal(responses.length, 4);
  for (const { encodedResp, expect, keyset, name, spi } of responses) {
    const key = (hex: string): Scp80Key => ({ algorithm: 'des', key: new Secret(fromHex(hex)) });
    const keys = { kic: key(keyset.kic), kid: key(keyset.kid) };
    const asked = {
      spi: {
        porCiphering: spi.por_shall_be_ciphered,
        porIntegrity: spi.por_rc_cc_ds === 'cc' ? ('cc' as const) : ('none' as const),
      },
      kid: keyIndicator(keyset.kidIdx, keys.kid),
    };
    const open = () => openResponse(fromHex(encodedResp).subarray(3), asked, keys);
    if (expect === null) {
      assert.throws(open, (thrown) => isAgentError(thrown, 'SCP80_SECURITY'), name);
      continue;
    }
    const { data, status, tar } = open();
    const { executed, sw } = decodeCompactResponse(data);
    assert.deepEqual(
      [porStatusName(status), toHex(tar), executed, sw.toString(16)],
      ['porOk', 'B00011', expect.numberOfCommands, expect.lastStatusWord],
      name,
    );
  }
});
