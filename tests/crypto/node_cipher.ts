import { createCipheriv } from "node:crypto";

/** Encrypts whole blocks or a stream with `node:crypto`, then closes its cipher. */
export function nodeEncrypt(
  name: string,
  key: Uint8Array,
  iv: Uint8Array,
  data: Uint8Array,
): Uint8Array {
  const cipher = createCipheriv(name, key, iv);
  cipher.setAutoPadding(false);
  return new Uint8Array([...cipher.update(data), ...cipher.final()]);
}
