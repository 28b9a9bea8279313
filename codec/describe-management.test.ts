// Commands to security domains in words (GlobalPlatform Card Specification, 11).
import { deepEqual, match } from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex } from '../base/bytes.ts';
import { describe } from './describe.ts';

/** The lines below the first, without their offsets. */
function parts(hex: string): string[] {
  return describe(fromHex(hex.replaceAll(' ', '')))
    .split('\n')
    .slice(2)
    .map((line) => line.replace(/^[0-9A-F]{4} {4}/, ''));
}

test('the commands to a security domain are told in words', () => {
  for (const [command, expected] of [
    [
      '8050300008 0102030405060708 00',
      ['P1 P2 3000 keys of version 30', 'Lc 8', 'host challenge, S8 mode [8] 0102030405060708', 'Le 256'],
    ],
    [
      '80F2400202 4F00',
      [
        'P1 P2 4002 GET STATUS of applications and security domains',
        'Lc 2',
        'AID that is looked for [2] 4F00',
      ],
    ],
    [
      '80F0608005 A000000151',
      ['P1 P2 6080 a security domain and what belongs to it: lock', 'Lc 5', 'AID [5] A000000151'],
    ],
    [
      '80F0400F05 A000000151',
      ['P1 P2 400F applications and security domains: state 0F', 'Lc 5', 'AID [5] A000000151'],
    ],
    ['80E62000 0B 000005A000000151000000', ['P1 P2 2000 for personalization', 'Lc 11', 'AID [5] A000000151']],
    ['80E40000 03 D20131', ['P1 P2 0000', 'Lc 3', 'key version 31']],
    ['80E40000 06 D00102D20131', ['P1 P2 0000', 'Lc 6', 'key 2', 'key version 31']],
    [
      `80D83081 18 31 881110${'11'.repeat(16)}03AABBCC 00`,
      [
        'P1 P2 3081 in the place of version 30, keys from 1',
        'Lc 24',
        'version 31',
        'key 1 AES of 16 octets, 16 enciphered, check value AABBCC',
        'Le 256',
      ],
    ],
  ] as const) {
    deepEqual(parts(command), expected, command);
  }
});

test('a session is told by its level, and what is protected stays as it is', () => {
  const told = parts('8482330010FD4721A14D9B07003C451D2F8AE6BB21').join('\n');
  match(told, /level C-MAC, C-ENC, R-MAC, R-ENC/);
  match(told, /protected data \[16\] FD4721/);
});

test('data groupings are told one by one, and shown whole where they are cut', () => {
  const told = parts('80E28901 16 3A0208A606800188810110 7F490204AA 5F3703010203 00').join('\n');
  match(told, /P1 P2 8901 block 1, data groupings/);
  match(told, /3A02 keyset that is wanted \[8\]/);
  match(told, /7F49 ephemeral public key \[2\] 04AA/);
  match(told, /5F37 signature \[3\] 010203/);
  match(
    parts('80E20900 04 3A01FF01').join('\n'),
    /data groupings, more follow[^]*data groupings, not whole \[4\] 3A01FF01/,
  );
});

test('keys that are cut are said to be', () => {
  match(parts('80D80081 05 31 88111011').join('\n'), /expected a version and keys/);
});
