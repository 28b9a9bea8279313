// What the card keeps of SGP.32: associated eIMs, results of packages, the grant of a rollback, fallback, immediate enabling.
import {
  cborBool,
  cborBytes,
  cborInt,
  cborList,
  cborMap,
  type CborType,
  cborText,
} from '../../codec/cbor-table.ts';
import { cell, cellFamily } from '../state.ts';

type CborOf<T> = T extends CborType<infer V> ? V : never;

const eim = cborMap({
  eimId: { key: 1, type: cborText(256) },
  /** EimConfigurationData without counter and token, members only. */
  configuration: { key: 2, type: cborBytes({ max: 16_384 }) },
  /** Of the last package that was accepted. */
  counterValue: { key: 3, type: cborInt() },
  /** 0 where the eIM asked for none. */
  associationToken: { key: 4, type: cborInt() },
});
export type EimRecord = CborOf<typeof eim>;

/** Associated eIMs, by a number that no other eIM gets. */
export const eimCells = cellFamily<EimRecord | undefined>(
  'eim/',
  eim as CborType<EimRecord | undefined>,
  undefined,
);

const iot = cborMap({
  nextEimNumber: { key: 1, type: cborInt() },
  /** The association token given last; one row of numbers for all eIMs. */
  lastAssociationToken: { key: 2, type: cborInt() },
  /** Number of the profile with the fallback attribute, 0 for none. */
  fallback: { key: 3, type: cborInt() },
  /** Number of the profile that the fallback mechanism has left, 0 while there is no way back. */
  fallbackReturn: { key: 4, type: cborInt() },
  /** While the emergency profile is enabled: the number of the profile before it, 0 for none. */
  emergencyReturn: { key: 5, type: cborInt(), optional: true },
});
type IotRecord = CborOf<typeof iot>;

export const iotCell = cell<IotRecord>('iot', iot, {
  nextEimNumber: 1,
  lastAssociationToken: 0,
  fallback: 0,
  fallbackReturn: 0,
});

const immediateEnable = cborMap({
  flag: { key: 1, type: cborBool },
  smdpOid: { key: 2, type: cborText(128), optional: true },
});

/** Whether an IPA may enable by itself what the default SM-DP+ has just installed; its address stands in the settings. */
export const immediateEnableCell = cell<CborOf<typeof immediateEnable>>('immediate', immediateEnable, {
  flag: false,
});

const rollback = cborMap({
  /** Numbers of the profile to go back to and of the one that was enabled instead. */
  to: { key: 1, type: cborInt() },
  from: { key: 2, type: cborInt() },
  /** Number of the eIM that granted it, and its package. */
  eim: { key: 3, type: cborInt() },
  counterValue: { key: 4, type: cborInt() },
  eimTransactionId: { key: 5, type: cborBytes({ min: 1, max: 16 }), optional: true },
  /** Sequence numbers of what the rollback makes void: the package's result and its notifications. */
  seqNumbers: { key: 6, type: cborList(cborInt(), 256) },
});
export type RollbackRecord = CborOf<typeof rollback>;

/** The one rollback that the IPA may ask for; there is none after any other change of the enabled profile. */
export const rollbackCell = cell<RollbackRecord | undefined>(
  'rollback',
  rollback as CborType<RollbackRecord | undefined>,
  undefined,
);

/** Results of packages (BF51, whole) that nobody has acknowledged, by sequence number. */
export const packageResultCells = cellFamily<Uint8Array | undefined>(
  'result/',
  cborBytes({ max: 65_536 }) as CborType<Uint8Array | undefined>,
  undefined,
);
