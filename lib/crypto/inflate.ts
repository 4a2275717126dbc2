// RFC 1951 §3.2.5: the first length or distance of each symbol, and the number of its extra bits.
// deno-fmt-ignore
const LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
const LENGTH_BITS = LENGTHS.map((_, at) => at < 4 || at === 28 ? 0 : (at >> 2) - 1);
const DISTANCE_BITS = Array.from({ length: 30 }, (_, at) => at < 2 ? 0 : (at >> 1) - 1);
const DISTANCES = DISTANCE_BITS.map((bits, at) => at < 2 ? at + 1 : (2 + at % 2 << bits) + 1);

/** RFC 1951 §3.2.7: the order of the code lengths for the code length alphabet. */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** A Huffman code: for each value of the next `bits` bits, the symbol and the length of its code. */
interface Code {
  readonly bits: number;
  readonly table: Uint16Array;
}

/**
 * Unpacks DEFLATE data (RFC 1951) synchronously. Used for the core, because DecompressionStream is
 * asynchronous, which neither Cloudflare Workers nor Node's `require()` allow while a module is loaded.
 *
 * @param input Trusted data: the unpacked length is not limited
 * @throws {RangeError} If it is malformed
 */
export function inflate(input: Uint8Array): Uint8Array<ArrayBuffer> {
  let output = new Uint8Array(4 * input.length);
  let [size, at, hold, held] = [0, 0, 0, 0];

  function need(bits: number): void {
    for (; held < bits; held += 8) hold |= input[at++]! << held; // zeros after the end
    if (at > input.length + 4) throw new RangeError("DEFLATE data ends too early");
  }
  function take(bits: number): number {
    need(bits);
    const value = hold & (1 << bits) - 1;
    hold >>>= bits;
    held -= bits;
    return value;
  }
  function symbol({ bits, table }: Code): number {
    need(bits);
    const entry = table[hold & (1 << bits) - 1]!;
    if (entry === 0) throw new RangeError("DEFLATE data has an unknown code");
    hold >>>= entry & 15;
    held -= entry & 15;
    return entry >> 4;
  }
  function room(bytes: number): void {
    if (size + bytes <= output.length) return;
    const larger = new Uint8Array(2 * (size + bytes));
    larger.set(output);
    output = larger;
  }
  function stored(): void {
    take(held & 7);
    const length = take(16);
    take(16); // the complement of the length
    room(length);
    for (const end = size + length; size < end;) output[size++] = take(8);
  }
  function compressed(literals: Code, distances: Code): void {
    for (;;) {
      const literal = symbol(literals);
      if (literal === 256) return;
      room(258);
      if (literal < 256) {
        output[size++] = literal;
        continue;
      }
      const length = LENGTHS[literal - 257]! + take(LENGTH_BITS[literal - 257]!);
      const far = symbol(distances);
      const distance = DISTANCES[far]! + take(DISTANCE_BITS[far]!);
      if (!(distance <= size)) throw new RangeError("DEFLATE data refers to before its start");
      // Byte by byte, because the source may overlap with the target.
      for (const end = size + length; size < end; size++) output[size] = output[size - distance]!;
    }
  }
  function dynamic(): void {
    const [literals, distances, count] = [take(5) + 257, take(5) + 1, take(4) + 4];
    const first: number[] = Array(ORDER.length).fill(0);
    for (let i = 0; i < count; i++) first[ORDER[i]!] = take(3);
    const code = codeOf(first);
    const lengths: number[] = [];
    while (lengths.length < literals + distances) {
      const next = symbol(code);
      if (next < 16) lengths.push(next);
      else {
        const value = next === 16 ? lengths.at(-1)! : 0;
        const times = next === 16 ? 3 + take(2) : next === 17 ? 3 + take(3) : 11 + take(7);
        for (let i = 0; i < times; i++) lengths.push(value);
      }
    }
    compressed(codeOf(lengths.slice(0, literals)), codeOf(lengths.slice(literals)));
  }

  for (let isLast = 0; !isLast;) {
    isLast = take(1);
    const type = take(2);
    if (type === 0) stored();
    else if (type === 1) compressed(...fixed());
    else if (type === 2) dynamic();
    else throw new RangeError("DEFLATE data has an unknown type of block");
  }
  return output.slice(0, size);
}

/** RFC 1951 §3.2.6. */
function fixed(): [literals: Code, distances: Code] {
  const lengths = Array.from(
    { length: 288 },
    (_, at) => at < 144 ? 8 : at < 256 ? 9 : at < 280 ? 7 : 8,
  );
  return [codeOf(lengths), codeOf(Array(30).fill(5))];
}

/** RFC 1951 §3.2.2: the code with these lengths; 0 for symbols that do not occur. */
function codeOf(lengths: readonly number[]): Code {
  const bits = Math.max(1, ...lengths);
  const table = new Uint16Array(1 << bits);
  let code = 0;
  for (let length = 1; length <= bits; length++, code <<= 1) {
    for (let symbol = 0; symbol < lengths.length; symbol++) {
      if (lengths[symbol] !== length) continue;
      // Codes are sent with their first bit first, but the next bit of the input is the lowest.
      const step = 1 << length;
      for (let at = reversed(code, length); at < table.length; at += step) {
        table[at] = symbol << 4 | length;
      }
      code++;
    }
  }
  return { bits, table };
}

function reversed(code: number, bits: number): number {
  let result = 0;
  for (let i = 0; i < bits; i++) result |= (code >> i & 1) << bits - 1 - i;
  return result;
}
