import { SFTP_CHUNK, SFTP_MAX_CHUNK, SFTP_MAX_MESSAGE, SFTP_TIMEOUT_MS } from "../../defaults.ts";
import { encodeHex } from "../../encoding.ts";
import { ProtocolError, SftpError } from "../../errors.ts";
import {
  type Attributes,
  attributesOfChanges,
  infoOf,
  type SftpChanges,
  type SftpFileInfo,
  typeOf,
} from "../protocol/attributes.ts";
import type { SftpChannel } from "../protocol/channel.ts";
import { ClientSession, type ReopenChannel } from "./client_session.ts";
import { fileSystemOf, type SftpFileSystem } from "../protocol/file_system.ts";
import { typeOfLongname } from "../protocol/longname.ts";
import * as msg from "../protocol/messages.ts";
import { EXTENSION, FXF, S_IF } from "../protocol/numbers.ts";
import { flagsOf, type SftpOpenOptions, type SftpOptions } from "../protocol/options.ts";
import { join } from "../protocol/paths.ts";
import type { Layout } from "../../wire/message.ts";
import { allListed } from "./listed.ts";
import { isAnswerLost, type OpenHandle } from "./open_handle.ts";
import { RemoteFile } from "./remote_file.ts";
import {
  type Call,
  callOf,
  isRefusal,
  nullIfNoSuchFile,
  nullIfRefused,
  sftpError,
  SftpStatus,
} from "../protocol/status.ts";

/** Limits of the server; 0 open handles means unknown. */
export interface ServerLimits {
  readonly readLength: number;
  readonly writeLength: number;
  readonly openHandles: number;
}

/** How to start sessions with a server. */
export interface SessionOptions extends SftpOptions {
  /** The most bytes of one read or write. */
  readonly requestLength?: number | undefined;
  /** Whether the server has SYMLINK's paths in the draft's order. */
  readonly linkFirst?: boolean | undefined;
  /** Whether the server supports check-file without announcing it. */
  readonly checkFile?: boolean | undefined;
  /** Whether each session of the server numbers its handles from 0. */
  readonly numbersHandles?: boolean | undefined;
  /** How many connections further channels use, including that of the first channel. */
  readonly connections?: number | undefined;
  /** Opens a channel again after the connection was lost. */
  readonly reopen?: ReopenChannel | undefined;
  /** Opens a further channel to the same server. */
  readonly further?: FurtherChannel | undefined;
}

/**
 * Opens a further channel to the same server; null if there is no room for one now. `giveWay` is called
 * when the channel must be closed because another session needs its place.
 */
export type FurtherChannel = (
  giveWay: () => void,
  options: { readonly signal: AbortSignal },
) => Promise<SftpChannel | null>;

/** Results of earlier transfers about further sessions. */
interface ChannelEstimate {
  /** How many channels the last large file used. */
  useful: number;
  /** Whether one was enough for a large file for which others were opened in advance. */
  isEnough?: boolean;
  /** Sessions that are ending. */
  readonly closing: Set<Promise<void>>;
}

/** The most bytes of a message besides its data, as OpenSSH assumes. */
const MESSAGE_HEAD = 1024;

/** Bytes that a slow disk reads per millisecond. */
const SLOW_DISK_RATE = 10_000;

/** Entries of a listing that are looked up in parallel. */
const LOOKED_AT_ONCE = 128;

/** One entry of a listing. */
export interface ListedEntry {
  readonly name: string;
  readonly info: SftpFileInfo;
}

/** How to open a file, and whether the name of a new one is unique. */
export interface RemoteOpenOptions extends SftpOpenOptions {
  readonly isOwnName?: boolean;
}

/** The server's file system, one method per operation; the client and the transfers are built on it. */
export class RemoteFileSystem {
  readonly session: ClientSession;
  readonly limits: ServerLimits;
  /** Folders in which the server refuses to rename files, although it lets them be written. */
  readonly withoutRename: Set<string | null> = new Set();
  /** Results of earlier transfers about further sessions. */
  readonly channels: ChannelEstimate = { useful: 1, closing: new Set() };
  #first: RemoteFileSystem = this;
  readonly #options: SessionOptions;
  /** Whether the server has check-file; null if not tried yet. */
  #checksFiles: boolean | null = null;

  private constructor(session: ClientSession, limits: ServerLimits, options: SessionOptions) {
    this.session = session;
    this.limits = limits;
    this.#options = options;
  }

