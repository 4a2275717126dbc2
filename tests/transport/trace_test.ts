/** The content of `trace`, and what it omits. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { password, type TraceEvent, traceLine } from "@denossh/ssh";
import { connectedPair } from "@denossh/ssh/testing";
import { Trace } from "../../lib/transport/trace.ts";
import * as m from "../../lib/wire/messages.ts";
import { MemoryWatch } from "../support/memory_watch.ts";
import { transportPair } from "./transport_pair.ts";

const names = (events: readonly TraceEvent[], direction: string) =>
  events.filter((event) => event.direction === direction).map(({ name }) => name);

Deno.test("A trace has every message of both ends in order, and no secret", async () => {
  const secrets = ["hunter2", "S3CRET_COMMAND", "S3CRET_VALUE", "S3CRET_INPUT", "S3CRET_OUTPUT"];
  const [passphrase, command, value, input, output] = secrets;
  const client: TraceEvent[] = [];
  const server: TraceEvent[] = [];
  {
    await using pair = await connectedPair({
      connect: { auth: [password(passphrase!)], trace: (event) => void client.push(event) },
      serve: {
        auth: { password: (_, secret) => secret === passphrase },
        trace: (event) => void server.push(event),
      },
      handler: async (session) => {
        await session.print(output!);
        return 0;
      },
    });
    const env = { NAME: value! };
    await pair.host.command(command!, { env, stdin: new TextEncoder().encode(input!) }).output();
    await pair.host.request(`unknown-${"x".repeat(9)}`, new TextEncoder().encode(value!))
      .catch(() => {});
  }
  for (const events of [client, server]) {
    const text = events.map((event) => traceLine(event) + JSON.stringify(event)).join("\n");
    for (const secret of secrets) assert(!text.includes(secret), `${secret} is told`);
    assertStringIncludes(text, "method=password");
    assertStringIncludes(text, "type=exec");
  }
  // The sent messages of one end are those received by the other, except after a close.
  const heard = names(server, "received");
  assertEquals(names(client, "sent").slice(0, heard.length), heard);
  assertEquals(heard.slice(0, 4), ["KEXINIT", "KEX_ECDH_INIT", "NEWKEYS", "SERVICE_REQUEST"]);
});

Deno.test("A trace reports that a writer waits for the peer's window", async () => {
  const waiting = Promise.withResolvers<TraceEvent>();
  await using pair = await connectedPair({
    connect: {
      trace: (event) => {
        if (event.direction === "waiting") waiting.resolve(event);
      },
    },
    serve: { window: 65536 },
    handler: () => waiting.promise.then(() => 0), // does not read until the writer is blocked
  });
  await using channel = await pair.host.openSession();
  await channel.exec("read nothing");
  const writing = channel.writeAll(new Uint8Array(100_000)).catch(() => {});
  const { name, fields } = await waiting.promise;
  assertEquals([name, fields.window], ["CHANNEL_DATA", 0]);
  await writing;
});

Deno.test("A trace that throws does not affect the connection", async () => {
  await using pair = await connectedPair({
    connect: {
      trace: () => {
        throw new Error("The log is full");
      },
    },
    handler: (session) => session.print("hello"),
  });
  assertEquals(await pair.host.run("greet"), "hello");
});

Deno.test("A trace shows texts and names without control characters, and byte arrays by length", () => {
  const told: TraceEvent["fields"][] = [];
  const trace = new Trace(({ fields }) => told.push(fields));
  trace.received(
    m.Debug.encode({ display: true, text: "\x1b[2J" + "x".repeat(300), language: "" }),
  );
  trace.received(
    m.UserauthFailure.encode({ remaining: ["a\x07", "y".repeat(200)], partial: false }),
  );
  trace.sent(m.Ignore.encode({ data: new Uint8Array(7) }));
  trace.sent(m.UserauthPkOk.encode({ algorithm: "x", publicKey: new Uint8Array(1) }));
  trace.received(new Uint8Array([1, 2]));
  trace.received(new Uint8Array([93, 0, 0, 0, 7, 0, 0, 1, 0])); // CHANNEL_WINDOW_ADJUST
  trace.received(new Uint8Array([93, 0, 0, 0, 7, 0, 0, 1]));
  assertEquals(told, [
    { display: true, text: `[2J${"x".repeat(253)}…`, language: "" },
    { remaining: ["a", `${"y".repeat(128)}…`], partial: false },
    { data: "7 bytes" },
    {}, // the type of the message depends on the method
    {}, // it is malformed
    { recipient: 7, bytes: 256 },
    {},
  ]);
});

Deno.test("A trace of channel data has its kind and its size, and no bytes", () => {
  const told: TraceEvent[] = [];
  const trace = new Trace((event) => told.push(event));
  trace.sentData(7, 0, 5);
  trace.sentData(7, 1, 5);
  trace.waiting(7);
  assertEquals(told, [
    {
      direction: "sent",
      name: "CHANNEL_DATA",
      number: 94,
      length: 14,
      fields: { recipient: 7, bytes: 5 },
    },
    {
      direction: "sent",
      name: "CHANNEL_EXTENDED_DATA",
      number: 95,
      length: 18,
      fields: { recipient: 7, type: 1, bytes: 5 },
    },
    {
      direction: "waiting",
      name: "CHANNEL_DATA",
      number: 94,
      length: 0,
      fields: { recipient: 7, window: 0 },
    },
  ]);
});

Deno.test("Without a trace nothing is decoded for it", async () => {
  await using pair = transportPair({ client: { trace: () => {} } });
  assertEquals([pair.client.sink.trace !== null, pair.server.sink.trace], [true, null]);
});

Deno.test("A trace has no fields of the key exchange's messages, and leaves no copy of bytes", () => {
  const secret = crypto.getRandomValues(new Uint8Array(24));
  const told: TraceEvent["fields"][] = [];
  const trace = new Trace(({ fields }) => told.push(fields));
  const message = m.Ignore.encode({ data: secret });
  {
    using watch = new MemoryWatch();
    trace.received(Uint8Array.of(30, 0, 0, 0, 1, 5));
    trace.sent(message);
    assertEquals(watch.count(secret), 0);
  }
  assertEquals(told, [{}, { data: "24 bytes" }]);
  assertEquals(m.Ignore.decode(message).data, secret);
});
