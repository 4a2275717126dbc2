/** What becomes of requests whose answers were lost with the connection. */
import type { Attributes } from "../protocol/attributes.ts";
import * as msg from "../protocol/messages.ts";
import { EXTENSION, FXF } from "../protocol/numbers.ts";
import { type Call, callOf, nullIfNoSuchFile } from "../protocol/status.ts";
import type { OpenHandle } from "./open_handle.ts";

/** What a look asks with. */
interface Requests {
  request<Q, A>(row: msg.Row<Q>, value: Q, reply: msg.Row<A>, call: Call): Promise<A>;
}

/** A request as it was made: its row of the table, and its fields. */
export interface Asked {
  readonly row: msg.Row<unknown>;
  readonly value: unknown;
}

/**
 * What to do with one: make it again, since twice is as good as once; never, since it may have been done; or look
 * whether it has been.
 */
export type Policy = "repeat" | "never" | "look";

/** What a look has found out; any other text says why it cannot be told. */
export type Finding = "again" | "done" | { readonly unknown: string };

const LOOKED_AT: readonly msg.Row<never>[] = [
  msg.Remove,
  msg.Rmdir,
  msg.Rename,
  msg.Mkdir,
  msg.Symlink,
  msg.LinkFirst,
] as unknown[] as msg.Row<never>[];

/** Extended requests that may be made again: they ask, or say what is to be in the end. */
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

/** What becomes of a request, which is about that open file. */
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

/** The old and the new path, if it is about a renaming. */
export function renamingOf({ row, value }: Asked): { from: string; to: string } | null {
  if (is(row, msg.Rename)) return value as msg.RowValue<typeof msg.Rename>;
  if (!is(row, msg.Extended)) return null;
  const { request, data } = value as msg.RowValue<typeof msg.Extended>;
  return request === EXTENSION.POSIX_RENAME ? msg.TwoPaths.decode(data) : null;
}

/** Looks whether a request has been done. */
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
  return { unknown: "what has the name now may have been made by this call, or by another one" };
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
