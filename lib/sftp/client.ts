import { concat } from "@std/bytes";
import type { SftpNames } from "./remote/accounts.ts";
import type { SftpChanges, SftpFileInfo } from "./protocol/attributes.ts";
import type { SftpChannel } from "./protocol/channel.ts";
import type { SftpDirEntry, SftpWalkEntry, SftpWalkOptions } from "./remote/dir_entry.ts";
import type { ExplainOptions } from "./remote/explain.ts";
import type { SftpFile } from "./remote/sftp_file.ts";
import type { SftpFileSystem } from "./protocol/file_system.ts";
import type * as Functions from "./client_functions.ts";
import type { SftpOpenOptions, SftpOptions, SftpWriteOptions } from "./protocol/options.ts";
import type { TransferResult } from "./transfer/progress.ts";
import type { RemoteFileSystem, ServerLimits } from "./remote/remote_file_system.ts";
import type { SftpData } from "./transfer/streams.ts";
import { inSpan } from "../spans.ts";
import type { SftpTransferOptions } from "./transfer/transfer_options.ts";

/**
 * The files of another machine, in the shape of the `Deno.*` file functions.
 *
 * Paths are the server's: `/` between steps, and relative ones start at the home directory. Names of any
 * bytes are preserved; see `SftpDirEntry.name`. Every method accepts a `signal` and a `timeout`, and every
 * request has a time-out. If the server lacks an extension, other requests replace it if possible. A server
 * that breaks the protocol ends the session with one error.
 *
 * @example
 * ```ts
 * import {
 *   localFiles,
 *   serveSftp,
 *   SftpClient,
 *   streamChannel,
 * } from "@denossh/ssh/sftp";
 * import { assertEquals } from "@std/assert";
 * import { mkdtemp, rm } from "node:fs/promises";
 * import { tmpdir } from "node:os";
 *
 * // A server in the same program; yours is `connect(…)` and `host.sftp()`.
 * const up = new TransformStream<Uint8Array, Uint8Array>();
 * const down = new TransformStream<Uint8Array, Uint8Array>();
 * const root = await mkdtemp(`${tmpdir()}/files-`);
 * const server = serveSftp(
 *   streamChannel(up.readable, down.writable),
 *   localFiles({ root }),
 * );
 * {
 *   await using sftp = await SftpClient.open(
 *     streamChannel(down.readable, up.writable),
 *   );
 *   await sftp.mkdir("/notes");
 *   await sftp.writeTextFile("/notes/today.txt", "buy milk");
 *   assertEquals(await sftp.readTextFile("/notes/today.txt"), "buy milk");
 *   for await (const { name } of sftp.readDir("/notes")) {
 *     assertEquals(name, "today.txt");
 *   }
 * }
 * await server;
 * await rm(root, { recursive: true });
 * ```
 */
export class SftpClient implements AsyncDisposable {
  /** The version of the protocol: 3. */
  readonly version: number = 3;
  /** The extensions that the server announced, by name. */
  readonly extensions: ReadonlyMap<string, string>;
  /** The limits of requests and open handles. */
  readonly limits: {
    /** The most bytes of one read request. */
    readonly readLength: number;
    /** The most bytes of one write request. */
    readonly writeLength: number;
    /** The most open handles; 0 if unknown. */
    readonly openHandles: number;
  };
  readonly #remote: RemoteFileSystem;
  readonly #functions: typeof Functions;

  /** @ignore */
  private constructor(remote: RemoteFileSystem, functions: typeof Functions) {
    this.#remote = remote;
    this.#functions = functions;
    this.extensions = remote.session.extensions;
    this.limits = remote.limits satisfies ServerLimits;
  }

