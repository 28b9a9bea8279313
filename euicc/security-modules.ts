// The security modules in the ECASD (seed 46 to 49, 57): key agreement pairs with their certificates; one for all SM-DPs, or one for each,
// made with the card or later under the ISD-R's keys.
import { equalBytes } from '../base/bytes.ts';
import { AgentError, isAgentError } from '../base/errors.ts';
import { Secret } from '../base/log.ts';
import type { Eid } from '../codec/ids.ts';
import {
  InstallSecurityModuleRequest,
  InstallSecurityModuleResponse,
  TAG_INSTALL_SECURITY_MODULE,
} from '../codec/security-module.ts';
import type { TypeOf } from '../codec/tlv-table.ts';
import type { Ec, EcKeyPair } from '../crypto/ec.ts';
import { isSignedBy, KEY_USAGE, parseCertificate } from '../crypto/x509.ts';
import type { Es10, Es10Function } from './es10/functions.ts';
import { type SecurityModuleRecord, securityModeCell, securityModulesCell } from './records.ts';
import type { State } from './state.ts';

/**
 * SK.ECASD.ECKA and PK.ECASD.ECKA with CERT.ECASD.ECKA, DER. The certificate says by its registered id for which SM-DP the module is; without one it
 * is for all.
 */
export type PersonalisedModule = { readonly key: EcKeyPair; readonly certificate: Uint8Array };

/** `single`: one for all SM-DPs. `per MNO`: each has its own, and without one it is not served. */
export type SecurityMode = 'single' | 'per MNO';

const MAX_MODULES = 16;

/**
 * What is kept of a module. Throws `KEY_INVALID` and `CERTIFICATE_INVALID` where key, certificate, mode and card do not fit each other.
 */
export function moduleRecord(
  ec: Ec,
  eid: Eid,
  mode: SecurityMode,
  { key, certificate }: PersonalisedModule,
): SecurityModuleRecord {
  const { curve, privateKey } = key;
  const publicKey = ec.publicKeyOf(curve, privateKey);
  const parsed = parseCertificate(certificate);
  if (parsed.curve !== curve || !equalBytes(parsed.publicKey, publicKey)) {
    throw new AgentError('KEY_INVALID', { why: 'the private key is not the one of the ECASD certificate' });
  }
  if (parsed.subject.serialNumber !== eid || parsed.keyUsage?.includes(KEY_USAGE.keyAgreement) !== true) {
    throw new AgentError('CERTIFICATE_INVALID', { why: 'no certificate for key agreement of this EID' });
  }
  const [registeredId = ''] = parsed.registeredIds;
  if ((registeredId === '') !== (mode === 'single')) {
    const why = `mode ${mode}, but the ECASD certificate is for ${registeredId === '' ? 'all SM-DPs' : registeredId}`;
    throw new AgentError('CERTIFICATE_INVALID', { why });
  }
  return { curve, privateKey: privateKey.reveal(), publicKey, registeredId, certificate };
}

/** Those that are whole: a pair that waits for its certificate serves nobody. */
export function wholeModules(
  state: State,
): readonly (SecurityModuleRecord & { readonly certificate: Uint8Array })[] {
  return state
    .read(securityModulesCell)
    .flatMap((held) => (held.certificate === undefined ? [] : [{ ...held, certificate: held.certificate }]));
}

/** Those that serve this SM-DP: no other one's ever do. */
function serving(state: State, smdpOid: string): readonly SecurityModuleRecord[] {
  const wanted = state.read(securityModeCell) === 'single' ? '' : smdpOid;
  return wholeModules(state).filter(({ registeredId }) => registeredId === wanted);
}

/** Whether this SM-DP may agree on keys with the card at all. */
export function isServed(state: State, smdpOid: string): boolean {
  return state.read(securityModeCell) === 'single' || serving(state, smdpOid).length > 0;
}

/** The static key with this public key, where a module that serves this SM-DP holds it. */
export function findStaticKey(state: State, smdpOid: string, publicKey: Uint8Array): EcKeyPair | undefined {
  const found = serving(state, smdpOid).find((held) => equalBytes(held.publicKey, publicKey));
  if (found === undefined) return undefined;
  const { curve, privateKey } = found;
  return { curve, privateKey: new Secret(privateKey), publicKey: found.publicKey };
}

type Request = TypeOf<typeof InstallSecurityModuleRequest>;
type Response = TypeOf<typeof InstallSecurityModuleResponse>;

const refused = (value: Extract<Response, { is: 'error' }>['value']): Response => ({ is: 'error', value });

/** The same pair again until it is certified: an answer may be lost. */
function generateKey(
  { ec, state }: Es10,
  { registeredId, curve }: Extract<Request, { is: 'generateKey' }>['value'],
): Response {
  if (state.read(securityModeCell) === 'single') return refused('singleModule');
  if (curve !== 'P-256' && curve !== 'brainpoolP256r1') return refused('unsupportedCurve');
  const modules = state.read(securityModulesCell);
  const known = modules.find((held) => held.registeredId === registeredId && held.curve === curve);
  if (known?.certificate !== undefined) return refused('alreadyInstalled');
  if (known !== undefined) return { is: 'publicKey', value: { ecasdPublicKey: known.publicKey } };
  if (modules.length >= MAX_MODULES) return refused('insufficientMemory');
  const { privateKey, publicKey } = ec.generate(curve);
  const made = { curve, privateKey: privateKey.reveal(), publicKey, registeredId };
  state.write(securityModulesCell, [...modules, made]);
  return { is: 'publicKey', value: { ecasdPublicKey: publicKey } };
}

function installCertificate(
  { ec, record, state }: Es10,
  { certificate }: Extract<Request, { is: 'installCertificate' }>['value'],
): Response {
  const modules = state.read(securityModulesCell);
  try {
    const parsed = parseCertificate(certificate);
    const waiting = modules.find((held) => equalBytes(held.publicKey, parsed.publicKey));
    if (waiting === undefined) return refused('unknownKey');
    if (waiting.certificate !== undefined) {
      const same = equalBytes(waiting.certificate, certificate);
      return same ? { is: 'installed', value: {} } : refused('alreadyInstalled');
    }
    const isOurs = record.credentials.some(({ eumCertificate }) =>
      isSignedBy(ec, parsed, parseCertificate(eumCertificate)),
    );
    const key = { ...waiting, privateKey: new Secret(waiting.privateKey) };
    const whole = moduleRecord(ec, record.eid, 'per MNO', { key, certificate });
    if (!isOurs || whole.registeredId !== waiting.registeredId) return refused('invalidCertificate');
    state.write(
      securityModulesCell,
      modules.map((held) => (held === waiting ? whole : held)),
    );
    return { is: 'installed', value: {} };
  } catch (error) {
    if (!isAgentError(error)) throw error;
    return refused('invalidCertificate');
  }
}

export const SECURITY_MODULE_FUNCTIONS: readonly Es10Function[] = [
  {
    tag: TAG_INSTALL_SECURITY_MODULE,
    manages: 'always',
    run(es10, request) {
      const asked = InstallSecurityModuleRequest.decode(request);
      return InstallSecurityModuleResponse.encode(
        asked.is === 'generateKey' ? generateKey(es10, asked.value) : installCertificate(es10, asked.value),
      );
    },
  },
];
