import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { workersNet, type WorkersSocket } from "../../lib/runtime/workers_net.ts";

/** Sockets like those of Cloudflare's module, which echo. */
class EchoSockets {
  readonly asked: unknown[] = [];
  closed = 0;
  opened: Promise<unknown> = Promise.resolve({});

  readonly connect = (...asked: unknown[]): WorkersSocket => {
    this.asked.push(asked);
    const queue = new TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>();
    const reader = queue.readable.getReader();
    let end!: () => void;
    const readable = new ReadableStream({
      type: "bytes",
      start: (controller) => void (end = () => controller.error(new Error("It was closed"))),
      async pull(controller: ReadableByteStreamController) {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value.slice());
        controller.close();
        controller.byobRequest?.respond(0);
      },
    });
    const closed = Promise.withResolvers<void>();
    return {
      readable,
      writable: queue.writable,
      opened: this.opened,
      closed: closed.promise,
      close: () => {
        this.closed++;
        end();
        closed.reject(new Error("It was closed"));
        return Promise.reject(new Error("It is closed"));
      },
    };
  };

  readonly net = workersNet(() => Promise.resolve(this));
}

const ADDRESS = { hostname: "db1", port: 22 };

Deno.test("A worker's connection reads and writes like Deno's, until both sides have ended", async () => {
  const sockets = new EchoSockets();
  using conn = await sockets.net.connect(ADDRESS);
  assertEquals(sockets.asked, [[ADDRESS, { allowHalfOpen: true }]]);
  assertEquals([conn.remoteAddr.hostname, conn.remoteAddr.port], ["db1", 22]);
  conn.setNoDelay(true);
  conn.setKeepAlive(true);

  const into = new Uint8Array(4);
  const writing = conn.write(new TextEncoder().encode("hello!"));
  assertEquals([await conn.read(into), new TextDecoder().decode(into)], [4, "hell"]);
  assertEquals([await conn.read(into), new TextDecoder().decode(into.subarray(0, 2))], [2, "o!"]);
  assertEquals(await writing, 6);
  const [ended] = await Promise.all([conn.read(into), conn.closeWrite()]);
  assertEquals(ended, null);
});

Deno.test("A connection of a worker has the streams of its socket", async () => {
  using conn = await new EchoSockets().net.connect(ADDRESS);
  const writer = conn.writable.getWriter();
  const writing = writer.write(new Uint8Array([1, 2])).then(() => writer.close());
  assertEquals(await new Response(conn.readable).bytes(), new Uint8Array([1, 2]));
  await writing;
});

Deno.test("Closing a worker's connection ends a pending read", async () => {
  const sockets = new EchoSockets();
  const conn = await sockets.net.connect(ADDRESS);
  const reading = conn.read(new Uint8Array(4));
  conn.close();
  await assertRejects(() => reading, Error, "It was closed");
  assertEquals(sockets.closed, 1);
});

Deno.test("A worker's connection that cannot be opened is closed", async () => {
  const sockets = new EchoSockets();
  sockets.opened = Promise.reject(new Error("refused"));
  await assertRejects(() => sockets.net.connect(ADDRESS), Error, "refused");
  assertEquals(sockets.closed, 1);
});

Deno.test("Connecting from a worker can be aborted, before and while it connects", async () => {
  const sockets = new EchoSockets();
  sockets.opened = new Promise(() => {});
  const end = new AbortController();
  const connecting = sockets.net.connect({ ...ADDRESS, signal: end.signal });
  await Promise.resolve(); // the module is loaded
  end.abort(new Error("No longer"));
  await assertRejects(() => connecting, Error, "No longer");
  await assertRejects(() => sockets.net.connect({ ...ADDRESS, signal: end.signal }), "No longer");
  assertEquals([sockets.asked.length, sockets.closed], [1, 1]);
});

Deno.test("Errors name the missing functions of a worker's sockets", async () => {
  const { net } = new EchoSockets();
  const options = { ...ADDRESS, signal: new AbortController().signal, keepAlive: true };
  const { NotSupported } = Deno.errors;
  assertThrows(
    () => net.listen({ port: 22 }),
    NotSupported,
    "cannot listen on ports: use host.dial",
  );
  assertThrows(() => net.listenUnix("/a"), NotSupported, "listen on unix sockets");
  assertThrows(() => net.createHttpClient({ proxy: { url: "" } }), NotSupported, "host.dial()");
  await assertRejects(() => net.connectUnix("/a"), NotSupported, "connect to unix sockets");
  await assertRejects(
    () => net.connectFrom("::1", options),
    NotSupported,
    "leave localAddress out",
  );
  await assertRejects(() => net.lookup("db1", 4), NotSupported, "leave the family out");
  assertEquals([await net.aliasOf("db1"), net.networkInterfaces()], [null, []]);
});
