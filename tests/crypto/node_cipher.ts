import { createCipheriv } from "node:crypto";

/** Whole blocks or a stream through `node:crypto`, and its cipher closed behind them. */
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
