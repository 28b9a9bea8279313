// The provisioning subscription that a device leaves the factory with: a bootstrap network of its own, so that it can be reached at all.
import { Secret } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import { type Iccid, type Imsi, luhnDigit, parseIccid, parseImsi } from '../codec/ids.ts';
import type { Subscriber, SubscriberStore } from '../operator/mno/hlr.ts';
import { buildProfilePackage } from '../operator/smdp/profile-builder.ts';

export type Bootstrap = {
  readonly iccid: Iccid;
  readonly imsi: Imsi;
  readonly name: string;
  /** Unprotected profile package, for the factory. */
  readonly upp: Uint8Array;
  readonly subscribers: SubscriberStore;
  /** What must be seen nowhere, by name. */
  readonly secrets: readonly (readonly [string, Uint8Array])[];
};

const PROFILE_BYTES = 4_000;

/** Makes one subscription of the bootstrap network `plmn` with fresh keys. */
export function createBootstrap(options: { readonly plmn: string; readonly random: Random }): Bootstrap {
  const { plmn, random } = options;
  const digits = (count: number): string =>
    Array.from(random.bytes(count), (octet) => String(octet % 10)).join('');
  const iccidStart = `89${plmn.slice(0, 3)}00${digits(11)}`;
  const iccid = parseIccid(iccidStart + luhnDigit(iccidStart));
  const imsi = parseImsi(plmn + digits(15 - plmn.length));
  const k = new Secret(random.bytes(16));
  const opc = new Secret(random.bytes(16));
  const puk1 = digits(8);
  const puk2 = digits(8);
  const key = (): Secret<Uint8Array> => new Secret(random.bytes(16));
  const upp = buildProfilePackage({
    iccid,
    imsi,
    k,
    opc,
    pin1: new Secret(digits(4)),
    puk1: new Secret(puk1),
    pin2: new Secret(digits(4)),
    puk2: new Secret(puk2),
    adm1: new Secret(digits(8)),
    spn: 'Bootstrap',
    mccMnc: plmn,
    profileName: 'Provisioning',
    targetBytes: PROFILE_BYTES,
    otaKeys: { version: 1, kic: key(), kid: key(), kik: key() },
  });
  let subscriber: Subscriber = { imsi, k, opc, sqn: 0, active: true };
  return {
    iccid,
    imsi,
    name: 'Bootstrap',
    upp,
    subscribers: {
      findSubscriber: (wanted) => Promise.resolve(wanted === imsi ? subscriber : undefined),
      saveSqn(_imsi, sqn) {
        subscriber = { ...subscriber, sqn };
        return Promise.resolve();
      },
    },
    secrets: [
      ['bootstrap K', k.reveal()],
      ['bootstrap OPc', opc.reveal()],
      ['bootstrap PUK1', new TextEncoder().encode(puk1)],
      ['bootstrap PUK2', new TextEncoder().encode(puk2)],
    ],
  };
}
