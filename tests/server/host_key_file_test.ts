/** A server's key file: generated once, private to its owner, also if servers start in parallel. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { KeyFormatError, PassphraseError } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { hostKeyFile } from "@denossh/ssh/server";
import { runtime } from "../../lib/runtime/runtime.ts";
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
  await assertRejects(() => hostKeyFile(path), KeyFormatError);
  assertEquals(await Deno.readTextFile(path), "not a key");
  using key = await generateKey();
  await Deno.writeTextFile(path, key.export({ passphrase: "secret", rounds: 1 }));
  await assertRejects(() => hostKeyFile(path), PassphraseError);
});

Deno.test("hostKeyFile leaves no file if a key cannot be written", async () => {
  await using folder = await tempFolder();
  const { files } = runtime;
  const { link } = files;
  try {
    Object.assign(files, { link: () => Promise.reject(new Error("cannot link")) });
    await assertRejects(() => hostKeyFile(folder.join("key")), Error, "cannot link");
  } finally {
    Object.assign(files, { link });
  }
  assertEquals([...Deno.readDirSync(folder.path)].length, 0);
});
