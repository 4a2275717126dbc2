/** A world in which a transfer writes a server's file. */
import { assertEquals } from "@std/assert";
import type { SftpFileInfo, SftpTransferOptions } from "../../lib/sftp/mod.ts";
import { Close } from "../../lib/sftp/protocol/messages.ts";
import type { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";
import type { TransferTarget } from "../../lib/sftp/transfer/file_store.ts";
import { RemoteStore } from "../../lib/sftp/transfer/remote_store.ts";
import { MemoryServer } from "./memory_server.ts";
import { noise } from "./world.ts";

/** The content of the source. */
export const data = noise(200_000);

/** The source. */
export const INFO: SftpFileInfo = {
  isFile: true,
  isDirectory: false,
  isSymlink: false,
  size: data.length,
  mtime: new Date(2_000_000),
  atime: null,
  mode: 0o100640,
  uid: 7,
  gid: 8,
};

/** A server in memory, and a client that writes to it. */
export interface World extends AsyncDisposable {
  readonly server: MemoryServer;
  readonly remote: RemoteFileSystem;
  readonly warnings: string[];
  target(options?: SftpTransferOptions, more?: Partial<Request>): Promise<TransferTarget>;
  /** The requests since the last call, hidden names without their number. */
  log(): string[];
}

interface Request {
  readonly path: string;
  readonly info: SftpFileInfo | null;
  readonly inside: boolean;
  readonly signal: AbortSignal;
}

export async function world(...extensions: string[]): Promise<World> {
  const server = new MemoryServer();
  server.extensions.push(...extensions);
  server.folders.set("/dir", 0o755);
  const remote = await server.connect();
  const warnings: string[] = [];
  return {
    server,
    remote,
    warnings,
    target(options = {}, { path = "/dir/file", info = INFO, inside = false, signal } = {}) {
      const store = new RemoteStore(remote, {
        options,
        limits: { signal },
        inFlight: options.inFlight ?? 1 << 20,
        warn: (path, message) => void warnings.push(`${path}: ${message}`),
      });
      return store.target({ path, name: "/source", info, inside });
    },
    log: () => server.log.splice(0).map(plain),
    async [Symbol.asyncDispose]() {
      await remote.realPath("/", {}); // after the CLOSEs that were not awaited
      assertEquals(server.open, 0);
      await remote.session.close();
    },
  };
}

/** A line of the log, hidden names without their number. */
export function plain(line: string): string {
  return line.replaceAll(/\.[-0-9a-f]{36}\.(part|old)/g, ".$1").replaceAll(
    /\.[0-9a-f]{32}\.part/g,
    ".kept",
  );
}

/** Writes everything and renames the file. */
export async function write(
  target: TransferTarget,
  bytes = data,
  info: SftpFileInfo | null = INFO,
): Promise<void> {
  await target.write(bytes, () => {});
  await target.flush();
  await target.commit(info);
}

/** The WRITEs of a content. */
export const WRITES = (path: string, length = data.length) =>
  Array.from(
    { length: Math.ceil(length / 32768) },
    (_, index) => `WRITE ${path} ${index * 32768} ${Math.min(32768, length - index * 32768)}`,
  );

/** The hidden names that are left. */
export function hidden({ server }: World): string[] {
  return [...server.files.keys()].map(plain).filter((path) => path.includes("/."));
}

/** Closes what the server has refused to close. */
export async function closeAll({ remote, server }: World): Promise<void> {
  server.refuse = () => undefined;
  for (let handle = 0; server.open > 0; handle++) {
    const call = { operation: "close", path: null };
    await remote.command(Close, { handle: new Uint8Array([0, 0, 0, handle]) }, call).catch(
      () => {},
    );
  }
}
