import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { isError } from "../../lib/runtime/errors.ts";
import { nodeNet } from "../../lib/runtime/node_net.ts";
import { WITHOUT_DESCRIPTORS } from "../support/old_deno.ts";
import { tempFolder } from "../support/temp.ts";
import { freePort } from "../support/free_port.ts";

/** A listener, and both ends of a connection to it. */
async function joined() {
  const listener = nodeNet.listen({ hostname: "127.0.0.1", port: 0 });
  const [near, far] = await Promise.all([nodeNet.connect(listener.addr), listener.accept()]);
  return { listener, near, far };
}

nodeTest(
  "Node connections have Deno's addresses, and carry bytes and EOF both ways",
  async () => {
    const { listener, near, far } = await joined();
    assertEquals(near.remoteAddr, listener.addr);
    assertEquals(far.remoteAddr, near.localAddr);
    const block = new Uint8Array(16);
    assertEquals(await near.write(Uint8Array.of(1, 2)), 2);
    assertEquals([await far.read(block), ...block.subarray(0, 2)], [2, 1, 2]);
    await near.closeWrite();
    assertEquals(await far.read(block), null);
    await far.write(Uint8Array.of(3)); // the other direction is open
    assertEquals([await near.read(block), block[0]], [1, 3]);
    far.close();
    assertEquals(await near.read(block), null);
    near.close();
    listener.close();
  },
);

nodeTest(
  "Closing a Node connection ends its read with an error, and may be repeated",
  async () => {
    const { listener, near, far } = await joined();
    const reading = near.read(new Uint8Array(1));
    near.close();
    near.close();
    await assertRejects(() => reading, Error, "closed");
    far.close();
    listener.close();
  },
);

nodeTest("The streams of a Node connection carry its bytes", async () => {
  const { listener, near, far } = await joined();
  const writer = near.writable.getWriter();
  await writer.write(Uint8Array.of(1, 2));
  await writer.close();
  assertEquals(await new Response(far.readable).bytes(), Uint8Array.of(1, 2));
  near.close();
  far.close();
  listener.close();
});

nodeTest(
  "Closing a Node listener ends accept() and connections that were not accepted",
  async () => {
    const listener = nodeNet.listen({ hostname: "127.0.0.1", port: 0 });
    const near = await nodeNet.connect(listener.addr);
    const far = await listener.accept();
    const accepting = listener.accept();
    listener.close();
    await assertRejects(() => accepting, Error, "closed");
    await assertRejects(() => listener.accept(), Error, "closed");
    near.close();
    far.close();
  },
);

nodeTest("Synchronous listening needs an address, or the name localhost", () => {
  assertThrows(
    () => nodeNet.listen({ hostname: "db1.internal", port: 0 }),
    TypeError,
    'not the name "db1.internal"',
  );
  using listener = nodeNet.listen({ hostname: "localhost", port: 0 });
  assertEquals(listener.addr.hostname, "127.0.0.1");
});

nodeTest("A refused connection has Node's code, and is recognized by Deno's name", async () => {
  const refused = nodeNet.connect({ hostname: "127.0.0.1", port: freePort() });
  const error = await refused.catch((error) => error);
  assertEquals(isError(error, "ConnectionRefused"), true);
});

nodeTest("An aborted connection rejects with the reason", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const end = new AbortController();
  const connecting = nodeNet.connect({ ...listener.addr as Deno.NetAddr, signal: end.signal });
  end.abort(new Error("given up"));
  await assertRejects(() => connecting, Error, "given up");
});

nodeTest("A Node unix socket has a path, and its file is removed with the listener", async () => {
  if (Deno.build.os === "windows") return;
  await using folder = await tempFolder();
  const path = folder.join("socket");
  const listener = nodeNet.listenUnix(path);
  assertEquals(listener.addr, { transport: "unix", path });
  const [near, far] = await Promise.all([nodeNet.connectUnix(path), listener.accept()]);
  assertEquals(near.remoteAddr, { transport: "unix", path });
  await near.write(Uint8Array.of(9));
  const block = new Uint8Array(4);
  assertEquals([await far.read(block), block[0]], [1, 9]);
  near.close();
  far.close();
  listener.close();
});

nodeTest(
  "A Node unix socket is refused at once where there is a file, or no folder",
  async () => {
    if (Deno.build.os === "windows") return;
    await using folder = await tempFolder();
    const path = await folder.write("file", "kept");
    const error = assertThrows(() => nodeNet.listenUnix(path), Error, path);
    assertEquals(isError(error, "AddrInUse"), true);
    assertThrows(() => nodeNet.listenUnix(folder.join("none/socket")), Error, "none/socket");
    assertEquals(await Deno.readTextFile(path), "kept");
  },
);

/** In these versions the imitation of Node is incomplete: its files and listeners are asynchronous. */
function nodeTest(name: string, fn: () => void | Promise<void>): void {
  Deno.test({ name, ignore: WITHOUT_DESCRIPTORS, fn });
}
