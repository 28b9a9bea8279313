// The eUICC information sets of an SM-SR (SGP.02 Annex E): registration, reading, and every change with its source.
import { equalBytes } from '../../base/bytes.ts';
import { AgentError } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import { cborBytes, cborItem, cborMap } from '../../codec/cbor-table.ts';
import type { Eid, Iccid } from '../../codec/ids.ts';
import type { Scp03Keys } from '../../crypto/scp03.ts';
import { openSeal, seal } from '../../crypto/seal.ts';
import { parseCertificate } from '../../crypto/x509.ts';
import type { Eis, EisProfile, EisRegistration } from '../roles.ts';
import { compareAndSet, type Reader, type Tx } from '../store/store.ts';
import type { EisKeyTable, EisModuleTable, EisProfileTable, EisTable } from '../store/tables.ts';
import { note, type SmSrContext } from './context.ts';
import { isOverTheAir } from './ota-scripts.ts';

const aesKey = cborBytes({ min: 16, max: 32 });
const sealedKeys = cborItem(
  cborMap({ enc: { key: 1, type: aesKey }, mac: { key: 2, type: aesKey }, dek: { key: 3, type: aesKey } }),
);

function sealContext(owner: string, eid: Eid, kvn: number): string {
  return `eisKeys/${owner}/${eid}/${kvn}`;
}

/** What a new eUICC begins with (GlobalPlatform Amendment D 6.2.2.1). */
const FIRST_SEQUENCE_COUNTER = 0;

/** ES1.RegisterEIS. */
export async function registerEis(context: SmSrContext, registration: EisRegistration): Promise<void> {
  const { name: owner, store, clock } = context;
  const { eid, euiccCertificate, eumCertificate, isdRKeys, source } = registration;
  await store.transaction(async (tx) => {
    const known = await findEis(tx, owner, eid);
    if (known !== undefined) {
      if (equalBytes(known.euiccCertificate, euiccCertificate)) return;
      throw new AgentError('CONFLICT', { eid, why: 'the EID is registered with another certificate' });
    }
    const at = clock.wall();
    await tx
      .insertInto('eis')
      .values({
        owner,
        eid,
        imei: null,
        status: 'ok',
        statusReason: null,
        secondLayer: isOverTheAir(isdRKeys.kvn) ? 'scp80' : 'scp03',
        euiccCertificate,
        eumCertificate,
        euiccInfo2: null,
        ver: 1,
        createdAt: at,
        updatedAt: at,
      })
      .execute();
    const { sequenceCounter = FIRST_SEQUENCE_COUNTER } = registration;
    await insertKeys(context, tx, eid, isdRKeys, { sequenceCounter, state: 'active' });
    await registerModules(context, tx, eid, registration.ecasdCertificates ?? [], source);
    for (const profile of registration.profiles) await putProfile(context, tx, eid, profile, source);
    await stateFact(context, tx, eid, 'certificates', source);
    await stateFact(context, tx, eid, 'isdRKeys', source);
    await note(context, tx, { actor: source, action: 'registerEis', eid });
  });
}

/** CERT.ECASD.ECKA as the manufacturer states them. Throws `CERTIFICATE_INVALID` and `KEY_INVALID` for what cannot be read. */
async function registerModules(
  context: SmSrContext,
  tx: Tx,
  eid: Eid,
  certificates: readonly Uint8Array[],
  source: string,
): Promise<void> {
  if (certificates.length === 0) return;
  for (const certificate of certificates) await putModule(context, tx, eid, certificate, 'active');
  await stateFact(context, tx, eid, 'securityModules', source);
}

/** A static key, for the SM-DP that its certificate names or for all. */
export async function putModule(
  { name: owner }: SmSrContext,
  tx: Tx,
  eid: Eid,
  certificate: Uint8Array,
  state: EisModuleTable['state'],
): Promise<void> {
  const { curve, publicKey, registeredIds } = parseCertificate(certificate);
  const registeredId = registeredIds[0] ?? '';
  await tx
    .insertInto('eisModules')
    .values({ owner, eid, registeredId, curve, publicKey, certificate, state })
    .onConflict((conflict) =>
      conflict
        .columns(['owner', 'eid', 'registeredId', 'curve'])
        .doUpdateSet({ publicKey, certificate, state }),
    )
    .execute();
}

