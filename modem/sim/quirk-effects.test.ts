// What a terminal sees of every deviation: a switch that did nothing would be got along with by any driver.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DIAGNOSTIC_NOISE } from './faults.ts';
import { deviations, type SimQuirks } from './quirks.ts';
import type { TestCardOptions } from './test-card.ts';
import { ISD_R, lines, terminal } from './testing-terminal.ts';

type Terminal = Awaited<ReturnType<typeof lines>>;
type Scene = {
  /** Lines that are typed one after another, or more than that. */
  readonly play: readonly string[] | ((at: Terminal) => Promise<readonly string[]>);
  /** What each of them is answered. A modem without the switch answers otherwise. */
  readonly shows: readonly string[];
  readonly card?: TestCardOptions;
};

const OPEN = `+CCHO="${ISD_R}"`;
const LIST = '+CGLA=1,18,"80E2910004BF2D0000"';
const LIST_WITH_LE = '+CGLA=1,20,"80E2910004BF2D000000"';
const FETCH = '+CGLA=1,10,"00C0000004"';
const OPEN_CHANNEL = '+CSIM=10,"0070000001"';
const SELECT_ISD_R = `+CSIM=42,"01A4040010${ISD_R}"`;
const SELECT_MF = '+CSIM=14,"00A40004023F00"';
const READ_ICCID = '+CRSM=176,12258,0,0,10';
const LAST_BLOCK = '+CGLA=1,12,"80E2910801AA"';
const ENABLE_SECOND = '+CGLA=1,18,"80E2910004BF310101"';
const [FIRST_IMSI, SECOND_IMSI] = ['001010000000001', '001020000000002'];

const storeData = (octets: number): string =>
  `+CGLA=1,${10 + 2 * octets},"80E29100${octets.toString(16).toUpperCase()}${'30'.repeat(octets)}"`;
const storeDataCount = ({ card }: Terminal): string =>
  String(card.commands.filter(([, ins]) => ins === 0xe2).length);

/** Enables the second profile of the card, which then asks for its reset. */
async function switchProfile({ at, clock }: Terminal): Promise<void> {
  await at(OPEN);
  await at(ENABLE_SECOND);
  await at('+CGLA=1,10,"00C0000006"');
  await clock.advance(1_000);
}

/** Whether a new terminal is served: now, shortly before three seconds are over, and after them. */
async function portAtThreeSeconds({ modem, clock }: Terminal): Promise<readonly string[]> {
  const served = async (): Promise<string> => {
    try {
      return (await terminal(modem, clock)('AT\r')).includes('OK') ? 'served' : 'silent';
    } catch {
      return 'away';
    }
  };
  const now = await served();
  await clock.advance(1_900);
  const before = await served();
  await clock.advance(1_100);
  return [now, before, await served()];
}

const HANDLE = '7FB45C0000000001';
const lacks = (...names: string[]): Scene => ({
  play: names.map((name) => `${name}=?`),
  shows: names.map(() => 'ERROR'),
});
const tooLong = (octets: number, answer: string): Scene => ({
  play: [OPEN, storeData(octets), storeData(octets + 1)],
  shows: ['+CCHO: 1|OK', `+CGLA: 4,"61${octets.toString(16).toUpperCase()}"|OK`, answer],
});

