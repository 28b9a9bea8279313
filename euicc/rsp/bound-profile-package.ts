// ES10b.LoadBoundProfilePackage on the card (SGP.22 2.5, 5.7.6): every element verified, decrypted and interpreted as it comes.
import { concat, equalBytes } from '../../base/bytes.ts';
import { AgentError, isAgentError } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import { readTlvHeader } from '../../codec/ber-tlv.ts';
import { decodeIccid, type Aid, type Iccid } from '../../codec/ids.ts';
import {
  type BppPart,
  ConfigureISDPRequest,
  createBppReader,
  InitialiseSecureChannelRequest,
  ReplaceSessionKeysRequest,
  smdpSignInput,
} from '../../codec/rsp/bpp.ts';
import {
  type bppCommandId,
  type errorReason,
  NotificationMetadata,
  ProfileInstallationResult,
  ProfileInstallationResultData,
} from '../../codec/rsp/notifications.ts';
import { DpProprietaryData, StoreMetadataRequest } from '../../codec/rsp/profiles.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import {
  BSP_KEY_LENGTH,
  BSP_KEY_TYPE,
  type BspOpener,
  createBspOpener,
  deriveBspKeys,
} from '../../crypto/bsp.ts';
import type { Ec } from '../../crypto/ec.ts';
import type { LoadedProfile } from '../profile-content.ts';
import { loadProfilePackage } from '../profile-loader.ts';
import { failureReason, loadResponse } from '../profile-response.ts';
import { isTestKey } from '../profile-secrets.ts';
import type { EuiccIdentity } from './identity.ts';
import type { PreparedSession } from './session.ts';

export type ProfileMetadata = TypeOf<typeof StoreMetadataRequest>;
type CommandId = TypeOf<typeof bppCommandId>;
export type ErrorReason = TypeOf<typeof errorReason>;

/** A profile that passed every check, to be stored with its result in one transaction. */
export type InstalledProfile = {
  readonly metadata: ProfileMetadata;
  readonly profile: LoadedProfile;
  /** Value of dpProprietaryData in ConfigureISDP. */
  readonly dpProprietaryData?: Uint8Array;
  /** The unprotected profile package. */
  readonly upp: Uint8Array;
  readonly isdPAid: Aid;
};

/** The card around the loader. */
export type InstallationHost = {
  readonly iccidExists: (iccid: Iccid) => boolean;
  /** Why this metadata may not be installed here: profile class or policy rules. */
  readonly refuses: (metadata: ProfileMetadata) => 'unsupportedProfileClass' | 'pprNotAllowed' | undefined;
  /** Octets that are free for a profile package. */
  readonly freeMemory: () => number;
  /** The sequence number and the AID that the next installation takes. */
  readonly next: () => { readonly seqNumber: number; readonly isdPAid: Aid };
  /** Hears of an error that nobody foresaw: the server gets an unknown error for it. */
  readonly unforeseen: (error: unknown) => void;
  /** Stores the result as a pending notification and, on success, the profile; both or neither. */
  readonly commit: (outcome: {
    readonly seqNumber: number;
    readonly profileInstallationResult: Uint8Array;
    readonly serverAddress: string;
    readonly installed?: InstalledProfile;
  }) => Promise<void>;
};

export type BppLoader = {
  /** Takes the data of one ES10b command; answers its response: nothing, or BF37 at the end or at the first fault. */
  load(piece: Uint8Array): Promise<Uint8Array>;
  /** Ends an unfinished installation; its result is stored, and answered, as one that was interrupted. */
  interrupt(): Promise<Uint8Array>;
  /** Whether BF37 was answered: nothing more is taken. */
  readonly ended: boolean;
};

type Fault = {
  readonly command: CommandId;
  readonly reason: ErrorReason;
  readonly simaResponse?: Uint8Array;
};

const COMMAND_OF: Readonly<Record<Exclude<BppPart['is'], 'end'>, CommandId>> = {
  initialiseSecureChannelRequest: 'initialiseSecureChannel',
  firstSequenceOf87: 'configureISDP',
  sequenceOf88: 'storeMetadata',
  secondSequenceOf87: 'replaceSessionKeys',
  sequenceOf86: 'loadProfileElements',
};

