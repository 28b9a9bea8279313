// The ES10b functions that SGP.32 adds to those of SGP.22 (SGP.32 5.9).
import type { Es10Function } from '../es10/functions.ts';
import { IOT_CONFIGURATION_FUNCTIONS } from './configuration.ts';
import { MECHANISM_FUNCTIONS } from './mechanisms.ts';
import { PACKAGE_FUNCTIONS } from './package.ts';

export const IOT_FUNCTIONS: readonly Es10Function[] = [
  ...PACKAGE_FUNCTIONS,
  ...IOT_CONFIGURATION_FUNCTIONS,
  ...MECHANISM_FUNCTIONS,
];
