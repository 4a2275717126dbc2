import { SFTP_RESUME_WINDOW, SFTP_STRIPED_RESUME_WINDOW } from "../../defaults.ts";
import type { SftpFileInfo } from "../protocol/attributes.ts";
import { join, nameProblem, parent } from "../protocol/paths.ts";
import type { FurtherSessions } from "../remote/further_sessions.ts";
import type { ListedEntry, RemoteFileSystem } from "../remote/remote_file_system.ts";
import { removeTree } from "../remote/tree.ts";
import { explained } from "../remote/explain.ts";
import { remoteSource } from "./remote_source.ts";
import { remoteTarget } from "./remote_target.ts";
import { partName } from "./resume.ts";
import type {
  FileStore,
  StoreSettings,
  TargetRequest,
  TransferSource,
  TransferTarget,
} from "./file_store.ts";
import { setAttributes } from "./set_attributes.ts";
import { isRefusal, nullIfRefused, sftpError, SftpStatus } from "../protocol/status.ts";

/** The files of a server. */
export class RemoteStore implements FileStore {
  readonly trusted = false;
  readonly #remote: RemoteFileSystem;
  readonly #settings: StoreSettings;
  readonly #further: FurtherSessions | null;

  /** @param further The sessions that large files are spread over, if any */
  constructor(
    remote: RemoteFileSystem,
    settings: StoreSettings,
    further: FurtherSessions | null = null,
  ) {
    this.#remote = remote;
    this.#settings = settings;
    this.#further = further;
  }

  async stat(path: string): Promise<SftpFileInfo | null> {
    const { limits } = this.#settings;
    try {
      return await this.#remote.stat(path, limits);
    } catch (cause) {
      if (!isRefusal(cause)) throw cause;
      const opened = await this.#remote.statByOpening(path, limits); // some servers refuse only STAT
      if (opened === null && cause.status !== SftpStatus.NO_SUCH_FILE) throw cause;
      return opened;
    }
  }

  lstat(path: string): Promise<SftpFileInfo | null> {
    return this.#remote.lstatOrNull(path, this.#settings.limits);
  }

  list(path: string): AsyncIterable<ListedEntry> {
    return this.#remote.list(path, this.#settings.limits);
  }

  join(folder: string, name: string): string {
    return join(folder, name);
  }

  folderOf(path: string): string {
    return parent(path) ?? ".";
  }

  remove(path: string): Promise<void> {
    return removeTree(this.#remote, path, { ...this.#settings.limits, recursive: true });
  }

  nameProblem(name: string): string | null {
    return nameProblem(name, "server");
  }

  realPath(path: string): Promise<string> {
    return this.#remote.realPath(path, this.#settings.limits);
  }

  readLink(path: string): Promise<string> {
    return this.#remote.readLink(path, this.#settings.limits);
  }

  isLink(path: string): Promise<boolean> {
    return this.#remote.isLink(path, this.#settings.limits);
  }

  async symlink(target: string, path: string): Promise<void> {
    const { limits } = this.#settings;
    if ((await this.lstat(path))?.isSymlink) await this.#remote.remove(path, limits);
    await this.#remote.symlink(target, path, limits);
  }

  makeFolder(path: string, bits: number | null): Promise<void> {
    return explained(this.#remote, this.#makeFolder(path, bits), this.#settings.limits);
  }

  async #makeFolder(path: string, bits: number | null): Promise<void> {
    const { limits } = this.#settings;
    const mode = bits === null ? null : (bits & 0o777) | 0o700;
    try {
      await this.#remote.mkdir(path, mode, limits);
    } catch (cause) {
      // Version 3 has no status for an existing folder, and servers use various ones.
      if (!isRefusal(cause)) throw cause;
      if ((await nullIfRefused(this.stat(path)))?.isDirectory) return;
      // Some servers refuse a mode.
      if (mode === null || cause.status === SftpStatus.NO_SUCH_FILE) throw cause;
      if (await nullIfRefused(this.#remote.mkdir(path, null, limits)) === null) throw cause;
    }
  }

  async setAttributes(path: string, { mode, mtime, atime, uid, gid }: SftpFileInfo): Promise<void> {
    const { options: { preserve = false, owners = false } } = this.#settings;
    const changes = {
      ...(owners && uid !== null && gid !== null && { uid, gid }),
      ...(preserve && mode !== null && { mode: mode & 0o777 }),
      ...(preserve && mtime !== null && { mtime, atime: atime ?? mtime }),
    };
    await setAttributes(this.#remote, path, changes, this.#settings);
  }

  async source(path: string, info: SftpFileInfo): Promise<TransferSource> {
    // Opening a pipe would block forever.
    if (!info.isFile && info.mode !== null) {
      const what = info.isDirectory
        ? "it is a directory, which needs the option recursive"
        : "it is not a regular file";
      throw sftpError(SftpStatus.FAILURE, { operation: "get", path }, what);
    }
    this.#further?.expect(info.size);
    const remote = this.#further?.forWhole(info.size) ?? this.#remote;
    const further = remote === this.#remote ? this.#further : null;
    return await remoteSource(remote, path, info, this.#settings, further);
  }

  target(request: TargetRequest): Promise<TransferTarget> {
    return explained(this.#remote, this.#target(request), this.#settings.limits);
  }

  async #target(request: TargetRequest): Promise<TransferTarget> {
    const settings = this.#settings;
    const further = this.#further;
    if (settings.options.atomic !== false) further?.expect(request.size ?? Infinity);
    if (!settings.options.resume) {
      const remote = further?.forWhole(request.size ?? Infinity) ?? this.#remote;
      if (remote !== this.#remote) return await remoteTarget(remote, request, null, settings);
      const spread = further && { further, inFlight: settings.inFlight, part: null };
      return await remoteTarget(this.#remote, request, null, settings, spread);
    }
    // A later attempt must send again as many bytes as were in flight. With several channels these are
    // more, so such a part has another name, by which a later attempt knows the number.
    const inFlight = Math.min(settings.inFlight, SFTP_RESUME_WINDOW);
    const wideInFlight = Math.min(settings.inFlight, SFTP_STRIPED_RESUME_WINDOW);
    const folder = request.path.slice(0, request.path.lastIndexOf("/") + 1);
    const part = folder + partName(request, inFlight);
    const wide = folder + partName(request, wideInFlight);
    const mayBeWide = wide !== part && (request.size ?? Infinity) > inFlight;
    const isWide = mayBeWide && await this.lstat(wide).catch(() => null) !== null;
    const spread = further &&
      (mayBeWide ? { further, inFlight: wideInFlight, part: wide } : { further, inFlight, part });
    const [name, most] = isWide ? [wide, wideInFlight] : [part, inFlight];
    return await remoteTarget(this.#remote, request, name, { ...settings, inFlight: most }, spread);
  }
}
