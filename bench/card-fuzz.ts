// fuzz card: random and damaged commands at a card; every answer is a status word, soon, and holds none of its secrets.
import { concat, fromHex, toHex } from '../base/bytes.ts';
import { createSeededRandom } from '../base/random.ts';
import { createWorld, ISD_R_KEYS, type World } from '../euicc/testing/world.ts';
import { atLeast, atMost, type Run } from './figure.ts';
import { below, type Dice, mutate } from './mutate.ts';

const DEFAULT_COMMANDS = 20_000;
/** A card is made anew after so many commands, so that one broken state does not hide what comes after. */
const COMMANDS_A_CARD = 2000;
const SLOW_MS = 1000;
const SHOWN_FAULTS = 3;
const MAX_RANDOM = 270;

/** Commands that are right at some time, to be repeated, damaged and mixed. */
const SEEDS = [
  '00A4040010A0000005591010FFFFFFFF890000010000',
  '00A4040007A000000087100200',
  '00A40004023F0000',
  '00A4000C022FE2',
  '00A4080C047FFF6F07',
  '00B000000A',
  '00B2010426',
  '00D6000002FFFF',
  '00A2010401FF00',
  '0020000108 31323334FFFFFFFF',
  '0070000001',
  '00708001',
  '80F2000000',
  '80F2000100',
  '80AA000003A90100',
  '8010000004FFFFFFFF',
  '8012000000',
  '801400000C810301010482028281830100',
  '80C2000004D1020100',
  '00880081221023553CBE9637A89D218AE64DAE47BF351055F328B43577B9B94A9FFAC354DFAFB300',
  '80E2910003BF2000',
  '80E2910003BF2200',
  '80E2910003BF2D00',
  '80E2910003BF2E00',
  '80E2910006BF3E035C015A',
  '80E2910003BF2B00',
  '80E2910003BF2800',
  '80E2910006BF3003800101',
  '80E2910014BF3111A00C5A0A98881201000000000081010000',
  '80E2910014BF3211A00C5A0A98881201000000000081010000',
  '80E291000FBF330C5A0A9888120100000000F100',
  '80E2910007BF340482020560',
  '80E2110003BF3810',
  '80E2910004BF360100',
  '80500000080102030405060708',
  '84820300100102030405060708090A0B0C0D0E0F10',
  '80CA00E000',
].map((hex) => fromHex(hex.replaceAll(' ', '')));

function nextCommand(dice: Dice): Uint8Array {
  const chance = dice.next();
  if (chance < 0.1) return dice.bytes(below(dice, MAX_RANDOM));
  const seed = SEEDS[below(dice, SEEDS.length)] ?? SEEDS[0] ?? new Uint8Array(0);
  if (chance < 0.2)
    return concat(seed.subarray(0, 4), Uint8Array.of(below(dice, 256)), dice.bytes(below(dice, 256)));
  return chance < 0.6 ? seed : mutate(dice, seed, SEEDS);
}

/** What no answer may hold, as hex. */
function secretsOf({ pki }: World): readonly string[] {
  const keys = [ISD_R_KEYS.enc, ISD_R_KEYS.mac, ISD_R_KEYS.dek, pki.euicc.pair.privateKey];
  return keys.map((key) => toHex(key.reveal()));
}

/** Why an answer is wrong, or undefined. */
function faultOf(answer: Uint8Array, secrets: readonly string[]): string | undefined {
  const first = answer[answer.length - 2] ?? 0;
  if (answer.length < 2 || answer.length > 258) return `${answer.length} octets`;
  if (first >> 4 !== 6 && first >> 4 !== 9) return `status ${toHex(answer.subarray(-2))}`;
  const text = toHex(answer);
  return secrets.some((secret) => text.includes(secret)) ? 'holds a secret' : undefined;
}

export const cardFuzz: Run = {
  doc: 'random and damaged commands at a virtual eUICC; --runs is the number of commands',
  async run({ clock, runs = DEFAULT_COMMANDS, seed, progress }) {
    const dice = createSeededRandom(seed);
    const faults: string[] = [];
    let slowestMs = 0;
    let accepted = 0;
    for (let done = 0; done < runs; ) {
      const world = await createWorld({ managed: below(dice, 2) === 0, seed: seed + done });
      const secrets = secretsOf(world);
      for (let i = 0; i < COMMANDS_A_CARD && done < runs; i++, done++) {
        if (below(dice, 500) === 0) await world.card.reset();
        const command = nextCommand(dice);
        const begin = clock.now();
        const fault = await world.card.transmit(command).then(
          (answer) => {
            if (toHex(answer.subarray(-2)) === '9000') accepted++;
            return faultOf(answer, secrets);
          },
          (error: unknown) => (error instanceof Error ? (error.stack ?? error.message) : String(error)),
        );
        slowestMs = Math.max(slowestMs, clock.now() - begin);
        if (fault !== undefined) faults.push(`${toHex(command)}: ${fault}`);
      }
      await world.card.close();
    }
    for (const fault of faults.slice(0, SHOWN_FAULTS)) progress(fault);
    return [
      atMost('faults', faults.length, 0),
      atMost('slowest command, ms', slowestMs, SLOW_MS),
      atLeast('commands', runs, 1),
      atLeast('accepted commands, share', accepted / runs, 0.05),
    ];
  },
};