/** Those that the eUICC has. */
export function eisModules(reader: Reader, owner: string, eid: Eid): Promise<EisModuleTable[]> {
  return reader
    .selectFrom('eisModules')
    .selectAll()
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .where('state', '=', 'active')
    .orderBy('registeredId')
    .execute();
}

/** A keyset that is new in the EIS. */
export async function insertKeys(
  context: SmSrContext,
  tx: Tx,
  eid: Eid,
  keys: EisRegistration['isdRKeys'],
  of: Pick<EisKeyTable, 'sequenceCounter' | 'state'>,
): Promise<void> {
  const { name: owner, sealKeys, random, clock } = context;
  const { kvn, enc, mac, dek } = keys;
  const plain = sealedKeys.encode({ enc: enc.reveal(), mac: mac.reveal(), dek: dek.reveal() });
  const sealed = seal(sealKeys[0], random, new Secret(plain), sealContext(owner, eid, kvn));
  await tx
    .insertInto('eisKeys')
    .values({ owner, eid, kvn, sealed, ...of, ver: 1, updatedAt: clock.wall() })
    .execute();
}

/** The row of an EIS, certificates included. */
export function findEis(reader: Reader, owner: string, eid: Eid): Promise<EisTable | undefined> {
  return reader
    .selectFrom('eis')
    .selectAll()
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .executeTakeFirst();
}

/** The same; throws `NOT_FOUND`. */
export async function needEis(reader: Reader, owner: string, eid: Eid): Promise<EisTable> {
  const eis = await findEis(reader, owner, eid);
  if (eis === undefined) throw new AgentError('NOT_FOUND', { what: 'EIS', eid });
  return eis;
}

/** The same; throws `REFUSED` where the eUICC is locked, revoked or quarantined. */
export async function needServedEis(reader: Reader, owner: string, eid: Eid): Promise<EisTable> {
  const eis = await needEis(reader, owner, eid);
  if (eis.status !== 'ok') {
    throw new AgentError('REFUSED', {
      why: `the eUICC is ${eis.status}`,
      reason: eis.statusReason ?? undefined,
    });
  }
  return eis;
}

/** The profiles of an eUICC, ordered ones and deleted ones included. */
export function eisProfiles(reader: Reader, owner: string, eid: Eid): Promise<EisProfileTable[]> {
  return reader
    .selectFrom('eisProfiles')
    .selectAll()
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .orderBy('iccid')
    .execute();
}

/** ES3.GetEIS: the record without its keys. */
export async function readEis(reader: Reader, owner: string, eid: Eid): Promise<Eis> {
  const row = await needEis(reader, owner, eid);
  const profiles = await eisProfiles(reader, owner, eid);
  const provenance = await reader
    .selectFrom('eisProvenance')
    .select(['field', 'source', 'at'])
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .orderBy('field')
    .execute();
  return {
    eid,
    ...(row.imei === null ? {} : { imei: row.imei }),
    status: row.status,
    profiles: profiles.flatMap(({ iccid, mno, profileClass, state }) =>
      state === 'ordered' ? [] : [{ iccid, mno, profileClass, state }],
    ),
    provenance,
  };
}

/** The keysets of an eUICC, without their keys. */
export function eisKeysets(reader: Reader, owner: string, eid: Eid): Promise<EisKeyTable[]> {
  return reader
    .selectFrom('eisKeys')
    .selectAll()
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .orderBy('kvn')
    .execute();
}

