import type { ServerAuthPolicy } from "../auth/policy.ts";
import type { AuthAttempt } from "../auth/server.ts";
import type { ChannelOwner } from "../connection/channel.ts";
import type { ChannelTimeouts } from "../connection/idle_channels.ts";
import type { WindowOptions } from "../connection/window_budget.ts";
import type { AlgorithmOptions } from "../crypto/suite.ts";
import type { ForwardAddress } from "../forward/address.ts";
import type { Signer } from "../keys/private_key.ts";
import type { Login, SessionHandler } from "../session/session.ts";
import type { SftpBackend } from "../sftp/server/backend.ts";
import type { SftpService } from "../sftp/server/server.ts";
import type { RekeyLimits } from "../transport/key_use.ts";
import type { TraceEvent } from "../transport/trace.ts";
import type { PenaltyOptions } from "./penalties.ts";

/**
 * Policies for tunnels and for forwarded agents and displays; only `true` allows, anything else,
 * exceptions included, refuses. Host names are as the client sent them: `localhost`, `127.0.0.1` and a
 * name that resolves to it are the same target, so allow known targets rather than forbid unwanted ones.
 *
 * @example
 * ```ts
 * import type { ForwardPolicy } from "@denossh/ssh/server";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertRejects } from "@std/assert";
 *
 * const forward: ForwardPolicy = {
 *   local: (to, { user }) =>
 *     user === "ops" && "port" in to && to.port === 5432,
 *   agent: () => true,
 * };
 * await using pair = await connectedPair({ serve: { forward } });
 * await assertRejects(
 *   () => pair.host.dial("localhost:5432"),
 *   Error,
 *   "not allowed",
 * );
 * await assertRejects(() => pair.host.listen({ port: 0 })); // no `remote`
 * ```
 */
export interface ForwardPolicy {
  /** Whether a client may connect to an address or unix socket from here (`ssh -L`, `-D`, `-W`). */
  readonly local?: (target: ForwardAddress, login: Login) => boolean | Promise<boolean>;
  /**
   * Whether a client may listen on an address of the server (`ssh -R`). The hostname is `""` for every
   * address; port 0 stands for any free one.
   */
  readonly remote?: (bind: ForwardAddress, login: Login) => boolean | Promise<boolean>;
  /** Whether a client may forward its agent to its commands (`ssh -A`). */
  readonly agent?: (login: Login) => boolean | Promise<boolean>;
  /** Whether a client may forward its display to its commands (`ssh -X`). */
  readonly x11?: (login: Login) => boolean | Promise<boolean>;
}

