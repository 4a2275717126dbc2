import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { importPrivateKey } from "../../lib/keys/mod.ts";
import { main } from "../../lib/cli/main.ts";
import { tempFolder } from "../support/temp.ts";
import { captured } from "./captured.ts";
import { askpass, cli } from "./world.ts";

/** Runs keygen without a terminal. */
function keygen(...args: string[]) {
  return captured(main, ["keygen", ...args], { env: { SSH_ASKPASS_REQUIRE: "never" } });
}

for (
  const [name, flags, type, bits] of [
    ["ed25519", ["-t", "ed25519"], "ssh-ed25519", 256],
    ["ecdsa of 521 bits", ["-t", "ecdsa", "-b", "521"], "ecdsa-sha2-nistp521", 521],
    ["rsa", ["-t", "rsa", "-b", "2048"], "ssh-rsa", 2048],
    ["ed25519 by default", [], "ssh-ed25519", 256],
  ] as const
) {
  Deno.test(`keygen makes a key of ${name}, and prints its public half`, async () => {
    await using folder = await tempFolder();
    const file = folder.join("key");
    const ran = await keygen(...flags, "-a", "1", "-f", file, "-N", "open sesame", "-C", "me@home");
    assertEquals([ran.code, ran.stderr], [0, ""]);
    using key = importPrivateKey(await Deno.readTextFile(file), { passphrase: "open sesame" });
    assertEquals([key.publicKey.type, key.publicKey.bits], [type, bits]);
    assertEquals(await Deno.readTextFile(`${file}.pub`), `${key.publicKey}\n`);
    const told = await keygen("-y", "-P", "open sesame", "-f", file);
    assertEquals(told.text, `${key.publicKey}\n`);
    assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
    assertEquals((await Deno.stat(`${file}.pub`)).mode! & 0o777, 0o644);
  });
}

Deno.test("keygen overwrites nothing without consent", async () => {
  await using folder = await tempFolder();
  const file = await folder.write("key", "precious");
  for (const answer of ["n", "y"]) {
    const script = await folder.write("answer", `#!/bin/sh\necho ${answer}\n`, 0o700);
    const env = { SSH_ASKPASS: script, SSH_ASKPASS_REQUIRE: "force" };
    const ran = await captured(main, ["keygen", "-q", "-f", file, "-N", ""], { env });
    assertEquals(ran.code, answer === "y" ? 0 : 1, ran.stderr);
    assertEquals(await Deno.readTextFile(file) === "precious", answer !== "y");
  }
  assertMatch(await Deno.readTextFile(file), /^-----BEGIN OPENSSH PRIVATE KEY-----\n/);
  const left = [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  assertEquals(left, ["answer", "key", "key.pub"]);
});

Deno.test("keygen asks for a passphrase twice", async () => {
  await using folder = await tempFolder();
  const same = await folder.write("same", "#!/bin/sh\necho secret\n", 0o700);
  const other = await folder.write("other", "#!/bin/sh\necho $$\n", 0o700);
  const file = folder.join("key");
  const env = (path: string) => ({ SSH_ASKPASS: path, SSH_ASKPASS_REQUIRE: "force" });
  const differs = await captured(main, ["keygen", "-f", file], { env: env(other) });
  assertEquals([differs.code, differs.stderr], [1, "Passphrases do not match.\n"]);
  assertEquals(
    (await captured(main, ["keygen", "-q", "-a", "1", "-f", file], { env: env(same) })).code,
    0,
  );
  assertEquals((await keygen("-y", "-P", "secret", "-f", file)).code, 0);
});

Deno.test("keygen prompts for missing arguments of -p and -c", async () => {
  await using folder = await tempFolder();
  const file = folder.join("key");
  assertEquals((await keygen("-q", "-f", file, "-N", "old", "-a", "1", "-C", "me")).code, 0);
  const changed = await captured(main, ["keygen", "-p", "-a", "1", "-f", file], {
    env: await askpass(folder, ["old", "new", "new"]),
  });
  assertEquals([changed.code, changed.stderr], [0, ""]);
  assertStringIncludes(changed.text, "saved with the new passphrase");
  const renamed = await captured(main, ["keygen", "-c", "-a", "1", "-f", file], {
    env: await askpass(folder, ["new", "my key"]),
  });
  assertEquals([renamed.code, renamed.stderr], [0, ""]);
  const shown = await keygen("-y", "-P", "new", "-f", file);
  assertMatch(shown.text, /^ssh-ed25519 AAAA\S+ my key\n$/);
  assertEquals(await Deno.readTextFile(`${file}.pub`), shown.text);
  const differs = await captured(main, ["keygen", "-p", "-f", file], {
    env: await askpass(folder, ["new", "one", "another"]),
  });
  assertEquals([differs.code, differs.stderr], [1, "Passphrases do not match.\n"]);
  assertEquals((await keygen("-y", "-P", "new", "-f", file)).code, 0);
});

Deno.test("keygen converts keys to PuTTY's format and back", async () => {
  await using folder = await tempFolder();
  const file = folder.join("key.ppk");
  assertEquals((await keygen("-q", "-m", "PPK", "-f", file, "-N", "", "-C", "me")).code, 0);
  assertMatch(await Deno.readTextFile(file), /^PuTTY-User-Key-File-3: ssh-ed25519\n/);
  const { text } = await keygen("-y", "-f", file);
  assertEquals(text, await Deno.readTextFile(`${file}.pub`));
  assertEquals((await keygen("-c", "-f", file, "-P", "", "-C", "you")).code, 0);
  assertMatch(await Deno.readTextFile(file), /^Comment: you$/m);
  const { text: imported } = await keygen("-i", "-f", file);
  assertMatch(imported, /^-----BEGIN OPENSSH PRIVATE KEY-----\n/);
  assertEquals((await keygen("-p", "-f", file, "-P", "", "-N", "")).code, 0);
  assertMatch(await Deno.readTextFile(file), /^-----BEGIN OPENSSH PRIVATE KEY-----\n/);
});

for (
  const [name, args, code, message] of [
    ["an unknown type", ["-t", "dsa"], 255, "unknown key type dsa"],
    ["an odd size", ["-t", "ecdsa", "-b", "400"], 255, "Invalid ECDSA key length"],
    [
      "a small RSA key",
      ["-t", "rsa", "-b", "1024"],
      255,
      "Invalid RSA key length: minimum is 2048",
    ],
    ["a large RSA key", ["-t", "rsa", "-b", "8192", "-f", "x", "-N", ""], 1, "An RSA key has"],
    ["a size that is none", ["-t", "rsa", "-b", "many"], 255, "Bits has bad value many"],
    ["an argument", ["extra"], 1, "Too many arguments"],
    ["an unknown flag", ["-X"], 1, "unknown option -- X"],
    ["a missing file", ["-l", "-f", "/nothing/there"], 255, "/nothing/there: No such file"],
    ["a file without keys", ["-l", "-f", "/dev/null"], 255, "is not a public key file."],
  ] as const
) {
  Deno.test(`keygen refuses ${name}`, async () => {
    await using folder = await tempFolder();
    const ran = await cli(["keygen", ...args], { cwd: folder.path });
    assertEquals(ran.code, code);
    assertStringIncludes(ran.stderr, message);
    assert([...Deno.readDirSync(folder.path)].length === 0, "It wrote a file");
  });
}
