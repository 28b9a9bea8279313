// The status word of every command under every fault of class, instruction, P1-P2, length and state (ETSI TS 102 221, 10.2).
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import { USIM_AID } from '../profile-samples.ts';
import { osCard, PIN, transcript } from '../testing/os-card.ts';
import { raw } from '../testing/terminal.ts';

const WRONG = '39393939FFFFFFFF';
const PUK = '3838383838383838';
const CHALLENGE = `10${'00'.repeat(16)}10${'00'.repeat(16)}`;

/** What leads to a state; each command is answered with success. */
const STATES = {
  'after the reset': [],
  USIM: [`00A4040C0C${USIM_AID}`],
  'USIM, PIN': [`00A4040C0C${USIM_AID}`, `0020000108${PIN}`],
  transparent: [`00A4040C0C${USIM_AID}`, `0020000108${PIN}`, '00A4000C024F42'],
  locked: [`00A4040C0C${USIM_AID}`, '00A4000C024F43'],
  linear: [`00A4040C0C${USIM_AID}`, `0020000108${PIN}`, '00A4000C024F40'],
  'linear, no PIN': [`00A4040C0C${USIM_AID}`, '00A4000C024F40'],
  cyclic: [`00A4040C0C${USIM_AID}`, `0020000108${PIN}`, '00A4000C024F41', '00DC000303000005'],
  'cyclic, no PIN': [`00A4040C0C${USIM_AID}`, '00A4000C024F41'],
  'BER-TLV': [`00A4040C0C${USIM_AID}`, `0020000108${PIN}`, '00A4000C024F44'],
  deactivated: [
    `00A4040C0C${USIM_AID}`,
    `0020000108${PIN}`,
    `0020000A08${PIN}`,
    '00A4000C024F40',
    '00040000',
  ],
  'PIN disabled': [`0026000108${PIN}`],
} as const satisfies Record<string, readonly string[]>;
type StateName = keyof typeof STATES;

type Row = readonly [state: StateName, command: string, sw: string];

