import { closeQuietly } from "../runtime/connections.ts";
import { runtime } from "../runtime/runtime.ts";
import { writeAll } from "../runtime/write_all.ts";

/** The address of an X server. */
export interface Display {
  /** The host; null for a unix socket of this machine. */
  readonly hostname: string | null;
  /** The path of its Unix socket, if it has one. */
  readonly path: string | null;
  /** The number of the display. */
  readonly number: number;
  /** The number of the screen. */
  readonly screen: number;
}

/** Display N listens on this port plus N. */
export const X11_PORT = 6000;

/** The size of the read buffers: requests are small, and pictures arrive in pieces. */
const READ_BYTES = 64 * 1024;

/** The highest display number with a valid port. */
const MAX_DISPLAY = 65535 - X11_PORT;

/**
 * Parses the value of DISPLAY: `:0`, `:0.1`, `unix:0`, `host:10`, `[v6]:10`, or the path of a socket.
 *
 * @throws {TypeError} If it is not a display
 */
export function parseDisplay(text: string): Display {
  const parts = /^(.*):(\d{1,5})(?:\.(\d{1,5}))?$/.exec(text);
  const number = Number(parts?.[2]);
  if (!parts || number > MAX_DISPLAY) throw new TypeError(`Not a display: "${text}"`);
  const screen = Number(parts[3] ?? 0);
  const host = parts[1]!.replace(/^\[(.*)\]$/, "$1");
  // As in macOS, the whole value is the path of the socket.
  if (host.startsWith("/")) return { hostname: null, path: text, number, screen };
  if (host === "" || host === "unix" || host.endsWith("/unix")) {
    return { hostname: null, path: `/tmp/.X11-unix/X${number}`, number, screen };
  }
  return { hostname: host.replace(/^(tcp|inet6?)\//, ""), path: null, number, screen };
}

/** Connects to an X server. */
export async function connectDisplay({ hostname, path, number }: Display): Promise<Deno.Conn> {
  if (path !== null) return await runtime.net.connectUnix(path);
  const conn = await runtime.net.connect({ hostname: hostname!, port: X11_PORT + number });
  conn.setNoDelay(true);
  return conn;
}

/** Connects an X client with its display until both have ended. Takes over both. */
export async function joinDisplay(conn: Deno.Conn, display: Display): Promise<void> {
  const local = await connectDisplay(display);
  const directions = [pump(conn, local), pump(local, conn)];
  try {
    await Promise.all(directions);
  } finally {
    closeQuietly(local);
    conn.close();
    await Promise.allSettled(directions);
  }
}

async function pump(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(READ_BYTES);
  for (let n; (n = await from.read(buffer)) !== null;) await writeAll(to, buffer.subarray(0, n));
  await to.closeWrite().catch(() => {}); // a closed end needs no EOF
}
