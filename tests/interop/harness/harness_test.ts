/** OpenSSH with itself: tests of the harness, not of our code. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { runClient } from "./openssh_clients.ts";
import { peerTest } from "./peers.ts";
import { Program } from "../../support/program.ts";
import { noise } from "../../support/random.ts";
import { must, run } from "../../support/run.ts";
import { startSshd } from "./sshd.ts";
import { tempFolder } from "../../support/temp.ts";

const MEBIBYTE = noise(65536).toHex().repeat(8);

await peerTest(["sshd", "ssh"], "a test's sshd serves ssh with a key", async () => {
  await using server = await startSshd({ config: { Ciphers: "aes128-ctr", RekeyLimit: "512K" } });
  const ran = await runClient("ssh", server, ["cat; echo err >&2; exit 7"], {
    stdin: MEBIBYTE,
    flags: ["-v"],
    config: { LogLevel: "DEBUG1" },
  });
  assertEquals(ran.code, 7, ran.stderr);
  assertEquals(ran.text, MEBIBYTE);
  assertStringIncludes(ran.stderr, "cipher: aes128-ctr");
  assert(ran.stderr.match(/SSH2_MSG_NEWKEYS received/g)!.length > 1, "no rekey");
  await server.waitFor(/Accepted publickey for/);
});

await peerTest(["sshd", "ssh", "root"], "sshd accepts a password", async () => {
  await using server = await startSshd({ login: "password" });
  const { user, ...rest } = server;
  const ran = await runClient("ssh", { ...rest, user, identity: undefined }, ["id -un"]);
  assertEquals([ran.text.trim(), ran.code], [user, 0], ran.stderr);
  await server.waitFor(/Accepted password for/);
  const wrong = { ...rest, user, identity: undefined, answers: ["wrong"] };
  assertEquals((await runClient("ssh", wrong, ["true"])).code, 255);
});

await peerTest(["sshd", "ssh", "root"], "sshd accepts keyboard-interactive", async () => {
  await using server = await startSshd({ login: "interactive" });
  const ran = await runClient("ssh", { ...server, identity: undefined }, ["id -un"]);
  assertEquals([ran.text.trim(), ran.code], [server.user, 0], ran.stderr);
  await server.waitFor(/Accepted keyboard-interactive\/pam for/);
});

await peerTest(
  ["sshd", "ssh"],
  "A command that outlives its connection ends with sshd",
  async () => {
    await using folder = await tempFolder();
    const fifo = folder.join("fifo");
    await must("mkfifo", [fifo]);
    const server = await startSshd();
    // The background command holds the pipe open for writing, so the reader ends when it ends.
    await using reader = new Program("sh", { args: ["-c", `cat < ${fifo}; echo closed`] });
    const ran = await runClient("ssh", server, [
      `sh -c 'echo started; exec sleep 600' > ${fifo} 2>&1 < /dev/null & echo left`,
    ]);
    assertEquals(ran.text, "left\n", ran.stderr);
    await reader.waitFor(/started/);
    await server[Symbol.asyncDispose]();
    await reader.waitFor(/closed/);
  },
);

await peerTest(["sshd", "sftp", "scp"], "sftp and scp carry files to sshd and back", async () => {
  await using folder = await tempFolder();
  await using server = await startSshd();
  const local = await folder.write("local", MEBIBYTE);
  const put = await runClient("sftp", server, [`put ${local} ${folder.join("there")}`]);
  assertEquals(put.code, 0, put.stderr);
  const args = [`remote:${folder.join("there")}`, folder.join("back")];
  const got = await runClient("scp", server, args);
  assertEquals(got.code, 0, got.stderr);
  assertEquals(await Deno.readTextFile(folder.join("back")), MEBIBYTE);
});

await peerTest(["sshd", "ssh"], "ssh refuses a host key that is not in known_hosts", async () => {
  await using one = await startSshd({ hostKeys: ["ed25519"] });
  await using folder = await tempFolder();
  const knownHosts = await folder.write("known_hosts", "");
  const ran = await runClient("ssh", { ...one, knownHosts }, ["true"]);
  assertEquals(ran.code, 255);
  assertStringIncludes(ran.stderr, "Host key verification failed");
});

Deno.test("A program that ends too early fails the wait with its log", async () => {
  await using program = new Program("sh", { args: ["-c", "echo so sorry >&2; exit 1"] });
  await assertRejects(() => program.waitFor(/ready/), Error, "so sorry");
});

Deno.test("A program that takes too long is killed and its error output reported", async () => {
  const slow = run("sh", ["-c", "echo waiting >&2; exec sleep 60"], { timeout: 300 });
  await assertRejects(() => slow, Error, "waiting");
});
