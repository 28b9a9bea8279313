// The universal PIN in place of another one (ETSI TS 102 221, 9.4.1, 9.5.2, 11.1.11): DISABLE PIN with an alternative key reference.
import { describe, test } from 'node:test';
import { fromHex } from '../../base/bytes.ts';
import { decodeProfilePackage, encodeProfilePackage, type ProfileElement } from '../../codec/saip/package.ts';
import { pins } from '../profile-samples.ts';
import { PIN, SELECT_USIM, transcript, VERIFY_1, VERIFY_LOCAL } from '../testing/os-card.ts';
import { osPackage } from '../testing/os-profile.ts';
import { tearAtEveryWrite } from '../testing/tear.ts';
import { raw } from '../testing/terminal.ts';
import { createWorld, ICCID_A, sampleMetadata, type World } from '../testing/world.ts';

const UNIVERSAL = '35353535FFFFFFFF';
const ADM = '31323334FFFFFFFF';

/** The profile of tests with a universal PIN in the MF, which the USIM lists too. */
function withUniversalPin(element: ProfileElement): ProfileElement {
  if (element.type === 'pinCodes' && element.value.header.identification === 21) {
    return pins(
      [
        { keyReference: 1, unblockingPinReference: 1 },
        { keyReference: 0x0a, pinValue: fromHex(ADM) },
        { keyReference: 0x11, pinValue: fromHex(UNIVERSAL) },
      ],
      21,
    );
  }
  const files = element.type === 'usim' ? element.value.files : undefined;
  if (element.type !== 'usim' || files === undefined) return element;
  const adf = (files['adf-usim'] ?? []).map((part) =>
    part.is === 'fileDescriptor'
      ? { ...part, value: { ...part.value, pinStatusTemplateDo: fromHex('01810A11') } }
      : part,
  );
  return { ...element, value: { ...element.value, files: { ...files, 'adf-usim': adf } } };
}

const upp = encodeProfilePackage(decodeProfilePackage(osPackage()).map(withUniversalPin));
const world = (): Promise<World> =>
  createWorld({ profiles: [{ upp, metadata: sampleMetadata(ICCID_A), enabled: true }] });

/** PIN status of the USIM: the qualifier of the universal PIN is 08 while it is to be verified in place of another. */
const STATUS = '80F2000000';
const READ_IMSI: readonly [string, string] = ['00B0870009', '0809101000000000109000'];

describe('a PIN that is disabled with another in its place', () => {
  test('opens nothing until the other one is verified, also after a reset', async () => {
    const opened = await world();
    const { card } = opened;
    await transcript(
      card,
      SELECT_USIM,
      [`0026910108${PIN}`, '9000'],
      ['00B0870009', '6982'],
      ['0088008110', '6982'],
      [`0020001108${PIN}`, '63C2'],
      ['00B0870009', '6982'],
      [`0020001108${UNIVERSAL}`, '9000'],
      READ_IMSI,
    );
    const again = await opened.reopen();
    await transcript(
      again,
      SELECT_USIM,
      [`0020000108${PIN}`, '6984'],
      ['00B0870009', '6982'],
      [`0020001108${UNIVERSAL}`, '9000'],
      READ_IMSI,
    );
  });

  test('opens all where the other one is disabled too', async () => {
    const { card } = await world();
    await transcript(
      card,
      SELECT_USIM,
      [`0026910108${PIN}`, '9000'],
      [`0026001108${UNIVERSAL}`, '9000'],
      READ_IMSI,
    );
  });

  test('counts for itself again once it is enabled or unblocked', async () => {
    for (const back of [`0028000108${PIN}`, `002C0001103838383838383838${PIN}`]) {
      const opened = await world();
      const { card } = opened;
      await transcript(card, SELECT_USIM, [`0026910108${PIN}`, '9000'], [back, '9000'], READ_IMSI);
      const again = await opened.reopen();
      await transcript(
        again,
        SELECT_USIM,
        [`0020001108${UNIVERSAL}`, '9000'],
        ['00B0870009', '6982'],
        VERIFY_1,
        READ_IMSI,
      );
    }
  });

  test('is disabled for good by a second DISABLE PIN only after it was enabled', async () => {
    const { card } = await world();
    await transcript(
      card,
      SELECT_USIM,
      [`0026910108${PIN}`, '9000'],
      [`0026000108${PIN}`, '6985'],
      [`0028000108${PIN}`, '9000'],
      [`0026000108${PIN}`, '9000'],
      READ_IMSI,
    );
  });

  test('may be a local one', async () => {
    const { card } = await world();
    await transcript(
      card,
      SELECT_USIM,
      VERIFY_1,
      VERIFY_LOCAL,
      [`0026918108${PIN}`, '9000'],
      ['00D69C0001BB', '6982'],
      [`0020001108${UNIVERSAL}`, '9000'],
      ['00D69C0001BB', '9000'],
    );
  });

  test('shows in the PIN status that the universal PIN is to be verified', async () => {
    const { card } = await world();
    const pinStatus = async (): Promise<string> => /C6.*9000$/.exec(await raw(card, STATUS))?.[0] ?? '';
    await transcript(card, SELECT_USIM);
    const shown = async (flags: string, qualifier: string): Promise<void> => {
      const expected = `C6129001${flags}83010183018183010A9501${qualifier}8301119000`;
      const found = await pinStatus();
      if (found !== expected) throw new Error(`${found}, expected ${expected}`);
    };
    await shown('F0', '00');
    await raw(card, `0026910108${PIN}`);
    await shown('70', '08');
    await raw(card, `0028000108${PIN}`);
    await raw(card, `0026000108${PIN}`);
    await shown('70', '00');
  });

  test('is refused for a reference that is not there, is no user PIN, or is the PIN itself', async () => {
    const { card } = await world();
    await transcript(
      card,
      [`0026920108${PIN}`, '6A88'],
      [`00268A0108${PIN}`, '6A86'],
      [`0026810108${PIN}`, '6A86'],
      [`0026110108${PIN}`, '6A86'],
      [`0026911108${UNIVERSAL}`, '6A86'],
      ['00200001', '63C3'],
      [`00269101083939393939393939`, '63C2'],
      ['00200001', '63C2'],
    );
  });
});

test('a power cut leaves the PIN enabled, or disabled with the other in its place', () =>
  tearAtEveryWrite({
    name: 'DISABLE PIN with a replacement',
    before: ['9000', '0809101000000000109000'],
    after: ['6984', '6982'],
    world,
    async arrange({ card }) {
      await raw(card, SELECT_USIM[0]);
      return () => raw(card, `0026910108${PIN}`);
    },
    async observe({ card }) {
      await raw(card, SELECT_USIM[0]);
      return [await raw(card, VERIFY_1[0]), await raw(card, '00B0870009')];
    },
  }));
