// The commands that only look: eid, profiles, at and apdu, over the modem's port while no agent holds it.
import { readFile } from 'node:fs/promises';
import { fromHex, toHex } from '../base/bytes.ts';
import { realClock } from '../base/clock.ts';
import { AgentError, errorOf } from '../base/errors.ts';
import { Secret, silentLog } from '../base/log.ts';
import { decodeCommandApdu, encodeResponseApdu, swText } from '../codec/apdu.ts';
import { encodeAid, parseAid, parseImei } from '../codec/ids.ts';
import type { ByteLink } from '../modem/byte-link.ts';
import type { ProcessLock } from '../config/process-lock.ts';
import type { NetworkFound } from '../modem/at-commands.ts';
import type { Modem } from '../modem/modem.ts';
import { accessTechnologyText } from '../modem/registration.ts';
import { type ModemFound, probeModem } from '../modem/modem-probe.ts';
import { getEid, listProfiles, type ProfileEntry, withIsdR } from './card-operations.ts';
import { type CertificateProfileAnswer, readCertificateProfile } from './certificate-profile.ts';
import { acquireModemLock, isPhysicalPort } from './card-lock.ts';
import { type ModemAddress, openLineAt, openModemAt } from './modem-port.ts';

/** The modem to look at, and what is put around its line, such as a trace. */
export type Looking = { readonly address: ModemAddress; readonly around?: (link: ByteLink) => ByteLink };

async function withModem<T>({ address, ...how }: Looking, work: (modem: Modem) => Promise<T>): Promise<T> {
  const modem = await openModemAt(address, { clock: realClock, log: silentLog, ...how });
  try {
    return await work(modem);
  } finally {
    await modem.close();
  }
}

export function readEid(looking: Looking): Promise<string> {
  return withModem(looking, async (modem) =>
    withIsdR(await modem.openCard(), {}, (channel) => getEid(channel)),
  );
}

export function readProfiles(looking: Looking): Promise<readonly ProfileEntry[]> {
  return withModem(looking, async (modem) =>
    withIsdR(await modem.openCard(), {}, (channel) => listProfiles(channel)),
  );
}

export function profilesText(profiles: readonly ProfileEntry[]): string {
  if (profiles.length === 0) return 'no profiles';
  return profiles
    .map(({ iccid, enabled, profileClass, name }) =>
      `${iccid.padEnd(22)}${(enabled ? 'enabled' : 'disabled').padEnd(10)}${profileClass.padEnd(14)}${name ?? ''}`.trimEnd(),
    )
    .join('\n');
}

/** The certificate profile, with the PIN in a file where the card wants one. */
export async function readProfileOfCard(
  looking: Looking,
  given: { readonly pinFile?: string; readonly challenge?: Uint8Array },
): Promise<CertificateProfileAnswer> {
  const { pinFile, challenge } = given;
  const pin = pinFile === undefined ? undefined : await pinOf(pinFile);
  return withModem(looking, async (modem) =>
    readCertificateProfile(await modem.openCard(), {
      ...(pin === undefined ? {} : { pin }),
      ...(challenge === undefined ? {} : { challenge }),
    }),
  );
}

async function pinOf(file: string): Promise<Secret<string>> {
  try {
    return new Secret((await readFile(file, 'utf8')).trim());
  } catch (cause) {
    throw new AgentError('FILE_FAILED', { path: file, why: errorOf(cause).message }, { cause });
  }
}

export function readNetworks(looking: Looking): Promise<readonly NetworkFound[]> {
  return withModem(looking, (modem) => modem.networks());
}

export function networksText(networks: readonly NetworkFound[]): string {
  if (networks.length === 0) return 'no networks';
  return networks
    .map(({ plmn, stat, accessTechnology, name }) =>
      `${plmn.padEnd(8)}${stat.padEnd(11)}${accessTechnologyText(accessTechnology).padEnd(20)}${name}`.trimEnd(),
    )
    .join('\n');
}

export type AtAnswer = { readonly command: string; readonly lines: readonly string[] };

/** Sends each line in turn; ends with the error of the first that the modem refuses. `onAnswer` sees each answer as it comes. */
export function sendAtCommands(
  looking: Looking,
  commands: readonly string[],
  onAnswer: (answer: AtAnswer) => void,
): Promise<void> {
  return withModem(looking, async (modem) => {
    for (const command of commands) onAnswer({ command, lines: await modem.command(command) });
  });
}

export type ApduAnswer = { readonly command: string; readonly data: string; readonly sw: string };

/** Command APDUs in hex, checked before the port is opened. Throws `HEX_INVALID` or `APDU_INVALID`. */
export function parseApdus(texts: readonly string[]): readonly Uint8Array[] {
  return texts.map((text) => {
    const command = fromHex(text.replaceAll(/[\s:]/g, ''));
    decodeCommandApdu(command);
    return command;
  });
}

/** Sends commands on the basic channel, or on a channel of their own to the application `aid` (hex). */
export function sendApdus(
  looking: Looking,
  commands: readonly Uint8Array[],
  aid: string | undefined,
  onAnswer: (answer: ApduAnswer) => void,
): Promise<void> {
  const application = aid === undefined ? undefined : encodeAid(parseAid(aid));
  return withModem(looking, async (modem) => {
    const card = await modem.openCard();
    const channel = application === undefined ? undefined : await card.openChannel(application);
    try {
      for (const command of commands) {
        const response = await (channel ?? card.basic).transmit(command);
        onAnswer({ command: toHex(command), data: toHex(response.data), sw: swText(response.sw) });
      }
    } finally {
      await channel?.close();
    }
  });
}

/** Data and status word as one run of hex, the way traces show them. */
export function apduText({ data, sw }: ApduAnswer): string {
  return toHex(encodeResponseApdu({ data: fromHex(data), sw: Number.parseInt(sw, 16) }));
}

/** Asks the modem what it is and can do, and changes nothing on it. Throws `PORT_*`, or `AT_TIMEOUT` where no modem answers. */
export async function probe({ address, ...how }: Looking): Promise<ModemFound> {
  const link = await openLineAt(address, { clock: realClock, log: silentLog, ...how });
  let lock: ProcessLock | undefined;
  const beforeCard = async (imei: string): Promise<void> => {
    const simulated = address.port.startsWith('tcp://') || !(await isPhysicalPort(address.port));
    if (imei !== '' && !simulated) lock = await acquireModemLock(parseImei(imei));
  };
  try {
    return await probeModem({ link, clock: realClock, log: silentLog, beforeCard });
  } finally {
    await link.close();
    await lock?.release();
  }
}
