import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex } from '../base/bytes.ts';
import type { Fcp, FilesElement } from '../codec/saip/files.ts';
import type { ProfileElement } from '../codec/saip/package.ts';
import type { FileTemplate } from '../codec/saip/template-rows.ts';
import { findTemplate } from '../codec/saip/templates.ts';
import {
  create,
  described,
  directory,
  END,
  file,
  folder,
  HEADER,
  loaded,
  management,
  mandated,
  MF,
  USIM,
} from './profile-samples.ts';

/** Templates that hang below an ADF or the MF, with the element that uses them and where their files end up. */
const BELOW: readonly (readonly [string, ProfileElement['type'], readonly number[]])[] = [
  ['2', 'cd', [0x7f11]],
  ['3', 'telecom', [0x7f10]],
  ['3.2', 'telecom', [0x7f10]],
  ['5', 'opt-usim', [0x7fd0]],
  ['5.2', 'opt-usim', [0x7fd0]],
  ['5.3', 'opt-usim', [0x7fd0]],
  ['6', 'phonebook', [0x7fd0, 0x5f3a]],
  ['7', 'gsm-access', [0x7fd0, 0x5f3b]],
  ['9', 'opt-isim', [0x7fb0]],
  ['9.2', 'opt-isim', [0x7fb0]],
  ['11', 'opt-csim', [0x7fc0]],
  ['13', 'df-5gs', [0x7fd0, 0x5fc0]],
  ['13.2', 'df-5gs', [0x7fd0, 0x5fc0]],
  ['13.3', 'df-5gs', [0x7fd0, 0x5fc0]],
  ['13.4', 'df-5gs', [0x7fd0, 0x5fc0]],
  ['14', 'df-saip', [0x7fd0, 0x5fd0]],
  ['15', 'df-snpn', [0x7fd0, 0x5fe0]],
  ['16', 'df-5gprose', [0x7fd0, 0x5ff0]],
];

const ADFS = management(
  create(directory('7FB0', { dfName: fromHex('A0000000871004FF49FF0589') })),
  create(directory('7FC0', { dfName: fromHex('A0000003431002F310FFFF89020000FF') })),
);

/** What the row leaves open, given with values of no meaning. */
function completing(row: FileTemplate, number: number): Fcp {
  const fid = row.fid === undefined ? { fileId: Uint8Array.of(0x4f, 0xc0 + number) } : {};
  const size = row.size ?? 10;
  const open = row.size === undefined || (isRecord(row) && row.records === undefined);
  if (!open) return fid;
  const fileDescriptor = Uint8Array.of(row.kind === 'cyclic' ? 0x46 : 0x42, 0x21, 0, size);
  return {
    ...fid,
    ...(isRecord(row) ? { fileDescriptor } : {}),
    efFileSize: Uint8Array.of(size * (isRecord(row) ? 2 : 1)),
  };
}

function isRecord(row: FileTemplate): boolean {
  return row.kind === 'linear-fixed' || row.kind === 'cyclic';
}

function isDirectory(row: FileTemplate): boolean {
  return row.kind === 'mf' || row.kind === 'adf' || row.kind === 'df';
}

test('every file of every template can be created, in the directory and with the properties of its row', () => {
  for (const [last, type, place] of BELOW) {
    const template = findTemplate(`2.23.143.1.2.${last}`);
    assert.ok(template, last);
    const files: FilesElement['files'] = Object.fromEntries(
      template.files.map((row, number) => [
        row.name,
        isDirectory(row) ? [] : described(completing(row, number)),
      ]),
    );
    const element = {
      type,
      value: { header: mandated(5), templateId: template.oid, files },
    } as ProfileElement;
    const profile = loaded([HEADER, MF, ADFS, USIM, element, END]);
    let here = place;
    for (const [number, row] of template.files.entries()) {
      const fid = row.fid ?? 0x4fc0 + number;
      if (isDirectory(row)) {
        here = number === 0 ? place : [...place, fid];
        assert.equal(folder(profile, ...here).fid, fid, `${last} ${row.name}`);
        continue;
      }
      const made = file(profile, ...here, fid);
      assert.equal(made.structure, row.kind, `${last} ${row.name}`);
      assert.equal(made.sfi, row.sfi, `${last} ${row.name}`);
      assert.equal(made.accessRule.record, row.arr, `${last} ${row.name}`);
      assert.equal(made.specialInformation, row.highUpdate === true ? 0x80 : 0, `${last} ${row.name}`);
      if (isRecord(row))
        assert.equal(made.size, (made.recordLength ?? 0) * (row.size && row.records ? row.records : 2));
    }
  }
});

test('a member that stands for several files makes one for each descriptor, filled in turn', () => {
  const telecom: ProfileElement = {
    type: 'telecom',
    value: {
      header: mandated(5),
      templateId: '2.23.143.1.2.3',
      files: {
        'df-telecom': [],
        'df-phonebook': [],
        'ef-adn': [
          ...described(
            { fileId: fromHex('4F58'), fileDescriptor: fromHex('42210004'), efFileSize: fromHex('08') },
            'AABB',
          ),
          ...described(
            { fileId: fromHex('4F59'), fileDescriptor: fromHex('42210004'), efFileSize: fromHex('04') },
            'CC',
          ),
        ],
      },
    },
  };
  const profile = loaded([HEADER, MF, telecom, END]);
  const content = (fid: number): Uint8Array => file(profile, 0x7f10, 0x5f3a, fid).content;
  assert.deepEqual(content(0x4f58), fromHex('AABBFFFFFFFFFFFF'));
  assert.deepEqual(content(0x4f59), fromHex('CCFFFFFF'));
});

test('DF.EAP hangs below the application created last, under the identifier that is given', () => {
  const eap: ProfileElement = {
    type: 'eap',
    value: {
      header: mandated(5),
      templateId: '2.23.143.1.2.12',
      files: { 'df-eap': described({ fileId: fromHex('5F60') }), 'ef-eapstatus': [] },
    },
  };
  assert.deepEqual(file(loaded([HEADER, MF, USIM, eap, END]), 0x7fd0, 0x5f60, 0x4f02).content, fromHex('00'));
});