  /** Starts a session and asks the server for its limits. */
  static async open(
    channel: SftpChannel,
    options: SessionOptions,
  ): Promise<RemoteFileSystem> {
    const { requestLength = SFTP_MAX_CHUNK } = options;
    if (!(requestLength >= 1)) throw new RangeError("requestLength must be 1 or more");
    const session = await ClientSession.open(channel, options);
    try {
      const { readLength, writeLength, openHandles } = await limitsOf(session, options);
      return new RemoteFileSystem(session, {
        readLength: Math.min(readLength, requestLength),
        writeLength: Math.min(writeLength, requestLength),
        openHandles,
      }, options);
    } catch (cause) {
      await session.close();
      throw cause;
    }
  }

  /**
   * Starts a further session at the same server; null if there can be none now.
   *
   * @param giveWay Called when the session must be closed because another one needs its place
   * @param signal Cancels opening it
   */
  async further(giveWay: () => void, signal: AbortSignal): Promise<RemoteFileSystem | null> {
    const { further, timeout } = this.#options;
    const channel = await further?.(giveWay, { signal }) ?? null;
    if (channel === null) return null;
    const session = ClientSession.start(channel, timeout, this.session.extensions);
    const remote = new RemoteFileSystem(session, this.limits, this.#options);
    remote.#first = this;
    return remote;
  }

  /** This session, or the first one if this is a further one that was lost. */
  get alive(): RemoteFileSystem {
    return this.session.cause === null ? this : this.#first;
  }

  /** How many connections the sessions use; 1 if further ones share this session's. */
  get connections(): number {
    return this.#options.connections ?? 1;
  }

  /** Ends the session, and further ones that are still ending. */
  async close(): Promise<void> {
    await Promise.all([this.session.close(), ...this.channels.closing]);
  }

  /** Whether the server announced an extension. */
  can(extension: string): boolean {
    return this.session.extensions.has(extension);
  }

  /** Sends a request that is answered by a status alone. */
  command<Q>(row: msg.Row<Q>, value: Q, call: Call): Promise<void> {
    return this.session.command(row, value, call);
  }

  /**
   * Sends an extended request that is answered by a status alone.
   *
   * @throws {SftpError} If the server did not announce it
   */
  async extension(request: string, data: Uint8Array, call: Call): Promise<void> {
    await this.session.extended(request, data, msg.Status, call);
  }

  /** Sends an extended request that is answered by data, which is decoded. */
  extendedReply<V>(request: string, data: Uint8Array, layout: Layout<V>, call: Call): Promise<V> {
    return this.session.extendedReply(request, data, layout, call);
  }

  /** Sends an extended request that is answered by one name. */
  async extendedName(request: string, data: Uint8Array, call: Call): Promise<string> {
    return single(await this.session.extended(request, data, msg.Name, call), call);
  }

  /** Opens a file; errors name `about` instead, if the user does not know the path. */
  async file(path: string, options: RemoteOpenOptions, about: string = path): Promise<RemoteFile> {
    const { mode, isOwnName } = options;
    const attributes = mode === undefined ? {} : { mode };
    const flags = flagsOf(options);
    const call = callOf("open", about, options);
    const handle = await this.session.open(path, flags, attributes, call, isOwnName);
    const { readLength, writeLength } = this.limits;
    const written = (flags & (FXF.WRITE | FXF.APPEND)) !== 0;
    return new RemoteFile(this.session, handle, about, { readLength, writeLength, written });
  }

  /**
   * Opens a file as the first one of a session, with a handle that is known from the first session, so that
   * requests for it can follow immediately: they count only if `opened` resolves. Null if the handle is not
   * known.
   */
  fileAtOnce(
    path: string,
    options: SftpOpenOptions,
    about: string,
  ): { file: RemoteFile; opened: Promise<void> } | null {
    const { firstHandle } = this.#first.session;
    const isNumber = firstHandle !== null && firstHandle.every((byte) => byte === 0);
    if (!this.#options.numbersHandles || !isNumber || !this.session.isUnused) return null;
    const call = callOf("open", about, options);
    const flags = flagsOf(options);
    const { file: handle, opened } = this.session.openAs(firstHandle, path, flags, call);
    const { readLength, writeLength } = this.limits;
    const lengths = { readLength, writeLength, written: true };
    return { file: new RemoteFile(this.session, handle, about, lengths), opened };
  }

  /**
   * Opens a file with a mode, or without it if the server refuses the mode. With `createNew`, the name must
   * be unique. `kept` is whether the file was opened with the mode.
   */
  async fileWithMode(
    path: string,
    options: RemoteOpenOptions,
    about: string = path,
  ): Promise<{ file: RemoteFile; kept: boolean }> {
    try {
      return { file: await this.file(path, options, about), kept: true };
    } catch (cause) {
      const { mode, ...rest } = options;
      if (mode === undefined || !isRefusal(cause)) throw cause;
      if (cause.status === SftpStatus.NO_SUCH_FILE) throw cause;
      // ProFTPD creates the file before it refuses the mode.
      if (options.createNew) await nullIfRefused(this.remove(path, options));
      const file = await nullIfRefused(this.file(path, rest, about));
      if (file === null) throw cause;
      return { file, kept: false };
    }
  }

  async stat(path: string, options: SftpOptions): Promise<SftpFileInfo> {
    const call = callOf("stat", path, options);
    const { attributes } = await this.session.request(msg.Stat, { path }, msg.Attrs, call);
    return await this.#typed(path, attributes, 0, options);
  }

  /** The attributes of a file or of the link itself; errors name `about`. */
  async lstat(path: string, options: SftpOptions, about: string = path): Promise<SftpFileInfo> {
    const call = callOf("lstat", about, options);
    const { attributes } = await this.session.request(msg.Lstat, { path }, msg.Attrs, call);
    return await this.#typed(path, attributes, 0, options);
  }

  /**
   * The attributes with a type, because some servers send modes without a type, or no modes. The type is
   * that of the mode, else `otherType`, else a folder if the path can be listed, else a file if it exists.
   */
  async #typed(
    path: string,
    attributes: Attributes,
    otherType: number,
    options: SftpOptions,
  ): Promise<SftpFileInfo> {
    if (typeOf(attributes) || otherType) return infoOf(attributes, otherType);
    return infoOf(attributes, await this.isFolder(path, options) ? S_IF.DIRECTORY : S_IF.FILE);
  }

  /** Whether a path can be listed. */
  async isFolder(path: string, options: SftpOptions): Promise<boolean> {
    const call = callOf("readDir", path, options);
    const opened = await nullIfRefused(this.session.openFolder(path, call));
    if (opened === null) return false;
    this.#close(opened);
    return true;
  }

  /** The attributes found by opening the path, for servers that refuse STAT; null if it cannot be opened. */
  async statByOpening(path: string, options: SftpOptions): Promise<SftpFileInfo | null> {
    if (await this.isFolder(path, options)) return infoOf({}, S_IF.DIRECTORY);
    const { signal, timeout } = options;
    const file = await nullIfRefused(this.file(path, { signal, timeout, read: true }));
    if (file === null) return null;
    try {
      return await nullIfRefused(file.stat(options)) ?? infoOf({}, S_IF.FILE);
    } finally {
      file.close().catch(() => {});
    }
  }

  #close(folder: OpenHandle): void {
    const call = { operation: "close", path: folder.path };
    this.session.command(msg.Close, folder, call, folder).catch(() => {});
  }

