import type { Channel } from "../connection/channel.ts";
import { ClosedError } from "../errors.ts";

/** What is needed of a further client. */
export interface FurtherClient {
  readonly closed: Promise<void>;
  openSession(options?: { readonly signal?: AbortSignal }): Promise<Channel>;
  close(): Promise<void>;
}

/** How to connect once more as before, and how often. */
export interface FurtherLogins {
  /** Connects to the same host key with the same credentials, without a question. */
  readonly again: (signal: AbortSignal) => Promise<FurtherClient>;
  /** How many connections there may be besides the first. */
  readonly count: number;
}

/** The further connections of a client, which are opened when they are first needed. */
export class FurtherConnections {
  readonly #logins: FurtherLogins;
  readonly #clients: (Promise<FurtherClient> | null)[];
  #next = 0;
  readonly #over: AbortController = new AbortController();

  constructor(logins: FurtherLogins) {
    this.#logins = logins;
    this.#clients = new Array(logins.count).fill(null);
  }

  /** How many connections there may be, the first among them. */
  get count(): number {
    return 1 + this.#clients.length;
  }

  /**
   * Opens a channel on a connection that is missing, otherwise on the one whose turn it is; null if that is
   * the first one, or there is no room.
   *
   * @param open Opens the channel on a further one
   * @throws {SshError} If the connection cannot be had
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
    // One that fails or ends is connected again when it is next needed.
    const forget = () => {
      if (this.#clients[at] === connecting) this.#clients[at] = null;
    };
    connecting.then((client) => client.closed).catch(() => {}).then(forget);
    return connecting;
  }

  /** Closes all of them; those that are being opened are given up. */
  async close(): Promise<void> {
    this.#over.abort(new ClosedError("The client is closed"));
    const all = this.#clients.splice(0);
    await Promise.all(all.map(async (connecting) => {
      const client = await connecting?.catch(() => null);
      await client?.close();
    }));
  }
}
