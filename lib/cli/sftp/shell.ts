import { SftpError, SshError } from "../../errors.ts";
import { escapeGlob, expandGlob, type GlobFiles } from "../../patterns.ts";
import type { SftpFileInfo } from "../../sftp/protocol/attributes.ts";
import type { SftpClient } from "../../sftp/client.ts";
import type { SftpDirEntry } from "../../sftp/remote/dir_entry.ts";
import { join } from "../../sftp/protocol/paths.ts";
import { nullIfNoSuchFile, SftpStatus } from "../../sftp/protocol/status.ts";
import { messageOf } from "../shared/failure.ts";
import type { Tuning } from "../shared/copy_flags.ts";
import type { Word } from "../shared/split_words.ts";
import { allListed } from "../../sftp/remote/listed.ts";

/** Options of one copy. */
export interface CopyOptions {
  /** -r: copy folders with everything in them. */
  readonly recursive: boolean;
  /** -p: keep times and modes. */
  readonly preserve: boolean;
  /** -a: resume an earlier copy. */
  readonly resume: boolean;
  /** -f: flush files to the disk. */
  readonly sync: boolean;
}

/** Options of one `sftp`; the options of copies apply to every copy, in addition to the command's flags. */
export interface SftpShellOptions extends CopyOptions, Tuning {
  /** -q: print neither names nor progress of copies. */
  readonly quiet: boolean;
  /** -v: called with notes about copies. */
  readonly onNote?: (note: string) => void;
  /** Show the progress of copies; switched by the command `progress`. */
  readonly progress: boolean;
}

/** A command failed; the message is for the user. */
export class SftpCommandError extends Error {
  /** Creates the error. */
  constructor(message: string) {
    super(message);
    this.name = "SftpCommandError";
  }
}

/** The state shared by the commands of one `sftp`: client, remote directory and options. */
export class SftpShell {
  readonly client: SftpClient;
  readonly options: SftpShellOptions;
  /** The remote directory at the start, absolute. */
  readonly home: string;
  /** The current remote directory, absolute. */
  directory: string;
  /** Whether copies show progress. */
  progress: boolean;
  /** Cancels the running command. */
  signal: AbortSignal = new AbortController().signal;

  private constructor(client: SftpClient, options: SftpShellOptions, home: string) {
    this.client = client;
    this.options = options;
    this.home = home;
    this.directory = home;
    this.progress = options.progress;
  }

  /** Starts in the directory that the server chooses. */
  static async start(client: SftpClient, options: SftpShellOptions): Promise<SftpShell> {
    return new SftpShell(client, options, await client.realPath("."));
  }

  /** A remote path, made absolute. */
  remote(path: string): string {
    return path.startsWith("/") ? path : join(this.directory, path);
  }

  /**
   * The remote paths that a word matches, absolute.
   *
   * @throws {SftpCommandError} If there are none
   */
  async matching({ text, pattern }: Word): Promise<string[]> {
    const absolute = pattern.startsWith("/") ? pattern : join(escapeGlob(this.directory), pattern);
    const matches = expandGlob(absolute, this.#files);
    const found = await Array.fromAsync(matches, ({ path }) => path);
    if (found.length === 0) throw new SftpCommandError(`File "${text}" not found.`);
    return found;
  }

  /**
   * Runs `act` for each path, even if it failed for another one.
   *
   * @throws {SftpCommandError} With all failures, if there were any
   */
  async all(paths: readonly string[], act: (path: string) => Promise<void>): Promise<void> {
    const failures: unknown[] = [];
    for (const path of paths) {
      try {
        await act(path);
      } catch (error) {
        if (paths.length === 1 || isSessionLost(error) || this.signal.aborted) throw error;
        failures.push(error);
      }
    }
    if (failures.length > 0) {
      throw new SftpCommandError(failures.map((error) => messageOf(error)).join("\n"));
    }
  }

  /** The attributes of a path, links followed; null if it does not exist. */
  async stat(path: string): Promise<SftpFileInfo | null> {
    return await nullIfNoSuchFile(this.client.stat(path, this));
  }

  readonly #files: GlobFiles<SftpDirEntry> = {
    list: async (directory) =>
      await nullIfNoSuchFile(allListed(directory, this.client.readDir(directory, this))) ?? [],
    exists: async (path) => await nullIfNoSuchFile(this.client.lstat(path, this)) !== null,
  };
}

/** Whether an error ends the session. */
export function isSessionLost(error: unknown): error is SshError {
  if (!(error instanceof SftpError)) return error instanceof SshError;
  const { NO_CONNECTION, CONNECTION_LOST } = SftpStatus;
  return error.status === NO_CONNECTION || error.status === CONNECTION_LOST;
}
