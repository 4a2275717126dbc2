/** Local sockets. */
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { connectTo } from "../../lib/forward/sockets.ts";
import { denoNet } from "../../lib/runtime/deno_net.ts";
import { replaced } from "../support/replaced.ts";

for (const address of [{ path: "/nowhere/socket" }, { hostname: "127.0.0.1", port: 1 }]) {
  Deno.test(`A tunnel that has ended refuses to connect, with its reason (${Object.keys(address)})`, async () => {
    const reason = new Error("The tunnel is closed");
    const error = await assertRejects(() => connectTo(address, AbortSignal.abort(reason)));
    assertStrictEquals(error, reason);
  });
}

Deno.test("Connects to targets turn Nagle's algorithm off", async () => {
  const set: unknown[] = [];
  const conn = { setNoDelay: (on: boolean) => set.push(on) } as unknown as Deno.TcpConn;
  using _connect = replaced(denoNet, "connect", () => Promise.resolve(conn));
  await connectTo({ hostname: "db", port: 1 }, new AbortController().signal);
  assertEquals(set, [true]);
});
