/** Deno's types that the declarations use, for programs without Deno's types. */
export declare namespace Deno {
  export interface NetAddr {
    transport: "tcp" | "udp";
    hostname: string;
    port: number;
  }

  export interface UnixAddr {
    transport: "unix" | "unixpacket";
    path: string;
  }

  export interface VsockAddr {
    transport: "vsock";
    cid: number;
    port: number;
  }

  export type Addr = NetAddr | UnixAddr | VsockAddr;

  export interface Conn<A extends Addr = Addr> extends Disposable {
    /** Reads into the buffer; null at the end. */
    read(p: Uint8Array): Promise<number | null>;
    /** Writes some of the bytes, and resolves with their number. */
    write(p: Uint8Array): Promise<number>;
    close(): void;
    readonly localAddr: A;
    readonly remoteAddr: A;
    /** Closes the writing side. */
    closeWrite(): Promise<void>;
    ref(): void;
    unref(): void;
    readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
    readonly writable: WritableStream<Uint8Array<ArrayBufferLike>>;
  }

  export interface Listener<T extends Conn = Conn, A extends Addr = Addr>
    extends AsyncIterable<T>, Disposable {
    accept(): Promise<T>;
    close(): void;
    readonly addr: A;
    [Symbol.asyncIterator](): AsyncIterableIterator<T>;
    ref(): void;
    unref(): void;
  }

  export interface FileInfo {
    isFile: boolean;
    isDirectory: boolean;
    isSymlink: boolean;
    size: number;
    mtime: Date | null;
    atime: Date | null;
    birthtime: Date | null;
    ctime: Date | null;
    dev: number;
    ino: number | null;
    mode: number | null;
    nlink: number | null;
    uid: number | null;
    gid: number | null;
    rdev: number | null;
    blksize: number | null;
    blocks: number | null;
    isBlockDevice: boolean | null;
    isCharDevice: boolean | null;
    isFifo: boolean | null;
    isSocket: boolean | null;
  }

  export interface DirEntry {
    name: string;
    isFile: boolean;
    isDirectory: boolean;
    isSymlink: boolean;
  }

  export enum SeekMode {
    Start = 0,
    Current = 1,
    End = 2,
  }

  /** A client for Deno's `fetch`; does not exist on other runtimes. */
  export interface HttpClient extends Disposable {
    close(): void;
  }

  export interface CreateHttpClientOptions {
    caCerts?: string[];
    proxy?: object;
    poolMaxIdlePerHost?: number;
    poolIdleTimeout?: number | false;
    http1?: boolean;
    http2?: boolean;
    allowHost?: boolean;
    localAddress?: string;
  }
}
