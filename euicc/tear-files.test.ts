// Power cut at every write of the card OS's own commands, of the secure channel, and of the settings of the ISD-R.
import { describe, test } from 'node:test';
import { fromHex, toHex, uintBytes } from '../base/bytes.ts';
import { Secret } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import { withChannel } from '../codec/apdu.ts';
import { encodeIccid } from '../codec/ids.ts';
import { LoadCRLRequest } from '../codec/rsp/configuration.ts';
import { GetEuiccChallengeResponse } from '../codec/rsp/euicc-info.ts';
import { issueCrl } from '../crypto/crl.ts';
import { milenage } from '../crypto/milenage.ts';
import { createScp03Host } from '../crypto/scp03-host.ts';
import type { Euicc } from './euicc.ts';
import { otKeysCell } from './records.ts';
import { createState } from './state.ts';
import { type CardStore, openCardStore } from './store.ts';
import { osWorld, PIN, SELECT_USIM, VERIFY_1, VERIFY_LOCAL } from './testing/os-card.ts';
import { createTestPki } from './testing/pki.ts';
import { authenticated, authenticateServerRequest, prepareDownloadRequest } from './testing/sm-dp.ts';
import { tearAtEveryWrite, type TearCase } from './testing/tear.ts';
import { exchange, openIsdR, raw } from './testing/terminal.ts';
import { createWorld, ec, ISD_R_KEYS, PROVISIONING_ICCID, STORE_KEY, type World } from './testing/world.ts';

const AT = Date.UTC(2026, 0, 1);
const pki = createTestPki(ec);
const WRONG = '39393939FFFFFFFF';
const NEW_PIN = '35353535FFFFFFFF';
const PUK = '3838383838383838';
const ADM = `0020000A08${PIN}`;
const select = (fid: string): string => `00A4000C02${fid}`;
const USIM = SELECT_USIM[0];
const READY = [USIM, VERIFY_1[0], VERIFY_LOCAL[0]];

/** Commands before, the command, and what commands after the power-up answer on both sides. */
type Row = {
  readonly name: string;
  readonly arrange: readonly string[];
  readonly command: string;
  /** `before` and `after` are the answers to the last of them. */
  readonly probe: readonly string[];
  readonly before: string;
  readonly after: string;
};

const transparent = [USIM, VERIFY_1[0], select('4F42'), '00B0000003'];
const linear = [USIM, '00B2025405'];
const cyclic = [USIM, select('4F41'), '00B2010403'];
const dataObject = [USIM, '80CB009301A100'];
const fileState = [USIM, select('4F40')];

const key = new Secret(new Uint8Array(16));
const rand = fromHex('23553CBE9637A89D218AE64DAE47BF35');
const hidden = (sqn: number, ak: Uint8Array): string =>
  toHex(uintBytes(sqn, 6).map((octet, i) => octet ^ (ak[i] ?? 0)));
const challenge = (sqn: number): string => {
  const out = milenage({ k: key, opc: key, rand, sqn: uintBytes(sqn, 6), amf: fromHex('8000') });
  return `008800812210${toHex(rand)}10${hidden(sqn, out.ak)}8000${toHex(out.macA)}00`;
};
/** What a challenge that is too old is answered with: where the card's sequence numbers stand. */
const resynchronisation = (sqn: number): string => {
  const out = milenage({ k: key, opc: key, rand, sqn: uintBytes(sqn, 6), amf: new Uint8Array(2) });
  return `DC0E${hidden(sqn, out.akStar)}${toHex(out.macS)}9000`;
};

