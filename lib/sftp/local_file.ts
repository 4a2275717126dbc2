import type { SftpChanges, SftpFileInfo } from "./attributes.ts";
import type { SftpBackendFile } from "./backend.ts";

/** An open local file, read and written at offsets; Deno has no `pread`, so its position is kept. */
export class LocalFile implements SftpBackendFile {
  readonly #file: Deno.FsFile;
  readonly #append: boolean;
  readonly #change: (file: Deno.FsFile, changes: SftpChanges) => Promise<void>;
  /** Where the file stands; -1 if that is not known. */
  #position = 0;

  constructor(
    file: Deno.FsFile,
    { append }: { append: boolean },
    change: (file: Deno.FsFile, changes: SftpChanges) => Promise<void>,
  ) {
    this.#file = file;
    this.#append = append;
    this.#change = change;
  }

  async read(into: Uint8Array, offset: number): Promise<number> {
    const start = this.#seek(offset);
    const count = await this.#file.read(into) ?? 0;
    this.#position = start + count;
    return count;
  }

  async write(data: Uint8Array, offset: number): Promise<void> {
    const start = this.#seek(offset);
    for (let at = 0; at < data.length;) at += await this.#file.write(data.subarray(at));
    this.#position = this.#append ? -1 : start + data.length;
  }

  stat(): Promise<SftpFileInfo> {
    return this.#file.stat();
  }

  setStat(changes: SftpChanges): Promise<void> {
    return this.#change(this.#file, changes);
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  close(): Promise<void> {
    this.#file.close();
    return Promise.resolve();
  }

  /** lseek takes a microsecond, a turn of the event loop twenty. */
  #seek(offset: number): number {
    if (this.#position !== offset) this.#file.seekSync(offset, Deno.SeekMode.Start);
    this.#position = -1; // until the operation has gone well
    return offset;
  }
}
