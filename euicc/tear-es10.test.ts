// Power cut at every write of ES10 functions that change several things at once.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toHex, uintBytes } from '../base/bytes.ts';
import { Secret } from '../base/log.ts';
import { createSeededRandom } from '../base/random.ts';
import type { Iccid } from '../codec/ids.ts';
import {
  EuiccConfiguredAddressesRequest,
  EuiccConfiguredAddressesResponse,
  LoadCRLRequest,
  SetDefaultDpAddressRequest,
} from '../codec/rsp/configuration.ts';
import {
  DeleteProfileRequest,
  EnableProfileRequest,
  EuiccMemoryResetRequest,
  SetNicknameRequest,
} from '../codec/rsp/profile-management.ts';
import { issueCrl } from '../crypto/crl.ts';
import { milenage as milenageFunctions } from '../crypto/milenage.ts';
import { encodeProfilePackage } from '../codec/saip/package.ts';
import { END, HEADER, MF, milenage, USIM, USIM_AID } from './profile-samples.ts';
import { openCardStore } from './store.ts';
import { createTestPki } from './testing/pki.ts';
import { profileStates } from './testing/results.ts';
import { type TearCase, tearAtEveryWrite } from './testing/tear.ts';
import { type IsdRChannel, openIsdR, raw } from './testing/terminal.ts';
import {
  createWorld,
  ec,
  ICCID_A,
  ICCID_B,
  install,
  PROVISIONING_ICCID,
  sampleMetadata,
  STORE_KEY,
  type World,
} from './testing/world.ts';

const AT = Date.UTC(2026, 0, 1);
const A = ICCID_A;
const B = ICCID_B;
const P = PROVISIONING_ICCID;
const pki = createTestPki(ec);
const SELECT_USIM = `00A4040C0C${USIM_AID}`;

/** What the store holds after the power-up under names that begin so. */
const namesOf =
  (...prefixes: readonly string[]) =>
  async ({ files }: World): Promise<string> => {
    const random = createSeededRandom(1);
    const store = await openCardStore({ path: 'card', key: STORE_KEY, random, files });
    const names = store.names().filter((name) => prefixes.some((prefix) => name.startsWith(prefix)));
    return names.toSorted().join(' ');
  };

function crl(thisUpdate: number, part?: { readonly number: number; readonly of: number }): Uint8Array {
  const list = {
    number: 1,
    thisUpdate,
    nextUpdate: AT,
    revoked: [],
    ...(part === undefined ? {} : { part }),
  };
  return LoadCRLRequest.encode({ crl: issueCrl(ec, pki.issuer, list) });
}

/** A challenge of the network for the sample profile's key, whose MAC is wrong where asked for. */
function challenge(seq: number, right = true): string {
  const key = new Secret(new Uint8Array(16));
  const sqn = uintBytes(seq * 32, 6);
  const { ak, macA } = milenageFunctions({
    k: key,
    opc: key,
    rand: key.reveal(),
    sqn,
    amf: new Uint8Array(2),
  });
  const hidden = sqn.map((octet, i) => octet ^ (ak[i] ?? 0));
  const mac = right ? macA : new Uint8Array(8);
  return `008800812210${'00'.repeat(16)}10${toHex(hidden)}0000${toHex(mac)}00`;
}

const ski = toHex(pki.ciPKId);
const counted = encodeProfilePackage([HEADER, MF, USIM, milenage({ authCounterMax: uintBytes(9, 3) }), END]);
const countedIccid = '8988211000000000017' as Iccid;

const CASES: readonly TearCase<string>[] = [
  {
    name: 'LoadCRL, the last part: the older list goes',
    before: `crl/${ski} crl/${ski}.1`,
    after: `crl/${ski}.1 crl/${ski}.2`,
    world: () => createWorld({ pki }),
    async arrange({ card }) {
      const isdR = await openIsdR(card);
      await isdR.es10(crl(AT));
      await isdR.es10(crl(AT + 1000, { number: 1, of: 2 }));
      return () => isdR.es10(crl(AT + 1000, { number: 2, of: 2 }));
    },
    observe: namesOf('crl/'),
  },
  {
    name: 'deleting a profile that was in use: all of it goes',
    before:
      'info/17 notification/1 notification/2 notification/3 notification/4 notification/5 profile/17/aka/0 profile/17/package',
    after: 'notification/1 notification/2 notification/3 notification/4 notification/5 notification/6',
    world: () => createWorld({ pki }),
    async arrange(world) {
      const { card } = world;
      const isdR = await openIsdR(card);
      await install(world, isdR);
      await isdR.es10(SetNicknameRequest.encode({ iccid: A, profileNickname: 'in use' }));
      await isdR.es10(enabling(A));
      await card.reset();
      await raw(card, SELECT_USIM);
      assert.match(await raw(card, challenge(1)), /^DB/);
      const again = await openIsdR(card);
      await again.es10(enabling(P));
      return () => again.es10(DeleteProfileRequest.encode({ is: 'iccid', value: A }));
    },
    observe: namesOf('info/17', 'profile/17', 'notification/'),
  },
  {
    name: 'a memory reset of address and field-loaded test profile',
    before: `{"${P}":"enabled","${B}":"disabled"} other.example.com`,
    after: `{"${P}":"enabled"} dp.example.com`,
    world: () => createWorld({ pki, defaultDpAddress: 'dp.example.com' }),
    async arrange(world) {
      const isdR = await openIsdR(world.card);
      await isdR.es10(SetDefaultDpAddressRequest.encode({ defaultDpAddress: 'other.example.com' }));
      await install(world, isdR, { iccid: B, metadata: sampleMetadata(B, { profileClass: 'test' }) });
      const resetOptions = ['deleteFieldLoadedTestProfiles', 'resetDefaultSmdpAddress'] as const;
      return () => isdR.es10(EuiccMemoryResetRequest.encode({ resetOptions: [...resetOptions] }));
    },
    async observe({ card }) {
      const isdR = await openIsdR(card);
      return `${JSON.stringify(await profileStates(isdR))} ${await addressOf(isdR)}`;
    },
  },
  {
    name: 'AUTHENTICATE of another network, where the uses of the key are counted',
    before: 'profile/16/package',
    after: 'profile/16/aka/0 profile/16/package',
    world: () =>
      createWorld({
        pki,
        profiles: [{ upp: counted, metadata: sampleMetadata(countedIccid), enabled: true }],
      }),
    async arrange({ card }) {
      await raw(card, SELECT_USIM);
      return async () => assert.equal(await raw(card, challenge(1, false)), '9862');
    },
    observe: namesOf('profile/16/'),
  },
];

function enabling(value: Iccid): Uint8Array {
  return EnableProfileRequest.encode({ profileIdentifier: { is: 'iccid', value }, refreshFlag: false });
}

async function addressOf(isdR: IsdRChannel): Promise<string> {
  const { defaultDpAddress = '' } = EuiccConfiguredAddressesResponse.decode(
    await isdR.es10(EuiccConfiguredAddressesRequest.encode({})),
  );
  return defaultDpAddress;
}

describe('a cut at every write of', () => {
  for (const each of CASES) test(each.name, () => tearAtEveryWrite(each));
});
