import { SftpError } from "../errors.ts";
import type { SftpFileInfo } from "../sftp/attributes.ts";
import type { SftpClient } from "../sftp/client.ts";
import { join } from "../sftp/paths.ts";
import { SftpStatus } from "../sftp/status.ts";
import { escapeGlob, expandGlob, type Names, type Word } from "./sftp_words.ts";

/** How an `sftp` runs. */
export interface SftpSessionOptions {
  /** Copy folders with everything in them, whatever the command says: -r. */
  readonly recursive: boolean;
  /** Keep times and modes, whatever the command says: -p. */
  readonly preserve: boolean;
  /** Say nothing of what is copied, and how far it is: -q. */
  readonly quiet: boolean;
}

/** A command that cannot be done, in words for the user. */
export class SftpCommandError extends Error {
  /** Creates the error. */
  constructor(message: string) {
    super(message);
    this.name = "SftpCommandError";
  }
}

/** What the commands of one `sftp` work on: the client, and where they are on the far side. */
export class SftpSession {
  readonly client: SftpClient;
  readonly options: SftpSessionOptions;
  /** The directory that the session began in, absolute. */
  readonly home: string;
  /** The directory on the far side, absolute. */
  directory: string;
  /** Cancels the command under way. */
  signal: AbortSignal = new AbortController().signal;

  private constructor(client: SftpClient, options: SftpSessionOptions, home: string) {
    this.client = client;
    this.options = options;
    this.home = home;
    this.directory = home;
  }

  /** Begins where the server puts us. */
  static async start(client: SftpClient, options: SftpSessionOptions): Promise<SftpSession> {
    return new SftpSession(client, options, await client.realPath("."));
  }

  /** A path on the far side, made absolute. */
  remote(path: string): string {
    return path.startsWith("/") ? path : join(this.directory, path);
  }

  /**
   * The paths on the far side that a word stands for, absolute.
   *
   * @throws {SftpCommandError} If there are none
   */
  async matching({ text, pattern }: Word): Promise<string[]> {
    const absolute = pattern.startsWith("/") ? pattern : join(escapeGlob(this.directory), pattern);
    const found = await expandGlob(absolute, this.#names);
    if (found.length === 0) throw new SftpCommandError(`File "${text}" not found.`);
    return found;
  }

  /** What is known of a path, links followed; null if there is nothing. */
  async stat(path: string): Promise<SftpFileInfo | null> {
    return await orNull(this.client.stat(path, this));
  }

  readonly #names: Names = {
    list: async (directory) => {
      const entries = Array.fromAsync(this.client.readDir(directory, this));
      return (await orNull(entries) ?? []).map(({ name }) => name);
    },
    exists: async (path) => await orNull(this.client.lstat(path, this)) !== null,
  };
}

async function orNull<T>(wanted: Promise<T>): Promise<T | null> {
  try {
    return await wanted;
  } catch (error) {
    if (error instanceof SftpError && error.status === SftpStatus.NO_SUCH_FILE) return null;
    throw error;
  }
}
