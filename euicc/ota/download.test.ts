import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../base/bytes.ts';
import { otaWorld, sendRemote, TAR, targetOf } from '../testing/ota.ts';
import { raw } from '../testing/terminal.ts';

test('x', async () => {
  const { card } = await otaWorld();
  const por = await sendRemote(card, targetOf(TAR.files), 1, '00A40000022FE2 00B000000A');
  console.log(por.status, por.authentic, toHex(por.data));
  const por2 = await sendRemote(card, targetOf(TAR.usim), 2, 'AA1A 2207 00A40000024F42 220F 00D600000A00112233445566778899');
  console.log(por2.status, por2.authentic, toHex(por2.data));
  await raw(card, '00A4040C0CA0000000871002FF49FF0589');
  await raw(card, '0020000108 31323334FFFFFFFF'.replaceAll(' ', ''));
  console.log(await raw(card, '00A4000C024F42'), await raw(card, '00B000000C'));
  const por3 = await sendRemote(card, targetOf(TAR.isdR), 1, 'AA0B 2209 80E2910003BF2E0000');
  console.log(por3.status, por3.authentic, toHex(por3.data));
});
