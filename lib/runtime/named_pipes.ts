import { builtin } from "./builtin.ts";

/** Where the named pipes of Windows are. */
export const PIPES = "\\\\.\\pipe\\";

/** The names of the pipes of this machine; null if they cannot be listed, which Deno does with `-A` only. */
export function namedPipes(): string[] | null {
  try {
    return builtin("node:fs").readdirSync(PIPES);
  } catch {
    return null;
  }
}

/** The path of a pipe as the system has it, if it is one: slashes and backslashes, two or one, mean the same. */
export function pipePath(path: string): string | null {
  const name = /^[\\/]{1,2}[.?][\\/]pipe[\\/](.+)$/is.exec(path)?.[1];
  return name === undefined ? null : PIPES + name;
}
