import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { loadProfilePackage } from './profile-loader.ts';
import { END, HEADER, loaded, MF, milenage, USIM, USIM_AID } from './profile-samples.ts';
import { profileSummary } from './profile-summary.ts';

test('the TS.48 package in short', (t) => {
  const vector = '../shared/testdata/ts48/TS48v5_SAIP2.3_BERTLV_SUCI.der';
  if (!existsSync(vector)) return t.skip('no TS.48 packages here');
  const outcome = loadProfilePackage(new Uint8Array(readFileSync(vector)));
  assert.ok(outcome.ok);
  const { files, directories, memory, ...rest } = profileSummary(outcome.profile);
  assert.deepEqual(rest, {
    iccid: '89000123456789012341',
    profileType: 'GSMA Generic eUICC Test Profile',
    version: '2.3',
    imsi: '001010123456063',
    serviceProvider: 'GSMA_TEST',
    applications: [
      { aid: 'A0000000871002FF49FF0589', type: 'usim', algorithm: 'usim-test' },
      { aid: 'A0000003431002F310FFFF89020000FF', type: 'csim' },
      { aid: 'A0000000871004FF49FF0589', type: 'isim', algorithm: 'usim-test' },
    ],
    securityDomains: [{ aid: 'A000000151000000', keyVersions: [1, 2] }],
    tars: ['B00120', 'B00140', 'B00141', 'B00142', 'B20100', '000000'],
  });
  assert.ok(files > 200 && directories > 10 && memory > 20_000);
});

test('a profile with little in it says little', () => {
  assert.deepEqual(profileSummary(loaded([HEADER, MF, USIM, milenage(), END])), {
    iccid: '8988211000000000017',
    version: '2.3',
    imsi: '001010123456789',
    applications: [{ aid: USIM_AID, type: 'usim', algorithm: 'milenage' }],
    directories: 2,
    files: 28,
    memory: 2742,
    securityDomains: [],
    tars: [],
  });
});