const SCENES: Readonly<Record<string, Scene>> = {
  'sessionIds=handles': {
    play: [OPEN, `+CGLA=${HANDLE},18,"80E2910004BF2D0000"`, `+CCHC=${HANDLE}`],
    shows: [`+CCHO: ${HANDLE}|OK`, '+CGLA: 4,"6104"|OK', 'OK'],
  },
  'sessionIds=nordic': {
    play: [OPEN, OPEN, OPEN, OPEN, OPEN, OPEN],
    shows: [11, 12, 13, 14, 17, 18].map((id) => `+CCHO: ${id}|OK`),
    card: { channels: 19 },
  },
  'cchoAnswer=bare': { play: [OPEN, LIST], shows: ['1|OK', '+CGLA: 4,"6104"|OK'] },
  'answerForm=tight': {
    play: [OPEN, LIST, OPEN_CHANNEL, READ_ICCID],
    shows: [
      '+CCHO:1|OK',
      '+CGLA:4,"6104"|OK',
      '+CSIM:6,"029000"|OK',
      '+CRSM:144,0,"989400000000000010F9"|OK',
    ],
  },
  'answerForm=unquoted': {
    play: [OPEN, LIST, OPEN_CHANNEL, READ_ICCID],
    shows: ['+CCHO: 1|OK', '+CGLA: 4,6104|OK', '+CSIM: 6,029000|OK', '+CRSM: 144,0,989400000000000010F9|OK'],
  },
  'answerForm=trailing-quote': {
    play: [OPEN, LIST, OPEN_CHANNEL, READ_ICCID],
    shows: ['+CCHO:1|OK', '+CGLA:4,6104"|OK', '+CSIM:6,029000"|OK', '+CRSM:144,0,989400000000000010F9"|OK'],
  },
  'testForm=error': { play: ['+CCHO=?', '+CGLA=?', '+CSIM=?'], shows: ['ERROR', 'ERROR', 'ERROR'] },
  'testForm=silent': { play: ['+CGLA=?'], shows: [''] },
  'testForm=info': {
    play: ['+CCHC=?', '+CGLA=?'],
    shows: ['+CCHC|OK', '+CGLA: <sessionid>,<lengh>,<cmd>|OK'],
  },
  cchcLine: { play: [OPEN, '+CCHC=1'], shows: ['+CCHO: 1|OK', '+CCHC|OK'] },
  'missing=+CCHC': lacks('+CCHC'),
  'missing=+CCHO,+CGLA,+CCHC': lacks('+CCHO', '+CGLA', '+CCHC'),
  'missing=+CSIM': lacks('+CSIM'),
  'missing=+CRSM': lacks('+CRSM'),
  'missing=+CGREG,+CEREG': lacks('+CGREG', '+CEREG'),
  'missing=+CSIM,+CRSM': lacks('+CSIM', '+CRSM'),
  'vendorCommands=+QCCID,+CCID,+ICCID': {
    play: ['+QCCID', '+CCID', '+ICCID'],
    shows: ['+QCCID', '+CCID', '+ICCID'].map((name) => `${name}: 8949000000000000019|OK`),
  },
  'csimChannels=apdus-fail': {
    play: [OPEN_CHANNEL, SELECT_ISD_R, SELECT_MF],
    shows: ['+CSIM: 6,"019000"|OK', 'ERROR', '+CSIM: 4,"610A"|OK'],
  },
  'csimChannels=refused': { play: [OPEN_CHANNEL, OPEN], shows: ['ERROR', '+CCHO: 1|OK'] },
  'ccho=error': { play: [OPEN], shows: ['ERROR'] },
  'ccho=denied': { play: [OPEN], shows: ['+CME ERROR: 3'] },
  'cglaLastBlock=1': {
    play: async (here) => [await here.at(OPEN), await here.at(LAST_BLOCK), storeDataCount(here)],
    shows: ['+CCHO: 1|OK', 'ERROR', '1'],
  },
  'cglaLastBlock=2': {
    play: async (here) => [
      await here.at(OPEN),
      await here.at(LAST_BLOCK),
      await here.at(LAST_BLOCK),
      storeDataCount(here),
    ],
    shows: ['+CCHO: 1|OK', '+CGLA: 4,"6101"|OK', 'ERROR', '2'],
  },
  endless61: {
    play: [OPEN, LIST, FETCH, FETCH],
    shows: ['+CCHO: 1|OK', '+CGLA: 4,"6100"|OK', '+CGLA: 4,"6100"|OK', '+CGLA: 4,"6100"|OK'],
  },
  'getResponse=modem': { play: [OPEN, LIST], shows: ['+CCHO: 1|OK', '+CGLA: 12,"BF2D00009000"|OK'] },
  leNeeded: {
    play: [OPEN, LIST, LIST_WITH_LE],
    shows: ['+CCHO: 1|OK', '+CGLA: 4,"9000"|OK', '+CGLA: 4,"6104"|OK'],
  },
  p3Exact: {
    play: [OPEN, LIST_WITH_LE, LIST, FETCH],
    shows: ['+CCHO: 1|OK', '+CME ERROR: 50', '+CGLA: 12,"BF2D00009000"|OK', '+CME ERROR: 3'],
  },
  'csimSelect=cme-0': {
    play: [OPEN_CHANNEL, SELECT_ISD_R, OPEN],
    shows: ['+CSIM: 6,"019000"|OK', '+CME ERROR: 0', '+CCHO: 1|OK'],
  },
  simSleep: {
    play: [OPEN, SELECT_MF, '+ECSIMSLEEP=0', OPEN],
    shows: ['+CME ERROR: 3', '+CME ERROR: 3', 'OK', '+CCHO: 1|OK'],
  },
  'errorText=vendor': {
    play: ['+CMEE=1', '+CCHO="1"'],
    shows: ['OK', '+CME ERROR: Parameters error'],
  },
  'cchoRefusal=cme-13': { play: ['+CCHO="A0000000FF"'], shows: ['+CME ERROR: 13'] },
  'cchoRefusal=bare': { play: ['+CCHO="A0000000FF"'], shows: ['ERROR'] },
  'lineEnd=lf': { play: ['+CSQ'], shows: ['\n+CSQ: 20,99\n\nOK\n'] },
  'lineEnd=cr': { play: ['+CSQ'], shows: ['\r+CSQ: 20,99\r\rOK\r'] },
  'leakHang=3': {
    play: [OPEN, OPEN, OPEN, OPEN],
    shows: ['+CCHO: 1|OK', '+CCHO: 2|OK', '+CCHO: 3|OK', ''],
    card: { channels: 19 },
  },
  'maxSessions=1': { play: [OPEN, OPEN], shows: ['+CCHO: 1|OK', '+CME ERROR: 20'] },
  isdrNeedsProfile: {
    play: [OPEN, OPEN_CHANNEL, SELECT_ISD_R],
    shows: ['ERROR', '+CSIM: 6,"019000"|OK', 'ERROR'],
    card: { profiles: [] },
  },
  'simPort=hangs': {
    play: ['+CSQ', OPEN, SELECT_MF],
    shows: ['+CSQ: 20,99|OK', '', ''],
  },
  'simPort=diag': {
    play: async ({ type }) => [await type('AT\r')],
    shows: [new TextDecoder('latin1').decode(DIAGNOSTIC_NOISE)],
  },
  'slotCommand=AT^SWITCH_SLOT=1': {
    play: [OPEN, SELECT_MF, '^SWITCH_SLOT=1', OPEN],
    shows: ['+CME ERROR: 10', '+CME ERROR: 10', 'OK', '+CCHO: 1|OK'],
  },
  'echo=stuck': { play: ['E0', '+CSQ'], shows: ['ATE0\r|OK', 'AT+CSQ\r|+CSQ: 20,99|OK'] },
  'urcBeforeAnswer=+CMTI: "SM",1': {
    play: ['', OPEN],
    shows: ['+CMTI: "SM",1|OK', '+CMTI: "SM",1|+CCHO: 1|OK'],
  },
  'urcBeforeAnswer=+CREG: 2': { play: ['+CREG?'], shows: ['+CREG: 2|+CREG: 0,1|OK'] },
  csimLock: {
    play: [SELECT_MF, '+CSIM=1', SELECT_MF, '+CSIM=0', SELECT_MF],
    shows: ['+CME ERROR: 3', 'OK', '+CSIM: 4,"610A"|OK', 'OK', '+CME ERROR: 3'],
  },
  'proactive=ignored': {
    play: async (here) => {
      await switchProfile(here);
      const still = await here.at('+CIMI');
      await here.at('+CFUN=0');
      await here.at('+CFUN=1');
      return [still, await here.at('+CIMI')];
    },
    shows: [`${FIRST_IMSI}|OK`, `${SECOND_IMSI}|OK`],
  },
  'radioOffDropsPort=3000': {
    play: async (here) => [await here.at('+CFUN=0'), ...(await portAtThreeSeconds(here))],
    shows: ['', 'away', 'away', 'served'],
  },
  'refreshDropsPort=3000': {
    play: async (here) => {
      await here.at(OPEN);
      await here.at(ENABLE_SECOND);
      await here.at('+CGLA=1,10,"00C0000006"');
      return portAtThreeSeconds(here);
    },
    shows: ['away', 'away', 'served'],
  },
  attachNeedsRestart: {
    play: async (here) => {
      const { at, clock } = here;
      await switchProfile(here);
      await at('+CFUN=0');
      await at('+CFUN=1');
      await clock.advance(60_000);
      const refused = await at('+CEREG?');
      await at('+CFUN=1,1');
      await clock.advance(60_000);
      await at('E0');
      return [refused, await at('+CEREG?')];
    },
    shows: ['+CEREG: 0,3|OK', '+CEREG: 0,1|OK'],
  },
  'maxCommandData=200': tooLong(200, 'ERROR'),
  'maxCommandData=100': tooLong(100, 'ERROR'),
  'oversize=6601': tooLong(120, '+CGLA: 4,"6601"|OK'),
  'crsm=cme-3': { play: [READ_ICCID, '+QCCID'], shows: ['+CME ERROR: 3', '+QCCID: 8949000000000000019|OK'] },
  'isdrAid=A0000005591010FFFFFFFF8900050500': {
    play: [OPEN, '+CCHO="A0000005591010FFFFFFFF8900050500"'],
    shows: ['+CME ERROR: 22', '+CCHO: 1|OK'],
  },
  'isdrAid=A0000005591010000000008900000300': {
    play: [OPEN, '+CCHO="A0000005591010000000008900000300"'],
    shows: ['+CME ERROR: 22', '+CCHO: 1|OK'],
  },
  'cardKind=sgp02': { play: [OPEN, LIST], shows: ['+CCHO: 1|OK', '+CGLA: 4,"6985"|OK'] },
  'answerDelay=300': {
    play: async ({ at, type, clock }) => {
      const answers = [await at(SELECT_MF)];
      await clock.advance(280);
      answers.push(await type(''));
      await clock.advance(15);
      return [...answers, await type('')];
    },
    shows: ['', '', '\r\n+CSIM: 4,"610A"\r\n\r\nOK\r\n'],
  },
  'bootLine=RDY': {
    play: async ({ at, type, clock }) => {
      const answers = [await at('+CFUN=1,1')];
      await clock.advance(3_000);
      return [...answers, await type('')];
    },
    shows: ['OK', '\r\nRDY\r\n'],
  },
};
/** Shown at length in card-kinds.test.ts. */
const ELSEWHERE = ['cardStopsData', 'cardChange', 'enableBy', 'revertsTo', 'ownLpa'];

async function shown(scene: Scene, quirks: Partial<SimQuirks>): Promise<readonly string[]> {
  const here = await lines({
    modem: { quirks },
    ...(scene.card === undefined ? {} : { card: scene.card }),
  });
  if (typeof scene.play === 'function') return scene.play(here);
  const answers: string[] = [];
  for (const line of scene.play) answers.push(await here.at(line));
  return answers;
}

for (const { name, label, quirks } of deviations()) {
  if (ELSEWHERE.includes(name)) continue;
  test(`a terminal sees that a modem has ${label}, and not of one without it`, async () => {
    const scene = SCENES[label];
    assert.ok(scene, 'a switch needs a scene that shows it');
    assert.deepEqual(await shown(scene, quirks), scene.shows);
    const { [name]: _, ...without } = quirks;
    assert.notDeepEqual(await shown(scene, without), scene.shows);
  });
}
