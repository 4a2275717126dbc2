/** Connections over streams that behave as those of WebTransport: byte streams, which end with the session. */
import { assertEquals, assertRejects } from "@std/assert";
import { type Client, connect, ConnectError, none } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serveStreams } from "@denossh/ssh/server";
import { memoryPair } from "@denossh/ssh/testing";

/** A session whose other end is an SSH server. */
async function fakeSession() {
  const hostKey = await generateKey();
  const [near, far] = memoryPair();
  const reader = near.readable.getReader();
  const writer = near.writable.getWriter();
  let ended = false;
  let lose!: (reason: unknown) => void;
  // The chunks of a byte stream are taken over, and a reader's buffer may be filled in parts.
  const readable = new ReadableStream<Uint8Array<ArrayBuffer>>({
    type: "bytes",
    start: (controller) => void (lose = (reason) => controller.error(reason)),
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value.slice());
    },
  });
  const writable = new WritableStream<Uint8Array>({
    write: (chunk) => writer.write(chunk.slice()),
    close: () => {
      ended = true;
      return writer.close();
    },
    abort: (reason) => {
      ended = true;
      return writer.abort(reason);
    },
  });
  const server = serveStreams(
    far,
    { hostKeys: [hostKey], auth: { none: () => true } },
    (session) =>
      session.command === "cat" ? session.stdin.pipeTo(session.stdout) : new Promise(() => {}),
  );
  return {
    /** Whether the client has ended its direction. */
    get ended() {
      return ended;
    },
    lose,
    async logIn(): Promise<Client> {
      const session = { createBidirectionalStream: () => Promise.resolve({ readable, writable }) };
      const transport = await session.createBidirectionalStream();
      return await connect({ user: "me", auth: [none()], hostKeys: hostKey.publicKey, transport });
    },
    async [Symbol.asyncDispose]() {
      await reader.cancel().catch(() => {});
      await writer.abort().catch(() => {});
      await server[Symbol.asyncDispose]();
    },
  };
}

Deno.test("A command's megabytes go both ways over a WebTransport stream, which ends with the connection", async () => {
  await using session = await fakeSession();
  const host = await session.logIn();
  const input = new Uint8Array(1_000_000).map((_, i) => i * i);
  const { stdout } = await host.command("cat", { input }).output();
  assertEquals(stdout, input);
  await host.close();
  assertEquals(session.ended, true);
});

Deno.test("A WebTransport session that is lost ends the connection with its reason", async () => {
  await using session = await fakeSession();
  const host = await session.logIn();
  const running = host.run("wait");
  const lost = Object.assign(new Error("timed out"), {
    name: "WebTransportError",
    source: "session",
  });
  const rejected = assertRejects(() => running, ConnectError, "timed out");
  session.lose(lost);
  await rejected;
  const error = await assertRejects(() => host.closed, ConnectError);
  assertEquals(error.cause, lost);
});
