// The values of the card's options on the command line, read strictly. What is none throws InvalidArgumentError.
import { InvalidArgumentError } from 'commander';
import { CPLC_OCTETS } from '../codec/cplc.ts';
import type { Address } from './serve.ts';

/** HOST:PORT, either of which may be left out; an IPv6 address stands in brackets. */
export function address(defaultPort: number): (text: string) => Address {
  return (text) => {
    const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(text) ?? [];
    const port = digits === undefined ? defaultPort : Number(digits);
    const host = bracketed ?? plain;
    if (host === undefined || port > 65_535) throw new InvalidArgumentError('Expected HOST:PORT.');
    return { host: host === '' ? '127.0.0.1' : host, port };
  };
}

/** A whole number within bounds. */
export function whole(most: number, least = 0): (text: string) => number {
  return (text) => {
    const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most))
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`);
    return value;
  };
}

/** The address of an SM-DP+ or SM-DS. */
export function serverAddress(text: string): string {
  if (!/^[\x21-\x7e]{1,255}$/.test(text))
    throw new InvalidArgumentError('Expected a host name of at most 255 characters.');
  return text;
}

/** Card production life cycle data, as hex digits. */
export function productionData(text: string): string {
  const digits = 2 * CPLC_OCTETS;
  if (text.length === digits && /^[0-9A-Fa-f]*$/.test(text)) return text;
  throw new InvalidArgumentError(`Expected ${digits} hex digits.`);
}

/** Every value of an option that may be repeated. */
export function each(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, text];
}

/** Every object identifier of an option that may be repeated. */
export function eachOid(text: string, earlier: readonly string[] = []): readonly string[] {
  if (!/^[0-2](?:\.\d{1,9}){1,20}$/.test(text)) {
    throw new InvalidArgumentError('Expected an object identifier like 2.999.10.');
  }
  return each(text, earlier);
}
