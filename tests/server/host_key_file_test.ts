/** A server's key file: generated once, private to its owner, also if servers start in parallel. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { KeyFormatError, PassphraseError } from "@denossh/ssh";
import { generateKey, importPrivateKey, type PrivateKey } from "@denossh/ssh/keys";
import { hostKeyFile } from "@denossh/ssh/server";
import { runtime } from "../../lib/runtime/runtime.ts";
import { until } from "../connection/until.ts";
import { turn } from "../sftp/world.ts";
import { replaced } from "../support/replaced.ts";
import { tempFolder } from "../support/temp.ts";

Deno.test("hostKeyFile generates a key that only its owner may read, and later loads it", async () => {
  await using folder = await tempFolder();
  const path = folder.join("key");
  using made = await hostKeyFile(path, { type: "ecdsa-p256", comment: "test" });
  assertEquals([made.publicKey.type, made.comment], ["ecdsa-sha2-nistp256", "test"]);
  if (Deno.build.os !== "windows") assertEquals((await Deno.stat(path)).mode! & 0o777, 0o600);
  using found = await hostKeyFile(path);
  assert(found.publicKey.equals(made.publicKey));
  assertEquals([...Deno.readDirSync(folder.path)].length, 1);
});

Deno.test("hostKeyFile gives the same key to servers that start in parallel", async () => {
  await using folder = await tempFolder();
  const keys = await Promise.all(
    Array.from({ length: 5 }, () => hostKeyFile(folder.join("key"))),
  );
  for (const key of keys) assert(key.publicKey.equals(keys[0]!.publicKey));
  assertEquals([...Deno.readDirSync(folder.path)].length, 1);
});

Deno.test("hostKeyFile does not replace an unusable file", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("key", "not a key");
  await assertRejects(() => hostKeyFile(path), KeyFormatError, `Cannot load key "${path}": `);
  assertEquals(await Deno.readTextFile(path), "not a key");
  using key = await generateKey();
  await Deno.writeTextFile(path, key.export({ passphrase: "secret", rounds: 1 }));
  await assertRejects(() => hostKeyFile(path), PassphraseError);
});

type Open = Parameters<typeof runtime.files.open>;

/** Opens files on which calls of one method go to `instead`. */
function opening(
  name: "write" | "sync",
  instead: (file: { sync(): Promise<void> }) => Promise<never> | Promise<void>,
): typeof runtime.files.open {
  const { open } = runtime.files;
  return async (...args: Open) => {
    const file = await open.apply(runtime.files, args);
    const { sync } = file;
    return Object.assign(file, { [name]: () => instead({ sync: () => sync.call(file) }) });
  };
}

Deno.test("hostKeyFile leaves no file if a key cannot be written", async () => {
  const full = new Error("the disk is full");
  const fails = () => Promise.reject(full);
  const failures: [keyof typeof runtime.files, unknown][] = [
    ["link", fails],
    ["open", opening("write", fails)],
    ["open", opening("sync", fails)],
  ];
  for (const [name, failing] of failures) {
    await using folder = await tempFolder();
    using _files = replaced(runtime.files, name, failing as never);
    assertEquals(await assertRejects(() => hostKeyFile(folder.join("key"))), full);
    assertEquals([...Deno.readDirSync(folder.path)].length, 0);
  }
});

Deno.test("A key file has its name only once it is complete, and on the disk", async () => {
  await using folder = await tempFolder();
  const { files } = runtime;
  const { link } = files;
  const steps: string[] = [];
  using _open = replaced(
    files,
    "open",
    opening("sync", async ({ sync }) => {
      steps.push("sync");
      await sync();
    }),
  );
  using _link = replaced(files, "link", async (from, to) => {
    const names = [...Deno.readDirSync(folder.path)].map(({ name }) => folder.join(name));
    assertEquals([names, to], [[from], folder.join("key")]);
    importPrivateKey(await Deno.readTextFile(from)); // it is complete
    assertEquals((await Deno.stat(from)).mode! & 0o777, 0o600);
    steps.push("link");
    await link(from, to);
  });
  (await hostKeyFile(folder.join("key")))[Symbol.dispose]();
  assertEquals(steps, ["sync", "link"]);
});

