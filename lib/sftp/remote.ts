import { SFTP_CHUNK, SFTP_MAX_CHUNK } from "../defaults.ts";
import { SftpError } from "../errors.ts";
import { attributesOfChanges, infoOf, type SftpChanges, type SftpFileInfo } from "./attributes.ts";
import type { SftpChannel } from "./channel.ts";
import { SftpLink } from "./link.ts";
import * as msg from "./messages.ts";
import { EXTENSION } from "./numbers.ts";
import { flagsOf, type SftpOpenOptions, type SftpOptions } from "./options.ts";
import { join } from "./paths.ts";
import { RemoteFile } from "./remote_file.ts";
import { type Call, sftpError, SftpStatus } from "./status.ts";

/** The most bytes that requests may have; 0 open handles means that the server does not say. */
export interface RemoteLimits {
  readonly readLength: number;
  readonly writeLength: number;
  readonly openHandles: number;
}

/** Names that are kept of one directory: a listing without an end must end somewhere. */
export const MAX_LISTED = 1_000_000;

/** One line of a listing. */
export interface RemoteEntry {
  readonly name: string;
  readonly info: SftpFileInfo;
}

/** The far file system in single operations; the client and the transfers stand on it. */
export class Remote {
  readonly link: SftpLink;
  readonly limits: RemoteLimits;

  private constructor(link: SftpLink, limits: RemoteLimits) {
    this.link = link;
    this.limits = limits;
  }

  /** Greets the server and asks for its limits. */
  static async open(
    channel: SftpChannel,
    options: SftpOptions & { timeout?: number },
  ): Promise<Remote> {
    const link = await SftpLink.open(channel, options);
    try {
      return new Remote(link, await limitsOf(link, options));
    } catch (cause) {
      await link.close();
      throw cause;
    }
  }

  /** Sends a request that is answered by a status alone. */
  command<Q>(row: msg.Row<Q>, value: Q, call: Call): Promise<void> {
    return this.link.command(row, value, call);
  }

  /**
   * Sends an extended request that is answered by a status alone.
   *
   * @throws {SftpError} If the server did not announce it
   */
  async extension(request: string, data: Uint8Array, call: Call): Promise<void> {
    if (!this.link.extensions.has(request)) throw sftpError(SftpStatus.OP_UNSUPPORTED, call);
    await this.command(msg.Extended, { request, data }, call);
  }

  async file(path: string, options: SftpOpenOptions): Promise<RemoteFile> {
    const { mode, signal } = options;
    const attributes = mode === undefined ? {} : { mode };
    const call = { operation: "open", path, signal };
    const request = { path, flags: flagsOf(options), attributes };
    const { handle } = await this.link.request(msg.Open, request, msg.Handle, call);
    return new RemoteFile(this.link, handle, path, this.limits);
  }

  async stat(path: string, { signal }: SftpOptions): Promise<SftpFileInfo> {
    const call = { operation: "stat", path, signal };
    return infoOf((await this.link.request(msg.Stat, { path }, msg.Attrs, call)).attributes);
  }

  async lstat(path: string, { signal }: SftpOptions): Promise<SftpFileInfo> {
    const call = { operation: "lstat", path, signal };
    return infoOf((await this.link.request(msg.Lstat, { path }, msg.Attrs, call)).attributes);
  }

  async setStat(path: string, changes: SftpChanges, { signal }: SftpOptions): Promise<void> {
    const attributes = attributesOfChanges(changes);
    await this.command(msg.Setstat, { path, attributes }, { operation: "setStat", path, signal });
  }

  async mkdir(path: string, mode: number | null, { signal }: SftpOptions): Promise<void> {
    const attributes = mode === null ? {} : { mode };
    await this.command(msg.Mkdir, { path, attributes }, { operation: "mkdir", path, signal });
  }

  /** A single name, for REALPATH and READLINK. */
  async name(
    row: msg.Row<{ path: string }>,
    path: string,
    operation: string,
    { signal }: SftpOptions,
  ): Promise<string> {
    const call = { operation, path, signal };
    const { entries } = await this.link.request(row, { path }, msg.Name, call);
    if (entries.length !== 1) {
      throw sftpError(SftpStatus.BAD_MESSAGE, call, `the server sent ${entries.length} names`);
    }
    return entries[0]!.name;
  }

  /** Lists a directory, one request ahead, without `.` and `..`. */
  async *list(path: string, { signal }: SftpOptions): AsyncGenerator<RemoteEntry, void> {
    const call = { operation: "readDir", path, signal };
    const { handle } = await this.link.request(msg.Opendir, { path }, msg.Handle, call);
    let next = this.#names(handle, call);
    try {
      for (let names; (names = await next) !== null;) {
        next = this.#names(handle, call);
        for (const { name, attributes } of names) {
          if (name === "." || name === "..") continue;
          if (name === "" || name.includes("/")) {
            throw sftpError(SftpStatus.BAD_MESSAGE, call, `the server lists the name "${name}"`);
          }
          const known = attributes.mode !== undefined;
          const info = known ? infoOf(attributes) : await this.lstat(join(path, name), { signal });
          yield { name, info };
        }
      }
    } finally {
      next.catch(() => {});
      this.command(msg.Close, { handle }, { operation: "close", path }).catch(() => {});
    }
  }

  /** A whole directory. */
  async all(path: string, options: SftpOptions): Promise<RemoteEntry[]> {
    const entries: RemoteEntry[] = [];
    for await (const entry of this.list(path, options)) {
      if (entries.push(entry) > MAX_LISTED) {
        throw sftpError(SftpStatus.FAILURE, { operation: "readDir", path }, "it has no end");
      }
    }
    return entries;
  }

  async #names(handle: Uint8Array, call: Call): Promise<msg.NameEntry[] | null> {
    const reading = this.link.request(msg.Readdir, { handle }, msg.Name, call);
    reading.catch(() => {}); // nobody may be waiting any more
    try {
      const { entries } = await reading;
      if (entries.length > 0) return entries;
      throw sftpError(SftpStatus.BAD_MESSAGE, call, "the server lists nothing, for ever");
    } catch (cause) {
      if (cause instanceof SftpError && cause.status === SftpStatus.EOF) return null;
      throw cause;
    }
  }
}

async function limitsOf(link: SftpLink, { signal }: SftpOptions): Promise<RemoteLimits> {
  if (!link.extensions.has(EXTENSION.LIMITS)) {
    return { readLength: SFTP_CHUNK, writeLength: SFTP_CHUNK, openHandles: 0 };
  }
  const call = { operation: "limits", path: null, signal };
  const request = { request: EXTENSION.LIMITS, data: new Uint8Array(0) };
  const { data } = await link.request(msg.Extended, request, msg.ExtendedReply, call);
  const { readLength, writeLength, openHandles } = msg.Limits.decode(data);
  const bounded = (length: number) => Math.min(length || SFTP_MAX_CHUNK, SFTP_MAX_CHUNK);
  return { readLength: bounded(readLength), writeLength: bounded(writeLength), openHandles };
}
