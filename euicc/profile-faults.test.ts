import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex } from '../base/bytes.ts';
import type { Fcp } from '../codec/saip/files.ts';
import { encodeProfilePackage, type ProfileElement } from '../codec/saip/package.ts';
import type { PeStatus } from './profile-content.ts';
import { createProfileLoader, loadProfilePackage } from './profile-loader.ts';
import {
  mandated,
  HEADER,
  END,
  ARR,
  described,
  filesElement,
  MF,
  USIM,
  management,
  path,
  create,
  content,
  skip,
  transparent,
  directory,
  loaded,
  failure,
  milenage,
  pins,
} from './profile-samples.ts';

test('the first failure stays, and names element and number', () => {
  const loader = createProfileLoader();
  assert.equal(loader.add(HEADER), undefined);
  const first = loader.add(USIM);
  assert.equal(first?.status, 'invalidRequestFormat');
  assert.equal(first?.element, 'usim');
  assert.equal(first?.identification, 1);
  assert.equal(loader.add(MF), first);
  assert.deepEqual(loader.finish(), { ok: false, failed: first });
});

const unknownMandated: ProfileElement = { type: 'unknown', tag: 0xbf3a, header: mandated(4), raw: ARR };
const strangeTemplate = filesElement('df-5gs', '13.9', { 'df-df-5gs': [] }, 5);
const header = (change: object): ProfileElement =>
  HEADER.type === 'header' ? { type: 'header', value: { ...HEADER.value, ...change } } : HEADER;
const record = (fd: string, size: string): Fcp => ({
  ...transparent('4F01', size),
  fileDescriptor: fromHex(fd),
});

