// The GSMA TS.48 packages, bound by our SM-DP for one card, loaded over ES10 and read back file by file.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bytesUint, concat, fromHex, toHex, uintBytes } from '../base/bytes.ts';
import { createSeededRandom } from '../base/random.ts';
import { readOnly, readTlvs } from '../codec/ber-tlv.ts';
import { SW } from '../codec/apdu.ts';
import type { CardSlot } from '../codec/card.ts';
import { decodeIccid } from '../codec/ids.ts';
import { GetEuiccChallengeRequest, GetEuiccChallengeResponse } from '../codec/rsp/euicc-info.ts';
import { EnableProfileRequest, EnableProfileResponse } from '../codec/rsp/profile-management.ts';
import { StoreMetadataRequest } from '../codec/rsp/profiles.ts';
import { TEST_DP_OID, TEST_EID } from '../euicc/testing/pki.ts';
import {
  authenticated,
  authenticateServerRequest,
  euiccOtpkOf,
  prepareDownloadRequest,
} from '../euicc/testing/sm-dp.ts';
import { exchange, openIsdR } from '../euicc/testing/terminal.ts';
import { createWorld, ec } from '../euicc/testing/world.ts';
import { type Binding, bindProfile, profileMetadata } from '../operator/smdp/bound-profile.ts';
import { filesOfPackage, type PackageFile, pinOfPackage } from './package-files.ts';
import { finalResultOf } from './rsp-card.ts';

const TS48 = '../shared/testdata/ts48';
const packages = existsSync(TS48) ? readdirSync(TS48).filter((name) => name.endsWith('.der')) : [];
const ADM1 = 0x0a;
const USIM = 'A0000000871002FF49FF0589';
const CSIM = 'A0000003431002F310FFFF89020000FF';
const ISIM = 'A0000000871004FF49FF0589';

/** A card with the package installed through a whole session, enabled and reset. */
async function cardWith(upp: Uint8Array, protection: NonNullable<Binding['protection']>) {
  const world = await createWorld({ profiles: [] });
  const { card, pki } = world;
  const isdR = await openIsdR(card);
  const files = filesOfPackage(upp);
  const iccidFile = files.find(({ adf, path }) => adf === undefined && path.join() === String(0x2fe2));
  const iccid = decodeIccid(iccidFile?.written[0]?.octets ?? new Uint8Array(0));
  const { euiccChallenge } = GetEuiccChallengeResponse.decode(
    await isdR.es10(GetEuiccChallengeRequest.encode({})),
  );
  const { transactionId, request } = authenticateServerRequest(pki, euiccChallenge);
  const { euiccSignature1 } = authenticated(await isdR.es10(request));
  const prepared = prepareDownloadRequest(pki, { transactionId, euiccSignature1 });
  const euiccOtpk = euiccOtpkOf(await isdR.es10(prepared.request));
  const metadata = profileMetadata({
    iccid,
    spn: 'GSMA',
    profileName: 'TS.48',
    mccMnc: '00101',
    address: 'smdp.example.com',
  });
  const boundProfilePackage = bindProfile({
    ec,
    random: createSeededRandom(48),
    dpPbKey: prepared.pb.pair,
    registeredId: TEST_DP_OID,
    eid: TEST_EID,
    transactionId,
    euiccOtpk,
    metadata: StoreMetadataRequest.encode({ ...StoreMetadataRequest.decode(metadata), profileClass: 'test' }),
    upp,
    witness: () => {},
    protection,
  });
  assert.equal(finalResultOf(await isdR.load(boundProfilePackage)).is, 'successResult');
  const enable = EnableProfileRequest.encode({
    profileIdentifier: { is: 'iccid', value: iccid },
    refreshFlag: false,
  });
  assert.equal(EnableProfileResponse.decode(await isdR.es10(enable)).enableResult, 'ok');
  await card.reset();
  return { card, files };
}

async function command(card: CardSlot, header: string, data: Uint8Array = new Uint8Array(0), le?: number) {
  const [cla = 0, ins = 0, p1 = 0, p2 = 0] = fromHex(header);
  return exchange(card, { cla, ins, p1, p2, data, ...(le === undefined ? {} : { le }) });
}

