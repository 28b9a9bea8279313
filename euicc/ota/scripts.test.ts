// Scripts over the air: what is executed, what ends a script, and the answers octet by octet (ETSI TS 102 226, 5).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { decodeResponseScript } from '../../codec/script.ts';
import { DisableProfileRequest, EnableProfileRequest } from '../../codec/rsp/profile-management.ts';
import { transcript } from '../testing/os-card.ts';
import { ICCID_A } from '../testing/world.ts';
import { es10Script, otaWorld, script, sendRemote, TAR, targetOf } from '../testing/ota.ts';
import type { World } from '../testing/world.ts';

const FILES = targetOf(TAR.files);

/** Runs scripts one after the other, each under the next counter. */
function runner({ card }: World): (data: Uint8Array | string) => Promise<string> {
  let counter = 0;
  return async (data) => {
    const por = await sendRemote(card, FILES, ++counter, data);
    assert.deepEqual([por.status, por.authentic], [0, true]);
    return toHex(por.data);
  };
}

/** Each is a script of its own on a card of its own. */
const LITERAL: readonly (readonly [name: string, data: string, answer: string])[] = [
  ['compact: one command', '00A40000022FE2', '016118'],
  ['compact: GET RESPONSE fetches what SELECT announced', '00A40004022FE2 00C0000004', '0262F162168202'],
  ['compact: the data of the last command only', '00A40000022FE2 00B0000002 00B0000203', '039000120100'],
  ['compact: Le of the last command', '00A4000C022FE200', '019000'],
  ['compact: what fails ends it', '00A40000022FFF 00B000000A', '016A82'],
  [
    'compact: a warning does not',
    '00A40000022F06 00A2010402FFEE 00B2100428',
    `039000${'8001019000'.padEnd(80, 'F')}`,
  ],
  ['compact: case 1', '00A40000022FE2 0044000000', '029000'],
  ['compact: half a command', '00A40000022FE2 00B0', '026700'],
  ['compact: nothing', '', '009000'],
  ['compact: an unknown command', '00E2000000', '016D00'],
  ['compact: another class', '80B0000001', '016E00'],
  ['compact: a logical channel', '01A40000022FE2', '016881'],
  ['compact: secure messaging', '04A40000022FE2', '016E00'],
  ['compact: GET RESPONSE out of turn', '00C0000004', '016985'],
  ['expanded: one command', 'AA 09 2207 00A40000022FE2', 'AB0780010123026118'],
  [
    'expanded: data of each command',
    'AA 11 2208 00A4000C022FE200 2205 00B0000002',
    'AB0D80010223029000230498889000',
  ],
  ['expanded: what fails ends it', 'AA 10 2207 00A40000022FFF 2205 00B0000002', 'AB0780010123026A82'],
  [
    'expanded: an answer that is cut ends it',
    'AA 11 2208 00A40004022FE204 2205 00B0000002',
    'AB0B8001012306621682026 2F1'.replace(' ', ''),
  ],
  ['expanded: no command', 'AA 00', 'AB03800100'],
  ['expanded: an unknown object', 'AA 0C 2207 00A40000022FE2 240100', 'AB0A80010123026118900101'],
  ['expanded: an object that is too long', 'AA 04 220700A4', 'AB06800100900102'],
  ['expanded: a template of another length', 'AA 0A 2207 00A40000022FE2', 'AB06800100900102'],
  ['expanded: no length', 'AA', 'AB06800100900103'],
  ['expanded: extended length', 'AA 0C 220A 00D60000000003010203', 'AB0780010123026700'],
  [
    'expanded: an early response, behind which the others are executed and not told',
    'AA 1C 2207 00A40000022FE2 810182 2207 00A40000022F06 2205 00B2010402',
    'AB0780010223026118',
  ],
  [
    'expanded: a proactive session, as nothing is under way',
    'AA 0C 810181 2207 00A40000022FE2',
    'AB0780010223026118',
  ],
  [
    'expanded: a record of EF RMA, which is not there',
    'AA 0C 2207 00A40000022FE2 810101',
    'AB0A80010223026118810101',
  ],
  [
    'expanded: an action that is no command',
    'AA 0D 2207 00A40000022FE2 81020101',
    'AB0A80010223026118810101',
  ],
  [
    'expanded: an action that a terminal without a profile cannot take',
    'AA 17 810C 8103012100 82028102 8D0104 2207 00A40000022FE2',
    'AB06800101810101',
  ],
  ['indefinite: an action that is refused', 'AE80 810101 0000', 'AF808101010000'],
  ['expanded: an error action', 'AA 0C 820100 2207 00A40000022FE2', 'AB0780010223026118'],
  [
    'indefinite: data of each command',
    'AE80 2208 00A4000C022FE200 2205 00B0000002 0000',
    'AF80230290002304988890000000',
  ],
  ['indefinite: no end', 'AE80 2207 00A40000022FE2', 'AF80230261189001030000'],
];

