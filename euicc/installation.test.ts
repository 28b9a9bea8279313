// LoadBoundProfilePackage: every command of the package and every reason it can fail for, each with its signed result.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { concat, toHex } from '../base/bytes.ts';
import { encodeTlv } from '../codec/ber-tlv.ts';
import { encodeIccid, parseIccid, type Iccid } from '../codec/ids.ts';
import { bppSegments } from '../codec/rsp/bpp.ts';
import { NotificationMetadata } from '../codec/rsp/notifications.ts';
import { ProfileInfoListRequest, ProfileInfoListResponse } from '../codec/rsp/profiles.ts';
import { decodeProfilePackage, encodeProfilePackage } from '../codec/saip/package.ts';
import { loadProfilePackage } from './profile-loader.ts';
import { milenage } from './profile-samples.ts';
import type { ProfileMetadata } from './profiles.ts';
import type { BindChange } from './testing/sm-dp.ts';
import { profileStates, resultOf, signedNotifications } from './testing/results.ts';
import { type IsdRChannel, openIsdR, raw } from './testing/terminal.ts';
import {
  createWorld,
  type Download,
  ec,
  ICCID_A,
  ICCID_B,
  install,
  largePackage,
  prepare,
  PROVISIONING_ICCID,
  sampleMetadata,
  samplePackage,
  type World,
} from './testing/world.ts';

type Outcome = string;

/** `ok`, or command and reason of the failure. */
function outcomeOf(world: World, pir: Uint8Array): Outcome {
  const { finalResult } = resultOf(world, pir);
  if (finalResult.is === 'successResult') return 'ok';
  return `${finalResult.value.bppCommandId}: ${finalResult.value.errorReason}`;
}

/** Changes one octet of the piece at this position of the package, counted from its end. */
function tampered(pieces: readonly Uint8Array[], index: number, octetFromEnd: number): Uint8Array[] {
  return pieces.map((piece, i) => {
    if (i !== index) return piece;
    const changed = Uint8Array.from(piece);
    const at = changed.length - 1 - octetFromEnd;
    changed[at] = (changed[at] ?? 0) ^ 0x01;
    return changed;
  });
}

/** Sends pieces until one has an answer. */
async function loadPieces(isdR: IsdRChannel, pieces: readonly Uint8Array[]): Promise<Uint8Array> {
  for (const piece of pieces) {
    const data = await isdR.es10(piece);
    if (data.length > 0) return data;
  }
  assert.fail('no result');
}

async function outcome(
  download: Download,
  before: (isdR: IsdRChannel, world: World) => Promise<unknown> = async () => {},
): Promise<Outcome> {
  const world = await createWorld();
  const isdR = await openIsdR(world.card);
  await before(isdR, world);
  const result = outcomeOf(world, await install(world, isdR, download));
  if (result !== 'ok') {
    assert.deepEqual(
      Object.keys(await profileStates(isdR)).toSorted(),
      before.length === 0 ? [PROVISIONING_ICCID] : [PROVISIONING_ICCID, ICCID_A].toSorted(),
    );
  }
  return result;
}

const metadata = (change: Partial<ProfileMetadata>): Download => ({
  metadata: sampleMetadata(ICCID_A, change),
});
const bind = (change: BindChange): Download => ({ bind: change });
const broken = (signature: Uint8Array): Uint8Array =>
  signature.map((octet, i) => (i === 3 ? octet ^ 1 : octet));
const withoutUsim = (): Uint8Array =>
  encodeProfilePackage(decodeProfilePackage(samplePackage(ICCID_A)).filter(({ type }) => type !== 'mf'));
const strongKey = (): Uint8Array =>
  encodeProfilePackage(
    decodeProfilePackage(samplePackage(ICCID_A)).map((element) =>
      element.type === 'akaParameter' ? milenage({ key: new Uint8Array(16).fill(0x77) }) : element,
    ),
  );

