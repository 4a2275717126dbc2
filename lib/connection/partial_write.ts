import { SshError } from "../errors.ts";
import { isError } from "../runtime/errors.ts";

/**
 * How many bytes a failed `writeAll` or `writeAllStderr` had sent; 0 for every other error. They may or may
 * not have reached the peer.
 *
 * A failed `writeAll` rejects with an error of the usual class, whose `cause` is the original one. An abort
 * rejects with its unchanged reason; use `channel.state.bytesSent` then.
 *
 * @param error What a write rejected with
 * @returns The number of bytes
 *
 * @example
 * ```ts
 * import { bytesWritten } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * // A server whose window is 1024 bytes, and whose program reads nothing.
 * const program = Promise.withResolvers<number>();
 * await using pair = await connectedPair({
 *   serve: { window: 1024 },
 *   handler: () => program.promise,
 * });
 * await using channel = await pair.host.openSession();
 * await channel.shell();
 * channel.timeout = 20;
 * const error = await assertRejects(() =>
 *   channel.writeAll(new Uint8Array(5000))
 * );
 * assertEquals(bytesWritten(error), 1024);
 * program.resolve(0);
 * ```
 */
export function bytesWritten(error: unknown): number {
  const count = (error as { bytesWritten?: unknown } | null | undefined)?.bytesWritten;
  return typeof count === "number" ? count : 0;
}

/**
 * Attaches the number of bytes to an error. The error is copied, because one error may end the writes of
 * many channels. Reasons of an abort, which are not our errors, are returned unchanged.
 */
export function withBytesWritten(error: unknown, bytes: number): unknown {
  const ours = error instanceof SshError || isError(error, "TimedOut");
  if (!ours || bytes === 0) return error;
  // Of the same class, without calling its constructor, because the parameters of constructors differ.
  const copy: Error = Reflect.construct(
    Error,
    [error.message, { cause: error }],
    error.constructor,
  );
  return Object.assign(copy, error, { bytesWritten: bytes });
}
