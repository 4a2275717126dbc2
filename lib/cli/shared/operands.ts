import { type Destination, parseTarget } from "../../client/options.ts";
import { UsageError } from "./flags.ts";
import { parseDestination } from "./ssh_options.ts";

/** A path on another machine. */
export interface RemoteOperand {
  readonly target: Destination;
  /** The path on the host; empty for the server's default directory. */
  readonly path: string;
}

/** The source or target of a copy. */
export type Operand = { readonly local: string } | RemoteOperand;

/**
 * Parses `[user@]host[:path]`, with an IPv6 address in brackets, or `scheme://[user@]host[:port][/path]`,
 * with a path that is relative unless it begins with two slashes.
 *
 * @throws {UsageError} If it is malformed
 */
export function parseOperand(text: string, scheme: "sftp" | "scp"): RemoteOperand {
  const url = text.startsWith(`${scheme}://`) ? text.slice(scheme.length + 3) : null;
  if (url !== null) {
    const slash = url.indexOf("/");
    const [host, path] = slash < 0 ? [url, ""] : [url.slice(0, slash), url.slice(slash + 1)];
    try {
      return { target: parseTarget(`ssh://${host}`), path: decodeURIComponent(path) };
    } catch (cause) {
      throw new UsageError(`Cannot parse the destination "${text}"`, { cause });
    }
  }
  const parts = /^((?:[^@]*@)?(?:\[[^\]]*\]|[^:]*))(?::(.*))?$/s.exec(text);
  if (!parts) throw new UsageError(`Cannot parse the destination "${text}"`);
  return { target: parseDestination(parts[1]!), path: parts[2] ?? "" };
}

/** Whether a word of `scp` is a path on another machine: it has a colon before any slash. */
export function isRemote(text: string): boolean {
  return text.startsWith("scp://") || /^(?:[^/:]*@)?(?:\[[^\]/]*\]|[^/:[]+):/.test(text);
}