describe('a bound profile package fails with', () => {
  const cases: readonly (readonly [expected: Outcome, download: Download])[] = [
    ['initialiseSecureChannel: invalidSignature', bind({ signature: broken })],
    ['initialiseSecureChannel: invalidTransactionId', bind({ transactionId: new Uint8Array(16) })],
    ['initialiseSecureChannel: unsupportedCrtValues', bind({ keyType: 0x80 })],
    ['initialiseSecureChannel: unsupportedRemoteOperationType', bind({ remoteOpId: 'code 2' })],
    ['initialiseSecureChannel: incorrectInputValues', bind({ smdpOtpk: new Uint8Array(65).fill(4) })],
    ['configureISDP: incorrectInputValues', bind({ dpOid: '2.999.99' })],
    ['storeMetadata: incorrectInputValues', bind({ metadata: encodeTlv(0xbf25, encodeTlv(0x91)) })],
    [
      'storeMetadata2: incorrectInputValues',
      bind({ metadata: encodeTlv(0xbf25, encodeTlv(0x91, new Uint8Array(40))), metadataSegment: 20 }),
    ],
    ['storeMetadata: unsupportedProfileClass', metadata({ profileClass: 'code 5' })],
    ['storeMetadata: pprNotAllowed', metadata({ profilePolicyRules: ['ppr1'] })],
    ['loadProfileElements: installFailedDueToPEProcessingError', { upp: withoutUsim() }],
    ['loadProfileElements: installFailedDueToPEProcessingError', { upp: new Uint8Array(50).fill(0x30) }],
    ['loadProfileElements: installFailedDueToIccidMismatch', { upp: samplePackage(ICCID_B) }],
    [
      'loadProfileElements: testProfileInstallFailedDueToInvalidNaaKey',
      { ...metadata({ profileClass: 'test' }), upp: strongKey() },
    ],
    ['ok', { ...metadata({ profileClass: 'test' }) }],
    ['ok', bind({ keepSessionKeys: true })],
    ['ok', bind({ metadataSegment: 30 })],
    ['ok', metadata({ icon: new Uint8Array(1000), iconType: 'png' })],
    [
      'ok',
      metadata({ profilePolicyRules: ['ppr2'], profileOwner: { mccMnc: Uint8Array.of(0x00, 0xf1, 0x10) } }),
    ],
  ];
  for (const [i, [expected, download]] of cases.entries()) {
    test(`${expected} (${i})`, async () => {
      assert.equal(await outcome(download), expected);
    });
  }

  test('loadProfileElements: installFailedDueToInsufficientMemoryForProfile', async () => {
    const world = await createWorld({ memory: 12_000 });
    const isdR = await openIsdR(world.card);
    const download = { upp: concat(samplePackage(ICCID_A), new Uint8Array(12_000)) };
    assert.equal(
      outcomeOf(world, await install(world, isdR, download)),
      'loadProfileElements: installFailedDueToInsufficientMemoryForProfile',
    );
    assert.equal(outcomeOf(world, await install(world, isdR)), 'ok');
  });

  test('storeMetadata: installFailedDueToIccidAlreadyExistsOnEuicc', async () => {
    const world = await createWorld();
    const isdR = await openIsdR(world.card);
    assert.equal(outcomeOf(world, await install(world, isdR)), 'ok');
    assert.equal(
      outcomeOf(world, await install(world, isdR)),
      'storeMetadata: installFailedDueToIccidAlreadyExistsOnEuicc',
    );
  });
});

test('an installation that fails in a way that nobody foresaw is told as an unknown error, and the next one succeeds', async () => {
  let broken = true;
  const cardEc = {
    ...ec,
    sharedSecret: (...input: Parameters<typeof ec.sharedSecret>) => {
      if (broken) throw new Error('the engine is broken');
      return ec.sharedSecret(...input);
    },
  };
  const world = await createWorld({ cardEc });
  const isdR = await openIsdR(world.card);
  const expected = 'initialiseSecureChannel: installFailedDueToUnknownError';
  assert.equal(outcomeOf(world, await install(world, isdR)), expected);
  assert.deepEqual(await signedNotifications(world, isdR), ['1 install errorResult']);
  broken = false;
  assert.equal(outcomeOf(world, await install(world, isdR)), 'ok');
});

