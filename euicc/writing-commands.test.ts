// Which commands write: all others, whatever they answer, leave the store untouched. Who writes has a test that cuts its power.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../base/bytes.ts';
import { INSTRUCTIONS } from './os/instructions.ts';
import { ES10_FUNCTIONS } from './isd-r.ts';
import { osWorld } from './testing/os-card.ts';
import { STATES } from './testing/status-word-states.ts';
import { TABLE } from './testing/status-word-table.ts';
import { openIsdR, raw } from './testing/terminal.ts';
import { createWorld } from './testing/world.ts';

/** Those of the card OS whose power is cut in `tear-files.test.ts`, `tear.test.ts`, `os/universal-pin.test.ts` and `ota/tear.test.ts`. */
const WRITING = [
  'UPDATE BINARY',
  'UPDATE RECORD',
  'INCREASE',
  'SET DATA',
  'VERIFY PIN',
  'CHANGE PIN',
  'DISABLE PIN',
  'ENABLE PIN',
  'UNBLOCK PIN',
  'DEACTIVATE FILE',
  'ACTIVATE FILE',
  'AUTHENTICATE',
  'TERMINAL RESPONSE',
  'ENVELOPE',
];

test('the table of commands holds every instruction of the card OS', () => {
  const listed = new Set(Object.values(TABLE).map((rows) => fromHex(rows[0]?.[1].slice(0, 4) ?? '')[1]));
  assert.deepEqual(
    [...INSTRUCTIONS.keys()].filter((ins) => !listed.has(ins)),
    [],
  );
});

test('a command that only reads writes nothing, whatever it answers', async () => {
  for (const [command, rows] of Object.entries(TABLE)) {
    if (WRITING.includes(command)) continue;
    for (const [state, hex] of rows) {
      const { card, files } = await osWorld();
      for (const step of STATES[state]) await raw(card, step);
      const { writes } = files;
      await raw(card, hex.replaceAll(' ', ''));
      assert.equal(files.writes, writes, `${command} ${hex}`);
    }
  }
});

test('each command that writes does, at least once in the table', async () => {
  const silent = new Set(WRITING);
  for (const command of WRITING) {
    for (const [state, hex] of TABLE[command] ?? []) {
      const { card, files } = await osWorld();
      for (const step of STATES[state]) await raw(card, step);
      const { writes } = files;
      await raw(card, hex.replaceAll(' ', ''));
      if (files.writes > writes) silent.delete(command);
    }
  }
  // These write where a proactive command or a packet asks for it, AUTHENTICATE where the network proves itself.
  assert.deepEqual([...silent], ['AUTHENTICATE', 'TERMINAL RESPONSE', 'ENVELOPE']);
});

/** Functions whose power is cut in `tear.test.ts`, `tear-es10.test.ts`, `tear-files.test.ts`, `iot/tear.test.ts` and `security-modules.test.ts`. */
const WRITING_FUNCTIONS: ReadonlySet<number> = new Set([
  // SetDefaultDpAddress, LoadCRL, PrepareDownload, GetEUICCChallenge (ends an installation), NotificationSent, SetNickname
  0xbf3f,
  0xbf35, 0xbf21, 0xbf2e, 0xbf30, 0xbf29,
  // LoadEuiccPackage, AddInitialEim, ProfileRollback, ConfigureImmediateProfileEnabling, ImmediateEnable
  0xbf51, 0xbf57, 0xbf58, 0xbf59, 0xbf5a,
  // EnableEmergencyProfile, DisableEmergencyProfile, ExecuteFallbackMechanism, ReturnFromFallback
  0xbf5b, 0xbf5c, 0xbf5d, 0xbf5e,
  // eUICCMemoryReset and SetDefaultDpAddress of SGP.32
  0xbf64, 0xbf65,
  // EnableProfile, DisableProfile, DeleteProfile, eUICCMemoryReset
  0xbf31, 0xbf32, 0xbf33, 0xbf34,
  // InstallSecurityModule
  0xbf7d,
]);

test('an ES10 function writes only where its power is cut in a test', async () => {
  const requests: readonly string[] = [
    'BF2000',
    'BF2200',
    'BF2E00',
    'BF3C00',
    'BF4300',
    'BF2D00',
    'BF2800',
    'BF2B00',
    'BF5600',
    'BF5500',
    'BF5F00',
    'BF3E035C015A',
    'BF3800',
    'BF410B80010081010282020000',
    'BF420480020780',
  ];
  for (const request of requests) {
    const { card, files } = await createWorld();
    const isdR = await openIsdR(card);
    const { writes } = files;
    await isdR.es10(fromHex(request)).catch(() => undefined);
    assert.equal(files.writes, writes, request);
  }
  const asked = new Set(requests.map((request) => Number.parseInt(request.slice(0, 4), 16)));
  const unknown = [...ES10_FUNCTIONS.keys()].filter((tag) => !asked.has(tag) && !WRITING_FUNCTIONS.has(tag));
  assert.deepEqual(
    unknown.map((tag) => toHex(Uint8Array.of(tag >> 8, tag & 0xff))),
    [],
  );
});