/** The content of the file as the card tells it; undefined where its access rule lets nobody read it. */
async function readFile(card: CardSlot, { adf, path }: PackageFile): Promise<Uint8Array | undefined> {
  const way = concat(...path.map((fid) => uintBytes(fid, 2)));
  if (adf !== undefined) {
    const { sw } = await command(card, '00A4040C', fromHex(adf));
    assert.equal(sw, 0x9000, `ADF ${adf}`);
  }
  const selected = await command(card, adf === undefined ? '00A40804' : '00A40904', way);
  assert.equal(selected.sw, 0x9000, `SELECT ${toHex(way)} of ${adf ?? 'the MF'}`);
  const fcp = readTlvs(readOnly(selected.data, 0x62).value);
  const descriptor = fcp.find(({ tag }) => tag === 0x82)?.value ?? new Uint8Array(0);
  const size = bytesUint(fcp.find(({ tag }) => tag === 0x80)?.value ?? new Uint8Array(0));
  const kind = descriptor[0] ?? 0;
  const octets: Uint8Array[] = [];
  const take = ({ data, sw }: { data: Uint8Array; sw: number }): void => {
    assert.equal(sw, 0x9000, `READ ${toHex(way)} of ${adf ?? 'the MF'}: ${sw.toString(16)}`);
    octets.push(data);
  };
  if (kind === 0x79 || kind === 0x39) return new Uint8Array(0);
  if (
    (await command(card, (kind & 7) === 1 ? '00B00000' : '00B20104', undefined, 1)).sw === SW.securityStatus
  )
    return undefined;
  if ((kind & 7) === 1) {
    for (let at = 0; at < size; at += 0xf0) {
      const header = `00B0${toHex(uintBytes(at, 2))}`;
      take(await command(card, header, undefined, Math.min(0xf0, size - at)));
    }
  } else {
    const length = bytesUint(descriptor.subarray(2, 4));
    for (let number = 1; number <= size / length; number++) {
      take(await command(card, `00B2${toHex(uintBytes(number, 1))}04`, undefined, length));
    }
  }
  const content = concat(...octets);
  assert.equal(content.length, size);
  return content;
}

for (const name of packages) {
  for (const protection of ['profile protection keys', 'session keys'] as const) {
    test(`${name}, under ${protection}, is installed and reads back file by file`, async () => {
      const upp = new Uint8Array(readFileSync(`${TS48}/${name}`));
      const { card, files } = await cardWith(upp, protection);
      const verified = await command(card, `002000${toHex(uintBytes(ADM1, 1))}`, pinOfPackage(upp, ADM1));
      assert.equal(verified.sw, 0x9000, 'VERIFY ADM1');
      assert.deepEqual(new Set(files.map(({ adf }) => adf)), new Set([undefined, USIM, CSIM, ISIM]));
      const unreadable: string[] = [];
      let octets = 0;
      for (const file of files) {
        const where = `${file.adf ?? 'MF'}/${file.path.map((fid) => fid.toString(16)).join('/')}`;
        const content = await readFile(card, file);
        if (content === undefined) unreadable.push(where);
        if (content === undefined || content.length === 0) continue;
        if (file.size !== undefined) assert.equal(content.length, file.size, where);
        for (const { at, octets: written } of file.written) {
          octets += written.length;
          assert.equal(toHex(content.subarray(at, at + written.length)), toHex(written), `${where} at ${at}`);
        }
      }
      // Since version 5 the rule of EF.SUME names updating and managing, and no reading.
      assert.deepEqual(
        unreadable,
        name.startsWith('TS48V5') || name.startsWith('TS48v5') ? ['MF/7f10/6f54'] : [],
      );
      assert.ok(files.length > 200 && octets > 3000, `${files.length} files, ${octets} octets`);
    });
  }
}

test('the TS.48 packages are here', (t) => {
  if (packages.length === 0) t.skip('no TS.48 packages here');
});
