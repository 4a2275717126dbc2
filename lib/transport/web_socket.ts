import { WEB_SOCKET_BUFFER } from "../defaults.ts";
import { ConnectError, printable } from "../errors.ts";
import { type CallOptions, onAbort, sleep } from "../waiting.ts";
import type { ByteStreams } from "./socket.ts";

/** Milliseconds between checks of a WebSocket's unsent bytes, for which no event exists. */
const LOOK_MS = 5;

/** RFC 6455 §7.4.1: done, going away, and no code. */
const USUAL_ENDS = [1000, 1001, 1005];

/** Options for opening a WebSocket. */
export interface WebSocketOptions extends CallOptions {
  /** The subprotocols to offer. */
  readonly protocols?: readonly string[];
}

/**
 * Opens a WebSocket as a pair of streams, for the option `transport` of `connect()`: without sockets,
 * as in a browser, a relay that passes bytes on to the SSH server is sufficient. The relay need not be
 * trusted, since the connection is encrypted and the host key checked from end to end.
 *
 * Writing waits while the WebSocket has more than 1 MiB left to send. A WebSocket has no backpressure
 * for received data; the receive windows of SSH bound it.
 *
 * @param socket The URL, or a WebSocket, which is taken over
 * @throws {ConnectError} If it cannot be opened
 *
 * @example
 * ```ts
 * import { connect, none, webSocketTransport } from "@denossh/ssh";
 * import { serveStreams } from "@denossh/ssh/server";
 * import { generateKey } from "@denossh/ssh/keys";
 * import { assertEquals } from "@std/assert";
 *
 * const hostKey = await generateKey();
 * const over = Promise.withResolvers<void>();
 * await using gateway = Deno.serve({
 *   port: 0,
 *   hostname: "127.0.0.1",
 *   onListen() {},
 * }, (request) => {
 *   const { socket, response } = Deno.upgradeWebSocket(request);
 *   socket.onclose = () => over.resolve();
 *   const options = { hostKeys: [hostKey], auth: { none: () => true } };
 *   webSocketTransport(socket).then((streams) =>
 *     serveStreams(
 *       streams,
 *       options,
 *       (session) => session.print(`You ran ${session.command}`),
 *     )
 *   );
 *   return response;
 * });
 *
 * await using host = await connect({
 *   transport: await webSocketTransport(
 *     `ws://127.0.0.1:${gateway.addr.port}/`,
 *   ),
 *   user: "me",
 *   auth: [none()],
 *   hostKeys: hostKey.publicKey,
 * });
 * assertEquals(await host.run("uptime"), "You ran uptime");
 * await host.close();
 * await over.promise;
 * ```
 */
export async function webSocketTransport(
  socket: string | URL | WebSocket,
  { protocols = [], signal }: WebSocketOptions = {},
): Promise<ByteStreams> {
  signal?.throwIfAborted();
  const isOpened = typeof socket === "string" || socket instanceof URL;
  const ws = isOpened ? new WebSocket(socket, [...protocols]) : socket;
  ws.binaryType = "arraybuffer";
  const streams = { readable: readableOf(ws), writable: writableOf(ws) };
  using _aborting = onAbort(signal, () => ws.close());
  const event = ws.readyState === WebSocket.CONNECTING ? await nextEvent(ws) : null;
  signal?.throwIfAborted();
  if (ws.readyState === WebSocket.OPEN) return streams;
  // Browsers do not report the reason.
  const { error: cause } = (event ?? {}) as { error?: unknown };
  const why = "it cannot be reached, or refuses";
  throw new ConnectError(`Cannot open a WebSocket to ${addressOf(ws.url)}: ${why}`, { cause });
}

function nextEvent(ws: WebSocket): Promise<object> {
  const { promise, resolve } = Promise.withResolvers<object>();
  for (const type of ["open", "error", "close"]) {
    ws.addEventListener(type, (event: object) => resolve(event));
  }
  return promise;
}

/** Without the query, which may hold a secret. */
function addressOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return printable(`${origin}${pathname}`);
}

function readableOf(ws: WebSocket): ReadableStream<Uint8Array<ArrayBuffer>> {
  let open = true;
  return new ReadableStream({
    start(controller) {
      const end = (error?: Error) => {
        if (!open) return;
        open = false;
        if (error) controller.error(error);
        else controller.close();
      };
      ws.addEventListener("message", ({ data }) => {
        if (!open) return;
        if (data instanceof ArrayBuffer) return controller.enqueue(new Uint8Array(data));
        end(new TypeError("The WebSocket received text instead of bytes"));
        ws.close();
      });
      ws.addEventListener("close", ({ code, reason }) => {
        if (USUAL_ENDS.includes(code)) return end();
        const why = reason && `: ${printable(reason)}`;
        end(new Error(`The WebSocket broke off with code ${code}${why}`));
      });
    },
    cancel() {
      open = false;
      ws.close();
    },
  });
}

function writableOf(ws: WebSocket): WritableStream<Uint8Array> {
  const end = new AbortController();
  ws.addEventListener("close", () => end.abort(new Error("The WebSocket is closed")));
  return new WritableStream({
    async write(chunk) {
      end.signal.throwIfAborted();
      // Not shared memory; not every version of the types knows that.
      ws.send(chunk as Uint8Array<ArrayBuffer>);
      while (ws.bufferedAmount > WEB_SOCKET_BUFFER) await sleep(LOOK_MS, end.signal);
    },
    close: () => ws.close(),
    abort: () => ws.close(),
  });
}
