// Remote file management with a profile's own keys: what changes is there for the terminal, and nobody gets further than the
// application's access domain (ETSI TS 102 226, 6 and 8.2.1.3.2.3).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../base/bytes.ts';
import { decodeResponseScript } from '../../codec/script.ts';
import type { Scp80Target } from '../../crypto/scp80-host.ts';
import { PIN, SELECT_USIM, transcript, VERIFY_1, VERIFY_LOCAL } from '../testing/os-card.ts';
import { otaWorld, script, sendRemote, TAR, targetOf } from '../testing/ota.ts';
import type { World } from '../testing/world.ts';

/** Runs commands in one script; the answer to each that was executed. */
function remote(
  { card }: World,
  target: Scp80Target,
  first = 0,
): (...apdus: readonly string[]) => Promise<readonly string[]> {
  let counter = first;
  return async (...apdus) => {
    const por = await sendRemote(card, target, ++counter, script(...apdus));
    assert.equal(por.status, 0);
    return decodeResponseScript(por.data).responses.map(toHex);
  };
}

test('an UPDATE BINARY over the air is what the terminal reads, also after a power cut', async () => {
  const world = await otaWorld();
  const run = remote(world, targetOf(TAR.usim));
  assert.deepEqual(await run('00A4000C024F42', '00D6000203 C0FFEE'), ['9000', '9000']);
  const read = [
    SELECT_USIM,
    VERIFY_1,
    ['00A4000C024F42', '9000'],
    ['00B0000006', 'AAAAC0FFEEAA9000'],
  ] as const;
  await transcript(world.card, ...read);
  await world.reopen();
  await transcript(world.card, ...read);
});

test('records are read, written, searched and increased', async () => {
  const run = remote(await otaWorld(), targetOf(TAR.usim));
  assert.deepEqual(
    await run('00A4000C024F40', '00B2020405', '00DC020405 A1A2A3A4A5', '00A2010401 A3 00', '00B2020405'),
    ['9000', '11121314159000', '9000', '029000', 'A1A2A3A4A59000'],
  );
  assert.deepEqual(await run('00A4000C024F41', '00DC000303 000003', '8032000003 000102 00', '00B2010403'), [
    '9000',
    '9000',
    '0001050001029000',
    '0001059000',
  ]);
  assert.deepEqual(await run('00A4000C024F44', '80DB008005 A103010203', '80CB008001 A1 00'), [
    '9000',
    '9000',
    'A1030102039000',
  ]);
});

test('the record pointer moves from command to command', async () => {
  const run = remote(await otaWorld(), targetOf(TAR.usim));
  assert.deepEqual(await run('00A4000C024F40', '00B2000205', '00B2000205', '00B2000305'), [
    '9000',
    '01020304059000',
    '11121314159000',
    '01020304059000',
  ]);
});

test('files are deactivated and activated, and are so for the terminal', async () => {
  const world = await otaWorld();
  const run = remote(world, targetOf(TAR.usim));
  assert.deepEqual(await run('00A4000C024F40', '0004000000'.slice(0, 8)), ['9000', '9000']);
  await transcript(world.card, SELECT_USIM, VERIFY_1, ['00A4000C024F40', '6283'], ['00B2010405', '6984']);
  assert.deepEqual(await run('00440000024F40'), ['9000']);
  await transcript(world.card, ['00B2010405', '01020304059000']);
});

test('full access is everything but what nobody may', async () => {
  const run = remote(await otaWorld(), targetOf(TAR.usim));
  assert.deepEqual(await run('00A4000C024F43', '00B0000004'), ['9000', '6982']);
});

test('an application without rights gets what is free, and what it verifies itself', async () => {
  const world = await otaWorld();
  const run = remote(world, targetOf(TAR.powerless));
  assert.deepEqual(await run('00A4080C022FE2', '00B0000003'), ['9000', '9888129000']);
  assert.deepEqual(await run('00A4000C027FFF', '00A4000C024F42', '00B0000002'), ['9000', '9000', '6982']);
  assert.deepEqual(
    await run(`0020000108${PIN}`, `0020008108${PIN}`, '00A4000C024F42', '00D60000020102', '00B0000002'),
    ['9000', '9000', '9000', '9000', '01029000'],
  );
  // Nothing of it holds for the terminal, nor for the next script.
  await transcript(world.card, SELECT_USIM, ['00A4000C024F42', '9000'], ['00B0000002', '6982']);
  assert.deepEqual(await run('00A4000C024F42', '00B0000002'), ['9000', '6982']);
});

test('the other way round, what the terminal verified holds for the terminal only', async () => {
  const world = await otaWorld();
  await transcript(world.card, SELECT_USIM, VERIFY_1, VERIFY_LOCAL);
  const run = remote(world, targetOf(TAR.powerless));
  assert.deepEqual(await run('00A4000C024F42', '00B0000002'), ['9000', '6982']);
});

