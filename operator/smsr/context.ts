// What the functions of an SM-SR share: its database, keys, trust and clock.
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { Eid } from '../../codec/ids.ts';
import { type Crl, parseCrl } from '../../crypto/crl.ts';
import type { Ec } from '../../crypto/ec.ts';
import { type Certificate, parseCertificate } from '../../crypto/x509.ts';
import { appendAudit, type AuditDetails } from '../store/audit.ts';
import type { Store, Tx } from '../store/store.ts';
import type { SealKeys } from '../store/subscriptions.ts';

export type SmSrOptions = {
  /** Names this SM-SR; its rows in the database bear it. */
  readonly name: string;
  readonly store: Store;
  /** Seal the management keys of its eUICCs. */
  readonly sealKeys: SealKeys;
  readonly ec: Ec;
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Log;
  /** The CIs of its circle of trust, DER. */
  readonly ciCertificates: readonly Uint8Array[];
  /** Revocation lists in force, DER: of CIs and of EUMs. */
  readonly crls?: () => readonly Uint8Array[];
  /** The signing certificate of an MNO by its name, DER. */
  readonly mnoCertificate: (mno: string) => Uint8Array | undefined;
  /** Firmware versions of eUICCs that are not to be served (seed 32). */
  readonly deniedFirmware?: readonly string[];
  /** Told of every session key, for a laboratory that searches its own traffic for them. */
  readonly witness?: (name: string, secret: Uint8Array) => void;
};

export type SmSrContext = Omit<SmSrOptions, 'ciCertificates' | 'crls' | 'deniedFirmware' | 'witness'> & {
  readonly trustedCis: readonly Certificate[];
  readonly crls: () => readonly Crl[];
  readonly deniedFirmware: readonly string[];
  readonly witness: (name: string, secret: Uint8Array) => void;
};

export function createContext(options: SmSrOptions): SmSrContext {
  const { ciCertificates, crls, ...rest } = options;
  return {
    ...rest,
    trustedCis: ciCertificates.map(parseCertificate),
    crls: () => (crls?.() ?? []).map(parseCrl),
    deniedFirmware: options.deniedFirmware ?? [],
    witness: options.witness ?? (() => {}),
  };
}

/** Writes one row of the SM-SR's audit log and the same fact to the log. */
export async function note(
  context: SmSrContext,
  tx: Tx,
  entry: {
    readonly actor: string;
    readonly action: string;
    readonly eid: Eid;
    readonly details?: AuditDetails;
  },
): Promise<void> {
  const { actor, action, eid, details = {} } = entry;
  await appendAudit(tx, { owner: context.name, actor, action, subject: eid, details }, context.clock.wall());
  context.log.write('info', 'smsr', action, { smsr: context.name, actor, eid, ...details });
}
