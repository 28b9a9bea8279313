// Where AT command lines hold a PIN or a password: 3GPP TS 27.007 8.3, 7.4, 7.5, 10.1.31, and what vendors have instead.
/** Commands with a PIN or password among their parameters (3GPP TS 27.007, 8.3, 7.4, 7.5; data authentication). */
const PASSWORDS =
  /[+^#%*$](?:CPIN2?|CLCK|CPWD|CGAUTH|QICSGP|AUTHDATA|PDPAUTH|UAUTHREQ|QCPDPP)\s*=((?:"[^"]*"?|[^;"])*)/gi;
const PASSWORD = /"([^"]*)"?|(?<![\w"])(\d{4,8})(?![\w"])/g;
/** Facilities such as "SC" are no secret. */
const SHORTEST_PASSWORD = 3;

export type PasswordRun = { readonly from: number; readonly length: number };

/** The runs of characters of a line, or of its echo, that are passwords. */
export function passwordsIn(line: string): readonly PasswordRun[] {
  const found: PasswordRun[] = [];
  for (const command of line.matchAll(PASSWORDS)) {
    const [all, parameters = ''] = command;
    const from = command.index + all.length - parameters.length;
    for (const match of parameters.matchAll(PASSWORD)) {
      const secret = match[1] ?? match[2] ?? '';
      if (secret.length < SHORTEST_PASSWORD) continue;
      found.push({ from: from + match.index + match[0].indexOf(secret), length: secret.length });
    }
  }
  return found;
}

/** The line as it may be shown. */
export function withoutPasswords(line: string): string {
  let shown = line;
  for (const { from, length } of passwordsIn(line)) {
    shown = shown.slice(0, from) + '*'.repeat(length) + shown.slice(from + length);
  }
  return shown;
}
