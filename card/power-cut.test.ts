// A card that loses its power where --cut-write says, as a user of the program sees it.
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { run, runWell, temporaryFolder } from './testing/program.ts';

const SELECT_ISD_R = '00A4040C10A0000005591010FFFFFFFF8900000100';
/** SetDefaultDpAddress to "new". */
const CHANGE = '80E2910008BF3F0580036E657700';
const CHANGED = 'BF3F03800100';
/** GetEuiccConfiguredAddresses. */
const ASK = '80E2910003BF3C0000';

test('the power goes in the write that was asked for, nothing is answered, and the card is as before or after', async (t) => {
  const folder = temporaryFolder(t);
  const made = join(folder, 'a.card');
  await runWell(['issuer', join(folder, 'pki'), '--curve', 'P-256']);
  await runWell(['create', made, '--issuer', join(folder, 'pki'), '--dp-address', 'old', '--no-enable']);
  const lines = (...apdus: readonly string[]): string =>
    apdus.map((apdu) => `${JSON.stringify({ apdu })}\n`).join('');
  const addresses = new Set<string>();
  for (let at = 1; ; at++) {
    const card = join(folder, `${at}.card`);
    copyFileSync(made, card);
    copyFileSync(`${made}.key`, `${card}.key`);
    const cut = ['serve', card, '--stdio', '--cut-write', String(at)];
    const { code, stdout, stderr } = await run(cut, { input: lines(SELECT_ISD_R, CHANGE, CHANGE) });
    const { stdout: left } = await run(['serve', card, '--stdio'], { input: lines(SELECT_ISD_R, ASK) });
    const address = /"data":"BF3C..8003(6F6C64|6E6577)/.exec(left)?.[1] ?? left;
    addresses.add(address);
    if (code === 0) {
      assert.equal(address, '6E6577');
      assert.ok(at > 1, 'a command that changes the card was never cut');
      break;
    }
    assert.equal(code, 15, stderr);
    assert.match(stderr, /the power was cut.*"write":\d/);
    assert.match(stderr, /serve the card again/);
    const answers = stdout.split(CHANGED).length - 1;
    assert.equal(address, answers === 0 ? '6F6C64' : '6E6577');
    assert.ok(at < 10, 'every write was cut');
  }
  assert.deepEqual([...addresses].toSorted(), ['6E6577', '6F6C64']);
});

test('there is no write before the first', async () => {
  const { code, stderr } = await run(['serve', 'a.card', '--stdio', '--cut-write', '0']);
  assert.equal(code, 2);
  assert.match(stderr, /from 1 to/);
});
