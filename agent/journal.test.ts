import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { utf8Bytes, bytesUtf8 } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { openJournal, readLastRecord } from './journal.ts';

describe('journal', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'journal-'));
    path = join(folder, 'journal');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const write = async (...records: string[]): Promise<void> => {
    const journal = await openJournal(path);
    for (const record of records) await journal.append(utf8Bytes(record));
    await journal.close();
  };
  const lastOf = async (): Promise<string | undefined> => {
    const journal = await openJournal(path);
    await journal.close();
    return journal.last === undefined ? undefined : bytesUtf8(journal.last);
  };

  test('gives the last record back after it was closed and opened', async () => {
    assert.equal(await lastOf(), undefined);
    await write('one', 'two', 'three');
    assert.equal(await lastOf(), 'three');
  });

  test('cut at any octet, gives the last record that was whole, and goes on from there', async () => {
    await write('one', 'second');
    const whole = await readFile(path);
    const firstEnd = 4 + 8 + 3;
    for (let end = 4; end < whole.length; end++) {
      await writeFile(path, whole.subarray(0, end));
      assert.equal(await lastOf(), end >= firstEnd ? 'one' : undefined, `cut at ${end}`);
      await write('again');
      assert.equal(await lastOf(), 'again', `cut at ${end}`);
    }
  });

  test('refuses to start when a record before the last is damaged', async () => {
    await write('one', 'second');
    const whole = await readFile(path);
    whole[13] = (whole[13] ?? 0) ^ 1;
    await writeFile(path, whole);
    await assert.rejects(openJournal(path), (error) => isAgentError(error, 'JOURNAL_CORRUPT'));
  });

  test('takes a damaged length in the middle for damage, not for the end', async () => {
    await write('one', 'second', 'third');
    const whole = await readFile(path);
    for (const at of [4, 5, 6, 7]) {
      const damaged = Uint8Array.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0x40;
      await writeFile(path, damaged);
      await assert.rejects(
        openJournal(path),
        (error) => isAgentError(error, 'JOURNAL_CORRUPT'),
        `octet ${at}`,
      );
    }
  });

  test('drops a last record in which any octet is wrong', async () => {
    await write('one', 'second');
    const whole = await readFile(path);
    for (let at = 4 + 8 + 3; at < whole.length; at++) {
      const damaged = Uint8Array.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      await writeFile(path, damaged);
      assert.equal(await lastOf(), 'one', `octet ${at}`);
    }
  });

  test('can be looked at while it is open, and the look changes nothing', async () => {
    assert.equal(await readLastRecord(path), undefined);
    const journal = await openJournal(path);
    await journal.append(utf8Bytes('one'));
    assert.deepEqual(await readLastRecord(path), utf8Bytes('one'));
    const torn = Uint8Array.from([...(await readFile(path)), 0, 0, 0, 9, 1]);
    await writeFile(path, torn);
    assert.deepEqual(await readLastRecord(path), utf8Bytes('one'));
    assert.deepEqual(new Uint8Array(await readFile(path)), torn);
    await journal.close();
  });

  test('refuses a file that is no journal', async () => {
    await writeFile(path, 'something else');
    await assert.rejects(openJournal(path), (error) => isAgentError(error, 'JOURNAL_CORRUPT'));
  });

  test('keeps the file small and the last record whole over many appends', async () => {
    const journal = await openJournal(path);
    const record = new Uint8Array(40_000).fill(7);
    for (let i = 0; i < 60; i++) {
      record[0] = i;
      await journal.append(record);
    }
    await journal.close();
    assert.ok((await readFile(path)).length < 700_000);
    const again = await openJournal(path);
    assert.equal(again.last?.[0], 59);
    await again.close();
  });
});
