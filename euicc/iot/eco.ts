// eIM configuration operations of a package: addEim, deleteEim, updateEim, listEim (SGP.32 2.11.1.1.2, 3.5.1).
import type { Eco } from '../../codec/rsp/sgp32-package.ts';
import type { TypeOf } from '../../codec/tlv-table.ts';
import type { Es10 } from '../es10/functions.ts';
import { addEim, type Eim, findEim, listEims, removeEim, updateEim } from './eims.ts';
import type { Result } from './package-results.ts';

/** What one operation came to; after one that is not `ok` the rest of the package is left out. */
export type Outcome = { readonly ok: boolean; readonly result: Result };

export function runEco(es10: Es10, eco: TypeOf<typeof Eco>): Outcome {
  const { state } = es10;
  switch (eco.is) {
    case 'addEim':
      return added(addEim(es10, eco.value));
    case 'deleteEim': {
      const eim = findEim(state, eco.value.eimId);
      if (eim === undefined) return { ok: false, result: { is: 'deleteEimResult', value: 'eimNotFound' } };
      removeEim(state, eim);
      const value = listEims(state).length === 0 ? 'lastEimDeleted' : 'ok';
      return { ok: true, result: { is: 'deleteEimResult', value } };
    }
    case 'updateEim': {
      const eim = findEim(state, eco.value.eimId);
      const value = eim === undefined ? 'eimNotFound' : updateEim(es10, eim, eco.value);
      return { ok: value === 'ok', result: { is: 'updateEimResult', value } };
    }
    case 'listEim':
      return {
        ok: true,
        result: {
          is: 'listEimResult',
          value: { is: 'eimIdList', value: listEims(state).map(nameOf) },
        },
      };
  }
}

function added(eim: ReturnType<typeof addEim>): Outcome {
  if (typeof eim === 'string') {
    return { ok: false, result: { is: 'addEimResult', value: { is: 'addEimResultCode', value: eim } } };
  }
  const { associationToken } = eim;
  return {
    ok: true,
    result: {
      is: 'addEimResult',
      value:
        associationToken === 0
          ? { is: 'addEimResultCode', value: 'ok' }
          : { is: 'associationToken', value: associationToken },
    },
  };
}

/** The type is told where it says how to read the identifier. */
function nameOf({ eimId, configuration: { eimIdType } }: Eim): {
  eimId: string;
  eimIdType?: NonNullable<typeof eimIdType>;
} {
  return eimIdType === 'eimIdTypeOid' || eimIdType === 'eimIdTypeFqdn' ? { eimId, eimIdType } : { eimId };
}
