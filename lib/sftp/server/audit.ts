import { Reader } from "../../wire/reader.ts";
import type { Handles } from "./handles.ts";
import { FXP } from "../protocol/numbers.ts";

/** Bytes of a file that was open. */
export interface FileTraffic {
  /** Bytes read. */
  readonly read: number;
  /** Bytes written. */
  readonly written: number;
}

/** A request that was answered, for logs. */
export interface SftpRequestReport {
  /**
   * The request's name, such as `open`, `rename` or `posix-rename`; `abandoned` for a file that was open
   * when the session ended.
   */
  readonly request: string;
  /** The path that it is about, as the client sent it; not to be trusted. */
  readonly path: string | null;
  /** The second path of a request that has two, such as `rename` or `copy-data`; otherwise null. */
  readonly target: string | null;
  /** Bytes that a `read` got or a `write` wrote; 0 for other requests. */
  readonly bytes: number;
  /**
   * What was read from and written to a file while it was open, with its `close`; null with other requests.
   * A file that was written and has no `close` was not finished by its client: `abandoned` says so.
   */
  readonly transferred: FileTraffic | null;
  /** The user whose session it is, where `serve()` knows. */
  readonly user?: string;
  /** The status that it was answered with; 0 for success and for data. */
  readonly status: number;
}

/** Requests that begin with a handle. */
const BY_HANDLE: ReadonlySet<number> = new Set([
  FXP.CLOSE,
  FXP.READ,
  FXP.WRITE,
  FXP.FSTAT,
  FXP.FSETSTAT,
  FXP.READDIR,
]);

/** Extensions that do. */
const EXTENSIONS_BY_HANDLE: readonly string[] = ["fstatvfs", "fsync", "copy-data"];
const WITHOUT_PATH: readonly string[] = ["limits", "users-groups-by-id"];
const WITH_TWO_PATHS: readonly string[] = ["rename", "posix-rename", "symlink", "hardlink"];

/** What a request is about. */
export type RequestSubject = Pick<SftpRequestReport, "path" | "target" | "transferred">;

const NOTHING: RequestSubject = { path: null, target: null, transferred: null };

/** What a request is about, as far as it makes sense. */
export function subjectOf(
  name: string,
  type: number,
  body: Uint8Array,
  handles: Handles,
): RequestSubject {
  if (WITHOUT_PATH.includes(name)) return NOTHING;
  let path: string | null = null;
  try {
    const reader = new Reader(body);
    if (type === FXP.EXTENDED) reader.string();
    if (!BY_HANDLE.has(type) && !EXTENSIONS_BY_HANDLE.includes(name)) {
      path = reader.text();
      return { ...NOTHING, path, target: WITH_TWO_PATHS.includes(name) ? reader.text() : null };
    }
    const handle = reader.string();
    path = handles.path(handle);
    if (name !== "copy-data") {
      return { ...NOTHING, path, transferred: type === FXP.CLOSE ? handles.traffic(handle) : null };
    }
    reader.u64();
    reader.u64();
    return { ...NOTHING, path, target: handles.path(reader.string()) };
  } catch {
    return { ...NOTHING, path };
  }
}