  /** The attributes of a file, links followed; null if there is none. */
  statOrNull(path: string, options: SftpOptions): Promise<SftpFileInfo | null> {
    return nullIfNoSuchFile(this.stat(path, options));
  }

  /** The attributes of a file or of the link itself; null if there is none. */
  lstatOrNull(path: string, options: SftpOptions): Promise<SftpFileInfo | null> {
    return nullIfNoSuchFile(this.lstat(path, options));
  }

  async setStat(path: string, changes: SftpChanges, options: SftpOptions): Promise<void> {
    const attributes = attributesOfChanges(changes);
    await this.command(msg.Setstat, { path, attributes }, callOf("setStat", path, options));
  }

  /** Changes a file or the link itself; without lsetstat@openssh.com links are refused. */
  async lsetStat(path: string, changes: SftpChanges, options: SftpOptions): Promise<void> {
    const attributes = attributesOfChanges(changes);
    const call = callOf("lsetStat", path, options);
    if (this.can(EXTENSION.LSETSTAT)) {
      const data = msg.PathChanges.encode({ path, attributes });
      return await this.extension(EXTENSION.LSETSTAT, data, call);
    }
    if ((await this.lstat(path, options)).isSymlink) {
      throw sftpError(SftpStatus.OP_UNSUPPORTED, call);
    }
    await this.command(msg.Setstat, { path, attributes }, call);
  }

  async remove(path: string, options: SftpOptions): Promise<void> {
    await this.command(msg.Remove, { path }, callOf("remove", path, options));
  }

  async mkdir(path: string, mode: number | null, options: SftpOptions): Promise<void> {
    const attributes = mode === null ? {} : { mode };
    await this.command(msg.Mkdir, { path, attributes }, callOf("mkdir", path, options));
  }

