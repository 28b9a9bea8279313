// SCP03 in S16 mode, on every security domain of a card that was made so.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { command, DOMAIN_KEYS, domainWorld, MNO_SD, SUB_KEYS, SUB_SD, swOf } from '../testing/domains.ts';
import { keysetOf, openManagement, putKeyset } from '../testing/management.ts';
import { raw, selectAid } from '../testing/terminal.ts';
import { ISD_R_KEYS } from '../testing/world.ts';

const { long, scp03 } = DOMAIN_KEYS;
const NEXT = keysetOf(0x32, 0xa0);

describe('S16 mode', () => {
  test('has challenges, cryptograms and MACs of 16 octets on every security domain of the card', async () => {
    const { card } = await domainWorld({ scp03Mode: 'S16' });
    for (const [keys, aid] of [
      [ISD_R_KEYS, undefined],
      [scp03, MNO_SD],
      [long, MNO_SD],
      [SUB_KEYS, SUB_SD],
    ] as const) {
      for (const level of [0x01, 0x03, 0x11, 0x13, 0x33] as const) {
        const session = await openManagement(card, keys, {
          octets: 16,
          level,
          ...(aid === undefined ? {} : { aid }),
        });
        assert.equal(await swOf(session.send(command('80F28002 4F00'))), '9000');
      }
    }
    await selectAid(card, MNO_SD);
    assert.equal((await raw(card, '8050300008010203040506070800')).slice(-4), '6700');
    assert.match(await raw(card, '80CA006600'), /06092A864886FC6B0403719000$/);
    const answer = await raw(card, '80503000100102030405060708090A0B0C0D0E0F1000');
    assert.match(answer, /^0{20}300371.{64}0000059000$/);
  });

  test('changes keys as S8 mode does', async () => {
    const { card } = await domainWorld({ scp03Mode: 'S16' });
    const session = await openManagement(card, scp03, { aid: MNO_SD, octets: 16 });
    assert.equal(await swOf(session.send(putKeyset(NEXT, scp03.dek, { replaces: 0x30 }))), '9000');
    await openManagement(card, NEXT, { aid: MNO_SD, octets: 16 });
  });

  test('is not what a card has that nobody asked for it', async () => {
    const { card } = await domainWorld();
    await selectAid(card, MNO_SD);
    assert.equal((await raw(card, '80503000100102030405060708090A0B0C0D0E0F1000')).slice(-4), '6700');
    assert.match(await raw(card, '80CA006600'), /06092A864886FC6B0403709000$/);
  });
});
