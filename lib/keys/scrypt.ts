import { pbkdf2 } from "./pbkdf2.ts";

/** What an scrypt key costs to derive. */
export interface ScryptCost {
  /** Rounds, and blocks of memory: a power of two. */
  readonly n: number;
  /** Block size, in units of 128 bytes. */
  readonly r: number;
  /** How often it is all done. */
  readonly p: number;
}

/** scrypt (RFC 7914 §6). */
export function scrypt(
  passphrase: Uint8Array,
  salt: Uint8Array,
  { n, r, p }: ScryptCost,
  length: number,
): Uint8Array {
  const blocks = pbkdf2("SHA-256", passphrase, salt, 1, 128 * r * p);
  const memory = new Uint32Array(32 * r * n);
  const view = new DataView(blocks.buffer, blocks.byteOffset, blocks.byteLength);
  for (let i = 0; i < p; i++) {
    const words = new Uint32Array(32 * r);
    for (let w = 0; w < words.length; w++) words[w] = view.getUint32(4 * (32 * r * i + w), true);
    romix(words, memory, n, r);
    for (let w = 0; w < words.length; w++) view.setUint32(4 * (32 * r * i + w), words[w]!, true);
  }
  const key = pbkdf2("SHA-256", passphrase, blocks, 1, length);
  blocks.fill(0);
  memory.fill(0);
  return key;
}

// RFC 7914 §5
function romix(block: Uint32Array, memory: Uint32Array, n: number, r: number): void {
  const size = block.length;
  const other = new Uint32Array(size);
  for (let i = 0; i < n; i++) {
    memory.set(block, i * size);
    mixBlock(block, other, r);
  }
  for (let i = 0; i < n; i++) {
    const at = (block[size - 16]! & (n - 1)) * size;
    for (let w = 0; w < size; w++) block[w]! ^= memory[at + w]!;
    mixBlock(block, other, r);
  }
}

// RFC 7914 §4
function mixBlock(block: Uint32Array, out: Uint32Array, r: number): void {
  const x = block.slice(-16);
  for (let i = 0; i < 2 * r; i++) {
    for (let w = 0; w < 16; w++) x[w]! ^= block[16 * i + w]!;
    salsa8(x);
    out.set(x, 16 * (i % 2 === 0 ? i / 2 : r + (i - 1) / 2));
  }
  block.set(out);
}

// RFC 7914 §3: the steps of a double round, each as: target, two sources, rotation.
const STEPS: readonly (readonly [number, number, number, number])[] = [
  [4, 0, 12, 7],
  [8, 4, 0, 9],
  [12, 8, 4, 13],
  [0, 12, 8, 18],
  [9, 5, 1, 7],
  [13, 9, 5, 9],
  [1, 13, 9, 13],
  [5, 1, 13, 18],
  [14, 10, 6, 7],
  [2, 14, 10, 9],
  [6, 2, 14, 13],
  [10, 6, 2, 18],
  [3, 15, 11, 7],
  [7, 3, 15, 9],
  [11, 7, 3, 13],
  [15, 11, 7, 18],
  [1, 0, 3, 7],
  [2, 1, 0, 9],
  [3, 2, 1, 13],
  [0, 3, 2, 18],
  [6, 5, 4, 7],
  [7, 6, 5, 9],
  [4, 7, 6, 13],
  [5, 4, 7, 18],
  [11, 10, 9, 7],
  [8, 11, 10, 9],
  [9, 8, 11, 13],
  [10, 9, 8, 18],
  [12, 15, 14, 7],
  [13, 12, 15, 9],
  [14, 13, 12, 13],
  [15, 14, 13, 18],
];
const TARGETS = Uint8Array.from(STEPS, ([target]) => target);
const LEFTS = Uint8Array.from(STEPS, ([, left]) => left);
const RIGHTS = Uint8Array.from(STEPS, ([, , right]) => right);
const TURNS = Uint8Array.from(STEPS, ([, , , turn]) => turn);

function salsa8(x: Uint32Array): void {
  const start = x.slice();
  for (let round = 0; round < 4; round++) {
    for (let step = 0; step < 32; step++) {
      const sum = (x[LEFTS[step]!]! + x[RIGHTS[step]!]!) | 0;
      const turn = TURNS[step]!;
      x[TARGETS[step]!]! ^= (sum << turn) | (sum >>> (32 - turn));
    }
  }
  for (let w = 0; w < 16; w++) x[w]! += start[w]!;
}
