// The ISD-R as an applet: SELECT, SCP03, STORE DATA to the ES10 functions (SGP.22 5.7.1, 5.7.2; GlobalPlatform 11).
import { equalBytes } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { type CommandApdu, SW } from '../codec/apdu.ts';
import { encodeTlv, readTlvHeader, tagText } from '../codec/ber-tlv.ts';
import { AID_ISD_R, encodeAid } from '../codec/ids.ts';
import { GP_ROLE } from '../codec/gp-certificate.ts';
import { EuiccInfo2 } from '../codec/rsp/euicc-info.ts';
import { version } from '../codec/rsp/types.ts';
import { flags } from '../codec/tlv-names.ts';
import { createStoreDataReassembler, type StoreDataReassembler } from '../codec/store-data.ts';
import { MAXIMUM_LENGTH } from './domain/applet.ts';
import { domainNumbers } from './domain/card-data.ts';
import { isdPKeys } from './domain/isd-p.ts';
import { createIsdRDomain } from './domain/isd-r-domain.ts';
import { type AgreementTarget, createKeyEstablishment } from './domain/key-establishment.ts';
import { manage } from './domain/management.ts';
import { isdRKeys } from './domain/stored-keys.ts';
import { CONFIGURATION_FUNCTIONS } from './es10/configuration.ts';
import { createLoader, DOWNLOAD_FUNCTIONS } from './es10/download.ts';
import { INFO_FUNCTIONS } from './es10/euicc-info.ts';
import type { Es10, Es10Function } from './es10/functions.ts';
import { NOTIFICATION_FUNCTIONS } from './es10/notification-list.ts';
import { PROFILE_LIST_FUNCTIONS } from './es10/profile-list.ts';
import { PROFILE_STATE_FUNCTIONS } from './es10/profile-state.ts';
import { IOT_FUNCTIONS } from './iot/functions.ts';
import type { Applet } from './os/card.ts';
import { ok, refuse, type Reply, status } from './os/reply.ts';
import type { Profile } from './profiles.ts';
import type { BppLoader } from './rsp/bound-profile-package.ts';
import { SECURITY_MODULE_FUNCTIONS } from './security-modules.ts';
import { createSecureChannel, type SecureChannel } from './secure-channel.ts';

/** ES10 functions by their tag. */
export const ES10_FUNCTIONS: ReadonlyMap<number, Es10Function> = new Map(
  [
    ...INFO_FUNCTIONS,
    ...DOWNLOAD_FUNCTIONS,
    ...PROFILE_LIST_FUNCTIONS,
    ...PROFILE_STATE_FUNCTIONS,
    ...NOTIFICATION_FUNCTIONS,
    ...CONFIGURATION_FUNCTIONS,
    ...IOT_FUNCTIONS,
    ...SECURITY_MODULE_FUNCTIONS,
  ].map((row) => [row.tag, row]),
);

const INS_STORE_DATA = 0xe2;
const INS_INSTALL = 0xe6;
/** P1 of STORE DATA: data groupings; whether it is the last block, and whether it has an answer. Of INSTALL. */
const P1_GROUPINGS = 0x08;
const P1_BLOCK = 0x81;
const P1_PERSONALIZATION = 0x20;
const TAG_BOUND_PROFILE_PACKAGE = 0xbf36;
/** Begins a new RSP session: an installation that has not ended is interrupted by it. */
const TAG_GET_CHALLENGE = 0xbf2e;
/** Ends the RSP session: the server has its signed word for it, an installation that has not ended leaves no result. */
const TAG_CANCEL_SESSION = 0xbf41;
/** First octet of the tags of all ES10 functions; the pieces of a bound profile package begin otherwise. */
const FUNCTION_TAG = 0xbf;

/** What one logical channel holds; the RSP session itself belongs to the card. */
type Session = {
  readonly blocks: StoreDataReassembler;
  readonly secure: SecureChannel;
  /** The ISD-P that STORE DATA is for, after INSTALL [for personalization] (GlobalPlatform 11.5.2.3.6). */
  personalizing?: Profile;
};

/** The ISD-R, which takes its commands over the air too. */
export type IsdR = Applet & {
  /** A session beside those on the channels, for commands that a packet under this keyset brings. */
  remoteCommands(keyVersion: number | undefined): { process(command: CommandApdu): Promise<Reply> };
};