  /**
   * Asks the server for the SHA-256 of the first bytes of a file, in hexadecimal; null if it refuses.
   */
  async checkFile(path: string, length: number, options: SftpOptions): Promise<string | null> {
    this.#checksFiles ??= this.#options.checkFile ?? this.can(EXTENSION.CHECK_FILE);
    if (!this.#checksFiles || length === 0) return null;
    const call = callOf("checkFile", path, { ...options, timeout: hashingTime(length, options) });
    const data = msg.CheckFile.encode({
      path,
      algorithms: "sha256",
      offset: 0,
      length,
      blockSize: 0,
    });
    const request = { request: "check-file-name", data };
    const asking = this.session.request(msg.Extended, request, msg.ExtendedReply, call);
    const answer = await nullIfRefused(asking);
    const told = answer && checkedFile(answer.data);
    this.#checksFiles = told !== null;
    return told;
  }

  async realPath(path: string, options: SftpOptions): Promise<string> {
    const call = callOf("realPath", path, options);
    return single(await this.session.request(msg.Realpath, { path }, msg.Name, call), call);
  }

  async readLink(path: string, options: SftpOptions): Promise<string> {
    const call = callOf("readLink", path, options);
    return single(await this.session.request(msg.Readlink, { path }, msg.Name, call), call);
  }

  /** Whether a path is a symbolic link. LSTAT of some servers follows links, so READLINK is sent, too. */
  async isLink(path: string, options: SftpOptions): Promise<boolean> {
    const [info, target] = await Promise.all([
      nullIfRefused(this.lstat(path, options)),
      nullIfRefused(this.readLink(path, options)),
    ]);
    return info?.isSymlink === true || target !== null;
  }

  async symlink(target: string, link: string, options: SftpOptions): Promise<void> {
    const row = this.#options.linkFirst ? msg.LinkFirst : msg.Symlink;
    await this.command(row, { target, link }, callOf("symlink", link, options));
  }

  /** Makes a hard link. */
  async link(from: string, to: string, options: SftpOptions): Promise<void> {
    const data = msg.TwoPaths.encode({ from, to });
    await this.extension(EXTENSION.HARDLINK, data, callOf("link", from, options));
  }

  /** Renames a file; servers refuse an existing name. */
  async rename(from: string, to: string, options: SftpOptions): Promise<void> {
    await this.command(msg.Rename, { from, to }, callOf("rename", from, options));
  }

  async statvfs(path: string, options: SftpOptions): Promise<SftpFileSystem> {
    const data = msg.OnePath.encode({ path });
    const call = callOf("statvfs", path, options);
    return fileSystemOf(
      await this.extendedReply(EXTENSION.STATVFS, data, msg.FileSystem, call),
    );
  }

  /** Lists a directory, one request ahead, without `.` and `..`. */
  list(path: string, options: SftpOptions): AsyncGenerator<ListedEntry, void> {
    return this.session.isRenewable
      ? this.#survivingList(path, options)
      : this.#list(path, options);
  }

  /** Starts again after a lost connection, and skips the names already listed. */
  async *#survivingList(path: string, options: SftpOptions): AsyncGenerator<ListedEntry, void> {
    const listed = new Set<string>();
    for (;;) {
      try {
        for await (const entry of this.#list(path, options)) {
          if (listed.has(entry.name)) continue;
          listed.add(entry.name);
          yield entry;
        }
        return;
      } catch (cause) {
        if (!isAnswerLost(cause)) throw cause;
      }
    }
  }

