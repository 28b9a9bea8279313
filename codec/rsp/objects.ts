// Every whole data object of the RSP tables with its name, for programs that meet octets without knowing what they are.
import type { AnyType } from '../tlv-table.ts';
import * as certificateProfile from '../certificate-profile.ts';
import * as securityModule from '../security-module.ts';
import * as authenticateServer from './authenticate-server.ts';
import * as bpp from './bpp.ts';
import * as configuration from './configuration.ts';
import * as euiccInfo from './euicc-info.ts';
import * as notifications from './notifications.ts';
import * as prepareDownload from './prepare-download.ts';
import * as profileManagement from './profile-management.ts';
import * as profiles from './profiles.ts';
import * as sgp32Data from './sgp32-data.ts';
import * as sgp32Eim from './sgp32-eim.ts';
import * as sgp32Esipa from './sgp32-esipa.ts';
import * as sgp32Package from './sgp32-package.ts';
import * as sgp32Profile from './sgp32-profile.ts';

/** A data object by the name of its table and its outer tag. Requests and responses share tags. */
export type RspObject = { readonly name: string; readonly tag: number; readonly type: AnyType };

const MODULES: readonly Readonly<Record<string, unknown>>[] = [
  euiccInfo,
  authenticateServer,
  prepareDownload,
  bpp,
  profiles,
  profileManagement,
  notifications,
  configuration,
  sgp32Package,
  sgp32Eim,
  sgp32Data,
  sgp32Profile,
  sgp32Esipa,
  certificateProfile,
  securityModule,
];

/** The names are those of the exports; what is no whole object has no outer tag and is left out. */
export const RSP_OBJECTS: readonly RspObject[] = MODULES.flatMap((module) =>
  Object.entries(module).flatMap(([name, type]) => {
    if (!isType(type) || type.shape?.kind !== 'object') return [];
    return [{ name, tag: type.shape.tag, type }];
  }),
);

function isType(value: unknown): value is AnyType {
  return typeof value === 'object' && value !== null && 'decode' in value && 'encode' in value;
}
