// Whether a run went well, judged from what the card and both operators' stores say at its end, not from the steps' own word.
import type { Eis } from '../operator/roles.ts';
import type { Report } from './report.ts';
import type { Finding } from './secret-search.ts';

export type RunFacts = Pick<Report, 'procedures' | 'card' | 'profilesBuilt' | 'keyRotation'> & {
  /** EF.ICCID as the USIM shows it. */
  readonly usimIccid: string;
  readonly eis: Eis;
  readonly secrets: readonly Finding[];
  /** The eUICC was made bad on purpose: then a refusal is what is expected. */
  readonly rejected: boolean;
};

const EXPECTED = {
  provisioning: ['install', 'enable'],
  'mno-change': ['install', 'enable', 'disable', 'delete'],
} as const;

/** What speaks against the run, one sentence each; empty when all is well. */
export function judge(facts: RunFacts): string[] {
  const problems = facts.secrets.map(({ name, where, offset }) => `${name} seen in ${where} at ${offset}`);
  return [...problems, ...(facts.rejected ? judgeRefusal(facts) : judgeChange(facts))];
}

function judgeRefusal({ procedures, profilesBuilt }: RunFacts): string[] {
  const problems: string[] = [];
  const [first] = procedures;
  if (first === undefined || first.verdict.accepted) problems.push('the bad eUICC was not refused');
  if (profilesBuilt > 0) problems.push('a profile was built for a bad eUICC');
  return problems;
}

function judgeChange(facts: RunFacts): string[] {
  const { procedures, card, keyRotation, usimIccid, eis } = facts;
  const problems: string[] = [];
  if (keyRotation !== undefined) {
    const { after, before } = keyRotation;
    if (after.length !== 1 || before.includes(after[0] ?? 0)) {
      problems.push(
        `the management keys on the card are of version ${after.join(' and ')} after their change`,
      );
    }
  }
  for (const kind of ['provisioning', 'mno-change'] as const) {
    const procedure = procedures.find((each) => each.kind === kind);
    if (procedure === undefined || procedure.outcome !== 'completed') {
      problems.push(`${kind} did not complete`);
      continue;
    }
    if (!procedure.verdict.accepted) problems.push(`${kind}: there is no accepted verdict`);
    for (const event of EXPECTED[kind]) {
      if (!procedure.notifications.some((each) => each.event === event && each.verified)) {
        problems.push(`${kind}: no verified ${event} notification in an operator's store`);
      }
    }
  }
  const last = procedures.at(-1);
  const first = procedures[0];
  if (last !== undefined && card.enabledIccid !== last.iccid) {
    problems.push(
      `the card has ${card.enabledIccid === '' ? 'no profile' : card.enabledIccid} enabled, not ${last.iccid}`,
    );
  }
  if (usimIccid !== card.enabledIccid) problems.push(`EF.ICCID shows ${usimIccid}`);
  const enabled = eis.profiles.filter(({ state }) => state === 'enabled').map(({ iccid }) => iccid);
  if (enabled.length !== 1 || enabled[0] !== card.enabledIccid) {
    problems.push(`the EIS has ${enabled.length === 0 ? 'no profile' : enabled.join(' and ')} enabled`);
  }
  if (first !== undefined && first !== last && card.profiles.some(({ iccid }) => iccid === first.iccid)) {
    problems.push(`the donor's profile ${first.iccid} is still on the card`);
  }
  return problems;
}
