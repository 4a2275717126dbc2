/** Foreign peers against each other: what these show to work is the harness, not our code. */
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { startDropbear } from "./dropbear.ts";
import { runForeign } from "./foreign_clients.ts";
import { startForeign } from "./foreign_server.ts";
import { runClient, runDbclient } from "./openssh_clients.ts";
import { peerTest } from "./peers.ts";
import { Program } from "../../support/program.ts";
import { noise } from "../../support/random.ts";
import { must, run } from "../../support/run.ts";
import { startSshd } from "./sshd.ts";
import { tempFolder } from "../../support/temp.ts";

const MEBIBYTE = noise(65536).toHex().repeat(8);

await peerTest(["sshd", "ssh"], "sshd of a test's own serves ssh with a key", async () => {
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

await peerTest(["sshd", "ssh", "root"], "sshd lets a user in with a password", async () => {
  await using server = await startSshd({ login: "password" });
  const { user, ...rest } = server;
  const ran = await runClient("ssh", { ...rest, user, identity: undefined }, ["id -un"]);
  assertEquals([ran.text.trim(), ran.code], [user, 0], ran.stderr);
  await server.waitFor(/Accepted password for/);
  const wrong = { ...rest, user, identity: undefined, answers: ["wrong"] };
  assertEquals((await runClient("ssh", wrong, ["true"])).code, 255);
});

await peerTest(["sshd", "ssh", "root"], "sshd lets a user in by keyboard-interactive", async () => {
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
    // The background command holds the pipe open for writing, so that its end is the reader's end.
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

await peerTest(["dropbear", "dbclient", "root"], "dropbear serves dbclient", async () => {
  await using server = await startDropbear({ hostKeys: ["ed25519", "ecdsa256", "rsa"] });
  const ran = await runDbclient(server, ["cat; exit 3"], { stdin: MEBIBYTE });
  assertEquals([ran.text === MEBIBYTE, ran.code], [true, 3], ran.stderr);
  const { password, ...rest } = server;
  const typed = await runDbclient({ ...rest, password, identity: undefined }, ["echo in"]);
  assertEquals([typed.text, typed.code], ["in\n", 0], typed.stderr);
});

await peerTest(["dropbear", "ssh", "root"], "dropbear serves ssh", async () => {
  await using server = await startDropbear();
  const ran = await runClient("ssh", server, ["echo in"]);
  assertEquals([ran.text, ran.code], ["in\n", 0], ran.stderr);
});

for (const kind of ["asyncssh", "paramiko", "go"] as const) {
  await peerTest([kind, "ssh"], `A ${kind} server serves ssh, by key and by password`, async () => {
    await using server = await startForeign(kind, { password: "pass word" });
    const ran = await runClient("ssh", server, ["cat; echo err >&2; exit 7"], { stdin: MEBIBYTE });
    assertEquals([ran.code, ran.stderr, ran.text === MEBIBYTE], [7, "err\n", true], server.log);
    const typed = await runClient("ssh", { ...server, identity: undefined }, ["echo in"]);
    assertEquals([typed.text, typed.code], ["in\n", 0], typed.stderr + server.log);
  });

  await peerTest([kind, "sshd"], `A ${kind} client runs a command on sshd`, async () => {
    await using server = await startSshd({ userKey: "rsa" });
    const ran = await runForeign(kind, server, ["exec", "cat; echo err >&2; exit 7"], {
      stdin: MEBIBYTE,
    });
    assertEquals([ran.code, ran.text === MEBIBYTE], [7, true], ran.stderr);
    assertMatch(ran.stderr, /^agreed .*[^]*err\n$/m);
  });

  await peerTest([kind, "sshd"], `A ${kind} client dials through sshd`, async () => {
    await using server = await startSshd();
    const dial: [string, ...string[]] = ["dial", "127.0.0.1", `${server.port}`];
    const ran = await runForeign(kind, server, dial, { stdin: "not ssh\n" });
    assertStringIncludes(ran.text, "SSH-2.0-OpenSSH", ran.stderr);
  });
}

await peerTest(["go"], "Go peers agree on mlkem768x25519-sha256", async () => {
  await using server = await startForeign("go", { kex: ["mlkem768x25519-sha256"] });
  const hostKey = server.hostKeys.ed25519!.publicKey;
  const ran = await runForeign("go", server, ["exec", 'printf %s "$GREETING"'], {
    hostKey,
    hostKeyAlgorithms: ["ssh-ed25519"],
    remoteEnv: { GREETING: "hello you" },
  });
  assertEquals([ran.text, ran.code], ["hello you", 0], ran.stderr);
  assertMatch(ran.stderr, /agreed client kex=mlkem768x25519-sha256 hostkey=ssh-ed25519/);
});

await peerTest(["asyncssh", "ssh"], "asyncssh asks ssh several rounds of questions", async () => {
  await using server = await startForeign("asyncssh", {
    userKey: null,
    interactive: [
      {
        name: "First",
        instruction: "Two at once",
        prompts: [
          { text: "Name: ", echo: true, answer: "tea cup" },
          { text: "Code: ", echo: false, answer: "1234" },
        ],
      },
      { prompts: [{ text: "Again: ", echo: false, answer: "5678" }] },
    ],
  });
  const ran = await runClient("ssh", server, ["echo in"]);
  assertEquals([ran.text, ran.code], ["in\n", 0], ran.stderr + server.log);
  const wrong = { ...server, answers: ["tea cup", "1234", "no"] };
  assertEquals((await runClient("ssh", wrong, ["echo in"])).code, 255);
});

await peerTest(["go"], "Go peers ask and answer keyboard-interactive questions", async () => {
  await using server = await startForeign("go", {
    userKey: null,
    banner: "Welcome\n",
    interactive: [{ prompts: [{ text: "", echo: false, answer: "one" }] }],
  });
  const ran = await runForeign("go", server, ["exec", "echo in"]);
  assertEquals([ran.text, ran.code], ["in\n", 0], ran.stderr);
  assertStringIncludes(ran.stderr, "banner Welcome");
  assertStringIncludes(ran.stderr, 'asked "Quiz"');
});

for (const kind of ["asyncssh", "paramiko"] as const) {
  await peerTest(
    [kind, "sshd"],
    `A ${kind} client puts, lists and gets files of sshd`,
    async () => {
      await using folder = await tempFolder();
      await using server = await startSshd();
      const local = await folder.write("local", MEBIBYTE);
      await Deno.mkdir(folder.join("far"));
      const far = folder.join("far/file");
      const back = folder.join("back");
      for (const action of [["put", local, far], ["get", far, back]] as const) {
        const ran = await runForeign(kind, server, action);
        assertEquals(ran.code, 0, ran.stderr);
      }
      const listed = await runForeign(kind, server, ["list", folder.join("far")]);
      assertMatch(listed.text, /^file$/m);
      assertEquals(await Deno.readTextFile(back), MEBIBYTE);
    },
  );
}

Deno.test("A program that ends too early fails the wait with its log", async () => {
  await using program = new Program("sh", { args: ["-c", "echo so sorry >&2; exit 1"] });
  await assertRejects(() => program.waitFor(/ready/), Error, "so sorry");
});

Deno.test("A program that takes too long is killed and its error output told", async () => {
  const slow = run("sh", ["-c", "echo waiting >&2; exec sleep 60"], { timeout: 300 });
  await assertRejects(() => slow, Error, "waiting");
});
