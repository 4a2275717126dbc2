import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { keyFile } from "../interop/harness/keys.ts";
import { peerTest } from "../interop/harness/peers.ts";
import { must, run } from "../support/run.ts";
import { tempFolder } from "../support/temp.ts";
import { askpass, CLI, cli } from "./world.ts";

/** Runs keygen where there is no terminal to ask at. */
function keygen(...args: string[]) {
  return cli(["keygen", ...args], { env: { SSH_ASKPASS_REQUIRE: "never" } });
}

for (
  const [name, flags, type] of [
    ["ed25519", ["-t", "ed25519"], "256 (ED25519)"],
    ["ecdsa", ["-t", "ecdsa"], "256 (ECDSA)"],
    ["ecdsa of 521 bits", ["-t", "ecdsa", "-b", "521"], "521 (ECDSA)"],
    ["rsa", ["-t", "rsa", "-b", "2048"], "2048 (RSA)"],
    ["ed25519 unless told", [], "256 (ED25519)"],
  ] as const
) {
  await peerTest(["ssh-keygen"], `keygen makes keys that ssh-keygen reads: ${name}`, async () => {
    await using folder = await tempFolder();
    const file = folder.join("key");
    const ran = await keygen(...flags, "-f", file, "-N", "open sesame", "-C", "me@home");
    assertEquals([ran.code, ran.stderr], [0, ""]);
    const listed = (await must("ssh-keygen", ["-l", "-f", file])).text;
    assertEquals(listed.replace(/SHA256:\S+ /, ""), type.replace(" ", " me@home ") + "\n");
    const line = (await must("ssh-keygen", ["-y", "-P", "open sesame", "-f", file])).text;
    assertEquals(line, await Deno.readTextFile(`${file}.pub`));
    assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
    assertEquals((await Deno.stat(`${file}.pub`)).mode! & 0o777, 0o644);
  });
}

await peerTest(["ssh-keygen"], "keygen says what ssh-keygen says", async () => {
  await using folder = await tempFolder();
  const texts: string[] = [];
  for (const tool of ["ours", "theirs"]) {
    const file = folder.join(tool);
    const args = ["-t", "ed25519", "-f", file, "-N", "", "-C", "me"];
    const { text } = tool === "ours" ? await keygen(...args) : await must("ssh-keygen", args);
    // The key differs, and so do its fingerprint and its picture.
    texts.push(
      text.replaceAll(file, "FILE").replace(/SHA256:\S+/, "SHA256:…").replace(/^\|.*\|$/gm, "|"),
    );
  }
  assertEquals(texts[0], texts[1]);
});

await peerTest(["ssh-keygen"], "keygen shows fingerprints and pictures as ssh-keygen", async () => {
  await using folder = await tempFolder();
  const keys = await Promise.all(
    (["ed25519", "ecdsa256", "ecdsa384", "rsa"] as const).map((kind) => keyFile(kind, "user")),
  );
  const lines = keys.map(({ publicKey }) => `${publicKey}\n`).join("");
  const bare = keys.map(({ publicKey }) => publicKey.split(" ").slice(0, 2).join(" "));
  const files = [
    ...keys.map(({ path }) => path),
    ...keys.map(({ path }) => `${path}.pub`),
    await folder.write("authorized_keys", `# all\n\n${lines}`),
    await folder.write("no_comment.pub", `${bare[0]}\n`),
  ];
  for (const file of files) {
    const theirs = (await must("ssh-keygen", ["-l", "-v", "-f", file])).text;
    assertEquals((await keygen("-lvf", file)).text, theirs, file);
  }
});

