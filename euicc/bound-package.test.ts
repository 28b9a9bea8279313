// A bound profile package as it comes: sizes of its segments, faults in each of its commands, interruption and cancelling at each piece.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex, uintBytes } from '../base/bytes.ts';
import { encodeTlv, readTlv } from '../codec/ber-tlv.ts';
import { bppSegments } from '../codec/rsp/bpp.ts';
import { GetEuiccChallengeRequest } from '../codec/rsp/euicc-info.ts';
import {
  RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse,
} from '../codec/rsp/notifications.ts';
import { CancelSessionRequest, CancelSessionResponse } from '../codec/rsp/prepare-download.ts';
import { EnableProfileRequest } from '../codec/rsp/profile-management.ts';
import { StoreMetadataRequest } from '../codec/rsp/profiles.ts';
import { encodeProfilePackage, type ProfileElement } from '../codec/saip/package.ts';
import { decodeEuiccResponse, peStatusName, type PeStatusName } from '../codec/saip/response.ts';
import {
  content,
  create,
  END,
  HEADER,
  management,
  mandated,
  MF,
  milenage,
  pins,
  transparent,
  USIM,
} from './profile-samples.ts';
import { profileStates, resultOf } from './testing/results.ts';
import { type IsdRChannel, openIsdR, raw } from './testing/terminal.ts';
import {
  createWorld,
  type Download,
  ICCID_A,
  install,
  largePackage,
  IMSI_A,
  prepare,
  PROVISIONING_ICCID,
  sampleMetadata,
  samplePackage,
  type World,
} from './testing/world.ts';

const TRANSACTION = new Uint8Array(16).fill(0xa1);

/** `ok`, or command and reason of the failure. */
function outcomeOf(world: World, pir: Uint8Array): string {
  const { finalResult } = resultOf(world, pir);
  if (finalResult.is === 'successResult') return 'ok';
  return `${finalResult.value.bppCommandId}: ${finalResult.value.errorReason}`;
}

/** The results of installations that wait to be delivered. */
async function resultsHeld(world: World, isdR: IsdRChannel): Promise<string[]> {
  const answer = RetrieveNotificationsListResponse.decode(
    await isdR.es10(RetrieveNotificationsListRequest.encode({})),
  );
  if (answer.is !== 'notificationList') throw new Error(answer.is);
  return answer.value.map((whole) => outcomeOf(world, whole));
}

async function outcome(download: Download): Promise<string> {
  const world = await createWorld();
  return outcomeOf(world, await install(world, await openIsdR(world.card), download));
}

/** Sends pieces until one has an answer. */
async function loadPieces(isdR: IsdRChannel, pieces: readonly Uint8Array[]): Promise<Uint8Array> {
  for (const piece of pieces) {
    const data = await isdR.es10(piece);
    if (data.length > 0) return data;
  }
  assert.fail('no result');
}

describe('segments', () => {
  /** An octet of padding, tag, length of two octets and MAC come on top. */
  const PLAIN_OF_1036 = 1023;

  test('of the profile are taken from one octet to 1036', async () => {
    const upp = largePackage(ICCID_A);
    for (const segment of [40, 500, 1007, PLAIN_OF_1036]) {
      assert.equal(await outcome({ upp, bind: { segment } }), 'ok', `${segment} octets`);
    }
    const world = await createWorld();
    const { boundProfilePackage } = await prepare(world, await openIsdR(world.card), {
      upp,
      bind: { segment: PLAIN_OF_1036 },
    });
    assert.equal(Math.max(...bppSegments(boundProfilePackage).map((piece) => piece.length)), 1036);
  });

  test('that are larger are refused', async () => {
    const larger = { upp: largePackage(ICCID_A), bind: { segment: PLAIN_OF_1036 + 16 } };
    assert.equal(await outcome(larger), 'loadProfileElements: scp03tStructureError');
  });

  test('of metadata may be many, and an icon of 1024 octets spans them', async () => {
    const icon = new Uint8Array(1024).fill(0x5a);
    for (const metadataSegment of [30, 300, 1008]) {
      const metadata = sampleMetadata(ICCID_A, { icon, iconType: 'jpg' });
      assert.equal(await outcome({ metadata, bind: { metadataSegment } }), 'ok', `${metadataSegment} octets`);
    }
  });
});

