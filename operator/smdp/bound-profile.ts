// Binds a profile package to one eUICC's one-time key: the Bound Profile Package of an SM-DP (SGP.22 2.5.4, 5.5; BSP in 2.6.4).
import { EMPTY } from '../../base/bytes.ts';
import { Secret } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import { encodeTlv } from '../../codec/ber-tlv.ts';
import { encodePlmn, type Eid, type Iccid } from '../../codec/ids.ts';
import {
  BoundProfilePackage,
  ConfigureISDPRequest,
  InitialiseSecureChannelRequest,
  ReplaceSessionKeysRequest,
  smdpSignInput,
} from '../../codec/rsp/bpp.ts';
import { StoreMetadataRequest } from '../../codec/rsp/profiles.ts';
import { oid } from '../../codec/tlv-table.ts';
import {
  BSP_KEY_LENGTH,
  BSP_KEY_TYPE,
  BSP_MAX_AUTHENTICATED,
  BSP_MAX_ENCRYPTED,
  type BspKeys,
  type BspProtector,
  createBspProtector,
  deriveBspKeys,
} from '../../crypto/bsp.ts';
import { type Ec, EC_SIGNATURE_OCTETS, type EcKeyPair } from '../../crypto/ec.ts';

/** Told of every secret that is made, for a laboratory that searches its own traffic and files for them. */
export type Witness = (name: string, secret: Uint8Array) => void;

const EVENTS = [
  'notificationInstall',
  'notificationEnable',
  'notificationDisable',
  'notificationDelete',
] as const;

/** StoreMetadata of an operational profile, BF25; the eUICC addresses the notification of every event to `address`. */
export function profileMetadata(profile: {
  readonly iccid: Iccid;
  readonly spn: string;
  readonly profileName: string;
  /** MCC and MNC of the owner. */
  readonly mccMnc: string;
  readonly address: string;
}): Uint8Array {
  return StoreMetadataRequest.encode({
    iccid: profile.iccid,
    serviceProviderName: profile.spn,
    profileName: profile.profileName,
    profileClass: 'operational',
    notificationConfigurationInfo: EVENTS.map((event) => ({
      profileManagementOperation: [event],
      notificationAddress: profile.address,
    })),
    profileOwner: { mccMnc: encodePlmn(profile.mccMnc) },
  });
}

export type Binding = {
  readonly ec: Ec;
  readonly random: Random;
  /** SK.DPpb.ECDSA: signs the key agreement. */
  readonly dpPbKey: EcKeyPair;
  /** The SM-DP's object identifier; the host identifier of the key agreement too. */
  readonly registeredId: string;
  readonly eid: Eid;
  readonly transactionId: Uint8Array;
  /** otPK.EUICC.ECKA, 04 X Y. */
  readonly euiccOtpk: Uint8Array;
  /** BF25. */
  readonly metadata: Uint8Array;
  /** The unprotected profile package. */
  readonly upp: Uint8Array;
  readonly witness: Witness;
  /** The package goes under keys of its own that ReplaceSessionKeys brings, or under the session keys (SGP.22 2.5.3). */
  readonly protection?: 'profile protection keys' | 'session keys';
};

