// What a check of an identity ends in: accepted or not, with every check by name, so that the reasons can be stored and shown.

/** One named check. `detail` says what was found where it failed. */
export type VerdictCheck = { readonly name: string; readonly ok: boolean; readonly detail?: string };

/** Accepted only when every check is ok. */
export type Verdict = { readonly accepted: boolean; readonly checks: readonly VerdictCheck[] };
