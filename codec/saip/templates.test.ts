import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../base/bytes.ts';
import { isAgentError } from '../../base/errors.ts';
import { encodeAccessRules, TEMPLATE_ACCESS_RULES } from './access-rules.ts';
import { encodeProfileElement, type FilesElementType } from './package.ts';
import { findTemplate, patternOctets } from './templates.ts';
import { templateOid } from './template-rows.ts';

/** Every template with the element that uses it. */
const TEMPLATES: readonly (readonly [string, FilesElementType])[] = [
  ['1', 'mf'],
  ['2', 'cd'],
  ['3', 'telecom'],
  ['3.2', 'telecom'],
  ['4', 'usim'],
  ['4.2', 'usim'],
  ['5', 'opt-usim'],
  ['5.2', 'opt-usim'],
  ['5.3', 'opt-usim'],
  ['6', 'phonebook'],
  ['7', 'gsm-access'],
  ['8', 'isim'],
  ['9', 'opt-isim'],
  ['9.2', 'opt-isim'],
  ['10', 'csim'],
  ['11', 'opt-csim'],
  ['10.2', 'csim'],
  ['11.2', 'opt-csim'],
  ['12', 'eap'],
  ['13', 'df-5gs'],
  ['13.2', 'df-5gs'],
  ['13.3', 'df-5gs'],
  ['13.4', 'df-5gs'],
  ['14', 'df-saip'],
  ['15', 'df-snpn'],
  ['16', 'df-5gprose'],
];

test('the rows of a template are the members of its element, in the same order', () => {
  for (const [last, type] of TEMPLATES) {
    const template = findTemplate(templateOid(last));
    assert.ok(template, last);
    const files = Object.fromEntries(template.files.map((row) => [row.name, []]));
    assert.equal(Object.keys(files).length, template.files.length, `${last}: a row twice`);
    const bytes = encodeProfileElement({
      type,
      value: { header: { identification: 1 }, templateId: template.oid, files },
    });
    assert.ok(bytes.length > 0);
  }
});

test('no two files of one directory share an identifier or a short identifier', () => {
  for (const [last] of TEMPLATES) {
    let seen = new Set<string>();
    for (const row of findTemplate(templateOid(last))?.files ?? []) {
      if (row.kind === 'df' || row.kind === 'adf' || row.kind === 'mf') seen = new Set();
      for (const key of [
        ...(row.fid === undefined ? [] : [`fid ${row.fid.toString(16)}`]),
        ...(row.sfi === undefined ? [] : [`sfi ${row.sfi}`]),
      ]) {
        assert.ok(!seen.has(key), `${last} ${row.name}: ${key}`);
        seen.add(key);
      }
      assert.ok(row.arr >= 1 && row.arr <= TEMPLATE_ACCESS_RULES.length, row.name);
    }
  }
});

test('an unknown template is not found', () => {
  assert.equal(findTemplate('2.23.143.1.2.99'), undefined);
});

function filled(pattern: string, length: number): string {
  return toHex(patternOctets(pattern, length));
}

test('patterns fill a file from the front, from the back, or group by group', () => {
  assert.equal(filled('FF*', 3), 'FFFFFF');
  assert.equal(filled('07FF*', 4), '07FFFFFF');
  assert.equal(filled('FF*0000FF01', 6), 'FFFF0000FF01');
  assert.equal(filled('FF*0000FF01', 3), '00FF01');
  assert.equal(filled('0A', 3), '0AFFFF');
  assert.equal(filled('(FFFFFF0000)', 7), 'FFFFFF0000FFFF');
  assert.equal(filled('010203', 2), '0102');
  assert.equal(filled('FF*', 0), '');
  assert.throws(
    () => patternOctets('1*2*3', 4),
    (error) => isAgentError(error, 'INTERNAL'),
  );
});

test('the access rules of the templates are coded as in EF.ARR of cards in the field', () => {
  const coded = TEMPLATE_ACCESS_RULES.map((rules) => toHex(encodeAccessRules(rules)));
  assert.equal(coded[0], '8001019000800102A406830101950108800158A40683010A950108');
  assert.equal(coded[3], '800101900080011A9700800140A40683010A950108');
  assert.equal(coded[6], '800103A406830101950108800158A40683010A950108840132A406830101950108');
  assert.equal(coded[7], '800101A406830101950108800102A406830181950108800158A40683010A950108');
  assert.equal(coded[13], '80015EA40683010A950108');
  assert.equal(coded.length, 14);
});
