/** What happens at a terminal: the tests run the command line on one of their own. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Endpoint } from "../interop/endpoint.ts";
import { peerTest } from "../interop/peers.ts";
import { must } from "../interop/run.ts";
import { startSshd } from "../interop/sshd.ts";
import { tempFolder } from "../interop/temp.ts";
import { CLI, type CliClientOptions, clientArgs, startServe } from "./world.ts";

const DRIVER = new URL("on_terminal.py", import.meta.url).pathname;

type Step =
  | { expect: string }
  | { send: string }
  | { resize: [rows: number, columns: number] }
  | { echo: boolean };

async function onTerminal(
  command: readonly string[],
  steps: readonly Step[],
): Promise<{ output: string; code: number }> {
  const { text } = await must("python3", [DRIVER, JSON.stringify(steps), ...command]);
  return JSON.parse(text);
}

function atTerminal(
  tool: "ssh" | "sftp",
  endpoint: Endpoint,
  args: readonly string[],
  steps: readonly Step[],
  options: CliClientOptions = {},
) {
  const config = { LogLevel: "INFO", BatchMode: "no", ...options.config };
  return onTerminal([...CLI, ...clientArgs(tool, endpoint, args, { ...options, config })], steps);
}

await peerTest(["sshd"], "A shell at a terminal has its size, and follows it", async () => {
  await using server = await startSshd({ config: { PrintLastLog: "no" } });
  const steps: Step[] = [
    { expect: "ready" },
    { echo: false },
    { resize: [40, 90] },
    { expect: "40 90" },
    { send: "done\r" },
    { expect: "got done" },
  ];
  const script = "trap 'stty size' WINCH; stty size; echo ready; " +
    'while ! read line; do :; done; echo "got $line"; exit 5';
  const { output, code } = await atTerminal("ssh", server, [script], steps, { flags: ["-t"] });
  assertStringIncludes(output, "24 80\r\n");
  assertMatch(output, /Connection to 127\.0\.0\.1 closed\.\r\n$/);
  assertEquals(code, 5);
});

await peerTest(["sshd"], "The local terminal is as before when ssh ends", async (t) => {
  await using server = await startSshd();
  const quoted = [...CLI, ...clientArgs("ssh", server, ["sleep 60"], { flags: ["-tt"] })]
    .map((word) => `'${word}'`).join(" ");
  const after = '"$@"; echo "code $?"; read answer; echo "got $answer"';
  for (const [name, end] of [["~.", "~."], ["a signal", null]] as const) {
    await t.step(`after ${name}`, async () => {
      const script = end === null ? `timeout -s TERM 3 ${quoted}; ${after.slice(6)}` : after;
      const words = ["/bin/sh", "-c", script, "sh"];
      const steps: Step[] = [
        { echo: false },
        ...end === null ? [] : [{ send: end }],
        { expect: "code" },
        { echo: true },
        { send: "hello\n" },
        { expect: "got hello" },
      ];
      const run = [
        ...words,
        ...CLI,
        ...clientArgs("ssh", server, ["sleep 60"], { flags: ["-tt"] }),
      ];
      const { output } = await onTerminal(run, steps);
      assertMatch(output, /code (255|124)/);
    });
  }
});

await peerTest(["ssh"], "A password typed at the terminal is not shown", async () => {
  await using folder = await tempFolder();
  const passwords = await folder.write("pw", "me:pässword\n");
  await using server = await startServe(["--exec", "--password-file", passwords]);
  const endpoint = { ...server, user: "me", identity: undefined };
  const steps: Step[] = [
    { expect: "me@127.0.0.1's password: " },
    { echo: false },
    { send: "wrong\r" },
    { expect: "Permission denied, please try again." },
    { expect: "me@127.0.0.1's password: " },
    { send: "forget\x15pässwordx\x7f\r" },
  ];
  const config = { NumberOfPasswordPrompts: 3 };
  const { output, code } = await atTerminal("ssh", endpoint, ["echo in"], steps, { config });
  assertEquals(code, 0, output);
  assertStringIncludes(output, "\r\nin\r\n");
  assert(!/wrong|pässword|forget/.test(output), output);
});

await peerTest(["ssh"], "Ctrl-C at a prompt ends ssh, and the echo is on again", async () => {
  await using folder = await tempFolder();
  const passwords = await folder.write("pw", "me:x\n");
  await using server = await startServe(["--password-file", passwords]);
  const endpoint = { ...server, user: "me", identity: undefined };
  const steps: Step[] = [{ expect: "password: " }, { echo: false }, { send: "se\x03" }];
  const { code } = await atTerminal("ssh", endpoint, ["true"], steps);
  assertEquals(code, 130);
});

await peerTest(["ssh"], "The time at a prompt does not count for ConnectTimeout", async () => {
  await using folder = await tempFolder();
  const passwords = await folder.write("pw", "me:x\n");
  await using server = await startServe(["--exec", "--password-file", passwords]);
  const endpoint = { ...server, user: "me", identity: undefined };
  const config = { ConnectTimeout: 1 };
  // Typed by a program that takes its time.
  const askpass = await folder.write("askpass", "#!/bin/sh\nsleep 2\necho x\n", 0o700);
  const env = { SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: "force" };
  const { cliSsh } = await import("./world.ts");
  const ran = await cliSsh(endpoint, ["echo in"], { env, config });
  assertEquals([ran.text, ran.code], ["in\n", 0], ran.stderr);
});

await peerTest(["ssh"], "A new host's key is shown and asked about", async () => {
  await using folder = await tempFolder();
  await using server = await startServe();
  const config = { StrictHostKeyChecking: "ask", UserKnownHostsFile: folder.join("known") };
  const steps: Step[] = [
    { expect: "ED25519 key fingerprint is SHA256:" },
    { expect: "(yes/no/[fingerprint])? " },
    { send: "maybe\r" },
    { expect: "Please type 'yes', 'no' or the fingerprint: " },
    { send: "yes\r" },
    { expect: "Permanently added" },
  ];
  const { output, code } = await atTerminal("ssh", server, ["echo in"], steps, { config });
  assertStringIncludes(output, "\r\nin\r\n");
  assertEquals(code, 0);
});

await peerTest(
  ["ssh"],
  "A shell without a terminal on the far side works line by line",
  async () => {
    await using server = await startServe();
    const steps: Step[] = [
      { expect: "going on without" },
      { echo: true },
      { send: "echo $((6*7))\n" },
      { expect: "42" },
      { send: "exit 3\n" },
    ];
    assertEquals((await atTerminal("ssh", server, [], steps)).code, 3);
  },
);

await peerTest(["ssh"], "sftp has a prompt, a progress bar and survives Ctrl-C", async () => {
  await using folder = await tempFolder();
  await using server = await startServe([]);
  await Deno.writeFile(`${server.root}/large`, new Uint8Array(8 * 1024 * 1024));
  const steps: Step[] = [
    { expect: "Connected to 127.0.0.1." },
    { expect: "sftp> " },
    { send: "ls\n" },
    { expect: "large" },
    { expect: "sftp> " },
    { send: `get large ${folder.join("large")}\n` },
    { expect: "100%" },
    { expect: "sftp> " },
    { send: "get /dev/../large /dev/full\n" },
    { expect: "No space left" },
    { expect: "sftp> " },
    { send: "bye\n" },
  ];
  const { output, code } = await atTerminal("sftp", server, [], steps);
  assertEquals(code, 0, output);
  assertStringIncludes(output, "█");
});
