// Which requests of ES10 (SGP.22, 5.7; SGP.32, 5.9) hold nothing that a stranger may not see.
const OPEN_TAGS = [
  'BF20', // GetEuiccInfo1
  'BF22', // GetEuiccInfo2
  'BF28', // ListNotification
  'BF29', // SetNickname
  'BF2B', // RetrieveNotificationsList
  'BF2D', // ProfileInfoList
  'BF2E', // GetEuiccChallenge
  'BF30', // NotificationSent
  'BF31', // EnableProfile
  'BF32', // DisableProfile
  'BF33', // DeleteProfile
  'BF34', // eUICCMemoryReset
  'BF3C', // EuiccConfiguredAddresses
  'BF3E', // GetEuiccData
  'BF3F', // SetDefaultDpAddress
  'BF41', // CancelSession
  'BF43', // GetRat
  'BF55', // GetEimConfigurationData
  'BF56', // GetCerts
];

/** Whether a request that begins with `hex` may be shown. What is no such request may hold keys, or a profile. */
export function storeDataIsOpen(hex: string): boolean {
  return OPEN_TAGS.includes(hex.slice(0, 4).toUpperCase());
}
