// GET DATA where no application of the card is selected: what the card tells about itself, its production data above all
// (GlobalPlatform Card Specification 11.3).
import { type CommandApdu, SW } from '../../codec/apdu.ts';
import { type Card, type Instruction, INTERINDUSTRY, PROPRIETARY } from './card.ts';
import { ok, refuse, type Reply } from './reply.ts';

function getData(card: Card, _channel: unknown, { p1, p2, data }: CommandApdu): Reply {
  if (data.length > 0) refuse(SW.wrongLength);
  return ok(card.object(p1 * 256 + p2) ?? refuse(SW.referencedDataNotFound));
}

export const CARD_OBJECT_INSTRUCTIONS: readonly Instruction[] = [
  { ins: 0xca, classes: [...INTERINDUSTRY, ...PROPRIETARY], run: getData },
];