Deno.test("hostKeyFile takes the key that another server has made in the meantime", async () => {
  await using folder = await tempFolder();
  const { files } = runtime;
  const { link } = files;
  using other = await generateKey();
  using _link = replaced(files, "link", async (from, to) => {
    await Deno.writeTextFile(to, other.export());
    await link(from, to);
  });
  using key = await hostKeyFile(folder.join("key"));
  assert(key.publicKey.equals(other.publicKey));
  assertEquals([...Deno.readDirSync(folder.path)].length, 1);
});

Deno.test("hostKeyFile gives the new key even if its file is removed immediately", async () => {
  await using folder = await tempFolder();
  let written = "";
  using _link = replaced(runtime.files, "link", async (from) => {
    written = await Deno.readTextFile(from);
  });
  using key = await hostKeyFile(folder.join("key"), { comment: "mine" });
  using expected = importPrivateKey(written);
  assert(key.publicKey.equals(expected.publicKey));
  assertEquals(key.comment, "mine");
  const signature = await key.sign("ssh-ed25519", Uint8Array.of(1));
  assert(expected.publicKey.verify("ssh-ed25519", Uint8Array.of(1), signature));
});

Deno.test("A new key is of ed25519 without a comment by default", async () => {
  await using folder = await tempFolder();
  using key = await hostKeyFile(folder.join("key"));
  assertEquals([key.publicKey.type, key.comment], ["ssh-ed25519", ""]);
});

Deno.test("hostKeyFile makes no key if the file cannot be read", async () => {
  await using folder = await tempFolder();
  const error = new Deno.errors.PermissionDenied("no");
  using _read = replaced(runtime.files, "readTextFile", () => Promise.reject(error));
  assertEquals(await assertRejects(() => hostKeyFile(folder.join("key"))), error);
  assertEquals([...Deno.readDirSync(folder.path)].length, 0);
});

Deno.test("hostKeyFile writes nothing if there is a key", async () => {
  await using folder = await tempFolder();
  using key = await generateKey();
  const path = await folder.write("key", key.export());
  const fails = () => Promise.reject(new Error("it is written"));
  using _open = replaced(runtime.files, "open", fails);
  using _link = replaced(runtime.files, "link", fails);
  using found = await hostKeyFile(path);
  assert(found.publicKey.equals(key.publicKey));
});

Deno.test("hostKeyFile wipes the key that it made, closes its file and waits until that is removed", async () => {
  await using folder = await tempFolder();
  using sample = await generateKey();
  const prototype: Disposable = Object.getPrototypeOf(sample);
  const dispose = prototype[Symbol.dispose];
  const wiped: unknown[] = [];
  using _dispose = replaced(prototype, Symbol.dispose, function (this: Disposable) {
    wiped.push(this);
    dispose.call(this);
  });
  const removing = Promise.withResolvers<void>();
  const { remove, open } = runtime.files;
  let closed = 0;
  using _open = replaced(runtime.files, "open", async (...args) => {
    const file = await open.apply(runtime.files, args);
    const close = file[Symbol.dispose];
    return Object.assign(file, { [Symbol.dispose]: () => (closed++, close.call(file)) });
  });
  using _remove = replaced(runtime.files, "remove", async (path) => {
    assertEquals(closed, 1);
    await remove(path);
    await removing.promise;
  });
  let key: PrivateKey | null = null;
  const making = hostKeyFile(folder.join("key")).then((made) => key = made);
  await until(() => Deno.readDirSync(folder.path).toArray().length === 1 && closed === 1);
  await turn();
  assertEquals([key, wiped.length], [null, 0]);
  removing.resolve();
  using found = await making;
  assertEquals(wiped.length, 1);
  assert(wiped[0] !== found);
});
