// +CGLA (3GPP TS 27.007, 8.43) and the class of what goes through it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesUtf8, fromHex, utf8Bytes } from '../base/bytes.ts';
import { createVirtualClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { AID_ISD_R, encodeAid } from '../codec/ids.ts';
import { openAtSession } from './at-session.ts';
import { createLinkPair } from './byte-link.ts';
import { createCglaWay } from './card-cgla.ts';
import type { CardQuirks } from './card-way.ts';

/** What the class of an APDU is on the line, behind a session that the modem calls `id`. */
async function classOnTheLine(id: string, quirks: CardQuirks, apdu: string): Promise<string | undefined> {
  const [link, peer] = createLinkPair();
  const clock = createVirtualClock();
  let sent = '';
  void (async () => {
    for await (const chunk of peer.read) {
      sent += bytesUtf8(chunk);
      if (!sent.endsWith('\r')) continue;
      const answer = sent.includes('+CGLA') ? '+CGLA: 4,"9000"' : `+CCHO: ${id}`;
      await peer.write(utf8Bytes(`\r\n${answer}\r\n\r\nOK\r\n`));
    }
  })();
  const way = createCglaWay(openAtSession({ link, clock, log: silentLog }), { quirks });
  const session = await clock.settle(way.open(encodeAid(AID_ISD_R), { timeoutMs: 1_000 }));
  await clock.settle(session.send(fromHex(apdu), { timeoutMs: 1_000 }));
  return new RegExp(`CGLA=${id},\\d+,"(..)`).exec(sent)?.[1];
}

test('the class says nothing of the channel unless the modem wants it there, and then as ISO 7816-4 has it', async () => {
  const wanted = { cglaClassHasChannel: true };
  const seen: (string | undefined)[] = [];
  for (const [id, quirks] of [
    ['2', {}],
    ['2', wanted],
    ['5', wanted],
    ['7FB45C0000000001', wanted],
  ] as const) {
    seen.push(await classOnTheLine(id, quirks, '80E2910002BF2D'));
  }
  assert.deepEqual(seen, ['80', '82', 'C1', '80']);
});
