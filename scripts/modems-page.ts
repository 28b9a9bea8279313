// docs/modems.md: every modem and every deviation that the simulated modem knows, and what the driver does about it.
import { findFamily, MODEM_FAMILIES } from '../modem/quirks.ts';
import { PERSONALITIES, type Personality } from '../modem/sim/personalities.ts';
import { type QuirkRow, QUIRKS } from '../modem/sim/quirk-table.ts';
import { FAULTS } from '../modem/sim/faults.ts';
import { GENERATED, page, table } from './docs-pages.ts';

/** The page, written from the tables of the simulator and of the driver. */
export function modemsPage(): string {
  return page(
    '# Modems',
    GENERATED,
    [
      'What real modems do otherwise than the standards, as switches of the simulated modem. Provisioning and',
      'MNO change are run over every personality and every setting of every switch in `hil-tests/modem-matrix.test.ts`.',
      '`lpac#138` and the like are issues of the GitHub repository of that name (lpac: estkme-group/lpac). Most are single reports.',
    ].join('\n'),
    '## Personalities\n\n`euicc-modem-sim --personality NAME` ([the program](simulated-modem.md)); each is made of the switches below.',
    table(['name', 'modem', 'ways to the card', 'deviations', 'source'], personalityRows()),
    '## Switches\n\n`euicc-modem-sim --quirk NAME=VALUE`. The first value is the standard’s behaviour.',
    table(['switch', 'values', 'what the modem does', 'seen at', 'what the driver does'], quirkRows()),
    [
      '## What the driver knows beforehand\n',
      'It gets along with all of these by trying. A row here saves it the detour; the first one that matches manufacturer and model counts.',
    ].join('\n'),
    table(['family', 'sources'], familyRows()),
    '## Faults\n\n`euicc-modem-sim --fault KIND[=N]@at=N`, `@every=N` or `@rate=P`, counted in APDUs, answers or octets.',
    table(['fault', 'counted in', 'what happens'], faultRows()),
  );
}

function personalityRows(): readonly (readonly string[])[] {
  return Object.entries<Personality>(PERSONALITIES).map(([name, { identity, quirks, seen }]) => [
    `\`${name}\``,
    `${identity.manufacturer} ${identity.model}${familyNote(identity.manufacturer, identity.model)}`,
    waysOf(quirks).join(', '),
    Object.entries(quirks).map(shownSetting).join(' '),
    seen,
  ]);
}

function familyNote(manufacturer: string, model: string): string {
  return findFamily(manufacturer, model) === undefined ? '' : ' (known)';
}

/** The ways on which an ISD-R can be worked with. */
function waysOf(quirks: Personality['quirks']): readonly string[] {
  const missing = quirks.missing ?? [];
  const cgla = !missing.includes('+CGLA') && (quirks.ccho ?? 'ok') === 'ok' && quirks.endless61 !== true;
  const csim =
    !missing.includes('+CSIM') &&
    (quirks.csimChannels ?? 'ok') === 'ok' &&
    (quirks.csimSelect ?? 'ok') === 'ok';
  return [...(cgla ? ['+CGLA'] : []), ...(csim ? ['+CSIM'] : [])];
}

function shownSetting([name, value]: readonly [string, unknown]): string {
  return value === true ? `\`${name}\`` : `\`${name}=${String(value)}\``;
}

function quirkRows(): readonly (readonly string[])[] {
  return Object.entries<QuirkRow>(QUIRKS).map(([name, row]) => [
    `\`${name}\``,
    valuesOf(row),
    row.what,
    row.seen,
    row.copes,
  ]);
}

function valuesOf(row: QuirkRow): string {
  switch (row.kind) {
    case 'flag':
      return 'off, on';
    case 'choice':
      return row.choices.join(', ');
    case 'number':
      return `${row.from} to ${row.to}`;
    case 'list':
      return 'names with commas';
    case 'text':
      return 'text';
  }
}

function familyRows(): readonly (readonly string[])[] {
  return MODEM_FAMILIES.map(({ family, sources }) => [family, sources.join(', ')]);
}

const COUNTED = { apdu: 'APDUs', answer: 'answers', octet: 'octets' } as const;

function faultRows(): readonly (readonly string[])[] {
  return Object.entries<(typeof FAULTS)[keyof typeof FAULTS]>(FAULTS).map(([name, row]) => [
    `\`${name}${'argument' in row ? `=${row.argument.toUpperCase()}` : ''}\``,
    COUNTED[row.level],
    row.what,
  ]);
}
