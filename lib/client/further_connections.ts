import type { Channel } from "../connection/channel.ts";

/** What is needed of a further client. */
export interface FurtherClient {
  readonly closed: Promise<void>;
  openSession(options?: { readonly signal?: AbortSignal }): Promise<Channel>;
  close(): Promise<void>;
}

/** How to connect once more as before, and how often. */
export interface FurtherLogins {
  /** Connects to the same host key with the same credentials, asking nobody. */
  readonly again: () => Promise<FurtherClient>;
  /** How many connections there may be besides the first. */
  readonly count: number;
}

/** The further connections of a client, which are opened when they are first needed. */
export class FurtherConnections {
  readonly #logins: FurtherLogins;
  readonly #clients: (Promise<FurtherClient> | null)[];
  #next = 0;
  #isOver = false;

  constructor(logins: FurtherLogins) {
    this.#logins = logins;
    this.#clients = new Array(logins.count).fill(null);
  }

  /** How many connections there may be, the first among them. */
  get count(): number {
    return 1 + this.#clients.length;
  }

  /**
   * Opens a channel on the connection whose turn it is; null if that is the first one.
   *
   * @param open Opens the channel on a further one
   * @throws {SshError} If the connection cannot be had
   */
  async open(open: (client: FurtherClient) => Promise<Channel>): Promise<Channel | null> {
    const at = this.#next++ % this.count;
    if (at === this.#clients.length || this.#isOver) return null;
    const connecting = this.#clients[at] ??= this.#connect(at);
    return await open(await connecting);
  }

  #connect(at: number): Promise<FurtherClient> {
    const connecting = this.#logins.again();
    // One that fails or ends is connected again when it is next needed.
    const forget = () => {
      if (this.#clients[at] === connecting) this.#clients[at] = null;
    };
    connecting.then((client) => client.closed).catch(() => {}).then(forget);
    return connecting;
  }

  /** Closes all of them. */
  async close(): Promise<void> {
    this.#isOver = true;
    const all = this.#clients.splice(0);
    await Promise.all(all.map(async (connecting) => {
      const client = await connecting?.catch(() => null);
      await client?.close();
    }));
  }
}
