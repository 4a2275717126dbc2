import { digest } from "../../crypto/digest.ts";
import { encodeHex } from "../../encoding.ts";
import type { TargetRequest } from "./file_store.ts";

/**
 * The hidden name of a part, without its folder: the same for each try of a transfer, but another one if the
 * source's size or time has changed, so that two versions are never mixed.
 */
export function partName({ path, name, info }: TargetRequest, window: number): string {
  const final = path.split(/[\\/]/).at(-1);
  const time = info?.mtime ? Math.floor(info.mtime.getTime() / 1000) : null;
  const what = JSON.stringify([final, name, info?.size ?? null, time, window]);
  return `.${encodeHex(digest("SHA-256", new TextEncoder().encode(what))).slice(0, 32)}.part`;
}
