import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import type { Fcp, FileSteps } from '../codec/saip/files.ts';
import { decodeProfilePackage, encodeProfilePackage, type ProfileElement } from '../codec/saip/package.ts';
import { loadResponse } from './profile-response.ts';
import { loadProfile, loadProfilePackage } from './profile-loader.ts';
import {
  mandated,
  HEADER,
  END,
  ARR,
  described,
  filesElement,
  MF,
  MF_FILES,
  USIM_AID,
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
  file,
  folder,
  milenage,
  pins,
} from './profile-samples.ts';

test('files that a template creates by default are there without being named', () => {
  const profile = loaded([HEADER, MF, USIM, END]);
  assert.equal(toHex(file(profile, 0x7fd0, 0x6f7e).content), 'FFFFFFFFFFFFFF0000FF01');
  assert.equal(file(profile, 0x7fd0, 0x6f7e).specialInformation, 0x80);
  assert.equal(file(profile, 0x7fd0, 0x6f7e).sfi, 0x0b);
  assert.deepEqual(file(profile, 0x7fd0, 0x6f7e).accessRule, { arrFid: 0x6f06, record: 5 });
  assert.equal(toHex(file(profile, 0x2f05).content), 'FFFF');
  assert.deepEqual(profile.mf.accessRule, { arrFid: 0x2f06, record: 14 });
});

test('doNotCreate leaves a file out, but not in the MF', () => {
  assert.ok(USIM.type === 'usim');
  const not: FileSteps = [{ is: 'doNotCreate', value: true }];
  const usim = filesElement('usim', '4', { ...USIM.value.files, 'ef-loci': not });
  const mf = filesElement('mf', '1', { ...MF_FILES, 'ef-pl': not });
  const profile = loaded([HEADER, mf, usim, END]);
  assert.equal(
    folder(profile, 0x7fd0).children.some((node) => node.fid === 0x6f7e),
    false,
  );
  assert.equal(file(profile, 0x2f05).size, 2);
});

test('a default of a record file that is longer than the template fills each record by itself', () => {
  const opt = filesElement('opt-usim', '5', {
    'ef-ici': described({ fileDescriptor: fromHex('4621000A'), efFileSize: fromHex('14') }),
    'ef-ext2': described({ efFileSize: fromHex('1A') }, '0102'),
    'ef-plmnwact': described({ efFileSize: fromHex('07') }),
  });
  const profile = loaded([HEADER, MF, USIM, opt, END]);
  assert.equal(toHex(file(profile, 0x7fd0, 0x6f80).content), 'FF0000000001FFFF'.padStart(20, 'F').repeat(2));
  assert.equal(toHex(file(profile, 0x7fd0, 0x6f4b).content), `0102${'FF'.repeat(11)}00${'FF'.repeat(12)}`);
  assert.equal(toHex(file(profile, 0x7fd0, 0x6f60).content), 'FFFFFF0000FFFF');
});

test('fill and repeat patterns of the file control parameters come before the template', () => {
  const opt = filesElement('opt-usim', '5', {
    'ef-gid1': described({ proprietaryEfInfo: { fillPattern: fromHex('0102') } }),
    'ef-gid2': described({ proprietaryEfInfo: { repeatPattern: fromHex('A1B2C3') } }),
  });
  const profile = loaded([HEADER, MF, USIM, opt, END]);
  assert.equal(toHex(file(profile, 0x7fd0, 0x6f3e).content), '0102020202020202');
  assert.equal(toHex(file(profile, 0x7fd0, 0x6f3f).content), 'A1B2C3A1B2C3A1B2');
});

test('generic file management creates, goes on from path to path and fills with offsets', () => {
  const profile = loaded([
    HEADER,
    MF,
    USIM,
    management(
      path(''),
      create(directory('7F66')),
      path('7F66'),
      create(transparent('4F21', '08')),
      content('AABB'),
      skip(3),
      content('CC'),
      create(transparent('4F41', '02', { shortEfid: fromHex('F0') })),
      content('0102'),
      path('7FD0'),
      create(transparent('6FFE', '03', { shortEfid: new Uint8Array(0) })),
    ),
    END,
  ]);
  assert.equal(toHex(file(profile, 0x7f66, 0x4f21).content), 'AABBFFFFFFCCFFFF');
  assert.equal(file(profile, 0x7f66, 0x4f21).sfi, 1);
  assert.equal(file(profile, 0x7f66, 0x4f41).sfi, 0x1e);
  assert.equal(toHex(file(profile, 0x7f66, 0x4f41).content), '0102');
  assert.equal(file(profile, 0x7fd0, 0x6ffe).sfi, undefined);
});

test('the MF may be made by generic file management too', () => {
  const profile = loaded([
    HEADER,
    management(create(directory('3F00')), create(transparent('2FE2', '0A')), content('988812010000000010F7')),
    END,
  ]);
  assert.equal(profile.mf.kind, 'mf');
  assert.equal(toHex(file(profile, 0x2fe2).content), '988812010000000010F7');
});

const MAPPED_AKA: ProfileElement = {
  type: 'akaParameter',
  value: {
    header: mandated(5),
    algoConfiguration: [
      {
        is: 'mappingParameter',
        value: { mappingOptions: fromHex('06'), mappingSource: fromHex(USIM_AID) },
      },
    ],
  },
};

