/** Decides which requests are repeated after a lost connection. */
import type { Attributes } from "../protocol/attributes.ts";
import * as msg from "../protocol/messages.ts";
import { EXTENSION, FXF } from "../protocol/numbers.ts";
import { type Call, callOf, nullIfNoSuchFile } from "../protocol/status.ts";
import type { OpenHandle } from "./open_handle.ts";

/** Sends the requests of {@linkcode lookAfter}. */
interface Requests {
  request<Q, A>(row: msg.Row<Q>, value: Q, reply: msg.Row<A>, call: Call): Promise<A>;
}

/** A request: its row of the message table, and its fields. */
export interface Asked {
  readonly row: msg.Row<unknown>;
  readonly value: unknown;
}

/**
 * Whether to repeat a request whose answer was lost: yes, if doing it twice has the same effect; never, if
 * it may have been done; or only after checking on the server whether it was done.
 */
export type Policy = "repeat" | "never" | "look";

/** The result of the check; `unknown` has the reason why it is inconclusive. */
export type Finding = "again" | "done" | { readonly unknown: string };

const LOOKED_AT: readonly msg.Row<never>[] = [
  msg.Remove,
  msg.Rmdir,
  msg.Rename,
  msg.Mkdir,
  msg.Symlink,
  msg.LinkFirst,
] as unknown[] as msg.Row<never>[];

/** Extended requests that may be repeated: they only read, or set an absolute state. */
const REPEATABLE: readonly string[] = [
  EXTENSION.FSYNC,
  EXTENSION.LIMITS,
  EXTENSION.STATVFS,
  EXTENSION.FSTATVFS,
  EXTENSION.LSETSTAT,
  EXTENSION.EXPAND_PATH,
  EXTENSION.COPY_DATA,
  EXTENSION.HOME_DIRECTORY,
  EXTENSION.USERS_GROUPS,
  "check-file-name",
];

/** The policy for a request; `handle` is the open file that it uses. */
export function policyOf({ row, value }: Asked, handle: OpenHandle | null): Policy {
  if (LOOKED_AT.includes(row as msg.Row<never>)) return "look";
  if (is(row, msg.Readdir)) return "never"; // its place in the listing is lost
  if (is(row, msg.Open)) {
    const fields = value as OpenFields;
    if (handle?.isOwnName) fields.flags &= ~FXF.EXCL;
    return fields.flags & FXF.EXCL ? "look" : "repeat";
  }
  if (!is(row, msg.Extended)) return "repeat";
  const { request } = value as msg.RowValue<typeof msg.Extended>;
  if (request === EXTENSION.POSIX_RENAME || request === EXTENSION.HARDLINK) return "look";
  return REPEATABLE.includes(request) ? "repeat" : "never";
}

type OpenFields = msg.RowValue<typeof msg.Open>;

function is(row: msg.Row<unknown>, other: unknown): boolean {
  return row === other;
}

/** The old and the new path, if the request renames a file. */
export function renamingOf({ row, value }: Asked): { from: string; to: string } | null {
  if (is(row, msg.Rename)) return value as msg.RowValue<typeof msg.Rename>;
  if (!is(row, msg.Extended)) return null;
  const { request, data } = value as msg.RowValue<typeof msg.Extended>;
  return request === EXTENSION.POSIX_RENAME ? msg.TwoPaths.decode(data) : null;
}

/** Checks on the server whether a request was done. */
export async function lookAfter(
  session: Requests,
  { row, value }: Asked,
  signal: AbortSignal | undefined,
): Promise<Finding> {
  const there = (path: string) => attributesOf(session, path, signal);
  const renaming = renamingOf({ row, value });
  if (renaming !== null) {
    const [from, to] = await Promise.all([there(renaming.from), there(renaming.to)]);
    return from === null && to !== null ? "done" : "again";
  }
  if (is(row, msg.Extended)) {
    const { data } = value as msg.RowValue<typeof msg.Extended>;
    const linking = msg.TwoPaths.decode(data);
    const [from, to] = await Promise.all([there(linking.from), there(linking.to)]);
    return from !== null && to !== null && isSame(from, to) ? "done" : "again";
  }
  if (is(row, msg.Symlink) || is(row, msg.LinkFirst)) {
    const { target, link } = value as msg.RowValue<typeof msg.Symlink>;
    if (await there(link) === null) return "again";
    const call = callOf("readLink", link, { signal });
    const { entries } = await session.request(msg.Readlink, { path: link }, msg.Name, call);
    return entries[0]?.name === target ? "done" : "again";
  }
  const { path } = value as { path: string };
  const found = await there(path);
  if (is(row, msg.Remove) || is(row, msg.Rmdir)) return found === null ? "done" : "again";
  if (found === null) return "again";
  return { unknown: "it exists now, and this call or another one may have made it" };
}

async function attributesOf(
  session: Requests,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Attributes | null> {
  const call = callOf("lstat", path, { signal });
  const asking = session.request(msg.Lstat, { path }, msg.Attrs, call);
  return (await nullIfNoSuchFile(asking))?.attributes ?? null;
}

function isSame(a: Attributes, b: Attributes): boolean {
  return a.size === b.size && a.mtime === b.mtime && a.mode === b.mode && a.uid === b.uid;
}
