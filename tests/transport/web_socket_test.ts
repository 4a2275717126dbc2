import { assertEquals, assertRejects } from "@std/assert";
import { WEB_SOCKET_BUFFER } from "../../lib/defaults.ts";
import { ConnectError } from "../../lib/errors.ts";
import { webSocketTransport } from "../../lib/transport/web_socket.ts";
import { replaced } from "../support/replaced.ts";

/** A WebSocket whose other end is the test. */
class FakeSocket extends EventTarget {
  readyState: number = WebSocket.CONNECTING;
  binaryType: BinaryType = "blob";
  bufferedAmount = 0;
  readonly sent: unknown[] = [];
  readonly url: string;

  constructor(url = "ws://relay/ssh?secret=hunter2", readonly protocols: string[] = []) {
    super();
    this.url = url;
  }

  opened(): this {
    this.readyState = WebSocket.OPEN;
    this.dispatchEvent(new Event("open"));
    return this;
  }

  receive(data: unknown): void {
    this.dispatchEvent(new MessageEvent("message", { data }));
  }

  send(data: Uint8Array): void {
    this.sent.push(...data);
  }

  close(code = 1000, reason = ""): void {
    if (this.readyState === WebSocket.CLOSED) return;
    this.readyState = WebSocket.CLOSED;
    this.dispatchEvent(new CloseEvent("close", { code, reason }));
  }

  get asWebSocket(): WebSocket {
    return this as unknown as WebSocket;
  }
}

const bytes = (...values: number[]) => new Uint8Array(values);

for (const code of [1000, 1001, 1005]) {
  Deno.test(`webSocketTransport returns a WebSocket's data until it is closed with code ${code}`, async () => {
    const socket = new FakeSocket();
    const opening = webSocketTransport(socket.asWebSocket);
    const { readable } = await (socket.opened(), opening);
    assertEquals(socket.binaryType, "arraybuffer");
    socket.receive(bytes(1, 2).buffer);
    socket.receive(bytes(3).buffer);
    socket.close(code);
    socket.receive(bytes(4).buffer);
    assertEquals(await Array.fromAsync(readable), [bytes(1, 2), bytes(3)]);
  });
}

Deno.test("webSocketTransport sends written data, and closes the WebSocket at the end", async () => {
  const socket = new FakeSocket().opened();
  const { writable } = await webSocketTransport(socket.asWebSocket);
  const writer = writable.getWriter();
  await writer.write(bytes(1, 2));
  await writer.write(bytes(3));
  assertEquals([socket.sent, socket.readyState], [[1, 2, 3], WebSocket.OPEN]);
  await writer.close();
  assertEquals(socket.readyState, WebSocket.CLOSED);
});

Deno.test("Writing to a WebSocket waits while it has much unsent data", async () => {
  const socket = new FakeSocket().opened();
  const { writable } = await webSocketTransport(socket.asWebSocket);
  const writer = writable.getWriter();
  const looks: number[] = [];
  const amounts = [WEB_SOCKET_BUFFER + 1, WEB_SOCKET_BUFFER + 1, WEB_SOCKET_BUFFER];
  using _amount = replaced(socket, "bufferedAmount", 0);
  Object.defineProperty(socket, "bufferedAmount", {
    get: () => (looks.push(amounts[0]!), amounts.shift()),
    configurable: true,
  });
  await writer.write(bytes(1));
  assertEquals(looks.length, 3);
});

Deno.test("Closing a WebSocket fails pending and later writes", async () => {
  const socket = new FakeSocket().opened();
  const { writable } = await webSocketTransport(socket.asWebSocket);
  socket.bufferedAmount = Infinity;
  const writer = writable.getWriter();
  writer.closed.catch(() => {});
  const writing = writer.write(bytes(1));
  socket.close();
  await assertRejects(() => writing, Error, "The WebSocket is closed");
  await assertRejects(() => writer.write(bytes(1)), Error, "The WebSocket is closed");
});

Deno.test("Nothing is sent to a WebSocket that was closed while nothing was written", async () => {
  const socket = new FakeSocket().opened();
  const { writable } = await webSocketTransport(socket.asWebSocket);
  const writer = writable.getWriter();
  writer.closed.catch(() => {});
  socket.close();
  await assertRejects(() => writer.write(bytes(1)), Error, "The WebSocket is closed");
  assertEquals(socket.sent, []);
});