  /**
   * Starts a session on a channel that leads to an SFTP server.
   *
   * @param channel The channel; it is closed with the client, or if this fails
   * @param options `signal`; `timeout`, the milliseconds within which each request must be answered,
   *   120,000 by default; `requestLength`, the most bytes of one read or write, by default the server's
   *   limit; `linkFirst`, whether the server has SYMLINK's paths in the draft's order instead of OpenSSH's; `checkFile`, whether it supports
   *   check-file without announcing it; `numbersHandles`, whether each of its sessions numbers handles from 0,
   *   so that requests for a file may follow its OPEN immediately; `further`, which opens further channels to the same server for
   *   large files, or resolves to null if there is no room; `connections`, how many connections those use;
   *   `reopen`, which opens a channel on which the session continues after the connection was lost, or
   *   resolves to null if it was not
   * @returns The client
   * @throws {SftpError} If the other end is not an SFTP server of version 3
   */
  static async open(
    channel: SftpChannel,
    options: SftpOptions & {
      timeout?: number;
      requestLength?: number;
      linkFirst?: boolean;
      checkFile?: boolean;
      numbersHandles?: boolean;
      connections?: number;
      reopen?: (signal: AbortSignal) => Promise<SftpChannel | null>;
      further?: (
        giveWay: () => void,
        options: { readonly signal: AbortSignal },
      ) => Promise<SftpChannel | null>;
    } = {},
  ): Promise<SftpClient> {
    const functions = await import("./client_functions.ts");
    const { RemoteFileSystem } = functions;
    return new SftpClient(await RemoteFileSystem.open(channel, options), functions);
  }

