import { closeQuietly } from "../runtime/connections.ts";
import { runtime } from "../runtime/runtime.ts";
import { writeAll } from "../runtime/write_all.ts";

/** Where an X server is. */
export interface Display {
  /** The host; null for a unix socket of this machine. */
  readonly hostname: string | null;
  /** The path of its unix socket, where it has one. */
  readonly path: string | null;
  /** The number of the display. */
  readonly number: number;
  /** The number of the screen. */
  readonly screen: number;
}

/** Display N listens on this port plus N. */
export const X11_PORT = 6000;

/** Requests are small, and pictures come in pieces anyway. */
const READ_BYTES = 64 * 1024;

/** Highest display number whose port is one. */
const MAX_DISPLAY = 65535 - X11_PORT;

/**
 * Reads what stands in DISPLAY: `:0`, `:0.1`, `unix:0`, `host:10`, `[v6]:10`, or the path of a socket.
 *
 * @throws {TypeError} If it is no display
 */
export function parseDisplay(text: string): Display {
  const parts = /^(.*):(\d{1,5})(?:\.(\d{1,5}))?$/.exec(text);
  const number = Number(parts?.[2]);
  if (!parts || number > MAX_DISPLAY) throw new TypeError(`Not a display: "${text}"`);
  const screen = Number(parts[3] ?? 0);
  const host = parts[1]!.replace(/^\[(.*)\]$/, "$1");
  // As macOS has it: the whole of it is the socket's name.
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

/** Joins an X client's connection and its display until both have ended. Both are taken over. */
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
  await to.closeWrite().catch(() => {}); // who has gone already needs no EOF
}
