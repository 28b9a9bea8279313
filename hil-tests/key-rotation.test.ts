// New management keys on a whole managed card: by SCP03 and by SCP80, with answers that are lost, forged or of another script.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { decodeResponseScript, encodeResponseScript } from '../codec/script.ts';
import { loadScript, type ManagedWorld, managedWorld, onCard, play } from './smsr-world.ts';

const NOTHING = encodeResponseScript({ executed: 0, responses: [] });

const next = async ({ eid, service }: ManagedWorld): Promise<Uint8Array> =>
  (await service.administration.rotateKeys(eid)).script;

async function report({ eid, service }: ManagedWorld, answer: Uint8Array) {
  const { ended, ok, reason } = await service.administration.keyScriptResult(eid, answer);
  return { ended, ok, reason };
}

/** Versions in the key information template. */
async function onTheCard(world: ManagedWorld): Promise<number[]> {
  const channel = await world.isdR();
  const { data } = await channel.transmit(fromHex('80CA00E000')).then((answer) => ({ data: answer.data }));
  return [...toHex(data).matchAll(/C00401(..)88/g)].map(([, version]) => Number(`0x${version}`));
}

const inTheEis = async ({ store }: ManagedWorld): Promise<string> => {
  const rows = await store.read((reader) =>
    reader.selectFrom('eisKeys').select(['kvn', 'state']).orderBy('kvn').execute(),
  );
  return rows.map(({ kvn, state }) => `${kvn} ${state}`).join(', ');
};

const DONE: Awaited<ReturnType<typeof report>> = { ended: false, ok: true, reason: undefined };
const ENDED = { ...DONE, ended: true };

for (const [name, old, fresh] of [
  ['SCP03', 0x30, 0x31],
  ['SCP80', 0x01, 0x02],
] as const) {
  describe(`keys for ${name}`, () => {
    test('are put, confirmed by a receipt, and the old ones deleted; what comes next is under the new ones', async (t) => {
      const world = await managedWorld(t, { kvn: old });
      const put = await next(world);
      assert.deepEqual(await next(world), put, 'the same again');
      assert.equal(await inTheEis(world), `${old} active, ${fresh} pending`);
      const receipt = await play(world, put);
      assert.deepEqual(await onTheCard(world), [old, fresh]);
      assert.deepEqual(await report(world, receipt), DONE);
      assert.deepEqual(await report(world, receipt), DONE, 'told twice');
      assert.equal(await inTheEis(world), `${old} retired, ${fresh} active`);
      assert.deepEqual(await report(world, await play(world, await next(world))), ENDED);
      assert.deepEqual(await onTheCard(world), [fresh]);
      assert.equal(await inTheEis(world), `${fresh} active`);
      const { iccid, script } = await loadScript(world, 'mno-a');
      const loaded = await world.service
        .as('mno-a')
        .scriptResult({ eid: world.eid, responseScript: await play(world, script) });
      assert.deepEqual([loaded.ok, (await onCard(world))[iccid]], [true, 'disabled']);
    });

    test('that arrived unknown to anybody are found to work, and the old ones go', async (t) => {
      const world = await managedWorld(t, { kvn: old });
      await play(world, await next(world));
      assert.equal((await report(world, NOTHING)).ok, false);
      assert.equal(await inTheEis(world), `${old} active, ${fresh} pending`);
      assert.deepEqual(await report(world, await play(world, await next(world))), ENDED);
      assert.deepEqual([await onTheCard(world), await inTheEis(world)], [[fresh], `${fresh} active`]);
    });

    test('that never arrived are put again', async (t) => {
      const world = await managedWorld(t, { kvn: old });
      await next(world);
      await report(world, NOTHING);
      assert.equal((await report(world, await play(world, await next(world)))).ok, false);
      assert.deepEqual(await onTheCard(world), [old]);
      // Under SCP03 each script that was never played leaves the counters apart: the next answer brings them together.
      let told = DONE;
      for (let round = 0; round < 5 && !told.ended; round++) {
        told = { ...told, ...(await report(world, await play(world, await next(world)))) };
      }
      assert.deepEqual(told, ENDED);
      assert.deepEqual([await onTheCard(world), await inTheEis(world)], [[fresh], `${fresh} active`]);
    });

    test('stay as they were while an operator goes on with the old ones', async (t) => {
      const world = await managedWorld(t, { kvn: old });
      await play(world, await next(world));
      const { iccid, script } = await loadScript(world, 'mno-a');
      const loaded = await world.service
        .as('mno-a')
        .scriptResult({ eid: world.eid, responseScript: await play(world, script) });
      assert.deepEqual([loaded.ok, (await onCard(world))[iccid]], [true, 'disabled']);
      assert.deepEqual(await report(world, await play(world, await next(world))), ENDED);
    });

    test('are not believed without proof, nor from an MNO', async (t) => {
      const world = await managedWorld(t, { kvn: old });
      const answer = decodeResponseScript(await play(world, await next(world)));
      const forged = answer.responses.map((response) =>
        response.length < 12
          ? response
          : response.map((octet, i) => (i === response.length - 3 ? octet ^ 1 : octet)),
      );
      const asMno = await world.service
        .as('mno-a')
        .scriptResult({ eid: world.eid, responseScript: encodeResponseScript(answer) });
      assert.deepEqual([asMno.ok, asMno.reason], [false, 'no script awaits an answer']);
      const told = await report(world, encodeResponseScript({ ...answer, responses: forged }));
      assert.equal(told.ok, false);
      assert.equal(await inTheEis(world), `${old} active, ${fresh} pending`);
      assert.deepEqual(await report(world, await play(world, await next(world))), ENDED);
    });
  });
}
