/**
 * Converts paths between bytes, as most servers have them, and strings. Bytes that are not UTF-8 become
 * lone surrogates, U+DC80 for 0x80 to U+DCFF for 0xff, as in Python's `surrogateescape`. UTF-8 never
 * decodes to those, so different paths have different strings, and each string becomes the same bytes
 * again.
 */

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const utf8 = new TextEncoder();

const ESCAPE = 0xdc00;

/** Bytes as a string. */
export function decodePath(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return escaped(bytes);
  }
}

/**
 * The bytes of a string.
 *
 * @throws {TypeError} If it is not a string, or has a lone surrogate that stands for no byte
 */
export function encodePath(path: string): Uint8Array {
  if (typeof path !== "string") throw new TypeError(`A path must be text, not ${typeof path}`);
  if (path.isWellFormed()) return utf8.encode(path);
  const bytes: number[] = [];
  for (const character of path) {
    const code = character.codePointAt(0)!;
    if (code < 0xd800 || code > 0xdfff) {
      for (const byte of utf8.encode(character)) bytes.push(byte);
    } else if (code >= ESCAPE + 0x80 && code <= ESCAPE + 0xff) bytes.push(code - ESCAPE);
    else throw new TypeError("A path has a lone surrogate that stands for no byte");
  }
  return new Uint8Array(bytes);
}

function escaped(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at);
    parts.push(
      length === 0
        ? String.fromCharCode(ESCAPE + bytes[at]!)
        : strict.decode(bytes.subarray(at, at + length)),
    );
    at += length || 1;
  }
  return parts.join("");
}

/** The bytes of the UTF-8 sequence at an offset (RFC 3629 §4); 0 if there is none. */
function sequenceLength(bytes: Uint8Array, at: number): number {
  const [first, second] = [bytes[at]!, bytes[at + 1] ?? 0];
  if (first < 0x80) return 1;
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  for (let i = 1; i < length; i++) if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
  const tooShort = (first === 0xe0 && second < 0xa0) || (first === 0xf0 && second < 0x90);
  const surrogate = first === 0xed && second > 0x9f;
  const tooLarge = first === 0xf4 && second > 0x8f;
  return tooShort || surrogate || tooLarge ? 0 : length;
}
