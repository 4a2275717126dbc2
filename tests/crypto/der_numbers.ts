/** Parses two positive INTEGERs in a SEQUENCE in strict DER; null otherwise. SSH uses mpints instead. */
export function derNumbers(der: Uint8Array): [Uint8Array, Uint8Array] | null {
  let at = 0;
  const header = (tag: number): number | null => {
    if (der[at++] !== tag) return null;
    const length = der[at++] ?? 0xff;
    if (length < 0x80) return length;
    return length === 0x81 && der[at]! >= 0x80 ? der[at++]! : null;
  };
  const integer = (): Uint8Array | null => {
    const length = header(2);
    if (length === null || length === 0 || at + length > der.length) return null;
    const bytes = der.subarray(at, at += length);
    if (bytes[0]! >= 0x80 || (bytes[0] === 0 && length > 1 && bytes[1]! < 0x80)) return null;
    return bytes;
  };
  if (header(0x30) !== der.length - at) return null;
  const [r, s] = [integer(), integer()];
  return r === null || s === null || at !== der.length ? null : [r, s];
}
