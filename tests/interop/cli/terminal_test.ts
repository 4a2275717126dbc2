/** The command line on a terminal, which each test creates. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Endpoint } from "../../support/endpoint.ts";
import { onTerminal, type Step, terminalTest } from "../harness/on_terminal.ts";
import { startSshd } from "../harness/sshd.ts";
import { tempFolder } from "../../support/temp.ts";
import { CLI, type CliClientOptions, clientArgs, startServe } from "../../cli/world.ts";

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

await terminalTest(
  ["sshd"],
  "A command on a terminal knows its size, and is told when it changes",
  async () => {
    await using server = await startSshd();
    const steps: Step[] = [
      { expect: "24 80" },
      { echo: false },
      { resize: [40, 90] },
      { expect: "resized" },
      { send: "done\r" },
      { expect: "got done" },
    ];
    const command = "stty size; until stty size | grep -q '^40 90$'; do sleep 0.05; done; " +
      'echo resized; read line; echo "got $line"; exit 5';
    const { output, code } = await atTerminal("ssh", server, [command], steps, { flags: ["-t"] });
    assertMatch(output, /Connection to 127\.0\.0\.1 closed\.\r\n$/);
    assertEquals(code, 5);
  },
);

await terminalTest(["sshd"], "The local terminal is restored when ssh ends", async (t) => {
  await using server = await startSshd();
  const ssh = [...CLI, ...clientArgs("ssh", server, ["sleep 60"], { flags: ["-tt"] })];
  // The shell outlives the signal, and checks the terminal afterwards.
  const script = 'trap : TERM; "$@"; echo "code $?"; read line; echo "got $line"';
  for (const end of [{ send: "~." }, { signal: "SIGTERM" }]) {
    await t.step(`after ${Object.values(end)[0]}`, async () => {
      const { output } = await onTerminal(["/bin/sh", "-c", script, "sh", ...ssh], [
        { echo: false },
        end,
        { expect: "code 255" },
        { echo: true },
        { send: "hello\n" },
        { expect: "got hello" },
      ]);
      assertStringIncludes(output, "hello\r\ngot hello\r\n");
    });
  }
});

await terminalTest(["ssh"], "A password typed at the terminal is not shown", async () => {
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

await terminalTest(
  ["ssh"],
  "Ctrl-C or a signal at a prompt ends ssh, and the echo is on again",
  async () => {
    await using folder = await tempFolder();
    const passwords = await folder.write("pw", "me:x\n");
    await using server = await startServe(["--password-file", passwords]);
    const endpoint = { ...server, user: "me", identity: undefined };
    for (const end of [{ send: "se\x03" }, { signal: "SIGTERM" }]) {
      const ssh = clientArgs("ssh", endpoint, ["true"], { config: { BatchMode: "no" } });
      const script = 'trap : TERM; "$@"; echo "code $?"; read line';
      const { output } = await onTerminal(["/bin/sh", "-c", script, "sh", ...CLI, ...ssh], [
        { expect: "password: " },
        { echo: false },
        end,
        { expect: "code 130" },
        { echo: true },
        { send: "\n" },
      ]);
      assert(!output.includes("se"), output);
    }
  },
);

await terminalTest(["ssh"], "ssh shows a new host's key and asks for confirmation", async () => {
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

await terminalTest(
  ["ssh"],
  "A shell without a remote terminal works line by line",
  async () => {
    await using server = await startServe(["--exec", "-o", "PermitTTY=no"]);
    const steps: Step[] = [
      { expect: "continuing without" },
      { echo: true },
      { send: "echo $((6*7))\n" },
      { expect: "42" },
      { send: "exit 3\n" },
    ];
    assertEquals((await atTerminal("ssh", server, [], steps)).code, 3);
  },
);

await terminalTest(["ssh"], "sftp has a prompt, a progress meter and survives Ctrl-C", async () => {
  await using folder = await tempFolder();
  await using server = await startServe([]);
  await Deno.writeFile(`${server.root}/large`, new Uint8Array(8 * 1024 * 1024));
  await Deno.writeFile(`${server.root}/endless`, new Uint8Array(0));
  await Deno.truncate(`${server.root}/endless`, 2 ** 40);
  const steps: Step[] = [
    { expect: "Connected to 127.0.0.1." },
    { expect: "sftp> " },
    { send: "ls\n" },
    { expect: "large" },
    { expect: "sftp> " },
    { send: `get large ${folder.join("large")}\n` },
    { expect: "100%" },
    { expect: "sftp> " },
    { send: "get large /dev/full\n" },
    { expect: "No space left" },
    { expect: "sftp> " },
    { send: "get endless /dev/null\n" },
    { expect: "MB/s" },
    { send: "\x03" },
    { expect: "Interrupted" },
    { expect: "sftp> " },
    { send: "pwd\n" },
    { expect: "Remote working directory: /" },
    { send: "bye\n" },
  ];
  const { output, code } = await atTerminal("sftp", server, [], steps);
  assertEquals(code, 0, output);
  assertMatch(output, /large +100% 8192KB +[\d.]+[KMG]B\/s +00:0\d/);
});

await terminalTest(
  ["sshd", "ssh"],
  "EscapeChar ends the connection as with ssh, or is disabled",
  async () => {
    await using server = await startSshd();
    const command = "echo ready; while read -r line; do echo got $line; done";
    const typed: [char: string, steps: Step[], code: number][] = [
      ["^]", [{ send: "~.\r" }, { expect: "got ~." }, { send: "\x1d." }], 255],
      ["none", [{ send: "~.\r" }, { expect: "got ~." }, { send: "\x04" }], 0],
    ];
    for (const [EscapeChar, steps, code] of typed) {
      const options = { config: { EscapeChar, BatchMode: "no" }, flags: ["-tt"] };
      const [, ...args] = clientArgs("ssh", server, [command], options);
      for (const program of [["ssh"], [...CLI, "ssh"]]) {
        const ended = await onTerminal([...program, ...args], [{ expect: "ready" }, ...steps]);
        assertEquals(ended.code, code, `${program} ${EscapeChar}: ${ended.output}`);
      }
    }
  },
);
