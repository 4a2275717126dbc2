/** The example of an object store, with a real one, our client and OpenSSH's. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { importPrivateKey } from "@denossh/ssh/keys";
import { SftpError, SftpStatus } from "@denossh/ssh/sftp";
import { type Endpoint, writeKnownHosts } from "../support/endpoint.ts";
import { keyFile } from "../support/keys.ts";
import { connectTo, noise, sha256 } from "../support/ours.ts";
import { startExample } from "../support/example.ts";
import { must } from "../support/run.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";
import { within } from "../support/within.ts";
import { control } from "./harness/control.ts";
import { runClient } from "./harness/openssh_clients.ts";
import { peerTest } from "./harness/peers.ts";
import { type ObjectStore, startWeed } from "./harness/weed.ts";

const example = (name: string) => new URL(`../../examples/${name}`, import.meta.url).pathname;
const programs = ["s3_server.ts", "s3_backend.ts"].map(example);
const MEBIBYTE = 1024 * 1024;

/** A bucket, and the example server for it. */
interface World extends AsyncDisposable {
  readonly folder: TempFolder;
  readonly endpoint: Endpoint;
  /** The keys in the store, as listed by the store. */
  keys(): Promise<string[]>;
  /** The unfinished multipart uploads. */
  uploads(): Promise<string[]>;
  /** Sends the store a request about an object. */
  object(method: string, key: string, body?: string): Promise<Response>;
}