  async *#list(path: string, options: SftpOptions): AsyncGenerator<ListedEntry, void> {
    const call = callOf("readDir", path, options);
    const folder = await this.session.openFolder(path, call);
    const asked: Promise<msg.NameEntry[] | null>[] = [];
    const ask = () => {
      const answer = this.#names(folder, call);
      answer.catch(() => {}); // reported when it is awaited
      asked.push(answer);
    };
    let [careful, ended] = [false, false];
    try {
      // Two in parallel, so that the end of a short listing arrives in the same round trip.
      ask();
      ask();
      while (asked.length > 0) {
        const names = await asked[0]!.catch(async (cause) => {
          if (careful || ended || !refused(cause) || isAnswerLost(cause)) throw cause;
          // Some servers accept only one request at a time; the answers that arrived are used.
          careful = true;
          await Promise.allSettled(asked);
          return [];
        });
        asked.shift();
        ended ||= names === null;
        if (!ended && (!careful || asked.length === 0)) ask();
        for (const entry of names ?? []) {
          entry.name = entry.name.replace(/(?<=[^/])\/+$/, ""); // some servers mark folders with a slash
          if (entry.name !== "" && !entry.name.includes("/")) continue;
          const reason = `the server lists the name "${entry.name}"`;
          throw sftpError(SftpStatus.BAD_MESSAGE, call, reason);
        }
        yield* this.#known(path, names ?? [], options);
      }
    } finally {
      this.#close(folder);
    }
  }

  /** The entries of one answer; attributes that the server left out are looked up in parallel. */
  async *#known(
    path: string,
    names: readonly msg.NameEntry[],
    options: SftpOptions,
  ): AsyncGenerator<ListedEntry, void> {
    for (let at = 0; at < names.length; at += LOOKED_AT_ONCE) {
      const entries = names.slice(at, at + LOOKED_AT_ONCE).filter(({ name }) =>
        name !== "." && name !== ".."
      );
      const infos = entries.every(({ attributes }) => typeOf(attributes) !== 0)
        ? entries.map(({ attributes }) => infoOf(attributes))
        : await Promise.all(entries.map((entry) => this.#lookUp(path, entry, options)));
      for (const [index, info] of infos.entries()) {
        if (info !== null) yield { name: entries[index]!.name, info };
      }
    }
  }

  /** The attributes of a listed file; null if it is gone. */
  async #lookUp(
    folder: string,
    { name, longname, attributes }: msg.NameEntry,
    options: SftpOptions,
  ): Promise<SftpFileInfo | null> {
    const path = join(folder, name);
    const type = typeOfLongname(longname);
    if (attributes.mode !== undefined) return await this.#typed(path, attributes, type, options);
    const call = callOf("lstat", path, options);
    const looked = this.session.request(msg.Lstat, { path }, msg.Attrs, call);
    if (type === 0) {
      const found = await nullIfNoSuchFile(looked);
      return found && await this.#typed(path, found.attributes, 0, options);
    }
    return infoOf((await nullIfRefused(looked))?.attributes ?? attributes, type);
  }

  /** All entries of a directory. */
  all(path: string, options: SftpOptions): Promise<ListedEntry[]> {
    return allListed(path, this.list(path, options));
  }

  async #names(folder: OpenHandle, call: Call): Promise<msg.NameEntry[] | null> {
    try {
      const { entries } = await this.session.request(msg.Readdir, folder, msg.Name, call, folder);
      return entries.length > 0 ? entries : null; // no names mean the end, as OpenSSH reads it
    } catch (cause) {
      if (cause instanceof SftpError && cause.status === SftpStatus.EOF) return null;
      throw cause;
    }
  }
}

async function limitsOf(session: ClientSession, options: SftpOptions): Promise<ServerLimits> {
  const unknown = { readLength: SFTP_CHUNK, writeLength: SFTP_CHUNK, openHandles: 0 };
  if (!session.extensions.has(EXTENSION.LIMITS)) return unknown;
  try {
    const call = callOf("limits", null, options);
    const empty = new Uint8Array(0);
    const { packetLength, readLength, writeLength, openHandles } = await session.extendedReply(
      EXTENSION.LIMITS,
      empty,
      msg.Limits,
      call,
    );
    const packet = Math.max((packetLength || SFTP_MAX_MESSAGE) - MESSAGE_HEAD, 1);
    const most = Math.min(packet, SFTP_MAX_CHUNK);
    const bounded = (length: number) => Math.min(length || most, most);
    return { readLength: bounded(readLength), writeLength: bounded(writeLength), openHandles };
  } catch (cause) {
    // If a server announces limits and then refuses to send them, the defaults apply.
    if (cause instanceof SftpError && session.cause === null) return unknown;
    throw cause;
  }
}

/** The single name in the answer to REALPATH or READLINK. */
function single({ entries }: { entries: readonly msg.NameEntry[] }, call: Call): string {
  if (entries.length === 1) return entries[0]!.name;
  throw sftpError(SftpStatus.BAD_MESSAGE, call, `the server sent ${entries.length} names`);
}

/** Whether a server refused a request, possibly because another one was running. */
function refused(cause: unknown): boolean {
  return cause instanceof SftpError && cause.status === SftpStatus.FAILURE;
}

/** Milliseconds that a server may take to read this many bytes from a slow, busy disk. */
function hashingTime(length: number, { timeout = SFTP_TIMEOUT_MS }: SftpOptions): number {
  return timeout + length / SLOW_DISK_RATE;
}

function checkedFile(data: Uint8Array): string | null {
  try {
    const { algorithm, hash } = msg.CheckedFile.decode(data);
    return algorithm === "sha256" && hash.length === 32 ? encodeHex(hash) : null;
  } catch (cause) {
    if (cause instanceof ProtocolError) return null;
    throw cause;
  }
}