/** Metadata with an icon that may be larger than an icon is. */
function withIcon(octets: number, iccid = ICCID_A): Uint8Array {
  const members = readTlv(StoreMetadataRequest.encode(sampleMetadata(iccid))).value;
  return encodeTlv(
    0xbf25,
    members,
    encodeTlv(0x93, Uint8Array.of(1)),
    encodeTlv(0x94, new Uint8Array(octets)),
  );
}

/** A small package that asks for a large file; the card has 1 MiB. */
function withFile(size: string): Uint8Array {
  return samplePackage(ICCID_A, IMSI_A, [management(create(transparent('2F50', size)))]);
}

describe('a bound profile package comes to', () => {
  const bytes = (hex: string) => fromHex(hex);
  const plain: readonly (readonly [expected: string, download: Download])[] = [
    ['configureISDP: incorrectInputValues', { bind: { configureIsdp: bytes('BF2500') } }],
    ['configureISDP: incorrectInputValues', { bind: { configureIsdp: bytes('BF240AB8') } }],
    ['storeMetadata: incorrectInputValues', { bind: { metadata: bytes('BF2600') } }],
    ['storeMetadata2: incorrectInputValues', { bind: { metadata: withIcon(1025) } }],
    ['storeMetadata: incorrectInputValues', { bind: { metadata: withIcon(70_000) } }],
    [
      'storeMetadata2: installFailedDueToIccidAlreadyExistsOnEuicc',
      { bind: { metadata: withIcon(1024, PROVISIONING_ICCID) } },
    ],
    ['loadProfileElements: installFailedDueToInsufficientMemoryForProfile', { upp: withFile('7FFF0000') }],
    ['loadProfileElements: installFailedDueToInsufficientMemoryForProfile', { upp: withFile('100000') }],
    ['ok', { upp: withFile('080000') }],
    ['replaceSessionKeys: incorrectInputValues', { bind: { replaceSessionKeys: bytes('BF2600') } }],
    [
      'replaceSessionKeys: incorrectInputValues',
      { bind: { replaceSessionKeys: encodeTlv(0xbf26, encodeTlv(0x80, new Uint8Array(15))) } },
    ],
    [
      'storeMetadata2: pprNotAllowed',
      {
        metadata: sampleMetadata(ICCID_A, { profilePolicyRules: ['ppr1'] }),
        bind: { metadataSegment: 40 },
      },
    ],
  ];
  for (const [i, [expected, download]] of plain.entries()) {
    test(`${expected} (${i})`, async () => assert.equal(await outcome(download), expected));
  }

  // Pieces: BF36 with BF23, A0, A1 header, 88, A2, A3 header, 86.
  const structure: readonly (readonly [piece: number, expected: string])[] = [
    [1, 'configureISDP: scp03tStructureError'],
    [3, 'storeMetadata: scp03tStructureError'],
    [4, 'replaceSessionKeys: scp03tStructureError'],
    [6, 'loadProfileElements: scp03tStructureError'],
  ];
  for (const [index, expected] of structure) {
    test(`${expected} where a segment of piece ${index} has another tag`, async () => {
      const world = await createWorld();
      const isdR = await openIsdR(world.card);
      const { boundProfilePackage } = await prepare(world, isdR);
      const pieces = bppSegments(boundProfilePackage).map((piece, i) => {
        if (i !== index) return piece;
        const changed = Uint8Array.from(piece);
        const isSequence = piece[0] === 0xa0 || piece[0] === 0xa2;
        const at = isSequence ? piece.length - readTlv(piece).value.length : 0;
        changed[at] = 0x85;
        return changed;
      });
      assert.equal(outcomeOf(world, await loadPieces(isdR, pieces)), expected);
    });
  }
});