/** The management keys in use for the eUICC's second layer, or those of a version, and the row that counts them. */
export async function managementKeys(
  context: SmSrContext,
  reader: Reader,
  eid: Eid,
  kvn?: number,
): Promise<{ readonly keys: Scp03Keys; readonly row: EisKeyTable }> {
  const { name: owner, sealKeys } = context;
  const { secondLayer } = await needEis(reader, owner, eid);
  const isMeant = (each: EisKeyTable): boolean =>
    kvn === undefined
      ? each.state === 'active' && isOverTheAir(each.kvn) === (secondLayer === 'scp80')
      : each.kvn === kvn;
  const row = (await eisKeysets(reader, owner, eid)).find(isMeant);
  if (row === undefined) throw new AgentError('NOT_FOUND', { what: 'management keys', eid, kvn });
  const plain = sealedKeys.decode(openSeal(sealKeys, row.sealed, sealContext(owner, eid, row.kvn)).reveal());
  const keys = { enc: new Secret(plain.enc), mac: new Secret(plain.mac), dek: new Secret(plain.dek) };
  return { keys, row };
}

/** Sets the sequence counter that the card will use next. */
export async function setSequenceCounter(
  context: SmSrContext,
  tx: Tx,
  row: EisKeyTable,
  sequenceCounter: number,
): Promise<void> {
  const { owner, eid, kvn, ver } = row;
  await compareAndSet(tx, 'eisKeys', { owner, eid, kvn }, ver, {
    sequenceCounter,
    updatedAt: context.clock.wall(),
  });
}

/** Changes columns of an EIS and notes who stated each. */
export async function updateEis(
  context: SmSrContext,
  tx: Tx,
  eis: EisTable,
  changes: Partial<Pick<EisTable, 'imei' | 'status' | 'statusReason' | 'euiccInfo2'>>,
  source: string,
): Promise<void> {
  const { owner, eid, ver } = eis;
  await compareAndSet(tx, 'eis', { owner, eid }, ver, { ...changes, updatedAt: context.clock.wall() });
  for (const field of Object.keys(changes)) await stateFact(context, tx, eid, field, source);
}

/** A profile that is new in the EIS. The owner of a provisioning profile does not let it be deleted. */
export async function putProfile(
  context: SmSrContext,
  tx: Tx,
  eid: Eid,
  profile: Omit<EisProfile, 'state'> & { readonly state: EisProfileTable['state'] },
  source: string,
): Promise<void> {
  const { name: owner, clock } = context;
  await tx
    .insertInto('eisProfiles')
    .values({
      owner,
      eid,
      ...profile,
      isdPAid: null,
      pol2DisableAllowed: 1,
      pol2DeleteAllowed: profile.profileClass === 'provisioning' ? 0 : 1,
      pol2DeleteWhenDisabled: 0,
      updatedAt: clock.wall(),
    })
    .execute();
  await stateFact(context, tx, eid, `profile ${profile.iccid}`, source);
}

/** Changes a profile's row and notes who stated it. */
export async function updateProfile(
  context: SmSrContext,
  tx: Tx,
  eid: Eid,
  iccid: Iccid,
  changes: Partial<Omit<EisProfileTable, 'owner' | 'eid' | 'iccid' | 'updatedAt'>>,
  source: string,
): Promise<void> {
  const { name: owner, clock } = context;
  await tx
    .updateTable('eisProfiles')
    .set({ ...changes, updatedAt: clock.wall() })
    .where('owner', '=', owner)
    .where('eid', '=', eid)
    .where('iccid', '=', iccid)
    .execute();
  await stateFact(context, tx, eid, `profile ${iccid}`, source);
}

/** Notes who stated a fact of an EIS, and when. */
export async function stateFact(
  context: SmSrContext,
  tx: Tx,
  eid: Eid,
  field: string,
  source: string,
): Promise<void> {
  const { name: owner, clock } = context;
  const at = clock.wall();
  await tx
    .insertInto('eisProvenance')
    .values({ owner, eid, field, source, at })
    .onConflict((conflict) => conflict.columns(['owner', 'eid', 'field']).doUpdateSet({ source, at }))
    .execute();
}
