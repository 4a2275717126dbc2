import type { KeyFile, KeyKind } from "./keys.ts";
import type { TempFolder } from "./temp.ts";

/** The address of a server and the credentials for it. */
export interface Endpoint {
  /** The address, `127.0.0.1`. */
  readonly hostname: string;
  /** The TCP port. */
  readonly port: number;
  /** The user name. */
  readonly user: string;
  /** The path of an accepted private key. */
  readonly identity?: string | undefined;
  /** The accepted password. */
  readonly password?: string | undefined;
  /** The answers to keyboard-interactive prompts. */
  readonly answers?: readonly string[] | undefined;
  /** The path of a known_hosts file with the server's keys; without it any key is accepted. */
  readonly knownHosts?: string | undefined;
}

/** A running foreign server. */
export interface ForeignServer extends Endpoint, AsyncDisposable {
  /** The path of a known_hosts file with the server's keys. */
  readonly knownHosts: string;
  /** The host keys by kind. */
  readonly hostKeys: Readonly<Partial<Record<KeyKind, KeyFile>>>;
  /** The process id of the listening program. */
  readonly pid: number;
  /** The server's log so far. */
  readonly log: string;
  /** Waits until the log matches. */
  waitFor(pattern: RegExp, ms?: number): Promise<RegExpMatchArray>;
  /** Sends the listening program a signal. */
  kill(signal: Deno.Signal): void;
}

/** Writes a known_hosts file that has the keys for the port on loopback; returns its path. */
export function writeKnownHosts(
  folder: TempFolder,
  port: number,
  publicKeys: readonly string[],
): Promise<string> {
  const lines = publicKeys.map((key) => `[127.0.0.1]:${port} ${key}\n`);
  return folder.write("known_hosts", lines.join(""));
}
