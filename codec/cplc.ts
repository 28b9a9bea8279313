// Card production life cycle data, the object 9F7F: who made the chip and the card, when, and their serial numbers (GlobalPlatform
// Card Specification 2.1.1, 9.3; VISA GlobalPlatform Card Production Guide).
import { concat, fromHex, toHex } from '../base/bytes.ts';
import { AgentError } from '../base/errors.ts';

export const TAG_CPLC = 0x9f7f;

/** The fields in their order, with their octets. Dates are YDDD: last digit of the year, day of the year. */
export const CPLC_FIELDS = [
  ['icFabricator', 2],
  ['icType', 2],
  ['operatingSystemIdentifier', 2],
  ['operatingSystemReleaseDate', 2],
  ['operatingSystemReleaseLevel', 2],
  ['icFabricationDate', 2],
  ['icSerialNumber', 4],
  ['icBatchIdentifier', 2],
  ['icModuleFabricator', 2],
  ['icModulePackagingDate', 2],
  ['iccManufacturer', 2],
  ['icEmbeddingDate', 2],
  ['icPrePersonalizer', 2],
  ['icPrePersonalizationDate', 2],
  ['icPrePersonalizationEquipment', 4],
  ['icPersonalizer', 2],
  ['icPersonalizationDate', 2],
  ['icPersonalizationEquipment', 4],
] as const;

export const CPLC_OCTETS = CPLC_FIELDS.reduce((sum, [, octets]) => sum + octets, 0);

type CplcFieldName = (typeof CPLC_FIELDS)[number][0];

/** Each field in hex. */
export type Cplc = Readonly<Record<CplcFieldName, string>>;

/** The value of 9F7F; fields that are not given are zero. Throws `TLV_VALUE` for a field of another length. */
export function encodeCplc(fields: Partial<Cplc>): Uint8Array {
  return concat(
    ...CPLC_FIELDS.map(([field, octets]) => {
      const value = fromHex(fields[field] ?? '00'.repeat(octets));
      if (value.length !== octets) throw new AgentError('TLV_VALUE', { field, octets });
      return value;
    }),
  );
}

/** Throws `TLV_VALUE` for another length than 42 octets. */
export function decodeCplc(value: Uint8Array): Cplc {
  if (value.length !== CPLC_OCTETS)
    throw new AgentError('TLV_VALUE', { octets: value.length, expected: CPLC_OCTETS });
  let at = 0;
  return Object.fromEntries(
    CPLC_FIELDS.map(([field, octets]) => [field, toHex(value.subarray(at, (at += octets)))]),
  ) as Cplc;
}

const DAY_MS = 86_400_000;

/** A day (Unix milliseconds, UTC) as a field has it. */
export function cplcDate(ms: number): string {
  const date = new Date(ms);
  const day = Math.floor((ms - Date.UTC(date.getUTCFullYear(), 0, 1)) / DAY_MS) + 1;
  return `${date.getUTCFullYear() % 10}${String(day).padStart(3, '0')}`;
}
