// What a card's signed results say, their signatures checked with its certificate. For tests.
import {
  NotificationMetadata,
  OtherSignedNotification,
  ProfileInstallationResult,
  ProfileInstallationResultData,
  RetrieveNotificationsListRequest,
  RetrieveNotificationsListResponse,
} from '../../codec/rsp/notifications.ts';
import { ProfileInfoListRequest, ProfileInfoListResponse } from '../../codec/rsp/profiles.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import type { IsdRChannel } from './terminal.ts';
import { ec, type World } from './world.ts';

function requireSigned(world: World, signed: Uint8Array, signature: Uint8Array): void {
  const { curve, publicKey } = world.pki.euicc.pair;
  if (!ec.verify(curve, publicKey, signed, signature)) throw new Error('the signature of the card is wrong');
}

/** The content of BF37. */
export function resultOf(world: World, pir: Uint8Array): TypeOf<typeof ProfileInstallationResultData> {
  const { profileInstallationResultData, euiccSignPIR } = ProfileInstallationResult.decode(pir);
  requireSigned(world, profileInstallationResultData, euiccSignPIR);
  return ProfileInstallationResultData.decode(profileInstallationResultData);
}

/** The state of each profile by its ICCID. */
export async function profileStates(isdR: IsdRChannel): Promise<Record<string, string | undefined>> {
  const response = ProfileInfoListResponse.decode(await isdR.es10(ProfileInfoListRequest.encode({})));
  if (response.is !== 'profileInfoListOk') throw new Error(`no list: ${response.value}`);
  return Object.fromEntries(response.value.map(({ iccid, profileState }) => [iccid, profileState]));
}

/** One line for each pending notification: number, what happened, and to which profile or with which result. */
export async function signedNotifications(world: World, isdR: IsdRChannel): Promise<string[]> {
  const answer = RetrieveNotificationsListResponse.decode(
    await isdR.es10(RetrieveNotificationsListRequest.encode({})),
  );
  if (answer.is !== 'notificationList') throw new Error(`no notifications: ${answer.is}`);
  return answer.value.map((whole) => {
    if (whole[0] === 0xbf) {
      const data = resultOf(world, whole);
      return `${NotificationMetadata.decode(data.notificationMetadata).seqNumber} install ${data.finalResult.is}`;
    }
    const other = OtherSignedNotification.decode(whole);
    requireSigned(world, other.tbsOtherNotification, other.euiccNotificationSignature);
    const metadata = NotificationMetadata.decode(other.tbsOtherNotification);
    return `${metadata.seqNumber} ${metadata.profileManagementOperation.join()} ${metadata.iccid}`;
  });
}
