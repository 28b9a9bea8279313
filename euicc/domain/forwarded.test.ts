// What the ECASD says through the other security domains: its certificate above all, for who agrees on keys with the card.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, fromHex, toHex } from '../../base/bytes.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { staticModule } from '../testing/agreement.ts';
import { command, MNO_SD, operatorProfile } from '../testing/domains.ts';
import { createTestPki, TEST_EID } from '../testing/pki.ts';
import { exchange, raw, selectAid } from '../testing/terminal.ts';
import { createWorld, ec } from '../testing/world.ts';

const PLACES = ['A0000005591010FFFFFFFF8900000100', 'A0000005591010FFFFFFFF8900001000', toHex(MNO_SD)];

test('the certificate of the ECASD is told by each of them, as the only object or among those that are asked for', async () => {
  const pki = createTestPki(ec);
  const module = staticModule(pki);
  const { card } = await createWorld({ pki, securityModules: [module], profiles: [operatorProfile()] });
  const certificate = encodeTlv(0x7f21, module.certificate);
  const eid = encodeTlv(0x5a, fromHex(TEST_EID));
  for (const place of PLACES) {
    await selectAid(card, fromHex(place));
    const told = async (hex: string): Promise<string> => toHex((await exchange(card, command(hex))).data);
    assert.equal(await told('80CABF30'), toHex(encodeTlv(0xbf30, certificate)), place);
    assert.equal(await told('80CABF30 5C00'), toHex(encodeTlv(0xbf30, certificate)));
    assert.equal(await told('80CABF30 5C037F215A'), toHex(encodeTlv(0xbf30, concat(certificate, eid))));
    assert.equal(await raw(card, '80CABF30035C015A00'), `BF3012${toHex(eid)}9000`);
    assert.equal(await raw(card, '80CABF30035C015F00'), '6A80', 'half a tag');
    assert.equal(await raw(card, '80CABF30035C017100'), '6A88');
    assert.equal(await raw(card, '80CABF30025A0000'), '6A80');
    assert.equal(await raw(card, '80CABF30015C00'), '6A80');
  }
});

test('a card without a key in its ECASD has no certificate to tell', async () => {
  const { card } = await createWorld();
  await selectAid(card, fromHex(PLACES[0] ?? ''));
  assert.equal(await raw(card, '80CABF3000'), '6A88');
});
