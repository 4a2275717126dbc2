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
   * For a `close`, the bytes read and written while the file was open; otherwise null. A file that its
   * client left open has an `abandoned` in place of the `close`.
   */
  readonly transferred: FileTraffic | null;
  /** The user of the session, if `serve()` knows it. */
  readonly user?: string;
  /** The status of the answer; 0 for success and for data. */
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

/** Extensions that begin with a handle. */
const EXTENSIONS_BY_HANDLE: readonly string[] = ["fstatvfs", "fsync", "copy-data"];
const WITHOUT_PATH: readonly string[] = ["limits", "users-groups-by-id"];
const WITH_TWO_PATHS: readonly string[] = ["rename", "posix-rename", "symlink", "hardlink"];

/** The paths of a request, and its traffic. */
export type RequestSubject = Pick<SftpRequestReport, "path" | "target" | "transferred">;

const NOTHING: RequestSubject = { path: null, target: null, transferred: null };

/** The subject of a request; fields that cannot be parsed are null. */
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
