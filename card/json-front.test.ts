// The card as lines of JSON, on standard input and output and on TCP: real pipes, real sockets, and clients that do wrong.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import { MAX_LINE } from './json-session.ts';
import { type JsonLines, jsonLines, run, runWell, start, type Started } from './testing/program.ts';

const SELECT_ISD_R = '00A4040010A0000005591010FFFFFFFF8900000100';
const FCI = '6F258410A0000005591010FFFFFFFF8900000100A5049F6501FFE0058203020202E10480020640';

let folder = '';
let card = '';
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'euicc-card-'));
  card = join(folder, 'a.card');
  await runWell(['issuer', join(folder, 'pki'), '--curve', 'P-256']);
  await runWell(['create', card, '--issuer', join(folder, 'pki'), '--profile', 'minimal']);
});
after(() => rmSync(folder, { recursive: true, force: true }));

async function startTcp(
  t: TestContext,
): Promise<Started & { readonly client: () => Promise<JsonLines & { readonly socket: Socket }> }> {
  const started = start(t, ['serve', card, '--tcp', '127.0.0.1:0']);
  const { address } = await started.logged('listening');
  const port = Number(String(address).split(':').at(-1));
  return {
    ...started,
    async client() {
      const socket = connect(port, '127.0.0.1');
      t.after(() => socket.destroy());
      socket.on('error', () => {});
      await once(socket, 'connect');
      return { socket, ...jsonLines(socket, socket) };
    },
  };
}

test('requests on standard input are answered in order, and a wrong one does not end the stream', async () => {
  const requests = [
    { id: 1, apdu: SELECT_ISD_R },
    { id: 'two', apdu: '00c0000027' },
    { id: 3, atr: true },
    { id: 4, powerOff: true },
    { id: 5, apdu: '00A4000402' },
    { id: 6, reset: true },
    { id: 7, apdu: '00A4' },
    { id: 8, apdu: '00A4000C023F0' },
    { id: 9, apdu: 9 },
    { id: 10, apdu: '00F20000', reset: true },
    { id: 11, reset: 1 },
    { id: {}, reset: true },
    { apdu: 'FFFFFFFF' },
  ];
  const text = requests.map((request) => JSON.stringify(request)).join('\r\n\n');
  const input = `${text}\nno json\n[]\n"x"\n\u0000\n{"a":1}`;
  const { code, stdout } = await run(['serve', card, '--stdio'], { input });
  assert.equal(code, 0);
  const answers = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { id?: unknown; error?: { code: string } });
  const atr = '3B9F96803FC7828031E073FE211F67655549434331300E';
  assert.deepEqual(
    answers.map(({ error, ...answer }) => (error === undefined ? answer : [answer.id, error.code])),
    [
      { id: 1, data: '', sw: '6127' },
      { id: 'two', data: FCI, sw: '9000' },
      { id: 3, atr },
      { id: 4, ok: true },
      [5, 'CARD_LOST'],
      { id: 6, atr },
      [7, 'APDU_INVALID'],
      [8, 'HEX_INVALID'],
      [9, 'MESSAGE_INVALID'],
      [10, 'MESSAGE_INVALID'],
      [11, 'MESSAGE_INVALID'],
      [undefined, 'MESSAGE_INVALID'],
      { data: '', sw: '6E00' },
      ...Array.from({ length: 5 }, () => [undefined, 'MESSAGE_INVALID']),
    ],
  );
});

test('a line that is too long is told once and the next one is served', async () => {
  const input = `{"apdu":"${'00'.repeat(MAX_LINE)}"}\n{"id":1,"reset":true}\n`;
  const { stdout } = await run(['serve', card, '--stdio'], { input });
  const answers = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  assert.equal(answers.length, 2);
  assert.match(JSON.stringify(answers[0]), /MESSAGE_INVALID/);
  assert.equal(answers[1]?.['id'], 1);
});

