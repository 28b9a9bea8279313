// The instructions of the card OS by their code (ETSI TS 102 221, 10.1.2).
import { AUTHENTICATION_INSTRUCTIONS } from './authenticate.ts';
import type { Instruction } from './card.ts';
import { CARD_OBJECT_INSTRUCTIONS } from './card-objects.ts';
import { CAT_INSTRUCTIONS } from './cat-commands.ts';
import { CHANNEL_INSTRUCTIONS } from './channels.ts';
import { DATA_INSTRUCTIONS } from './data-objects.ts';
import { FILE_INSTRUCTIONS } from './files.ts';
import { IDENTITY_INSTRUCTIONS } from './identity.ts';
import { PIN_INSTRUCTIONS } from './pin-commands.ts';
import { RECORD_INSTRUCTIONS } from './records.ts';
import { SELECT_INSTRUCTIONS } from './select.ts';

export const INSTRUCTIONS: ReadonlyMap<number, Instruction> = new Map(
  [
    ...SELECT_INSTRUCTIONS,
    ...CHANNEL_INSTRUCTIONS,
    ...FILE_INSTRUCTIONS,
    ...RECORD_INSTRUCTIONS,
    ...DATA_INSTRUCTIONS,
    ...CARD_OBJECT_INSTRUCTIONS,
    ...PIN_INSTRUCTIONS,
    ...AUTHENTICATION_INSTRUCTIONS,
    ...IDENTITY_INSTRUCTIONS,
    ...CAT_INSTRUCTIONS,
  ].map((instruction) => [instruction.ins, instruction]),
);
