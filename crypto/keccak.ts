// The permutation Keccak-f[1600] (FIPS 202 section 3): node:crypto offers only the hashes made of it, TUAK needs it bare.

const LANES = 25;
const ROUNDS = 24;
const MASK = 0xffffffffffffffffn;

/** Octets of the state. */
export const KECCAK_STATE = 200;

/** Rotation of each lane (FIPS 202 table 2), by x + 5y. */
const ROTATIONS = [
  0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14,
].map(BigInt);

/** Round constants out of the linear feedback shift register (FIPS 202 3.2.5). */
const ROUND_CONSTANTS: readonly bigint[] = roundConstants();

function roundConstants(): bigint[] {
  let register = 1;
  return Array.from({ length: ROUNDS }, () => {
    let constant = 0n;
    for (let j = 0; j <= 6; j++) {
      if ((register & 1) === 1) constant |= 1n << BigInt(2 ** j - 1);
      register = (register << 1) ^ ((register & 0x80) === 0 ? 0 : 0x171);
    }
    return constant;
  });
}

function rotated(lane: bigint, by: bigint): bigint {
  return ((lane << by) | (lane >> (64n - by))) & MASK;
}

/** Permutes a state of 200 octets; lanes are little endian, as in FIPS 202 B.1. */
export function keccakF1600(state: Uint8Array): Uint8Array {
  const view = new DataView(Uint8Array.from(state).buffer);
  let lanes = Array.from({ length: LANES }, (_, i) => view.getBigUint64(8 * i, true));
  for (const constant of ROUND_CONSTANTS) lanes = round(lanes, constant);
  for (const [i, lane] of lanes.entries()) view.setBigUint64(8 * i, lane, true);
  return new Uint8Array(view.buffer);
}

/** Theta, rho, pi, chi and iota. */
function round(lanes: readonly bigint[], constant: bigint): bigint[] {
  const at = (list: readonly bigint[], i: number): bigint => list[i] ?? 0n;
  const columns = Array.from({ length: 5 }, (_, x) =>
    [0, 5, 10, 15, 20].reduce((sum, row) => sum ^ at(lanes, x + row), 0n),
  );
  const moved: bigint[] = Array.from({ length: LANES }, () => 0n);
  for (let i = 0; i < LANES; i++) {
    const [x, y] = [i % 5, Math.floor(i / 5)];
    const theta = at(lanes, i) ^ at(columns, (x + 4) % 5) ^ rotated(at(columns, (x + 1) % 5), 1n);
    moved[y + 5 * ((2 * x + 3 * y) % 5)] = rotated(theta, at(ROTATIONS, i));
  }
  return moved.map((lane, i) => {
    const row = i - (i % 5);
    const chi = lane ^ (~at(moved, row + ((i + 1) % 5)) & MASK & at(moved, row + ((i + 2) % 5)));
    return i === 0 ? chi ^ constant : chi;
  });
}
