import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { AID_ISD_R, encodeAid, parseEid } from '../codec/ids.ts';
import { isAgentError } from '../base/errors.ts';
import { openTestingDriver } from '../modem/testing-driver.ts';
import { acquireCardLock } from './card-lock.ts';
import { es10 } from './card-operations.ts';
import {
  memoryOf,
  type ModemRecords,
  readModemRecords,
  withModem,
  writeModemRecords,
} from './state-folder.ts';

test('what a command may carry is learned once for a modem and its firmware, and known after a restart', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'state-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  /** A life of the agent: reads what is kept, sends a request until it passes. Answers the failures on the way. */
  const live = async (revision: string): Promise<number> => {
    let records: ModemRecords = await readModemRecords(folder);
    const { modem, clock } = await openTestingDriver({
      sim: { identity: { revision }, quirks: { maxCommandData: 130 } },
      modem: {
        remembered: (who) => memoryOf(records, who),
        onLearned: (who, memory) => {
          records = withModem(records, who, memory);
        },
      },
    });
    let failures = 0;
    for (;;) {
      const channel = await clock.settle(
        (await clock.settle(modem.openCard())).openChannel(encodeAid(AID_ISD_R)),
      );
      try {
        await clock.settle(es10(channel, new Uint8Array(300).fill(0x31)));
        break;
      } catch (error) {
        assert.ok(isAgentError(error, 'CARD_LOST'), String(error));
        failures += 1;
      } finally {
        await clock.settle(channel.close());
      }
    }
    await writeModemRecords(folder, records);
    return failures;
  };
  assert.equal(await live('FW-1'), 1);
  assert.equal(await live('FW-1'), 0);
  assert.equal(await live('FW-2'), 1);
  assert.equal(await live('FW-1'), 0);
  const kept = await readModemRecords(folder);
  assert.deepEqual(
    kept.map(({ revision, card }) => [revision, card?.maxCommandData]),
    [
      ['FW-2', 120],
      ['FW-1', 120],
    ],
  );
});

test('a damaged record of modems is no record', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'state-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const texts = [
    '',
    '{"modems":7}',
    '{"modems":[{"imei":1}]}',
    '{"modems":[{"imei":"1","revision":"2","card":{"maxCommandData":1e9,"way":"x"},"openSessions":[{"way":"cgla","id":"1\\rATD1"}]}]}',
  ];
  const read: ModemRecords[] = [];
  for (const text of texts) {
    await writeFile(join(folder, 'modem.json'), text);
    read.push(await readModemRecords(folder));
  }
  assert.deepEqual(read, [[], [], [], [{ imei: '1', revision: '2', card: {}, openSessions: [] }]]);
});

test('a card is worked with by one process of the machine', async () => {
  const eid = parseEid('89049032123451234512345678901235');
  const lock = await acquireCardLock(eid);
  await assert.rejects(acquireCardLock(eid), (error) => {
    assert.ok(isAgentError(error, 'CARD_LOCKED'));
    assert.match(String(error.data['holder']), /euicc-agent, process \d+/);
    return true;
  });
  await lock.release();
  await (await acquireCardLock(eid)).release();
});
