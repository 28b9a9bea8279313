// What the agent asks of the eUICC: ES10 functions over STORE DATA, and command scripts played as they came.
import { concat } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import {
  decodeCommandApdu,
  encodeCommandApdu,
  encodeResponseApdu,
  isSuccess,
  swText,
} from '../codec/apdu.ts';
import type { Card, CardChannel, TransmitOptions } from '../codec/card.ts';
import {
  AID_ISD_R,
  type Eid,
  encodeAid,
  encodeImei,
  encodeTac,
  VENDOR_ISD_R_AIDS,
  type Iccid,
  type Imei,
} from '../codec/ids.ts';
import { AuthenticateServerRequest, CtxParams1 } from '../codec/rsp/authenticate-server.ts';
import { GetRatRequest, GetRatResponse } from '../codec/rsp/configuration.ts';
import {
  GetEuiccChallengeRequest,
  GetEuiccChallengeResponse,
  GetEuiccDataRequest,
  GetEuiccDataResponse,
  GetEuiccInfo1Request,
} from '../codec/rsp/euicc-info.ts';
import {
  NotificationSentRequest,
  NotificationSentResponse,
  RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse,
} from '../codec/rsp/notifications.ts';
import { CancelSessionRequest, PrepareDownloadRequest } from '../codec/rsp/prepare-download.ts';
import { ProfileInfoListRequest, ProfileInfoListResponse } from '../codec/rsp/profiles.ts';
import { TAG_SIGNATURE } from '../codec/rsp/types.ts';
import { readOnly } from '../codec/ber-tlv.ts';
import { decodeCommandScript } from '../codec/script.ts';
import { storeDataCommands } from '../codec/store-data.ts';
import type { DownOf } from '../codec/wire.ts';

export type ProfileEntry = {
  readonly iccid: Iccid;
  readonly enabled: boolean;
  /** `test`, `provisioning` or `operational`, or the number that a card gave instead. */
  readonly profileClass: string;
  readonly name?: string;
};

/** How a script went. `responses` are data and status word of every command that was executed. */
export type ScriptRun = {
  readonly responses: readonly Uint8Array[];
  readonly total: number;
  readonly lastSw: number;
  /** BF37, when the card gave one. */
  readonly profileInstallationResult?: Uint8Array;
};

const TAG_PROFILE_INSTALLATION_RESULT = 0xbf37;

/** Opens the ISD-R, does `work` on its channel, and closes it whatever happens. The basic channel is there too. */
export async function withIsdR<T>(
  card: Card,
  options: { readonly signal?: AbortSignal },
  work: (channel: CardChannel, basic: Card['basic']) => Promise<T>,
): Promise<T> {
  const channel = await openIsdR(card, options);
  try {
    return await work(channel, card.basic);
  } finally {
    await closeQuietly(channel);
  }
}

/** By the standard's AID, then by those that vendors have given their cards; the failure of the first is what counts. */
async function openIsdR(card: Card, options: { readonly signal?: AbortSignal }): Promise<CardChannel> {
  let first: unknown;
  for (const aid of [AID_ISD_R, ...VENDOR_ISD_R_AIDS]) {
    try {
      return await card.openChannel(encodeAid(aid), options);
    } catch (error) {
      if (!isAgentError(error, 'CARD_STATUS', 'CARD_ACCESS')) throw error;
      first ??= error;
      const absent = error.code === 'CARD_STATUS' || error.data['why'] === 'refused';
      if (!absent) break;
    }
  }
  throw first;
}

/** A channel that cannot be closed is gone already; the modem sweeps what is left at its next start. */
async function closeQuietly(channel: CardChannel): Promise<void> {
  try {
    await channel.close();
  } catch (error) {
    if (!isAgentError(error)) throw error;
  }
}

/** One ES10 function: the request in STORE DATA blocks, the whole response data. Throws CARD_STATUS with the status word. */
export async function es10(
  channel: CardChannel,
  request: Uint8Array,
  options: TransmitOptions = {},
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (const command of storeDataCommands(request, channel.maxCommandData)) {
    const { data, sw } = await channel.transmit(encodeCommandApdu(command), options);
    if (!isSuccess(sw)) throw new AgentError('CARD_STATUS', { sw: swText(sw), command: 'STORE DATA' });
    parts.push(data);
  }
  return concat(...parts);
}

export async function getEid(channel: CardChannel, options: TransmitOptions = {}): Promise<Eid> {
  const response = await es10(channel, GetEuiccDataRequest.encode({ tagList: [0x5a] }), options);
  return GetEuiccDataResponse.decode(response).eidValue;
}

/** A new challenge and EUICCInfo1 (whole object BF20). */
export async function startSession(
  channel: CardChannel,
  options: TransmitOptions = {},
): Promise<{ readonly euiccChallenge: Uint8Array; readonly euiccInfo1: Uint8Array }> {
  const euiccInfo1 = await es10(channel, GetEuiccInfo1Request.encode({}), options);
  const challenge = await es10(channel, GetEuiccChallengeRequest.encode({}), options);
  return { euiccInfo1, euiccChallenge: GetEuiccChallengeResponse.decode(challenge).euiccChallenge };
}

