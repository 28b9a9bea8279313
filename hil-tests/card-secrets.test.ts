// Secrets never leave: every file, data object, function and instruction of the card is asked, with every PIN verified, and no
// answer, log line or octet on the disk holds a key, a PIN or an unblocking code.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesUint, concat, EMPTY, fromHex, toHex, uintBytes, utf8Bytes } from '../base/bytes.ts';
import type { Log } from '../base/log.ts';
import { createSubject, type Hidden } from '../bench/card-subject.ts';
import { createWatch, type Watch } from '../bench/card-watch.ts';
import { encodeCommandApdu } from '../codec/apdu.ts';
import { encodeTlv, findTlv, readTlvs } from '../codec/ber-tlv.ts';
import { encodeIccid } from '../codec/ids.ts';
import { storeDataCommands } from '../codec/store-data.ts';
import { ICCID_A, ICCID_B, install, type World } from '../euicc/testing/world.ts';
import { openIsdR } from '../euicc/testing/terminal.ts';

const PINS = ['31323334FFFFFFFF', toHex(utf8Bytes('13572468')), toHex(utf8Bytes('86427531'))];
const ADMS = ['54637281', '50617283'].map((digits) => toHex(utf8Bytes(digits)));
const APPLICATIONS = [
  'A0000000871002FF49FF0589',
  'A0000000871002',
  'A0000000871004',
  'A0000005591010FFFFFFFF8900000100',
  'A0000005591010FFFFFFFF8900000200',
  'A000000151000000',
];
const FIRST_OCTETS = [0x2f, 0x3f, 0x4f, 0x5f, 0x6f, 0x7f];

type Answer = { readonly data: Uint8Array; readonly sw: number };
type Reader = {
  readonly found: string[];
  readonly octets: () => number;
  readonly ask: (hex: string, data?: Uint8Array, le?: number) => Promise<Answer>;
};

/** Sends commands, follows 61xx and 6Cxx, and looks into every answer. */
function reader({ card }: World, watch: Watch): Reader {
  const found: string[] = [];
  let octets = 0;
  const exchange = async (command: Uint8Array): Promise<Answer> => {
    const answer = await card.transmit(command);
    octets += answer.length;
    const fault = watch.answer(command, answer);
    if (fault !== undefined) found.push(`${toHex(command)}: ${fault}`);
    return { data: answer.subarray(0, -2), sw: bytesUint(answer.subarray(-2)) };
  };
  return {
    found,
    octets: () => octets,
    async ask(hex, data = EMPTY, le) {
      const [cla = 0, ins = 0, p1 = 0, p2 = 0] = fromHex(hex);
      const header = { cla, ins, p1, p2, data };
      let answer = await exchange(encodeCommandApdu(le === undefined ? header : { ...header, le }));
      if (answer.sw >> 8 === 0x6c) {
        answer = await exchange(encodeCommandApdu({ ...header, le: answer.sw & 0xff || 256 }));
      }
      let whole = answer.data;
      while (answer.sw >> 8 === 0x61) {
        const more = { cla: cla & 0x03, ins: 0xc0, p1: 0, p2: 0, data: EMPTY, le: answer.sw & 0xff || 256 };
        answer = await exchange(encodeCommandApdu(more));
        whole = concat(whole, answer.data);
      }
      return { data: whole, sw: answer.sw };
    },
  };
}

async function verifyAll({ ask }: Reader): Promise<void> {
  for (const reference of ['01', '81', '0A', '0B', '8A']) {
    for (const value of reference.endsWith('A') || reference.endsWith('B') ? ADMS : PINS) {
      const { sw } = await ask(`002000${reference}`, fromHex(value));
      if (sw === 0x9000) break;
    }
    await ask(`002000${reference}`);
    await ask(`002C00${reference}`);
  }
}

/** Reads the selected file whole, by what its FCP says of it. */
async function readFile({ ask }: Reader, fcp: Uint8Array): Promise<void> {
  const [template] = readTlvs(fcp);
  const descriptor = findTlv(readTlvs(template?.value ?? EMPTY), 0x82)?.value ?? EMPTY;
  const structure = (descriptor[0] ?? 0) & 0x3f;
  if (structure === 0x39) {
    const list = (await ask('80CB0080', fromHex('5C'), 256)).data;
    const tags = list.subarray(2);
    for (const tag of tags) await ask('80CB0080', Uint8Array.of(tag), 256);
  } else if ((structure & 0x07) === 1) {
    for (let offset = 0; offset < 0x8000; offset += 256) {
      if ((await ask(`00B0${toHex(uintBytes(offset, 2))}`, EMPTY, 256)).sw !== 0x9000) break;
    }
  } else {
    for (let number = 1; number < 255; number++) {
      if ((await ask(`00B2${toHex(Uint8Array.of(number))}04`, EMPTY, 256)).sw !== 0x9000) break;
    }
  }
}

/** Every file below the selected directory; `path` leads there from the MF or the ADF. */
async function walk(read: Reader, select: () => Promise<unknown>, path: string, depth = 0): Promise<number> {
  let files = 0;
  for (const first of FIRST_OCTETS) {
    for (let last = 0; last < 256; last++) {
      const fid = toHex(Uint8Array.of(first, last));
      if (fid === '3F00' || fid === '7FFF') continue;
      const { data, sw } = await read.ask('00A40904', fromHex(path + fid));
      if (sw !== 0x9000 && sw !== 0x6283) continue;
      files++;
      await read.ask('80F20000', EMPTY, 256);
      if ((readTlvs(readTlvs(data)[0]?.value ?? EMPTY)[0]?.value[0] ?? 0) === 0x78 && depth < 3) {
        await select();
        files += await walk(read, select, path + fid, depth + 1);
      } else await readFile(read, data);
      await select();
    }
  }
  return files;
}

