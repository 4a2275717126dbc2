import { isError, platformError } from "../../runtime/errors.ts";
import { onThisMachine } from "./local_errors.ts";
import { joinLocal } from "../../runtime/local_path.ts";
import { runtime } from "../../runtime/runtime.ts";
import type { SftpFileInfo } from "../protocol/attributes.ts";
import { fileSource } from "./local_source.ts";
import { deviceTarget, fileTarget } from "./local_target.ts";
import { AdaptiveIo } from "../../runtime/adaptive_io.ts";
import { partName } from "./resume.ts";
import { nameProblem } from "../protocol/paths.ts";
import { abortable } from "../../waiting.ts";
import type { ListedEntry } from "../remote/remote_file_system.ts";
import type {
  FileStore,
  StoreSettings,
  TargetRequest,
  TransferSource,
  TransferTarget,
} from "./file_store.ts";

/** Entries of a folder to look up in parallel. */
const LOOKED_AT_ONCE = 64;

/** The attributes of a file that was listed, but not looked up. */
const FILE_NOT_LOOKED_AT: SftpFileInfo = {
  isFile: true,
  isDirectory: false,
  isSymlink: false,
  size: 0,
  mtime: null,
  atime: null,
  mode: null,
  uid: null,
  gid: null,
};

/** The files of this machine. */
export class LocalStore implements FileStore {
  readonly trusted = true;
  readonly #settings: StoreSettings;
  readonly #io: AdaptiveIo = new AdaptiveIo();
  /** The real path of the target folder; null until it is made. */
  #root: string | null = null;

  readonly #looksAtFiles: boolean;

  constructor(settings: StoreSettings) {
    const { update, filter, dryRun } = settings.options;
    this.#settings = settings;
    this.#looksAtFiles = Boolean(update || filter || dryRun);
  }

  stat(path: string): Promise<SftpFileInfo | null> {
    return orNull(runtime.files.stat(path));
  }

  lstat(path: string): Promise<SftpFileInfo | null> {
    return orNull(runtime.files.lstat(path));
  }

  async *list(path: string): AsyncGenerator<ListedEntry, void> {
    const folders: Promise<ListedEntry | null>[] = [];
    const names = runtime.files.readDir(path)[Symbol.asyncIterator]();
    const next = () => onThisMachine("readDir", path, () => names.next());
    try {
      for (let step; !(step = await next()).done;) {
        const { name, isFile } = step.value;
        // Files are not looked up here, but when they are opened: a look-up costs as much as an open.
        if (isFile && !this.#looksAtFiles) yield { name, info: FILE_NOT_LOOKED_AT };
        else {
          const entry = this.#entry(path, name);
          entry.catch(() => {}); // it may fail while the next name is awaited
          folders.push(entry);
        }
        if (folders.length < LOOKED_AT_ONCE) continue;
        for (const entry of await Promise.all(folders.splice(0))) if (entry !== null) yield entry;
      }
    } finally {
      await names.return?.(); // which closes the folder
    }
    for (const entry of await Promise.all(folders)) if (entry !== null) yield entry;
  }

  /** An entry with its attributes; null if it has been removed. */
  async #entry(folder: string, name: string): Promise<ListedEntry | null> {
    const path = joinLocal(folder, name);
    const info = await onThisMachine("lstat", path, () => this.lstat(path));
    if (info !== null) return { name, info };
    // Listed nevertheless, so that opening it is a failure: if it were omitted, `delete` would remove the copy.
    return isNotUtf8(name) ? { name, info: FILE_NOT_LOOKED_AT } : null;
  }

  join(folder: string, name: string): string {
    return joinLocal(folder, name);
  }

  folderOf(path: string): string {
    return runtime.paths.dirname(path);
  }

  async remove(path: string): Promise<void> {
    this.#check(runtime.paths.dirname(path));
    await onThisMachine(
      "remove",
      path,
      () => onListed(path, () => runtime.files.remove(path, { recursive: true })),
    );
  }

  nameProblem(name: string): string | null {
    return nameProblem(name);
  }

  realPath(path: string): Promise<string> {
    return runtime.files.realPath(path);
  }

  readLink(path: string): Promise<string> {
    return runtime.files.readLink(path);
  }

  async isLink(path: string): Promise<boolean> {
    return (await this.lstat(path))?.isSymlink === true;
  }

  /** The target must be inside whatever other links exist, so `..` is allowed only at its start. */
  async symlink(target: string, path: string, root: string): Promise<void> {
    const { dirname, isAbsolute, relative, resolve, sep } = runtime.paths;
    const inside = relative(resolve(root), resolve(dirname(path), target));
    const steps = target.split(/[\\/]/).filter((step) => step !== "" && step !== ".");
    const plain = steps.findIndex((step) => step !== "..");
    const climbs = plain !== -1 && steps.includes("..", plain); // might leave the target of another link
    const outside = isAbsolute(inside) || inside.split(sep)[0] === "..";
    if (isAbsolute(target) || climbs || outside) {
      throw platformError("InvalidData", `Cannot make the link "${path}": it leads outside`);
    }
    this.#check(dirname(path));
    if ((await this.lstat(path))?.isSymlink) await runtime.files.remove(path);
    await runtime.files.symlink(target, path);
  }

