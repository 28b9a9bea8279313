// An SM-SR: the EIS and management keys of its eUICCs, verdicts, second layer, rights and notifications (seed 6; SGP.02 2.3).
import { AgentError } from '../../base/errors.ts';
import type { Eid } from '../../codec/ids.ts';
import type {
  Eis,
  EisRegistry,
  EuiccKeys,
  OfflineSmSr,
  PolicyRules,
  ScriptJob,
  ScriptResult,
  SmSr,
} from '../roles.ts';
import { type AuditVerdict, verifyAudit } from '../store/audit.ts';
import { unblockCertificateProfile } from './certificate-profile.ts';
import { createContext, note, type SmSrContext, type SmSrOptions } from './context.ts';
import { euiccKeys } from './euicc-keys.ts';
import { needEis, readEis, registerEis, updateEis } from './eis.ts';
import { allow, type AllowRule, checkAllowed, disallow, type FunctionName } from './firewall.ts';
import { rotateKeys, rotationEnded } from './key-rotation.ts';
import { handleNotification } from './notifications.ts';
import { secureOffline, verifyRegistered } from './offline.ts';
import { updatePolicyRules } from './policy-rules.ts';
import { profileCommand } from './profile-command.ts';
import { scriptResult } from './script-result.ts';
import { secureProfile } from './secure-profile.ts';
import { generateModuleKey, installModule } from './security-modules.ts';
import { verifyEuicc } from './verify.ts';

/** What the people who run an SM-SR do with it. */
export type SmSrAdministration = {
  /** Lets a peer call functions; without a rule it may call none (seed 7). */
  allow(rule: AllowRule): Promise<void>;
  disallow(rule: AllowRule): Promise<void>;
  /** Locks an eUICC out, revokes it, or lets it back in. */
  setStatus(eid: Eid, status: Eis['status'], reason: string): Promise<void>;
  /**
   * The next script that gives an eUICC new management keys: PUT KEY under the old ones, then DELETE KEY of these under the new.
   * Ask again with each answer until `keyScriptResult` says `ended`.
   */
  rotateKeys(eid: Eid): Promise<ScriptJob>;
  /**
   * Makes a key agreement pair on the eUICC for the SM-DP with this object identifier; `keyScriptResult` takes the answer, in which
   * `modulePublicKey` finds the public key for the EUM to certify.
   */
  generateModuleKey(eid: Eid, registeredId: string): Promise<ScriptJob>;
  /** Puts the certificate to it: from the answer on, `euiccKeys` hands the key out. */
  installModule(eid: Eid, ecasdCertificate: Uint8Array): Promise<ScriptJob>;
  /** Gives the PIN of the eUICC's certificate profile its tries back; `keyScriptResult` takes the answer. */
  unblockCertificateProfile(eid: Eid): Promise<ScriptJob>;
  /** What the card answered to it; nothing of it is believed without the card's proof. */
  keyScriptResult(eid: Eid, responseScript: Uint8Array): Promise<KeyScriptResult>;
  verifyAudit(): Promise<AuditVerdict>;
};

export type KeyScriptResult = ScriptResult & {
  /** The eUICC has one keyset again, and this SM-SR the same. */
  readonly ended: boolean;
};

/** All that an SM-SR does for an MNO. */
export type ServedSmSr = SmSr & PolicyRules & EuiccKeys & OfflineSmSr;

export type SmSrService = EisRegistry & {
  /** The SM-SR as one MNO reaches it: what it asks in another's name, or may not ask at all, is `REFUSED`. */
  as(mno: string): ServedSmSr;
  readonly administration: SmSrAdministration;
};

export function createSmSr(options: SmSrOptions): SmSrService {
  const context = createContext(options);
  return {
    registerEis: (registration) => registerEis(context, registration),
    as: (mno) => servedTo(context, mno),
    administration: administrationOf(context),
  };
}

function servedTo(context: SmSrContext, peer: string): ServedSmSr {
  const { name: owner, store } = context;
  const guarded =
    <R extends { readonly eid: Eid; readonly mno?: string }, T>(
      functionName: FunctionName,
      work: (context: SmSrContext, request: R, peer: string) => Promise<T>,
    ) =>
    async (request: R): Promise<T> => {
      if (request.mno !== undefined && request.mno !== peer) {
        throw new AgentError('REFUSED', { why: "asked in another MNO's name", peer, mno: request.mno });
      }
      await store.read((reader) => checkAllowed(reader, owner, peer, request.eid, functionName));
      return work(context, request, peer);
    };
  const getEis = guarded('getEis', ({ store: from }, request: { readonly eid: Eid }) =>
    from.read((reader) => readEis(reader, owner, request.eid)),
  );
  return {
    getEis: (eid) => getEis({ eid }),
    verifyEuicc: guarded('verifyEuicc', verifyEuicc),
    euiccKeys: guarded('euiccKeys', euiccKeys),
    verifyRegistered: guarded('verifyRegistered', verifyRegistered),
    secureOffline: guarded('secureOffline', secureOffline),
    secureProfile: guarded('secureProfile', secureProfile),
    profileCommand: guarded('profileCommand', profileCommand),
    scriptResult: guarded('scriptResult', scriptResult),
    handleNotification: guarded('handleNotification', handleNotification),
    updatePolicyRules: guarded('updatePolicyRules', updatePolicyRules),
  };
}

function administrationOf(context: SmSrContext): SmSrAdministration {
  const { name: owner, store } = context;
  return {
    allow: (rule) => store.transaction((tx) => allow(tx, owner, rule)),
    disallow: (rule) => store.transaction((tx) => disallow(tx, owner, rule)),
    setStatus: (eid, status, reason) =>
      store.transaction(async (tx) => {
        const eis = await needEis(tx, owner, eid);
        const statusReason = status === 'ok' ? null : reason;
        await updateEis(context, tx, eis, { status, statusReason }, owner);
        await note(context, tx, { actor: owner, action: 'setStatus', eid, details: { status, reason } });
      }),
    rotateKeys: (eid) => rotateKeys(context, eid),
    generateModuleKey: (eid, registeredId) => generateModuleKey(context, eid, registeredId),
    installModule: (eid, ecasdCertificate) => installModule(context, eid, ecasdCertificate),
    unblockCertificateProfile: (eid) => unblockCertificateProfile(context, eid),
    async keyScriptResult(eid, responseScript) {
      const result = await scriptResult(context, { eid, responseScript }, owner);
      return { ...result, ended: await store.read((reader) => rotationEnded(reader, owner, eid)) };
    },
    verifyAudit: () => store.read((reader) => verifyAudit(reader, owner)),
  };
}
