// What commands of a USIM ask of its files and PINs before they answer (3GPP TS 31.102, 4.2.8, 7).
import { SW } from '../../codec/apdu.ts';
import { childByFid, type FolderPlace } from '../file-system.ts';
import type { Card } from './card.ts';
import { refuse } from './reply.ts';

/** What the AIDs of all ISIMs begin with. */
export const AID_ISIM = 'A0000000871004';
const FID_UST = 0x6f38;
const GLOBAL_PIN = 0x01;

/** The content of a file of an application, by the identifiers on its way; undefined where there is none. */
export function contentAt(
  { profile: { files } }: Card,
  adf: FolderPlace,
  ...path: readonly number[]
): Uint8Array | undefined {
  let folder = adf;
  for (const fid of path) {
    const place = childByFid(files, folder, fid);
    if (place === undefined) return undefined;
    if (place.kind === 'file') return files.body(place);
    folder = place;
  }
  return undefined;
}

/** Whether the service table of an application has a service; undefined where there is no table. */
export function hasService(card: Card, adf: FolderPlace | undefined, service: number): boolean | undefined {
  const table = adf === undefined ? undefined : contentAt(card, adf, FID_UST);
  if (table === undefined) return undefined;
  return ((table[(service - 1) >> 3] ?? 0) & (1 << ((service - 1) & 7))) !== 0;
}

/** Refuses where the application has a global PIN that is neither verified nor disabled. */
export function requireGlobalPin({ profile: { pins } }: Card, { content: folder }: FolderPlace): void {
  if (pins.find(folder, GLOBAL_PIN) !== undefined && !pins.isSatisfied(folder, GLOBAL_PIN)) {
    refuse(SW.securityStatus);
  }
}
