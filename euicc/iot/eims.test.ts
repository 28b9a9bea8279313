// The eIMs of a card: the initial ones, those that an eIM adds, changes and removes, and what is told of them.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../base/bytes.ts';
import {
  AddInitialEimRequest,
  AddInitialEimResponse,
  GetEimConfigurationDataRequest,
  GetEimConfigurationDataResponse,
} from '../../codec/rsp/sgp32-eim.ts';
import { encodePublicKeyInfo } from '../../crypto/ec-keys.ts';
import {
  type Configuration,
  configurationOf,
  type Configure,
  createTestEim,
  iotRig,
  packageRequest,
  readAnswer,
} from '../testing/eim.ts';
import { type IsdRChannel, openIsdR } from '../testing/terminal.ts';
import { createWorld, ec, type World } from '../testing/world.ts';

const listEim = { is: 'listEim', value: {} } as const;
const FIRST = '80 0F 65696D2E6578616D706C652E636F6D'.replaceAll(' ', '');

async function opened({ card }: World): Promise<IsdRChannel> {
  await card.reset();
  return openIsdR(card);
}

async function addInitial(world: World, ...list: readonly Configuration[]): Promise<string> {
  const isdR = await opened(world);
  const answer = AddInitialEimResponse.decode(
    await isdR.es10(AddInitialEimRequest.encode({ eimConfigurationDataList: [...list] })),
  );
  if (answer.is === 'addInitialEimError') return answer.value;
  return answer.value.map(({ is, value }) => (is === 'addOk' ? is : `token ${value}`)).join(', ');
}

async function shown(world: World, eimId?: string): Promise<readonly Configuration[]> {
  const request = GetEimConfigurationDataRequest.encode(
    eimId === undefined ? {} : { searchCriteria: { is: 'eimId', value: eimId } },
  );
  const isdR = await opened(world);
  return GetEimConfigurationDataResponse.decode(await isdR.es10(request)).eimConfigurationDataList;
}

describe('AddInitialEim', () => {
  test('adds all that are given, with tokens for those that ask', async () => {
    const world = await createWorld();
    const [one, two, three] = ['one', 'two', 'three'].map((name) => createTestEim(name));
    assert.ok(one && two && three);
    const list = [
      configurationOf(one, { associationToken: -1, eimFqdn: 'one.example.com', eimIdType: 'eimIdTypeFqdn' }),
      configurationOf(two),
      configurationOf(three, { associationToken: -1 }),
    ];
    assert.equal(await addInitial(world, ...list), 'token 1, addOk, token 2');
    await world.card.reset();
    const { counterValue: _counter, ...told } = configurationOf(one, {
      associationToken: 1,
      eimFqdn: 'one.example.com',
      eimIdType: 'eimIdTypeFqdn',
    });
    assert.deepEqual((await shown(world))[0], told);
    assert.deepEqual(
      (await shown(world)).map((eim) => [eim.eimId, eim.associationToken]),
      [
        ['one', 1],
        ['two', undefined],
        ['three', 2],
      ],
    );
    assert.deepEqual(
      (await shown(world, 'two')).map(({ eimId }) => eimId),
      ['two'],
    );
    assert.deepEqual(await shown(world, 'nobody'), []);
  });

  test('adds nothing when one of them may not be added, and says why', async () => {
    const world = await createWorld();
    const eim = createTestEim('eim');
    const good = configurationOf(createTestEim('good'));
    const { eimPublicKeyData: _key, ...keyless } = configurationOf(eim);
    const { counterValue: _counter, ...counterless } = configurationOf(eim);
    const bad: readonly (readonly [Configuration, string])[] = [
      [keyless, 'commandError'],
      [counterless, 'commandError'],
      [
        configurationOf(eim, { eimPublicKeyData: { is: 'eimPublicKey', value: fromHex('3003020101') } }),
        'commandError',
      ],
      [configurationOf(eim, { counterValue: 0x80_0000 }), 'counterValueOutOfRange'],
      [configurationOf(eim, { associationToken: 3 }), 'invalidAssociationToken'],
      [configurationOf(eim, { euiccCiPKId: fromHex('0102') }), 'ciPKUnknown'],
      [{ ...good }, 'associatedEimAlreadyExists'],
    ];
    for (const [configuration, why] of bad) {
      assert.equal(await addInitial(world, good, configuration), why);
      assert.deepEqual(await shown(world), []);
    }
    assert.equal(await addInitial(world), 'commandError');
    assert.equal(
      await addInitial(world, ...Array.from({ length: 9 }, (_, i) => configurationOf(createTestEim(`${i}`)))),
      'insufficientMemory',
    );
    assert.equal(await addInitial(world, good), 'addOk');
    assert.equal(await addInitial(world, configurationOf(eim)), 'associatedEimAlreadyExists');
  });

  test('refuses what is no list of eIMs', async () => {
    const isdR = await openIsdR((await createWorld()).card);
    assert.equal(toHex(await isdR.es10(fromHex('BF5706A00430028005'))), 'BF5703810107');
  });

  test('needs the secure channel on a managed card', async () => {
    const world = await createWorld({ managed: true });
    const isdR = await openIsdR(world.card);
    const request = AddInitialEimRequest.encode({
      eimConfigurationDataList: [configurationOf(createTestEim())],
    });
    assert.equal((await isdR.send(request)).sw, 0x6982);
  });
});

