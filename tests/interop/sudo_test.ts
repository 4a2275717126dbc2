/** `host.sudo()` with the real sudo on OpenSSH's server. Each test makes an account, which needs root. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CommandError, SudoError } from "@denossh/ssh";
import { exampleCommand } from "../support/example.ts";
import { tempFolder } from "../support/temp.ts";
import { connectTo } from "./harness/ours.ts";
import { onTerminal, terminalTest } from "./harness/on_terminal.ts";
import { peerTest } from "./harness/peers.ts";
import { startSshd } from "./harness/sshd.ts";

/** A logged-in account with lines of a sudoers file, in which USER is its name. */
async function sudoer(...rules: readonly string[]) {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startSshd({ login: "password" }));
  const file = `/etc/sudoers.d/${server.user}`;
  const text = rules.map((rule) => `${rule.replaceAll("USER", server.user)}\n`).join("");
  // Under a name with a dot, which sudo ignores, until it has its mode.
  await Deno.writeTextFile(`${file}.new`, text, { mode: 0o440 });
  stack.defer(() => Deno.remove(file));
  await Deno.rename(`${file}.new`, file);
  const host = stack.use(await connectTo(server));
  const parts = stack.move();
  const { user, password } = server;
  return {
    host,
    server,
    user,
    password: password!,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

await peerTest(
  ["sshd", "sudo", "root"],
  "sudo runs commands with input after the password",
  async () => {
    await using world = await sudoer("USER ALL=(ALL:ALL) ALL", "Defaults:USER timestamp_timeout=0");
    const { host, password } = world;
    const asked: number[] = [];
    const ask = (attempt: number) => (asked.push(attempt), Promise.resolve(password));
    assertEquals(await host.sudo("id -un", { password: ask }).text(), "root");
    assertEquals(await host.sudo("id -un", { password, user: world.user }).text(), world.user);
    const input = `${"x".repeat(200_000)}\n${password}\n`;
    assertEquals((await host.sudo("cat", { password, input }).text()).length, input.length - 1);
    const { stderr, code } = await host.sudo("echo oops >&2; exit 5", { password }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [5, "oops\n"]);
    const failing = async () => await host.sudo("ls /nonexistent", { password });
    await assertRejects(failing, CommandError, "No such file");
    // The wrong one first; sudo asks again.
    const second = (attempt: number) => attempt === 1 ? "wrong" : password;
    assertEquals(await host.sudo("id -u", { password: second, env: { LC_ALL: "C" } }).text(), "0");
    assertEquals(asked, [1]);
  },
);

await peerTest(
  ["sshd", "sudo", "root"],
  "a wrong sudo password has its own error, however often sudo asks",
  async () => {
    for (const tries of [1, 3]) {
      await using world = await sudoer("USER ALL=(ALL) ALL", `Defaults:USER passwd_tries=${tries}`);
      const failing = async () => await world.host.sudo("id", { password: "not it" });
      const error = await assertRejects(failing, SudoError);
      assertEquals(error.reason, "password", error.message);
      assert(!error.message.includes("not it"));
    }
  },
);

await peerTest(["sshd", "sudo", "root"], "sudo without a password asks for none", async () => {
  await using world = await sudoer("USER ALL=(ALL) NOPASSWD: ALL");
  assertEquals(await world.host.sudo("id -un; cat", { input: "in" }).lines(), ["root", "in"]);
});

await peerTest(["sshd", "sudo", "root"], "A refusal by sudo has sudo's message", async () => {
  await using world = await sudoer("USER ALL=(ALL) /bin/true", "Defaults:USER !lecture");
  const { host, password } = world;
  const failing = async () => await host.sudo("id", { password });
  const error = await assertRejects(failing, SudoError);
  assertEquals(error.reason, "refused");
  assertStringIncludes(error.message, "not allowed to execute");
  const stranger = async () => await host.sudo("id", { password, user: "nonexistent" });
  await assertRejects(stranger, SudoError, "unknown user");
});

await terminalTest(
  ["sshd", "sudo", "root"],
  "The example of sudo asks until the password is right",
  async () => {
    await using folder = await tempFolder();
    await using world = await sudoer("USER ALL=(ALL) ALL", "Defaults:USER !lecture");
    const { server, password } = world;
    // The example logs in with a key, which the account also has.
    await Deno.mkdir(folder.join(".ssh"), { mode: 0o700 });
    await Deno.copyFile(server.identity, folder.join(".ssh/id_ed25519"));
    await Deno.copyFile(server.knownHosts, folder.join(".ssh/known_hosts"));
    const env = { HOME: folder.path, SSH_AUTH_SOCK: "" };
    const target = `${server.user}@127.0.0.1:${server.port}`;
    const run = (...command: string[]) => [
      Deno.execPath(),
      ...exampleCommand("sudo.ts", [target, ...command], env),
    ];
    const prompt = { expect: `Password for sudo on ${target}: ` };
    const right = [prompt, { echo: false }, { send: `${password}\r` }];
    const ran = await onTerminal(
      run("sh", "-c", 'echo "I am $(id -un)"; exit 7'),
      [prompt, { echo: false }, { send: "wrong\r" }, ...right, { expect: "I am root" }],
      env,
    );
    assertEquals(ran.code, 7);
    assert(!ran.output.includes(password) && !ran.output.includes("wrong"), ran.output);
    const left = await onTerminal(run("id"), [prompt, { echo: false }, { send: "\x03" }], env);
    assertStringIncludes(left.output, "Interrupted");
  },
);
