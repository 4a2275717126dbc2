/** A user's program that attaches its terminal to a shell on OpenSSH's server. */
import { assert, assertStringIncludes } from "@std/assert";
import { exampleCommand } from "../support/example.ts";
import { onTerminal, type Step, terminalTest } from "./harness/on_terminal.ts";
import { startSshd } from "./harness/sshd.ts";
import { tempFolder } from "../support/temp.ts";

const root = new URL("../../", import.meta.url);
/** Prints the program's exit and reads a line, on the terminal as the program left it. */
const AFTERWARDS = 'trap : TERM; "$@"; echo "code $?"; read line; echo "got $line"';

/** Runs a program in a shell that outlives it, and checks that the terminal is restored. */
async function restored(
  command: readonly string[],
  steps: readonly Step[],
  code: number,
  env: Record<string, string> = {},
) {
  const after = [{ expect: `code ${code}` }, { echo: true }, { send: "hello\n" }, {
    expect: "got hello",
  }];
  const shell = ["/bin/sh", "-c", AFTERWARDS, "sh", ...command];
  const { output } = await onTerminal(shell, [...steps, ...after], env);
  assertStringIncludes(output, "hello\r\ngot hello\r\n");
  return output;
}

await terminalTest(
  ["sshd", "root"],
  "attach() with the questions for a host key and a password gives a whole terminal",
  async () => {
    await using folder = await tempFolder();
    await using server = await startSshd({ login: "password" });
    await Deno.mkdir(folder.join(".ssh"), { mode: 0o700 });
    const known = folder.join(".ssh/known_hosts");
    const target = `${server.user}@127.0.0.1:${server.port}`;
    const env = { HOME: folder.path, SSH_AUTH_SOCK: "" };
    const program = [Deno.execPath(), ...exampleCommand("terminal.ts", [target, known], env)];
    const output = await restored(
      program,
      [
        { expect: "key fingerprint is SHA256:" },
        { expect: "(yes/no/[fingerprint])? " },
        { send: "perhaps\r" },
        { expect: "Please type 'yes', 'no' or the fingerprint: " },
        { send: "yes\r" },
        { expect: "'s password: " },
        { echo: false },
        { send: `${server.password}\r` },
        { expect: "$ " },
        { send: "stty size\r" },
        { expect: "24 80\r" },
        { resize: [40, 90] },
        { send: "until stty size | grep '^40 90$'; do sleep 0.05; done\r" },
        { expect: "\n40 90\r" },
        { expect: "$ " },
        { send: "sleep 1000\r" },
        { expect: "sleep 1000\r" },
        { send: "\x03" }, // interrupts the remote command, not this program
        { expect: "$ " },
        { send: "tty && exit 3\r" },
        { expect: "/dev/pts/" },
      ],
      3,
      env,
    );
    assert(!output.includes(server.password!), "the password is not shown");
    assertStringIncludes(await Deno.readTextFile(known), `[127.0.0.1]:${server.port} ssh-`);
  },
);

/** Programs that end without a return from `attach()`, and their exit codes. */
const ends: Record<string, [statement: string, steps: readonly Step[], code: number]> = {
  "an error": ['setTimeout(() => { throw new Error("oops"); });', [], 1],
  "an error in a promise": ['Promise.reject(new Error("oops"));', [], 1],
  "an exit": ["Deno.exit(4);", [], 4],
  "a signal": ['console.log("running");', [{ expect: "running" }, { signal: "SIGTERM" }], 1],
};
await terminalTest(["sshd"], "attach() restores the terminal", async (t) => {
  await using folder = await tempFolder();
  await using server = await startSshd();
  for (const [name, [statement, steps, code]] of Object.entries(ends)) {
    await t.step(`after ${name}`, async () => {
      const program = await folder.write(
        "program.ts",
        `import { acceptAnyHostKey, connect, loadKey, publicKey } from "${root}mod.ts";
        await using host = await connect("${server.user}@127.0.0.1:${server.port}", {
          auth: [publicKey(await loadKey("${server.identity}"))], hostKeys: acceptAnyHostKey() });
        await using shell = await host.shell();
        const attached = shell.attach();
        await new Promise((resolve) => setTimeout(resolve, 100)); // the terminal is raw by then
        ${statement}
        await attached;`,
      );
      const run = [
        Deno.execPath(),
        "run",
        "-A",
        "--no-check",
        `--config=${root.pathname}deno.json`,
      ];
      await restored([...run, program], steps, code);
    });
  }
});