describe('operations on eIMs', () => {
  const second = createTestEim('second');
  const add = (change: Partial<Configuration> = {}): Configure => ({
    is: 'addEim',
    value: configurationOf(second, change),
  });
  const update = (value: Configuration): Configure => ({ is: 'updateEim', value });
  const remove = (eimId: string): Configure => ({ is: 'deleteEim', value: { eimId } });

  test('add one that is obeyed from then on, with or without a token', async () => {
    const rig = await iotRig();
    assert.deepEqual((await rig.eco(add({ associationToken: -1 }))).results, ['A803840101']);
    const eim = { ...second, token: 1 };
    const answer = await rig.isdR.es10(packageRequest(eim, { ecoList: [listEim] }));
    assert.equal(readAnswer(rig.world, answer, 1).is, 'signed');
    assert.deepEqual((await rig.eco(add(), remove('second'), add())).results, ['A803020102']);
    assert.deepEqual((await rig.eco(remove('second'), add())).results, ['890100', 'A803020100']);
    assert.deepEqual((await rig.eco(remove('second'), add({ associationToken: -1 }))).results, [
      '890100',
      'A803840102',
    ]);
    // A package of the association before is not one of the new.
    const old = await rig.isdR.es10(packageRequest(eim, { ecoList: [listEim], counterValue: 99 }));
    assert.equal(readAnswer(rig.world, old, 0).is, 'unsigned');
  });

  test('name why one is not added', async () => {
    const rig = await iotRig();
    const code = async (change: Partial<Configuration>) => (await rig.eco(add(change))).results;
    assert.deepEqual(await code({ euiccCiPKId: fromHex('01') }), ['A803020103']);
    assert.deepEqual(await code({ associationToken: 1 }), ['A803020105']);
    assert.deepEqual(await code({ counterValue: 0x80_0000 }), ['A803020106']);
    const wrong = { is: 'eimCertificate', value: fromHex('300B3003020101300003020001') } as const;
    assert.deepEqual(await code({ eimPublicKeyData: wrong }), ['A803020107']);
    const fillers = Array.from(
      { length: 8 },
      (_, i): Configure => ({
        is: 'addEim',
        value: configurationOf(createTestEim(`filler ${i}`)),
      }),
    );
    assert.equal((await rig.eco(...fillers)).results.at(-1), 'A803020101');
  });

  test('list them, with the type where it says how to read the identifier', async () => {
    const rig = await iotRig();
    await rig.eco(add({ eimIdType: 'eimIdTypeOid' }));
    assert.deepEqual((await rig.eco(listEim)).results, [`AB22A0203011${FIRST}300B80067365636F6E64820101`]);
    await rig.eco(update({ eimId: 'second', eimIdType: 'eimIdTypeProprietary' }));
    assert.deepEqual((await rig.eco(listEim)).results, [`AB1FA01D3011${FIRST}300880067365636F6E64`]);
  });

  test('delete one, the last one too, whose result is still signed', async () => {
    const rig = await iotRig({}, { associationToken: -1 });
    assert.deepEqual((await rig.eco(remove('nobody'))).results, ['890101']);
    assert.deepEqual((await rig.eco(remove(rig.eim.eimId))).results, ['890102']);
    assert.deepEqual(await shown(rig.world), []);
    assert.equal((await rig.eco(listEim)).is, 'unsigned');
  });

  test('change members of one, and name what may not be changed', async () => {
    const rig = await iotRig();
    const eimId = rig.eim.eimId;
    const code = async (value: Configuration) => (await rig.eco(update(value))).results;
    assert.deepEqual(await code({ eimId: 'nobody', eimFqdn: 'x' }), ['8A0101']);
    assert.deepEqual(await code({ eimId }), ['8A0107']);
    assert.deepEqual(await code({ eimId, associationToken: -1 }), ['8A0107']);
    assert.deepEqual(await code({ eimId, euiccCiPKId: fromHex('01') }), ['8A0103']);
    assert.deepEqual(await code({ eimId, counterValue: 0x80_0000 }), ['8A0106']);
    assert.deepEqual(await code({ eimId, counterValue: 1 }), ['8A0107']);
    assert.deepEqual(await code(configurationOf(rig.eim, { counterValue: 1 })), ['8A0107']);
    assert.deepEqual(
      await code({ eimId, eimFqdn: 'new.example.com', eimSupportedProtocol: ['eimRetrieveHttps'] }),
      ['8A0100'],
    );
    const [after] = await shown(rig.world);
    assert.equal(after?.eimFqdn, 'new.example.com');
    assert.equal(after.eimPublicKeyData?.is, 'eimPublicKey');
  });

  test('give an eIM a new key, with a counter that may be lower', async () => {
    const rig = await iotRig();
    const pair = ec.generate('P-256');
    const value = encodePublicKeyInfo(pair.curve, pair.publicKey);
    const old = { ...rig.eim };
    const changed = update({
      eimId: rig.eim.eimId,
      counterValue: 0,
      eimPublicKeyData: { is: 'eimPublicKey', value },
    });
    assert.deepEqual((await rig.eco(changed)).results, ['8A0100']);
    const answer = async (eim: typeof old) =>
      readAnswer(rig.world, await rig.isdR.es10(packageRequest(eim, { ecoList: [listEim] })), 0);
    assert.equal((await answer({ ...old, counter: 50 })).is, 'unsigned');
    assert.equal((await answer({ ...old, pair, counter: 0 })).counter, 1);
    assert.equal((await answer({ ...old, pair, counter: 0 })).code, 4);
  });

  test('raise the counter of the eIM that asks', async () => {
    const rig = await iotRig();
    assert.deepEqual((await rig.eco(update({ eimId: rig.eim.eimId, counterValue: 100 }))).results, [
      '8A0100',
    ]);
    assert.equal((await rig.eco(listEim)).code, 4);
    rig.eim.counter = 100;
    assert.equal((await rig.eco(listEim)).is, 'signed');
  });
});