describe('a package whose octets were changed', () => {
  // Pieces of the sample: BF36 with BF23, A0, A1 header, 88, A2, A3 header, 86 …
  const cases: readonly (readonly [piece: number, octetFromEnd: number, expected: Outcome])[] = [
    [0, 0, 'initialiseSecureChannel: invalidSignature'],
    [1, 0, 'configureISDP: scp03tSecurityError'],
    [1, 20, 'configureISDP: scp03tSecurityError'],
    [3, 0, 'storeMetadata: scp03tSecurityError'],
    [3, 40, 'storeMetadata: scp03tSecurityError'],
    [4, 5, 'replaceSessionKeys: scp03tSecurityError'],
    [6, 0, 'loadProfileElements: scp03tSecurityError'],
    [6, 500, 'loadProfileElements: scp03tSecurityError'],
  ];
  for (const [piece, octet, expected] of cases) {
    test(`in piece ${piece}, octet ${octet} from its end: ${expected}`, async () => {
      const world = await createWorld();
      const isdR = await openIsdR(world.card);
      const { boundProfilePackage } = await prepare(world, isdR);
      const pieces = tampered(bppSegments(boundProfilePackage), piece, octet);
      assert.equal(outcomeOf(world, await loadPieces(isdR, pieces)), expected);
      assert.equal((await isdR.send(pieces[piece + 1] ?? Uint8Array.of(0x86, 0))).sw, 0x6985, 'the rest');
      assert.deepEqual(await profileStates(isdR), { [PROVISIONING_ICCID]: 'enabled' });
      assert.deepEqual(await signedNotifications(world, isdR), ['1 install errorResult']);
    });
  }

  test('pieces left out, swapped or of another package are refused', async () => {
    const world = await createWorld();
    const isdR = await openIsdR(world.card);
    const without = (index: number) => (pieces: Uint8Array[]) => pieces.toSpliced(index, 1);
    const swapped = (pieces: Uint8Array[]): Uint8Array[] => {
      const [a, b] = [pieces[6], pieces[7]];
      return a === undefined || b === undefined ? pieces : pieces.toSpliced(6, 2, b, a);
    };
    const changes: readonly (readonly [(pieces: Uint8Array[]) => Uint8Array[], Outcome])[] = [
      [without(1), 'configureISDP: scp03tStructureError'],
      [without(2), 'storeMetadata: scp03tStructureError'],
      [without(3), 'storeMetadata: scp03tStructureError'],
      [without(5), 'loadProfileElements: scp03tStructureError'],
      [without(6), 'loadProfileElements: scp03tSecurityError'],
      [swapped, 'loadProfileElements: scp03tSecurityError'],
    ];
    for (const [change, expected] of changes) {
      const { boundProfilePackage } = await prepare(world, isdR, { upp: largePackage(ICCID_A) });
      assert.equal(
        outcomeOf(world, await loadPieces(isdR, change(bppSegments(boundProfilePackage)))),
        expected,
      );
    }
  });
});

