// DER without a table in words: universal types by their names, object identifiers by theirs (ITU-T X.690).
import { bytesUtf8, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { isConstructed, readTlvHeader, readTlvs, tagText, type Tlv } from './ber-tlv.ts';
import { type DescribedNode, hexNode } from './describe-node.ts';
import { oidName } from './oids.ts';
import { oid } from './tlv-table.ts';

const UNIVERSAL: Readonly<Record<number, string>> = {
  0x01: 'BOOLEAN',
  0x02: 'INTEGER',
  0x03: 'BIT STRING',
  0x04: 'OCTET STRING',
  0x05: 'NULL',
  0x06: 'OBJECT IDENTIFIER',
  0x0a: 'ENUMERATED',
  0x0c: 'UTF8String',
  0x13: 'PrintableString',
  0x16: 'IA5String',
  0x17: 'UTCTime',
  0x18: 'GeneralizedTime',
  0x30: 'SEQUENCE',
  0x31: 'SET',
};

const TEXT = new Set([0x0c, 0x13, 0x16, 0x17, 0x18]);
const MAX_DEPTH = 24;

/** Describes one object that stands at `at`. Octet strings that hold DER again are opened. */
export function describeDer(tlv: Tlv, at: number, depth = 0): DescribedNode {
  const tag = tagText(tlv.tag);
  const name = UNIVERSAL[tlv.tag] ?? 'context';
  const valueAt = at + tlv.raw.length - tlv.value.length;
  const head = { at, tag, name, length: tlv.value.length };
  if (tlv.tag === 0x06) return { ...head, text: oidText(tlv.value), children: [] };
  if (TEXT.has(tlv.tag)) return { ...head, text: textOf(tlv.value), children: [] };
  if (isConstructed(tlv.tag) || tlv.tag === 0x04) {
    const children = depth < MAX_DEPTH ? describeDerRun(tlv.value, valueAt, depth + 1) : undefined;
    if (children !== undefined) return { ...head, children };
  }
  return { ...hexNode(at, name, tlv.value), tag };
}

/** Describes a private key (PKCS#8, or ECPrivateKey of RFC 5915) without the key, or undefined for anything else. */
export function describePrivateKey(tlv: Tlv, at: number): DescribedNode | undefined {
  if (tlv.tag !== 0x30) return undefined;
  const valueAt = at + tlv.raw.length - tlv.value.length;
  const children = describeDerRun(tlv.value, valueAt, 1) ?? cutRun(tlv.value, valueAt);
  const tags = children?.flatMap(({ tag }) => tag ?? []).join(' ') ?? '';
  const name = /^02 30 04\b/.test(tags)
    ? 'PrivateKeyInfo'
    : /^02 04( A0)?( A1)?$/.test(tags)
      ? 'ECPrivateKey'
      : undefined;
  if (name === undefined || children === undefined) return undefined;
  const shown = children.map((child) =>
    child.tag === '04' ? { ...child, name: 'privateKey', text: 'secret', children: [] } : child,
  );
  return { at, tag: '30', name, length: tlv.value.length, children: shown };
}

/** Objects of which the last one is cut: a key of which a part is there is a secret too. */
function cutRun(bytes: Uint8Array, at: number): DescribedNode[] {
  const nodes: DescribedNode[] = [];
  let from = 0;
  try {
    while (from < bytes.length) {
      const { length, tag, valueAt } = readTlvHeader(bytes, from);
      const end = Math.min(valueAt + length, bytes.length);
      const value = bytes.subarray(valueAt, end);
      nodes.push(describeDer({ tag, value, raw: bytes.subarray(from, end) }, at + from, 1));
      from = end;
    }
  } catch (error) {
    if (!isAgentError(error)) throw error;
    nodes.push(hexNode(at + from, 'rest', bytes.subarray(from), 'unknown'));
  }
  return nodes;
}

/** Describes objects back to back, or undefined where the octets are not that. */
function describeDerRun(bytes: Uint8Array, at: number, depth: number): DescribedNode[] | undefined {
  try {
    const tlvs = readTlvs(bytes);
    if (tlvs.length === 0) return bytes.length === 0 ? [] : undefined;
    let from = at;
    return tlvs.map((tlv) => {
      const node = describeDer(tlv, from, depth);
      from += tlv.raw.length;
      return node;
    });
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return undefined;
  }
}

function oidText(bytes: Uint8Array): string {
  try {
    const dotted = oid.decode(bytes);
    return [oidName(dotted), dotted].filter((word) => word !== undefined).join(' ');
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return toHex(bytes);
  }
}

function textOf(bytes: Uint8Array): string {
  try {
    return JSON.stringify(bytesUtf8(bytes));
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return toHex(bytes);
  }
}
