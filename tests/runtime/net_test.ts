import { assertEquals, assertRejects } from "@std/assert";
import { toText } from "@std/streams";
import { runtime } from "../../lib/runtime/runtime.ts";

Deno.test("net.connectFrom joins streams to a connection from the given address", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [conn, streams] = await Promise.all([
    listener.accept(),
    runtime.net.connectFrom("127.0.0.1", { ...listener.addr, ...OPTIONS }),
  ]);
  assertEquals(conn.remoteAddr.hostname, "127.0.0.1");
  const writer = streams.writable.getWriter();
  await writer.write(new TextEncoder().encode("there"));
  await writer.close();
  const back = conn.readable.pipeTo(conn.writable);
  assertEquals(await toText(streams.readable), "there");
  await back;
});

Deno.test("net.connectFrom rejects when it is aborted while it connects", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const end = new AbortController();
  const options = { ...listener.addr, ...OPTIONS, signal: end.signal };
  const connecting = runtime.net.connectFrom("127.0.0.1", options);
  end.abort();
  await assertRejects(() => connecting, Error, "Aborted");
});

Deno.test("net.lookup gives an address as it is, whatever its family", async () => {
  assertEquals(await runtime.net.lookup("127.0.0.1", 4), ["127.0.0.1"]);
  assertEquals(await runtime.net.lookup("::1", 0), ["::1"]);
});

const OPTIONS = { keepAlive: true, signal: new AbortController().signal };
