// FCP templates against those of real cards (osmocom/pysim, shared test data).
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { Secret } from '../../base/log.ts';
import { parseAid } from '../../codec/ids.ts';
import type { FileSystem, Place } from '../file-system.ts';
import type { Directory, ElementaryFile } from '../profile-content.ts';
import { encodeFcp } from './fcp.ts';
import type { Pins } from './pins.ts';

const VECTORS = '../shared/testdata/vectors/fcp-uicc.json';

type Vector = {
  readonly fcp: string;
  readonly decoded: {
    readonly file_descriptor: {
      readonly file_descriptor_byte: { readonly file_type: string; readonly structure: string };
      readonly record_len: number | null;
      readonly num_of_rec: number | null;
    };
    readonly file_identifier: string;
    readonly df_name?: string;
    readonly proprietary_information?: { readonly available_memory: number };
    readonly security_attrib_referenced: {
      readonly ef_arr_file_id: string;
      readonly ef_arr_record_nr: number;
    };
    readonly pin_status_template_do?: readonly { readonly ps_do?: string; readonly key_reference?: number }[];
    readonly file_size?: number;
    readonly short_file_identifier?: number;
  };
};

const number = (hex: string): number => Number.parseInt(hex, 16);

/** A place with the content that the decoded template describes, and the PINs that it shows as enabled. */
function described({ decoded }: Vector): { place: Place; pins: Pick<Pins, 'find'>; freeMemory: number } {
  const { file_descriptor: descriptor, security_attrib_referenced: security } = decoded;
  const shared = {
    fid: number(decoded.file_identifier),
    accessRule: { arrFid: number(security.ef_arr_file_id), record: security.ef_arr_record_nr },
    lifeCycle: 5,
  };
  const references = (decoded.pin_status_template_do ?? []).flatMap(({ key_reference: key }) => key ?? []);
  const flags = number(decoded.pin_status_template_do?.[0]?.ps_do ?? '00');
  const folder: Directory = {
    ...shared,
    kind: decoded.df_name === undefined ? 'mf' : 'adf',
    ...(decoded.df_name === undefined ? {} : { aid: parseAid(decoded.df_name) }),
    pinStatusTemplate: Uint8Array.from(references),
    pinContext: 0,
    children: [],
  };
  const parent = { kind: 'folder', content: folder, path: [], parent: undefined } as const;
  const pins: Pick<Pins, 'find'> = {
    find: (_folder, keyReference) => ({
      content: {
        keyReference,
        value: new Secret(new Uint8Array(8)),
        enabled: true,
        mayBeChanged: true,
        mayBeDisabled: true,
        maxAttempts: 3,
        attemptsLeft: 3,
      },
      enabled: (flags & (0x80 >> references.indexOf(keyReference))) !== 0,
      attemptsLeft: 3,
    }),
  };
  const freeMemory = decoded.proprietary_information?.available_memory ?? 0;
  if (descriptor.file_descriptor_byte.file_type === 'df') return { place: parent, pins, freeMemory };
  const linear = descriptor.file_descriptor_byte.structure === 'linear_fixed';
  const file: ElementaryFile = {
    ...shared,
    kind: 'ef',
    structure: linear ? 'linear-fixed' : 'transparent',
    size: decoded.file_size ?? 0,
    ...(descriptor.record_len === null ? {} : { recordLength: descriptor.record_len }),
    content: new Uint8Array(0),
    ...(decoded.short_file_identifier === undefined ? {} : { sfi: decoded.short_file_identifier }),
    descriptor: linear ? 0x42 : 0x41,
    specialInformation: 0,
  };
  return { place: { kind: 'file', content: file, path: [], parent }, pins, freeMemory };
}

test('the templates of real cards come out octet for octet', async (t) => {
  const text = await readFile(VECTORS, 'utf8').catch(() => undefined);
  if (text === undefined) {
    t.skip('no shared test data');
    return;
  }
  const { cases } = JSON.parse(text) as { readonly cases: readonly Vector[] };
  assert.ok(cases.length >= 5);
  const files = { lifeCycle: (place: Place) => place.content.lifeCycle } as FileSystem;
  for (const vector of cases) {
    const { place, pins, freeMemory } = described(vector);
    const fcp = encodeFcp({ files, pins: pins as Pins, freeMemory }, place);
    assert.equal(toHex(fcp), toHex(fromHex(vector.fcp)));
  }
});
