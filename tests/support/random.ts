/** Reproducible random inputs from one seed, the only randomness in tests. */

/** `DENOSSH_SEED=N` selects other inputs. */
export const SEED: number = setting("DENOSSH_SEED", 1);

/** `DENOSSH_LONG=N` tries N times as many inputs, or moves N times as many bytes. */
export const LONG: number = setting("DENOSSH_LONG", 1);

/** The next number, from 0 to `below` - 1. */
export type Random = (below: number) => number;

/**
 * Registers a test of random inputs, which depend on its name and the seed. A failure prints how to
 * reproduce it.
 */
export function fuzzTest(name: string, run: (random: Random) => void | Promise<void>): void {
  Deno.test(name, async () => {
    try {
      await run(randomFrom(`${SEED} ${name}`));
    } catch (cause) {
      throw new Error(`Repeat with DENOSSH_SEED=${SEED} DENOSSH_LONG=${LONG}`, { cause });
    }
  });
}

/** The same numbers for the same text. */
export function randomFrom(text: string): Random {
  let seed = 0x811c9dc5; // FNV-1a
  for (let at = 0; at < text.length; at++) seed = Math.imul(seed ^ text.charCodeAt(at), 0x01000193);
  const next = words(seed);
  return (below) => Math.floor(next() / 2 ** 32 * below);
}

/** Random bytes of any length, the same for the same seed. */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const next = words(seed);
  const numbers = new Uint32Array(Math.ceil(length / 4));
  for (let at = 0; at < numbers.length; at++) numbers[at] = next();
  return new Uint8Array(numbers.buffer, 0, length);
}

/** Marsaglia's xorshift32; the seed's bits are mixed first, so that close seeds give different numbers. */
function words(seed: number): () => number {
  let state = seed + 0x9e3779b9 | 0;
  state = Math.imul(state ^ state >>> 16, 0x85ebca6b);
  state = Math.imul(state ^ state >>> 13, 0xc2b2ae35);
  state = (state ^ state >>> 16) || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const EDGES = [0, 1, 0x7f, 0x80, 0xff];

/** The input with a few bytes changed, removed, doubled or added, or a length made absurd. */
export function mutate(input: Uint8Array, random: Random): Uint8Array<ArrayBuffer> {
  let bytes = [...input];
  for (let changes = random(4); changes >= 0; changes--) {
    const at = random(bytes.length + 1);
    const [before, after] = [bytes.slice(0, at), bytes.slice(at)];
    const middles: (() => number[])[] = [
      () => [random(256), ...after.slice(1)],
      () => [EDGES[random(EDGES.length)]!, ...after.slice(1)],
      () => [random(256), ...after],
      () => [],
      () => after.slice(random(9)),
      () => [...after.slice(0, random(40)), ...after],
      () => [255, 255, 255, random(2) === 0 ? 255 : random(256), ...after.slice(4)],
    ];
    bytes = [...before, ...middles[random(middles.length)]!()];
  }
  return Uint8Array.from(bytes);
}

function setting(name: string, usual: number): number {
  const value = Number(Deno.env.get(name) ?? usual);
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`${name} must be an integer of 1 or more`);
  }
  return value;
}
