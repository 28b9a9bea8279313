// AUTHENTICATE with each algorithm that a package can bring, by the octets of published test sets; sequence numbers and whose they are.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fromHex, toHex, uintBytes } from '../../base/bytes.ts';
import { Secret } from '../../base/log.ts';
import { encodeProfilePackage, isFilesElement, type ProfileElement } from '../../codec/saip/package.ts';
import { milenage as milenageFunctions } from '../../crypto/milenage.ts';
import type { Euicc } from '../euicc.ts';
import { loadProfilePackage } from '../profile-loader.ts';
import {
  create,
  described,
  directory,
  END,
  filesElement,
  HEADER,
  management,
  mandated,
  MF,
  milenage,
  path,
  USIM,
  USIM_AID,
} from '../profile-samples.ts';
import { transcript } from '../testing/os-card.ts';
import { raw } from '../testing/terminal.ts';
import { createWorld, sampleMetadata } from '../testing/world.ts';

const ISIM_AID = 'A0000000871004FF49FF0589';
const select = (aid: string): readonly [string, string] => [`00A4040C${length(aid)}${aid}`, '9000'];
const length = (hex: string): string => toHex(uintBytes(hex.length / 2, 1));
const command = (rand: string, autn: string): string =>
  `00880081${length(`00${rand}00${autn}`)}${length(rand)}${rand}${length(autn)}${autn}00`;

async function cardOf(upp: Uint8Array): Promise<Euicc> {
  const loaded = loadProfilePackage(upp);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  const metadata = sampleMetadata(loaded.profile.iccid);
  return (await createWorld({ profiles: [{ upp, metadata, enabled: true }] })).card;
}

const packageOf = (...elements: readonly ProfileElement[]): Uint8Array =>
  encodeProfilePackage([HEADER, MF, USIM, ...elements, END]);
/** Option octet: no check of how far SQN jumps, so that the SQN of a test set is taken. */
const ANY_JUMP = { sqnOptions: fromHex('00') };
const ISIM = management(path(''), create(directory('7FB0', { dfName: fromHex(ISIM_AID) })));

type Set = { readonly rand: string; readonly autn: string; readonly answer: string };

describe('the algorithms answer as their published test sets say', () => {
  // TUAK: 3GPP TS 35.233, sets 1 (RES 32, MAC 64, CK and IK 128 bits). AUTN is SQN xor AK, AMF, MAC.
  const tuak: Set = {
    rand: '42'.repeat(16),
    autn: '608E0F8A8145FFFFF9A54E6AEAA8618D',
    answer:
      'DB04657ACD6410D71A1E5C6CAFFE986A26F783E5C78BE110BE849FA2564F869AECEE6F62D4337E7208EF56191F0B148D919000',
  };
  // MILENAGE: TS 35.208, set 1, with RES of 64 bits; Kc as in TS 55.205.
  const set1: Set = {
    rand: '23553CBE9637A89D218AE64DAE47BF35',
    autn: '55F328B43577B9B94A9FFAC354DFAFB3',
    answer:
      'DB08A54211D5E3BA50BF10B40BA9A3C58B2A05BBF0D987B21BF8CB10F769BCD751044604127672711C6D344108EAE4BE823AF9A08B9000',
  };
  const own = (algorithmId: number, algorithmOptions: string, key: string, opc: string): Uint8Array =>
    packageOf(
      milenage(
        { algorithmId, algorithmOptions: fromHex(algorithmOptions), key: fromHex(key), opc: fromHex(opc) },
        ANY_JUMP,
      ),
    );
  const cases: readonly (readonly [name: string, upp: Uint8Array, set: Set])[] = [
    [
      'TUAK',
      own(2, '00', 'AB'.repeat(16), 'BD04D9530E87513C5D837AC2AD954623A8E2330C115305A73EB45D1F40CCCBFF'),
      tuak,
    ],
    ['MILENAGE', own(1, '01', '465B5CE8B199B49FAA5F0A2EE238A6BC', 'CD63CB71954A9F4E48A5994E37A02BAF'), set1],
  ];
  for (const [name, upp, { rand, autn, answer }] of cases) {
    test(name, async () => {
      await transcript(await cardOf(upp), select(USIM_AID), [command(rand, autn), answer]);
    });
  }
});