/** Every instruction in both classes, and every data object that GET DATA could name. */
async function askEverything({ ask }: Reader, select: () => Promise<unknown>): Promise<void> {
  // MANAGE CHANNEL and the commands that count attempts are asked elsewhere.
  const skipped = new Set([0x70, 0x20, 0x24, 0x26, 0x28, 0x2c]);
  for (let ins = 0; ins < 256; ins++) {
    if (skipped.has(ins)) continue;
    for (const cla of ['00', '80', '84']) {
      for (const p1p2 of ['0000', '0001', '0080', '0100', '9F7F', '00E0']) {
        await ask(`${cla}${toHex(Uint8Array.of(ins))}${p1p2}`, EMPTY, 256);
      }
    }
    await select();
  }
  for (const p1 of ['00', '01', '2F', '5F', '66', '7F', '9F', 'BF', 'DF', 'FF']) {
    for (let p2 = 0; p2 < 256; p2++) await ask(`80CA${p1}${toHex(Uint8Array.of(p2))}`, EMPTY, 256);
  }
}

/** Every ES10 tag, empty, with each one-octet member, and the profile list with every tag there is. */
async function askIsdR({ ask }: Reader): Promise<void> {
  const tags = concat(
    ...Array.from({ length: 256 }, (_, n) => ((n & 0x1f) === 0x1f ? EMPTY : Uint8Array.of(n))),
  );
  const requests = [
    ...Array.from({ length: 0x80 }, (_, n) => uintBytes(0xbf00 + n, 2)).flatMap((tag) => [
      concat(tag, fromHex('00')),
      concat(tag, fromHex('028000')),
      concat(tag, fromHex('03800100')),
    ]),
    encodeTlv(0xbf2d, encodeTlv(0x5c, tags)),
    encodeTlv(0xbf2d, encodeTlv(0x5c, fromHex('5A4F9F70B6B7B8BF4F9F24'))),
  ];
  for (const request of requests) {
    // The memory reset and what changes the state are no questions.
    if (request[0] === 0xbf && [0x31, 0x32, 0x33, 0x34].includes(request[1] ?? 0)) continue;
    for (const { p1, p2, data } of storeDataCommands(request))
      await ask(`80E2${toHex(Uint8Array.of(p1, p2))}`, data, 256);
  }
}

async function searchFile({ files }: World, hidden: readonly Hidden[]): Promise<readonly string[]> {
  const text = toHex((await files.read('card')) ?? EMPTY);
  return hidden
    .filter(({ value }) => text.includes(toHex(value)))
    .map(({ name }) => `the file holds ${name}`);
}

test('no file, object, function, instruction, log line or octet on the disk tells a secret', async () => {
  const lines: string[] = [];
  const log: Log = {
    write: (level, at, msg, fields) => void lines.push(JSON.stringify({ level, at, msg, ...fields })),
  };
  const { world, hidden } = await createSubject({ seed: 3, log });
  const watch = createWatch(hidden);
  const read = reader(world, watch);
  const counted: number[] = [];
  for (const iccid of [ICCID_A, ICCID_B]) {
    const isdR = await openIsdR(world.card);
    await isdR.es10(
      encodeTlv(0xbf31, encodeTlv(0xa0, encodeTlv(0x5a, encodeIccid(iccid))), encodeTlv(0x81, fromHex('00'))),
    );
    await world.card.reset();
    assert.equal(await watch.store(world), undefined);
    const selectMf = () => read.ask('00A4000C', fromHex('3F00'));
    await selectMf();
    await verifyAll(read);
    let files = await walk(read, selectMf, '');
    for (const aid of APPLICATIONS) {
      const select = () => read.ask('00A40400', fromHex(aid), 256);
      if ((await select()).sw !== 0x9000) continue;
      await verifyAll(read);
      await select();
      if (!aid.startsWith('A00000055910')) files += await walk(read, select, '');
      if (aid.endsWith('0100')) await askIsdR(read);
      await askEverything(read, select);
    }
    counted.push(files);
  }
  assert.deepEqual(read.found, []);
  const [ofTests = 0, ofOperator = 0] = counted;
  assert.ok(ofTests > 15 && ofOperator > 25, `${ofTests} and ${ofOperator} files`);
  assert.ok(read.octets() > 20_000, `${read.octets()} octets`);
  assert.ok(lines.length > 1000);
  for (const { name, value } of hidden) {
    const texts = [toHex(value), toHex(value).toLowerCase()];
    assert.ok(!lines.some((line) => texts.some((text) => line.includes(text))), `a log line holds ${name}`);
  }
  assert.deepEqual(await searchFile(world, hidden), []);
});

test('a download leaves no secret in answers, log or file either', async () => {
  const lines: string[] = [];
  const log: Log = {
    write: (level, at, msg, fields) => void lines.push(JSON.stringify({ level, at, msg, ...fields })),
  };
  const { world, hidden } = await createSubject({ seed: 4, log });
  const watch = createWatch(hidden);
  const faults: string[] = [];
  const card = {
    ...world.card,
    async transmit(command: Uint8Array) {
      const answer = await world.card.transmit(command);
      const fault = watch.answer(command, answer);
      if (fault !== undefined) faults.push(fault);
      return answer;
    },
  };
  const isdR = await openIsdR(card);
  await isdR.es10(encodeTlv(0xbf33, encodeTlv(0x5a, encodeIccid(ICCID_B))));
  await install({ ...world, card }, isdR, { iccid: ICCID_B });
  assert.deepEqual(faults, []);
  assert.deepEqual(await searchFile(world, hidden), []);
  assert.ok(lines.length > 10);
});
