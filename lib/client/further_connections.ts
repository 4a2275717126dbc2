import type { Channel } from "../connection/channel.ts";
import { ClosedError } from "../errors.ts";
import { abortable } from "../waiting.ts";
import { isFinal } from "./resilience.ts";

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
  /** The refusal of a login. A repetition would fail, too, and servers lock out those who repeat it. */
  #refusal: { readonly error: unknown } | null = null;
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
   * @param signal Stops waiting for the connection, which stays for later channels
   * @throws {SshError} If the connection cannot be opened, or an earlier login was refused
   */
  async open(
    open: (client: FurtherClient) => Promise<Channel | null>,
    signal?: AbortSignal,
  ): Promise<Channel | null> {
    const missing = this.#refusal === null ? this.#clients.indexOf(null) : -1;
    const at = missing >= 0 ? missing : this.#next % this.count;
    this.#next = at + 1;
    if (this.#over.signal.aborted) return null;
    // Without a further connection, more channels on the first one are not what was asked for.
    const isMissing = this.#clients[at] === null ||
      this.#clients.every((client) => client === null);
    if (this.#refusal !== null && isMissing) throw this.#refusal.error;
    if (at === this.#clients.length) return null;
    const connecting = this.#clients[at] ??= this.#connect(at);
    return await open(await abortable(connecting, signal));
  }

  #connect(at: number): Promise<FurtherClient> {
    const connecting = this.#logins.again(this.#over.signal);
    // A connection that fails or ends is reopened when it is next needed, unless the login is refused.
    connecting.then((client) => client.closed).catch((error) => {
      if (isFinal(error)) this.#refusal = { error };
    }).then(() => void (this.#clients[at] = null));
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
