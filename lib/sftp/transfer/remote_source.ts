import type { SftpFileInfo } from "../protocol/attributes.ts";
import { digestOf } from "./content_digest.ts";
import { ReadAhead } from "../remote/read_ahead.ts";
import type { RemoteFileSystem } from "../remote/remote_file_system.ts";
import type { RemoteFile } from "../remote/remote_file.ts";
import type { StoreSettings, TransferSource } from "./file_store.ts";

/** A server's file as a source, read ahead. */
export async function remoteSource(
  remote: RemoteFileSystem,
  path: string,
  info: SftpFileInfo,
  settings: StoreSettings,
): Promise<TransferSource> {
  const file = await remote.file(path, { ...settings.limits, read: true });
  return new RemoteSource(remote, file, info, settings);
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

  constructor(
    remote: RemoteFileSystem,
    file: RemoteFile,
    info: SftpFileInfo,
    settings: StoreSettings,
  ) {
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
    this.#ahead ??= new ReadAhead(this.#file, { ...limits, ...range, inFlight });
    return this.#ahead.next();
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
    this.#file.close().catch(() => {}); // it was only read
  }
}
