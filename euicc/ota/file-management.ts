// Remote file management: the file commands of the card OS under the access domains of an application (ETSI TS 102 226, 6 and 8.2.1.3.2.3).
import { SW } from '../../codec/apdu.ts';
import { applicationOf, type FolderPlace } from '../file-system.ts';
import { type Card, type Channel, createChannel, setFolder } from '../os/card.ts';
import { INSTRUCTIONS } from '../os/instructions.ts';
import type { Pins } from '../os/pins.ts';
import { refuse } from '../os/reply.ts';
import { encodeAid } from '../../codec/ids.ts';
import type { Directory, RfmContent } from '../profile-content.ts';
import type { RemoteCommands } from './remote-session.ts';
import { equalBytes } from '../../base/bytes.ts';

/** The commands of remote file management (table 6.1), as far as the card OS has them. */
const COMMANDS: ReadonlySet<number> = new Set([
  0xa4, 0xb0, 0xb2, 0xd6, 0xdc, 0xa2, 0x32, 0xcb, 0xdb, 0x20, 0x24, 0x26, 0x28, 0x2c, 0x04, 0x44,
]);

/** First octet of an access domain: everything but what nobody may. Any other gives no right of its own. */
const FULL_ACCESS = 0x00;

/**
 * A session on the profile that the card presents now. The application's ADF is selected, or the MF. Its access domains stand
 * for verified keys: one in the ADF, one everywhere else outside ADFs; PINs that the script verifies itself count too.
 */
export function remoteFileCommands(card: Card, rfm: RfmContent): RemoteCommands {
  const { files } = card.profile;
  const adf = adfOf(card, rfm);
  const full = new Set<Directory>();
  for (const folder of foldersBelow(files, files.root)) {
    const application = applicationOf(folder);
    const domain =
      application === undefined ? rfm : application.content === adf?.content ? rfm.adf : undefined;
    if (domain?.accessDomain[0] === FULL_ACCESS) full.add(folder.content);
  }
  const pins = card.profile.unverifiedPins();
  const remotePins: Pins = {
    ...pins,
    isSatisfied: (folder, keyReference) => full.has(folder) || pins.isSatisfied(folder, keyReference),
  };
  // A view of the card without applications to select, and with rights of its own.
  const remote: Card = { ...card, applets: [], profile: { ...card.profile, pins: remotePins } };
  const channel: Channel = createChannel(0, files);
  if (adf !== undefined) {
    channel.adf = adf;
    setFolder(channel, adf);
  }
  return {
    process(command) {
      const instruction = COMMANDS.has(command.ins) ? INSTRUCTIONS.get(command.ins) : undefined;
      if (instruction === undefined) return refuse(SW.insNotSupported);
      const klass = (command.cla & 0x80) === 0 ? 'interindustry' : 'proprietary';
      if (!instruction.classes.includes(klass)) return refuse(SW.claNotSupported);
      return instruction.run(remote, channel, command);
    },
  };
}

function adfOf(card: Card, { adf }: RfmContent): FolderPlace | undefined {
  if (adf === undefined) return undefined;
  const aid = encodeAid(adf.aid);
  return card.profile.files.applications.find(
    ({ content }) => content.aid !== undefined && equalBytes(encodeAid(content.aid), aid),
  );
}

/** A directory and those below it. Links are listed as what they lead to, so each place is visited once. */
function foldersBelow(files: Card['profile']['files'], top: FolderPlace): FolderPlace[] {
  const found: FolderPlace[] = [top];
  const seen = new Set<Directory>([top.content]);
  for (let at = 0; at < found.length; at++) {
    const folder = found[at];
    if (folder === undefined) break;
    for (const place of files.list(folder)) {
      if (place.kind !== 'folder' || seen.has(place.content)) continue;
      seen.add(place.content);
      found.push(place);
    }
  }
  return found;
}