const ROWS: readonly Row[] = [
  {
    name: 'UPDATE BINARY',
    arrange: [...READY, select('4F42')],
    command: '00D6000002BBCC',
    probe: transparent,
    before: 'AAAAAA9000',
    after: 'BBCCAA9000',
  },
  {
    name: 'UPDATE RECORD of a linear file',
    arrange: READY,
    command: '00DC0254055152535455',
    probe: linear,
    before: '11121314159000',
    after: '51525354559000',
  },
  {
    name: 'UPDATE RECORD of a cyclic file',
    arrange: [...READY, select('4F41')],
    command: '00DC000303000007',
    probe: cyclic,
    before: 'FFFFFF9000',
    after: '0000079000',
  },
  {
    name: 'INCREASE',
    arrange: [...READY, select('4F41'), '00DC000303000007'],
    command: '803200000300000200',
    probe: cyclic,
    before: '0000079000',
    after: '0000099000',
  },
  {
    name: 'SET DATA of an object in one block',
    arrange: [...READY, select('4F44')],
    command: '80DB008004A1020102',
    probe: dataObject,
    before: '6A88',
    after: 'A10201029000',
  },
  {
    name: 'SET DATA, the first block of a longer object: the old one goes',
    arrange: [...READY, select('4F44'), '80DB008004A1020102'],
    command: '80DB008004A1040304',
    probe: dataObject,
    before: 'A10201029000',
    after: '6A88',
  },
  {
    name: 'SET DATA, the last block',
    arrange: [...READY, select('4F44'), '80DB008004A1040304'],
    command: '80DB0000020506',
    probe: dataObject,
    before: '6A88',
    after: 'A104030405069000',
  },
  {
    name: 'SET DATA that deletes',
    arrange: [...READY, select('4F44'), '80DB008004A1020102'],
    command: '80DB008001A1',
    probe: dataObject,
    before: 'A10201029000',
    after: '6A88',
  },
  {
    name: 'DEACTIVATE FILE',
    arrange: [...READY, ADM, select('4F40')],
    command: '00040000',
    probe: fileState,
    before: '9000',
    after: '6283',
  },
  {
    name: 'ACTIVATE FILE',
    arrange: [...READY, ADM, select('4F40'), '00040000'],
    command: '00440000',
    probe: fileState,
    before: '6283',
    after: '9000',
  },
  {
    name: 'VERIFY PIN with a wrong value',
    arrange: [],
    command: `0020000108${WRONG}`,
    probe: ['00200001'],
    before: '63C3',
    after: '63C2',
  },
  {
    name: 'VERIFY PIN with the right value after a wrong one',
    arrange: [`0020000108${WRONG}`],
    command: `0020000108${PIN}`,
    probe: ['00200001'],
    before: '63C2',
    after: '63C3',
  },
  {
    name: 'the last attempt at a PIN',
    arrange: [`0020000108${WRONG}`, `0020000108${WRONG}`],
    command: `0020000108${WRONG}`,
    probe: ['00200001'],
    before: '63C1',
    after: '6983',
  },
  {
    name: 'CHANGE PIN',
    arrange: [],
    command: `0024000110${PIN}${NEW_PIN}`,
    probe: [`0020000108${PIN}`, `0020000108${NEW_PIN}`],
    before: '63C2',
    after: '9000',
  },
  {
    name: 'DISABLE PIN',
    arrange: [],
    command: `0026000108${PIN}`,
    probe: [`0020000108${PIN}`],
    before: '9000',
    after: '6984',
  },
  {
    name: 'ENABLE PIN',
    arrange: [`0026000108${PIN}`],
    command: `0028000108${PIN}`,
    probe: [`0020000108${PIN}`],
    before: '6984',
    after: '9000',
  },
  {
    name: 'UNBLOCK PIN with a wrong PUK',
    arrange: [],
    command: `002C000110${WRONG}${NEW_PIN}`,
    probe: ['002C0001'],
    before: '63CA',
    after: '63C9',
  },
  {
    name: 'UNBLOCK PIN',
    arrange: [`0020000108${WRONG}`, `0020000108${WRONG}`],
    command: `002C000110${PUK}${NEW_PIN}`,
    probe: ['00200001'],
    before: '63C1',
    after: '63C3',
  },
  {
    name: "AUTHENTICATE, the card's sequence number",
    arrange: [...READY, challenge(0x20)],
    command: challenge(0x40),
    probe: [USIM, VERIFY_1[0], challenge(0x20)],
    before: resynchronisation(0x20),
    after: resynchronisation(0x40),
  },
];

async function answerTo(card: Euicc, probe: readonly string[]): Promise<string> {
  let answer = '';
  for (const step of probe) answer = await raw(card, step);
  return answer;
}

function fileCase({ name, arrange, command, probe, before, after }: Row): TearCase<string> {
  return {
    name,
    before,
    after,
    world: osWorld,
    async arrange({ card }) {
      for (const step of arrange) await raw(card, step);
      return () => raw(card, command);
    },
    observe: ({ card }) => answerTo(card, probe),
  };
}

/** What the store holds after the power-up, read beside the card. */
async function stored({ files }: World): Promise<CardStore> {
  return openCardStore({ path: 'card', key: STORE_KEY, random: createSeededRandom(1), files });
}
const namesOf = (prefix: string) => async (world: World) =>
  (await stored(world)).names().filter((name) => name.startsWith(prefix)).length;