const FAILURES: readonly (readonly [string, PeStatus['status'], RegExp, readonly ProfileElement[]])[] = [
  ['no element at all', 'invalidRequestFormat', /empty/, []],
  ['no header first', 'invalidRequestFormat', /header/, [MF, END]],
  ['a second header', 'invalidRequestFormat', /second header/, [HEADER, HEADER]],
  ['no MF', 'invalidRequestFormat', /MF/, [HEADER, END]],
  ['no end', 'invalidRequestFormat', /no end/, [HEADER, MF]],
  ['an element after the end', 'invalidRequestFormat', /after the end/, [HEADER, MF, END, USIM]],
  ['a second MF', 'invalidRequestFormat', /second MF/, [HEADER, MF, MF]],
  ['ADF before MF', 'invalidRequestFormat', /before the MF/, [HEADER, USIM]],
  ['another major version', 'unsupportedProfileVersion', /9\.3/, [header({ majorVersion: 9 })]],
  ['an unknown service', 'featureNotSupported', /mbms/, [header({ mandatoryServices: ['usim', 'mbms'] })]],
  [
    'an unknown template in the list',
    'templateNotSupported',
    /1\.2\.99/,
    [header({ mandatoryGfsteList: ['2.23.143.1.2.99'] })],
  ],
  [
    'an unknown template of an element',
    'templateNotSupported',
    /2\.23\.143\.1\.2\.13\.9/,
    [HEADER, MF, USIM, strangeTemplate],
  ],
  ['an unknown mandatory element', 'peNotSupported', /BF3A/, [HEADER, MF, unknownMandated]],
  [
    'optional files before their ADF',
    'invalidParameter',
    /ADF\.USIM/,
    [HEADER, MF, filesElement('opt-usim', '5', {})],
  ],
  [
    'a file without its directory',
    'invalidParameter',
    /ef-img without/,
    [HEADER, MF, filesElement('telecom', '3', { 'df-telecom': [], 'ef-img': [] })],
  ],
  ['a path to nowhere', 'invalidParameter', /7F11/, [HEADER, MF, management(path('7F11'))]],
  ['a path that is half an identifier', 'badValues', /7F1/, [HEADER, MF, management(path('7F1000'))]],
  ['a path through a file', 'invalidParameter', /2FE2/, [HEADER, MF, management(path('2FE24F01'))]],
  ['a path to a file', 'invalidParameter', /no directory/, [HEADER, MF, management(path('2FE2'))]],
  [
    'a file that exists',
    'invalidParameter',
    /2FE2 exists/,
    [HEADER, MF, management(create(transparent('2FE2', '0A')))],
  ],
  [
    'content past the end',
    'badValues',
    /2 octets of 4F01/,
    [HEADER, MF, management(create(transparent('4F01', '02')), content('010203'))],
  ],
  [
    'an offset past the end',
    'badValues',
    /4F01/,
    [HEADER, MF, management(create(transparent('4F01', '02')), skip(3))],
  ],
  ['content without a file', 'invalidParameter', /without a file/, [HEADER, MF, management(content('01'))]],
  [
    'a size that is no whole number of records',
    'badValues',
    /records of 4/,
    [HEADER, MF, management(create(record('42210004', '09')))],
  ],
  [
    'records of no length',
    'badValues',
    /records of 0/,
    [HEADER, MF, management(create(record('42210000', '08')))],
  ],
  ['an unknown file structure', 'badValues', /43/, [HEADER, MF, management(create(record('4321', '08')))]],
  [
    'a file of no size',
    'badValues',
    /size/,
    [HEADER, MF, management(create({ ...record('4121', '08'), efFileSize: new Uint8Array(0) }))],
  ],
  [
    'a file without an identifier',
    'badValues',
    /identifier/,
    [
      HEADER,
      MF,
      management(
        create({
          fileDescriptor: fromHex('4121'),
          efFileSize: fromHex('01'),
          securityAttributesReferenced: fromHex('2F0601'),
        }),
      ),
    ],
  ],
  [
    'a file without access rule',
    'badValues',
    /access rule/,
    [
      HEADER,
      MF,
      management(
        create({ fileDescriptor: fromHex('4121'), fileId: fromHex('4F01'), efFileSize: fromHex('01') }),
      ),
    ],
  ],
  [
    'a link to nowhere',
    'invalidParameter',
    /leads to no file/,
    [HEADER, MF, management(create(transparent('4F01', '01', { linkPath: fromHex('7FD06F07') })))],
  ],
  [
    'content for a link',
    'invalidParameter',
    /is a link/,
    [HEADER, MF, management(create(transparent('4F01', '01', { linkPath: fromHex('2FE2') })), content('01'))],
  ],
  [
    'an offset into a BER-TLV file',
    'invalidParameter',
    /BER-TLV/,
    [HEADER, MF, management(create(record('7921', '08')), skip(1))],
  ],
  [
    'BER-TLV content that is cut off',
    'badValues',
    /4F01 is no run/,
    [HEADER, MF, management(create(record('7921', '08')), content('8003AA')), END],
  ],
  [
    'a size that the template does not know',
    'badValues',
    /ef-gbabp needs a size/,
    [HEADER, MF, USIM, filesElement('opt-usim', '5', { 'ef-gbabp': [] })],
  ],
  [
    'a file that the template does not know',
    'invalidParameter',
    /no ef-epdgid/,
    [HEADER, MF, USIM, filesElement('opt-usim', '5', { 'ef-epdgid': [] })],
  ],
  [
    'a directory with content',
    'invalidParameter',
    /df-gsm-access/,
    [HEADER, MF, USIM, filesElement('gsm-access', '7', { 'df-gsm-access': [content('00')] })],
  ],
  [
    'an ADF without AID',
    'badValues',
    /AID/,
    [
      HEADER,
      MF,
      filesElement('usim', '4', {
        ...(USIM.type === 'usim' ? USIM.value.files : {}),
        'adf-usim': described({ fileId: fromHex('7FD0') }),
      }),
    ],
  ],
  ['the same ADF twice', 'invalidParameter', /exists already/, [HEADER, MF, USIM, USIM]],
  ['a local PIN in the MF', 'badValues', /129/, [HEADER, MF, pins([{ keyReference: 0x81 }])]],
  ['a global PIN in an ADF', 'badValues', /into the MF/, [HEADER, MF, USIM, pins([{ keyReference: 1 }])]],
  ['a PIN twice', 'badValues', /twice/, [HEADER, MF, pins([{ keyReference: 1 }, { keyReference: 1 }])]],
  [
    'PINs of one directory twice',
    'invalidParameter',
    /second time/,
    [HEADER, MF, pins([{ keyReference: 1 }]), pins([{ keyReference: 2 }])],
  ],
  [
    'a PUK that is not there',
    'pinCodeMissing',
    /PUK 1/,
    [HEADER, MF, pins([{ keyReference: 1, unblockingPinReference: 1 }]), END],
  ],
  [
    'a PIN status template with a PIN that is not there',
    'pinCodeMissing',
    /PIN 129 of 7F66/,
    [HEADER, MF, management(create(directory('7F66', { pinStatusTemplateDo: fromHex('81') }))), END],
  ],
  [
    'a Milenage key of 32 octets',
    'badValues',
    /32 octets/,
    [HEADER, MF, USIM, milenage({ key: new Uint8Array(32) })],
  ],
  [
    'an unknown algorithm',
    'featureNotSupported',
    /algorithm 9/,
    [HEADER, MF, USIM, milenage({ algorithmId: 9 })],
  ],
  ['authentication without an ADF', 'invalidRequestFormat', /before any ADF/, [HEADER, MF, milenage()]],
  [
    'a start value above the largest',
    'badValues',
    /07FFFFFFFFFF/,
    [HEADER, MF, USIM, milenage({}, { sqnDelta: fromHex('080000000000') })],
  ],
];