Deno.test("A WebSocket that is closed with a reason fails the reader with it", async () => {
  const ends: [code: number, reason: string, message: string][] = [
    [1011, "too\x1b many", "code 1011: too many"],
    [1006, "", "code 1006"],
  ];
  for (const [code, reason, message] of ends) {
    const socket = new FakeSocket().opened();
    const { readable } = await webSocketTransport(socket.asWebSocket);
    socket.close(code, reason);
    const { message: shown } = await assertRejects(() => readable.getReader().read(), Error);
    assertEquals(shown, `The WebSocket broke off with ${message}`);
  }
});

Deno.test("A text message on a WebSocket ends it", async () => {
  const socket = new FakeSocket().opened();
  const { readable } = await webSocketTransport(socket.asWebSocket);
  socket.receive("hello");
  await assertRejects(() => readable.getReader().read(), TypeError, "text instead of bytes");
  assertEquals(socket.readyState, WebSocket.CLOSED);
});

Deno.test("Cancelling or aborting the streams of a WebSocket closes it", async () => {
  const reading = new FakeSocket().opened();
  await (await webSocketTransport(reading.asWebSocket)).readable.cancel();
  const writing = new FakeSocket().opened();
  await (await webSocketTransport(writing.asWebSocket)).writable.abort();
  assertEquals([reading.readyState, writing.readyState], [WebSocket.CLOSED, WebSocket.CLOSED]);
});

Deno.test("webSocketTransport opens a WebSocket of a URL, with subprotocols", async () => {
  const made: FakeSocket[] = [];
  class Opened extends FakeSocket {
    static readonly CONNECTING = WebSocket.CONNECTING;
    static readonly OPEN = WebSocket.OPEN;
    constructor(url: string, protocols: string[]) {
      super(url, protocols);
      made.push(this);
      queueMicrotask(() => this.opened());
    }
  }
  using _fake = replaced(globalThis, "WebSocket", Opened as unknown as typeof WebSocket);
  const url = new URL("wss://relay/ssh");
  await webSocketTransport(url, { protocols: ["ssh"] });
  assertEquals(made.map(({ url, protocols }) => [url, protocols]), [[url, ["ssh"]]] as unknown[]);
});

Deno.test("A WebSocket that cannot be opened is a ConnectError without the secrets of its URL", async () => {
  const wanted =
    "Cannot open a WebSocket to ws://relay/ssh: it cannot be reached, or refuses [connect]";
  const failing = new FakeSocket();
  const opening = webSocketTransport(failing.asWebSocket);
  const cause = new Error("refused");
  failing.dispatchEvent(new ErrorEvent("error", { error: cause }));
  const error = await assertRejects(() => opening, ConnectError);
  assertEquals([error.message, error.cause], [wanted, cause]);

  const closed = new FakeSocket().opened();
  closed.close();
  const { message } = await assertRejects(
    () => webSocketTransport(closed.asWebSocket),
    ConnectError,
  );
  assertEquals(message, wanted);
});

Deno.test("Opening a WebSocket can be aborted, before and while it opens", async () => {
  const end = new AbortController();
  const socket = new FakeSocket();
  const opening = webSocketTransport(socket.asWebSocket, { signal: end.signal });
  end.abort(new Error("No longer"));
  await assertRejects(() => opening, Error, "No longer");
  assertEquals(socket.readyState, WebSocket.CLOSED);
  let made = 0;
  using _fake = replaced(
    globalThis,
    "WebSocket",
    class extends FakeSocket {
      static readonly CONNECTING = 0;
      constructor() {
        super();
        made++;
      }
    } as unknown as typeof WebSocket,
  );
  const again = () => webSocketTransport("ws://relay/", { signal: end.signal });
  await assertRejects(again, Error, "No longer");
  assertEquals(made, 0);
});

Deno.test("A signal that is aborted later leaves an opened WebSocket alone", async () => {
  const end = new AbortController();
  const socket = new FakeSocket().opened();
  await webSocketTransport(socket.asWebSocket, { signal: end.signal });
  end.abort(new Error("Too late"));
  assertEquals(socket.readyState, WebSocket.OPEN);
});
