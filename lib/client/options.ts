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
 * A host to connect through: `[user@]host[:port]` with the user's own keys and known hosts, options, or a
 * client that is already connected, and stays connected afterwards.
 */
export type Jump = string | ConnectOptions | Client;

/** Options of `connect()`. Defaults are those of `ssh`, from the user's files. */
export interface ConnectOptions {
  /** The host's name or address; may be part of the target. */
  readonly hostname?: string;
  /** The port, 22 unless given; may be part of the target. */
  readonly port?: number;
  /** The user to log in as; may be part of the target. Needs `--allow-env=USER` if not given. */
  readonly user?: string;
  /**
   * The credentials, tried in this order. If not given, the keys that `ssh` would use without prompting:
   * those of the agent, if `--allow-env` permits reading SSH_AUTH_SOCK, and the unencrypted ones among
   * `~/.ssh/id_rsa`, `id_ecdsa` and `id_ed25519` with their certificates, which needs `--allow-env=HOME`
   * and `--allow-read`. A key file that others can read is not used, as with `ssh`; `skippedKeys` of an
   * AuthError lists such files. `none()` is tried before them, for servers without authentication.
   */
  readonly auth?: readonly AuthMethod[];
  /**
   * The host keys to trust. If not given, those of `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`;
   * unknown ones are refused. This needs `--allow-env=HOME` and `--allow-read`.
   */
  readonly hostKeys?: HostKeys;
  /**
   * The source of settings that are not given here: files of ssh_config(5), a configuration that was read,
   * or `false` for none. If not given, `~/.ssh/config` and `/etc/ssh/ssh_config`, if `--allow-env=HOME` and
   * `--allow-read` permit reading them. The host may then be an alias.
   */
  readonly config?: string | URL | readonly (string | URL)[] | Config | false;
  /** The algorithms to offer; `"strict"` excludes those that only old peers need. */
  readonly algorithms?: AlgorithmOptions | "strict";
  /** Aborts connecting. The open connection is not affected. */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds for TCP, identification, key exchange and authentication together; 60,000 by default, 0 for
   * no limit.
   */
  readonly timeout?: number;
  /**
   * Milliseconds of silence before a keepalive request; 0 for never. 0 by default, and 15,000 with
   * `resilient`.
   */
  readonly keepaliveInterval?: number;
  /** Unanswered keepalive requests that end the connection; 3 unless given. */
  readonly keepaliveCount?: number;
  /**
   * The most connections for file transfers, if each TCP connection is slow because of a limit or lost
   * packets; 1 unless given. Further ones are opened when a transfer needs them, to the same host key and
   * with the same credentials, which are kept in memory. They end with the client. A login that the server
   * refuses is not repeated. All of them use one connection to a jump host.
   */
  readonly connections?: number;
  /**
   * Reconnects when the connection is lost, to the same host key and with the credentials that succeeded
   * the first time, which are kept in memory. Tunnels and listeners are restored, SFTP and its transfers
   * continue, and calls in the meantime wait. Running commands fail. `true` uses the default delays and
   * attempts.
   */
  readonly resilient?: boolean | ResilientOptions;
  /**
   * Milliseconds without data after which channels are closed, by patterns of their types (`session`,
   * `direct-tcpip`, `forwarded-*`, …), as ssh's ChannelTimeout. `global` closes all channels once none
   * carries data.
   */
  readonly channelTimeouts?: Readonly<Record<string, number>>;
  /** When to exchange keys again; after 1 GiB, 2^31 packets or an hour unless given. */
  readonly rekey?: RekeyLimits;
  /** The receive windows of channels; tuned to the path between 2 and 32 MiB unless given. */
  readonly window?: WindowOptions;
  /** The name of the host for its host key, as ssh's HostKeyAlias. */
  readonly hostKeyAlias?: string;
  /** Text to append to the identification line, as ssh's VersionAddendum. */
  readonly versionAddendum?: string;
  /** Options of the TCP connection. */
  readonly tcp?: TcpOptions;
  /**
   * A shell command whose standard input and output carry the connection instead of a TCP socket, as ssh's
   * ProxyCommand, with tokens. Needs `--allow-run`.
   */
  readonly proxyCommand?: string;
  /**
   * Streams that carry the connection instead of a TCP socket; they are taken over. A function opens them
   * for each connection.
   */
  readonly transport?:
    | ByteStreams
    | ((signal: AbortSignal) => ByteStreams | Promise<ByteStreams>);
  /**
   * A host to connect through, or several in their order, as ssh's ProxyJump; the connections to them end
   * with this one. Options for the target do not apply to them.
   */
  readonly jump?: Jump | readonly Jump[];
  /**
   * The control socket of a running `ssh -M`, whose connection is then shared: there is no key exchange and
   * no login here, and `auth` and `hostKeys` are ignored. If no master answers, a connection is made as
   * usual. If not given, ControlPath of the configuration files, unless one of `auth`, `hostKeys`,
   * `algorithms`, `jump`, `proxyCommand` and `transport` is given, `connections` is more than 1, or
   * ControlMaster is `yes` or `ask`;
   * `false` never shares one. Needs `--allow-read` and `--allow-write` for the path, `--allow-read` for its
   * folder, and `--allow-net=unix:PATH`; a path of the files is not used without them.
   *
   * Commands, SFTP, `dial`, `forwardLocal` and `forwardSocks` work through a master. Calls for which the
   * server would answer the master, or open channels to it, are refused: `listen`, `forwardRemote`,
   * `request`, `notify`, the forwarding of agents and displays. The master does keepalive and rekeying, and
   * has one connection, whatever `connections` is.
   */
  readonly controlPath?: string | false;
  /** Called with notes about problems that were skipped, such as a control socket that does not answer. */
  readonly onNote?: (note: string) => void;
  /** Environment variables of every command and shell; servers ignore those that they do not accept. */
  readonly env?: Readonly<Record<string, string>>;
  /** Called with the server's banner, without control characters. */
  readonly onBanner?: (text: string) => void;
  /** Called with each SSH message, without secrets. */
  readonly trace?: (event: TraceEvent) => void;
}

/** Whether something other than a TCP socket carries the connection. */
export function isProxied({ jump, transport, proxyCommand }: ConnectOptions): boolean {
  return jump !== undefined || transport !== undefined || proxyCommand !== undefined;
}

/** The host, port and user to connect to. */
export interface Destination {
  readonly hostname: string;
  readonly port: number | null;
  readonly user: string | null;
}

/**
 * Parses `[user@]host[:port]`, `[user@][v6]:port` or `ssh://[user@]host[:port]`. A bare IPv6 address is a
 * host; the user of a URI may be percent-encoded, as in `ssh://me%40work@host`.
 *
 * @throws {TypeError} If it has another form
 */
export function parseTarget(target: string): Destination {
  const text = target.replace(/^ssh:\/\//, "").replace(/\/$/, "");
  const at = text.lastIndexOf("@");
  const named = at < 0 ? null : text.slice(0, at);
  // Empty and wrongly encoded names are refused.
  const user = named !== null && target.startsWith("ssh://") ? decodeUser(named) ?? "" : named;
  const host = text.slice(at + 1);
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(host);
  const plain = host.split(":").length > 2 ? [host, host] : /^([^:]+)(?::(\d+))?$/.exec(host);
  const parts = bracketed ?? plain;
  // A program that starts ssh with a name that begins with a dash would pass an option.
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

/** @throws {RangeError} If it is not a port */
export function checkPort(port: number): number {
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new RangeError(`Port must be 1 to 65535, not ${port}`);
  }
  return port;
}
