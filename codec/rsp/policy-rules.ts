// Which operator may set which policy rule on an eUICC: matching against its rules authorisation table (SGP.22 2.9.2).
import { equalBytes } from '../../base/bytes.ts';
import type { TypeOf } from '../tlv-table.ts';
import type { RulesAuthorisationTable } from './configuration.ts';
import type { OperatorId, pprIds } from './types.ts';

type Operator = TypeOf<typeof OperatorId>;
type PolicyRule = TypeOf<typeof pprIds>[number];

const WILDCARD_NIBBLE = 0x0e;

/** MCC and MNC match where the table says E for any digit (2.9.2.3); group identifiers where it names them. */
function covers(allowed: Operator, owner: Operator): boolean {
  const digit = (pattern: number, value: number): boolean => pattern === WILDCARD_NIBBLE || pattern === value;
  const mccMnc = allowed.mccMnc.every((octet, i) => {
    const value = owner.mccMnc[i] ?? 0;
    return digit(octet >> 4, value >> 4) && digit(octet & 0x0f, value & 0x0f);
  });
  const gid = (a: Uint8Array | undefined, b: Uint8Array | undefined): boolean =>
    a === undefined || a.length === 0 || equalBytes(a, b ?? new Uint8Array(0));
  return mccMnc && gid(allowed.gid1, owner.gid1) && gid(allowed.gid2, owner.gid2);
}

/** The rules that a profile brings for itself; the bit that says how they may be changed is none. */
export function policyRulesOf(metadata: {
  readonly profilePolicyRules?: readonly PolicyRule[];
}): readonly PolicyRule[] {
  return (metadata.profilePolicyRules ?? []).filter((rule) => rule !== 'pprUpdateControl');
}

/** Whether the table allows every one of the rules for this owner; a profile without an owner may bring none. */
export function areRulesAuthorised(
  rat: TypeOf<typeof RulesAuthorisationTable>,
  rules: readonly PolicyRule[],
  owner: Operator | undefined,
): boolean {
  return rules.every((rule) =>
    rat.some(
      ({ pprIds: ids, allowedOperators }) =>
        ids.includes(rule) &&
        owner !== undefined &&
        allowedOperators.some((allowed) => covers(allowed, owner)),
    ),
  );
}
