// An eIM that has lost its mind, an IPA that calls everything in any order, and a power that comes and goes: whatever happens,
// at most one profile is enabled, every signed answer is right, and numbers only rise.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { concat, fromHex, toHex } from '../../base/bytes.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { encodeEid, encodeIccid, parseIccid } from '../../codec/ids.ts';
import { encodePublicKeyInfo } from '../../crypto/ec-keys.ts';
import { createTestPki, TEST_EID } from '../testing/pki.ts';
import {
  A,
  B,
  createTestEim,
  type IotRig,
  iotRig,
  P,
  packageRequest,
  readAnswer,
  withRefresh,
} from '../testing/eim.ts';
import { profileStates } from '../testing/results.ts';
import { openIsdR } from '../testing/terminal.ts';
import { ec } from '../testing/world.ts';

const pki = createTestPki(ec);
const pair = ec.generate('P-256');
const NOWHERE = parseIccid('8988211000000000035');

const iccid = fc.constantFrom(P, A, B, NOWHERE).map((one) => encodeTlv(0x5a, encodeIccid(one)));
const psmo = fc.oneof(
  fc.tuple(iccid, fc.boolean()).map(([one, back]) => encodeTlv(0xa3, one, fromHex(back ? '0500' : ''))),
  fc.tuple(fc.constantFrom(0xa4, 0xa5, 0xa8), iccid).map(([tag, one]) => encodeTlv(tag, one)),
  fc
    .constantFrom('BF2D00', 'A600', 'A700', 'A7028000', 'A900', 'BF6503800178', 'BF2D045C025A4F')
    .map(fromHex),
);
const spki = encodeTlv(0xa5, encodeTlv(0xa0, encodePublicKeyInfo(pair.curve, pair.publicKey).subarray(2)));
const eimId = fc
  .constantFrom('eim.example.com', 'x', 'y')
  .map((id) => encodeTlv(0x80, new TextEncoder().encode(id)));
const eco = fc.oneof(
  fc
    .tuple(fc.constantFrom(0xa8, 0xaa), eimId, fc.constantFrom('830105', '8303800000', ''), fc.boolean())
    .map(([tag, id, counter, token]) =>
      encodeTlv(tag, id, fromHex(counter), fromHex(token ? '8401FF' : ''), spki),
    ),
  // The first eIM stays: with it the run would end.
  fc.constantFrom('A9038001 78', 'A903800179', 'AB00').map((hex) => fromHex(hex.replace(' ', ''))),
);
const damaged = fc.tuple(fc.oneof(psmo, eco), fc.nat(), fc.nat(255)).map(([octets, at, octet]) => {
  const changed = Uint8Array.from(octets);
  changed[at % changed.length] = octet;
  return changed;
});
const list = (tag: number, item: fc.Arbitrary<Uint8Array>) =>
  fc.array(item, { maxLength: 4 }).map((items) => encodeTlv(tag, concat(...items)));

type Step =
  | { readonly is: 'package'; readonly content: Uint8Array }
  | { readonly is: 'call'; readonly hex: string }
  | { readonly is: 'restart' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: list(0xa0, psmo).map((content) => ({ is: 'package', content }) as const) },
  { weight: 2, arbitrary: list(0xa1, eco).map((content) => ({ is: 'package', content }) as const) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom(0xa0, 0xa1), fc.array(fc.oneof(psmo, eco, damaged), { maxLength: 3 }))
      .map(([tag, items]) => ({ is: 'package', content: encodeTlv(tag, concat(...items)) }) as const),
  },
  {
    weight: 5,
    arbitrary: fc
      .tuple(fc.constantFrom(0xbf58, 0xbf5a, 0xbf5b, 0xbf5c, 0xbf5c, 0xbf5d, 0xbf5e), fc.boolean())
      .map(([tag, flag]) => ({ is: 'call', hex: withRefresh(tag, flag) }) as const),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom('BF2B04A0028200', 'BF3003800102', 'BF5500', 'BF5F00', 'BF59028000', 'BF64048202 0640')
      .map((hex) => ({ is: 'call', hex: hex.replace(' ', '') }) as const),
  },
  { weight: 2, arbitrary: fc.constant({ is: 'restart' } as const) },
);

type Seen = { seqNumber: number };

async function perform(rig: IotRig, one: Step, seen: Seen): Promise<void> {
  switch (one.is) {
    case 'restart':
      await rig.world.reopen();
      rig.isdR = await openIsdR(rig.world.card);
      return;
    case 'call': {
      const { sw } = await rig.isdR.send(fromHex(one.hex));
      assert.ok(sw === 0x9000 || sw >> 8 === 0x91, `${one.hex}: ${sw.toString(16)}`);
      return;
    }
    case 'package': {
      const counter = Uint8Array.of(0, ++rig.eim.counter);
      const signed = encodeTlv(
        0x30,
        encodeTlv(0x80, new TextEncoder().encode(rig.eim.eimId)),
        encodeTlv(0x5a, encodeEid(TEST_EID)),
        encodeTlv(0x81, counter),
        one.content,
      );
      const answer = readAnswer(rig.world, await rig.isdR.es10(packageRequest(rig.eim, {}, { signed })), 0);
      if (answer.is === 'error') {
        // The eIM may have raised its own counter, or an emergency call is on.
        assert.ok([4, 104].includes(answer.code ?? 0), `${answer.code}`);
        return;
      }
      assert.equal(answer.is, 'signed');
      assert.ok((answer.seqNumber ?? 0) > seen.seqNumber, 'the sequence number rises');
      seen.seqNumber = answer.seqNumber ?? 0;
    }
  }
}

test('nothing that an eIM and an IPA do together breaks the card', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
      const rig = await iotRig({
        pki,
        a: { fallbackAllowed: true },
        b: { ecallIndication: true, profilePolicyRules: ['ppr2'] },
      });
      const same = createTestEim(rig.eim.eimId, pair);
      assert.notEqual(toHex(same.pair.publicKey), toHex(rig.eim.pair.publicKey));
      const seen = { seqNumber: 0 };
      for (const one of steps) {
        // A new key of the eIM ends what this eIM can say.
        if (one.is === 'package' && toHex(one.content).includes(toHex(spki)) && isOwn(one.content)) continue;
        await perform(rig, one, seen);
        const states = Object.values(await profileStates(rig.isdR));
        assert.ok(states.filter((state) => state === 'enabled').length <= 1, 'one profile at most');
      }
    }),
    { numRuns: 12 },
  );
});

function isOwn(content: Uint8Array): boolean {
  return toHex(content).includes(toHex(new TextEncoder().encode('eim.example.com')));
}
