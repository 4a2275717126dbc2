/** Prompts of a program that may not open the controlling terminal use its standard streams. */
import { assertEquals, assertRejects } from "@std/assert";
import { InterruptedError, promptHostKey, promptSecret } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { runtime } from "../../lib/runtime/runtime.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { replaced } from "../support/replaced.ts";

/** A terminal with prepared answers, for a program without permissions. */
function terminalWith(...answers: string[]): FakeTerminal & Disposable {
  const terminal = new FakeTerminal();
  terminal.answers.push(...answers);
  return terminal;
}

const withoutPermissions = () => replaced(runtime, "isGranted", () => false);

Deno.test("A secret is prompted for on standard error and read from standard input without echo", async () => {
  using _none = withoutPermissions();
  using terminal = terminalWith("hun", "ter2x\x7f\r");
  assertEquals(await promptSecret("Password: "), "hunter2");
  assertEquals(terminal.written, { stdout: "", stderr: "Password: \n" });
  assertEquals([terminal.modes, terminal.signals], [[true, false], []]);
});

Deno.test("Without a terminal no secret is prompted for, and no host key is accepted", async () => {
  using _none = withoutPermissions();
  using terminal = new FakeTerminal({ isTerminal: false });
  using key = await generateKey();
  assertEquals(await promptSecret("Password: "), null);
  assertEquals(await promptHostKey({ hostname: "db1", port: 22 }, key.publicKey), false);
  assertEquals(terminal.written.stderr, "");
});

Deno.test("Ctrl-C at a prompt is an InterruptedError, and the terminal is restored", async () => {
  using _none = withoutPermissions();
  using terminal = terminalWith("se\x03");
  await assertRejects(() => promptSecret("Password: "), InterruptedError);
  assertEquals([terminal.modes, terminal.signals], [[true, false], []]);
});

Deno.test("A signal at a prompt is an InterruptedError that names it", async () => {
  using _none = withoutPermissions();
  using terminal = new FakeTerminal();
  using _endless = replaced(runtime.terminal.stdin, "read", () => new Promise<null>(() => {}));
  const rejected = assertRejects(() => promptSecret("? "), InterruptedError, "by SIGTERM");
  while (terminal.signals.length === 0) await new Promise((resolve) => setTimeout(resolve));
  terminal.signal("SIGTERM");
  await rejected;
  assertEquals(terminal.modes, [true, false]);
});

Deno.test("A host key is accepted by yes or its fingerprint, and refused by no", async () => {
  using _none = withoutPermissions();
  using key = await generateKey();
  const fingerprint = key.publicKey.fingerprint();
  const cases = [["yes\r", true], ["Perhaps\r", "no\r", false], [
    `${fingerprint}\r`,
    true,
  ]] as const;
  for (const [...answers] of cases) {
    const accepted = answers.pop();
    using terminal = terminalWith(...answers as string[]);
    const asked = promptHostKey({ hostname: "db1", port: 2222 }, key.publicKey);
    assertEquals(await asked, accepted);
    const { stderr } = terminal.written;
    assertEquals(stderr.includes("[db1]:2222") && stderr.includes(fingerprint), true);
    assertEquals(stderr.includes("Please type"), answers.length === 2);
  }
});
