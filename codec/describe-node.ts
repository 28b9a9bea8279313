// The tree that a description is, and its text: one line for each part, with its offset in the octets.
import { toHex } from '../base/bytes.ts';

/** One part of the octets described. `at` is the offset of its first octet. */
export type DescribedNode = {
  readonly at: number;
  /** How the part is introduced: the tag of an object, the field of a fixed layout. */
  readonly tag?: string;
  readonly name: string;
  /** Octets of the value. */
  readonly length?: number;
  readonly text?: string;
  readonly children: readonly DescribedNode[];
  /** `fault`: the octets break a rule, `text` says which. `unknown`: no table names the part. */
  readonly kind?: 'fault' | 'unknown';
};

/** A value shorter than this stands on the line of its name, a longer one on lines of its own. */
const INLINE_OCTETS = 40;
const OCTETS_A_LINE = 32;

export function leaf(at: number, name: string, text: string, tag?: string): DescribedNode {
  return tag === undefined ? { at, name, text, children: [] } : { at, name, text, tag, children: [] };
}

export function fault(at: number, text: string): DescribedNode {
  return { at, name: 'fault', text, kind: 'fault', children: [] };
}

/** Octets without a meaning of their own, shown in hex and whole. */
export function hexNode(at: number, name: string, octets: Uint8Array, kind?: 'unknown'): DescribedNode {
  const base = { at, name, length: octets.length, ...(kind === undefined ? {} : { kind }) };
  if (octets.length <= INLINE_OCTETS) return { ...base, text: toHex(octets), children: [] };
  const children: DescribedNode[] = [];
  for (let from = 0; from < octets.length; from += OCTETS_A_LINE) {
    children.push(leaf(at + from, '', toHex(octets.subarray(from, from + OCTETS_A_LINE))));
  }
  return { ...base, children };
}

/** How badly a description fits its octets: 0 where every part has its name and keeps the rules. */
export function misfit(nodes: readonly DescribedNode[]): number {
  let sum = 0;
  const pending = [...nodes];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    if (node.kind === 'fault') sum += 10;
    if (node.kind === 'unknown') sum += 3;
    for (const child of node.children) pending.push(child);
  }
  return sum;
}

/**
 * The same for octets that end in the middle, at `end`: that parts are cut or missing there speaks against nothing that came
 * before. `read` counts the parts with a name and a value before the cut.
 */
export function misfitBeforeCut(
  nodes: readonly DescribedNode[],
  end: number,
): { readonly cost: number; readonly read: number } {
  let cost = 0;
  let read = 0;
  for (const [i, node] of nodes.entries()) {
    if (node.kind === 'fault' && node.at >= end) continue;
    const next = nodes[i + 1];
    const isCut = next?.kind === 'fault' && next.at >= end;
    const inner = misfitBeforeCut(node.children, end);
    const isLeaf = node.children.every(({ kind }) => kind === 'fault');
    if (isLeaf && isCut && node.kind === undefined) continue;
    if (node.kind === 'fault') cost += 10;
    else if (node.kind === 'unknown') cost += 3;
    else if (isLeaf) read++;
    cost += inner.cost;
    read += inner.read;
  }
  return { cost, read };
}

/** How many parts break a rule. */
export function countFaults(nodes: readonly DescribedNode[]): number {
  return nodes.reduce(
    (sum, { kind, children }) => sum + (kind === 'fault' ? 1 : 0) + countFaults(children),
    0,
  );
}

/**
 * Lines of `offset  tag name [length] text`, indented by depth; faults begin with `!`, unknown parts with `?`. Text that came
 * out of the octets has its control characters shown as \xNN.
 */
export function renderNodes(nodes: readonly DescribedNode[]): string {
  const lines: string[] = [];
  const write = (node: DescribedNode, depth: number): void => {
    const mark = node.kind === 'fault' ? '!' : node.kind === 'unknown' ? '?' : '';
    const words = [
      mark,
      node.tag ?? '',
      node.kind === 'fault' ? '' : node.name,
      node.length === undefined ? '' : `[${node.length}]`,
      printable(node.text ?? ''),
    ].filter((word) => word !== '');
    lines.push(
      `${node.at.toString(16).toUpperCase().padStart(4, '0')}  ${'  '.repeat(depth)}${words.join(' ')}`,
    );
    for (const child of node.children) write(child, depth + 1);
  };
  for (const node of nodes) write(node, 0);
  return lines.join('\n');
}

/** Shows what a terminal would act upon. */
function printable(text: string): string {
  return Array.from(text, (character) => {
    const code = character.codePointAt(0) ?? 0;
    const hidden = code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x200b && code <= 0x202e);
    return hidden ? `\\x${code.toString(16).toUpperCase().padStart(2, '0')}` : character;
  }).join('');
}
