// The status word of every command under every fault of class, instruction, P1-P2, length and state (ETSI TS 102 221, 10.2).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { osCard, SELECT_USIM, transcript, VERIFY_1 } from '../testing/os-card.ts';
import { STATES } from '../testing/status-word-states.ts';
import { BASIC_ONLY, EITHER_CLASS, HEADERS, TABLE } from '../testing/status-word-table.ts';
import { raw } from '../testing/terminal.ts';

describe('status words', () => {
  for (const [command, rows] of Object.entries(TABLE)) {
    test(command, async () => {
      const card = await osCard();
      for (const [state, hex, expected] of rows) {
        const fresh = await osCard();
        for (const step of STATES[state]) assert.equal(await raw(fresh, step), '9000', `${state}: ${step}`);
        const answer = await raw(fresh, hex.replaceAll(' ', ''));
        const sw = expected === '6C' ? answer.slice(0, 2) : answer.slice(-4);
        assert.equal(sw, expected, `${state}: ${hex}`);
      }
      await card.close();
    });
  }
});

describe('the class octet', () => {
  test('is refused in the same way by every instruction', async () => {
    const card = await osCard();
    for (const [name, header] of HEADERS) {
      const [cla = 0, ins = 0] = fromHex(header);
      const send = (changed: number): Promise<string> =>
        raw(card, toHex(Uint8Array.of(changed, ins, 0, 0, 0)));
      const proprietary = (cla & 0x80) !== 0;
      const faults: readonly (readonly [cla: number, sw: string])[] = [
        ...(EITHER_CLASS.includes(name) ? [] : ([[cla ^ 0x80, '6E00']] as const)),
        ...(name === 'GET RESPONSE'
          ? []
          : ([
              [cla | 0x0c, '6882'],
              [cla | 0x04, '6882'],
            ] as const)),
        [cla | 0x01, '6881'],
        [cla | 0x40, '6881'],
        [cla | 0x4f, '6881'],
        [cla | 0x61, '6881'],
        [cla | 0x10, proprietary ? '6E00' : '6884'],
        [cla | 0x50, proprietary ? '6E00' : '6884'],
        ...(proprietary ? [] : ([[cla | 0x20, '6E00']] as const)),
        [0xff, '6E00'],
      ];
      for (const [changed, sw] of faults)
        assert.equal(await send(changed), sw, `${name}, class ${changed.toString(16)}`);
    }
  });

  test('A0 is taken for the toolkit and the terminal capability, and for nothing else', async () => {
    const card = await osCard();
    for (const [name, header] of HEADERS) {
      if (name === 'GET RESPONSE') continue;
      const answer = await raw(card, `A0${header.slice(2)}000000`);
      const taken = BASIC_ONLY.includes(name) || name === 'STATUS' || name === 'TERMINAL CAPABILITY';
      assert.equal(answer.slice(-4) === '6E00', !taken, `${name}: ${answer}`);
    }
  });

  test('names the channels 0 to 19, in both forms', async () => {
    const card = await osCard();
    for (let n = 1; n <= 19; n++) await raw(card, `007000${toHex(Uint8Array.of(n))}`);
    for (const [interindustry, proprietary] of [
      ...[0, 1, 2, 3].map((n) => [n, 0x80 | n] as const),
      ...Array.from({ length: 16 }, (_, n) => [0x40 | n, 0xc0 | n] as const),
    ]) {
      await transcript(
        card,
        [`${toHex(Uint8Array.of(interindustry))}A4000C023F00`, '9000'],
        [`${toHex(Uint8Array.of(proprietary))}F2000C`, '9000'],
        ...(interindustry === 0
          ? []
          : ([[`${toHex(Uint8Array.of(proprietary))}10000001FF`, '6E00']] as const)),
      );
    }
  });
});

test('every instruction that the card does not have is 6D00, in either class', async () => {
  const card = await osCard();
  const known = new Set(HEADERS.map(([, header]) => fromHex(header)[1]));
  for (let ins = 0; ins < 256; ins++) {
    if (known.has(ins)) continue;
    for (const cla of [0x00, 0x80]) {
      const sw = await raw(card, toHex(Uint8Array.of(cla, ins, 0, 0, 0)));
      assert.equal(sw, '6D00', `${cla} ${ins.toString(16)}`);
    }
  }
});

test('GET RESPONSE takes either class, and only what the command before it left', async () => {
  const card = await osCard();
  await transcript(
    card,
    ['00B2010426', '6986'],
    ['00A4000C022FE2', '9000'],
    ['80C0000000', '6F00'],
    ['0070000001', '019000'],
    ['00A40004022FE2', '6118'],
    ['01C0000018', '6F00'],
    ['00C0000018', '6F00'],
    ['00A40004022FE2', '6118'],
    ['00FE0000', '6D00'],
    ['00C0000018', '6F00'],
    ['00A40004022FE2', '6118'],
  );
  await transcript(
    card,
    ['00A4080C047FFF4F42', '6A82'],
    [SELECT_USIM[0], '9000'],
    ['00A4000C024F44', '9000'],
    [VERIFY_1[0], '9000'],
    [`80DB0080FFA1820180${'AA'.repeat(251)}`, '63F1'],
    [`80DB000085${'BB'.repeat(133)}`, '9000'],
    ['80CB008001A1', '6100'],
    ['00C00000', '6C00'],
    ['00C0000000', `A1820180${'AA'.repeat(251)}BB62F1`],
  );
  await raw(card, '00A40804022FE2');
  assert.match(await raw(card, '80C0000018'), /^62.*9000$/);
});