describe('the test algorithm (3GPP TS 34.108, 8.1.2)', () => {
  const K = '000102030405060708090A0B0C0D0E0F';
  const RAND = 'FF'.repeat(16);
  // XDOUT = K xor RAND = FFFEFD...F0; RES, CK, IK and AK begin at its octets 0, 1, 2 and 3; MAC = XDOUT xor (SQN, AMF).
  const autnOf = (seq: number, amf = '0000'): string => {
    const octets = [0xfc, 0xfb, 0xfa, 0xf9, 0xf8, 0xf7];
    const sqn = uintBytes(seq * 32, 6);
    const hidden = sqn.map((octet, i) => octet ^ (octets[i] ?? 0));
    const cdout = [...sqn, ...fromHex(amf)];
    const mac = fromHex('FFFEFDFCFBFAF9F8').map((octet, i) => octet ^ (cdout[i] ?? 0));
    return `${toHex(hidden)}${amf}${toHex(mac)}`;
  };
  const CK = 'FEFDFCFBFAF9F8F7F6F5F4F3F2F1F0FF';
  const IK = 'FDFCFBFAF9F8F7F6F5F4F3F2F1F0FFFE';
  /** The halves of CK and IK together give zeros. The ISIM has no Kc. */
  const KC = '080000000000000000';
  const LONG = `DB10FFFEFDFCFBFAF9F8F7F6F5F4F3F2F1F010${CK}10${IK}${KC}9000`;
  const SHORT = `DB08FFFEFDFCFBFAF9F810${CK}10${IK}${KC}9000`;
  const onIsim = (answer: string): string => answer.replace(KC, '');
  /** AUTS for SQN_MS 20: with AK* = AK, and MAC* over it with the AMF of a resynchronisation. */
  const AUTS = 'DC0EFCFBFAF9F8D7FFFEFDFCFBDAF9F89000';
  const testUsim = (algorithmOptions: string): Uint8Array =>
    packageOf(
      milenage({ algorithmId: 3, algorithmOptions: fromHex(algorithmOptions), key: fromHex(K) }),
      ISIM,
      milenage({ algorithmId: 3, algorithmOptions: fromHex(algorithmOptions), key: fromHex(K) }),
    );

  test('answers with RES of 64 or 128 bits, says AUTS to a repetition and 9862 to another key', async () => {
    for (const [options, answer] of [
      ['01', SHORT],
      ['02', LONG],
    ] as const) {
      await transcript(
        await cardOf(testUsim(options)),
        select(USIM_AID),
        [command(RAND, autnOf(1)), answer],
        [command(RAND, autnOf(1)), AUTS],
        [command(RAND, autnOf(2)), answer],
        [command(RAND, `${autnOf(3).slice(0, -2)}00`), '9862'],
        [command(RAND, autnOf(3)), answer],
      );
    }
  });

  test('keeps the sequence numbers of USIM and ISIM apart, each over a reset', async () => {
    const card = await cardOf(testUsim('01'));
    await transcript(card, select(USIM_AID), [command(RAND, autnOf(1)), SHORT], select(ISIM_AID));
    await transcript(card, [command(RAND, autnOf(1)), onIsim(SHORT)], [command(RAND, autnOf(1)), AUTS]);
    await card.reset();
    await transcript(card, select(USIM_AID), [command(RAND, autnOf(1)), AUTS], select(ISIM_AID));
    await transcript(card, [command(RAND, autnOf(1)), AUTS], [command(RAND, autnOf(2)), onIsim(SHORT)]);
  });

  test('says AUTS when the network asks for it with the AMF of a resynchronisation, however fresh SQN is', async () => {
    await transcript(
      await cardOf(testUsim('02')),
      select(USIM_AID),
      [command(RAND, autnOf(1)), LONG],
      [command(RAND, autnOf(2, 'FFFF')), AUTS],
      [command(RAND, autnOf(2)), LONG],
    );
  });

  test('heeds neither how far SQN jumps nor how often the key was used', async () => {
    const key = { algorithmId: 3, algorithmOptions: fromHex('02'), key: fromHex(K) };
    const limits = { sqnOptions: fromHex('03'), sqnDelta: uintBytes(1, 6), sqnAgeLimit: uintBytes(1, 6) };
    const card = await cardOf(packageOf(milenage({ ...key, authCounterMax: fromHex('000001') }, limits)));
    await transcript(
      card,
      select(USIM_AID),
      [command(RAND, autnOf(2 ** 30)), LONG],
      [command(RAND, autnOf(2 ** 31)), LONG],
    );
  });

  const TS48 = '../shared/testdata/ts48';
  const packages = existsSync(TS48) ? readdirSync(TS48).filter((name) => name.endsWith('.der')) : [];
  test('is what the USIM and the ISIM of every TS.48 package answer with', async (t) => {
    if (packages.length === 0) return t.skip('no TS.48 packages here');
    for (const name of packages) {
      const card = await cardOf(new Uint8Array(readFileSync(`${TS48}/${name}`)));
      for (const aid of ['A0000000871002FF49FF0589', ISIM_AID]) {
        await transcript(
          card,
          select(aid),
          [command(RAND, autnOf(1)), aid === ISIM_AID ? onIsim(LONG) : LONG],
          [command(RAND, autnOf(1)), AUTS],
        );
      }
      await card.close();
    }
  });
});

