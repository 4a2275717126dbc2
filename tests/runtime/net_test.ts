import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { runtime } from "../../lib/runtime/runtime.ts";

Deno.test("net.connectFrom joins streams to a connection from the given address", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [conn, streams] = await Promise.all([
    listener.accept(),
    runtime.net.connectFrom("127.0.0.1", { ...listener.addr, ...OPTIONS }),
  ]);
  assertEquals(conn.remoteAddr.hostname, "127.0.0.1");
  const [reader, writer] = [streams.readable.getReader(), streams.writable.getWriter()];
  await writer.write(new TextEncoder().encode("there"));
  const block = new Uint8Array(16);
  await conn.write(block.subarray(0, await conn.read(block) ?? 0));
  assertEquals(new TextDecoder().decode((await reader.read()).value), "there");
  await writer.close();
  assertEquals(await conn.read(block), null);
  conn.close();
  assertEquals((await reader.read()).done, true);
});

Deno.test("net.connectFrom rejects when it is aborted while it connects", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const end = new AbortController();
  const options = { ...listener.addr, ...OPTIONS, signal: end.signal };
  const connecting = runtime.net.connectFrom("127.0.0.1", options);
  end.abort();
  await assertRejects(() => connecting, Error, "Aborted");
});

for (const Refused of [Deno.errors.AddrInUse, Deno.errors.AddrNotAvailable]) {
  Deno.test(`The ${Refused.name} of net.listen names the address`, () => {
    using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const hostname = Refused === Deno.errors.AddrInUse ? "127.0.0.1" : "192.0.2.1"; // RFC 5737
    const address = { hostname, port: (taken.addr as Deno.NetAddr).port };
    const error = assertThrows(() => runtime.net.listen(address), Refused);
    assertStringIncludes(error.message, `Cannot listen on ${hostname}:${address.port}: `);
    assertInstanceOf(error.cause, Refused);
  });
}

Deno.test("net.lookup returns an address of either family unchanged", async () => {
  assertEquals(await runtime.net.lookup("127.0.0.1", 4), ["127.0.0.1"]);
  assertEquals(await runtime.net.lookup("::1", 0), ["::1"]);
});

for (const method of ["close", Symbol.dispose] as const) {
  Deno.test({
    name: `The file of a unix socket is removed by ${String(method)} of its listener`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const folder = await Deno.makeTempDir();
      try {
        const listener = runtime.net.listenUnix(`${folder}/socket`);
        await Deno.lstat(`${folder}/socket`);
        listener[method]();
        await assertRejects(() => Deno.lstat(`${folder}/socket`), Deno.errors.NotFound);
        listener[Symbol.dispose]();
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

const OPTIONS = { keepAlive: true, signal: new AbortController().signal };

Deno.test("Sharing a port without the needed flag throws an error that names it", () => {
  if ("listenDatagram" in Deno) return;
  const options = { port: 0, hostname: "127.0.0.1", reusePort: true };
  assertThrows(() => runtime.net.listen(options), TypeError, "--unstable-net");
});
