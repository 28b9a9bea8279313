// States of a card in which commands are tried, and the way to each.
import { USIM_AID } from '../profile-samples.ts';
import { PIN } from './os-card.ts';

/** What leads to a state; each command is answered with success. */
export const STATES = {
  'after the reset': [],
  USIM: [`00A4040C0C${USIM_AID}`],
  'USIM, PIN': [`00A4040C0C${USIM_AID}`, `0020000108${PIN}`],
  transparent: [`00A4040C0C${USIM_AID}`, `0020000108${PIN}`, '00A4000C024F42'],
  'transparent, both PINs': [
    `00A4040C0C${USIM_AID}`,
    `0020000108${PIN}`,
    `0020008108${PIN}`,
    '00A4000C024F42',
  ],
  locked: [`00A4040C0C${USIM_AID}`, '00A4000C024F43'],
  linear: [`00A4040C0C${USIM_AID}`, `0020000108${PIN}`, '00A4000C024F40'],
  'linear, ADM': [`00A4040C0C${USIM_AID}`, `0020000A08${PIN}`, '00A4000C024F40'],
  'linear, no PIN': [`00A4040C0C${USIM_AID}`, '00A4000C024F40'],
  cyclic: [`00A4040C0C${USIM_AID}`, `0020000108${PIN}`, '00A4000C024F41', '00DC000303000005'],
  'cyclic, no PIN': [`00A4040C0C${USIM_AID}`, '00A4000C024F41'],
  'BER-TLV': [`00A4040C0C${USIM_AID}`, `0020000108${PIN}`, '00A4000C024F44'],
  deactivated: [
    `00A4040C0C${USIM_AID}`,
    `0020000108${PIN}`,
    `0020000A08${PIN}`,
    '00A4000C024F40',
    '00040000',
  ],
  'PIN disabled': [`0026000108${PIN}`],
} as const satisfies Record<string, readonly string[]>;
export type StateName = keyof typeof STATES;