/** One table a command: state, command, status word at the end of the answer. */
const TABLE: Readonly<Record<string, readonly Row[]>> = {
  SELECT: [
    ['after the reset', '00A40004023F0000', '9000'],
    ['after the reset', '00A4000C026F07', '6A82'],
    ['after the reset', '00A4000C027FFF', '6A82'],
    ['after the reset', '00A4000C013F', '6700'],
    ['after the reset', '00A4000C033F0000', '6700'],
    ['after the reset', '00A4010C022FE2', '6A82'],
    ['after the reset', '00A4010C', '6700'],
    ['after the reset', '00A4020C022FE2', '6A86'],
    ['after the reset', '00A4030C', '6A82'],
    ['USIM', '00A4030C', '9000'],
    ['USIM', '00A4030C023F00', '6700'],
    ['after the reset', '00A4050C022FE2', '6A86'],
    ['after the reset', '00A40A0C022FE2', '6A86'],
    ['after the reset', '00A4080C', '6700'],
    ['after the reset', '00A4080C03 2FE200', '6700'],
    ['after the reset', '00A4080C047FFF6F07', '6A82'],
    ['after the reset', '00A4080C042FE22FE2', '6A82'],
    ['USIM', '00A4090C026F07', '9000'],
    ['USIM', '00A4090C022FE2', '6A82'],
    ['after the reset', '00A4000D022FE2', '6A86'],
    ['after the reset', '00A40008022FE2', '6A86'],
    ['after the reset', '00A4001C022FE2', '6A86'],
    ['after the reset', '00A4002C022FE2', '6A86'],
    ['after the reset', '00A4008C022FE2', '6A86'],
    ['after the reset', '00A4040C', '6700'],
    ['after the reset', `00A4040C11${USIM_AID}0000000000`, '6700'],
    ['after the reset', '00A4040C0CA0000000871002FF49FF0580', '6A82'],
    ['after the reset', '00A4042C07A0000000871002', '6A86'],
    ['after the reset', '00A4046C07A0000000871002', '6A86'],
    ['after the reset', '00A4044C07A0000000871002', '6A82'],
    ['USIM', '00A4044C07A0000000871002', '9000'],
    ['USIM', '00A4040E07A0000000871002', '6A82'],
    ['deactivated', '00A4000C024F40', '6283'],
  ],
  STATUS: [
    ['after the reset', '80F2000000', '9000'],
    ['after the reset', '80F2000001', '6C'],
    ['after the reset', '80F2010C', '9000'],
    ['after the reset', '80F2020C', '9000'],
    ['after the reset', '80F2030C', '6A86'],
    ['after the reset', '80F2000200', '6A86'],
    ['after the reset', '80F2000C0101', '6700'],
  ],
  'READ BINARY': [
    ['transparent', '00B0000004', '9000'],
    ['transparent', '00B0012C01', '6B00'],
    ['transparent', '00B0012B02', '6C01'],
    ['transparent', '00B09D0001', '6A82'],
    ['transparent', '00B09F0001', '6A86'],
    ['transparent', '00B0A00001', '6A86'],
    ['transparent', '00B0C00001', '6A86'],
    ['transparent', '00B000000101', '6700'],
    ['after the reset', '00B0000001', '6986'],
    ['locked', '00B0000001', '6982'],
    ['linear', '00B0000001', '6981'],
    ['BER-TLV', '00B0000001', '6981'],
    ['transparent', '00B1000001', '6D00'],
  ],
  'UPDATE BINARY': [
    ['transparent', '00D6000001FF', '6982'],
    ['transparent', '00D60000', '6700'],
    ['locked', '00D6000001FF', '6982'],
    ['linear', '00D6000001FF', '6981'],
    ['cyclic', '00D6000001FF', '6981'],
    ['after the reset', '00D6000001FF', '6986'],
    ['transparent', '00D69F0001FF', '6A86'],
    ['transparent', '00D69D0001FF', '6A82'],
    ['transparent', '00D7000001FF', '6D00'],
  ],
  'READ RECORD': [
    ['linear', '00B2010405', '9000'],
    ['linear', '00B2010404', '6C05'],
    ['linear', '00B2010406', '6C05'],
    ['linear', '00B20104', '6C05'],
    ['linear', '00B2040405', '6A83'],
    ['linear', '00B2FF0405', '6A83'],
    ['linear', '00B2000405', '6A83'],
    ['linear', '00B2010205', '6A86'],
    ['linear', '00B2010305', '6A86'],
    ['linear', '00B2010005', '6A86'],
    ['linear', '00B2010105', '6A86'],
    ['linear', '00B2010505', '6A86'],
    ['linear', '00B2010605', '6A86'],
    ['linear', '00B2010705', '6A86'],
    ['linear', '00B201FC05', '6A86'],
    ['linear', '00B201EC05', '6A82'],
    ['linear', '00B201040101', '6700'],
    ['linear', '00B201E405', '6981'],
    ['transparent', '00B2010401', '6981'],
    ['BER-TLV', '00B2010401', '6981'],
    ['after the reset', '00B2010401', '6986'],
    ['deactivated', '00B2010405', '6984'],
    ['linear', '00B3010405', '6D00'],
  ],
  'UPDATE RECORD': [
    ['linear', '00DC0104050000000000', '9000'],
    ['linear', '00DC000304 00000000', '6700'],
    ['linear', '00DC010406000000000000', '6700'],
    ['linear', '00DC0104', '6700'],
    ['linear', '00DC0404050000000000', '6A83'],
    ['linear', '00DC0102050000000000', '6A86'],
    ['linear', '00DC0105050000000000', '6A86'],
    ['linear', '00DC01FC050000000000', '6A86'],
    ['linear', '00DC01EC050000000000', '6A82'],
    ['linear, no PIN', '00DC0104050000000000', '6982'],
    ['cyclic', '00DC000303000001', '9000'],
    ['cyclic', '00DC000203000001', '6A86'],
    ['cyclic', '00DC010403000001', '6A86'],
    ['cyclic', '00DC010303000001', '6A86'],
    ['cyclic', '00DC000302 0000', '6700'],
    ['cyclic, no PIN', '00DC000303000001', '6982'],
    ['transparent', '00DC010401FF', '6981'],
    ['after the reset', '00DC010401FF', '6986'],
    ['deactivated', '00DC0104050000000000', '6984'],
  ],
  'SEARCH RECORD': [
    ['linear', '00A2010401 1300', '9000'],
    ['linear', '00A2010401 9900', '6282'],
    ['linear', '00A20104', '6700'],
    ['linear', '00A2040401 13', '6A83'],
    ['linear', '00A2000401 13', '6A83'],
    ['linear', '00A2010001 13', '6A86'],
    ['linear', '00A2010301 13', '6A86'],
    ['linear', '00A2010701 13', '6A86'],
    ['linear', '00A201FC01 13', '6A86'],
    ['linear', '00A201060204 00', '6700'],
    ['linear', '00A2010603030013', '6A80'],
    ['linear', '00A2010603140013', '6A80'],
    ['transparent', '00A2010401AA', '6981'],
    ['after the reset', '00A2010401AA', '6986'],
    ['deactivated', '00A2010401AA', '6984'],
  ],
  INCREASE: [
    ['cyclic', '803200000300000100', '9000'],
    ['cyclic', '8032000003FFFFFF00', '9850'],
    ['cyclic', '80320000', '6700'],
    ['cyclic', '803200000400000001', '6700'],
    ['cyclic', '8032010003000001', '6A86'],
    ['cyclic', '8032000103000001', '6A86'],
    ['cyclic', '80329F0003000001', '6A86'],
    ['cyclic', '80329D0003000001', '6A82'],
    ['linear', '8032000003000001', '6981'],
    ['transparent', '8032000003000001', '6981'],
    ['after the reset', '8032000003000001', '6986'],
  ],
  'VERIFY PIN': [
    ['after the reset', `0020000108${PIN}`, '9000'],
    ['after the reset', `0020000108${WRONG}`, '63C2'],
    ['after the reset', '00200001', '63C3'],
    ['after the reset', '0020000100', '63C3'],
    ['after the reset', `0020000008${PIN}`, '6A86'],
    ['after the reset', `0020010108${PIN}`, '6A86'],
    ['after the reset', `0020002108${PIN}`, '6A86'],
    ['after the reset', `0020004108${PIN}`, '6A86'],
    ['after the reset', `0020000208${PIN}`, '6A88'],
    ['after the reset', `0020008108${PIN}`, '6A88'],
    ['USIM', `0020008108${PIN}`, '9000'],
    ['after the reset', `0020000107${PIN.slice(2)}`, '6700'],
    ['after the reset', `0020000109${PIN}FF`, '6700'],
    ['PIN disabled', `0020000108${PIN}`, '6984'],
    ['PIN disabled', '00200001', '63C3'],
  ],
  'CHANGE PIN': [
    ['after the reset', `0024000110${PIN}${WRONG}`, '9000'],
    ['after the reset', `0024000110${WRONG}${PIN}`, '63C2'],
    ['after the reset', `0024000108${PIN}`, '6700'],
    ['after the reset', '00240001', '6700'],
    ['after the reset', `0024000111${PIN}${WRONG}FF`, '6700'],
    ['after the reset', `0024000110${PIN}313233FFFFFFFFFF`, '6A80'],
    ['after the reset', `0024000110${PIN}31323334FFFFFF35`, '6A80'],
    ['after the reset', `0024010110${PIN}${WRONG}`, '6A86'],
    ['after the reset', `0024000010${PIN}${WRONG}`, '6A86'],
    ['after the reset', `0024000210${PIN}${WRONG}`, '6A88'],
    ['PIN disabled', `0024000110${PIN}${WRONG}`, '6984'],
  ],
  'DISABLE PIN': [
    ['after the reset', `0026000108${PIN}`, '9000'],
    ['after the reset', `0026000108${WRONG}`, '63C2'],
    ['after the reset', `0026910108${PIN}`, '6A86'],
    ['after the reset', '00260001', '6700'],
    ['after the reset', `0026000010${PIN}${PIN}`, '6A86'],
    ['after the reset', `0026000208${PIN}`, '6A88'],
    ['PIN disabled', `0026000108${PIN}`, '6985'],
  ],
  'ENABLE PIN': [
    ['PIN disabled', `0028000108${PIN}`, '9000'],
    ['PIN disabled', `0028000108${WRONG}`, '63C2'],
    ['PIN disabled', `0028000109${PIN}FF`, '6700'],
    ['PIN disabled', '00280001', '6700'],
    ['PIN disabled', `0028010108${PIN}`, '6A86'],
    ['PIN disabled', `0028000208${PIN}`, '6A88'],
    ['after the reset', `0028000108${PIN}`, '6985'],
  ],
  'UNBLOCK PIN': [
    ['after the reset', `002C000110${PUK}${PIN}`, '9000'],
    ['after the reset', `002C000110${WRONG}${PIN}`, '63C9'],
    ['after the reset', '002C0001', '63CA'],
    ['after the reset', `002C000108${PUK}`, '6700'],
    ['after the reset', `002C000110${PUK}3132FFFFFFFFFFFF`, '6A80'],
    ['after the reset', `002C010110${PUK}${PIN}`, '6A86'],
    ['after the reset', `002C000010${PUK}${PIN}`, '6A86'],
    ['after the reset', `002C000210${PUK}${PIN}`, '6A88'],
    ['after the reset', `002C000A10${PUK}${PIN}`, '6A88'],
    ['PIN disabled', `002C000110${PUK}${PIN}`, '9000'],
  ],
  'DEACTIVATE FILE': [
    ['linear', '00040000', '6982'],
    ['after the reset', '00040000', '6986'],
    ['linear', '00040100', '6A86'],
    ['linear', '00040001', '6A86'],
    ['linear', '0004000001 4F', '6700'],
    ['linear', '00040000024F99', '6A82'],
    ['linear', '00040800047FFF4F40', '6982'],
    ['deactivated', '00040000', '9000'],
    ['deactivated', '00040900024F40', '9000'],
  ],
  'ACTIVATE FILE': [
    ['deactivated', '00440000', '9000'],
    ['deactivated', '00440000024F40', '9000'],
    ['deactivated', '00440800047FFF4F40', '9000'],
    ['deactivated', '00440800047FFF4F99', '6A82'],
    ['deactivated', '00440800023F00', '6A82'],
    ['deactivated', '00440300', '6A86'],
    ['deactivated', '00440001', '6A86'],
    ['linear, no PIN', '00440000', '6982'],
    ['after the reset', '00440000', '6986'],
  ],
  AUTHENTICATE: [
    ['USIM, PIN', `0088008122${CHALLENGE}00`, '9862'],
    ['USIM', `0088008122${CHALLENGE}00`, '6982'],
    ['after the reset', `0088008122${CHALLENGE}00`, '6985'],
    ['USIM, PIN', `0088018122${CHALLENGE}00`, '6A86'],
    ['USIM, PIN', `0088008222${CHALLENGE}00`, '6A86'],
    ['USIM, PIN', `0088000022${CHALLENGE}00`, '6A86'],
    ['USIM, PIN', '00880081', '6700'],
    ['USIM, PIN', `008800811110${'00'.repeat(16)}`, '6700'],
    ['USIM, PIN', `0088008123${CHALLENGE}FF00`, '6700'],
    ['USIM, PIN', `0088008022${CHALLENGE}00`, '6700'],
    ['USIM, PIN', `0089008122${CHALLENGE}00`, '6D00'],
  ],
  'GET CHALLENGE': [
    ['after the reset', '0084000008', '9000'],
    ['after the reset', '00840000', '6C08'],
    ['after the reset', '0084010008', '6A86'],
    ['after the reset', '0084000108', '6A86'],
    ['after the reset', '008400000101', '6700'],
  ],
  'MANAGE CHANNEL': [
    ['after the reset', '0070000001', '9000'],
    ['after the reset', '00700000', '6C01'],
    ['after the reset', '00700013', '9000'],
    ['after the reset', '00700014', '6A86'],
    ['after the reset', '00708014', '6A86'],
    ['after the reset', '00704001', '6A86'],
    ['after the reset', '00708000', '6A86'],
    ['after the reset', '00708005', '6200'],
    ['after the reset', '007000000101', '6700'],
  ],
  'GET RESPONSE': [
    ['after the reset', '00C0000000', '6F00'],
    ['after the reset', '00C0010000', '6A86'],
    ['after the reset', '00C0000100', '6A86'],
    ['after the reset', '00C000000101', '6700'],
  ],
  'TERMINAL CAPABILITY': [
    ['after the reset', '80AA000005A903810100', '9000'],
    ['after the reset', '80AA000002A900', '9000'],
    ['after the reset', '80AA000002AA00', '6A80'],
    ['after the reset', '80AA000003A90281', '6A80'],
    ['after the reset', '80AA000004A900A900', '6A80'],
    ['after the reset', '80AA000004A9028102', '6A80'],
    ['after the reset', '80AA0000', '6700'],
    ['after the reset', '80AA010002A900', '6A86'],
    ['after the reset', '80AA000102A900', '6A86'],
  ],
  'TERMINAL PROFILE': [
    ['after the reset', '8010000001FF', '9000'],
    ['after the reset', '80100000', '6700'],
    ['after the reset', '8010010001FF', '6A86'],
    ['after the reset', '8010000101FF', '6A86'],
  ],
  FETCH: [
    ['after the reset', '8012000000', '6985'],
    ['after the reset', '8012010000', '6A86'],
    ['after the reset', '8012000100', '6A86'],
    ['after the reset', '801200000101', '6700'],
  ],
  'TERMINAL RESPONSE': [
    ['after the reset', '801400000C810301010482028281830100', '6985'],
    ['after the reset', '80140000028103', '6A80'],
    ['after the reset', '80140000', '6700'],
    ['after the reset', '8014010003830100', '6A86'],
    ['after the reset', '8014000103830100', '6A86'],
  ],
  ENVELOPE: [
    ['after the reset', '80C2000004D6020500', '9000'],
    ['after the reset', '80C20000', '6700'],
    ['after the reset', '80C2000003D60205', '6A80'],
    ['after the reset', '80C2000004D6020501', '6A80'],
    ['after the reset', '80C2000004D600D600', '6A80'],
    ['after the reset', '80C2010004D6020500', '6A86'],
    ['after the reset', '80C2000104D6020500', '6A86'],
  ],
  'RETRIEVE DATA': [
    ['BER-TLV', '80CB0080015C00', '9000'],
    ['BER-TLV', '80CB0080018000', '6A88'],
    ['BER-TLV', '80CB0180018000', '6A86'],
    ['BER-TLV', '80CB00A0018000', '6A86'],
    ['BER-TLV', '80CB00C0018000', '6A86'],
    ['BER-TLV', '80CB000300', '6A86'],
    ['BER-TLV', '80CB009F018000', '6A86'],
    ['BER-TLV', '80CB009D018000', '6A82'],
    ['BER-TLV', '80CB008000', '6700'],
    ['BER-TLV', '80CB008002800000', '6700'],
    ['BER-TLV', '80CB0000018000', '6700'],
    ['BER-TLV', '80CB000000', '6985'],
    ['BER-TLV', '80CB004000', '6985'],
    ['linear', '80CB0080018000', '6981'],
    ['after the reset', '80CB0080018000', '6986'],
  ],
  'SET DATA': [
    ['BER-TLV', '80DB00800380 01FF', '9000'],
    ['BER-TLV', '80DB00800180', '6A88'],
    ['BER-TLV', '80DB0080', '6700'],
    ['BER-TLV', '80DB0180038001FF', '6A86'],
    ['BER-TLV', '80DB00C0038001FF', '6A86'],
    ['BER-TLV', '80DB0001038001FF', '6A86'],
    ['BER-TLV', '80DB0000038001FF', '6985'],
    ['BER-TLV', '80DB0040038001FF', '6985'],
    ['BER-TLV', '80DB008004800100FF', '6A80'],
    ['BER-TLV', '80DB00800480820401', '6A84'],
    ['linear', '80DB0080038001FF', '6981'],
    ['after the reset', '80DB0080038001FF', '6986'],
  ],
};

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

/** One right header of each instruction; what follows does not matter to the faults of the class. */
const HEADERS = Object.entries(TABLE).map(([name, rows]) => [name, rows[0]?.[1].slice(0, 4) ?? ''] as const);
const BASIC_ONLY = ['TERMINAL PROFILE', 'FETCH', 'TERMINAL RESPONSE', 'ENVELOPE'];

describe('the class octet', () => {
  test('is refused in the same way by every instruction', async () => {
    const card = await osCard();
    for (const [name, header] of HEADERS) {
      const [cla = 0, ins = 0] = fromHex(header);
      const send = (changed: number): Promise<string> =>
        raw(card, toHex(Uint8Array.of(changed, ins, 0, 0, 0)));
      const proprietary = (cla & 0x80) !== 0;
      const faults: readonly (readonly [cla: number, sw: string])[] = [
        ...(name === 'GET RESPONSE'
          ? []
          : ([
              [cla ^ 0x80, '6E00'],
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
    ['05C0000018', '6881'],
  );
  await raw(card, '00A40004022FE2');
  assert.match(await raw(card, '80C0000018'), /^62.*9000$/);
});
