// The keys of scenario #3 on both sides: one side has an ephemeral key, the other the key of its certificate (GlobalPlatform Amendment A
// 3.5.3 and E 4.8; ECKA-EG of BSI TR-03111 4.3.2.2; SGP.02 2.2.5.2).
import { concat, EMPTY } from '../base/bytes.ts';
import { Secret } from '../base/log.ts';
import { encodeTlv } from '../codec/ber-tlv.ts';
import { type AgreedKeyset, TAG_RANDOM } from '../codec/key-agreement.ts';
import { aesCmac } from './cmac.ts';
import { x963Kdf } from './kdf.ts';
import type { Scp03Keys } from './scp03.ts';

const USAGE_THREE_KEYS = 0x10;
const KEY_TYPE_AES = 0x88;

export type Agreement = {
  readonly keys: Scp03Keys;
  /** By which the security domain proves that it has them. */
  readonly receipt: Uint8Array;
};

/** Keys and receipt out of the agreed secret. `derivationRandom` is the security domain's, where it was asked for one. */
export function agreeOnKeys(input: {
  readonly sharedSecret: Secret<Uint8Array>;
  readonly keyset: AgreedKeyset;
  /** The control reference template as it was sent. */
  readonly control: Uint8Array;
  readonly derivationRandom?: Uint8Array;
  /** Identification number of the security domain's provider, where identities are mixed in. */
  readonly sin: Uint8Array;
}): Agreement {
  const { control, derivationRandom, keyset, sharedSecret, sin } = input;
  const { identities, keyOctets } = keyset;
  const counted = (octets: Uint8Array): Uint8Array => concat(Uint8Array.of(octets.length), octets);
  const sharedInfo = concat(
    Uint8Array.of(USAGE_THREE_KEYS, KEY_TYPE_AES, keyOctets),
    derivationRandom ?? EMPTY,
    ...(identities === undefined ? [] : [counted(identities.hostId), counted(sin), counted(identities.sdin)]),
  );
  const octets = x963Kdf(sharedSecret, sharedInfo, 4 * keyOctets).reveal();
  const key = (index: number): Secret<Uint8Array> =>
    new Secret(octets.slice(index * keyOctets, (index + 1) * keyOctets));
  const covered = concat(
    control,
    derivationRandom === undefined ? EMPTY : encodeTlv(TAG_RANDOM, derivationRandom),
  );
  return {
    keys: { enc: key(1), mac: key(2), dek: key(3) },
    receipt: aesCmac(key(0), covered),
  };
}
