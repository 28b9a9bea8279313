// Every fault once, by its place in a script, seen from a terminal; and every fault by rate.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSeededRandom } from '../../base/random.ts';
import { createFaults, FAULTS, type FaultKind, parseFault } from './faults.ts';
import { createTestCard, TEST_PROFILES } from './test-card.ts';
import { ISD_R, lines } from './testing-terminal.ts';

const [FIRST, SECOND] = TEST_PROFILES;
/** An APDU that the card answers in one line. */
const ASK = '+CSIM=14,"00A40004022FE2"';
const ANSWER = '+CSIM: 4,"610A"|OK';

type Rig = Awaited<ReturnType<typeof lines>> & { readonly ports: boolean[] };

async function faulty(spec: string): Promise<Rig> {
  const ports: boolean[] = [];
  const made = await lines({
    modem: {
      faults: [parseFault(spec)],
      bootMs: 1_000,
      onPort: (present) => void ports.push(present),
      spareCard: createTestCard({ profiles: TEST_PROFILES.slice(1) }),
    },
  });
  return { ...made, ports };
}

/** Whether the card got the APDU of `ASK`. */
function reached({ card }: Rig): boolean {
  return card.commands.some((apdu) => apdu.length === 7 && apdu[6] === 0xe2 && apdu[4] === 2);
}

