// AUTHENTICATE through the card OS, answered as the home network computes it.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex, uintBytes } from '../../base/bytes.ts';
import { Secret } from '../../base/log.ts';
import { milenage } from '../../crypto/milenage.ts';
import { osCard, SELECT_USIM, transcript, VERIFY_1 } from '../testing/os-card.ts';
import { raw } from '../testing/terminal.ts';

describe('AUTHENTICATE', () => {
  const key = new Secret(new Uint8Array(16));
  const rand = fromHex('23553CBE9637A89D218AE64DAE47BF35');
  const fold = (bytes: Uint8Array, length: number): Uint8Array =>
    Uint8Array.from({ length }, (_, i) =>
      bytes.reduce((sum, octet, j) => (j % length === i ? sum ^ octet : sum), 0),
    );
  /** c3 of CK and IK. */
  const kcOf = ({ ck, ik }: ReturnType<typeof milenage>): string =>
    toHex(fold(Uint8Array.from([...ck.reveal(), ...ik.reveal()]), 8));
  const autnFor = (sqn: number): { readonly autn: string; readonly answer: string } => {
    const out = milenage({ k: key, opc: key, rand, sqn: uintBytes(sqn, 6), amf: fromHex('8000') });
    const hidden = uintBytes(sqn, 6).map((octet, i) => octet ^ (out.ak[i] ?? 0));
    return {
      autn: `${toHex(hidden)}8000${toHex(out.macA)}`,
      answer: `DB08${toHex(out.res)}10${toHex(out.ck.reveal())}10${toHex(out.ik.reveal())}08${kcOf(out)}9000`,
    };
  };
  const command = (autn: string): string => `0088008122 10${toHex(rand)}10${autn}00`;

  test('a fresh challenge is answered, a repeated one with AUTS, a forged one with 9862', async () => {
    const first = autnFor(0x20);
    const card = await osCard();
    await transcript(
      card,
      [command(first.autn), '6985'],
      SELECT_USIM,
      [command(first.autn), '6982'],
      VERIFY_1,
    );
    await transcript(card, [command(first.autn), first.answer]);
    const resync = milenage({ k: key, opc: key, rand, sqn: uintBytes(0x20, 6), amf: fromHex('0000') });
    const auts = uintBytes(0x20, 6).map((octet, i) => octet ^ (resync.akStar[i] ?? 0));
    await transcript(
      card,
      [command(first.autn), `DC0E${toHex(auts)}${toHex(resync.macS)}9000`],
      [command(autnFor(0x40).autn), autnFor(0x40).answer],
      [command(autnFor(0x41).autn), autnFor(0x41).answer],
      [command(`${autnFor(0x60).autn.slice(0, -2)}00`), '9862'],
      [command(autnFor(2 ** 40).autn).slice(0, -2), '6110'],
      [`0088008111 10${toHex(rand)}`, '6700'],
      [`0088008222 10${toHex(rand)}10${first.autn}00`, '6A86'],
    );
  });

  test('the GSM context answers SRES and Kc', async () => {
    const out = milenage({ k: key, opc: key, rand, sqn: new Uint8Array(6), amf: new Uint8Array(2) });
    await transcript(await osCard(), SELECT_USIM, VERIFY_1, [
      `0088008011 10${toHex(rand)}00`,
      `04${toHex(fold(out.res, 4))}08${kcOf(out)}9000`,
    ]);
  });

  test('GET CHALLENGE gives as many octets as asked for', async () => {
    const card = await osCard();
    assert.match(await raw(card, '0084000008'), /^[0-9A-F]{16}9000$/);
    assert.notEqual(await raw(card, '0084000008'), await raw(card, '0084000008'));
  });
});