/** ES10b.AuthenticateServer with what the operator sent; answers BF38 as it came. */
export function authenticateServer(
  channel: CardChannel,
  command: Pick<
    DownOf<'authenticateRequest'>,
    'serverSigned1' | 'serverSignature1' | 'euiccCiPKIdToBeUsed' | 'serverCertificate' | 'matchingId'
  >,
  imei: Imei,
  options: TransmitOptions = {},
): Promise<Uint8Array> {
  const ctxParams1 = CtxParams1.encode({
    ...(command.matchingId === undefined ? {} : { matchingId: command.matchingId }),
    deviceInfo: {
      tac: encodeTac(imei),
      deviceCapabilities: { eutranEpcSupportedRelease: '9.0.0' },
      imei: encodeImei(imei),
    },
  });
  const request = AuthenticateServerRequest.encode({
    serverSigned1: command.serverSigned1,
    serverSignature1: readOnly(command.serverSignature1, TAG_SIGNATURE).value,
    euiccCiPKIdToBeUsed: readOnly(command.euiccCiPKIdToBeUsed, 0x04).value,
    serverCertificate: command.serverCertificate,
    ctxParams1,
  });
  return es10(channel, request, options);
}

/** ES10b.PrepareDownload; answers BF21 as it came. */
export function prepareDownload(
  channel: CardChannel,
  command: Pick<DownOf<'downloadRequest'>, 'smdpSigned2' | 'smdpSignature2' | 'smdpCertificate'>,
  options: TransmitOptions = {},
): Promise<Uint8Array> {
  const request = PrepareDownloadRequest.encode({
    smdpSigned2: command.smdpSigned2,
    smdpSignature2: readOnly(command.smdpSignature2, TAG_SIGNATURE).value,
    smdpCertificate: command.smdpCertificate,
  });
  return es10(channel, request, options);
}

/** ES10b.CancelSession; answers BF41 as it came. */
export function cancelSession(
  channel: CardChannel,
  request: Parameters<typeof CancelSessionRequest.encode>[0],
  options: TransmitOptions = {},
): Promise<Uint8Array> {
  return es10(channel, CancelSessionRequest.encode(request), options);
}

/** ES10b.GetRAT: which operators may set which policy rules. */
export async function getRat(
  channel: CardChannel,
  options: TransmitOptions = {},
): Promise<ReturnType<typeof GetRatResponse.decode>['rat']> {
  return GetRatResponse.decode(await es10(channel, GetRatRequest.encode({}), options)).rat;
}

/** ES10c.GetProfilesInfo. */
export async function listProfiles(
  channel: CardChannel,
  options: TransmitOptions = {},
): Promise<ProfileEntry[]> {
  const response = ProfileInfoListResponse.decode(
    await es10(channel, ProfileInfoListRequest.encode({}), options),
  );
  if (response.is === 'profileInfoListError')
    throw new AgentError('CARD_STATUS', { command: 'GetProfilesInfo' });
  return response.value.flatMap((entry) =>
    entry.iccid === undefined
      ? []
      : [
          {
            iccid: entry.iccid,
            enabled: entry.profileState === 'enabled',
            profileClass: entry.profileClass ?? 'operational',
            ...(entry.profileName === undefined ? {} : { name: entry.profileName }),
          },
        ],
  );
}

/** ES10b.RetrieveNotificationsList without criteria: every pending notification as the card signed it. */
export async function retrieveNotifications(
  channel: CardChannel,
  options: TransmitOptions = {},
): Promise<Uint8Array[]> {
  const response = RetrieveNotificationsListResponse.decode(
    await es10(channel, RetrieveNotificationsListRequest.encode({}), options),
  );
  return response.is === 'notificationList' ? response.value : [];
}

/** ES10b.RemoveNotificationFromList; one that is gone already is no error. */
export async function removeNotification(
  channel: CardChannel,
  seqNumber: number,
  options: TransmitOptions = {},
): Promise<void> {
  NotificationSentResponse.decode(
    await es10(channel, NotificationSentRequest.encode({ seqNumber }), options),
  );
}

const INS_ENVELOPE = 0xc2;

/** The toolkit talks on the basic channel only: what comes in ENVELOPEs goes there, where a way to it is given. */
function isForBasicChannel(apdu: Uint8Array): boolean {
  return apdu[0] === 0x80 && apdu[1] === INS_ENVELOPE;
}

/**
 * Plays a Command Scripting template command by command, as it came: the protection inside is between the SM-SR and the
 * card. Ends at the first status word that is no success, or when the card has given its ProfileInstallationResult.
 * A transport failure throws CARD_LOST or what the modem threw; nothing is sent twice.
 */
export async function playScript(
  channel: CardChannel,
  script: Uint8Array,
  options: TransmitOptions & {
    readonly onProgress?: (done: number, total: number) => void;
    readonly basic?: Card['basic'];
  } = {},
): Promise<ScriptRun> {
  const { basic = channel, onProgress, ...how } = options;
  const commands = decodeCommandScript(script);
  const responses: Uint8Array[] = [];
  let lastSw = 0;
  let profileInstallationResult: Uint8Array | undefined;
  for (const apdu of commands) {
    decodeCommandApdu(apdu);
    const to = isForBasicChannel(apdu) ? basic : channel;
    const response = await to.transmit(apdu, { long: true, ...how });
    responses.push(encodeResponseApdu(response));
    lastSw = response.sw;
    onProgress?.(responses.length, commands.length);
    if (startsWithResult(response.data)) {
      profileInstallationResult = Uint8Array.from(response.data);
      break;
    }
    if (!isSuccess(lastSw)) break;
  }
  return {
    responses,
    total: commands.length,
    lastSw,
    ...(profileInstallationResult === undefined ? {} : { profileInstallationResult }),
  };
}

function startsWithResult(data: Uint8Array): boolean {
  return (data[0] ?? 0) * 256 + (data[1] ?? 0) === TAG_PROFILE_INSTALLATION_RESULT;
}
