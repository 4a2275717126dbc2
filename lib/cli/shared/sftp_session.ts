import { SftpError, SshError } from "../../errors.ts";
import type { SftpFileInfo } from "../../sftp/protocol/attributes.ts";
import type { SftpClient } from "../../sftp/client.ts";
import { join } from "../../sftp/protocol/paths.ts";
import { SftpStatus } from "../../sftp/protocol/status.ts";
import { messageOf } from "./failure.ts";
import { escapeGlob, expandGlob, type Names, type Word } from "./sftp_words.ts";

/** How an `sftp` runs; what concerns copies goes for all of them, whatever the command says. */
export interface SftpSessionOptions {
  /** Copy folders with everything in them: -r. */
  readonly recursive: boolean;
  /** Keep times and modes: -p. */
  readonly preserve: boolean;
  /** Go on where an earlier copy ended: -a. */
  readonly resume: boolean;
  /** Have files put on the disk: -f. */
  readonly sync: boolean;
  /** Say nothing of what is copied, and how far it is: -q. */
  readonly quiet: boolean;
  /** Show how far a copy is; the command `progress` switches it. */
  readonly progress: boolean;
  /** The bytes of one request: -B. */
  readonly requestLength: number | null;
  /** Requests under way: -R. */
  readonly requests: number | null;
  /** Kilobits a second at most: -l. */
  readonly kilobits: number | null;
}

/** Flags about speed and memory, as transfers take them; a kilobit is 1024 bits here, as in scp(1). */
export function tuningOf(
  { requestLength, requests, kilobits }: Pick<
    SftpSessionOptions,
    "requestLength" | "requests" | "kilobits"
  >,
): { inFlight?: number; rateLimit?: number } {
  const tuned = requestLength !== null || requests !== null;
  return {
    ...(tuned && { inFlight: (requestLength ?? REQUEST_LENGTH) * (requests ?? REQUESTS) }),
    ...(kilobits !== null && { rateLimit: kilobits * 1024 / 8 }),
  };
}

/** What sftp(1) names as the defaults of -B and -R. */
const REQUEST_LENGTH = 32_768;
const REQUESTS = 64;

/** Statuses after which there is no session any more. */
export const OVER: readonly number[] = [SftpStatus.NO_CONNECTION, SftpStatus.CONNECTION_LOST];

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
  /** Whether copies show how far they are. */
  progress: boolean;
  /** Cancels the command under way. */
  signal: AbortSignal = new AbortController().signal;

  private constructor(client: SftpClient, options: SftpSessionOptions, home: string) {
    this.client = client;
    this.options = options;
    this.home = home;
    this.directory = home;
    this.progress = options.progress;
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

  /**
   * Does something to each of several paths; one that fails does not keep the others from it.
   *
   * @throws {SftpCommandError} With what failed, if anything did
   */
  async all(paths: readonly string[], act: (path: string) => Promise<void>): Promise<void> {
    const failures: unknown[] = [];
    for (const path of paths) {
      try {
        await act(path);
      } catch (error) {
        const lost = error instanceof SshError && !(error instanceof SftpError);
        const over = error instanceof SftpError && OVER.includes(error.status);
        if (paths.length === 1 || lost || over || this.signal.aborted) throw error;
        failures.push(error);
      }
    }
    if (failures.length > 0) {
      throw new SftpCommandError(failures.map((error) => messageOf(error)).join("\n"));
    }
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
