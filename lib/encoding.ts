/**
 * Hexadecimal and base64, without `Uint8Array.prototype.toHex` and its siblings: Deno before 2.5 and
 * Node before 25 lack them.
 */

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Bytes as lowercase hexadecimal. */
export function encodeHex(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) text += HEX[bytes[i]!];
  return text;
}

/**
 * The bytes of hexadecimal in either case.
 *
 * @throws {SyntaxError} If the text has an odd length or another character
 */
export function decodeHex(text: string): Uint8Array<ArrayBuffer> {
  if (text.length % 2 !== 0 || /[^0-9a-f]/i.test(text)) {
    throw new SyntaxError("Text is not hexadecimal");
  }
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Bytes as base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  let characters = "";
  for (let i = 0; i < bytes.length; i++) characters += String.fromCharCode(bytes[i]!);
  return btoa(characters);
}

/** The bytes of canonical base64 without white space; null for any other text. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | null {
  let characters: string;
  try {
    characters = atob(text);
  } catch {
    return null;
  }
  // atob() skips white space and accepts missing padding and stray bits in the last character.
  if (btoa(characters) !== text) return null;
  const bytes = new Uint8Array(characters.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}
