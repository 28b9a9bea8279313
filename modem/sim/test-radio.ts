// A radio network with one cell for trying the modem: who may attach is a list, coverage is a switch.
import type { Imsi } from '../../codec/ids.ts';
import type { AttachOutcome, AttachRequest, AuthenticateAnswer, RadioNetwork } from './radio.ts';

export type TestRadio = RadioNetwork & {
  setCoverage(on: boolean): void;
  /** What the card answered to the last challenge. */
  readonly lastAnswer: AuthenticateAnswer | undefined;
  /** Identities that are attached, with whether their bearer is up. */
  readonly attached: ReadonlyMap<Imsi, boolean>;
};

export type TestRadioOptions = {
  /** Refused identities and their EMM causes; all others may attach. */
  readonly denied?: Readonly<Record<string, number>>;
  /** Puts this challenge to every card that attaches. */
  readonly challenge?: { readonly rand: Uint8Array; readonly autn: Uint8Array };
};

const CELL = {
  operatorName: 'Test operator',
  accessTechnology: 7,
  trackingAreaCode: 0x1a2b,
  cellId: 0x01234567,
  address: '10.20.30.40',
};

/** The home networks of the test card's two profiles. */
const ON_AIR = ['00101', '00102'].map((plmn) => ({
  plmn,
  operatorName: CELL.operatorName,
  accessTechnology: CELL.accessTechnology,
  forbidden: false,
}));

export function createTestRadio(options: TestRadioOptions = {}): TestRadio {
  const listeners = new Set<() => void>();
  const attached = new Map<Imsi, boolean>();
  let coverage = true;
  let lastAnswer: AuthenticateAnswer | undefined;

  const attach = async (request: AttachRequest): Promise<AttachOutcome> => {
    const plmn = request.imsi.slice(0, 5);
    if (!coverage || (request.plmn ?? plmn) !== plmn) return { registered: false, why: 'no-service' };
    const cause = options.denied?.[request.imsi];
    if (cause !== undefined) return { registered: false, why: 'denied', cause };
    if (options.challenge !== undefined) {
      lastAnswer = await request.authenticate(options.challenge.rand, options.challenge.autn);
      if (lastAnswer.is !== 'success') return { registered: false, why: 'denied', cause: 3 };
    }
    attached.set(request.imsi, false);
    return { registered: true, roaming: false, plmn, ...CELL };
  };
  return {
    attached,
    get lastAnswer() {
      return lastAnswer;
    },
    attach,
    detach: (imsi) => void attached.delete(imsi),
    setBearer: (imsi, up) => void attached.set(imsi, up),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    signalStrength: () => (coverage ? 20 : 99),
    scan: () => (coverage ? ON_AIR : []),
    setCoverage(on) {
      coverage = on;
      for (const listener of listeners) listener();
    },
  };
}
