import { acceptEach } from "../runtime/connections.ts";
import { isError } from "../runtime/errors.ts";
import { runtime } from "../runtime/runtime.ts";
import { connSocket } from "../transport/socket.ts";
import { relay } from "./relay.ts";
import { type AgentSource, openAgent } from "./source.ts";

/** Maximum clients that an agent serves in parallel; further ones wait. */
const MAX_CLIENTS = 64;

/** Options of a listening agent. */
export interface AgentListenOptions {
  /**
   * The path of the unix socket, in a folder that only its owner can enter; by default one in a new
   * private folder.
   */
  readonly path?: string;
}

/** An agent that programs on this machine can reach; disposing of it closes and removes its socket. */
export interface AgentListener extends AsyncDisposable {
  /** The path of its socket, for SSH_AUTH_SOCK. */
  readonly path: string;
  /** Stops listening, disconnects every client and removes the socket. */
  close(): Promise<void>;
}

/**
 * Serves an agent on a unix socket that only its owner can use.
 *
 * Needs `--allow-read`, `--allow-write` and `--allow-net=unix:PATH` for the socket.
 *
 * @param agent The agent: a keyring, or the one that a client forwards
 *
 * @example
 * ```ts
 * import { connectAgent, Keyring, listenAgent } from "@denossh/ssh";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * using keyring = new Keyring();
 * keyring.add(await generateKey());
 * await using listener = await listenAgent(keyring);
 * // A program with { env: { SSH_AUTH_SOCK: listener.path } } finds the key.
 * await using agent = await connectAgent(listener.path);
 * assertEquals((await agent.identities()).length, 1);
 * ```
 */
export async function listenAgent(
  agent: AgentSource,
  options: AgentListenOptions = {},
): Promise<AgentListener> {
  const own = options.path === undefined
    ? await runtime.files.makeTempDir({ prefix: "agent-" })
    : null;
  const path = options.path ?? `${own}/agent.sock`;
  try {
    const listener = runtime.net.listenUnix(path);
    runtime.files.chmodSync(path, 0o600);
    return new SocketAgent(agent, listener, path, own ?? path);
  } catch (error) {
    if (own !== null) await runtime.files.remove(own, { recursive: true });
    throw error;
  }
}

class SocketAgent implements AgentListener {
  readonly path: string;
  readonly #agent: AgentSource;
  readonly #remains: string;
  readonly #end = new AbortController();
  readonly #clients = new Set<Promise<void>>();
  readonly #accepting: Promise<void>;
  #closed: Promise<void> | null = null;

  constructor(agent: AgentSource, listener: Deno.UnixListener, path: string, remains: string) {
    this.path = path;
    this.#agent = agent;
    this.#remains = remains;
    this.#accepting = acceptEach(listener, this.#end.signal, (conn) => this.#take(conn));
  }

  close(): Promise<void> {
    return this.#closed ??= this.#stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Serves a client; resolves when the next one may be accepted. */
  async #take(conn: Deno.Conn): Promise<void> {
    const client = this.#serve(conn);
    this.#clients.add(client);
    client.finally(() => this.#clients.delete(client));
    if (this.#clients.size >= MAX_CLIENTS) await Promise.race(this.#clients);
  }

  async #serve(conn: Deno.Conn): Promise<void> {
    const { signal } = this.#end;
    const client = connSocket(conn);
    try {
      await relay(client, await openAgent(this.#agent, { signal }), signal);
    } catch {
      client.close(); // the agent cannot be reached
    }
  }

  async #stop(): Promise<void> {
    this.#end.abort();
    await this.#accepting;
    await Promise.all(this.#clients);
    await runtime.files.remove(this.#remains, { recursive: true }).catch((error) => {
      if (!isError(error, "NotFound")) throw error;
    });
  }
}