/** Far more than an icon and addresses take. A server could keep the card busy for ever with segments of more. */
const MAX_METADATA = 65_536;

class InstallationFault extends Error {
  readonly fault: Fault;
  constructor(command: CommandId, reason: ErrorReason, simaResponse?: Uint8Array) {
    super(`${command}: ${reason}`);
    this.fault = { command, reason, ...(simaResponse === undefined ? {} : { simaResponse }) };
  }
}

export function createBppLoader(options: {
  readonly ec: Ec;
  readonly identity: EuiccIdentity;
  readonly session: PreparedSession;
  readonly host: InstallationHost;
}): BppLoader {
  const { ec, identity, session, host } = options;
  const reader = createBppReader();
  let opener: BspOpener | undefined;
  let metadataOctets: Uint8Array = concat();
  let metadata: ProfileMetadata | undefined;
  let metadataCommand: CommandId = 'storeMetadata';
  let dpProprietaryData: Uint8Array | undefined;
  const upp: Uint8Array[] = [];
  let uppLength = 0;
  let ended = false;

  const open = (segment: Uint8Array, command: CommandId): Uint8Array => {
    if (opener === undefined) throw new InstallationFault(command, 'incorrectInputValues');
    try {
      return opener.open(segment).plaintext;
    } catch (error) {
      if (isAgentError(error, 'BSP_SECURITY')) throw new InstallationFault(command, 'scp03tSecurityError');
      throw error;
    }
  };

  const storeMetadata = (piece: Uint8Array): void => {
    metadataOctets = concat(metadataOctets, piece);
    const { valueAt, length } = readTlvHeader(metadataOctets);
    if (valueAt + length > MAX_METADATA) throw new InstallationFault(metadataCommand, 'incorrectInputValues');
    if (metadataOctets.length < valueAt + length) return;
    const read = StoreMetadataRequest.decode(metadataOctets);
    if (host.iccidExists(read.iccid)) {
      throw new InstallationFault(metadataCommand, 'installFailedDueToIccidAlreadyExistsOnEuicc');
    }
    const refused = host.refuses(read);
    if (refused !== undefined) throw new InstallationFault(metadataCommand, refused);
    metadata = read;
  };

  const take = (part: BppPart): void => {
    switch (part.is) {
      case 'initialiseSecureChannelRequest':
        opener = initialiseSecureChannel(ec, identity, session, part.raw);
        return;
      case 'firstSequenceOf87':
        dpProprietaryData = configureIsdp(session, open(part.raw, 'configureISDP'));
        return;
      case 'sequenceOf88':
        if (metadataOctets.length > 0) metadataCommand = 'storeMetadata2';
        decoding(metadataCommand, () => storeMetadata(open(part.raw, metadataCommand)));
        return;
      case 'secondSequenceOf87': {
        const plain = open(part.raw, 'replaceSessionKeys');
        const keys = decoding('replaceSessionKeys', () => ReplaceSessionKeysRequest.decode(plain));
        opener?.replaceSessionKeys({
          enc: new Secret(keys.ppkEnc),
          mac: new Secret(keys.ppkCmac),
          initialMcv: new Secret(keys.initialMacChainingValue),
        });
        return;
      }
      case 'sequenceOf86': {
        const plain = open(part.raw, 'loadProfileElements');
        uppLength += plain.length;
        if (uppLength > host.freeMemory()) {
          throw new InstallationFault(
            'loadProfileElements',
            'installFailedDueToInsufficientMemoryForProfile',
          );
        }
        upp.push(plain);
        return;
      }
      case 'end':
        return;
    }
  };

  /** What fails in a way of its own is a result too: the server must not wait for one. Nothing is staged yet. */
  const guarded = <T>(command: CommandId, work: () => T): T => {
    try {
      return work();
    } catch (error) {
      if (error instanceof InstallationFault || isAgentError(error)) throw error;
      host.unforeseen(error);
      throw new InstallationFault(command, 'installFailedDueToUnknownError');
    }
  };

  /** Interprets the package; the answer is what will be stored. */
  const install = (): {
    readonly installed: InstalledProfile;
    readonly seqNumber: number;
    readonly simaResponse: Uint8Array;
  } => {
    const whole = concat(...upp);
    if (metadata === undefined) throw new InstallationFault('storeMetadata', 'incorrectInputValues');
    const outcome = loadProfilePackage(whole, { memory: host.freeMemory() });
    const simaResponse = loadResponse(outcome);
    if (!outcome.ok) throw new InstallationFault('loadProfileElements', failureReason(outcome), simaResponse);
    if (outcome.profile.iccid !== metadata.iccid) {
      throw new InstallationFault('loadProfileElements', 'installFailedDueToIccidMismatch');
    }
    if (metadata.profileClass === 'test' && !outcome.profile.akas.every(isTestKey)) {
      throw new InstallationFault('loadProfileElements', 'testProfileInstallFailedDueToInvalidNaaKey');
    }
    const { seqNumber, isdPAid } = host.next();
    return {
      installed: {
        metadata,
        profile: outcome.profile,
        upp: whole,
        isdPAid,
        ...(dpProprietaryData === undefined ? {} : { dpProprietaryData }),
      },
      seqNumber,
      simaResponse,
    };
  };

  /** Where the result goes; without a server the profile's own metadata says so, as far as it has come. */
  const serverAddress = (): string =>
    session.serverAddress ??
    metadata?.notificationConfigurationInfo?.find(({ profileManagementOperation }) =>
      profileManagementOperation.includes('notificationInstall'),
    )?.notificationAddress ??
    '';

  const result = (
    seqNumber: number,
    finalResult: TypeOf<typeof ProfileInstallationResultData>['finalResult'],
  ): Uint8Array => {
    const { credential, smdpOid, transactionId } = session;
    const iccid = metadata?.iccid ?? iccidIn(metadataOctets);
    const notificationMetadata = NotificationMetadata.encode({
      seqNumber,
      profileManagementOperation: ['notificationInstall'],
      notificationAddress: serverAddress(),
      ...(iccid === undefined ? {} : { iccid }),
    });
    const data = ProfileInstallationResultData.encode({
      transactionId,
      notificationMetadata,
      smdpOid,
      finalResult,
    });
    const euiccSignPIR = ec.sign(credential.curve, credential.privateKey, data);
    return ProfileInstallationResult.encode({ profileInstallationResultData: data, euiccSignPIR });
  };

  const succeed = async (): Promise<Uint8Array> => {
    const { installed, seqNumber, simaResponse } = guarded('loadProfileElements', install);
    const value = { aid: installed.isdPAid, simaResponse };
    const profileInstallationResult = result(seqNumber, { is: 'successResult', value });
    await host.commit({
      seqNumber,
      profileInstallationResult,
      serverAddress: serverAddress(),
      installed,
    });
    return profileInstallationResult;
  };

  const failWith = async ({ command, reason, simaResponse }: Fault): Promise<Uint8Array> => {
    const { seqNumber } = host.next();
    const value = {
      bppCommandId: command,
      errorReason: reason,
      ...(simaResponse === undefined ? {} : { simaResponse }),
    };
    const profileInstallationResult = result(seqNumber, { is: 'errorResult', value });
    await host.commit({ seqNumber, profileInstallationResult, serverAddress: serverAddress() });
    return profileInstallationResult;
  };

  return {
    get ended() {
      return ended;
    },
    async interrupt() {
      if (ended) throw new AgentError('CLOSED', { what: 'BoundProfilePackage' });
      ended = true;
      return failWith({ command: commandAt(reader.expects), reason: 'installFailedDueToInterruption' });
    },
    async load(piece) {
      if (ended) throw new AgentError('CLOSED', { what: 'BoundProfilePackage' });
      try {
        for (const part of reader.read(piece)) {
          guarded(commandAt(part.is), () => take(part));
          if (part.is !== 'end') continue;
          const answer = await succeed();
          ended = true;
          return answer;
        }
        return concat();
      } catch (error) {
        if (!(error instanceof InstallationFault) && !isAgentError(error)) throw error;
        ended = true;
        return failWith(error instanceof InstallationFault ? error.fault : structureFault(reader.expects));
      }
    },
  };
}

