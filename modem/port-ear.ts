// What a port that does not answer to AT says instead, so that a person learns which of a modem's ports it is.
import type { ByteLink } from './byte-link.ts';

export type PortEar = {
  /** The link to use in place of the one that is listened to. */
  readonly link: ByteLink;
  /** What was heard so far, in words. */
  heard(): string;
  /** Ends the listening. */
  deafen(): void;
};

const KEPT_OCTETS = 1024;
/** HDLC frame delimiter of diagnostic ports (QCDM) and of PPP. */
const FLAG = 0x7e;
const PPP_ADDRESS = [0xff, 0x7d];

/** Listens to the first KiB that comes over `link`. */
export function listenTo(link: ByteLink): PortEar {
  let kept: number[] = [];
  let listening = true;
  return {
    link: {
      ...link,
      read: (async function* () {
        for await (const chunk of link.read) {
          if (listening) kept.push(...chunk.subarray(0, KEPT_OCTETS - kept.length));
          yield chunk;
        }
      })(),
    },
    heard: () => describeSound(Uint8Array.from(kept)),
    deafen() {
      listening = false;
      kept = [];
    },
  };
}

/** Names what speaks like `octets`. */
export function describeSound(octets: Uint8Array): string {
  if (octets.length === 0) return 'nothing';
  const text = String.fromCharCode(...octets);
  if (/\$(?:G[A-Z]|B[DE]|P[A-Z])[A-Z]{1,4},/.test(text)) return 'NMEA sentences: its positioning port';
  const flags = octets.filter((octet) => octet === FLAG).length;
  if (flags > 0 && flags * 128 >= octets.length) {
    const at = octets.indexOf(FLAG);
    const ppp = PPP_ADDRESS.includes(octets[at + 1] ?? 0);
    return ppp ? 'PPP frames: a data call is up on it' : 'frames between 7E: its diagnostic port';
  }
  const printable = octets.filter(
    (octet) => (octet >= 0x20 && octet < 0x7f) || octet === 0x0d || octet === 0x0a,
  );
  if (printable.length * 10 < octets.length * 8) return 'noise: perhaps the rate is another one';
  if (/^[\r\n]*(?:AT\S*[\r\n]*)+$/.test(text)) return 'its own echo: nothing behind it answers';
  const line = text.split(/[\r\n]+/).find((part) => /[A-Za-z0-9]{3}/.test(part)) ?? '';
  return `text: ${line.replaceAll(/[^\x20-\x7e]/g, '.').slice(0, 60)}`;
}