describe('an installation', () => {
  test('cannot be replayed', async () => {
    const world = await createWorld();
    const isdR = await openIsdR(world.card);
    const { boundProfilePackage } = await prepare(world, isdR);
    assert.equal(outcomeOf(world, await isdR.load(boundProfilePackage)), 'ok');
    const [first] = bppSegments(boundProfilePackage);
    assert.equal((await isdR.send(first ?? new Uint8Array())).sw, 0x6985);
    await prepare(world, isdR);
    const replayed = outcomeOf(world, await isdR.load(boundProfilePackage));
    assert.equal(replayed, 'initialiseSecureChannel: invalidSignature');
  });

  test('that a new session interrupts is told as interrupted, once', async () => {
    const world = await createWorld();
    const isdR = await openIsdR(world.card);
    const { boundProfilePackage } = await prepare(world, isdR);
    for (const piece of bppSegments(boundProfilePackage).slice(0, -1)) await isdR.es10(piece);
    assert.equal(outcomeOf(world, await install(world, isdR)), 'ok');
    assert.deepEqual(await signedNotifications(world, isdR), [
      '1 install errorResult',
      '2 install successResult',
    ]);
  });

  test('that the power cut ends leaves nothing, and goes on later with the same one-time key', async () => {
    const world = await createWorld();
    const isdR = await openIsdR(world.card);
    const { boundProfilePackage, euiccOtpk } = await prepare(world, isdR);
    for (const piece of bppSegments(boundProfilePackage).slice(0, -1)) await isdR.es10(piece);
    await world.reopen();
    const again = await openIsdR(world.card);
    assert.deepEqual(await profileStates(again), { [PROVISIONING_ICCID]: 'enabled' });
    assert.deepEqual(await signedNotifications(world, again), []);
    const resumed = await prepare(world, again, {}, { bppEuiccOtpk: euiccOtpk });
    assert.deepEqual(resumed.euiccOtpk, euiccOtpk);
    assert.equal(outcomeOf(world, await again.load(resumed.boundProfilePackage)), 'ok');
  });

  test('names the profile, its ISD-P and the server in its result, and keeps what the server said of it', async () => {
    const world = await createWorld();
    const isdR = await openIsdR(world.card);
    const result = resultOf(world, await install(world, isdR));
    const told = NotificationMetadata.decode(result.notificationMetadata);
    assert.deepEqual(told, {
      seqNumber: 1,
      profileManagementOperation: ['notificationInstall'],
      notificationAddress: 'smdp.example.com',
      iccid: ICCID_A,
    });
    assert.deepEqual(result.finalResult.value, {
      aid: 'A0000005591010FFFFFFFF8900001100',
      simaResponse: Uint8Array.of(0x30, 7, 0xa0, 5, 0x30, 3, 0x80, 1, 0),
    });
    const list = ProfileInfoListResponse.decode(
      await isdR.es10(
        ProfileInfoListRequest.encode({
          searchCriteria: { is: 'iccid', value: ICCID_A },
          tagList: [0x5a, 0xb8, 0xb6, 0x95],
        }),
      ),
    );
    assert.equal(list.is, 'profileInfoListOk');
    assert.deepEqual(list.is === 'profileInfoListOk' && list.value, [
      {
        iccid: ICCID_A,
        profileClass: 'operational',
        notificationConfigurationInfo: sampleMetadata(ICCID_A).notificationConfigurationInfo,
        dpProprietaryData: Uint8Array.of(0x80, 3, 0x88, 0x37, 0x0a),
      },
    ]);
  });

  test('tells further addresses of it, and the server only once', async () => {
    const world = await createWorld();
    const isdR = await openIsdR(world.card);
    const [row] = sampleMetadata(ICCID_A).notificationConfigurationInfo ?? [];
    assert.ok(row);
    await install(
      world,
      isdR,
      metadata({
        notificationConfigurationInfo: [row, { ...row, notificationAddress: 'other.example.com' }],
      }),
    );
    assert.deepEqual(await signedNotifications(world, isdR), [
      '1 install successResult',
      `2 notificationInstall ${ICCID_A}`,
    ]);
  });
});

const TS48 = '../shared/testdata/ts48';

test('the TS.48 packages install, are enabled, and are read back', async (t) => {
  const names = await readdir(TS48).catch(() => []);
  const packages = names.filter((name) => name.endsWith('.der'));
  if (packages.length === 0) {
    t.skip('no shared test data');
    return;
  }
  for (const name of packages) {
    const upp = Uint8Array.from(await readFile(`${TS48}/${name}`));
    const loaded = loadProfilePackage(upp);
    assert.ok(loaded.ok, name);
    const iccid: Iccid = parseIccid(loaded.profile.iccid);
    const world = await createWorld({ profiles: [] });
    const isdR = await openIsdR(world.card);
    const download = { metadata: sampleMetadata(iccid, { profileClass: 'test' }), upp };
    assert.equal(outcomeOf(world, await install(world, isdR, download)), 'ok', name);
    const enable = concat(
      Uint8Array.of(0xa0, 0x0c, 0x5a, 0x0a),
      encodeIccid(iccid),
      Uint8Array.of(0x81, 1, 0),
    );
    assert.equal(toHex(await isdR.es10(encodeTlv(0xbf31, enable))), 'BF3103800100');
    await world.card.reset();
    assert.equal(await raw(world.card, '00A4000C022FE2'), '9000');
    assert.equal(await raw(world.card, '00B000000A'), `${toHex(encodeIccid(iccid))}9000`, name);
    assert.equal(await raw(world.card, '00A4040C07A0000000871002'), '9000');
    assert.equal(await raw(world.card, '00A4000C026F07'), '9000');
  }
});
