/** Files over several connections: one prompt, the same host key, and all close with the client. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { type AuthMethod, connect, interactive, password } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { localFiles, serve, type ServeOptions } from "@denossh/ssh/server";
import type { Channel } from "../../lib/connection/channel.ts";
import { FurtherConnections } from "../../lib/client/further_connections.ts";
import { noise } from "../support/random.ts";
import { folder, same, turn } from "../sftp/world.ts";

const DATA = noise(8 * 1024 * 1024);
const hostKey = await generateKey();

function server(root: string, options: Partial<ServeOptions> = {}): ReturnType<typeof serve> {
  return serve({
    port: 0,
    hostname: "127.0.0.1",
    hostKeys: [hostKey],
    auth: {
      password: (_, secret) => secret === "open sesame",
      interactive: async (_, ask) => {
        const [first] = await ask([{ text: "One: ", echo: false }]);
        return first === "1";
      },
    },
    sftp: localFiles({ root }),
    ...options,
  }, () => 0);
}

let asked = 0;
const methods: Record<string, AuthMethod> = {
  password: password(() => {
    asked++;
    return "open sesame";
  }),
  interactive: interactive(({ prompts }) => {
    asked++;
    return prompts.map(() => "1");
  }),
};

for (const [name, method] of Object.entries(methods)) {
  Deno.test(`files use three connections, and ${name} is asked for once`, async () => {
    asked = 0;
    await using root = await folder();
    await using there = server(root.path);
    const notes: string[] = [];
    {
      await using host = await connect({
        hostname: "127.0.0.1",
        port: there.addr.port,
        user: "ann",
        auth: [method],
        hostKeys: hostKey.publicKey,
        connections: 3,
      });
      await using sftp = await host.sftp();
      assertEquals(there.connections, 1);
      await sftp.put(DATA, "/file", { onNote: (note) => void notes.push(note) });
      assertEquals(there.connections, 3);
      assert(same(await Deno.readFile(`${root.path}/file`), DATA));
      await sftp.put(new Uint8Array(100), "/small", { onNote: (note) => void notes.push(note) });
      const [first, ...later] = notes;
      assertEquals(first, "Spreading over 3 channels: one per connection");
      for (const note of later) assertMatch(note, /^3 channels: /); // and no more of them
      const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
      const [back] = await Promise.all([
        new Response(readable).arrayBuffer(),
        sftp.get("/file", writable),
      ]);
      assert(same(new Uint8Array(back), DATA));
      assertEquals([there.connections, asked], [3, 1]);
    }
    for (let i = 0; there.connections > 0 && i < 100; i++) await turn();
    assertEquals(there.connections, 0);
  });
}

Deno.test("a further connection with a different host key is not used", async () => {
  await using root = await folder();
  await using right = server(root.path);
  await using wrong = server(root.path, { hostKeys: [await generateKey()] });
  // The first connection reaches one server, and later ones another.
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const ends: Promise<unknown>[] = [];
  const relay = async () => {
    let { port } = right.addr;
    for await (const near of listener) {
      const far = await Deno.connect({ port });
      port = wrong.addr.port;
      ends.push(
        near.readable.pipeTo(far.writable).catch(() => {}),
        far.readable.pipeTo(near.writable).catch(() => {}),
      );
    }
  };
  const relaying = relay();
  const notes: string[] = [];
  {
    await using host = await connect({
      hostname: "127.0.0.1",
      port: listener.addr.port,
      user: "ann",
      auth: [methods.password!],
      hostKeys: () => true,
      connections: 2,
    });
    await using sftp = await host.sftp();
    await sftp.put(DATA, "/file", { onNote: (note) => void notes.push(note) });
    assert(same(await Deno.readFile(`${root.path}/file`), DATA));
  }
  assertStringIncludes(notes[1]!, "not the key of the first connection");
  listener.close();
  await relaying;
  await Promise.all(ends);
});

Deno.test("further connections use the connection to the jump host, which ends with the client", async () => {
  asked = 0;
  await using root = await folder();
  await using there = server(root.path);
  await using gateway = server(root.path, { forward: { local: () => true } });
  let checked = 0;
  const jump = {
    hostname: "127.0.0.1",
    port: gateway.addr.port,
    user: "ann",
    auth: [methods.password!],
    hostKeys: () => ++checked > 0,
  };
  const host = await connect({
    hostname: "127.0.0.1",
    port: there.addr.port,
    user: "ann",
    auth: [password("open sesame")],
    hostKeys: hostKey.publicKey,
    connections: 3,
    jump,
  });
  const sftp = await host.sftp();
  for (let i = 0; there.connections < 3 && i < 100; i++) await sftp.put(DATA, "/file");
  assertEquals([there.connections, gateway.connections, asked, checked], [3, 1, 1, 1]);
  await host.close();
  for (let i = 0; there.connections + gateway.connections > 0 && i < 100; i++) await turn();
  assertEquals([there.connections, gateway.connections], [0, 0]);
});

Deno.test("a further login that was refused is not repeated by later transfers", async () => {
  await using root = await folder();
  let logins = 0;
  await using there = server(root.path, { auth: { password: () => logins++ === 0 } });
  const notes: string[] = [];
  await using host = await connect({
    hostname: "127.0.0.1",
    port: there.addr.port,
    user: "ann",
    auth: [methods.password!],
    hostKeys: hostKey.publicKey,
    connections: 2,
  });
  await using sftp = await host.sftp();
  const isRefused = () => notes.some((note) => note.includes("Cannot log in"));
  const put = () => sftp.put(DATA, "/file", { onNote: (note) => void notes.push(note) });
  for (let i = 0; !isRefused() && i < 100; i++) await put();
  for (let i = 0; i < 3; i++) await put();
  assertEquals([isRefused(), logins], [true, 2]);
});

Deno.test("closing SFTP does not wait for a further connection; closing the client aborts it", async () => {
  await using root = await folder();
  await using there = server(root.path);
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const silent: Deno.Conn[] = [];
  const ends: Promise<unknown>[] = [];
  const opened = Promise.withResolvers<void>();
  const relay = async () => {
    for await (const near of listener) {
      if (ends.length > 0) {
        silent.push(near);
        opened.resolve();
        continue;
      }
      const far = await Deno.connect({ port: there.addr.port });
      ends.push(
        near.readable.pipeTo(far.writable).catch(() => {}),
        far.readable.pipeTo(near.writable).catch(() => {}),
      );
    }
  };
  const relaying = relay();
  const host = await connect({
    hostname: "127.0.0.1",
    port: listener.addr.port,
    user: "ann",
    auth: [methods.password!],
    hostKeys: () => true,
    connections: 2,
    timeout: 0,
  });
  const sftp = await host.sftp();
  await Promise.all([opened.promise, sftp.put(DATA, "/file")]);
  let isClosed = false;
  const closing = sftp.close().then(() => isClosed = true);
  for (let i = 0; !isClosed && i < 2000; i++) await turn();
  const wasClosed = isClosed;
  await host.close();
  await closing;
  assert(wasClosed);
  listener.close();
  await relaying;
  for (const conn of silent) conn.close();
  await Promise.all(ends);
});

for (const lost of [false, true]) {
  const what = lost ? "all of them arrive if one connection is lost" : "in turns";
  Deno.test(`small files use several connections, ${what}`, async () => {
    await using root = await folder();
    await using here = await folder();
    await using there = server(root.path);
    using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
    const conns: Deno.Conn[][] = [];
    const ends: Promise<unknown>[] = [];
    const bytes: number[] = [];
    const relay = async () => {
      for await (const near of listener) {
        const far = await Deno.connect({ port: there.addr.port });
        const at = conns.push([near, far]) - 1;
        bytes[at] = 0;
        const counting = new TransformStream<Uint8Array, Uint8Array>({
          transform(chunk, controller) {
            bytes[at]! += chunk.length;
            controller.enqueue(chunk);
          },
        });
        ends.push(
          near.readable.pipeThrough(counting).pipeTo(far.writable).catch(() => {}),
          far.readable.pipeTo(near.writable).catch(() => {}),
        );
      }
    };
    const relaying = relay();
    const [files, size] = [150, 200_000];
    await Deno.mkdir(`${here.path}/tree`);
    for (let i = 0; i < files; i++) {
      await Deno.writeFile(`${here.path}/tree/${i}`, DATA.subarray(i * 1000, i * 1000 + size));
    }
    {
      await using host = await connect({
        hostname: "127.0.0.1",
        port: listener.addr.port,
        user: "ann",
        auth: [methods.password!],
        hostKeys: hostKey.publicKey,
        connections: 3,
      });
      await using sftp = await host.sftp();
      let isCut = !lost;
      const result = await sftp.put(`${here.path}/tree`, "/tree", {
        recursive: true,
        inFlight: 4_000_000,
        onFile() {
          if (isCut || (bytes[1] ?? 0) < 2_000_000) return;
          isCut = true;
          for (const conn of conns[1]!) conn.close();
        },
      });
      assertEquals([result.files, isCut], [files, true]);
      const names = await Array.fromAsync(Deno.readDir(`${root.path}/tree`), ({ name }) => name);
      assertEquals(names.filter((name) => name.endsWith(".part")), []);
      for (let i = 0; i < files; i++) {
        const data = await Deno.readFile(`${root.path}/tree/${i}`);
        assert(same(data, DATA.subarray(i * 1000, i * 1000 + size)), `${i}`);
      }
      if (!lost) {
        for (const sent of bytes) assert(sent > files * size / 6, `${bytes}`);
        await sftp.get("/tree", `${here.path}/back`, { recursive: true });
        assert(same(await Deno.readFile(`${here.path}/back/7`), DATA.subarray(7000, 7000 + size)));
      }
    }
    listener.close();
    await relaying;
    await Promise.all(ends);
  });
}

Deno.test("a connection that was lost is connected again before another gets more channels", async () => {
  const lose: (() => void)[] = [];
  const used: number[] = [];
  const connections = new FurtherConnections({
    count: 2,
    again: () => {
      const { promise: closed, resolve } = Promise.withResolvers<void>();
      const number = lose.push(resolve);
      const openSession = () => (used.push(number), Promise.resolve(null as unknown as Channel));
      return Promise.resolve({ closed, openSession, close: () => Promise.resolve() });
    },
  });
  const open = () => connections.open((client) => client.openSession());
  for (let i = 0; i < 4; i++) await open(); // the third one is on the first connection
  assertEquals([used, lose.length], [[1, 2, 1], 2]);
  lose[0]!();
  await turn();
  for (let i = 0; i < 3; i++) await open();
  assertEquals([used, lose.length], [[1, 2, 1, 3, 2], 3]);
});

Deno.test("a given transport is only one connection", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const transport = { readable, writable };
  await assertRejects(() => connect({ transport, connections: 2 }), TypeError, "one connection");
  for (const connections of [0, 1.5, 65, "2"] as number[]) {
    await assertRejects(() => connect({ hostname: "x", connections }), TypeError, "connections");
  }
});