describe("the profile interpreter's answer to a package that it does not take", () => {
  const header = (change: object): ProfileElement =>
    HEADER.type === 'header' ? { type: 'header', value: { ...HEADER.value, ...change } } : HEADER;
  const unknown: ProfileElement = {
    type: 'unknown',
    tag: 0xbf3a,
    header: mandated(4),
    raw: fromHex('BF3A07A0058000810104'),
  };
  const file = (fcp: Parameters<typeof create>[0], hex = ''): ProfileElement =>
    management(create(fcp), ...(hex === '' ? [] : [content(hex)]));
  const pin: ProfileElement = pins([{ keyReference: 1, unblockingPinReference: 1 }]);
  const cases: readonly (readonly [
    PeStatusName,
    identification: number | undefined,
    readonly ProfileElement[],
  ])[] = [
    ['unsupportedProfileVersion', undefined, [header({ majorVersion: 9 }), MF, END]],
    ['featureNotSupported', undefined, [header({ mandatoryServices: ['usim', 'mbms'] }), MF, END]],
    ['templateNotSupported', undefined, [header({ mandatoryGfsteList: ['2.23.143.1.2.99'] }), MF, END]],
    ['peNotSupported', 4, [HEADER, MF, unknown, END]],
    ['invalidParameter', 7, [HEADER, MF, file(transparent('2FE2', '0A')), END]],
    ['badValues', 7, [HEADER, MF, file(transparent('4F01', '02'), '010203'), END]],
    ['featureNotSupported', 6, [HEADER, MF, USIM, milenage({ algorithmId: 9 }), END]],
    ['invalidRequestFormat', 1, [HEADER, MF]],
    ['pinCodeMissing', 99, [HEADER, MF, pin, END]],
  ];
  for (const [status, identification, elements] of cases) {
    test(`${status} of element ${identification ?? 'none'}`, async () => {
      const world = await createWorld();
      const isdR = await openIsdR(world.card);
      const { finalResult } = resultOf(
        world,
        await install(world, isdR, { upp: encodeProfilePackage([...elements]) }),
      );
      assert.ok(finalResult.is === 'errorResult');
      const { simaResponse, ...failed } = finalResult.value;
      assert.deepEqual(failed, {
        bppCommandId: 'loadProfileElements',
        errorReason: 'installFailedDueToPEProcessingError',
      });
      const { peStatus, profileInstallationAborted } = decodeEuiccResponse(simaResponse ?? assert.fail());
      assert.deepEqual(
        peStatus.map((each) => [peStatusName(each.status), each.identification]),
        [[status, identification]],
      );
      assert.ok(profileInstallationAborted);
    });
  }
});

test('result and notification are made of the octets that SGP.22 2.5.6 and 3.5 describe', async () => {
  const world = await createWorld();
  const isdR = await openIsdR(world.card);
  const pir = await install(world, isdR);
  const profileIdentifier = { is: 'iccid', value: ICCID_A } as const;
  await isdR.es10(EnableProfileRequest.encode({ profileIdentifier, refreshFlag: false }));
  const answer = RetrieveNotificationsListResponse.decode(
    await isdR.es10(
      RetrieveNotificationsListRequest.encode({ searchCriteria: { is: 'seqNumber', value: 3 } }),
    ),
  );
  assert.ok(answer.is === 'notificationList');
  const [enabled = assert.fail()] = answer.value;
  const SIGNATURE = '5F3740';
  /** Everything before the signature, and behind it. */
  const parts = (whole: Uint8Array): readonly [string, string] => {
    const hex = toHex(whole);
    const at = hex.indexOf(SIGNATURE) + SIGNATURE.length;
    return [hex.slice(0, at), hex.slice(at + 128)];
  };
  const ADDRESS = toHex(new TextEncoder().encode('smdp.example.com'));
  const ICCID = '988812010000000010F9';
  assert.deepEqual(parts(pir), [
    [
      'BF3781A6BF2760',
      `8010${'A1'.repeat(16)}`,
      `BF2F25800101810207800C10${ADDRESS}5A0A${ICCID}`,
      '060388370A',
      'A21FA01D4F10A0000005591010FFFFFFFF890000110004093007A0053003800100',
      SIGNATURE,
    ].join(''),
    '',
  ]);
  const { euicc, eum } = world.pki;
  const certificates = toHex(euicc.certificate) + toHex(eum.certificate);
  const octets = 40 + 67 + certificates.length / 2;
  assert.deepEqual(parts(enabled), [
    `3082${toHex(uintBytes(octets, 2))}BF2F25800103810206400C10${ADDRESS}5A0A${ICCID}${SIGNATURE}`,
    certificates,
  ]);
});