test('access under the MF ends at the ADF, and access in the ADF ends at the MF', async () => {
  const world = await otaWorld();
  const shared = remote(world, targetOf(TAR.files));
  assert.deepEqual(await shared('00A4000C022FE2', '00D6000001 77'), ['9000', '9000']);
  assert.deepEqual(await shared('00A4040C0CA0000000871002FF49FF0589', '00A4000C024F42', '00D6000001 77'), [
    '9000',
    '9000',
    '6982',
  ]);
  const usim = remote(world, targetOf(TAR.usim), 10);
  assert.deepEqual(await usim('00A4080C022FE2', '00B0000001', '00D6000001 78'), ['9000', '779000', '6982']);
});

test('wrong PINs count for everybody', async () => {
  const world = await otaWorld();
  const run = remote(world, targetOf(TAR.usim));
  assert.deepEqual(await run('0020000108 3939393939393939', '00A4000C024F42'), ['63C2']);
  await transcript(world.card, SELECT_USIM, ['00200001', '63C2']);
  await world.reopen();
  await transcript(world.card, SELECT_USIM, ['00200001', '63C2']);
});

test('PINs are changed, disabled and unblocked', async () => {
  const world = await otaWorld();
  const run = remote(world, targetOf(TAR.usim));
  const other = '35353535FFFFFFFF';
  assert.deepEqual(await run(`0024000110${PIN}${other}`), ['9000']);
  await transcript(
    world.card,
    SELECT_USIM,
    VERIFY_1.map((octets) => octets.replace('9000', '63C2')) as [string, string],
  );
  assert.deepEqual(await run(`002C0001103838383838383838${PIN}`), ['9000']);
  await transcript(world.card, VERIFY_1);
  assert.deepEqual(await run(`0026000108${PIN}`), ['9000']);
  await world.card.reset();
  await transcript(world.card, SELECT_USIM, ['00A4000C024F40', '9000'], ['00DC010405 0908070605', '9000']);
});

test('the terminal keeps its channel, file and record while scripts run', async () => {
  const world = await otaWorld();
  await transcript(world.card, SELECT_USIM, ['00A4000C024F40', '9000'], ['00B2000205', '01020304059000']);
  await remote(world, targetOf(TAR.usim))('00A4000C024F41', '00B2000203');
  await transcript(world.card, ['00B2000205', '11121314159000']);
});

test('only file commands are taken, and no application but those of the profile is selected', async () => {
  const run = remote(await otaWorld(), targetOf(TAR.files));
  for (const [apdu, sw] of [
    ['0070000001', '6D00'],
    ['80F2000000', '6D00'],
    ['8012000001', '6D00'],
    ['80C20000 03 D60100', '6D00'],
    [
      '0088008122 1023553CBE9637A89D218AE64DAE47BF351055F328B43577B9B94A9FFAC354DFAFB300'.replaceAll(' ', ''),
      '6D00',
    ],
    ['0084000008', '6D00'],
    ['80E29100 03 BF2E00', '6D00'],
    ['00A4040C10 A0000005591010FFFFFFFF8900000100', '6A82'],
    ['00A4040C07 A0000000871002', '9000'],
  ] as const) {
    assert.deepEqual(await run(apdu), [sw], apdu);
  }
});

test('a file that is updated by the wrong length, or past its end, is as it was', async () => {
  const world = await otaWorld();
  const run = remote(world, targetOf(TAR.usim));
  assert.deepEqual(await run('00A4000C024F40', '00DC010404 01020304'), ['9000', '6700']);
  assert.deepEqual(await run('00A4000C024F42', '00D6012B02 0102'), ['9000', '6700']);
  assert.deepEqual(await run('00A4000C024F42', '00D6012C01 01'), ['9000', '6B00']);
  assert.deepEqual(await run('00A4000C024F40', '00B2010405'), ['9000', '01020304059000']);
});

test('the security domain tells its keys and what is installed, and takes nothing else', async () => {
  const world = await otaWorld();
  const run = remote(world, targetOf(TAR.domain));
  const keys = await run('80CA00E000');
  assert.equal(
    keys[0],
    `E03C${['C00401018810', 'C00402018810', 'C00401028818', 'C00402028818', 'C00401038820', 'C00402038820', 'C00401048010', 'C00402048010', 'C00401058018', 'C00402058018'].join('')}9000`,
  );
  assert.deepEqual(await run('80F2800202 4F00 00'), ['E3134F08A0000001510000009F70010FC50382DC009000']);
  assert.deepEqual(await run('80F2400202 4F00 00'), ['E3134F08A00000015100000A9F70010FC50382DC009000']);
  assert.deepEqual(await run('80F2400206 4F04A0000099 00'), ['6A88']);
  for (const [apdu, sw] of [
    ['80F2400002 4F00 00', '6A86'],
    ['80F2300202 4F00 00', '6A86'],
    ['80F2100202 4F00 00', '6A88'],
    ['80F2400202 5C00 00', '6A80'],
    ['80F2400202 4F05 00', '6A80'],
    ['80CA00CF00', '6A88'],
    ['80D8000000', '6A80'],
    ['80E4000002 4F00', '6A80'],
    ['80E6000000', '6D00'],
    ['00CA00E000', '6E00'],
  ] as const) {
    assert.deepEqual(await run(apdu), [sw], apdu);
  }
});