  /**
   * Opens a file.
   *
   * @param path The file
   * @param options How to open it; for reading unless given
   * @returns The file, to be closed
   * @throws {SftpError} If the server refuses
   */
  async open(path: string, options: SftpOpenOptions = {}): Promise<SftpFile> {
    this.#functions.checkMethod("open", options);
    const { createNew: isNew, signal, timeout } = options;
    const opening = this.#remote.file(path, options);
    return this.#functions.sftpFile(
      await this.#functions.explained(this.#remote, opening, { isNew, signal, timeout }),
    );
  }

  /**
   * Asks for a file's attributes, following symbolic links.
   *
   * @param path The file
   * @param options A signal, and a time limit for each answer
   * @returns Its attributes
   * @throws {SftpError} If there is no such file
   */
  stat(path: string, options: SftpOptions = {}): Promise<SftpFileInfo> {
    return this.#remote.stat(path, options);
  }

  /**
   * Asks for the attributes of a file, or of the symbolic link itself.
   *
   * @param path The file
   * @param options A signal, and a time limit for each answer
   * @returns Its attributes
   * @throws {SftpError} If there is no such file
   */
  lstat(path: string, options: SftpOptions = {}): Promise<SftpFileInfo> {
    return this.#remote.lstat(path, options);
  }

  /**
   * Changes attributes of a file.
   *
   * @param path The file
   * @param changes What to change
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses
   */
  setStat(path: string, changes: SftpChanges, options: SftpOptions = {}): Promise<void> {
    return this.#explained(this.#remote.setStat(path, changes, options), options);
  }

  /**
   * Changes attributes of a file, or of the symbolic link itself (lsetstat@openssh.com).
   *
   * @param path The file or link
   * @param changes What to change
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses, or cannot and it is a link
   */
  lsetStat(path: string, changes: SftpChanges, options: SftpOptions = {}): Promise<void> {
    return this.#explained(this.#remote.lsetStat(path, changes, options), options);
  }

  /**
   * Changes the owner and the group of a file, or of the symbolic link itself.
   *
   * @param path The file or link
   * @param uid The owner's number
   * @param gid The group's number
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses, or cannot and it is a link
   */
  lchown(path: string, uid: number, gid: number, options: SftpOptions = {}): Promise<void> {
    return this.lsetStat(path, { uid, gid }, options);
  }

  /**
   * Changes the times of a file, or of the symbolic link itself, to the second.
   *
   * @param path The file or link
   * @param atime The time of the last access, as a `Date` or in seconds
   * @param mtime The time of the last modification, as a `Date` or in seconds
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses, or cannot and it is a link
   */
  lutime(
    path: string,
    atime: Date | number,
    mtime: Date | number,
    options: SftpOptions = {},
  ): Promise<void> {
    return this.lsetStat(
      path,
      { atime: this.#functions.dateOf(atime), mtime: this.#functions.dateOf(mtime) },
      options,
    );
  }

  /**
   * Changes the permission bits of a file.
   *
   * @param path The file
   * @param mode The bits, such as `0o644`
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses
   */
  chmod(path: string, mode: number, options: SftpOptions = {}): Promise<void> {
    return this.setStat(path, { mode }, options);
  }

  /**
   * Changes the owner and the group of a file.
   *
   * @param path The file
   * @param uid The owner's number
   * @param gid The group's number
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses
   */
  chown(path: string, uid: number, gid: number, options: SftpOptions = {}): Promise<void> {
    return this.setStat(path, { uid, gid }, options);
  }

  /**
   * Changes the times of a file, to the second.
   *
   * @param path The file
   * @param atime The time of the last access, as a `Date` or in seconds
   * @param mtime The time of the last modification, as a `Date` or in seconds
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses
   */
  utime(
    path: string,
    atime: Date | number,
    mtime: Date | number,
    options: SftpOptions = {},
  ): Promise<void> {
    return this.setStat(
      path,
      { atime: this.#functions.dateOf(atime), mtime: this.#functions.dateOf(mtime) },
      options,
    );
  }

  /**
   * Truncates a file, or fills it up with zeros.
   *
   * @param path The file
   * @param size The new size in bytes
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses
   */
  truncate(path: string, size = 0, options: SftpOptions = {}): Promise<void> {
    return this.setStat(path, { size }, options);
  }

  /**
   * Lists a directory, without `.` and `..`, in the server's order.
   *
   * @param path The directory
   * @param options A signal, and a time limit for each answer
   * @returns Its entries; leaving the loop early closes the listing
   * @throws {SftpError} If there is no such directory, or it lists impossible names
   */
  async *readDir(path: string, options: SftpOptions = {}): AsyncIterableIterator<SftpDirEntry> {
    for await (const { name, info } of this.#remote.list(path, options)) {
      yield this.#functions.dirEntry(name, info);
    }
  }

  /**
   * Makes a directory.
   *
   * @param path The directory
   * @param options Its permission bits; `recursive` also makes those above it, and succeeds if it exists
   * @throws {SftpError} If the server refuses
   */
  async mkdir(
    path: string,
    options: SftpOptions & { recursive?: boolean; mode?: number } = {},
  ): Promise<void> {
    this.#functions.checkMethod("mkdir", options);
    const { recursive = false, mode = null } = options;
    const { signal, timeout } = options;
    const making = recursive
      ? this.#functions.makeFolders(this.#remote, path, mode, options)
      : this.#remote.mkdir(path, mode, options);
    await this.#explained(making, { signal, timeout, isNew: true });
  }

  /**
   * Makes a directory and missing ones above it; `mkdir` with `recursive`.
   *
   * @param path The directory
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses, or something else has the name
   */
  ensureDir(path: string, options: SftpOptions = {}): Promise<void> {
    return this.mkdir(path, { ...options, recursive: true });
  }

  /**
   * Makes a new directory that only its owner may enter, for temporary files. It stays until it is removed.
   *
   * @param options The directory to make it in, and the prefix and suffix of its name. Unless given, `dir`
   *   is `/tmp`, or the home directory if the server has no `/tmp`
   * @returns The absolute path
   * @throws {SftpError} If the server refuses
   * @throws {TypeError} If the prefix or suffix has a slash
   */
  async makeTempDir(
    options: SftpOptions & { dir?: string; prefix?: string; suffix?: string } = {},
  ): Promise<string> {
    this.#functions.checkMethod("makeTempDir", options);
    return await this.#functions.makeTempFolder(this.#remote, options);
  }

  /**
   * Whether a path exists. A dangling symbolic link does not count, as for `stat`.
   *
   * @param path The path
   * @param options `isFile` asks for a regular file, `isDirectory` for a directory
   * @returns Whether it exists, and is of the requested kind
   * @throws {SftpError} If the server refuses
   */
  async exists(
    path: string,
    options: SftpOptions & { isFile?: boolean; isDirectory?: boolean } = {},
  ): Promise<boolean> {
    this.#functions.checkMethod("exists", options);
    return await this.#functions.exists(this.#remote, path, options);
  }

  /**
   * Removes a file, a symbolic link or an empty directory.
   *
   * @param path The file, link or directory
   * @param options `recursive` removes a directory with everything in it
   * @throws {SftpError} If the server refuses
   */
  async remove(path: string, options: SftpOptions & { recursive?: boolean } = {}): Promise<void> {
    this.#functions.checkMethod("remove", options);
    await this.#explained(this.#functions.removeTree(this.#remote, path, options), options);
  }

  /**
   * Renames or moves a file or a directory.
   *
   * @param from The old path
   * @param to The new path
   * @param options `overwrite: false` refuses to replace a file at the new path; otherwise it is
   * replaced, in one step if the server has posix-rename@openssh.com
   * @throws {SftpError} If the server refuses
   */
  async rename(
    from: string,
    to: string,
    options: SftpOptions & { overwrite?: boolean } = {},
  ): Promise<void> {
    this.#functions.checkMethod("rename", options);
    const { overwrite = true, signal, timeout } = options;
    const renaming = overwrite
      ? this.#functions.replace(this.#remote, from, to, options)
      : this.#remote.rename(from, to, options);
    await this.#explained(renaming, { signal, timeout, changed: to, isNew: !overwrite });
  }

  /**
   * Copies a file on the server with its permission bits, and replaces an existing one: by the server itself
   * if it has copy-data, otherwise through this client.
   *
   * @param from The file
   * @param to The copy
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses
   */
  copyFile(from: string, to: string, options: SftpOptions = {}): Promise<void> {
    const { signal, timeout } = options;
    const copying = this.#functions.copyFile(this.#remote, from, to, options);
    return this.#explained(copying, { signal, timeout, changed: to });
  }

  /**
   * Asks the server for the absolute form of a path.
   *
   * @param path The path; `.` is the home directory
   * @param options A signal, and a time limit for each answer
   * @returns The absolute path
   * @throws {SftpError} If there is no such file
   */
  realPath(path: string, options: SftpOptions = {}): Promise<string> {
    return this.#remote.realPath(path, options);
  }

  /**
   * Reads the text of a symbolic link.
   *
   * @param path The link
   * @param options A signal, and a time limit for each answer
   * @returns The text of the link; do not trust it
   * @throws {SftpError} If there is no such link
   */
  readLink(path: string, options: SftpOptions = {}): Promise<string> {
    return this.#remote.readLink(path, options);
  }

  /**
   * Makes a symbolic link.
   *
   * @param target The target of the link
   * @param path The link
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses
   */
  symlink(target: string, path: string, options: SftpOptions = {}): Promise<void> {
    const { signal, timeout } = options;
    const making = this.#remote.symlink(target, path, options);
    return this.#explained(making, { signal, timeout, isNew: true });
  }

  /**
   * Makes a hard link (hardlink@openssh.com).
   *
   * @param from The file
   * @param to The new name
   * @param options A signal, and a time limit for each answer
   * @throws {SftpError} If the server refuses or cannot
   */
  async link(from: string, to: string, options: SftpOptions = {}): Promise<void> {
    const { signal, timeout } = options;
    const linking = this.#remote.link(from, to, options);
    await this.#explained(linking, { signal, timeout, changed: to, isNew: true });
  }

  /**
   * Asks for the size and free space of the file system of a file (statvfs@openssh.com).
   *
   * @param path Any file there
   * @param options A signal, and a time limit for each answer
   * @returns Its size and free space
   * @throws {SftpError} If the server refuses or cannot
   */
  statvfs(path: string, options: SftpOptions = {}): Promise<SftpFileSystem> {
    return this.#remote.statvfs(path, options);
  }

  /**
   * Asks for the absolute form of a path with `~` or `~user` (expand-path@openssh.com).
   *
   * @param path The path
   * @param options A signal, and a time limit for each answer
   * @returns The absolute path
   * @throws {SftpError} If there is no such file, or the server cannot
   */
  expandPath(path: string, options: SftpOptions = {}): Promise<string> {
    return this.#functions.expandPath(this.#remote, path, options);
  }

  /**
   * Asks for a user's home directory.
   *
   * @param user The user; the logged-in user unless given
   * @param options A signal, and a time limit for each answer
   * @returns The directory
   * @throws {SftpError} If the user is unknown, or the server does not support it
   */
  homeDirectory(user = "", options: SftpOptions = {}): Promise<string> {
    return this.#functions.homeDirectory(this.#remote, user, options);
  }

  /**
   * Asks for the names of users and groups by their numbers (users-groups-by-id@openssh.com).
   *
   * @param uids The numbers of users
   * @param gids The numbers of groups
   * @param options A signal, and a time limit for each answer
   * @returns The known names
   * @throws {SftpError} If the server does not support it
   */
  usersAndGroups(
    uids: readonly number[],
    gids: readonly number[],
    options: SftpOptions = {},
  ): Promise<SftpNames> {
    return this.#functions.usersAndGroups(this.#remote, uids, gids, options);
  }

  /**
   * Walks a directory and everything below it, folders before their entries.
   *
   * @param root The directory to begin with
   * @param options The depth, and what to skip
   * @returns The entries; leaving the loop early stops the listing
   * @throws {SftpError} If a folder cannot be listed
   */
  walk(root: string, options: SftpWalkOptions = {}): AsyncIterableIterator<SftpWalkEntry> {
    this.#functions.checkMethod("walk", options);
    return this.#functions.walk(this.#remote, root, options);
  }

  /**
   * Finds the matches of a pattern. `*` and `?` match neither a slash nor a dot at the beginning of a name,
   * `[a-z]` matches one character, a step `**` any number of folders, and `\\` escapes a character.
   *
   * @param pattern The pattern, such as `logs/*.txt`
   * @param options A signal, and a time limit for each answer
   * @returns The entries, sorted within each folder
   * @throws {SftpError} If a folder cannot be listed
   */
  glob(pattern: string, options: SftpOptions = {}): AsyncIterableIterator<SftpWalkEntry> {
    const limits = { signal: options.signal, timeout: options.timeout };
    return this.#functions.glob(
      new this.#functions.RemoteStore(this.#remote, {
        options: {},
        limits,
        inFlight: 0,
        warn() {},
      }),
      pattern,
    );
  }

  /**
   * Reads a whole file.
   *
   * @param path The file
   * @param options A signal, and a time limit for each answer
   * @returns Its content
   * @throws {SftpError} If the server refuses, or the file is cut off while it is read
   */
  async readFile(path: string, options: SftpOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const file = await this.#remote.file(path, { ...options, read: true });
    try {
      const ahead = new this.#functions.ReadAhead(file, {
        ...options,
        size: await file.size(options),
      });
      const blocks: Uint8Array[] = [];
      for (let block; (block = await ahead.next()) !== null;) blocks.push(block);
      return concat(blocks);
    } finally {
      file.close().catch(() => {});
    }
  }

  /**
   * Reads a whole file as UTF-8 text.
   *
   * @param path The file
   * @param options A signal, and a time limit for each answer
   * @returns Its content
   * @throws {SftpError} If the server refuses
   */
  async readTextFile(path: string, options: SftpOptions = {}): Promise<string> {
    return new TextDecoder().decode(await this.readFile(path, options));
  }

  /**
   * Writes a whole file, and replaces its content.
   *
   * @param path The file
   * @param data Its content: bytes, a blob, a response of `fetch`, or a stream
   * @param options `append` adds to the content, `createNew` fails if the file exists, `create: false` if
   *   it does not; `mode` are the permission bits of a new file, `channels` the channels for a large file
   * @throws {SftpError} If the server refuses; the stream is then cancelled
   * @throws {TypeError} If the stream is locked or has chunks that are not `Uint8Array`s, or the response has
   *   been read or its status is not that of a whole file
   */
  async writeFile(
    path: string,
    data: SftpData,
    options: SftpWriteOptions = {},
  ): Promise<void> {
    this.#functions.checkMethod("writeFile", options);
    const stream = this.#functions.dataStream(data);
    const { append = false, create = true, createNew = false, signal, timeout } = options;
    const { channels = 1 } = options;
    this.#functions.checkChannels({ channels });
    const open = { write: true, append, create, createNew, truncate: !append, signal, timeout };
    const { mode } = options;
    const opening = this.#remote.file(path, mode === undefined ? open : { ...open, mode });
    const limits = { isNew: createNew, signal, timeout };
    const file = await this.#explained(opening, limits).catch((cause) => {
      stream.cancel(cause).catch(() => {}); // the file cannot be written; this is the reason
      throw cause;
    });
    const further = append || channels === 1 ? null : new this.#functions.FurtherSessions(
      this.#remote,
      { channels, role: "target" },
    );
    try {
      const writing = stream.pipeTo(
        this.#functions.writableOf(file, 0, further, { signal, timeout }),
        signal ? { signal } : {},
      );
      await this.#explained(writing, { signal, timeout });
    } finally {
      further?.close();
    }
  }

  /**
   * Writes a whole file as UTF-8 text, and replaces its content.
   *
   * @param path The file
   * @param text Its content
   * @param options As for `writeFile`
   * @throws {SftpError} If the server refuses
   */
  writeTextFile(path: string, text: string, options: SftpWriteOptions = {}): Promise<void> {
    return this.writeFile(path, new TextEncoder().encode(text), options);
  }

  /**
   * Fetches a file, or with `recursive` a folder and everything in it, or with `glob` the matches of a
   * pattern.
   *
   * A local file is written under a hidden name and renamed when it is complete. Names that could lead out
   * of the folder are refused, and symbolic links are skipped unless `links` is set. Many files are
   * transferred in parallel; if some fail, the others are transferred, too.
   *
   * @param remote The file or folder there
   * @param local The path or file URL of the copy here (of the folder to put it in, with `glob`), where `~` is the
   * home directory; or a stream
   * @param options Options of the transfer
   * @returns The result of the transfer
   * @throws {SftpError} If the server refuses
   * @throws {SftpTransferError} If some files of a folder could not be transferred
   */
  get(
    remote: string,
    local: string | URL | WritableStream<Uint8Array>,
    options: SftpTransferOptions = {},
  ): Promise<TransferResult> {
    return spanned("sftp.get", () => this.#functions.get(this.#remote, remote, local, options));
  }

  /**
   * Stores a file, or with `recursive` a folder and everything in it, or with `glob` the matches of a
   * pattern.
   *
   * A file is written under a hidden name and renamed when it is complete. Many files are transferred in
   * parallel; if some fail, the others are transferred, too.
   *
   * @param local The path or file URL of the file or folder here, where `~` is the home directory; or bytes, a
   * blob, a response of `fetch`, or a stream
   * @param remote The path of the copy there (of the folder to put it in, with `glob`)
   * @param options Options of the transfer
   * @returns The result of the transfer
   * @throws {SftpError} If the server refuses, or the source is cut off while it is read
   * @throws {TypeError} If the data is not as `writeFile` needs it
   * @throws {SftpTransferError} If some files of a folder could not be transferred
   */
  put(
    local: string | URL | SftpData,
    remote: string,
    options: SftpTransferOptions = {},
  ): Promise<TransferResult> {
    return spanned("sftp.put", () => this.#functions.put(this.#remote, local, remote, options));
  }

  /**
   * Copies a file, or with `recursive` a folder, to another server, through this client; `copyFile` copies on
   * one server.
   *
   * @param from The file or folder on this server
   * @param to The client of the other server, and the path of the copy there
   * @param options As for `get` and `put`
   * @returns The result of the transfer
   * @throws {SftpError} If a server refuses
   * @throws {SftpTransferError} If some files of a folder could not be transferred
   */
  copy(
    from: string,
    to: { readonly sftp: SftpClient; readonly path: string },
    options: SftpTransferOptions = {},
  ): Promise<TransferResult> {
    const there = to?.sftp instanceof SftpClient ? to.sftp.#remote : null;
    return spanned(
      "sftp.copy",
      () => this.#functions.copy(this.#remote, from, there, to?.path, options),
    );
  }

  #explained<T>(answer: Promise<T>, { signal, timeout, ...what }: ExplainOptions): Promise<T> {
    return this.#functions.explained(this.#remote, answer, { signal, timeout, ...what });
  }

  /** Ends the session and closes the channel; requests in flight are rejected. */
  close(): Promise<void> {
    return this.#remote.close();
  }

  /** Ends the session. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** Runs a transfer in a span that records the number of files and bytes. */
function spanned(name: string, run: () => Promise<TransferResult>): Promise<TransferResult> {
  return inSpan(name, "client", {}, async (span) => {
    const result = await run();
    span.set({ "sftp.files": result.files, "sftp.bytes": result.bytes });
    return result;
  });
}
