import { encodeHex } from "../encoding.ts";
import { ChannelOpenError } from "../errors.ts";
import { closeQuietly } from "../runtime/connections.ts";
import { writeAll } from "../runtime/write_all.ts";
import { onTimeout } from "../waiting.ts";
import { OPEN_FAILURE } from "../wire/numbers.ts";
import { type HostPort, targetOf } from "./address.ts";
import type { Route, Router } from "./local.ts";

/** A client that does not send its target within this many milliseconds is closed. */
const HANDSHAKE_MS = 10_000;

/** Longest name or user in SOCKS 4, whose strings end with a NUL; SOCKS 5 allows as much. */
const MAX_TEXT = 255;

/** Methods of RFC 1928 §3. */
const METHOD = { none: 0, password: 2, noneAcceptable: 0xff };

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Opens the channel that a SOCKS client asked for. */
export type SocksDialer = (
  target: HostPort,
  from: Deno.Addr,
  signal: AbortSignal,
) => Promise<Route["channel"]>;

/** The credentials of a SOCKS client. */
export interface SocksCredentials {
  /** The name of the user, 1 to 255 bytes. */
  readonly username: string;
  /** The password, 1 to 255 bytes. */
  readonly password: string;
}

/** Options of a SOCKS server: credentials and a time limit. */
export interface SocksClients {
  /** The credentials that clients must send; none unless given. With them, SOCKS 4 is refused. */
  readonly credentials?: SocksCredentials | undefined;
  /** Milliseconds within which a client must send its target; 10,000 unless given. */
  readonly handshakeMs?: number;
}

/**
 * Routes connections like a SOCKS server: 4, 4a and 5 (RFC 1928), only CONNECT, with a password (RFC 1929)
 * or without. Names are resolved on the far side.
 */
export function socksRouter(dial: SocksDialer, clients: SocksClients = {}): Router {
  return async (conn, signal) => {
    const { opened, early } = await acceptSocks(conn, {
      dial: (target) => dial(target, conn.remoteAddr, signal),
      undo: (channel, error) => channel.abort(error),
      ...clients,
    });
    return { channel: opened, early };
  };
}

/** Opens and closes connections to the targets of a SOCKS server. */
export interface SocksOptions<T> extends SocksClients {
  /** Opens a connection to an address. */
  readonly dial: (target: HostPort) => Promise<T>;
  /** Closes the connection if the client has left. */
  readonly undo: (opened: T, error: unknown) => void;
}

/**
 * Serves one SOCKS client until it gets the answer that it is connected.
 *
 * @returns The opened connection, and the data that the client has sent already
 */
export async function acceptSocks<T>(
  conn: Deno.Conn,
  { dial, undo, credentials, handshakeMs = HANDSHAKE_MS }: SocksOptions<T>,
): Promise<{ readonly opened: T; readonly early: Uint8Array }> {
  const reader = new HandshakeReader(conn);
  let request: SocksRequest;
  {
    using _late = onTimeout(handshakeMs, () => closeQuietly(conn));
    request = await readRequest(reader, conn, credentials);
  }
  try {
    const opened = await dial(request.target);
    await writeAll(conn, request.granted).catch((error) => {
      undo(opened, error);
      throw error;
    });
    return { opened, early: reader.remainder() };
  } catch (error) {
    await writeAll(conn, request.refused(error)).catch(() => {}); // it may have left
    throw error;
  }
}

interface SocksRequest {
  readonly target: HostPort;
  readonly granted: Uint8Array;
  readonly refused: (error: unknown) => Uint8Array;
}

async function readRequest(
  reader: HandshakeReader,
  conn: Deno.Conn,
  credentials: SocksCredentials | undefined,
): Promise<SocksRequest> {
  const [version] = await reader.bytes(1);
  switch (version) {
    case 4:
      return await readVersion4(reader, conn, credentials !== undefined);
    case 5:
      return await readVersion5(reader, conn, credentials);
    default:
      throw new TypeError("The client does not speak SOCKS");
  }
}

async function readVersion4(
  reader: HandshakeReader,
  conn: Deno.Conn,
  needsPassword: boolean,
): Promise<SocksRequest> {
  const [command, high, low, ...address] = await reader.bytes(7);
  await reader.line(); // the user's name, which is not checked
  const reply = (code: number) => Uint8Array.of(0, code, 0, 0, 0, 0, 0, 0);
  const REFUSED = 0x5b;
  try {
    if (needsPassword) {
      throw new TypeError("The SOCKS client has no password: SOCKS 4 does not support one");
    }
    if (command !== 1) {
      throw new TypeError("The SOCKS client requests a command other than CONNECT");
    }
    // SOCKS 4a: 0.0.0.x, with x not 0, means that a name follows.
    const named = address.slice(0, 3).every((byte) => byte === 0) && address[3] !== 0;
    const hostname = named ? utf8.decode(await reader.line()) : address.join(".");
    return {
      target: targetOf({ hostname, port: high! << 8 | low! }),
      granted: reply(0x5a),
      refused: () => reply(REFUSED),
    };
  } catch (error) {
    await writeAll(conn, reply(REFUSED));
    throw error;
  }
}

// RFC 1928 §6
const REPLY = { granted: 0, failed: 1, forbidden: 2, refused: 5, command: 7, addressType: 8 };

