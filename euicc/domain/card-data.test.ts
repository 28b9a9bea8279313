// What the card and its security domains tell about the card itself, and which of them a SELECT without an AID means.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeleteProfileRequest, DisableProfileRequest } from '../../codec/rsp/profile-management.ts';
import { USIM_AID } from '../profile-samples.ts';
import { transcript } from '../testing/os-card.ts';
import { otaPackage } from '../testing/ota.ts';
import { openIsdR, raw } from '../testing/terminal.ts';
import { createWorld, ICCID_A, sampleMetadata } from '../testing/world.ts';

// Batch and serial number are the last digits of the EID 8904903212345123451234567890 12 and its check digits.
const CPLC = `9F7F2A${'00'.repeat(12)}56789012 1234${'00'.repeat(24)}`.replaceAll(' ', '');
const ISSUER = '420489049032';
const CARD_IMAGE = '450C123451234512345678901235';
const CARD_DATA =
  '6630732E06072A864886FC6B01600B06092A864886FC6B020203630906072A864886FC6B03640B06092A864886FC6B040370';
const ISD_R = 'A0000005591010FFFFFFFF8900000100';
const OPERATOR = 'A000000151000000';

/** Identifier, version, type and length: AES of 128, 192 and 256 bits, then triple DES. */
const KEYS =
  'C00401018810C00402018810C00401028818C00402028818C00401038820C00402038820' +
  'C00401048010C00402048010C00401058018C00402058018';

const withDomains = { upp: otaPackage(), metadata: sampleMetadata(ICCID_A), enabled: true };

test('production data and card recognition data are told in either class, wherever they are asked for', async () => {
  const { card } = await createWorld({ profiles: [withDomains] });
  const places = [
    '00A4000C023F00',
    `00A4040C0C${USIM_AID}`,
    `00A4040C10${ISD_R}`,
    '00A4040C10A0000005591010FFFFFFFF8900000200',
    '00A4040C10A0000005591010FFFFFFFF8900001000',
    `00A4040C08${OPERATOR}`,
  ];
  for (const place of places) {
    await transcript(
      card,
      [place, '9000'],
      ['80CA9F7F00', `${CPLC}9000`],
      ['00CA9F7F2D', `${CPLC}9000`],
      ['80CA9F7F', '6C2D'],
      ['80CA004200', `${ISSUER}9000`],
      ['80CA004500', `${CARD_IMAGE}9000`],
      ['80CA006600', `${CARD_DATA}9000`],
      ['80CA00CF00', '6A88'],
      ['80CA9F7F0101', '6700'],
    );
  }
});

test("production data that were given at manufacture are the card's, also after a reset", async () => {
  const world = await createWorld({
    profiles: [],
    cplc: { icFabricator: '4790', icSerialNumber: 'DEADBEEF' },
  });
  const expected = `9F7F2A4790${'00'.repeat(10)}DEADBEEF1234${'00'.repeat(24)}9000`;
  assert.equal(await raw(world.card, '80CA9F7F00'), expected);
  await world.reopen();
  assert.equal(await raw(world.card, '80CA9F7F00'), expected);
});

test('a SELECT without an AID means the security domain of the operator, and without one the ISD-R', async () => {
  const { card } = await createWorld({ profiles: [withDomains] });
  await transcript(
    card,
    ['00A4040000', `6F108408${OPERATOR}A5049F6501FF9000`],
    ['80F2000100', `8408${OPERATOR}9000`],
    ['80CA00E000', `E03C${KEYS}9000`],
    ['80500000080102030405060708', '6A88'],
    ['00A4040C', '9000'],
    ['00A4040E', '6A82'],
    ['00A4044C', '9000'],
    ['80F2000100', '9000'],
  );
  const bare = await createWorld({ profiles: [] });
  assert.match(await raw(bare.card, '00A4040000'), new RegExp(`^6F.*8410${ISD_R}.*9000$`));
});

test("a profile's security domain whose profile is deleted while it is selected says nothing any more", async () => {
  const { card } = await createWorld({ profiles: [withDomains] });
  const isdR = await openIsdR(card);
  const profileIdentifier = { is: 'iccid', value: ICCID_A } as const;
  await transcript(card, [`00A4040C08${OPERATOR}`, '9000']);
  await isdR.es10(DisableProfileRequest.encode({ profileIdentifier, refreshFlag: false }));
  await transcript(card, ['80CA006600', `${CARD_DATA}9000`]);
  await isdR.es10(DeleteProfileRequest.encode(profileIdentifier));
  await transcript(card, ['80CA006600', '6985'], ['80CA00E000', '6985']);
});
