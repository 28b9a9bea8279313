// Which policy rules a profile may bring to which card: rules authorisation table, forbidden rules, profiles that are there (SGP.22 2.9).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex } from '../base/bytes.ts';
import { GetRatRequest, GetRatResponse } from '../codec/rsp/configuration.ts';
import type { Personalisation } from './manufacture.ts';
import type { ProfileMetadata } from './profiles.ts';
import { profileStates, resultOf } from './testing/results.ts';
import { openIsdR } from './testing/terminal.ts';
import { createWorld, ICCID_A, ICCID_B, install, sampleMetadata, samplePackage } from './testing/world.ts';

type Rat = NonNullable<Personalisation['rat']>;
type Operator = Rat[number]['allowedOperators'][number];
type Card = Partial<Pick<Personalisation, 'rat' | 'info' | 'profiles'>>;

const owner = (mccMnc: string, gid1?: string, gid2?: string): Operator => ({
  mccMnc: fromHex(mccMnc),
  ...(gid1 === undefined ? {} : { gid1: fromHex(gid1) }),
  ...(gid2 === undefined ? {} : { gid2: fromHex(gid2) }),
});
const row = (pprIds: Rat[number]['pprIds'], ...allowedOperators: Operator[]): Rat[number] => ({
  pprIds,
  allowedOperators,
  pprFlags: ['consentRequired'],
});

/** 262-01, and 310-410 with a three-digit MNC. */
const TWO_DIGITS = '62F210';
const THREE_DIGITS = '130014';

const CASES: Readonly<
  Record<string, readonly [card: Card, rules: Partial<ProfileMetadata>, allowed: boolean]>
> = {
  'no rule, on a card whose table is empty': [{ rat: [] }, { profilePolicyRules: [] }, true],
  'the right to change rules later, which is no rule': [
    { rat: [] },
    { profilePolicyRules: ['pprUpdateControl'] },
    true,
  ],
  'a rule on a card whose table is empty': [
    { rat: [] },
    { profilePolicyRules: ['ppr2'], profileOwner: owner(TWO_DIGITS) },
    false,
  ],
  'a rule of nobody': [{}, { profilePolicyRules: ['ppr2'] }, false],
  'a rule of the operator that the table names': [
    { rat: [row(['ppr2'], owner(TWO_DIGITS))] },
    { profilePolicyRules: ['ppr2'], profileOwner: owner(TWO_DIGITS) },
    true,
  ],
  'a rule of another operator': [
    { rat: [row(['ppr2'], owner(TWO_DIGITS))] },
    { profilePolicyRules: ['ppr2'], profileOwner: owner(THREE_DIGITS) },
    false,
  ],
  'another rule of that operator': [
    { rat: [row(['ppr2'], owner(TWO_DIGITS))] },
    { profilePolicyRules: ['ppr1'], profileOwner: owner(TWO_DIGITS) },
    false,
  ],
  'both rules, each allowed by a row': [
    { rat: [row(['ppr1'], owner(TWO_DIGITS)), row(['ppr2'], owner(THREE_DIGITS), owner('EEEEEE'))] },
    { profilePolicyRules: ['ppr1', 'ppr2'], profileOwner: owner(TWO_DIGITS) },
    true,
  ],
  'both rules, of which one is allowed': [
    { rat: [row(['ppr1'], owner(TWO_DIGITS))] },
    { profilePolicyRules: ['ppr1', 'ppr2'], profileOwner: owner(TWO_DIGITS) },
    false,
  ],
  'any network of a country': [
    { rat: [row(['ppr2'], owner('62E2EE'))] },
    { profilePolicyRules: ['ppr2'], profileOwner: owner(TWO_DIGITS) },
    true,
  ],
  'a network of another country': [
    { rat: [row(['ppr2'], owner('62E2EE'))] },
    { profilePolicyRules: ['ppr2'], profileOwner: owner(THREE_DIGITS) },
    false,
  ],
  'the group of a virtual operator': [
    { rat: [row(['ppr2'], owner(TWO_DIGITS, '01', 'FF'))] },
    { profilePolicyRules: ['ppr2'], profileOwner: owner(TWO_DIGITS, '01', 'FF') },
    true,
  ],
  'another group of it': [
    { rat: [row(['ppr2'], owner(TWO_DIGITS, '01', 'FF'))] },
    { profilePolicyRules: ['ppr2'], profileOwner: owner(TWO_DIGITS, '01', 'FE') },
    false,
  ],
  'the network without the group': [
    { rat: [row(['ppr2'], owner(TWO_DIGITS, '01'))] },
    { profilePolicyRules: ['ppr2'], profileOwner: owner(TWO_DIGITS) },
    false,
  ],
  'a rule that the card forbids to all': [
    { info: { forbiddenProfilePolicyRules: ['ppr1'] } },
    { profilePolicyRules: ['ppr1'], profileOwner: owner(TWO_DIGITS) },
    false,
  ],
  'the rule that it does not forbid': [
    { info: { forbiddenProfilePolicyRules: ['ppr1'] } },
    { profilePolicyRules: ['ppr2'], profileOwner: owner(TWO_DIGITS) },
    true,
  ],
  'PPR1 beside an operational profile': [
    { profiles: [{ upp: samplePackage(ICCID_B), metadata: sampleMetadata(ICCID_B), enabled: false }] },
    { profilePolicyRules: ['ppr1'], profileOwner: owner(TWO_DIGITS) },
    false,
  ],
  'PPR1 beside a provisioning profile': [
    {},
    { profilePolicyRules: ['ppr1'], profileOwner: owner(TWO_DIGITS) },
    true,
  ],
};

describe('policy rules', () => {
  for (const [name, [card, rules, allowed]] of Object.entries(CASES)) {
    test(`${name}: ${allowed ? 'installed' : 'pprNotAllowed'}`, async () => {
      const world = await createWorld(card);
      const isdR = await openIsdR(world.card);
      const pir = await install(world, isdR, { metadata: sampleMetadata(ICCID_A, rules) });
      const { finalResult } = resultOf(world, pir);
      if (!allowed) {
        assert.deepEqual(finalResult, {
          is: 'errorResult',
          value: { bppCommandId: 'storeMetadata', errorReason: 'pprNotAllowed' },
        });
      }
      assert.equal((await profileStates(isdR))[ICCID_A], allowed ? 'disabled' : undefined);
    });
  }

  test('GetRAT tells the table as it was made', async () => {
    const rat = [row(['ppr1', 'ppr2'], owner(TWO_DIGITS, '01', 'FF'), owner('EEEEEE')), row(['ppr2'])];
    const { card } = await createWorld({ rat });
    const isdR = await openIsdR(card);
    assert.deepEqual(GetRatResponse.decode(await isdR.es10(GetRatRequest.encode({}))), { rat });
  });
});