describe('a script', () => {
  for (const [name, data, answer] of LITERAL) {
    test(name, async () => {
      assert.equal(await runner(await otaWorld())(data), answer);
    });
  }
});

describe('chained scripts', () => {
  const select = '2208 00A4000C022FE200';
  const read = '2205 00B0000002';
  const READ = 'AB0A80010223'.concat('04988', '89000');

  test('go on where the one before ended', async () => {
    const run = runner(await otaWorld());
    assert.equal(await run(`AA0D 830101 ${select}`), 'AB0780010223029000');
    assert.equal(await run(`AA0A 830102 ${read}`), READ.replace('AB0A', 'AB09'));
    assert.equal(await run(`AA0A 830103 ${read}`), READ.replace('AB0A', 'AB09'));
    assert.equal(await run(`AA0A 830103 ${read}`), 'AB06800101830101');
  });

  test('end with a script of its own, a reset, and one that fails', async () => {
    const world = await otaWorld();
    const run = runner(world);
    for (const interrupt of [
      () => run('00A40000022FE2'),
      () => world.card.reset(),
      () => run('AA0C 830102 2207 00A40000022FFF'),
      () => run('AA06 830101 240100'),
    ]) {
      await run(`AA0D 830101 ${select}`);
      await interrupt();
      assert.equal(await run(`AA0A 830102 ${read}`), 'AB06800101830101');
    }
  });

  test('end with the profile, though the same one comes back', async () => {
    const { card } = await otaWorld();
    // A terminal that takes "eUICC Profile State Change" (ETSI TS 102 223, 5.2: octet 34, bit 6).
    await transcript(card, [`8010000022${'FFFF80'.padEnd(66, '0')}20`, '9000']);
    await sendRemote(card, FILES, 1, `AA0D 830101 ${select}`);
    const profile = { profileIdentifier: { is: 'iccid', value: ICCID_A }, refreshFlag: true } as const;
    for (const [index, request] of [
      DisableProfileRequest.encode(profile),
      EnableProfileRequest.encode(profile),
    ].entries()) {
      const { data } = await sendRemote(card, targetOf(TAR.isdR), index + 1, es10Script(request));
      assert.equal(toHex(data).slice(-6), '009000');
      const number = (index + 1).toString(16).padStart(2, '0');
      await transcript(
        card,
        ['801200000B', `D0098103${number}0109820281829000`],
        [`801400000C8103${number}010982028281830100`, '9000'],
      );
    }
    const late = await sendRemote(card, FILES, 2, `AA0A 830102 ${read}`);
    assert.equal(toHex(late.data), 'AB06800101830101');
  });

  test('are of one application', async () => {
    const { card } = await otaWorld();
    await sendRemote(card, FILES, 1, `AA0D 830101 ${select}`);
    const other = await sendRemote(card, targetOf(TAR.usim), 2, `AA0A 830102 ${read}`);
    assert.equal(toHex(other.data), 'AB06800101830101');
    const own = await sendRemote(card, FILES, 3, `AA0A 830103 ${read}`);
    assert.equal(toHex(own.data), READ.replace('AB0A', 'AB09'));
  });

  test('do not outlast a reset by order, nor begin in the middle', async () => {
    const run = runner(await otaWorld());
    for (const how of ['830111', '830104', '83020101', '8300']) {
      const object = fromHex(how);
      const length = (object.length + 10).toString(16).padStart(2, '0');
      assert.equal(await run(`AA${length} ${how} ${select}`), 'AB06800101830103');
    }
    assert.equal(await run(`AA0D ${select} 830101`), 'AB0A80010223029000830103');
  });
});

test('a script that is answered nowhere is executed all the same', async () => {
  const { card } = await otaWorld();
  const silent = targetOf(TAR.usim, { spi: { ...FILES.spi, por: 'none' } });
  await assert.rejects(
    sendRemote(card, silent, 1, script('00A4000C024F42', '00D600000211 22')),
    /no proof of receipt, 9000/,
  );
  const { data } = await sendRemote(card, targetOf(TAR.usim), 2, script('00A4000C024F42', '00B0000002'));
  assert.deepEqual(decodeResponseScript(data).responses.map(toHex), ['9000', '11229000']);
});
