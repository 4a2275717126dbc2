import { digest } from "../../crypto/digest.ts";
import { encodeHex } from "../../encoding.ts";
import { runtime } from "../../runtime/runtime.ts";
import { feedPrefix } from "./content_digest.ts";
import type { TargetRequest, TransferSource, TransferTarget } from "./file_store.ts";
import type { SftpTransferOptions } from "./transfer_options.ts";

/** Bytes of each compared block. */
const SAMPLE_BYTES = 32 * 1024;

/** Compared blocks between the first and the last. */
const SAMPLES = 14;

/**
 * The hidden name of a part, without its folder. It is the same for each attempt of a transfer, unless the
 * size or time of the source has changed, so that versions are never mixed.
 */
export function partName({ path, name, info }: TargetRequest, window: number): string {
  const final = path.split(/[\\/]/).at(-1);
  const time = info?.mtime ? Math.floor(info.mtime.getTime() / 1000) : null;
  const what = JSON.stringify([final, name, info?.size ?? null, time, window]);
  return `.${encodeHex(digest("SHA-256", new TextEncoder().encode(what))).slice(0, 32)}.part`;
}

/** A file that can be read at any offset. */
type RandomAccess = Pick<Required<TransferSource>, "readAt"> & Pick<TransferSource, "digest">;

/**
 * Where to resume: after the part of an earlier attempt if it is of this source, otherwise at 0. Compares
 * the first block, the last two and some between, or the hash of the whole part if `verify` is a function.
 */
export async function resumeOffset(
  source: TransferSource,
  target: TransferTarget,
  options: SftpTransferOptions,
): Promise<number> {
  const { size } = source;
  if (size === null || !canSeek(source) || !canSeek(target)) return 0;
  const same = (far: RandomAccess, length: number) => sameSamples(source, far, length);
  if (target.held === 0) await target.adopt?.(size, same);
  const { held } = target;
  if (held === 0 || held > size) return 0;
  const whole = typeof options.verify === "function";
  return await (whole ? sameHash(source, target, held) : same(target, held)) ? held : 0;
}

function canSeek<T extends TransferSource | TransferTarget>(end: T): end is T & RandomAccess {
  return end.start !== undefined && end.readAt !== undefined;
}

async function sameHash(
  source: RandomAccess,
  target: RandomAccess,
  length: number,
): Promise<boolean> {
  const [far, near] = source.digest ? [source, target] : [target, source];
  const hash = runtime.sha256();
  await feedPrefix(hash, near, length);
  return await far.digest!(length) === hash.digest("hex");
}

async function sameSamples(
  source: RandomAccess,
  target: RandomAccess,
  length: number,
): Promise<boolean> {
  const last = Math.max(length - 2 * SAMPLE_BYTES, 0);
  const offsets = new Set([0, last, Math.max(length - SAMPLE_BYTES, 0)]);
  for (let i = 0; i < SAMPLES; i++) offsets.add(Math.floor(Math.random() * last));
  const ranges = [...offsets].map((from) => [from, Math.min(SAMPLE_BYTES, length - from)] as const);
  // Wait for both, even if one fails, because a file cannot be closed while it is read.
  const read = await Promise.allSettled([samples(source, ranges), samples(target, ranges)]);
  const [a, b] = read.map((result) => {
    if (result.status === "rejected") throw result.reason;
    return result.value;
  });
  return a!.every((bytes, index) => equal(bytes, b![index]!));
}

/** Reads the blocks: from a server in parallel, from a local file, which has one position, in order. */
async function samples(
  end: RandomAccess,
  ranges: readonly (readonly [number, number])[],
): Promise<Uint8Array[]> {
  const read = async ([from, length]: readonly [number, number]) => {
    const bytes = new Uint8Array(length);
    return bytes.subarray(0, await end.readAt(bytes, from));
  };
  if (end.digest) return await Promise.all(ranges.map(read));
  const list: Uint8Array[] = [];
  for (const range of ranges) list.push(await read(range));
  return list;
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
