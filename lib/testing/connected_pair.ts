import { none } from "../auth/none.ts";
import type { Client } from "../client/client.ts";
import { connect } from "../client/connect.ts";
import type { ConnectOptions } from "../client/options.ts";
import { generateKey } from "../keys/mod.ts";
import type { PrivateKey } from "../keys/private_key.ts";
import type { ServeOptions } from "../server/options.ts";
import { type ServedConnection, serveStreams } from "../server/serve.ts";
import type { SessionHandler } from "../session/session.ts";
import { memoryPair } from "./memory_pair.ts";

/** A client that is logged in to a server, both in this process and without a network. */
export interface ConnectedPair extends AsyncDisposable {
  /** The client's end. */
  readonly host: Client;
  /** The server's end. */
  readonly served: ServedConnection;
  /** The server's host key. */
  readonly hostKey: PrivateKey;
}

/** Options of a pair. By default every user may log in. */
export interface ConnectedPairOptions {
  /** Options of the client. */
  readonly connect?: ConnectOptions;
  /** Options of the server. */
  readonly serve?: Partial<ServeOptions>;
  /** Runs commands and shells; without it they are refused. */
  readonly handler?: SessionHandler;
}

/**
 * Connects a client to a server in memory.
 *
 * @example
 * ```ts
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({
 *   handler: (session) => session.print(`ran ${session.command}`),
 * });
 * assertEquals(await pair.host.run("uptime"), "ran uptime");
 * ```
 */
export async function connectedPair(options: ConnectedPairOptions = {}): Promise<ConnectedPair> {
  const hostKey = await generateKey("ed25519");
  const [near, far] = memoryPair();
  const served = serveStreams(far, {
    hostKeys: [hostKey],
    auth: { none: () => true },
    ...options.serve,
  }, options.handler);
  const host = await connect({
    transport: near,
    user: "tester",
    auth: [none()],
    hostKeys: hostKey.publicKey,
    config: false,
    ...options.connect,
  });
  return {
    host,
    served,
    hostKey,
    async [Symbol.asyncDispose]() {
      await host.close();
      await served.close();
      hostKey[Symbol.dispose]();
    },
  };
}
