import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { decodeEuiccResponse, encodeEuiccResponse, PE_STATUS, peStatusName } from './response.ts';

test('success is the nine octets that SGP.22 servers look for', () => {
  const bytes = encodeEuiccResponse({ peStatus: [{ status: PE_STATUS.ok }] });
  assert.equal(toHex(bytes), '3007A0053003800100');
});

test('a failure names status, element and that the installation stopped', () => {
  const response = {
    peStatus: [{ status: PE_STATUS.templateNotSupported, identification: 200, offset: 70000 }],
    profileInstallationAborted: true as const,
    statusMessage: 'no template',
  };
  const bytes = encodeEuiccResponse(response);
  assert.equal(toHex(bytes), '301FA00E300C800109810200C883030111708100820B6E6F2074656D706C617465');
  assert.deepEqual(decodeEuiccResponse(bytes), response);
});

test('status numbers have the names of the standard, status words stay themselves', () => {
  assert.equal(peStatusName(3), 'badValues');
  assert.equal(peStatusName(0x6a84), '6A84');
});

test('truncated and random octets are refused', () => {
  const whole = fromHex('301FA00E300C800109810200C883030111708100820B6E6F2074656D706C617465');
  for (let length = 0; length < whole.length; length++) {
    assert.throws(
      () => decodeEuiccResponse(whole.subarray(0, length)),
      (error) => isAgentError(error),
    );
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        decodeEuiccResponse(bytes);
      } catch (error) {
        if (!isAgentError(error)) throw error;
      }
    }),
  );
});
