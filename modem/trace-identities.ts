// Identities in a trace and what stands for them: ICCID, IMSI, EID and IMEI, in each spelling a valid one that names nobody.
import { fromHex, toHex } from '../base/bytes.ts';
import { completeEid, completeImei, luhnDigit, swapNibbles } from '../codec/ids.ts';

export type IdentityKind = 'iccid' | 'imsi' | 'eid' | 'imei';

/** A run of characters and what stands there instead, of the same length. */
export type Replacement = { readonly from: number; readonly text: string };

export type Identities = {
  /** Replacements in a line of text that is no APDU. */
  inText(text: string, asked: IdentityKind | undefined): readonly Replacement[];
  /** Replacements in octets as hex. `whole`: they are the content of one file. */
  inHex(hex: string, whole: boolean): readonly Replacement[];
};

const EID_DIGITS = 32;
/** The subscriber's number, and the area and cell that the device is in (3GPP TS 27.007, 7.1, 7.2, 10.1.20, 10.1.22). */
const WHEREABOUTS = [
  /\+CNUM:.*?(\d{6,})/g,
  /\+C(?:G|E|5G)?REG:[^"]*"?([0-9A-Fa-f]{4,8})(?=")/g,
  /\+C(?:G|E|5G)?REG:[^"]*"[0-9A-Fa-f]*"\s*,\s*"([0-9A-Fa-f]{4,9})/g,
];

/** The same identity is always replaced by the same other one. */
export function createIdentities(): Identities {
  const known = new Map<string, { readonly kind: IdentityKind; readonly other: string }>();
  const counts: Record<IdentityKind, number> = { iccid: 0, imsi: 0, eid: 0, imei: 0 };
  const invented = new Set<string>();
  const otherOf = (kind: IdentityKind, digits: string): string => {
    if (invented.has(digits)) return digits;
    const found = known.get(digits);
    if (found !== undefined) return found.other;
    const other = invent(kind, digits.length, ++counts[kind]);
    known.set(digits, { kind, other });
    invented.add(other);
    return other;
  };

  const inHex = (hex: string, whole: boolean): readonly Replacement[] => {
    const text = hex.toUpperCase();
    const found: Replacement[] = [];
    const add = (from: number, packed: string, spelling: Spelling, kind: IdentityKind): void => {
      const digits = spelling.read(packed);
      if (digits === undefined) return;
      found.push({ from, text: overDigits(packed, spelling.write(otherOf(kind, digits))) });
    };
    for (const { pattern, spelling, kind } of OBJECTS) {
      for (const match of text.matchAll(pattern)) {
        const [all, packed = ''] = match;
        if (match.index % 2 === 0) add(match.index + all.length - packed.length, packed, spelling, kind);
      }
    }
    if (whole && /^98[0-9F]{18}$/.test(text)) add(0, text, SWAPPED, 'iccid');
    if (whole && /^0[2-8][0-9][19][0-9F]{14}$/.test(text)) add(2, text.slice(2), IMSI_FILE, 'imsi');
    for (const [digits, { other }] of known) {
      for (const spelling of SPELLINGS) {
        const packed = spelling.write(digits);
        for (let at = text.indexOf(packed); at >= 0; at = text.indexOf(packed, at + 1)) {
          if (at % 2 === 0) found.push({ from: at, text: overDigits(packed, spelling.write(other)) });
        }
      }
    }
    return found;
  };
  return {
    inHex,
    inText(text, asked) {
      const found: Replacement[] = [];
      for (const match of text.matchAll(/(?<![0-9A-Za-z])(\d{15,32})(?![0-9A-EG-Za-z])/g)) {
        const [, run = ''] = match;
        const kind = kindOf(run, asked);
        if (kind === undefined) continue;
        // Some put the number of the software version behind the IMEI.
        const digits = kind === 'imei' ? run.slice(0, 15) : run;
        found.push({ from: match.index, text: otherOf(kind, digits).padEnd(run.length, '0') });
      }
      for (const pattern of WHEREABOUTS) {
        for (const match of text.matchAll(pattern)) {
          const [all, value = ''] = match;
          found.push({ from: match.index + all.length - value.length, text: '0'.repeat(value.length) });
        }
      }
      return found;
    },
  };
}

function kindOf(run: string, asked: IdentityKind | undefined): IdentityKind | undefined {
  if (run.length === EID_DIGITS) return 'eid';
  if (run.length >= 18 && run.length <= 20) return 'iccid';
  if (run.length > 17) return undefined;
  if (asked === 'imsi' && run.length === 15) return 'imsi';
  const luhn = luhnDigit(run.slice(0, 14)) === run[14];
  return asked === 'imei' || luhn || run.length > 15 ? 'imei' : 'imsi';
}

/** The `n`-th of those that name nobody. */
function invent(kind: IdentityKind, length: number, n: number): string {
  switch (kind) {
    case 'iccid': {
      const start = `89${String(n).padStart(length - 3, '0')}`;
      return start + luhnDigit(start);
    }
    case 'eid':
      return completeEid(`89${String(n).padStart(28, '0')}`);
    case 'imei':
      return completeImei(String(n).padStart(14, '0'));
    case 'imsi':
      return (
        '00101'.slice(0, length) +
        String(n)
          .padStart(Math.max(0, length - 5), '0')
          .slice(0, length)
      );
  }
}

/** How digits are packed into octets. `read` answers undefined for what is no number. */
type Spelling = {
  readonly read: (packed: string) => string | undefined;
  readonly write: (digits: string) => string;
};

const onlyDigits = (text: string): string | undefined => /^(\d+)F*$/.exec(text)?.[1];
const even = (digits: string): string => (digits.length % 2 === 0 ? digits : `${digits}F`);

/** Two digits an octet, the first in the low half (EF.ICCID, tag 5A of a profile). */
const SWAPPED: Spelling = {
  read: (packed) => onlyDigits(swapped(packed)),
  write: (digits) => swapped(even(digits)),
};
/** In reading order (EID, headers of profile packages). */
const PLAIN: Spelling = { read: onlyDigits, write: even };
const ASCII: Spelling = {
  read: (packed) => packed.replaceAll(/3(\d)/g, '$1'),
  write: (digits) => digits.replaceAll(/(\d)/g, '3$1'),
};
/** After the length octet of EF.IMSI: parity, then the digits. */
const IMSI_FILE: Spelling = {
  read: (packed) => onlyDigits(swapped(packed).slice(1)),
  write: (digits) => swapped(even(`${digits.length % 2 === 1 ? '9' : '1'}${digits}`)),
};
/** In the device information of ES10b: the last octet is not swapped. */
const IMEI_OBJECT: Spelling = {
  read: (packed) => onlyDigits(swapped(packed.slice(0, 14)) + packed.slice(14)),
  write: (digits) => `${swapped(digits.slice(0, 14))}${digits.slice(14)}F`,
};
const SPELLINGS = [SWAPPED, PLAIN, ASCII, IMSI_FILE, IMEI_OBJECT];

const OBJECTS: readonly {
  readonly pattern: RegExp;
  readonly spelling: Spelling;
  readonly kind: IdentityKind;
}[] = [
  { pattern: /5A0A([0-9F]{20})/g, spelling: SWAPPED, kind: 'iccid' },
  { pattern: /5A10(\d{32})/g, spelling: PLAIN, kind: 'eid' },
  // The serial number in the subject of an eUICC certificate (SGP.22, 4.5.2.1).
  { pattern: /1320(3839(?:3\d){30})/g, spelling: ASCII, kind: 'eid' },
  { pattern: /8208([0-9]{14}[0-9]F)/g, spelling: IMEI_OBJECT, kind: 'imei' },
];

function swapped(hex: string): string {
  return toHex(swapNibbles(fromHex(hex)));
}

/** Fillers, and what else is no digit, stay. */
function overDigits(before: string, after: string): string {
  return Array.from(before, (character, i) => (/\d/.test(character) ? (after[i] ?? '0') : character)).join(
    '',
  );
}
