// What a probe makes of its findings: deviations in words, and a row as it stands in the table of modem families.
import type { CardLessons } from './card-lessons.ts';
import type { WayFound } from './probe-card.ts';

export function quirksOf(
  ways: readonly WayFound[],
  forms: Readonly<Record<string, readonly string[] | string>>,
  iccid: Readonly<Record<string, string>>,
  lessons: CardLessons,
): string[] {
  const formOf = Object.entries(forms).filter(([line]) => {
    const works = ways.find(({ way }) => (line === 'AT+CSIM=?' ? way === 'csim' : way === 'cgla'));
    return works !== undefined && works.reaches !== 'nothing';
  });
  const crsm = iccid['AT+CRSM'] === undefined && Object.keys(iccid).length > 0;
  return [
    ...formOf
      .filter(([, answer]) => typeof answer === 'string')
      .map(([line, answer]) => `${line}: ${String(answer)}, though the command works`),
    ...ways
      .filter(({ leftOpen }) => leftOpen.length > 0)
      .map(({ way, leftOpen }) => `${way}: sessions cannot be closed (${leftOpen.join(', ')})`),
    ...ways
      .filter(({ reaches, aid }) => reaches === 'nothing' && aid !== undefined)
      .map(({ way }) => `${way}: opens the ISD-R, but commands to it fail`),
    ...ways
      .filter(({ maxCommandData }) => maxCommandData !== undefined && maxCommandData < 255)
      .map(({ way, maxCommandData }) => `${way}: commands carry ${maxCommandData} octets at most`),
    ...(lessons.quirks.keepLe === true ? ['a response is dropped where its command has no Le'] : []),
    ...(lessons.quirks.lockCsim === true ? ['+CSIM wants AT+CSIM=1 first'] : []),
    ...(crsm ? ['+CRSM does not tell the ICCID, the vendor’s command does'] : []),
  ];
}

/** Commands that restart a modem for good, of the vendors whose manuals have them; the first that +CLAC lists. */
const VENDOR_RESETS = ['#REBOOT', '!RESET', '+CRESET', '^RESET'];
/** The most sessions that a card has beside the basic channel. */
const ALL_SESSIONS = 19;
const SWEPT_UNASKED = 10;

type Identity = { readonly manufacturer: string; readonly model: string; readonly revision: string };

/** A row as it stands in modem/quirks.ts; none for a modem without a name, since its row would be everyone's. */
export function familyRow(
  identity: Identity,
  ways: readonly WayFound[],
  lessons: CardLessons,
  commands: readonly string[],
): { readonly row?: string } {
  const name = `${identity.manufacturer} ${identity.model}`.trim();
  if (identity.model === '') return {};
  const best = ways.filter(({ reaches, maxCommandData }) => reaches === 'isd-r' && maxCommandData !== 0);
  const [only] = best;
  const least = Math.min(255, ...best.map(({ maxCommandData }) => maxCommandData ?? 255));
  const highest = Math.max(0, ...ways.map(({ highestSession = 0 }) => highestSession));
  const card = {
    ...(best.length === 1 && only !== undefined ? { way: only.way } : {}),
    ...(lessons.quirks.keepLe === true ? { keepLe: true } : {}),
    ...(lessons.quirks.lockCsim === true ? { lockCsim: true } : {}),
    ...(highest > SWEPT_UNASKED ? { sweepSessions: ALL_SESSIONS } : {}),
    ...(least < 255 ? { maxCommandData: least } : {}),
  };
  const known = commands.map((line) => line.trim().toUpperCase());
  const reset = VENDOR_RESETS.find((command) => known.includes(command) || known.includes(`AT${command}`));
  const members = Object.entries(card).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
  const quirks = [
    ...(members.length === 0 ? [] : [`card: { ${members.join(', ')} }`]),
    ...(reset === undefined ? [] : [`vendorReset: ["AT${reset}"]`]),
  ].join(', ');
  const pattern = name.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
  const row = [
    '{',
    `  family: ${JSON.stringify(name)},`,
    `  match: /${pattern}/i,`,
    `  quirks: ${quirks === '' ? '{}' : `{ ${quirks.replaceAll('"', "'")} }`},`,
    `  sources: [${JSON.stringify(`euicc-agent modem probe, firmware ${identity.revision}`)}],`,
    '}',
  ].join('\n');
  return { row };
}