await peerTest(["ssh-keygen"], "keygen -y prints the public key of a private one", async () => {
  await using folder = await tempFolder();
  const { path, publicKey } = await keyFile("rsa", "user");
  assertEquals((await keygen("-y", "-f", path)).text, `${publicKey}\n`);
  const locked = folder.join("locked");
  await must("ssh-keygen", ["-q", "-t", "ed25519", "-N", "open sesame", "-f", locked]);
  const right = await keygen("-y", "-P", "open sesame", "-f", locked);
  assertEquals(right.text, await Deno.readTextFile(`${locked}.pub`));
  const wrong = await keygen("-y", "-P", "wrong", "-f", locked);
  const theirs = await run("ssh-keygen", ["-y", "-P", "wrong", "-f", locked]);
  assertEquals([wrong.code, wrong.stderr], [theirs.code, theirs.stderr.replaceAll("\r", "")]);
});

Deno.test("keygen overwrites nothing without being told", async () => {
  await using folder = await tempFolder();
  const file = await folder.write("key", "precious");
  for (const answer of [null, "n", "y"]) {
    const script = await folder.write("answer", `#!/bin/sh\necho ${answer}\n`, 0o700);
    const env: Record<string, string> = answer === null
      ? {}
      : { SSH_ASKPASS: script, SSH_ASKPASS_REQUIRE: "force" };
    // setsid: no terminal, even if the tests run at one.
    const args = ["keygen", "-q", "-f", file, "-N", ""];
    const ran = answer === null ? await detached(args) : await cli(args, { env });
    assertEquals(ran.code, answer === "y" ? 0 : 1, ran.stderr);
    assertEquals(await Deno.readTextFile(file) === "precious", answer !== "y");
    if (answer === null) assertEquals(ran.stderr, `${file} already exists.\n`);
  }
  assertMatch(await Deno.readTextFile(file), /^-----BEGIN OPENSSH PRIVATE KEY-----\n/);
  const left = [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  assertEquals(left, ["answer", "key", "key.pub"]);
});

async function detached(args: readonly string[]) {
  return await run("setsid", ["-w", ...CLI, ...args]);
}

Deno.test("keygen asks for a passphrase twice", async () => {
  await using folder = await tempFolder();
  const same = await folder.write("same", "#!/bin/sh\necho secret\n", 0o700);
  const other = await folder.write("other", "#!/bin/sh\necho $$\n", 0o700);
  const file = folder.join("key");
  const env = (path: string) => ({ SSH_ASKPASS: path, SSH_ASKPASS_REQUIRE: "force" });
  const differs = await cli(["keygen", "-f", file], { env: env(other) });
  assertEquals([differs.code, differs.stderr], [1, "Passphrases do not match.\n"]);
  assertEquals((await cli(["keygen", "-q", "-f", file], { env: env(same) })).code, 0);
  assertEquals((await keygen("-y", "-P", "secret", "-f", file)).code, 0);
});

Deno.test("keygen asks for what -p and -c need and were not given", async () => {
  await using folder = await tempFolder();
  const file = folder.join("key");
  assertEquals((await keygen("-q", "-f", file, "-N", "old", "-a", "1", "-C", "me")).code, 0);
  const changed = await cli(["keygen", "-p", "-a", "1", "-f", file], {
    env: await askpass(folder, ["old", "new", "new"]),
  });
  assertEquals([changed.code, changed.stderr], [0, ""]);
  assertStringIncludes(changed.text, "saved with the new passphrase");
  const renamed = await cli(["keygen", "-c", "-a", "1", "-f", file], {
    env: await askpass(folder, ["new", "my key"]),
  });
  assertEquals([renamed.code, renamed.stderr], [0, ""]);
  const shown = await keygen("-y", "-P", "new", "-f", file);
  assertMatch(shown.text, /^ssh-ed25519 AAAA\S+ my key\n$/);
  assertEquals(await Deno.readTextFile(`${file}.pub`), shown.text);
  const differs = await cli(["keygen", "-p", "-f", file], {
    env: await askpass(folder, ["new", "one", "another"]),
  });
  assertEquals([differs.code, differs.stderr], [1, "Passphrases do not match.\n"]);
  assertEquals((await keygen("-y", "-P", "new", "-f", file)).code, 0);
});

Deno.test("keygen makes keys for PuTTY, and brings them back", async () => {
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