function commandAt(expects: BppPart['is']): CommandId {
  return expects === 'end' ? 'loadProfileElements' : COMMAND_OF[expects];
}

/** A plaintext whose MAC was right but which is not what the command asks for. */
function decoding<T>(command: CommandId, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (isAgentError(error)) throw new InstallationFault(command, 'incorrectInputValues');
    throw error;
  }
}

/** The value of dpProprietaryData, whose object identifier must be the SM-DP+'s (SGP.22 5.5.2). */
function configureIsdp(session: PreparedSession, plain: Uint8Array): Uint8Array | undefined {
  return decoding('configureISDP', () => {
    const { dpProprietaryData } = ConfigureISDPRequest.decode(plain);
    if (dpProprietaryData === undefined) return undefined;
    if (DpProprietaryData.decode(dpProprietaryData).dpOid !== session.smdpOid) {
      throw new InstallationFault('configureISDP', 'incorrectInputValues');
    }
    return dpProprietaryData;
  });
}

/** A member that is no well-formed structure: which command it belonged to says the reason. */
function structureFault(expects: BppPart['is']): Fault {
  const command = commandAt(expects);
  const reason = command === 'initialiseSecureChannel' ? 'incorrectInputValues' : 'scp03tStructureError';
  return { command, reason };
}

