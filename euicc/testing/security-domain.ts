// PE-SecurityDomain for tests (TCA eUICC Profile Package: Interoperable Format): a domain at a TAR, with the keys that are given.
import { fromHex } from '../../base/bytes.ts';
import type { ProfileElement } from '../../codec/saip/package.ts';
import { mandated } from '../profile-samples.ts';

type Value = Extract<ProfileElement, { type: 'securityDomain' }>['value'];

export function securityDomain(options: {
  readonly aid: Uint8Array;
  readonly tar: Uint8Array;
  /** The element's number in the package. */
  readonly id: number;
  readonly lifeCycleState: number;
  readonly minimumSecurityLevel: number;
  readonly keyList: NonNullable<Value['keyList']>;
}): ProfileElement {
  const { aid, tar, id, lifeCycleState, minimumSecurityLevel, keyList } = options;
  return {
    type: 'securityDomain',
    value: {
      header: mandated(id),
      instance: {
        applicationLoadPackageAid: fromHex('A0000001515350'),
        classAid: fromHex('A000000151535041'),
        instanceAid: aid,
        applicationPrivileges: fromHex('82DC00'),
        lifeCycleState: Uint8Array.of(lifeCycleState),
        applicationSpecificParametersC9: fromHex('810280008201F08301F08701F0'),
        applicationParameters: {
          uiccToolkit: Uint8Array.of(1, 0, 0, 0, 0, 2, 1, minimumSecurityLevel, tar.length, ...tar, 0),
        },
      },
      keyList,
    },
  };
}
