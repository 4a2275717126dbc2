/** Seeded mischief: a failure comes again with the same seed. */

/** Rounds of each fuzz test; a longer run takes more. */
export const FUZZ_ROUNDS = Number(Deno.env.get("SFTP_FUZZ_ROUNDS") ?? 20_000);

/** Small numbers, the same for the same seed. */
export function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Bytes changed, cut out, doubled and added, and lengths made absurd. */
export function mutate(bytes: Uint8Array, random: (below: number) => number): Uint8Array {
  let result = bytes.slice();
  for (let changes = random(4); changes >= 0; changes--) {
    const at = random(result.length + 1);
    const kind = random(5);
    if (kind === 0 && at < result.length) result[at] = random(256);
    if (kind === 1) result = result.slice(0, at);
    if (kind === 2) result = new Uint8Array([...result, ...result.subarray(at)]);
    if (kind === 3 && at + 4 <= result.length) result.set([0xff, 0xff, 0xff, random(256)], at);
    if (kind === 4) {
      result = new Uint8Array([...result.subarray(0, at), random(256), ...result.subarray(at)]);
    }
  }
  return result;
}