test("lpac's driver messages are understood on the same stream", async () => {
  const request = (func: string, param: string | null): string =>
    `${JSON.stringify({ type: 'apdu', payload: { func, param } })}\n`;
  const input = [
    request('connect', null),
    request('logic_channel_open', 'A0000005591010FFFFFFFF8900000100'),
    request('transmit', '81E2910006BF3E035C015A'),
    request('transmit', '81C0000015'),
    request('logic_channel_open', 'A0000000999999'),
    request('logic_channel_close', '01'),
    request('transmit', 'xyz'),
    request('frobnicate', null),
    request('disconnect', null),
  ].join('');
  const { stdout } = await run(['serve', card, '--stdio'], { input });
  const payloads = stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { payload: unknown }).payload);
  assert.deepEqual(payloads, [
    { ecode: 0 },
    { ecode: 1 },
    { ecode: 0, data: '6115' },
    { ecode: 0, data: 'BF3E125A10899999990000000000000000000001869000' },
    { ecode: -1 },
    { ecode: 0 },
    { ecode: -1 },
    { ecode: -1 },
    { ecode: 0 },
  ]);
});

test('TCP clients are served one after another, each with a card that was reset', async (t) => {
  const server = await startTcp(t);
  const first = await server.client();
  assert.equal((await first.ask({ apdu: SELECT_ISD_R }))['sw'], '6127');
  const early = await server.client();
  assert.match(JSON.stringify(await early.next()), /STORE_LOCKED.*another client/);
  first.socket.destroy();
  await server.logged('the client went');
  const second = await server.client();
  // What the first client left unread is gone with the reset.
  assert.notEqual((await second.ask({ apdu: '00C0000027' }))['data'], FCI);
  second.send('\u0001\u0002{{{\n');
  assert.match(JSON.stringify(await second.next()), /MESSAGE_INVALID/);
  assert.equal((await second.ask({ id: 1, reset: true }))['id'], 1);
  second.socket.write('{"id":2,"re');
  second.socket.end('set":true}\n');
  assert.equal((await second.next())['id'], 2);
  assert.equal(await server.stop('SIGINT'), 0);
});

test('a client that stays does not hold up the end of the program', async (t) => {
  const server = await startTcp(t);
  const client = await server.client();
  await client.ask({ reset: true });
  assert.equal(await server.stop('SIGTERM'), 0);
  assert.doesNotMatch(server.log(), /"level":"error"/);
});

test('a card is served by one process, which is named to the next', async (t) => {
  const server = await startTcp(t);
  const { code, stderr } = await run(['serve', card, '--stdio']);
  assert.equal(code, 11);
  assert.match(stderr, new RegExp(`euicc-card serve, process ${server.child.pid}\\b`));
  // Looking at it disturbs nobody.
  await runWell(['info', card]);
  await server.stop('SIGKILL');
  assert.equal((await run(['serve', card, '--stdio'])).code, 0);
});

test('an address that is in use is named', async (t) => {
  const server = await startTcp(t);
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(server.log())?.[1]);
  const other = join(folder, 'b.card');
  await runWell(['create', other, '--issuer', join(folder, 'pki')]);
  const { code, stderr } = await run(['serve', other, '--tcp', `127.0.0.1:${port}`]);
  assert.equal(code, 14);
  assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${port}.*EADDRINUSE`));
});

test('what passes can be traced, but for PINs', async () => {
  const trace = join(folder, 'trace');
  const input = ['00A4000C023F00', '002000010831323334FFFFFFFF', '00A40004022FE2']
    .map((apdu) => JSON.stringify({ apdu }))
    .join('\n');
  await run(['serve', card, '--stdio', '--trace', trace], { input });
  const lines = readFileSync(trace, 'utf8');
  assert.doesNotMatch(lines, /31323334/);
  assert.match(lines, /"apdu":"00A4000C023F00"/);
  assert.match(lines, /"apdu":"00200001","hidden":9/);
});