test('each fault of a package is reported with its status and reason', () => {
  for (const [name, status, why, elements] of FAILURES) {
    const failed = failure(elements);
    assert.equal(failed.status, status, `${name}: ${failed.why}`);
    assert.match(failed.why ?? '', why, name);
  }
});

test('a package that asks for more memory than the card has is refused before the memory is taken', () => {
  const huge = management(create(transparent('4F01', '7FFFFFFF')));
  assert.equal(failure([HEADER, MF, huge]).status, 'notEnoughMemory');
  const two = management(create(transparent('4F01', '50')), create(transparent('4F02', '50')));
  assert.equal(failure([HEADER, MF, two], { memory: 120 }).status, 'notEnoughMemory');
  assert.equal(loaded([HEADER, MF, two, END], { memory: 200 }).memory, 160 + 10 + 5 + 5 + 2 + 5);
});

test('octets that are no element fail as an invalid request, with the member that is wrong', () => {
  const good = encodeProfilePackage([HEADER, MF]);
  const outcome = loadProfilePackage(Uint8Array.from([...good, 0xaa, 0x02, 0x81, 0x00]));
  assert.deepEqual(outcome, {
    ok: false,
    failed: { status: 'invalidRequestFormat', element: 'end', why: 'header: TLV_MISSING' },
  });
});

test('no damage to a package makes the interpreter fail in any other way than by its outcome', () => {
  const whole = encodeProfilePackage([
    HEADER,
    MF,
    pins([{ keyReference: 1 }]),
    USIM,
    milenage(),
    management(
      create(directory('7F66')),
      path('7F66'),
      create(transparent('4F21', '08')),
      skip(2),
      content('AA'),
    ),
    END,
  ]);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
      fc.nat(whole.length),
      (changes, length) => {
        const bytes = Uint8Array.from(whole);
        for (const [place, value] of changes) bytes[place] = value;
        const outcome = loadProfilePackage(bytes.subarray(0, length));
        assert.equal(typeof outcome.ok, 'boolean');
      },
    ),
    { numRuns: 1000 },
  );
});
