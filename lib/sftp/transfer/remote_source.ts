import type { SftpFileInfo } from "../protocol/attributes.ts";
import { digestOf } from "./content_digest.ts";
import { ReadAhead } from "../remote/read_ahead.ts";
import type { Remote } from "../remote/remote_file_system.ts";
import type { RemoteFile } from "../remote/remote_file.ts";
import type { SideOptions, Source } from "./file_store.ts";

/** A server's file as a source, read ahead. */
export async function remoteSource(
  remote: Remote,
  path: string,
  info: SftpFileInfo,
  side: SideOptions,
): Promise<Source> {
  const file = await remote.file(path, { ...side.limits, read: true });
  return new RemoteSource(remote, file, info, side);
}

class RemoteSource implements Source {
  readonly size: number | null;
  readonly info: SftpFileInfo;
  readonly sparse: boolean;
  readonly #remote: Remote;
  readonly #file: RemoteFile;
  readonly #side: SideOptions;
  #start = 0;
  #ahead: ReadAhead | null = null;

  constructor(remote: Remote, file: RemoteFile, info: SftpFileInfo, side: SideOptions) {
    this.#remote = remote;
    this.#file = file;
    this.#side = side;
    this.info = info;
    this.size = info.size;
    this.sparse = side.options.sparse ?? false; // SFTP does not tell where a file has holes
  }

  start(offset: number): void {
    this.#start = offset;
    this.#ahead = null;
  }

  next(): Promise<Uint8Array | null> {
    const { limits, inFlight } = this.#side;
    const range = { start: this.#start, size: this.info.size };
    this.#ahead ??= new ReadAhead(this.#file, { ...limits, ...range, inFlight });
    return this.#ahead.next();
  }

  release(block: Uint8Array): void {
    this.#ahead?.release(block);
  }

  readAt(into: Uint8Array, offset: number): Promise<number> {
    return this.#file.fill(into, offset, this.#side.limits);
  }

  digest(length: number): Promise<string> {
    return digestOf(this.#remote, this.#file.path, length, this.#side);
  }

  close(): void {
    this.#file.close().catch(() => {}); // it was only read
  }
}