test('a card with more memory holds a larger profile, and shows it when it is enabled', async () => {
  const world = await createWorld({ memory: 4 * 1024 * 1024, profiles: [] });
  const isdR = await openIsdR(world.card);
  assert.equal(outcomeOf(world, await install(world, isdR, { upp: withFile('200000') })), 'ok');
  const profileIdentifier = { is: 'iccid', value: ICCID_A } as const;
  await isdR.es10(EnableProfileRequest.encode({ profileIdentifier, refreshFlag: false }));
  await world.reopen();
  assert.match(await raw(world.card, '00A40004022F5000'), /^62.*80042?0*200000.*9000$/);
});

test('an installation that stops before its first member is whole is interrupted at initialiseSecureChannel', async () => {
  const world = await createWorld();
  const isdR = await openIsdR(world.card);
  const { boundProfilePackage } = await prepare(world, isdR);
  assert.equal((await isdR.es10(boundProfilePackage.subarray(0, 40))).length, 0);
  await isdR.es10(GetEuiccChallengeRequest.encode({}));
  const expected = ['initialiseSecureChannel: installFailedDueToInterruption'];
  assert.deepEqual(await resultsHeld(world, isdR), expected);
});

describe('an installation that stops after a piece', () => {
  const expected: readonly string[] = [
    'configureISDP',
    'storeMetadata',
    'storeMetadata',
    'replaceSessionKeys',
    'loadProfileElements',
    'loadProfileElements',
  ];

  for (const [last, command] of expected.entries()) {
    test(`${last} is interrupted at ${command} by a new session, and told once`, async () => {
      const world = await createWorld();
      const isdR = await openIsdR(world.card);
      const { boundProfilePackage } = await prepare(world, isdR);
      const pieces = bppSegments(boundProfilePackage);
      assert.equal(pieces.length, expected.length + 1);
      for (const piece of pieces.slice(0, last + 1)) assert.equal((await isdR.es10(piece)).length, 0);
      for (const _ of [1, 2]) {
        await isdR.es10(GetEuiccChallengeRequest.encode({}));
        assert.deepEqual(await resultsHeld(world, isdR), [`${command}: installFailedDueToInterruption`]);
      }
      assert.equal((await isdR.send(pieces[last + 1] ?? assert.fail())).sw, 0x6985);
      assert.deepEqual(await profileStates(isdR), { [PROVISIONING_ICCID]: 'enabled' });
    });

    test(`${last} can be cancelled: signed, without a result, and another installation succeeds`, async () => {
      const world = await createWorld();
      const isdR = await openIsdR(world.card);
      const { boundProfilePackage } = await prepare(world, isdR);
      const pieces = bppSegments(boundProfilePackage);
      for (const piece of pieces.slice(0, last + 1)) await isdR.es10(piece);
      const request = CancelSessionRequest.encode({
        transactionId: TRANSACTION,
        reason: 'loadBppExecutionError',
      });
      assert.equal(CancelSessionResponse.decode(await isdR.es10(request)).is, 'cancelSessionResponseOk');
      assert.equal((await isdR.send(pieces[last + 1] ?? assert.fail())).sw, 0x6985);
      assert.equal(outcomeOf(world, await install(world, isdR)), 'ok');
      assert.deepEqual(await resultsHeld(world, isdR), ['ok']);
    });
  }
});