/** Checks BF23 against the session and agrees on the session keys (SGP.22 5.5.1). */
function initialiseSecureChannel(
  ec: Ec,
  identity: EuiccIdentity,
  session: PreparedSession,
  raw: Uint8Array,
): BspOpener {
  const fault = (reason: ErrorReason): InstallationFault =>
    new InstallationFault('initialiseSecureChannel', reason);
  let request: TypeOf<typeof InitialiseSecureChannelRequest>;
  try {
    request = InitialiseSecureChannelRequest.decode(raw);
  } catch (error) {
    if (!isAgentError(error)) throw error;
    throw fault(
      error.data['field'] === 'remoteOpId' ? 'unsupportedRemoteOperationType' : 'incorrectInputValues',
    );
  }
  const { controlRefTemplate: crt, remoteOpId, transactionId, smdpOtpk, smdpSign } = request;
  const { dpPbCertificate: dpPb, euiccOtKey } = session;
  if (!ec.verify(dpPb.curve, dpPb.publicKey, smdpSignInput(raw, euiccOtKey.publicKey), smdpSign)) {
    throw fault('invalidSignature');
  }
  if (remoteOpId !== 'installBoundProfilePackage') throw fault('unsupportedRemoteOperationType');
  if (!equalBytes(transactionId, session.transactionId)) throw fault('invalidTransactionId');
  if (crt.keyType !== BSP_KEY_TYPE || crt.keyLen !== BSP_KEY_LENGTH) throw fault('unsupportedCrtValues');
  try {
    const sharedSecret = ec.sharedSecret(euiccOtKey.curve, euiccOtKey.privateKey, smdpOtpk);
    return createBspOpener(deriveBspKeys({ sharedSecret, hostId: crt.hostId, eid: identity.eid }));
  } catch (error) {
    if (!isAgentError(error, 'KEY_INVALID')) throw error;
    throw fault('incorrectInputValues');
  }
}

/** The ICCID of metadata that could not be used, so that the result can name the profile. */
function iccidIn(metadata: Uint8Array): Iccid | undefined {
  try {
    const { valueAt } = readTlvHeader(metadata);
    if (metadata[valueAt] !== 0x5a || metadata[valueAt + 1] !== 10) return undefined;
    return decodeIccid(metadata.subarray(valueAt + 2, valueAt + 12));
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}
