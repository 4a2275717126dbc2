import type { AuthMethod } from "../auth/auth_method.ts";
import type { WindowOptions } from "../connection/window_budget.ts";
import type { Config } from "../config/config.ts";
import { decodeUser } from "../config/ssh_uri.ts";
import type { AlgorithmOptions } from "../crypto/suite.ts";
import type { ByteStreams } from "../transport/socket.ts";
import type { RekeyLimits } from "../transport/key_use.ts";
import type { TraceEvent } from "../transport/trace.ts";
import type { Client } from "./client.ts";
import type { HostKeys } from "../login/host_keys.ts";
import type { ResilientOptions } from "./resilience.ts";
import type { TcpOptions } from "../login/tcp.ts";

/**
 * A host to connect through: `[user@]host[:port]` with the user's own keys and known hosts, options, or
 * a client that is connected already and stays so afterwards.
 */
export type Jump = string | ConnectOptions | Client;

/** How to connect. Whatever is not given is what `ssh` would take from the user's files. */
export interface ConnectOptions {
  /** The host's name or address; may be part of the target. */
  readonly hostname?: string;
  /** The port, 22 unless given; may be part of the target. */
  readonly port?: number;
  /** The user to log in as; may be part of the target. Needs `--allow-env=USER` if not given. */
  readonly user?: string;
  /**
   * The credentials, tried in this order. If not given, the keys that `ssh` would use without a question:
   * those of the agent, if `--allow-env` lets us see SSH_AUTH_SOCK, and the unencrypted ones among
   * `~/.ssh/id_rsa`, `id_ecdsa` and `id_ed25519`, certificates beside them included, which needs
   * `--allow-env=HOME` and `--allow-read`. A key file that others can read is not used, as with `ssh`;
   * `skippedKeys` of an AuthError lists such files. `none()` comes before them, for servers that let
   * everybody in.
   */
  readonly auth?: readonly AuthMethod[];
  /**
   * Which host keys to trust. If not given, those of `~/.ssh/known_hosts` and
   * `/etc/ssh/ssh_known_hosts`, unknown ones refused; this needs `--allow-env=HOME` and `--allow-read`.
   */
  readonly hostKeys?: HostKeys;
  /**
   * Where the settings come from that are not given here: files of ssh_config(5), or a configuration that
   * has been read; `false` is nowhere. If not given, `~/.ssh/config` and `/etc/ssh/ssh_config`, if
   * `--allow-env=HOME` and `--allow-read` let us see them. The host that is asked for may be an alias then.
   */
  readonly config?: string | URL | readonly (string | URL)[] | Config | false;
  /** The algorithms to offer; `"strict"` leaves out what only old peers need. */
  readonly algorithms?: AlgorithmOptions | "strict";
  /** Aborts connecting. The open connection is not affected. */
  readonly signal?: AbortSignal;
  /** Milliseconds for TCP, identification, key exchange and authentication together; 0 is no limit. */
  readonly timeout?: number;
  /**
   * Milliseconds of silence before the server is asked for a sign of life; 0 never, which is the default without
   * `resilient`, and 15,000 with it.
   */
  readonly keepaliveInterval?: number;
  /** Unanswered questions after which the server counts as dead; 3 unless given. */
  readonly keepaliveCount?: number;
  /**
   * How many connections transfers of files may be spread over, where each TCP connection is slow because of a
   * limit or lost packets; 1 unless given. The further ones are opened when a transfer needs them, as the first
   * was: to the same host key, and with what was answered then, which stays in memory. They end with the client.
   */
  readonly connections?: number;
  /**
   * Connects again when the connection is lost: as before, to the same host key, and with the answers that let in the
   * first time, which stay in memory for that. Tunnels and listeners come back, SFTP and its transfers continue, and what
   * is asked for meanwhile waits. A command that was running fails. True is with the usual pauses and tries.
   */
  readonly resilient?: boolean | ResilientOptions;
  /**
   * Milliseconds without data after which channels are closed, by patterns of their types (`session`,
   * `direct-tcpip`, `forwarded-*`, …), as ssh's ChannelTimeout; `global` is about all of them together.
   */
  readonly channelTimeouts?: Readonly<Record<string, number>>;
  /** When to exchange keys anew; after 1 GiB, 2^31 packets or an hour unless given. */
  readonly rekey?: RekeyLimits;
  /** The receive windows of channels; tuned to the path between 2 and 32 MiB unless given. */
  readonly window?: WindowOptions;
  /** The name that the host's key is known by instead of its own, as ssh's HostKeyAlias. */
  readonly hostKeyAlias?: string;
  /** Text after the name of this software in the identification, as ssh's VersionAddendum. */
  readonly versionAddendum?: string;
  /** How the TCP connection is made. */
  readonly tcp?: TcpOptions;
  /**
   * A command for the shell whose standard input and output carry the connection instead of a TCP
   * socket, as ssh's ProxyCommand, its tokens replaced. Needs `--allow-run`.
   */
  readonly proxyCommand?: string;
  /**
   * What carries the connection instead of a TCP socket; taken over. A function opens it for each connection that is
   * made.
   */
  readonly transport?:
    | ByteStreams
    | ((signal: AbortSignal) => ByteStreams | Promise<ByteStreams>);
  /**
   * A host to connect through, or several in their order, as ssh's ProxyJump; the connections to them
   * end with this one. What is given here for the target is not used for them.
   */
  readonly jump?: Jump | readonly Jump[];
  /**
   * The control socket of a running `ssh -M`, whose connection is shared then: no key exchange and no login
   * of ours, and `auth` and `hostKeys` count for nothing. If there is no master that answers, a connection
   * is made as usual. If not given, ControlPath of the configuration files, unless one of `auth`,
   * `hostKeys`, `algorithms`, `jump`, `proxyCommand` and `transport` is given, or ControlMaster is `yes` or
   * `ask`; `false` shares none. Needs `--allow-read` and `--allow-write` for the path, `--allow-read` for its
   * folder, and `--allow-net=unix:PATH`; a path of the files is not used without them.
   *
   * Commands, SFTP, `dial`, `forwardLocal` and `forwardSocks` work through a master. What the server would
   * answer to or open towards the master is refused: `listen`, `forwardRemote`, `request`, `notify`, the
   * forwarding of agents and displays. Keepalive and rekeying are the master's.
   */
  readonly controlPath?: string | false;
  /** Is told what is passed over on the way, such as a control socket that does not answer. */
  readonly onNote?: (note: string) => void;
  /** Environment variables of every command and shell; servers ignore those that they do not accept. */
  readonly env?: Readonly<Record<string, string>>;
  /** Shows the server's banner, control characters removed. */
  readonly onBanner?: (text: string) => void;
  /** Is told each message of the wire, secrets left out. */
  readonly trace?: (event: TraceEvent) => void;
}