async function world(): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await tempFolder());
  const store = stack.use(await startWeed());
  await makeBucket(store);
  const { path } = await keyFile("ed25519", "user");
  const args = ["files", `${path}.pub`, folder.join("host_key"), "0"];
  const program = stack.use(startExample("s3_server.ts", args, store.env));
  const [, port] = await program.waitFor(/Listening on port (\d+)/);
  const { publicKey } = importPrivateKey(await Deno.readTextFile(folder.join("host_key")));
  const knownHosts = await writeKnownHosts(folder, Number(port), [`${publicKey}`]);
  const endpoint = {
    ...{ hostname: "127.0.0.1", port: Number(port), user: "tester" },
    ...{ identity: path, knownHosts },
  };
  const named = async (query: string) => {
    const text = await (await fetch(`${store.url}/files?${query}`)).text();
    return [...text.matchAll(/<Key>([^<]*)<\/Key>/g)].map(([, key]) => key!);
  };
  const owned = stack.move();
  return {
    folder,
    endpoint,
    keys: () => named("list-type=2"),
    uploads: () => named("uploads"),
    object: (method, key, body) =>
      fetch(`${store.url}/files/${key}`, { method, ...(body !== undefined && { body }) }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function makeBucket({ url }: ObjectStore): Promise<void> {
  const made = await fetch(`${url}/files`, { method: "PUT" });
  assertEquals([made.status, await made.text()], [200, ""]);
}

/** The control: the store keeps an object without our code, and the SDK can be installed. */
function failedControl(): Promise<string | null> {
  return control("weed", "an object is kept", async () => {
    await must(Deno.execPath(), ["cache", ...programs]);
    await using store = await startWeed();
    await makeBucket(store);
    const url = `${store.url}/files/a`;
    await (await fetch(url, { method: "PUT", body: "hello" })).body?.cancel();
    assertEquals(await (await fetch(url)).text(), "hello");
  }, "its own interface");
}

/** Waits until a condition holds in the store. */
async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  let isOver = false;
  const ask = async () => {
    while (!isOver && !await holds());
  };
  await within(ask(), what).finally(() => isOver = true);
}

await peerTest(["weed"], "Our client keeps files in an object store", async (t) => {
  await using it = await world();
  await using host = await connectTo(it.endpoint);
  await using sftp = await host.sftp();
  const bytes = noise(50 * MEBIBYTE);

  await t.step("50 MiB are uploaded in parts, moved to their name, and downloaded", async () => {
    const local = await it.folder.write("big", bytes);
    assertEquals((await sftp.put(local, "/deep/er/big")).warnings, []);
    assertEquals(await it.keys(), ["deep/er/big"]);
    const head = await it.object("HEAD", "deep/er/big");
    assertEquals(head.headers.get("content-length"), `${bytes.length}`);
    await sftp.get("/deep/er/big", it.folder.join("back"));
    const back = await Deno.readFile(it.folder.join("back"));
    assertEquals(await sha256(back), await sha256(bytes));
    for (const atomic of [true, false]) {
      const { warnings } = await sftp.put(local, "/direct", { atomic });
      assertEquals(warnings, []);
    }
    assertEquals((await sftp.stat("/direct")).size, bytes.length);
  });
  await t.step("a range is read, and then an earlier one", async () => {
    await using file = await sftp.open("/deep/er/big");
    for (const offset of [40 * MEBIBYTE + 7, 3, bytes.length - 5]) {
      await file.seek(offset, Deno.SeekMode.Start);
      const into = new Uint8Array(1000);
      const count = await file.read(into);
      assertEquals(into.subarray(0, count!), bytes.slice(offset, offset + 1000));
    }
    assertEquals((await file.stat()).size, bytes.length);
    await (await it.object("PUT", "deep/er/big", "another object")).body?.cancel();
    await file.seek(5, Deno.SeekMode.Start);
    await refused(file.read(new Uint8Array(5)), SftpStatus.FAILURE); // never a mix of the two
  });
  await t.step("a listing of many pages has folders and objects", async () => {
    const names = Array.from({ length: 1_200 }, (_, i) => `n${i}`);
    for (let i = 0; i < names.length; i += 50) {
      const some = names.slice(i, i + 50).map((name) => it.object("PUT", `many/${name}`, name));
      for (const put of await Promise.all(some)) await put.body?.cancel();
    }
    await sftp.mkdir("/many/folder");
    const listed = await Array.fromAsync(sftp.readDir("/many"));
    assertEquals(listed.map(({ name }) => name).sort(), [...names, "folder"].sort());
    assertEquals(listed.filter((it) => it.isDirectory).map(({ name }) => name), ["folder"]);
    assertEquals((await sftp.stat("/many/n77")).size, 3);
    assert((await sftp.stat("/many")).isDirectory);
  });
  await t.step("names are any text, and a move does not overwrite", async () => {
    await sftp.writeTextFile("/ä +%?#&/ 1 ü", "one");
    await sftp.writeTextFile("/two", "two");
    await sftp.rename("/ä +%?#&/ 1 ü", "/ä +%?#&/~'(2)");
    assertEquals(await sftp.readTextFile("/ä +%?#&/~'(2)"), "one");
    const keep = sftp.rename("/ä +%?#&/~'(2)", "/two", { overwrite: false });
    await refused(keep, SftpStatus.FAILURE);
    await sftp.rename("/ä +%?#&/~'(2)", "/two", { overwrite: true });
    await sftp.rename("/two", "/two", { overwrite: true });
    assertEquals(await sftp.readTextFile("/two"), "one");
  });
  await t.step("an empty file is an object", async () => {
    await sftp.writeFile("/empty", new Uint8Array(0));
    assertEquals((await sftp.stat("/empty")).size, 0);
    assertEquals(await sftp.readTextFile("/empty"), "");
  });
  await t.step("unsupported operations are refused, and change nothing", async () => {
    await refused(sftp.chmod("/two", 0o600), SftpStatus.OP_UNSUPPORTED);
    await refused(sftp.open("/two", { append: true }), SftpStatus.OP_UNSUPPORTED);
    await refused(sftp.open("/two", { write: true }), SftpStatus.OP_UNSUPPORTED);
    await refused(sftp.rename("/many", "/few"), SftpStatus.OP_UNSUPPORTED);
    await refused(sftp.symlink("/two", "/three"), SftpStatus.OP_UNSUPPORTED);
    await refused(sftp.open("/two", { write: true, createNew: true }), SftpStatus.FAILURE);
    await refused(sftp.open("/none"), SftpStatus.NO_SUCH_FILE);
    for (const path of ["/many", "/"]) await refused(sftp.remove(path), SftpStatus.FAILURE);
    const file = await sftp.open("/two", { write: true, create: true, truncate: true });
    await file.seek(10, Deno.SeekMode.Start);
    await file.write(new Uint8Array(10)).catch(() => {}); // reported now or at the end
    await assertRejects(() => file.close(), SftpError);
    assertEquals(await sftp.readTextFile("/two"), "one");
  });
  await t.step("an interrupted upload leaves nothing", async () => {
    for (const size of [MEBIBYTE, 40 * MEBIBYTE]) await broken(it, size);
    assertEquals((await it.keys()).filter((key) => key.startsWith("broken")), []);
  });
}, failedControl);

/** Writes bytes to a file, and disconnects. */
async function broken(it: World, size: number): Promise<void> {
  const host = await connectTo(it.endpoint);
  const sftp = await host.sftp();
  const file = await sftp.open("/broken", { write: true, create: true, truncate: true });
  const bytes = noise(MEBIBYTE);
  for (let sent = 0; sent < size; sent += bytes.length) await file.write(bytes);
  assertEquals((await file.stat()).size, size); // so that all are written
  const inParts = size > 8 * MEBIBYTE;
  if (inParts) await until("An upload in parts", async () => (await it.uploads()).length === 1);
  await host.close();
  await until("The end of it", async () => (await it.uploads()).length === 0);
  const there = await it.object("HEAD", "broken");
  assertEquals(there.status, 404);
}

async function refused(call: Promise<unknown>, status: number): Promise<void> {
  const error = await assertRejects(() => call, SftpError);
  assertEquals(error.status, status, error.message);
}

await peerTest(["weed", "sftp"], "OpenSSH's sftp keeps files in an object store", async () => {
  await using it = await world();
  const local = await it.folder.write("local", noise(20 * MEBIBYTE));
  const longer = await it.folder.write("longer", noise(21 * MEBIBYTE));
  const { code, text, stderr } = await runClient("sftp", it.endpoint, [
    "mkdir folder",
    `put ${local} folder/big`,
    "ls -l folder",
    "rename folder/big folder/moved",
    `get folder/moved ${it.folder.join("back")}`,
    "-rmdir folder",
    "-chmod 600 folder/moved",
    `-reput ${longer} folder/moved`,
    "-get none",
    "rm folder/moved",
    "rmdir folder",
    "ls -la",
    "pwd",
  ]);
  assertEquals(code, 0, stderr);
  assertMatch(text, /-rw-r--r-- .* 20971520 .* (folder\/)?big\n/);
  assertMatch(text, /ls -la\nsftp> pwd\nRemote working directory: \/\n$/);
  const refusals = ['rmdir "/folder": Failure', 'setstat "/folder/moved": Operation unsupported'];
  for (const part of [...refusals, 'open "/folder/moved": Operation unsupported', '"/none" not']) {
    assertStringIncludes(stderr, part);
  }
  const [sent, back] = await Promise.all(
    [local, it.folder.join("back")].map((path) => Deno.readFile(path)),
  );
  assertEquals(await sha256(back!), await sha256(sent!));
  assertEquals(await it.keys(), []);
}, failedControl);
