import { printable } from "../errors.ts";
import { shown } from "../option_checks.ts";

/** A TCP address. */
export interface HostPort {
  /** A name or an address, which the connecting side resolves. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
}

/** A unix socket. */
export interface SocketPath {
  /** The path of the socket. */
  readonly path: string;
}

/** One end of a tunnel: a TCP address or a unix socket. */
export type ForwardAddress = HostPort | SocketPath;

/** The target of a tunnel: `host:port`, `[v6]:port`, an absolute path, or the same as an object. */
export type ForwardTarget = string | ForwardAddress;

/** The start of a tunnel. */
export type BindAddress = BindPort | SocketPath;

/** A TCP port to listen on. */
export interface BindPort {
  /** The port; 0 for a free one. */
  readonly port: number;
  /** The address to listen on; the loopback address by default. */
  readonly hostname?: string;
}

/** The kind of address that results from listening on a {@linkcode BindAddress}. */
export type AddrOf<A extends BindAddress> = A extends SocketPath ? Deno.UnixAddr : Deno.NetAddr;

/**
 * Reads and checks a target.
 *
 * @throws {TypeError} If it is not a valid target
 * @throws {RangeError} If the port is out of range
 */
export function targetOf(target: HostPort): HostPort;
export function targetOf(target: ForwardTarget): ForwardAddress;
export function targetOf(target: ForwardTarget): ForwardAddress {
  const address = typeof target === "string" ? parsed(target) : target;
  if (typeof address !== "object" || address === null) {
    throw new TypeError(`A target must be "host:port" or a path, not ${shown(target)}`);
  }
  return checked(address, 1);
}

/** Checks an address to listen on; port 0 means any, and `hostname` is the default. */
export function bindOf(bind: BindAddress, hostname: string): ForwardAddress {
  if (typeof bind !== "object" || bind === null) {
    throw new TypeError(`An address to listen on must be { port } or { path }, not ${shown(bind)}`);
  }
  const address = "path" in bind ? bind : { hostname: bind.hostname ?? hostname, port: bind.port };
  return checked(address, 0);
}

/** The address as a `Deno.Addr`. */
export function addrOf(address: ForwardAddress): Deno.NetAddr | Deno.UnixAddr {
  return "path" in address
    ? { transport: "unix", path: address.path }
    : { transport: "tcp", hostname: address.hostname, port: address.port };
}

/** The address for error messages. */
export function describe(address: ForwardAddress): string {
  if ("path" in address) return printable(address.path);
  return `${printable(address.hostname) || "*"} port ${address.port}`;
}

function parsed(target: string): ForwardAddress {
  if (target.startsWith("/")) return { path: target };
  const parts = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(target);
  if (!parts) {
    throw new TypeError(`Cannot parse "${target}": expected host:port, [v6]:port or /path`);
  }
  return { hostname: (parts[1] ?? parts[2])!, port: Number(parts[3]) };
}

/** Copies the checked value, so that the caller cannot change it afterwards. */
function checked(address: ForwardAddress, lowestPort: 0 | 1): ForwardAddress {
  if ("path" in address) {
    const { path } = address;
    if (path === "" || path.includes("\0")) {
      throw new TypeError(`Not a path of a unix socket: "${printable(path)}"`);
    }
    return { path };
  }
  const { hostname, port } = address;
  // deno-lint-ignore no-control-regex
  if (hostname.length > 255 || /[\s\x00-\x1f\x7f]/.test(hostname)) {
    throw new TypeError(`Not a host: "${printable(hostname)}"`);
  }
  if (lowestPort === 1 && hostname === "") throw new TypeError("The target has no host");
  if (!Number.isInteger(port) || port < lowestPort || port > 65535) {
    throw new RangeError(`Port must be ${lowestPort} to 65535, not ${port}`);
  }
  return { hostname, port };
}