/** Options of a server. Everything that is not allowed here is refused. */
export interface ServeOptions {
  /** The port to listen on, 22 by default; 0 for a free one. */
  readonly port?: number;
  /** The address to listen on; all by default. */
  readonly hostname?: string;
  /**
   * The server's host keys, at least one. For a key with a certificate give both the key and the
   * result of `withCertificate`: clients without the authority ask for the plain key.
   */
  readonly hostKeys: readonly Signer[];
  /** The policies that decide about logins. */
  readonly auth: ServerAuthPolicy;
  /**
   * The files for SFTP and scp: a backend, a backend with options, or a function that returns one for
   * a login; null refuses.
   */
  readonly sftp?:
    | SftpBackend
    | SftpService
    | ((login: Login) => SftpBackend | SftpService | null);
  /**
   * Handlers of subsystems by name (`ssh -s`); others are refused. A handler for `sftp` replaces the
   * option `sftp`.
   */
  readonly subsystems?: Readonly<Record<string, SessionHandler>>;
  /** Whether a client may request a terminal; true by default. */
  readonly pty?: boolean;
  /** The tunnels that clients may open; none by default. */
  readonly forward?: ForwardPolicy;
  /** The algorithms to offer; `"strict"` leaves out those that only old peers need. */
  readonly algorithms?: AlgorithmOptions | "strict";
  /** Milliseconds within which a client must log in, 120,000 by default (LoginGraceTime). */
  readonly loginGraceTime?: number;
  /** Failed attempts before a client is disconnected, 6 by default (MaxAuthTries). */
  readonly maxAuthTries?: number;
  /**
   * Limits of connections before login: at `begin`, `rate` percent of new ones are dropped, and more until
   * at `full` all are; 10, 30 and 100 by default (MaxStartups).
   */
  readonly maxStartups?: { readonly begin: number; readonly rate: number; readonly full: number };
  /** Maximum connections before login from one source; unlimited by default (PerSourceMaxStartups). */
  readonly maxStartupsPerSource?: number;
  /**
   * How long a source is refused after failed logins. On by default; use false for a server that sees all
   * clients under one address, such as one behind a proxy.
   */
  readonly penalties?: PenaltyOptions | false;
  /**
   * Maximum parallel sessions on one connection, 10 by default (MaxSessions). A session counts until it
   * is closed and its handler has ended.
   */
  readonly maxSessions?: number;
  /**
   * Milliseconds of silence before a keepalive request is sent, 60,000 by default; 0 for never
   * (ClientAliveInterval).
   */
  readonly keepaliveInterval?: number;
  /**
   * Unanswered keepalive requests after which a client counts as dead, 3 by default
   * (ClientAliveCountMax).
   */
  readonly keepaliveCount?: number;
  /** Whether to use TCP keepalive; true by default (TCPKeepAlive). */
  readonly tcpKeepAlive?: boolean;
  /**
   * Milliseconds without data on any channel after which a client is disconnected; 0 (the default)
   * for never.
   */
  readonly idleTimeout?: number;
  /**
   * Milliseconds without an open channel after which a client is disconnected; 0 (the default) for
   * never (UnusedConnectionTimeout).
   */
  readonly unusedConnectionTimeout?: number;
  /**
   * Milliseconds from its login after which a client is disconnected in any case; 0 (the default) for
   * never.
   */
  readonly maxSessionTime?: number;
  /**
   * Milliseconds without data after which channels are closed, by patterns of their types, such as
   * `{ "session": 300_000 }` (ChannelTimeout).
   */
  readonly channelTimeouts?: ChannelTimeouts;
  /** When to start a new key exchange; by default after 1 GiB, 2^31 packets or an hour. */
  readonly rekey?: RekeyLimits;
  /** The receive windows of channels; by default between 2 and 32 MiB, tuned to the path. */
  readonly window?: WindowOptions;
  /**
   * Addresses of load balancers that send the client's address by the PROXY protocol, version 1 or 2,
   * as wildcards and `address/bits` separated by commas; none by default. The sent address is then
   * used everywhere: in `remoteAddr`, `from=`, penalties and limits of a source. A connection from one of
   * these addresses without a header is closed.
   */
  readonly proxies?: string;
  /**
   * Whether other processes may listen on the same port, so that the system spreads connections over
   * them (SO_REUSEPORT); false by default. Deno requires `--unstable-net` for it.
   */
  readonly reusePort?: boolean;
  /** Stops the server when aborted. */
  readonly signal?: AbortSignal;
  /** Called once the server listens. */
  readonly onListen?: (addr: Deno.NetAddr) => void;
  /**
   * Called with each client after its login, for custom channels and global requests; its errors go to
   * `onError`. Errors of the other listeners are ignored.
   */
  readonly onConnection?: (connection: ChannelOwner, login: Login) => void | Promise<void>;
  /** Called with each decided login attempt; for logs. */
  readonly onAttempt?: (attempt: AuthAttempt, remoteAddr: Deno.Addr | null) => void;
  /** Called with errors of connections and handlers; for logs. */
  readonly onError?: (error: unknown, remoteAddr: Deno.Addr | null) => void;
  /** Called with each message on the wire, without secrets. */
  readonly trace?: (event: TraceEvent, remoteAddr: Deno.Addr | null) => void;
}
