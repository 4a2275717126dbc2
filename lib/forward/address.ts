import { printable } from "../errors.ts";

/**
 * A TCP address.
 *
 * @example
 * ```ts
 * import type { HostPort } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({ serve: { forward: { local: () => true, remote: () => true } } });
 * using server = Deno.listen({ port: 0, hostname: "127.0.0.1" });
 * const target: HostPort = server.addr as Deno.NetAddr;
 * await using conn = await pair.host.dial(target);
 * assertEquals(conn.remoteAddr.transport, "tcp");
 * ```
 */
export interface HostPort {
  /** A name or an address; who connects resolves it. */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
}

/**
 * A unix socket.
 *
 * @example
 * ```ts
 * import type { SocketPath } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({ serve: { forward: { local: () => true, remote: () => true } } });
 * const folder = await Deno.makeTempDir();
 * const socket: SocketPath = { path: `${folder}/socket` };
 * using _server = Deno.listen({ transport: "unix", ...socket });
 * await using conn = await pair.host.dial(socket);
 * assertEquals(conn.remoteAddr, { transport: "unix", ...socket });
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export interface SocketPath {
  /** The path of the socket. */
  readonly path: string;
}

/**
 * One end of a tunnel: a TCP address or a unix socket.
 *
 * @example
 * ```ts
 * import type { ForwardAddress } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertRejects } from "@std/assert";
 *
 * const allowed = (to: ForwardAddress) => "port" in to && to.port === 5432;
 * await using pair = await connectedPair({ serve: { forward: { local: allowed } } });
 * await assertRejects(() => pair.host.dial("localhost:22"), Error, "not allowed");
 * ```
 */
export type ForwardAddress = HostPort | SocketPath;

/**
 * Where a tunnel leads: `host:port`, `[v6]:port`, an absolute path, or the same as an object.
 *
 * @example
 * ```ts
 * import type { ForwardTarget } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({ serve: { forward: { local: () => true, remote: () => true } } });
 * const targets: ForwardTarget[] = ["db:5432", "[fd00::1]:80", "/run/app.sock", { hostname: "db", port: 1 }];
 * for (const to of targets) {
 *   await using tunnel = await pair.host.forwardLocal({ from: { port: 0 }, to });
 *   assertEquals(tunnel.connections, 0);
 * }
 * ```
 */
export type ForwardTarget = string | ForwardAddress;

/**
 * Where a tunnel begins.
 *
 * @example
 * ```ts
 * import type { BindAddress } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({ serve: { forward: { local: () => true, remote: () => true } } });
 * const from: BindAddress = { port: 0, hostname: "127.0.0.1" }; // or { path: "/run/db.sock" }
 * await using tunnel = await pair.host.forwardLocal({ from, to: "db:5432" });
 * assertEquals(tunnel.addr.transport, "tcp");
 * ```
 */
export type BindAddress = BindPort | SocketPath;

/**
 * A TCP port to listen on.
 *
 * @example
 * ```ts
 * import type { BindPort } from "@denossh/ssh";
 * import { connectedPair } from "@denossh/ssh/testing";
 * import { assertEquals } from "@std/assert";
 *
 * await using pair = await connectedPair({ serve: { forward: { local: () => true, remote: () => true } } });
 * const from: BindPort = { port: 0 }; // any free one
 * await using socks = await pair.host.forwardSocks(from);
 * assertEquals(socks.addr.hostname, "127.0.0.1");
 * ```
 */
export interface BindPort {
  /** The port; 0 for a free one. */
  readonly port: number;
  /** The address to listen on. */
  readonly hostname?: string;
}

/**
 * The kind of address that listening on a {@linkcode BindAddress} gives.
 *
 * @example
 * ```ts
 * import type { AddrOf, SocketPath } from "@denossh/ssh";
 * import { assertEquals } from "@std/assert";
 *
 * const addr: AddrOf<SocketPath> = { transport: "unix", path: "/run/db.sock" };
 * const port: AddrOf<{ port: number }> = { transport: "tcp", hostname: "127.0.0.1", port: 5432 };
 * assertEquals([addr.path, port.port], ["/run/db.sock", 5432]);
 * ```
 */
export type AddrOf<A extends BindAddress> = A extends SocketPath ? Deno.UnixAddr : Deno.NetAddr;

/**
 * Reads and checks a target.
 *
 * @throws {TypeError} If it is none
 * @throws {RangeError} If the port is none
 */
export function targetOf(target: ForwardTarget): ForwardAddress {
  const address = typeof target === "string" ? parsed(target) : target;
  return checked(address, 1);
}

/** Checks what to listen on; port 0 is any, and `hostname` is for those who give none. */
export function bindOf(bind: BindAddress, hostname: string): ForwardAddress {
  if ("path" in bind) return checked(bind, 0);
  return checked({ hostname: bind.hostname ?? hostname, port: bind.port }, 0);
}

/** The address in Deno's words. */
export function addrOf(address: ForwardAddress): Deno.NetAddr | Deno.UnixAddr {
  return "path" in address
    ? { transport: "unix", path: address.path }
    : { transport: "tcp", hostname: address.hostname, port: address.port };
}

/** The address in an error's words. */
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

/** Copies what was checked, so that nobody changes it afterwards. */
function checked(address: ForwardAddress, lowestPort: 0 | 1): ForwardAddress {
  if ("path" in address) {
    const { path } = address;
    if (path === "" || path.includes("\0")) throw new TypeError("Not a path of a unix socket");
    return { path };
  }
  const { hostname, port } = address;
  // deno-lint-ignore no-control-regex
  if (hostname.length > 255 || /[\s\x00-\x1f\x7f]/.test(hostname)) {
    throw new TypeError(`Not a host: "${printable(hostname)}"`);
  }
  if (lowestPort === 1 && hostname === "") throw new TypeError("A target needs a host");
  if (!Number.isInteger(port) || port < lowestPort || port > 65535) {
    throw new RangeError(`Port must be ${lowestPort} to 65535, not ${port}`);
  }
  return { hostname, port };
}
