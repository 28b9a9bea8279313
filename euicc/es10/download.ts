// AuthenticateServer, PrepareDownload, CancelSession, and the card around a LoadBoundProfilePackage (SGP.22 5.7.5, 5.7.6,
// 5.7.13, 5.7.14, 2.9.2).
import { equalBytes } from '../../base/bytes.ts';
import { errorOf } from '../../base/errors.ts';
import { Secret } from '../../base/log.ts';
import { RulesAuthorisationTable } from '../../codec/rsp/configuration.ts';
import { EuiccInfo2 } from '../../codec/rsp/euicc-info.ts';
import { areRulesAuthorised, policyRulesOf } from '../../codec/rsp/policy-rules.ts';
import type { EcKeyPair } from '../../crypto/ec.ts';
import type { ProfileMetadata } from '../profiles.ts';
import { otKeysCell, type OtKeyRecord, usedTransactionsCell } from '../records.ts';
import { type BppLoader, createBppLoader, type InstallationHost } from '../rsp/bound-profile-package.ts';
import type { PreparedSession } from '../rsp/session.ts';
import type { State } from '../state.ts';
import type { Es10, Es10Function } from './functions.ts';

const MAX_OT_KEYS = 4;

/** A one-time key that an earlier, unfinished download from this SM-DP+ used. */
export function findOtKey(state: State, smdpOid: string, publicKey: Uint8Array): EcKeyPair | undefined {
  const found = state
    .read(otKeysCell)
    .find((held) => held.smdpOid === smdpOid && equalBytes(held.publicKey, publicKey));
  return found === undefined
    ? undefined
    : { curve: found.curve, privateKey: new Secret(found.privateKey), publicKey: found.publicKey };
}

/** Keeps the newest keys; an SM-DP+ that comes back later than that gets a new one. */
export function keepOtKey(state: State, smdpOid: string, pair: EcKeyPair): void {
  const record: OtKeyRecord = {
    smdpOid,
    curve: pair.curve,
    privateKey: pair.privateKey.reveal(),
    publicKey: pair.publicKey,
  };
  state.write(otKeysCell, [...state.read(otKeysCell), record].slice(-MAX_OT_KEYS));
}

function dropOtKey(state: State, { publicKey }: EcKeyPair): void {
  const held = state.read(otKeysCell);
  const left = held.filter((key) => !equalBytes(key.publicKey, publicKey));
  if (left.length !== held.length) state.write(otKeysCell, left);
}

const MAX_USED_TRANSACTIONS = 16;

/** A package that came without a server and is installed counts once, also when its profile is deleted. */
function markUsed(state: State, transactionId: Uint8Array): void {
  const used = state.read(usedTransactionsCell);
  state.write(usedTransactionsCell, [...used, transactionId].slice(-MAX_USED_TRANSACTIONS));
}

export function isUsedTransaction(state: State, transactionId: Uint8Array): boolean {
  return state.read(usedTransactionsCell).some((used) => equalBytes(used, transactionId));
}

/** Whether the rules that a profile brings are ones its owner may set on this card. */
function rulesAllowed(es10: Es10, metadata: ProfileMetadata): boolean {
  const rules = policyRulesOf(metadata);
  if (rules.length === 0) return true;
  const { forbiddenProfilePolicyRules = [] } = EuiccInfo2.decode(es10.record.euiccInfo2);
  if (rules.some((rule) => forbiddenProfilePolicyRules.includes(rule))) return false;
  // A profile that may not be disabled would shut out another that is there (2.9.1).
  const isFirst = es10.profiles.list().every(({ profileClass }) => profileClass !== 'operational');
  if (rules.includes('ppr1') && !isFirst) return false;
  return areRulesAuthorised(RulesAuthorisationTable.decode(es10.record.rat), rules, metadata.profileOwner);
}

/** A loader for the prepared session, whose outcome is staged in the command's transaction. */
export function createLoader(es10: Es10, prepared: PreparedSession): BppLoader {
  const { ec, identity, iot, notifications, profiles, session, state } = es10;
  const host: InstallationHost = {
    iccidExists: (iccid) => profiles.find({ is: 'iccid', value: iccid }) !== undefined,
    refuses(metadata) {
      const { profileClass = 'operational' } = metadata;
      if (profileClass.startsWith('code ')) return 'unsupportedProfileClass';
      return rulesAllowed(es10, metadata) ? undefined : 'pprNotAllowed';
    },
    freeMemory: () => es10.freeMemory(),
    unforeseen: (error) =>
      es10.log.write('error', 'euicc.es10', 'an installation failed', { error: errorOf(error).stack ?? '' }),
    next: () => ({ seqNumber: notifications.nextSeqNumber, isdPAid: profiles.nextAid() }),
    commit: async ({ profileInstallationResult, serverAddress, installed }) => {
      notifications.put(profileInstallationResult);
      session.end();
      if (installed === undefined) return;
      const { ciPKId } = prepared.credential;
      dropOtKey(state, prepared.euiccOtKey);
      if (prepared.serverAddress === undefined) markUsed(state, prepared.transactionId);
      const { dpProprietaryData, metadata, upp } = installed;
      const { number } = profiles.add({
        metadata,
        package: upp,
        ciPKId,
        fieldLoaded: true,
        ...(dpProprietaryData === undefined ? {} : { dpProprietaryData }),
      });
      notifications.add(ciPKId, installed.metadata, 'notificationInstall', serverAddress);
      iot.installed = { number, smdpOid: prepared.smdpOid, serverAddress };
    },
  };
  return createBppLoader({ ec, identity, session: prepared, host });
}

export const DOWNLOAD_FUNCTIONS: readonly Es10Function[] = [
  { tag: 0xbf38, run: ({ session }, request) => session.authenticateServer(request) },
  { tag: 0xbf21, run: ({ session }, request, how) => session.prepareDownload(request, how) },
  { tag: 0xbf41, run: ({ session }, request) => session.cancelSession(request) },
];
