// STORE DATA chains: block numbers and last-block bit, and the card's side of them.
import { deepEqual, equal, throws } from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { fromHex, toHex } from '../base/bytes.ts';
import { isAgentError } from '../base/errors.ts';
import { encodeCommandApdu, SW } from './apdu.ts';
import { createStoreDataReassembler, storeDataCommands } from './store-data.ts';

test('a short request is one last block', () => {
  // pySim and lpac ask for the profile list with these octets.
  deepEqual(storeDataCommands(fromHex('BF2D00')).map(encodeCommandApdu).map(toHex), ['80E2910003BF2D00']);
});

test('blocks are numbered from 00 and only the last has the last-block bit', () => {
  const commands = storeDataCommands(new Uint8Array(600), 255);
  deepEqual(
    commands.map(({ p1, p2, data }) => [p1, p2, data.length]),
    [
      [0x11, 0, 255],
      [0x11, 1, 255],
      [0x91, 2, 90],
    ],
  );
  equal(storeDataCommands(new Uint8Array(510)).length, 2);
});

test('a request of more than 256 blocks cannot be sent', () => {
  equal(storeDataCommands(new Uint8Array(256 * 10), 10).length, 256);
  for (const act of [
    () => storeDataCommands(new Uint8Array(256 * 10 + 1), 10),
    () => storeDataCommands(new Uint8Array(1), 0),
    () => storeDataCommands(new Uint8Array(1), 256),
  ]) {
    throws(act, (error) => isAgentError(error, 'APDU_INVALID'));
  }
});

test('the card joins what was cut, whatever the block size', () => {
  const reassembler = createStoreDataReassembler();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 900 }), fc.integer({ min: 4, max: 255 }), (request, size) => {
      const results = storeDataCommands(request, size).map((command) => reassembler.add(command));
      equal(
        results.slice(0, -1).every((result) => result.is === 'more'),
        true,
      );
      deepEqual(results.at(-1), { is: 'request', request });
    }),
  );
});

test('a block out of order or with an unknown P1 is refused and drops the chain', () => {
  const reassembler = createStoreDataReassembler();
  const block = (p1: number, p2: number) => reassembler.add({ p1, p2, data: fromHex('AA') });
  deepEqual(block(0x11, 0), { is: 'more' });
  deepEqual(block(0x11, 2), { is: 'refused', sw: SW.incorrectP1P2 });
  deepEqual(block(0x91, 1), { is: 'refused', sw: SW.incorrectP1P2 });
  deepEqual(block(0x90, 0), { is: 'refused', sw: SW.incorrectP1P2 });
  deepEqual(block(0x11, 0), { is: 'more' });
  deepEqual(block(0x91, 0), { is: 'request', request: fromHex('AA') });
});

test('a chain that grows past its limit is refused', () => {
  const reassembler = createStoreDataReassembler(3);
  const block = (p1: number, p2: number) => reassembler.add({ p1, p2, data: fromHex('AABB') });
  deepEqual(block(0x11, 0), { is: 'more' });
  deepEqual(block(0x91, 1), { is: 'refused', sw: SW.notEnoughMemory });
});
