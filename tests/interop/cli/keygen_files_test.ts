import { assertEquals } from "@std/assert";
import { keyFile } from "../harness/keys.ts";
import { peerTest } from "../harness/peers.ts";
import { must, run } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";
import { CLI, cli } from "../../cli/world.ts";

/** Runs keygen without a terminal. */
function keygen(...args: string[]) {
  return cli(["keygen", ...args], { env: { SSH_ASKPASS_REQUIRE: "never" } });
}

for (
  const [name, flags, type] of [
    ["ed25519", ["-t", "ed25519"], "256 (ED25519)"],
    ["ecdsa", ["-t", "ecdsa"], "256 (ECDSA)"],
    ["ecdsa of 521 bits", ["-t", "ecdsa", "-b", "521"], "521 (ECDSA)"],
    ["rsa", ["-t", "rsa", "-b", "2048"], "2048 (RSA)"],
    ["ed25519 by default", [], "256 (ED25519)"],
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

await peerTest(["ssh-keygen"], "keygen has ssh-keygen's output", async () => {
  await using folder = await tempFolder();
  const texts: string[] = [];
  for (const tool of ["ours", "theirs"]) {
    const file = folder.join(tool);
    const args = ["-t", "ed25519", "-f", file, "-N", "", "-C", "me"];
    const { text } = tool === "ours" ? await keygen(...args) : await must("ssh-keygen", args);
    // The keys differ, and so do fingerprint and randomart.
    texts.push(
      text.replaceAll(file, "FILE").replace(/SHA256:\S+/, "SHA256:…").replace(/^\|.*\|$/gm, "|"),
    );
  }
  assertEquals(texts[0], texts[1]);
});

await peerTest(
  ["ssh-keygen"],
  "keygen shows the fingerprints and randomart of ssh-keygen",
  async () => {
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
  },
);

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

await peerTest(["setsid"], "keygen overwrites nothing without a terminal", async () => {
  await using folder = await tempFolder();
  const file = await folder.write("key", "precious");
  // setsid removes the terminal that the tests may run on.
  const ran = await run("setsid", ["-w", ...CLI, "keygen", "-q", "-f", file, "-N", ""]);
  assertEquals([ran.code, ran.stderr], [1, `${file} already exists.\n`]);
  assertEquals(await Deno.readTextFile(file), "precious");
});
