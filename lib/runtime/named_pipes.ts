import { builtin } from "./builtin.ts";

/** The folder of named pipes on Windows. */
export const PIPES = "\\\\.\\pipe\\";

/** The names of the pipes of this machine; null if they cannot be listed, as in Deno without `-A`. */
export function namedPipes(): string[] | null {
  try {
    return builtin("node:fs").readdirSync(PIPES);
  } catch {
    return null;
  }
}

/**
 * The canonical path of a pipe; null for other paths. Both slashes and backslashes, single or double, are
 * accepted.
 */
export function pipePath(path: string): string | null {
  const name = /^[\\/]{1,2}[.?][\\/]pipe[\\/](.+)$/is.exec(path)?.[1];
  return name === undefined ? null : PIPES + name;
}