test('the service table decides on Kc beside CK and IK (service 27) and on the GSM context (38); an ISIM has neither', async () => {
  const files = isFilesElement(USIM) ? USIM.value.files : {};
  const withServices = (ust: string): ProfileElement =>
    filesElement('usim', '4', { ...files, 'ef-ust': described({}, ust) });
  const AUTN = '55F328B43577B9B94A9FFAC354DFAFB3';
  const RAND = '23553CBE9637A89D218AE64DAE47BF35';
  const GSM = `008800801110${RAND}00`;
  const keys = {
    key: fromHex('465B5CE8B199B49FAA5F0A2EE238A6BC'),
    opc: fromHex('CD63CB71954A9F4E48A5994E37A02BAF'),
  };
  const cases = [
    ['0000000400', /^DB08.{16}10.{32}10.{32}08EAE4BE823AF9A08B9000$/, /^9864$/],
    ['0000000020', /^DB08.{16}10.{32}10.{32}9000$/, /^0446F8416A08EAE4BE823AF9A08B9000$/],
  ] as const;
  for (const [ust, umts, gsm] of cases) {
    const akas = [milenage(keys, ANY_JUMP), ISIM, milenage(keys, ANY_JUMP)];
    const card = await cardOf(encodeProfilePackage([HEADER, MF, withServices(ust), ...akas, END]));
    await transcript(card, select(USIM_AID));
    assert.match(await raw(card, command(RAND, AUTN)), umts);
    assert.match(await raw(card, GSM), gsm);
    await transcript(card, select(ISIM_AID), [GSM, '6A86']);
    assert.match(await raw(card, command(RAND, AUTN)), /^DB08.{16}10.{32}10.{32}9000$/);
  }
});

