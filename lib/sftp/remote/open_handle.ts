import { type Attributes, typeOf } from "../protocol/attributes.ts";
import { FXF, S_IF } from "../protocol/numbers.ts";
import { type Call, sftpError, SftpStatus } from "../protocol/status.ts";
import { SftpError } from "../../errors.ts";

/** Flags of an OPEN that determine the access; the others affect the file only when it is opened. */
const ACCESS = FXF.READ | FXF.WRITE | FXF.APPEND;

/** An open file or folder. Its handle on the server changes when it is reopened after a lost connection. */
export class OpenHandle {
  /** The handle; empty before the file is open. */
  handle: Uint8Array = new Uint8Array(0);
  /** The path, which a renaming changes. */
  path: string;
  /** The flags to open it again with; null for a folder, whose place in the listing is lost. */
  readonly access: number | null;
  /** For a file opened only for reading, the attributes at that time; null if unknown. */
  seen: Attributes | null = null;
  /** The least size of the file, by the acknowledged writes. */
  reached = 0;
  /** Why it can no longer be used; null while it can. */
  gone: SftpError | null = null;

  /** Whether it has been closed. */
  isClosed = false;
  /** Whether the name is unique to this file. */
  readonly isOwnName: boolean;

  /** @param flags The flags of the OPEN; null for a folder */
  constructor(path: string, flags: number | null, isOwnName = false) {
    this.path = path;
    this.isOwnName = isOwnName;
    this.access = flags === null ? null : flags & ACCESS;
  }

  /** Whether writes go to the end of the file, wherever that is. */
  get appends(): boolean {
    return this.access !== null && (this.access & FXF.APPEND) !== 0;
  }

  /** Whether the file can be changed. */
  get writes(): boolean {
    return this.access !== null && this.access !== FXF.READ;
  }

  /** How the reopened file, with these attributes, differs from this one; null if it may be the same. */
  difference(now: Attributes): string | null {
    const type = typeOf(now);
    if (type !== 0 && type !== S_IF.FILE && this.reached > 0) {
      return "it is not a regular file any more";
    }
    if (now.size !== undefined && now.size < this.reached) {
      return `it has ${now.size} bytes, and ${this.reached} were written`;
    }
    if (this.seen === null) return null;
    const { size, mtime } = this.seen;
    return size === now.size && mtime === now.mtime ? null : "it is another file now";
  }
}

/** The error of a request whose answer was lost with the connection. */
export function answerLost(call: Call, what: string, loss: SftpError): SftpError {
  const error = sftpError(SftpStatus.FAILURE, call, `the connection was lost, and ${what}`, loss);
  losses.add(error);
  return error;
}

/** Whether an error is about a request whose answer was lost. */
export function isAnswerLost(error: unknown): boolean {
  return error instanceof SftpError && losses.has(error);
}

const losses: WeakSet<SftpError> = new WeakSet();