/** Whether something else than a TCP socket of ours carries the connection. */
export function isProxied({ jump, transport, proxyCommand }: ConnectOptions): boolean {
  return jump !== undefined || transport !== undefined || proxyCommand !== undefined;
}

/** Where to connect to. */
export interface Destination {
  readonly hostname: string;
  readonly port: number | null;
  readonly user: string | null;
}

/**
 * Takes `[user@]host[:port]`, `[user@][v6]:port` or `ssh://[user@]host[:port]` apart. A bare IPv6
 * address is a host; the user of a URI may be percent-encoded, as in `ssh://me%40work@host`.
 *
 * @throws {TypeError} If it is none of these
 */
export function parseTarget(target: string): Destination {
  const text = target.replace(/^ssh:\/\//, "").replace(/\/$/, "");
  const at = text.lastIndexOf("@");
  const named = at < 0 ? null : text.slice(0, at);
  // An empty name is refused, and so is one that is encoded wrongly.
  const user = named !== null && target.startsWith("ssh://") ? decodeUser(named) ?? "" : named;
  const host = text.slice(at + 1);
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(host);
  const plain = host.split(":").length > 2 ? [host, host] : /^([^:]+)(?::(\d+))?$/.exec(host);
  const parts = bracketed ?? plain;
  // A name that begins with a dash would be an option to whoever runs ssh with it.
  // deno-lint-ignore no-control-regex
  if (!parts || user === "" || /[\s\x00-\x1f\x7f]|^-/.test(host) || host === "") {
    throw new TypeError(`Cannot parse "${target}": expected [user@]host[:port]`);
  }
  return {
    hostname: parts[1]!,
    port: parts[2] === undefined ? null : checkPort(Number(parts[2])),
    user,
  };
}

/** @throws {RangeError} If it is no port */
export function checkPort(port: number): number {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new RangeError(`Port must be 1 to 65535, not ${port}`);
  }
  return port;
}
