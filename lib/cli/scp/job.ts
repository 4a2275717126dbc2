import type { SftpClient } from "../../sftp/client.ts";
import type { CopyFlags, Tuning } from "../shared/copy_flags.ts";
import type { Destination } from "../../client/options.ts";
import { openRemoteHost, type RemoteHost } from "../shared/remote_host.ts";
import type { Log } from "../shared/log.ts";

/** The options and the state of one `scp`. */
export interface ScpJob extends Tuning {
  readonly flags: CopyFlags;
  readonly log: Log;
  /** Cancels everything. */
  readonly signal: AbortSignal;
  /** -r. */
  readonly recursive: boolean;
  /** -p. */
  readonly preserve: boolean;
  /** -d: the target must be a folder. */
  readonly intoFolder: boolean;
  /** -O: use the old protocol. */
  readonly legacy: boolean;
  /** -T: accept any names from a server. */
  readonly trusting: boolean;
  /** -R: the first host copies to the second. */
  readonly byFirstHost: boolean;
  /** -t and -f: the role in which an `scp` on another host started this one. */
  readonly serving: "sink" | "source" | null;
  /** Whether to show progress. */
  readonly progress: boolean;
}

/** The hosts of one `scp`, each logged in to once. */
export class RemoteHosts implements AsyncDisposable {
  readonly #flags: CopyFlags;
  readonly #requestLength: number | null;
  readonly #log: Log;
  readonly #hosts: Map<string, Promise<RemoteHost>> = new Map();
  readonly #clients: Map<string, Promise<SftpClient>> = new Map();

  constructor(flags: CopyFlags, requestLength: number | null, log: Log) {
    this.#requestLength = requestLength;
    this.#flags = flags;
    this.#log = log;
  }

  /** A host. */
  host(target: Destination): Promise<RemoteHost> {
    const key = JSON.stringify([target.user, target.hostname, target.port]);
    const host = this.#hosts.get(key) ?? openRemoteHost(target, this.#flags, this.#log);
    this.#hosts.set(key, host);
    return host;
  }

  /** SFTP on a host. */
  client(target: Destination): Promise<SftpClient> {
    const key = JSON.stringify([target.user, target.hostname, target.port]);
    const client = this.#clients.get(key) ??
      this.host(target).then((host) => host.sftp(this.#requestLength));
    this.#clients.set(key, client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients.values()) await (await client.catch(() => null))?.close();
    for (const host of this.#hosts.values()) {
      await (await host.catch(() => null))?.[Symbol.asyncDispose]();
    }
  }
}
