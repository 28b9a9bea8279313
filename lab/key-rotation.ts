// New management keys for the lab's eUICC, as its SM-SR's engineer gives them: the SM-SR's scripts, played on the card through the modem
// until the SM-SR says that the rotation has ended (seed 25).
import { AgentError } from '../base/errors.ts';
import { playScript, withIsdR } from '../agent/card-operations.ts';
import { encodeCommandApdu } from '../codec/apdu.ts';
import { readTlv, readTlvs } from '../codec/ber-tlv.ts';
import type { Eid } from '../codec/ids.ts';
import { encodeResponseScript } from '../codec/script.ts';
import type { SmSrService } from '../operator/smsr/smsr.ts';
import type { KeyRotationReport } from './report.ts';
import type { Terminal } from './terminal.ts';

/** One that puts the keys, one that deletes the old ones; more where the card was at another sequence counter. */
const MOST_SCRIPTS = 6;
const KEY_INFORMATION = {
  cla: 0x80,
  ins: 0xca,
  p1: 0x00,
  p2: 0xe0,
  data: new Uint8Array(0),
  le: 256,
} as const;

/** Nobody else may have the port. Throws `REFUSED` where the card does not take the keys. */
export async function rotateKeys(options: {
  readonly smsr: SmSrService;
  readonly terminal: Terminal;
  readonly eid: Eid;
  readonly signal: AbortSignal;
  /** A script is about to be played. */
  readonly onScript: (number: number) => void;
}): Promise<KeyRotationReport> {
  const { administration } = options.smsr;
  const { eid, signal, terminal } = options;
  const modem = await terminal.openModem();
  try {
    const card = await modem.openCard();
    const before = await keyVersions();
    for (let scripts = 1; scripts <= MOST_SCRIPTS; scripts++) {
      options.onScript(scripts);
      const { script } = await administration.rotateKeys(eid);
      const { responses } = await withIsdR(card, { signal }, (channel, basic) =>
        playScript(channel, script, { signal, basic }),
      );
      const answer = encodeResponseScript({ executed: responses.length, responses });
      const told = await administration.keyScriptResult(eid, answer);
      if (told.ended) return { before, after: await keyVersions(), scripts };
      if (!told.ok && told.resynchronised !== true) {
        throw new AgentError('REFUSED', { what: 'new management keys', why: told.reason });
      }
    }
    throw new AgentError('REFUSED', { what: 'new management keys', scripts: MOST_SCRIPTS });

    /** Versions of the ISD-R's keysets, by the card's own word. */
    async function keyVersions(): Promise<readonly number[]> {
      const { data } = await withIsdR(card, { signal }, (channel) =>
        channel.transmit(encodeCommandApdu(KEY_INFORMATION), { signal }),
      );
      return [...new Set(readTlvs(readTlv(data).value).map(({ value }) => value[1] ?? 0))];
    }
  } finally {
    await modem.close();
  }
}
