// File structure templates (TCA eUICC Profile Package: Interoperable Format, annex A): what a file of a profile element is when
// the package does not say otherwise. Found by object identifier.
import { fromHex } from '../../base/bytes.ts';
import { AgentError } from '../../base/errors.ts';
import { CSIM_TEMPLATES } from './templates-csim.ts';
import { ISIM_TEMPLATES } from './templates-isim.ts';
import { MF_TEMPLATES } from './templates-mf.ts';
import type { Template } from './template-rows.ts';
import { USIM_DF_TEMPLATES } from './templates-usim-dfs.ts';
import { USIM_TEMPLATES } from './templates-usim.ts';

const BY_OID: ReadonlyMap<string, Template> = new Map(
  [...MF_TEMPLATES, ...USIM_TEMPLATES, ...USIM_DF_TEMPLATES, ...ISIM_TEMPLATES, ...CSIM_TEMPLATES].map(
    (template) => [template.oid, template],
  ),
);

/** The template with this object identifier (dotted), or undefined. */
export function findTemplate(oid: string): Template | undefined {
  return BY_OID.get(oid);
}

/**
 * The first content of a transparent file or of one record, `length` octets, from a pattern of a template row: hex octets;
 * `*` repeats the octet before it so that the whole fits; `(…)` repeats the group. What is left over is FF.
 */
export function patternOctets(pattern: string, length: number): Uint8Array {
  const out = new Uint8Array(length).fill(0xff);
  const group = /^\(([0-9A-F]+)\)$/.exec(pattern)?.[1];
  if (group !== undefined) return repeated(fromHex(group), out);
  const [head, tail, ...rest] = pattern.split('*');
  if (head === undefined || rest.length > 0) throw new AgentError('INTERNAL', { pattern });
  const first = fromHex(head).subarray(0, length);
  if (tail === undefined) {
    out.set(first);
    return out;
  }
  const last = fromHex(tail);
  out.fill(first.at(-1) ?? 0xff);
  out.set(first);
  const from = Math.max(0, length - last.length);
  out.set(last.subarray(last.length - (length - from)), from);
  return out;
}

function repeated(group: Uint8Array, out: Uint8Array): Uint8Array {
  for (let i = 0; i < out.length; i++) out[i] = group[i % group.length] ?? 0xff;
  return out;
}