/** BF36. Throws `KEY_INVALID` where otPK.EUICC is not on the curve. */
export function bindProfile(binding: Binding): Uint8Array {
  const { ec, dpPbKey, registeredId, eid, euiccOtpk, metadata, upp, witness } = binding;
  const oneTime = ec.generate(dpPbKey.curve);
  const sharedSecret = ec.sharedSecret(oneTime.curve, oneTime.privateKey, euiccOtpk);
  const hostId = oid.encode(registeredId);
  const sessionKeys = deriveBspKeys({ sharedSecret, hostId, eid });
  tell(witness, 'BSP session', sessionKeys);
  const protector = createBspProtector(sessionKeys);
  const configureIsdp = ConfigureISDPRequest.encode({
    dpProprietaryData: encodeTlv(0x80, hostId),
  });
  const firstSequenceOf87 = [protector.protect(0x87, configureIsdp)];
  const sequenceOf88 = pieces(metadata, BSP_MAX_AUTHENTICATED).map((part) => protector.protect(0x88, part));
  const secondSequenceOf87 =
    binding.protection === 'session keys' ? undefined : [replaceSessionKeys(binding, protector)];
  return BoundProfilePackage.encode({
    initialiseSecureChannelRequest: initialiseSecureChannel(binding, hostId, oneTime.publicKey),
    firstSequenceOf87,
    sequenceOf88,
    ...(secondSequenceOf87 === undefined ? {} : { secondSequenceOf87 }),
    sequenceOf86: pieces(upp, BSP_MAX_ENCRYPTED).map((part) => protector.protect(0x86, part)),
  });
}

/** The segment that brings random profile protection keys, under which the protector goes on (SGP.22 5.5.4). */
function replaceSessionKeys({ random, witness }: Binding, protector: BspProtector): Uint8Array {
  const keys = randomKeys(random);
  tell(witness, 'PPK', keys);
  const request = ReplaceSessionKeysRequest.encode({
    initialMacChainingValue: keys.initialMcv.reveal(),
    ppkEnc: keys.enc.reveal(),
    ppkCmac: keys.mac.reveal(),
  });
  const segment = protector.protect(0x87, request);
  protector.replaceSessionKeys(keys);
  return segment;
}

/**
 * A package that was bound to the same one-time key of the eUICC, for another transaction: the session keys come from the two
 * one-time keys and stay, only BF23 is made anew (SGP.22 3.1.3, bppEuiccOtpk). Nothing is built and no secret is touched.
 */
export function rebindProfile(
  binding: Pick<Binding, 'ec' | 'dpPbKey' | 'transactionId' | 'euiccOtpk'>,
  boundProfilePackage: Uint8Array,
): Uint8Array {
  const { initialiseSecureChannelRequest, ...rest } = BoundProfilePackage.decode(boundProfilePackage);
  const { controlRefTemplate, smdpOtpk } = InitialiseSecureChannelRequest.decode(
    initialiseSecureChannelRequest,
  );
  return BoundProfilePackage.encode({
    ...rest,
    initialiseSecureChannelRequest: initialiseSecureChannel(binding, controlRefTemplate.hostId, smdpOtpk),
  });
}

/** BF23 with smdpSign over its members and otPK.EUICC (SGP.22 5.5.1). */
function initialiseSecureChannel(
  { ec, dpPbKey, transactionId, euiccOtpk }: Pick<Binding, 'ec' | 'dpPbKey' | 'transactionId' | 'euiccOtpk'>,
  hostId: Uint8Array,
  smdpOtpk: Uint8Array,
): Uint8Array {
  const request = (smdpSign: Uint8Array): Uint8Array =>
    InitialiseSecureChannelRequest.encode({
      remoteOpId: 'installBoundProfilePackage',
      transactionId,
      controlRefTemplate: { keyType: BSP_KEY_TYPE, keyLen: BSP_KEY_LENGTH, hostId },
      smdpOtpk,
      smdpSign,
    });
  const unsigned = request(new Uint8Array(EC_SIGNATURE_OCTETS));
  return request(ec.sign(dpPbKey.curve, dpPbKey.privateKey, smdpSignInput(unsigned, euiccOtpk)));
}

function randomKeys(random: Random): BspKeys {
  const key = (): Secret<Uint8Array> => new Secret(random.bytes(BSP_KEY_LENGTH));
  return { enc: key(), mac: key(), initialMcv: key() };
}

function tell(witness: Witness, name: string, keys: BspKeys): void {
  witness(`${name} ENC`, keys.enc.reveal());
  witness(`${name} MAC`, keys.mac.reveal());
}

function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  if (bytes.length === 0) return [EMPTY];
  const count = Math.ceil(bytes.length / size);
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}