describe('sequence numbers', () => {
  const KEY = new Secret(new Uint8Array(16));
  const RAND = '00'.repeat(16);
  const milenageOf = (sqn: Uint8Array, amf: string) =>
    milenageFunctions({ k: KEY, opc: KEY, rand: fromHex(RAND), sqn, amf: fromHex(amf) });
  const sqnOf = (seq: number, ind = 0): Uint8Array => uintBytes(seq * 32 + ind, 6);
  const autnOf = (seq: number, ind = 0): string => {
    const { ak, macA } = milenageOf(sqnOf(seq, ind), '8000');
    return `${toHex(sqnOf(seq, ind).map((octet, i) => octet ^ (ak[i] ?? 0)))}8000${toHex(macA)}`;
  };
  const autsOf = (seq: number, ind = 0): string => {
    const { akStar, macS } = milenageOf(sqnOf(seq, ind), '0000');
    return `DC0E${toHex(sqnOf(seq, ind).map((octet, i) => octet ^ (akStar[i] ?? 0)))}${toHex(macS)}9000`;
  };
  const isFresh = async (card: Euicc, seq: number, ind = 0): Promise<boolean> =>
    (await raw(card, command(RAND, autnOf(seq, ind)))).startsWith('DB');

  test('of an ISIM that is mapped on the USIM are those of the USIM', async () => {
    const mapped: ProfileElement = {
      type: 'akaParameter',
      value: {
        header: mandated(5),
        algoConfiguration: [
          {
            is: 'mappingParameter',
            value: { mappingOptions: fromHex('06'), mappingSource: fromHex(USIM_AID) },
          },
        ],
      },
    };
    const card = await cardOf(packageOf(milenage(), ISIM, mapped));
    await transcript(card, select(USIM_AID));
    assert.ok(await isFresh(card, 1));
    await transcript(card, select(ISIM_AID), [command(RAND, autnOf(1)), autsOf(1)]);
    assert.ok(await isFresh(card, 2));
    await transcript(card, select(USIM_AID), [command(RAND, autnOf(2)), autsOf(2)]);
  });

  test('start where the package says, and jump no further than it allows', async () => {
    const sqnInit = Array.from({ length: 32 }, () => uintBytes(100, 6));
    const limited = milenage({}, { sqnInit, sqnOptions: fromHex('02'), sqnDelta: uintBytes(50, 6) });
    const card = await cardOf(packageOf(limited));
    await transcript(
      card,
      select(USIM_AID),
      [command(RAND, autnOf(100)), autsOf(100)],
      [command(RAND, autnOf(151)), autsOf(100)],
    );
    assert.ok(await isFresh(card, 150));
    assert.ok(await isFresh(card, 200));
    await transcript(card, [command(RAND, autnOf(251)), autsOf(200)]);
  });

  test('count for each index apart, and are no older than the package allows where it sets a limit', async () => {
    const sqnAgeLimit = uintBytes(50, 6);
    const limited = await cardOf(packageOf(milenage({}, { sqnOptions: fromHex('01'), sqnAgeLimit })));
    const unlimited = await cardOf(packageOf(milenage({}, { sqnOptions: fromHex('00'), sqnAgeLimit })));
    for (const card of [limited, unlimited]) {
      await transcript(card, select(USIM_AID));
      assert.ok(await isFresh(card, 1000, 3));
      assert.ok(await isFresh(card, 951, 4));
      await transcript(card, [command(RAND, autnOf(951, 4)), autsOf(1000, 3)]);
    }
    // SEQ_MS - SEQ is 50, no longer below the limit (TS 33.102, C.2.2).
    await transcript(limited, [command(RAND, autnOf(950, 5)), autsOf(1000, 3)]);
    assert.ok(await isFresh(unlimited, 950, 5));
  });

  test('are not heeded any more where the key has been used as often as it may be', async () => {
    const card = await cardOf(packageOf(milenage({ authCounterMax: fromHex('000002') })));
    await transcript(card, select(USIM_AID));
    assert.ok(await isFresh(card, 1));
    assert.ok(await isFresh(card, 2));
    await transcript(card, [command(RAND, autnOf(3)), '9864']);
    await card.reset();
    await transcript(card, select(USIM_AID), [command(RAND, autnOf(3)), '9864']);
  });

  test('are there only for an application that authenticates', async () => {
    const card = await cardOf(packageOf(milenage(), ISIM));
    await transcript(card, select(ISIM_AID), [command(RAND, autnOf(1)), '6985']);
  });
});
