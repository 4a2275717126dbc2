import { FLEET_LEAST_IN_FLIGHT, SFTP_IN_FLIGHT } from "../defaults.ts";
import { tell } from "../listener.ts";
import type { Client } from "../client/client.ts";
import { joinLocal, localPath } from "../runtime/local_path.ts";
import { runtime } from "../runtime/runtime.ts";
import type { TransferProgress, TransferResult } from "../sftp/transfer/progress.ts";
import type { SftpTransferOptions } from "../sftp/transfer/transfer_options.ts";
import type { FleetJobOptions } from "./options.ts";

/** Options of transfers to or from the hosts of a fleet. */
export interface FleetTransferOptions
  extends Omit<SftpTransferOptions, "onProgress" | "signal">, FleetJobOptions {
  /** Called with the progress of each host, at most ten times a second and at the end of each file. */
  readonly onProgress?: (host: string, progress: TransferProgress) => void;
}

/**
 * A source for many hosts: a file or folder by its path or file URL, or data that can be read
 * repeatedly.
 */
export type FleetSource = string | URL | Uint8Array | Blob;

/**
 * The destination of the files of many hosts: a folder that gets a folder for each host, or a
 * function that returns the path for each.
 */
export type FleetTarget = string | URL | ((host: string) => string);

/** The options of a transfer with one of the hosts. */
type Transfer = (client: Client, host: string, signal: AbortSignal) => Promise<TransferResult>;

/**
 * Returns the work of storing files on one of the hosts.
 *
 * @param concurrency Hosts that share the memory of transfers
 * @throws {TypeError} If the source can be read only once
 */
export function putter(
  local: FleetSource,
  remote: string,
  options: FleetTransferOptions,
  concurrency: number,
): Transfer {
  const sources = [URL, Uint8Array, Blob];
  if (typeof local !== "string" && !sources.some((kind) => local instanceof kind)) {
    throw new TypeError(
      "put(): the source must be a path, bytes or a Blob: a stream could be read once only",
    );
  }
  return async (client, host, signal) => {
    const sftp = await client.sftp({ signal }); // it ends with the connection
    return await sftp.put(local, remote, transferOptions(options, concurrency, host, signal));
  };
}

/**
 * Returns the work of fetching files from one of the hosts.
 *
 * @param local The folder that gets a folder for each host, or a function that returns the path of the copy
 */
export function getter(
  remote: string,
  local: FleetTarget,
  options: FleetTransferOptions,
  concurrency: number,
): Transfer {
  if (typeof local !== "string" && typeof local !== "function" && !(local instanceof URL)) {
    throw new TypeError("get(): the target must be a folder, or a function that names the copy");
  }
  return async (client, host, signal) => {
    const path = typeof local === "function"
      ? localPath(local(host))
      : copyPath(localPath(local), host, remote, options);
    const folder = options.glob ? path : runtime.paths.dirname(path);
    await runtime.files.mkdir(folder, { recursive: true });
    const sftp = await client.sftp({ signal }); // it ends with the connection
    return await sftp.get(remote, path, transferOptions(options, concurrency, host, signal));
  };
}

/** The path of a copy in the folder that a host has in another one. */
function copyPath(
  folder: string,
  host: string,
  remote: string,
  { glob = false }: FleetTransferOptions,
): string {
  const own = joinLocal(folder, folderName(host));
  const name = remote.replace(/\/+$/, "").split("/").at(-1)!;
  return glob || /^\.{0,2}$/.test(name) ? own : joinLocal(own, name);
}

/** A host's name as a safe name of a folder. */
function folderName(host: string): string {
  return encodeURIComponent(host).replaceAll("%40", "@").replace(
    /^\.+$/,
    (dots) => dots.replaceAll(".", "%2E"),
  );
}

function transferOptions(
  { onProgress, idempotent: _, ...options }: FleetTransferOptions,
  concurrency: number,
  host: string,
  signal: AbortSignal,
): SftpTransferOptions {
  return {
    inFlight: Math.max(SFTP_IN_FLIGHT / concurrency, FLEET_LEAST_IN_FLIGHT),
    ...options,
    signal,
    ...onProgress && { onProgress: (progress) => tell(onProgress, host, progress) },
  };
}