const otKeys = async (world: World): Promise<number> =>
  createState(await stored(world)).read(otKeysCell).length;

const overIsdR =
  (request: Uint8Array) =>
  async ({ card }: World) => {
    const isdR = await openIsdR(card);
    return () => isdR.es10(request);
  };
const asked =
  (request: string) =>
  async ({ card }: World): Promise<string> =>
    toHex(await (await openIsdR(card)).es10(fromHex(request)));
const isdRWorld = (): Promise<World> => createWorld({ pki, rootDsAddress: 'D' });
const crl = issueCrl(ec, pki.issuer, { number: 1, thisUpdate: AT, nextUpdate: AT + 86_400_000, revoked: [] });

/** Opens the secure channel up to the command that counts. */
async function externalAuthenticate({ card }: World): Promise<() => Promise<unknown>> {
  const { channel } = await openIsdR(card);
  const host = createScp03Host({
    keys: ISD_R_KEYS,
    keyVersion: ISD_R_KEYS.kvn,
    level: 0x03,
    hostChallenge: new Uint8Array(8),
  });
  const { initializeUpdate } = host;
  host.accept((await exchange(card, { ...initializeUpdate, cla: withChannel(0x80, channel) })).data);
  return () => {
    const command = host.externalAuthenticate();
    return exchange(card, { ...command, cla: withChannel(command.cla, channel) });
  };
}

async function prepareDownload({ card }: World): Promise<() => Promise<unknown>> {
  const isdR = await openIsdR(card);
  const { euiccChallenge } = GetEuiccChallengeResponse.decode(await isdR.es10(fromHex('BF2E00')));
  const { transactionId, request } = authenticateServerRequest(pki, euiccChallenge);
  const { euiccSignature1 } = authenticated(await isdR.es10(request));
  const prepared = prepareDownloadRequest(pki, { transactionId, euiccSignature1 });
  return () => isdR.es10(prepared.request);
}

/** So many changes that the next commit writes the log anew and renames it. */
async function fullLog({ card }: World): Promise<() => Promise<unknown>> {
  for (const step of [...READY, select('4F42')]) await raw(card, step);
  for (let i = 0; i < 230; i++) await raw(card, `00D60000FF${'EE'.repeat(255)}`);
  return () => raw(card, '00D6000002BBCC');
}

const STRINGS: readonly TearCase<string>[] = [
  {
    name: 'SetDefaultDpAddress',
    before: 'BF3C03810144',
    after: 'BF3C06800141810144',
    world: isdRWorld,
    arrange: overIsdR(fromHex('BF3F03800141')),
    observe: asked('BF3C00'),
  },
  {
    name: 'SetNickname',
    before: 'BF2D04A002E300',
    after: 'BF2D09A007E3059003414243',
    world: isdRWorld,
    arrange: overIsdR(fromHex(`BF29115A0A${toHex(encodeIccid(PROVISIONING_ICCID))}9003414243`)),
    observe: asked('BF2D035C0190'),
  },
  {
    name: 'EXTERNAL AUTHENTICATE, the sequence counter of the secure channel',
    before: 'C1030000009000',
    after: 'C1030000019000',
    world: isdRWorld,
    arrange: externalAuthenticate,
    async observe({ card }) {
      const { channel } = await openIsdR(card);
      return raw(card, `8${channel}CA00C100`);
    },
  },
  {
    name: 'UPDATE BINARY when the log is written anew',
    before: 'EEEEEE9000',
    after: 'BBCCEE9000',
    world: osWorld,
    arrange: fullLog,
    observe: ({ card }) => answerTo(card, transparent),
  },
];

const NUMBERS: readonly TearCase<number>[] = [
  {
    name: 'LoadCRL',
    before: 0,
    after: 1,
    world: isdRWorld,
    arrange: overIsdR(LoadCRLRequest.encode({ crl })),
    observe: namesOf('crl/'),
  },
  {
    name: 'PrepareDownload, the one-time key',
    before: 0,
    after: 1,
    world: isdRWorld,
    arrange: prepareDownload,
    observe: otKeys,
  },
];

describe('a cut at every write of', () => {
  for (const row of [...ROWS.map(fileCase), ...STRINGS]) test(row.name, () => tearAtEveryWrite(row));
  for (const row of NUMBERS) test(row.name, () => tearAtEveryWrite(row));
});
