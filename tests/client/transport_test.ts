/** `transport:` accepts anything with a readable and a writable. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type ByteStreams,
  type Client,
  connect,
  ConnectError,
  type ConnectOptions,
  none,
} from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serveStreams } from "@denossh/ssh/server";
import { connectedPair } from "../../lib/testing/connected_pair.ts";
import { target } from "../forward/world.ts";
import { noise } from "../support/random.ts";

const hostKey = await generateKey();

/** A client over the streams to a server. */
function over(transport: ByteStreams, more: ConnectOptions = {}): Promise<Client> {
  return connect({
    transport,
    user: "me",
    auth: [none()],
    hostKeys: hostKey.publicKey,
    ...more,
  });
}

/** Serves the connections of a stream until it ends. */
async function serveOn(streams: ByteStreams): Promise<void> {
  await using served = serveStreams(streams, {
    hostKeys: [hostKey],
    auth: { none: () => true },
  }, (session) => session.stdin.pipeTo(session.stdout));
  await served.closed;
}

/** Enough to need the window, and rekeying. */
async function works(host: Client): Promise<void> {
  const sent = noise(60_000);
  const { stdout } = await host.command("cat", { stdin: sent }).output();
  assertEquals(stdout, sent);
  await host.rekey();
  assertEquals(await host.run("cat", { stdin: { text: "after" } }), "after");
}

Deno.test("transport: a TCP connection", async () => {
  await using server = target((conn) => serveOn(conn));
  await using host = await over(await Deno.connect({ hostname: "127.0.0.1", port: server.port }));
  await works(host);
});

Deno.test("transport: a unix socket", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/ssh.sock`;
  const listener = Deno.listen({ transport: "unix", path });
  const serving = listener.accept().then(serveOn);
  {
    await using host = await over(await Deno.connect({ transport: "unix", path }));
    await works(host);
  }
  await serving;
  listener.close();
  await Deno.remove(folder, { recursive: true });
});

Deno.test("transport: a channel of another connection, nested twice", async () => {
  await using outer = await connectedPair({ handler: ({ channel }) => serveOn(channel) });
  await using channel = await outer.host.openSession();
  await channel.shell();
  await using middle = await over(channel);
  await works(middle);
});

Deno.test("transport: a WebSocket", async () => {
  const sessions: Promise<void>[] = [];
  await using web = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    sessions.push(streamsOf(socket).then(serveOn));
    return response;
  });
  {
    const socket = new WebSocket(`ws://127.0.0.1:${web.addr.port}/`);
    await using host = await over(await streamsOf(socket));
    await works(host);
  }
  await Promise.all(sessions);
});

Deno.test("transport: one that ends, fails or is silent is a ConnectError", async () => {
  const ended = () => ({ readable: ReadableStream.from([]), writable: new WritableStream() });
  await assertRejects(() => over(ended()), ConnectError);
  const broken = new ReadableStream({ start: (c) => c.error(new Error("the cable")) });
  await assertRejects(() => over({ readable: broken, writable: new WritableStream() }));
  const silent = { readable: new ReadableStream(), writable: new WritableStream() };
  await assertRejects(() => over(silent, { timeout: 20 }), ConnectError, "timed out");
});

Deno.test("transport: a time-out quotes the output of a peer that is not an SSH server", async () => {
  const readable = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(new TextEncoder().encode("220 mail ESMTP\r\n")),
  });
  const mail = { readable, writable: new WritableStream() };
  const error = await assertRejects(() => over(mail, { timeout: 20 }), ConnectError, "timed out");
  assertStringIncludes(error.message, 'the server said "220 mail ESMTP"');
});

/** A WebSocket as a pair of byte streams, one message per chunk. */
async function streamsOf(socket: WebSocket): Promise<ByteStreams> {
  let cancelled = false;
  socket.binaryType = "arraybuffer";
  const readable = new ReadableStream<Uint8Array>({
    start(controller) {
      socket.addEventListener("message", ({ data }) => {
        if (!cancelled) controller.enqueue(new Uint8Array(data));
      });
      socket.addEventListener("close", () => {
        if (!cancelled) controller.close();
      });
    },
    cancel() {
      cancelled = true;
      socket.close();
    },
  });
  const writable = new WritableStream<Uint8Array>({
    write: (chunk) => socket.send(chunk.slice()),
    close: () => socket.close(),
    abort: () => socket.close(),
  });
  if (socket.readyState !== WebSocket.OPEN) {
    await new Promise((resolve) => socket.addEventListener("open", resolve, { once: true }));
  }
  return { readable, writable };
}
