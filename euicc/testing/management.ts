// The owner of a card's ISD-R, or of another security domain, for tests: SCP03 sessions under any keyset, and keys as PUT KEY brings them.
import type { CommandApdu, ResponseApdu } from '../../codec/apdu.ts';
import { withChannel } from '../../codec/apdu.ts';
import type { CardSlot } from '../../codec/card.ts';
import { KEY_TYPE_AES, type PutKey, putKeyCommand } from '../../codec/put-key.ts';
import { Secret } from '../../base/log.ts';
import { aesKeyCheckValue } from '../../crypto/aes.ts';
import { encryptWithDek, type Scp03Keys, type Scp03Level } from '../../crypto/scp03.ts';
import { createScp03Host } from '../../crypto/scp03-host.ts';
import { exchange, openIsdR, selectAid } from './terminal.ts';

export type Keyset = Scp03Keys & { readonly kvn: number };

/** Keys that differ in every octet from those of another `from`. */
export function keysetOf(kvn: number, from: number, octets = 16): Keyset {
  const key = (offset: number) =>
    new Secret(Uint8Array.from({ length: octets }, (_, i) => (from + offset + i) & 0xff));
  return { kvn, enc: key(0x00), mac: key(0x30), dek: key(0x60) };
}

export type ManagementSession = {
  readonly channel: number;
  send(command: CommandApdu): Promise<ResponseApdu>;
  /** As `send` would transmit it, for an answer that is not opened. */
  wrap(command: CommandApdu): CommandApdu;
};

/** Throws `Error` where the card refuses the session. */
export async function openManagement(
  slot: CardSlot,
  keys: Keyset,
  options: {
    readonly level?: Scp03Level;
    readonly challenge?: number;
    /** 16 in S16 mode. */
    readonly octets?: number;
    /** Of another security domain than the ISD-R. */
    readonly aid?: Uint8Array;
  } = {},
): Promise<ManagementSession> {
  const { channel } = await openIsdR(slot);
  const { aid, level = 0x33, challenge = 7, octets = 8 } = options;
  if (aid !== undefined) {
    const selected = await selectAid(slot, aid, channel);
    if (selected.sw !== 0x9000) throw new Error(`SELECT: ${selected.sw.toString(16)}`);
  }
  const hostChallenge = new Uint8Array(octets).fill(challenge);
  const host = createScp03Host({ keys, keyVersion: keys.kvn, level, hostChallenge });
  const on = (command: CommandApdu): CommandApdu => ({ ...command, cla: withChannel(command.cla, channel) });
  const first = await exchange(slot, on(host.initializeUpdate));
  if (first.sw !== 0x9000) throw new Error(`INITIALIZE UPDATE: ${first.sw.toString(16)}`);
  host.accept(first.data);
  const second = await exchange(slot, on(host.externalAuthenticate()));
  if (second.sw !== 0x9000) throw new Error(`EXTERNAL AUTHENTICATE: ${second.sw.toString(16)}`);
  return {
    channel,
    wrap: (command) => on(host.wrap(command)),
    send: async (command) => host.unwrap(await exchange(slot, on(host.wrap(command)))),
  };
}

/** PUT KEY of all three keys under `dek`. */
export function putKeyset(next: Keyset, dek: Secret<Uint8Array>, change: Partial<PutKey> = {}): CommandApdu {
  const keys = [next.enc, next.mac, next.dek].map((key) => ({
    type: KEY_TYPE_AES,
    length: key.reveal().length,
    encrypted: encryptWithDek(dek, key),
    checkValue: aesKeyCheckValue(key),
  }));
  return putKeyCommand({ replaces: 0, version: next.kvn, identifier: 1, keys, ...change });
}
