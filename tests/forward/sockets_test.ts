/** Local sockets. */
import { assertRejects, assertStrictEquals } from "@std/assert";
import { connectTo } from "../../lib/forward/sockets.ts";

for (const address of [{ path: "/nowhere/socket" }, { hostname: "127.0.0.1", port: 1 }]) {
  Deno.test(`A tunnel that has ended refuses to connect, with its reason (${Object.keys(address)})`, async () => {
    const reason = new Error("The tunnel is closed");
    const error = await assertRejects(() => connectTo(address, AbortSignal.abort(reason)));
    assertStrictEquals(error, reason);
  });
}