test('an ADF made by generic file management is an application that takes authentication parameters', () => {
  const aid = 'A0000000871004FF49FF0589';
  const elements = [
    HEADER,
    MF,
    USIM,
    milenage(),
    management(path(''), create(directory('7FB0', { dfName: fromHex(aid) }))),
    MAPPED_AKA,
    END,
  ];
  const { naas, akas } = loaded(elements);
  assert.deepEqual(
    naas.map(({ aid: name, type, aka: index }) => [name, type, index]),
    [
      [USIM_AID, 'usim', 0],
      [aid, 'isim', 0],
    ],
  );
  assert.equal(akas.length, 1);
  assert.equal(failure([HEADER, MF, USIM, MAPPED_AKA, END]).status, 'invalidParameter');
});

test('authentication parameters take the defaults of the standard, or what is given', () => {
  const sqnInit = Array.from({ length: 32 }, (_, i) => Uint8Array.of(0, 0, 0, 0, 0, i));
  const [plain] = loaded([HEADER, MF, USIM, milenage(), END]).akas;
  assert.deepEqual(
    { ...plain, k: undefined, opc: undefined, constants: plain?.constants.map(toHex) },
    {
      algorithm: 'milenage',
      algorithmOptions: 1,
      k: undefined,
      opc: undefined,
      rotations: [64, 0, 32, 64, 96],
      constants: ['00', '01', '02', '04', '08'].map((last) => last.padStart(32, '0')),
      keccakIterations: 1,
      sqnOptions: 2,
      sqnDelta: 0x10000000,
      sqnAgeLimit: 0x10000000,
      sqn: Array.from({ length: 32 }, () => 0),
    },
  );
  const tuak = milenage(
    { algorithmId: 2, key: new Uint8Array(32), opc: new Uint8Array(32), numberOfKeccak: 3 },
    { sqnInit, sqnOptions: fromHex('0E') },
  );
  const [given] = loaded([HEADER, MF, USIM, tuak, END]).akas;
  assert.equal(given?.algorithm, 'tuak');
  assert.equal(given?.keccakIterations, 3);
  assert.equal(given?.sqn[31], 31);
  assert.equal(given?.sqnOptions, 0x0e);
});

test('PINs belong to the first directory of the element before them, and may be shared by path', () => {
  const share: ProfileElement = {
    type: 'pinCodes',
    value: { header: mandated(9), pinCodes: [{ is: 'filePath', value: fromHex('7FD0') }] },
  };
  const profile = loaded([
    HEADER,
    MF,
    pins([{ keyReference: 1 }]),
    USIM,
    pins([{ keyReference: 0x81 }]),
    management(create(directory('7F66')), path('7F66'), create(directory('5F40'))),
    share,
    END,
  ]);
  assert.equal(profile.pinContexts.length, 2);
  assert.equal(profile.mf.pinContext, 0);
  assert.equal(folder(profile, 0x7fd0).pinContext, 1);
  assert.equal(folder(profile, 0x7f66).pinContext, 1);
  assert.equal(folder(profile, 0x7f66, 0x5f40).pinContext, 1);
});

test('an element that is not mandatory and not known is left out with a warning', () => {
  const unknown: ProfileElement = { type: 'unknown', tag: 0xbf3a, header: { identification: 4 }, raw: ARR };
  const strange: ProfileElement = {
    type: 'df-5gs',
    value: { header: { identification: 5 }, templateId: '2.23.143.1.2.13.9', files: { 'df-df-5gs': [] } },
  };
  const secret: ProfileElement = {
    type: 'nonStandard',
    value: { header: { identification: 6 }, issuerId: '2.999.1', content: ARR },
  };
  const algorithm = milenage({ algorithmId: 9 }, { header: { identification: 7 } });
  const outcome = loadProfile([HEADER, MF, USIM, unknown, strange, secret, algorithm, END]);
  assert.ok(outcome.ok);
  assert.deepEqual(outcome.profile.akas, []);
  assert.deepEqual(
    outcome.warnings.map(({ status, identification }) => [status, identification]),
    [
      ['peNotSupported', 4],
      ['templateNotSupported', 5],
      ['peNotSupported', 6],
      ['featureNotSupported', 7],
    ],
  );
  assert.equal(
    toHex(loadResponse(outcome)),
    '3027A025' +
      '3003800100' +
      '3006800101810104' +
      '3006800109810105' +
      '3006800101810106' +
      '300680010A810107',
  );
});

test('elements read from octets load as those that were built', () => {
  const elements = [HEADER, MF, USIM, END];
  assert.deepEqual(
    loadProfilePackage(encodeProfilePackage(elements)),
    loadProfile(decodeProfilePackage(encodeProfilePackage(elements))),
  );
});

test('a BER-TLV file holds the data objects that were filled in, in as many steps as it took', () => {
  const berTlv = (maximum: string): Fcp => ({
    ...transparent('6FF8', '40'),
    fileDescriptor: fromHex('7921'),
    proprietaryEfInfo: { maximumFileSize: fromHex(maximum), fileDetails: fromHex('01') },
  });
  const profile = loaded([
    HEADER,
    MF,
    management(
      create(berTlv('0100')),
      content('8003AA'),
      content('BBCC8100'),
      create(transparent('6FF9', '01')),
    ),
    END,
  ]);
  const node = file(profile, 0x6ff8);
  assert.equal(toHex(node.content), '8003AABBCC8100');
  assert.equal(node.size, 0x40);
  assert.equal(node.maximumSize, 0x100);
});
