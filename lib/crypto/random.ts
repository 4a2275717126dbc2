/** getRandomValues refuses more than this at once. */
const QUOTA = 65536;

/** Random bytes from the system's generator, as many as asked for. */
export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += QUOTA) {
    crypto.getRandomValues(bytes.subarray(at, at + QUOTA));
  }
  return bytes;
}
