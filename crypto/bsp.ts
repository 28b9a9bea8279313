// BSP, the protection of a bound profile package (SGP.22 2.6.4; SCP03t of SGP.02 4.1.3.3).
import { concat, equalBytes, uintBytes } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import { encodeLength, readTlv } from '../codec/ber-tlv.ts';
import { encodeEid, type Eid } from '../codec/ids.ts';
import { AES_BLOCK, aesCbcDecrypt, aesCbcEncrypt, aesEncryptBlock, pad80, unpad80 } from './aes.ts';
import { aesCmac } from './cmac.ts';
import { x963Kdf } from './kdf.ts';

/** The key type and key length that the control reference template names (SGP.22 2.5.4): AES-128. */
export const BSP_KEY_TYPE = 0x88;
export const BSP_KEY_LENGTH = 0x10;

/** Most plaintext octets in one encrypted segment (86, 87) and in one that is only authenticated (88): 1020 in all. */
export const BSP_MAX_ENCRYPTED = 1007;
export const BSP_MAX_AUTHENTICATED = 1008;

const MAC_OCTETS = 8;

/** Session keys, or the keys that ReplaceSessionKeys brings; each 16 octets. */
export type BspKeys = {
  readonly enc: Secret<Uint8Array>;
  readonly mac: Secret<Uint8Array>;
  readonly initialMcv: Secret<Uint8Array>;
};

/** A segment's tag: 86 and 87 are encrypted and authenticated, 88 is authenticated only. */
export type BspTag = 0x86 | 0x87 | 0x88;

/** Session keys from the agreed secret, the SM-DP's host identifier and the EID (SGP.22 Annex G). */
export function deriveBspKeys(input: {
  readonly sharedSecret: Secret<Uint8Array>;
  readonly hostId: Uint8Array;
  readonly eid: Eid;
}): BspKeys {
  const eid = encodeEid(input.eid);
  const sharedInfo = concat(
    Uint8Array.of(BSP_KEY_TYPE, BSP_KEY_LENGTH),
    encodeLength(input.hostId.length),
    input.hostId,
    encodeLength(eid.length),
    eid,
  );
  const material = x963Kdf(input.sharedSecret, sharedInfo, 3 * BSP_KEY_LENGTH).reveal();
  const part = (n: number): Secret<Uint8Array> =>
    new Secret(material.slice(n * BSP_KEY_LENGTH, (n + 1) * BSP_KEY_LENGTH));
  return { initialMcv: part(0), enc: part(1), mac: part(2) };
}

/** What both directions keep: the keys in force, the MAC chaining value, the number of the next block. */
type Chain = { keys: BspKeys; mcv: Uint8Array; blockNumber: number };

function startChain(keys: BspKeys): Chain {
  return { keys, mcv: keys.initialMcv.reveal(), blockNumber: 1 };
}

function segmentMac(chain: Chain, tag: number, data: Uint8Array): Uint8Array {
  const header = concat(Uint8Array.of(tag), encodeLength(data.length + MAC_OCTETS));
  return aesCmac(chain.keys.mac, chain.mcv, header, data);
}

function initialVector(chain: Chain): Uint8Array {
  return aesEncryptBlock(chain.keys.enc, uintBytes(chain.blockNumber, AES_BLOCK));
}

/** Protects segments in the order of the calls. */
export type BspProtector = {
  /** One segment as a TLV. The caller keeps to `BSP_MAX_ENCRYPTED` and `BSP_MAX_AUTHENTICATED`. */
  protect(tag: BspTag, plaintext: Uint8Array): Uint8Array;
  /** Changes to the profile protection keys; the numbers of the blocks begin at 1 again. */
  replaceSessionKeys(keys: BspKeys): void;
};

/** The SM-DP's side. */
export function createBspProtector(keys: BspKeys): BspProtector {
  let chain = startChain(keys);
  return {
    protect(tag, plaintext) {
      const data =
        tag === 0x88 ? plaintext : aesCbcEncrypt(chain.keys.enc, pad80(plaintext), initialVector(chain));
      const mac = segmentMac(chain, tag, data);
      chain = { ...chain, mcv: mac, blockNumber: chain.blockNumber + 1 };
      return concat(
        Uint8Array.of(tag),
        encodeLength(data.length + MAC_OCTETS),
        data,
        mac.subarray(0, MAC_OCTETS),
      );
    },
    replaceSessionKeys(next) {
      chain = startChain(next);
    },
  };
}

/** Opens segments in the order in which they were protected. */
export type BspOpener = {
  /**
   * Verifies one segment TLV, then decrypts it where its tag is 86 or 87. Throws `BSP_SECURITY` or a TLV code;
   * after that no further segment opens.
   */
  open(segment: Uint8Array): { readonly tag: BspTag; readonly plaintext: Uint8Array };
  replaceSessionKeys(keys: BspKeys): void;
};

/** The eUICC's side. */
export function createBspOpener(keys: BspKeys): BspOpener {
  let chain: Chain | undefined = startChain(keys);
  return {
    open(segment) {
      const current = chain;
      chain = undefined;
      if (current === undefined) throw new AgentError('BSP_SECURITY', { why: 'the session has ended' });
      const { tag, value, raw } = readTlv(segment);
      const why = refusal(tag, value, segment.length - raw.length);
      if (why !== undefined) throw new AgentError('BSP_SECURITY', { block: current.blockNumber, why });
      const data = value.subarray(0, value.length - MAC_OCTETS);
      const mac = segmentMac(current, tag, data);
      if (!equalBytes(mac.subarray(0, MAC_OCTETS), value.subarray(data.length))) {
        throw new AgentError('BSP_SECURITY', { block: current.blockNumber, why: 'wrong MAC' });
      }
      const plaintext = tag === 0x88 ? Uint8Array.from(data) : decrypted(current, data);
      chain = { ...current, mcv: mac, blockNumber: current.blockNumber + 1 };
      return { tag: tag as BspTag, plaintext };
    },
    replaceSessionKeys(next) {
      if (chain !== undefined) chain = startChain(next);
    },
  };
}

function refusal(tag: number, value: Uint8Array, trailing: number): string | undefined {
  if (tag !== 0x86 && tag !== 0x87 && tag !== 0x88) return 'unknown segment tag';
  if (trailing !== 0) return 'octets follow the segment';
  if (value.length < MAC_OCTETS) return 'shorter than a MAC';
  const cipherOctets = value.length - MAC_OCTETS;
  if (tag !== 0x88 && (cipherOctets === 0 || cipherOctets % AES_BLOCK !== 0)) return 'not whole blocks';
  return undefined;
}

function decrypted(chain: Chain, data: Uint8Array): Uint8Array {
  const plaintext = unpad80(aesCbcDecrypt(chain.keys.enc, data, initialVector(chain)));
  if (plaintext === undefined) {
    throw new AgentError('BSP_SECURITY', { block: chain.blockNumber, why: 'wrong padding' });
  }
  return plaintext;
}
