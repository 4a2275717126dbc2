import type { Channel } from "../connection/channel.ts";
import { ClosedError } from "../errors.ts";

/** The part of a client that a further connection uses. */
export interface FurtherClient {
  readonly closed: Promise<void>;
  openSession(options?: { readonly signal?: AbortSignal }): Promise<Channel>;
  close(): Promise<void>;
}

/** How to open further connections, and how many. */
export interface FurtherLogins {
  /** Connects to the same host key with the same credentials, without prompting. */
  readonly again: (signal: AbortSignal) => Promise<FurtherClient>;
  /** The most connections besides the first. */
  readonly count: number;
}

/** The further connections of a client, opened on first use. */
export class FurtherConnections {
  readonly #logins: FurtherLogins;
  readonly #clients: (Promise<FurtherClient> | null)[];
  #next = 0;
  readonly #over: AbortController = new AbortController();

  constructor(logins: FurtherLogins) {
    this.#logins = logins;
    this.#clients = new Array(logins.count).fill(null);
  }

  /** The most connections, including the first. */
  get count(): number {
    return 1 + this.#clients.length;
  }

  /**
   * Opens a channel on a new connection if one is missing, otherwise on each in turn; null if it is the
   * turn of the first connection, or there is no room.
   *
   * @param open Opens the channel on a further connection
   * @throws {SshError} If the connection cannot be opened
   */
  async open(
    open: (client: FurtherClient) => Promise<Channel | null>,
  ): Promise<Channel | null> {
    const missing = this.#clients.indexOf(null);
    const at = missing >= 0 ? missing : this.#next % this.count;
    this.#next = at + 1;
    if (at === this.#clients.length || this.#over.signal.aborted) return null;
    const connecting = this.#clients[at] ??= this.#connect(at);
    return await open(await connecting);
  }

  #connect(at: number): Promise<FurtherClient> {
    const connecting = this.#logins.again(this.#over.signal);
    // A connection that fails or ends is reopened when it is next needed.
    const forget = () => void (this.#clients[at] = null);
    connecting.then((client) => client.closed).catch(() => {}).then(forget);
    return connecting;
  }

  /** Closes all of them and cancels those that are being opened. */
  async close(): Promise<void> {
    this.#over.abort(new ClosedError("The client is closed"));
    await Promise.all(this.#clients.map(async (connecting) => {
      const client = await connecting?.catch(() => null);
      await client?.close();
    }));
  }
}
