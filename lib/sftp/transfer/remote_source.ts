import type { SftpFileInfo } from "../protocol/attributes.ts";
import { digestOf } from "./content_digest.ts";
import { ReadAhead } from "../remote/read_ahead.ts";
import type { RemoteFileSystem } from "../remote/remote_file_system.ts";
import type { FurtherSession, FurtherSessions } from "../remote/further_sessions.ts";
import type { RemoteFile } from "../remote/remote_file.ts";
import type { StoreSettings, TransferSource } from "./file_store.ts";

/** A server's file as a source, read ahead. */
export async function remoteSource(
  remote: RemoteFileSystem,
  path: string,
  info: SftpFileInfo,
  settings: StoreSettings,
  further: FurtherSessions | null = null,
): Promise<TransferSource> {
  const file = await remote.file(path, { ...settings.limits, read: true });
  return new RemoteSource(remote, file, info, settings, further);
}

class RemoteSource implements TransferSource {
  readonly size: number | null;
  readonly info: SftpFileInfo;
  readonly sparse: boolean;
  readonly #remote: RemoteFileSystem;
  readonly #file: RemoteFile;
  readonly #settings: StoreSettings;
  #start = 0;
  #ahead: ReadAhead | null = null;
  readonly #further: FurtherSessions | null;
  /** The sessions in which opening the file was tried. */
  readonly #seen: Set<FurtherSession> = new Set();
  readonly #opened: RemoteFile[] = [];
  #isOpen = true;

  constructor(
    remote: RemoteFileSystem,
    file: RemoteFile,
    info: SftpFileInfo,
    settings: StoreSettings,
    further: FurtherSessions | null,
  ) {
    this.#further = further;
    this.#remote = remote;
    this.#file = file;
    this.#settings = settings;
    this.info = info;
    this.size = info.size;
    this.sparse = settings.options.sparse ?? false; // SFTP does not report holes
  }

  start(offset: number): void {
    this.#start = offset;
    this.#ahead = null;
  }

  next(): Promise<Uint8Array | null> {
    const { limits, inFlight } = this.#settings;
    const range = { start: this.#start, size: this.info.size };
    const further = () => this.#more();
    this.#ahead ??= new ReadAhead(this.#file, { ...limits, ...range, inFlight, further });
    return this.#ahead.next();
  }

  /** Opens the file in the available further sessions. */
  #more(): Promise<RemoteFile[]> | null {
    if (this.#further === null) return null;
    const sessions = this.#further.for(this.size ?? Infinity).filter((session) =>
      !this.#seen.has(session)
    );
    if (sessions.length === 0) return null;
    for (const session of sessions) this.#seen.add(session);
    return this.#openIn(sessions);
  }

  async #openIn(sessions: readonly FurtherSession[]): Promise<RemoteFile[]> {
    const { limits } = this.#settings;
    const { path } = this.#file;
    const own = await this.#file.stat(limits);
    const opened = await Promise.all(
      sessions.map((session) => session.sameFile(path, own, limits).catch(() => null)),
    );
    const files = opened.filter((file) => file !== null);
    this.#opened.push(...files);
    if (!this.#isOpen) this.close();
    return files;
  }

  release(block: Uint8Array): void {
    this.#ahead?.release(block);
  }

  readAt(into: Uint8Array, offset: number): Promise<number> {
    return this.#file.fill(into, offset, this.#settings.limits);
  }

  digest(length: number): Promise<string> {
    return digestOf(this.#remote, this.#file.path, length, this.#settings);
  }

  close(): void {
    this.#isOpen = false;
    for (const file of [this.#file, ...this.#opened]) file.close().catch(() => {}); // it was only read
  }
}