async function readVersion5(
  reader: HandshakeReader,
  conn: Deno.Conn,
  credentials: SocksCredentials | undefined,
): Promise<SocksRequest> {
  const [count] = await reader.bytes(1);
  const methods = await reader.bytes(count!);
  const method = credentials === undefined ? METHOD.none : METHOD.password;
  if (!methods.includes(method)) {
    await writeAll(conn, Uint8Array.of(5, METHOD.noneAcceptable));
    throw new TypeError(
      credentials === undefined
        ? "The SOCKS client requires a password"
        : "The SOCKS client has no password",
    );
  }
  await writeAll(conn, Uint8Array.of(5, method));
  if (credentials !== undefined) await checkPassword(reader, conn, credentials);
  const reply = (code: number) => Uint8Array.of(5, code, 0, 1, 0, 0, 0, 0, 0, 0);
  const refuse = async (code: number, message: string) => {
    await writeAll(conn, reply(code));
    throw new TypeError(message);
  };
  const [version, command, , type] = await reader.bytes(4);
  if (version !== 5) await refuse(REPLY.failed, "The SOCKS client changed its version");
  const hostname = await readAddress(reader, type!);
  if (hostname === null) return await refuse(REPLY.addressType, "Unknown SOCKS address type");
  const [high, low] = await reader.bytes(2);
  if (command !== 1) {
    await refuse(REPLY.command, "The SOCKS client requests a command other than CONNECT");
  }
  try {
    // Deno 2.5 and older send an IPv6 address as a name, in brackets as in a URL.
    const name = utf8.decode(hostname).replace(/^\[(.*)\]$/, "$1");
    return {
      target: targetOf({ hostname: name, port: high! << 8 | low! }),
      granted: reply(REPLY.granted),
      refused: (error) => reply(reasonOf(error)),
    };
  } catch (error) {
    await writeAll(conn, reply(REPLY.failed));
    throw error;
  }
}

/** RFC 1929 §2. */
async function checkPassword(
  reader: HandshakeReader,
  conn: Deno.Conn,
  { username, password }: SocksCredentials,
): Promise<void> {
  const [version, nameLength] = await reader.bytes(2);
  const name = await reader.bytes(nameLength!);
  const [passwordLength] = await reader.bytes(1);
  const secret = await reader.bytes(passwordLength!);
  // Both are always compared, so that the time does not reveal which one is wrong.
  const isRight = [isText(name, username), isText(secret, password)].every((same) => same);
  if (version === 1 && isRight) return await writeAll(conn, Uint8Array.of(1, 0));
  await writeAll(conn, Uint8Array.of(1, 1));
  throw new TypeError("The SOCKS client has a wrong password");
}

/** Whether bytes equal a text, in constant time. */
function isText(bytes: Uint8Array, expected: string): boolean {
  const wanted = new TextEncoder().encode(expected);
  let difference = bytes.length ^ wanted.length;
  for (const [at, byte] of wanted.entries()) difference |= byte ^ (bytes[at] ?? 0);
  return difference === 0;
}

/** An address of RFC 1928 §5 as text; null for an unknown type. */
async function readAddress(reader: HandshakeReader, type: number): Promise<Uint8Array | null> {
  const text = (address: string) => new TextEncoder().encode(address);
  switch (type) {
    case 1:
      return text((await reader.bytes(4)).join("."));
    case 3: {
      const [length] = await reader.bytes(1);
      return await reader.bytes(length!);
    }
    case 4: {
      const hex = encodeHex(await reader.bytes(16));
      return text(hex.match(/.{4}/g)!.join(":"));
    }
    default:
      return null;
  }
}

function reasonOf(error: unknown): number {
  if (!(error instanceof ChannelOpenError)) return REPLY.failed;
  if (error.reason === OPEN_FAILURE.ADMINISTRATIVELY_PROHIBITED) return REPLY.forbidden;
  return error.reason === OPEN_FAILURE.CONNECT_FAILED ? REPLY.refused : REPLY.failed;
}

/** Reads a handshake of limited length; keeps the data after it. */
class HandshakeReader {
  readonly #conn: Deno.Conn;
  #buffer = new Uint8Array(0);

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
  }

  async bytes(length: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#buffer.length < length) await this.#more();
    return this.#take(length);
  }

  /** Reads up to a NUL, which is dropped. */
  async line(): Promise<Uint8Array<ArrayBuffer>> {
    for (let from = 0;;) {
      const end = this.#buffer.indexOf(0, from);
      if (Math.max(end, from) > MAX_TEXT) {
        throw new TypeError("The SOCKS client's name is too long");
      }
      if (end >= 0) return this.#take(end + 1).subarray(0, end);
      from = this.#buffer.length;
      await this.#more();
    }
  }

  /** The data read beyond the handshake. */
  remainder(): Uint8Array<ArrayBuffer> {
    return this.#take(this.#buffer.length);
  }

  #take(length: number): Uint8Array<ArrayBuffer> {
    const taken = this.#buffer.subarray(0, length);
    this.#buffer = this.#buffer.subarray(length);
    return taken;
  }

  async #more(): Promise<void> {
    const chunk = new Uint8Array(1024);
    const n = await this.#conn.read(chunk);
    if (n === null) {
      throw new TypeError("The SOCKS client closed the connection before its request");
    }
    const grown = new Uint8Array(this.#buffer.length + n);
    grown.set(this.#buffer);
    grown.set(chunk.subarray(0, n), this.#buffer.length);
    this.#buffer = grown;
  }
}