export function createIsdR(es10: Es10, random: Random): IsdR {
  const aid = encodeAid(AID_ISD_R);
  const sessions = new Map<number, Session>();
  let loader: BppLoader | undefined;

  const domain = createIsdRDomain(es10);
  const establishment = createKeyEstablishment({
    state: es10.state,
    ec: es10.ec,
    random,
    trustedCis: es10.identity.trustedCis,
  });
  const newSession = (): Session => ({
    blocks: createStoreDataReassembler(),
    secure: createSecureChannel({ ...domain, aid }),
  });

  /** One piece of a bound profile package; BF36 begins a new one. */
  const loadPiece = async (piece: Uint8Array): Promise<Reply> => {
    const { prepared } = es10.session;
    if (piece[0] === FUNCTION_TAG) loader = prepared === undefined ? undefined : createLoader(es10, prepared);
    if (loader === undefined || prepared === undefined) return status(SW.conditionsOfUse);
    const answer = await loader.load(piece);
    if (loader.ended) loader = undefined;
    return ok(answer);
  };

  const perform = async (request: Uint8Array, secure: boolean): Promise<Reply> => {
    const isPiece = request[0] !== FUNCTION_TAG;
    const tag = isPiece ? TAG_BOUND_PROFILE_PACKAGE : tagOf(request);
    if (tag === undefined) return status(SW.wrongData);
    const known = ES10_FUNCTIONS.get(tag);
    const isPackage = tag === TAG_BOUND_PROFILE_PACKAGE;
    const isManagement = isPackage || known?.manages !== undefined;
    const isOpen = !es10.record.managed && known?.manages !== 'always';
    if (isManagement && !secure && !isOpen) {
      return status(SW.securityStatus);
    }
    if (isPackage) return loadPiece(request);
    if (tag === TAG_GET_CHALLENGE && loader !== undefined) {
      await loader.interrupt();
      loader = undefined;
    }
    if (known === undefined) return status(SW.referencedDataNotFound);
    try {
      const response = known.run(es10, request, { managed: secure });
      if (tag === TAG_CANCEL_SESSION && es10.session.prepared === undefined) loader = undefined;
      es10.log.write('debug', 'euicc.es10', 'function', { tag: tagText(tag), octets: response.length });
      return ok(response);
    } catch (error) {
      if (!isAgentError(error)) throw error;
      es10.log.write('debug', 'euicc.es10', 'refused', { tag: tagText(tag), why: error.message });
      es10.state.rollback();
      return status(SW.wrongData);
    }
  };

  const storeData = async (session: Session, command: CommandApdu, secure: boolean): Promise<Reply> => {
    const joined = session.blocks.add(command);
    switch (joined.is) {
      case 'more':
        return ok();
      case 'refused':
        return status(joined.sw);
      case 'request':
        return perform(joined.request, secure);
    }
  };

  /** A command in the clear; `protectedBy` is the version of the keyset that protected it, if one did. */
  const plain = async (
    session: Session,
    command: CommandApdu,
    protectedBy: number | undefined,
  ): Promise<Reply> => {
    if (command.ins === INS_STORE_DATA) {
      if (!isOfGroupings(command)) return storeData(session, command, protectedBy !== undefined);
      session.blocks.reset();
      if (protectedBy === undefined) return status(SW.securityStatus);
      return establishment.store(command, agreementTarget(es10, session.personalizing));
    }
    session.blocks.reset();
    delete session.personalizing;
    if (command.ins === INS_INSTALL) {
      if (protectedBy === undefined) return status(SW.securityStatus);
      session.personalizing = toPersonalize(es10, command);
      return ok(Uint8Array.of(0));
    }
    return manage(domain, command, protectedBy) ?? status(SW.insNotSupported);
  };

  return {
    aid,
    select(channel) {
      sessions.set(channel, newSession());
      return fciOf(es10, aid);
    },
    deselect: (channel) => void sessions.delete(channel),
    remoteCommands(keyVersion) {
      const session = newSession();
      return {
        process: async (command) =>
          (command.cla & 0x80) === 0 ? status(SW.claNotSupported) : plain(session, command, keyVersion),
      };
    },
    async process(channel, command) {
      const session = sessions.get(channel) ?? newSession();
      sessions.set(channel, session);
      return session.secure.process(
        command,
        (clear, protectedBy) => plain(session, clear, protectedBy),
        () => session.blocks.reset(),
      );
    },
  };
}

/** Data groupings are for keys that are agreed on; everything else is BER-TLV (SGP.02 4.1.1.8; SGP.22 5.7.2). */
function isOfGroupings({ p1 }: CommandApdu): boolean {
  return (p1 & ~P1_BLOCK) === P1_GROUPINGS;
}

function agreementTarget({ profiles, record, state }: Es10, isdP: Profile | undefined): AgreementTarget {
  const numbers = domainNumbers(record.eid);
  if (isdP === undefined) {
    const keys = isdRKeys(state);
    return { ...numbers, keys, role: GP_ROLE.smSr, protocols: ['scp80', 'scp03'] };
  }
  if (!profiles.list().some(({ number }) => number === isdP.number)) return refuse(SW.conditionsOfUse);
  return { ...numbers, keys: isdPKeys(state, isdP.number), role: GP_ROLE.smDp, protocols: ['scp03'] };
}

/** INSTALL [for personalization]: which ISD-P is meant. */
function toPersonalize({ profiles }: Es10, { p1, p2, data }: CommandApdu): Profile {
  if (p1 !== P1_PERSONALIZATION || p2 !== 0) return refuse(SW.incorrectP1P2);
  const length = data[2] ?? 0;
  const aid = data.subarray(3, 3 + length);
  const isForm =
    data.length === 6 + length && [0, 1, 3 + length, 4 + length, 5 + length].every((at) => data[at] === 0);
  if (!isForm) return refuse(SW.wrongData);
  const found = profiles.list().find(({ record }) => equalBytes(encodeAid(record.isdPAid), aid));
  return found ?? refuse(SW.referencedDataNotFound);
}

function tagOf(request: Uint8Array): number | undefined {
  try {
    return readTlvHeader(request).tag;
  } catch (error) {
    if (isAgentError(error)) return undefined;
    throw error;
  }
}

/** Of the IoT template (SGP.32 2.4.7): whether a profile is enabled; there is no IPA on this card. */
const euiccConfiguration = flags({ ipaeSupported: 0, enabledProfile: 1 });

/** FCI: AID, maximum length of data, ISD-R proprietary templates: version of SGP.22 (5.7.1), state of an IoT eUICC. */
function fciOf({ record, profiles }: Es10, aid: Uint8Array): Uint8Array {
  const { svn } = EuiccInfo2.decode(record.euiccInfo2);
  return encodeTlv(
    0x6f,
    encodeTlv(0x84, aid),
    encodeTlv(0xa5, MAXIMUM_LENGTH),
    encodeTlv(0xe0, encodeTlv(0x82, version.encode(svn))),
    encodeTlv(
      0xe1,
      encodeTlv(0x80, euiccConfiguration.encode(profiles.enabled === undefined ? [] : ['enabledProfile'])),
    ),
  );
}
