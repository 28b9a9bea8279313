import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { toHex } from '../base/bytes.ts';
import { decodeIccid, decodeImsi } from '../codec/ids.ts';
import type { Directory, ElementaryFile } from './profile-content.ts';
import { loadProfilePackage } from './profile-loader.ts';
import { ARR, USIM_AID, file, folder } from './profile-samples.ts';

const TS48 = '../shared/testdata/ts48';
const packages = existsSync(TS48) ? readdirSync(TS48).filter((name) => name.endsWith('.der')) : [];

test('every TS.48 package loads, and its identity files read as its README says', (t) => {
  if (packages.length === 0) return t.skip('no TS.48 packages here');
  for (const name of packages) {
    const outcome = loadProfilePackage(new Uint8Array(readFileSync(`${TS48}/${name}`)));
    assert.ok(outcome.ok, name);
    const { profile } = outcome;
    assert.deepEqual(outcome.warnings, [], name);
    assert.equal(decodeIccid(file(profile, 0x2fe2).content), profile.iccid, name);
    assert.equal(decodeImsi(file(profile, 0x7fd0, 0x6f07).content), '001010123456063', name);
    assert.deepEqual(
      profile.naas.map((naa) => naa.type),
      ['usim', 'csim', 'isim'],
    );
    const aka = profile.akas[profile.naas[0]?.aka ?? -1];
    assert.equal(aka?.algorithm, 'usim-test');
    assert.equal(toHex(aka?.k.reveal() ?? ARR), '000102030405060708090A0B0C0D0E0F');
    assert.deepEqual(
      profile.rfms.map((rfm) => toHex(rfm.tars[0] ?? ARR)),
      ['B00120', 'B00140', 'B00141', 'B00142'],
    );
  }
});

test('every file of the TS.48 packages is as large as its descriptor says and every link leads to a file', (t) => {
  if (packages.length === 0) return t.skip('no TS.48 packages here');
  for (const name of packages) {
    const outcome = loadProfilePackage(new Uint8Array(readFileSync(`${TS48}/${name}`)));
    assert.ok(outcome.ok);
    const { profile } = outcome;
    let files = 0;
    const visit = (node: Directory | ElementaryFile): void => {
      if (node.kind !== 'ef') {
        node.children.forEach(visit);
        return;
      }
      files++;
      if (node.link !== undefined) assert.equal(file(profile, ...node.link).link, undefined);
      else if (node.structure !== 'ber-tlv') assert.equal(node.content.length, node.size, name);
      if (node.recordLength !== undefined) assert.equal(node.size % node.recordLength, 0);
    };
    visit(profile.mf);
    assert.ok(files > 150, `${name}: ${files} files`);
  }
});

test('the TS.48 version 5 package: records, defaults, links, PIN contexts and keys in detail', (t) => {
  const name = 'TS48v5_SAIP2.3_BERTLV_SUCI.der';
  if (!packages.includes(name)) return t.skip('no TS.48 packages here');
  const outcome = loadProfilePackage(new Uint8Array(readFileSync(`${TS48}/${name}`)));
  assert.ok(outcome.ok);
  const { profile } = outcome;
  const dir = file(profile, 0x2f00);
  assert.equal(dir.recordLength, 33);
  assert.equal(toHex(dir.content.subarray(33, 66)).slice(0, 14), '61144F0CA00000');
  assert.deepEqual(dir.accessRule, { arrFid: 0x2f06, record: 2 });
  assert.equal(toHex(file(profile, 0x7fd0, 0x6f08).content), `07${'FF'.repeat(32)}`);
  assert.equal(toHex(file(profile, 0x7fd0, 0x6f46).content), `0147534D411154455354${'FF'.repeat(7)}`);
  assert.equal(toHex(file(profile, 0x7fd0, 0x5fc0, 0x4f01).content), `${'FF'.repeat(13)}42F61800000001`);
  const sms = file(profile, 0x7fd0, 0x6f3c);
  assert.equal(sms.size, 1760);
  assert.equal(toHex(sms.content.subarray(176, 180)), '00FFFFFF');
  assert.equal(file(profile, 0x7fd0, 0x6f39).structure, 'cyclic');
  assert.deepEqual(file(profile, 0x7f10, 0x6f3b).link, [0x7fd0, 0x6f3b]);
  assert.equal(file(profile, 0x7f10, 0x6f3b).recordLength, 28);
  assert.equal(file(profile, 0x7f10, 0x5f3e, 0x4f02).structure, 'ber-tlv');
  assert.equal(file(profile, 0x2fe2).sfi, 2);
  assert.equal(file(profile, 0x7f10, 0x6f44).sfi, undefined);
  assert.equal(folder(profile, 0x7fd0).aid, USIM_AID);
  assert.equal(profile.pinContexts.length, 5);
  assert.deepEqual(
    profile.pinContexts[0]?.map((pin) => [
      pin.keyReference,
      pin.enabled,
      pin.mayBeDisabled,
      pin.attemptsLeft,
    ]),
    [
      [1, false, true, 3],
      [10, true, false, 10],
      [11, true, false, 10],
    ],
  );
  const contexts = [0x7f10, 0x7fd0, 0x7fc0, 0x7fb0].map((fid) => folder(profile, fid).pinContext);
  assert.deepEqual(new Set(contexts).size, 4);
  assert.equal(folder(profile, 0x7fd0, 0x5f3b).pinContext, folder(profile, 0x7fd0).pinContext);
  assert.deepEqual(
    profile.securityDomains[0]?.keys.map((key) => [key.version, key.identifier, key.components[0]?.type]),
    [
      [1, 1, 0x80],
      [1, 2, 0x80],
      [1, 3, 0x80],
      [2, 1, 0x88],
      [2, 2, 0x88],
      [2, 3, 0x88],
    ],
  );
  assert.deepEqual(profile.securityDomains[0]?.tars.map(toHex), ['B20100', '000000']);
  assert.equal(profile.naas[1]?.cdma?.ssd?.reveal().length, 16);
});
