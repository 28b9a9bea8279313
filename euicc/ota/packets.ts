// The security of a command packet: which keys, which level, which counter, and what the answer may be protected with
// (ETSI TS 102 225, 5; 3GPP TS 31.115, 4.2 and 4.4).
import { type CommandPacket, POR_STATUS, type Spi } from '../../codec/secured-packet.ts';
import { bytesUint } from '../../base/bytes.ts';
import { checkCounter, indicatorFits, meetsSecurityLevel, type Scp80Keys } from '../../crypto/scp80.ts';
import { openCommand } from '../../crypto/scp80-command.ts';
import type { Cell, State } from '../state.ts';
import type { OtaKeyset, RemoteApplication } from './applications.ts';

/** How a proof of receipt is protected: as the command asks, or not at all. */
export type Protection = {
  readonly spi: Pick<Spi, 'porIntegrity' | 'porCiphering'>;
  readonly keys: Scp80Keys;
};

/** What nothing is proved about gets no answer under a key: that would make the card an oracle for it. */
const UNPROTECTED: Protection = { spi: { porIntegrity: 'none', porCiphering: false }, keys: {} };

export type Judged =
  | {
      readonly ok: true;
      readonly data: Uint8Array;
      /** Of the keyset, 0 where there was none. */
      readonly version: number;
      readonly counter: number;
      readonly protection: Protection;
      /** The counter to store before anything is executed. */
      readonly advance?: { readonly cell: Cell<number>; readonly to: number };
    }
  | {
      readonly ok: false;
      /** As in `POR_STATUS`. */
      readonly status: number;
      readonly counter: number;
      readonly protection: Protection;
    };

/** Judges a packet. Stores nothing. */
export function judgePacket(
  packet: Uint8Array,
  parts: CommandPacket,
  application: RemoteApplication | undefined,
  state: State,
): Judged {
  const { spi } = parts;
  const refused = (status: number): Judged => ({
    ok: false,
    status,
    // Of a ciphered packet that is not believed, nothing is known.
    counter: spi.ciphering ? 0 : bytesUint(parts.body.subarray(0, 5)),
    protection: UNPROTECTED,
  });
  if (application === undefined) return refused(POR_STATUS.tarUnknown);
  if (!meetsSecurityLevel(spi, application.minimumSecurityLevel)) {
    return refused(POR_STATUS.insufficientSecurityLevel);
  }
  const keyset = keysetOf(parts, application);
  if (keyset === undefined) return refused(POR_STATUS.unidentifiedSecurityError);
  const opened = openCommand(packet, keyset.keys);
  if (!opened.ok) return refused(opened.status);
  if (!isAnswerable(parts, keyset.keys)) return refused(POR_STATUS.unidentifiedSecurityError);
  const { counter, data } = opened.command;
  const { version } = keyset;
  const protection = { spi, keys: keyset.keys };
  if (keyset.counter === undefined) {
    if (isCounted(spi)) return refused(POR_STATUS.unidentifiedSecurityError);
    return { ok: true, data, version, counter, protection };
  }
  const last = state.read(keyset.counter);
  const judged = checkCounter(spi.counter, counter, last);
  if (!judged.ok) return { ok: false, status: judged.status, counter, protection };
  return {
    ok: true,
    data,
    version,
    counter,
    protection,
    ...(judged.last === last ? {} : { advance: { cell: keyset.counter, to: judged.last } }),
  };
}

function isCounted({ counter }: Spi): boolean {
  return counter === 'higher' || counter === 'next';
}

/**
 * The one keyset that a packet names; both of its keys and its counter are of one version. Without any security there are no
 * keys. Undefined where the card does not have what is named.
 */
function keysetOf(
  { spi, kic, kid }: CommandPacket,
  application: RemoteApplication,
):
  | (Partial<Pick<OtaKeyset, 'counter'>> & Pick<OtaKeyset, 'keys'> & { readonly version: number })
  | undefined {
  const answers = spi.por !== 'none';
  const named = new Set<number>();
  if (spi.ciphering || (answers && spi.porCiphering)) named.add(kic >> 4);
  if (spi.integrity === 'cc' || (answers && spi.porIntegrity === 'cc')) named.add(kid >> 4);
  if (named.size === 0 && isCounted(spi)) named.add(kid >> 4);
  if (named.size === 0) return { keys: {}, version: 0 };
  const [version = 0] = named;
  const keyset = named.size === 1 ? application.keyset(version) : undefined;
  return keyset === undefined ? undefined : { ...keyset, version };
}

/**
 * Whether the proof of receipt can have the protection that is asked for. Only a command with a checksum gets one under a key:
 * answers to anybody would be samples of what the key does.
 */
function isAnswerable({ spi, kic, kid }: CommandPacket, keys: Scp80Keys): boolean {
  const { integrity, por, porCiphering, porIntegrity } = spi;
  if (por === 'none') return true;
  if (porIntegrity === 'ds') return false;
  const sums = porIntegrity !== 'cc' || (keys.kid !== undefined && indicatorFits(kid, keys.kid));
  const ciphers = !porCiphering || (keys.kic !== undefined && indicatorFits(kic, keys.kic));
  const keyed = porCiphering || porIntegrity === 'cc';
  return sums && ciphers && (integrity === 'cc' || !keyed);
}

/** Whether this outcome is to be answered. */
export function isAnswered(spi: Spi, status: number): boolean {
  return spi.por === 'always' || (spi.por === 'onError' && status !== POR_STATUS.porOk);
}
