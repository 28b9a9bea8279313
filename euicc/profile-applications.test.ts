import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import type { ProfileElement } from '../codec/saip/package.ts';
import type { ApplicationContent } from './profile-content.ts';
import { END, failure, HEADER, loaded, mandated, MF } from './profile-samples.ts';

const AID = fromHex('A00000055910100009');
const PACKAGE = fromHex('A000000559101000');

function application(uiccToolkit: string, loadBlock = 'C4FE'): ProfileElement {
  return {
    type: 'application',
    value: {
      header: mandated(20),
      loadBlock: { loadPackageAid: PACKAGE, loadBlockObject: fromHex(loadBlock) },
      instanceList: [
        {
          applicationLoadPackageAid: PACKAGE,
          classAid: AID,
          instanceAid: AID,
          extraditeSecurityDomainAid: fromHex('A000000151000000'),
          applicationPrivileges: fromHex('00'),
          applicationSpecificParametersC9: fromHex('8101FF'),
          applicationParameters: { uiccToolkit: fromHex(uiccToolkit) },
          processData: [fromHex('80E2900000')],
        },
      ],
    },
  };
}

function applied(uiccToolkit: string): ApplicationContent {
  const [only] = loaded([HEADER, MF, application(uiccToolkit), END]).applications;
  assert.ok(only);
  return only;
}

test('an application keeps its package, its parameters and the commands that personalise it', () => {
  const profile = loaded([HEADER, MF, application('01000000000003B20101'), END]);
  assert.deepEqual(profile.loadPackages, [{ aid: 'A000000559101000', loadBlock: fromHex('C4FE') }]);
  const [only] = profile.applications;
  assert.equal(only?.aid, 'A00000055910100009');
  assert.equal(only?.securityDomainAid, 'A000000151000000');
  assert.equal(only?.lifeCycle, 7);
  assert.deepEqual(only?.processData.map(toHex), ['80E2900000']);
});

test('TARs and security level are found behind the menu entries, whose number varies', () => {
  const plain = applied('010000000002011206B20101B2010200');
  assert.deepEqual(plain.tars.map(toHex), ['B20101', 'B20102']);
  assert.equal(plain.minimumSecurityLevel, 0x12);
  const twoEntries = applied('01021002010102020002011603B2010300');
  assert.deepEqual(twoEntries.tars.map(toHex), ['B20103']);
  assert.equal(twoEntries.minimumSecurityLevel, 0x16);
});

test('toolkit parameters that end early or hold half a TAR give no address', () => {
  for (const octets of [
    '',
    '01',
    '0100000000',
    '01000000000201',
    '010000000002011604B20101B2',
    '0100000000020116FF',
  ]) {
    assert.deepEqual(applied(octets).tars, [], octets);
    assert.equal(applied(octets).minimumSecurityLevel, 0, octets);
  }
});

test('a load block counts against the memory of the card', () => {
  const big = application('', '00'.repeat(500));
  assert.equal(failure([HEADER, MF, big], { memory: 400 }).status, 'notEnoughMemory');
});
