// Access rules as EF.ARR holds them (ETSI TS 102 221, 9.2.7), and the rules that the file templates count on (TCA eUICC Profile
// Package: Interoperable Format, annex A 9.9).
import { concat } from '../../base/bytes.ts';
import { encodeTlv } from '../ber-tlv.ts';

/** Who may: everybody, nobody, or who has verified the PIN of a key reference. */
type AccessCondition = 'always' | 'never' | { readonly pin: number };

/** One access mode DO with its condition. `mode` is the octet of tag 80; `instruction` is for tag 84, a command of its own. */
export type AccessRule =
  | { readonly mode: number; readonly condition: AccessCondition }
  | { readonly instruction: number; readonly condition: AccessCondition };

const PIN1: AccessCondition = { pin: 0x01 };
const PIN2: AccessCondition = { pin: 0x81 };
const ADM1: AccessCondition = { pin: 0x0a };
const INCREASE = 0x32;

/** Record n of the EF.ARRs is element n - 1. Mode bits of an EF: 01 read, 02 update, 08 deactivate, 10 activate, 40 delete. */
export const TEMPLATE_ACCESS_RULES: readonly (readonly AccessRule[])[] = [
  rules([0x01, 'always'], [0x02, PIN1], [0x58, ADM1]),
  rules([0x01, PIN1], [0x5a, ADM1]),
  rules([0x5b, ADM1]),
  rules([0x01, 'always'], [0x1a, 'never'], [0x40, ADM1]),
  rules([0x03, PIN1], [0x58, ADM1]),
  rules([0x11, PIN1], [0x4a, ADM1]),
  [...rules([0x03, PIN1], [0x58, ADM1]), { instruction: INCREASE, condition: PIN1 }],
  rules([0x01, PIN1], [0x02, PIN2], [0x58, ADM1]),
  rules([0x01, 'always'], [0x1a, PIN1], [0x40, ADM1]),
  rules([0x01, 'always'], [0x5a, ADM1]),
  rules([0x01, 'always'], [0x18, ADM1], [0x42, 'never']),
  rules([0x01, PIN1], [0x5a, 'never']),
  rules([0x13, PIN1], [0x48, ADM1]),
  rules([0x5e, ADM1]),
];

function rules(...list: readonly (readonly [number, AccessCondition])[]): readonly AccessRule[] {
  return list.map(([mode, condition]) => ({ mode, condition }));
}

const USAGE_VERIFY = Uint8Array.of(0x08);

/** The body of one EF.ARR record, in expanded format. */
export function encodeAccessRules(list: readonly AccessRule[]): Uint8Array {
  return concat(
    ...list.flatMap((rule) => [
      'mode' in rule
        ? encodeTlv(0x80, Uint8Array.of(rule.mode))
        : encodeTlv(0x84, Uint8Array.of(rule.instruction)),
      encodeCondition(rule.condition),
    ]),
  );
}

function encodeCondition(condition: AccessCondition): Uint8Array {
  if (condition === 'always') return encodeTlv(0x90);
  if (condition === 'never') return encodeTlv(0x97);
  return encodeTlv(0xa4, encodeTlv(0x83, Uint8Array.of(condition.pin)), encodeTlv(0x95, USAGE_VERIFY));
}
