import { Reader } from "../../wire/reader.ts";
import type { Handles } from "./handles.ts";
import { FXP } from "../protocol/numbers.ts";

/** A request that was answered, for logs. */
export interface SftpRequestReport {
  /** The request's name, such as `open`, `rename` or `posix-rename`. */
  readonly request: string;
  /** The path that it is about, as the client sent it; not to be trusted. */
  readonly path: string | null;
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

/** The path that a request is about; null if it has none, or makes no sense. */
export function pathOf(
  name: string,
  type: number,
  body: Uint8Array,
  handles: Handles,
): string | null {
  try {
    const reader = new Reader(body);
    if (type === FXP.EXTENDED) reader.string();
    if (WITHOUT_PATH.includes(name)) return null;
    const byHandle = BY_HANDLE.has(type) || EXTENSIONS_BY_HANDLE.includes(name);
    return byHandle ? handles.path(reader.string()) : reader.text();
  } catch {
    return null;
  }
}
