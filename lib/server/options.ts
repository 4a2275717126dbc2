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
 * What a client may do with the server's network, and lend it; whatever is not `true`, an exception included,
 * refuses. Names are the client's own words: `localhost`, `127.0.0.1` and a name that resolves to it
 * are three ways to say one thing, so allow what you know rather than forbid what you do not want.
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
   * Whether a client may have the server listen (`ssh -R`). The hostname is `""` for every address;
   * port 0 stands for any free one.
   */
  readonly remote?: (bind: ForwardAddress, login: Login) => boolean | Promise<boolean>;
  /** Whether a client may lend its agent to what it runs here (`ssh -A`). */
  readonly agent?: (login: Login) => boolean | Promise<boolean>;
  /** Whether a client may lend its display to what it runs here (`ssh -X`). */
  readonly x11?: (login: Login) => boolean | Promise<boolean>;
}

/** How to serve. What is not allowed here is refused. */
export interface ServeOptions {
  /** The port to listen on; 0 for a free one. 22 unless given. */
  readonly port?: number;
  /** The address to listen on; all of them unless given. */
  readonly hostname?: string;
  /**
   * The server's own keys, at least one. Of a key with a certificate give both, the key and what
   * `withCertificate` makes of it: clients that know no authority ask for the key alone.
   */
  readonly hostKeys: readonly Signer[];
  /** Who may log in, and how. */
  readonly auth: ServerAuthPolicy;
  /**
   * The files that SFTP and scp serve, alone or with how they are served, or who decides about them by
   * login; null refuses.
   */
  readonly sftp?:
    | SftpBackend
    | SftpService
    | ((login: Login) => SftpBackend | SftpService | null);
  /**
   * What runs for subsystems, by their names (`ssh -s`); others are refused. One for `sftp` takes the place
   * of the option `sftp`.
   */
  readonly subsystems?: Readonly<Record<string, SessionHandler>>;
  /** Whether a client may ask for a terminal; true unless given. */
  readonly pty?: boolean;
  /** Which tunnels clients may have; none unless given. */
  readonly forward?: ForwardPolicy;
  /** The algorithms to offer; `"strict"` leaves out what only old peers need. */
  readonly algorithms?: AlgorithmOptions | "strict";
  /** Milliseconds within which a client must log in, 120,000 unless given (LoginGraceTime). */
  readonly loginGraceTime?: number;
  /** Failed attempts before a client is disconnected, 6 unless given (MaxAuthTries). */
  readonly maxAuthTries?: number;
  /** Connections that are not logged in: from `begin` on `rate` percent are dropped, at `full` all. */
  readonly maxStartups?: { readonly begin: number; readonly rate: number; readonly full: number };
  /** Connections of one source that are not logged in; any number unless given (PerSourceMaxStartups). */
  readonly maxStartupsPerSource?: number;
  /**
   * How long a source is kept out whose connections fail to log in; on unless it is false, which is for
   * a server that sees all of its clients under one address, such as one after a proxy.
   */
  readonly penalties?: PenaltyOptions | false;
  /** Sessions open at once on one connection, 10 unless given (MaxSessions). */
  readonly maxSessions?: number;
  /**
   * Milliseconds of silence before a client is asked for a sign of life, 60,000 unless given; 0 never
   * (ClientAliveInterval).
   */
  readonly keepaliveInterval?: number;
  /** Unanswered questions after which a client counts as dead; 3 unless given (ClientAliveCountMax). */
  readonly keepaliveCount?: number;
  /** Whether the system asks clients that are silent for hours; true unless given (TCPKeepAlive). */
  readonly tcpKeepAlive?: boolean;
  /** Milliseconds without data on any channel after which a client is disconnected; 0 (the default) never. */
  readonly idleTimeout?: number;
  /**
   * Milliseconds without an open channel after which a client is disconnected; 0 (the default) never
   * (UnusedConnectionTimeout).
   */
  readonly unusedConnectionTimeout?: number;
  /** Milliseconds from its login after which a client is disconnected whatever it does; 0 (the default) never. */
  readonly maxSessionTime?: number;
  /**
   * Milliseconds without data after which channels are closed, by patterns of their types, such as
   * `{ "session": 300_000 }` (ChannelTimeout).
   */
  readonly channelTimeouts?: ChannelTimeouts;
  /** When to exchange keys anew; after 1 GiB, 2^31 packets or an hour unless given. */
  readonly rekey?: RekeyLimits;
  /** The receive windows of channels; tuned to the path between 2 and 32 MiB unless given. */
  readonly window?: WindowOptions;
  /**
   * Addresses of load balancers that tell the client's own by the PROXY protocol, version 1 or 2, as
   * wildcards and `address/bits` by commas; none unless given. That address is then the client's
   * everywhere: in `remoteAddr`, `from=`, penalties and limits of a source. A connection from one of
   * these addresses without a header is closed.
   */
  readonly proxies?: string;
  /**
   * Whether other processes may listen on the same port, so that the system spreads connections over
   * them (SO_REUSEPORT); false unless given. Deno asks for `--unstable-net` then.
   */
  readonly reusePort?: boolean;
  /** Stops the server when aborted. */
  readonly signal?: AbortSignal;
  /** Called once the server listens. */
  readonly onListen?: (addr: Deno.NetAddr) => void;
  /**
   * Called with each client that has logged in, for channels and global requests of your own; what it
   * throws goes to `onError`. What the other listeners throw is dropped.
   */
  readonly onConnection?: (connection: ChannelOwner, login: Login) => void | Promise<void>;
  /** Called with each attempt to log in that has been decided; for logs. */
  readonly onAttempt?: (attempt: AuthAttempt, remoteAddr: Deno.Addr | null) => void;
  /** Called with what ended a connection out of order, and with what a handler threw; for logs. */
  readonly onError?: (error: unknown, remoteAddr: Deno.Addr | null) => void;
  /** Is told each message of the wire, secrets left out. */
  readonly trace?: (event: TraceEvent, remoteAddr: Deno.Addr | null) => void;
}
