/** Bytes as base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  return bytes.toBase64();
}

/** The bytes of canonical base64 without white space; null for any other text. */
export function decodeBase64(text: string): Uint8Array | null {
  // The platform skips white space; inside a field of a line there is none.
  if (!/^[A-Za-z0-9+/=]*$/.test(text)) return null;
  try {
    return Uint8Array.fromBase64(text, { lastChunkHandling: "strict" });
  } catch {
    return null;
  }
}