  makeFolder(path: string, bits: number | null, place: "root" | "inside"): Promise<void> {
    return onThisMachine("mkdir", path, () => this.#makeFolder(path, bits, place));
  }

  async #makeFolder(path: string, bits: number | null, place: "root" | "inside"): Promise<void> {
    if (place === "root") {
      await runtime.files.mkdir(path, { recursive: true });
      this.#root = await runtime.files.realPath(path);
      return;
    }
    const mode = bits === null ? 0o777 : (bits & 0o777) | 0o700;
    try {
      await runtime.files.mkdir(path, { mode });
    } catch (cause) {
      if (!isError(cause, "AlreadyExists")) throw cause;
      if (!(await runtime.files.lstat(path)).isDirectory) throw cause;
    }
    this.#check(path);
  }

  async setAttributes(path: string, { mode, mtime, atime, uid, gid }: SftpFileInfo): Promise<void> {
    const { preserve = false, owners = false } = this.#settings.options;
    this.#check(path);
    if (owners && uid !== null && gid !== null) await runtime.files.chown(path, uid, gid);
    if (!preserve) return;
    if (mode !== null && runtime.os !== "windows") await runtime.files.chmod(path, mode & 0o777);
    if (mtime !== null) await runtime.files.utime(path, atime ?? mtime, mtime);
  }

  async source(path: string, info: SftpFileInfo | null): Promise<TransferSource> {
    const open = () =>
      onThisMachine("read", path, () => onListed(path, () => fileSource(path, this.#io)));
    if (info === null || info.isFile || info.isDirectory) return await open();
    if (this.#settings.options.dryRun) return unopenedSource(info);
    return await this.#unlessAborted(open(), (source) => source.close());
  }

  async target(request: TargetRequest): Promise<TransferTarget> {
    const { path, inside } = request;
    const onPath = <T>(run: () => Promise<T>) => onThisMachine("write", path, run);
    if (inside || !(await onPath(() => isDevice(path)))) {
      return await onPath(() => this.#fileTarget(request));
    }
    const opening = onPath(() => deviceTarget(path));
    return await this.#unlessAborted(opening, (target) => target.discard(null));
  }

  /**
   * Waits for a pipe or a device to be opened, which may take until another program opens the other end. If it
   * is opened after an abort, it is closed.
   */
  async #unlessAborted<T>(opening: Promise<T>, close: (late: T) => unknown): Promise<T> {
    try {
      return await abortable(opening, this.#settings.limits.signal);
    } catch (cause) {
      opening.then(close).catch(() => {}); // the caller has the cause
      throw cause;
    }
  }

  async #fileTarget(request: TargetRequest): Promise<TransferTarget> {
    const { options } = this.#settings;
    const { path, inside, info } = request;
    return await fileTarget(path, {
      options,
      info,
      io: this.#io,
      part: options.resume ? partName(request, 0) : null,
      check: inside ? () => this.#check(runtime.paths.dirname(path)) : null,
    });
  }

  /** Checks that a folder is still inside, because another program may have put a link in its place. */
  #check(folder: string): void {
    if (this.#root === null) return;
    const real = runtime.files.realPathSync(folder);
    const { sep } = runtime.paths;
    const root = this.#root.endsWith(sep) ? this.#root : this.#root + sep;
    if (real === this.#root || real.startsWith(root)) return;
    throw platformError("InvalidData", `"${folder}" leads outside now`);
  }
}

/** Whether a listed name was not UTF-8: the runtime replaces such bytes, and finds no file by the result. */
function isNotUtf8(name: string): boolean {
  return name.includes("\ufffd");
}

/** Runs an operation on a file that was listed; says why it is not found if its name is not UTF-8. */
async function onListed<T>(path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (!isError(cause, "NotFound") || !isNotUtf8(runtime.paths.basename(path))) throw cause;
    const reason = "its name is not UTF-8, so it cannot be opened: rename it";
    throw Object.assign(platformError("NotFound", reason), { cause });
  }
}

/** A pipe or device that a dry run does not open. */
function unopenedSource(info: SftpFileInfo): TransferSource {
  return {
    size: null,
    info,
    sparse: false,
    next: () => Promise.resolve(null),
    release: () => {},
    close: () => {},
  };
}

async function isDevice(path: string): Promise<boolean> {
  const info = await orNull(runtime.files.stat(path));
  if (info?.isDirectory) throw platformError("IsADirectory", "It is a directory");
  return info !== null && !info.isFile;
}

async function orNull<T>(wanted: Promise<T>): Promise<T | null> {
  try {
    return await wanted;
  } catch (cause) {
    if (isError(cause, "NotFound", "NotADirectory", "FilesystemLoop")) return null;
    throw cause;
  }
}