const SCENES: Readonly<Record<FaultKind, () => Promise<void>>> = {
  async reset() {
    const made = await faulty('reset@at=1');
    const before = made.card.commands.length;
    assert.equal(await made.at(ASK), '');
    assert.equal(made.card.commands.length, before);
    await made.clock.advance(2_000);
    // All settings are those of the start.
    assert.equal(await made.type('AT+CMEE?\r'), 'AT+CMEE?\r\r\n+CMEE: 0\r\n\r\nOK\r\n');
    assert.equal(await made.at(ASK), `AT${ASK}\r|${ANSWER}`);
  },
  async 'reset-after'() {
    const made = await faulty('reset-after@at=1');
    assert.equal(await made.at(ASK), '');
    assert.ok(reached(made));
    await made.clock.advance(2_000);
    assert.match(await made.at(ASK), /OK$/);
  },
  async 'card-mute'() {
    const { at } = await faulty('card-mute@at=1');
    assert.equal(await at(ASK), '+CME ERROR: 13');
    assert.equal(await at(ASK), '+CME ERROR: 13');
    await at('+CFUN=0');
    await at('+CFUN=1');
    assert.equal(await at(ASK), ANSWER);
  },
  async 'card-out'() {
    const { at, clock } = await faulty('card-out=3000@at=1');
    assert.equal(await at(ASK), '+CME ERROR: 10');
    assert.equal(await at('+CPIN?'), '+CME ERROR: 10');
    await clock.advance(3_000);
    assert.equal(await at('+CPIN?'), '+CPIN: READY|OK');
    assert.equal(await at('+CIMI'), `${FIRST?.imsi}|OK`);
  },
  async 'card-swap'() {
    const { at, clock } = await faulty('card-swap=3000@every=1');
    await at(ASK);
    await clock.advance(3_000);
    assert.equal(await at('+CIMI'), `${SECOND?.imsi}|OK`);
    await at(ASK);
    await clock.advance(3_000);
    assert.equal(await at('+CIMI'), `${FIRST?.imsi}|OK`);
  },
  async mute() {
    const made = await faulty('mute@at=1');
    assert.equal(await made.at(ASK), '');
    assert.ok(reached(made));
    assert.equal(await made.at(ASK), ANSWER);
  },
  async cme() {
    const made = await faulty('cme=14@at=1');
    assert.equal(await made.at(ASK), '+CME ERROR: 14');
    assert.ok(reached(made));
    assert.equal(await made.at(ASK), ANSWER);
  },
  async stall() {
    const { at, clock, type } = await faulty('stall=2000@at=1');
    assert.equal(await at(ASK), '');
    await clock.advance(1_980);
    assert.equal(await type(''), '');
    await clock.advance(20);
    assert.equal(await type(''), '\r\n+CSIM: 4,"610A"\r\n\r\nOK\r\n');
  },
  async 'drop-port'() {
    const made = await faulty('drop-port=1000@at=1');
    assert.equal(await made.at(ASK), '');
    assert.ok(reached(made));
    assert.deepEqual(made.ports, [false]);
    await made.clock.advance(1_000);
    assert.deepEqual(made.ports, [false, true]);
  },
  async exhaust() {
    const { at, card } = await faulty('exhaust@at=1');
    assert.equal(await at(ASK), ANSWER);
    assert.equal(card.openChannels(), 3);
    assert.equal(await at(`+CCHO="${ISD_R}"`), '+CME ERROR: 20');
    assert.equal(await at('+CCHC=50'), 'OK');
    assert.equal(await at(`+CCHO="${ISD_R}"`), '+CCHO: 1|OK');
  },
  async silence() {
    const { at } = await faulty('silence@at=2');
    assert.equal(await at(ASK), '');
    assert.equal(await at(ASK), ANSWER);
  },
  async truncate() {
    const { type } = await faulty('truncate@at=2');
    const [cut, whole] = [await type(`AT${ASK}\r`), await type(`AT${ASK}\r`)];
    assert.ok(cut.length < whole.length && whole.startsWith(cut), cut);
  },
  async tear() {
    const { type } = await faulty('tear@at=2');
    const [torn, whole] = [await type(`AT${ASK}\r`), await type(`AT${ASK}\r`)];
    assert.ok(torn.length < whole.length && torn.length > 0, torn);
  },
  async repeat() {
    const { type } = await faulty('repeat@at=2');
    const [twice, whole] = [await type(`AT${ASK}\r`), await type(`AT${ASK}\r`)];
    assert.equal(twice, whole + whole);
  },
  async pause() {
    const { type, clock } = await faulty('pause=2000@at=2');
    const first = await type(`AT${ASK}\r`);
    await clock.advance(1_980);
    assert.equal(await type(''), '');
    await clock.advance(20);
    assert.equal(first + (await type('')), '\r\n+CSIM: 4,"610A"\r\n\r\nOK\r\n');
    assert.ok(first.length < 27);
  },
  async foreign() {
    const { at } = await faulty('foreign@at=2');
    assert.match(await at(ASK), /^\+CSQ: \d+,99\|OK\|\+CSIM: 4,"610A"\|OK$/);
    assert.equal(await at(ASK), ANSWER);
  },
  async 'urc-storm'() {
    const { type } = await faulty('urc-storm=7@at=2');
    const [stormy, calm] = [await type(`AT${ASK}\r`), await type(`AT${ASK}\r`)];
    assert.ok(stormy.length > calm.length + 7 * 8, stormy);
  },
  async lose() {
    const made = await lines({ modem: { faults: [parseFault('lose@every=2')] } });
    assert.notEqual(await made.at(ASK), ANSWER);
    assert.ok((made.modem.faults.struck['lose'] ?? 0) > 5);
  },
  async duplicate() {
    const made = await lines({ modem: { faults: [parseFault('duplicate@every=2')] } });
    await made.at(ASK);
    assert.ok((made.modem.faults.struck['duplicate'] ?? 0) > 5);
  },
  async flip() {
    const made = await lines({ modem: { faults: [parseFault('flip@every=3')] } });
    assert.notEqual(await made.at(ASK), ANSWER);
    assert.ok((made.modem.faults.struck['flip'] ?? 0) > 5);
  },
};

for (const [kind, scene] of Object.entries(SCENES)) {
  test(`${kind}: ${FAULTS[kind as FaultKind].what}`, scene);
}

test('every fault strikes about as often as its rate says', () => {
  for (const kind of Object.keys(FAULTS) as FaultKind[]) {
    const faults = createFaults([parseFault(`${kind}@rate=0.25`)], createSeededRandom(11));
    for (let n = 0; n < 400; n++) {
      faults.nextApdu();
      faults.answer('\r\nOK\r\n');
      faults.octets(Uint8Array.of(0x41));
    }
    const struck = faults.struck[kind] ?? 0;
    assert.ok(struck > 60 && struck < 140, `${kind}: ${struck}`);
  }
});
