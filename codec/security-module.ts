// InstallSecurityModule: a further key agreement pair in the ECASD, made on the card and then certified (seed 48, 49). Of this project's
// own making, in the form of the functions of SGP.22, and taken under the ISD-R's keys only.
import { certificate, otpk } from './rsp/types.ts';
import { codes } from './tlv-names.ts';
import { choice, object, oid, sequence } from './tlv-table.ts';

export const TAG_INSTALL_SECURITY_MODULE = 0xbf7d;

/** First the pair, whose public key the EUM certifies; then the certificate, with which it begins to serve. */
export const InstallSecurityModuleRequest = object(
  TAG_INSTALL_SECURITY_MODULE,
  choice({
    generateKey: {
      tag: 0xa0,
      type: sequence({
        /** Object identifier of the SM-DP that the module is for. */
        registeredId: { tag: 0x06, type: oid },
        curve: { tag: 0x80, type: codes({ 'P-256': 0, brainpoolP256r1: 1 }) },
      }),
    },
    installCertificate: { tag: 0xa1, type: sequence({ certificate }) },
  }),
);

export const InstallSecurityModuleResponse = object(
  TAG_INSTALL_SECURITY_MODULE,
  choice({
    publicKey: { tag: 0xa0, type: sequence({ ecasdPublicKey: { tag: 0x5f49, type: otpk } }) },
    installed: { tag: 0xa1, type: sequence({}) },
    error: {
      tag: 0x82,
      type: codes({
        singleModule: 1,
        alreadyInstalled: 2,
        unknownKey: 3,
        invalidCertificate: 4,
        insufficientMemory: 5,
        unsupportedCurve: 6,
        undefinedError: 127,
      }),
    },
  }),
);
