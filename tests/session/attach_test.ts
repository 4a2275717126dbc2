/** A remote shell on this program's terminal, which is always restored. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { InterruptedError } from "@denossh/ssh";
import type { SessionHandler } from "@denossh/ssh/server";
import { connectedPair } from "@denossh/ssh/testing";
import { runtime } from "../../lib/runtime/runtime.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { replaced } from "../support/replaced.ts";

/** Prints its terminal's sizes and echoes input until "q". */
const echo: SessionHandler = async (session) => {
  const size = () => session.print(`[${session.pty?.columns}x${session.pty?.rows}]`);
  session.onResize(size);
  await session.print("ready ");
  await session.printError("warned");
  const decoder = new TextDecoder();
  for await (const chunk of session.channel) {
    const text = decoder.decode(chunk);
    await session.print(text);
    if (text.includes("q")) return 5;
  }
  return 6;
};

/** Resolves when a condition holds, checked at each turn of the event loop. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve));
}

Deno.test("attach() connects a shell with the raw terminal and its size, and restores it", async () => {
  using terminal = new FakeTerminal();
  await using pair = await connectedPair({ handler: echo });
  await using shell = await pair.host.shell();
  const attached = shell.attach();
  await until(() => terminal.written.stdout.includes("[100x40]"));
  assertEquals(terminal.modes, [true]);
  terminal.size = { columns: 132, rows: 50 };
  terminal.signal("SIGWINCH");
  await until(() => terminal.written.stdout.includes("[132x50]"));
  await terminal.type("hello\x03");
  await until(() => terminal.written.stdout.endsWith("hello\x03"));
  await terminal.type("q");
  assertEquals((await attached).code, 5);
  assertEquals(terminal.written.stdout, "ready [100x40][132x50]hello\x03q");
  assertEquals(terminal.written.stderr, "warned");
  assertEquals([terminal.modes, terminal.signals, terminal.isRead], [[true, false], [], false]);
});

Deno.test("attach() without a terminal on either side keeps the mode, and passes on EOF", async () => {
  for (const [isTerminal, pty] of [[true, false], [false, true]]) {
    using terminal = new FakeTerminal({ isTerminal: isTerminal! });
    await using pair = await connectedPair({ handler: echo });
    await using shell = await pair.host.shell({ pty: pty! });
    const attached = shell.attach();
    await until(() => terminal.isRead);
    terminal.endInput();
    assertEquals((await attached).code, 6);
    assertEquals(terminal.modes, []);
  }
});

const ends: Record<string, (terminal: FakeTerminal, leave: () => void) => void> = {
  "a signal": (terminal) => terminal.signal("SIGTERM"),
  "an abort": (_, leave) => leave(),
};
for (const [what, end] of Object.entries(ends)) {
  Deno.test(`attach() restores the terminal after ${what}, and stops reading and writing`, async () => {
    using terminal = new FakeTerminal();
    await using pair = await connectedPair({ handler: echo });
    await using shell = await pair.host.shell();
    const leaving = new AbortController();
    const attached = shell.attach({ signal: leaving.signal });
    const rejected = what === "a signal"
      ? assertRejects(() => attached, InterruptedError, "Interrupted by SIGTERM")
      : assertRejects(() => attached, Error, "enough");
    await until(() => terminal.written.stdout.includes("[100x40]"));
    end(terminal, () => leaving.abort(new Error("enough")));
    await rejected;
    assertEquals([terminal.modes, terminal.signals, terminal.isRead], [[true, false], [], false]);
    // Later output of the shell is left to other readers.
    await shell.send("still here");
    await shell.expect("still here");
    assert(!terminal.written.stdout.includes("still"));
  });
}

Deno.test("attach() restores the terminal after a failed write or a lost connection", async () => {
  for (const broken of [true, false]) {
    using terminal = new FakeTerminal();
    await using pair = await connectedPair({ handler: echo });
    const shell = await pair.host.shell();
    using _broken = replaced(
      runtime.terminal.stderr,
      "write",
      () => broken ? Promise.reject(new Error("broken pipe")) : Promise.resolve(1),
    );
    const attached = shell.attach();
    const rejected = assertRejects(() => attached, Error, broken ? "broken pipe" : "");
    if (!broken) await pair.served.close();
    await rejected;
    assertEquals([terminal.modes, terminal.signals, terminal.isRead], [[true, false], [], false]);
  }
});

Deno.test("attach() sends no size of a terminal that has none, and none to a shell that has ended", async () => {
  using terminal = new FakeTerminal();
  await using pair = await connectedPair({ handler: echo });
  await using shell = await pair.host.shell();
  {
    using _size = replaced(runtime.terminal, "consoleSize", () => {
      throw new Deno.errors.NotSupported("no size");
    });
    const attached = shell.attach();
    await until(() => terminal.written.stdout === "ready ");
    await terminal.type("q");
    assertEquals((await attached).code, 5);
  }
  await shell.channel.closed;
  assertEquals((await shell.attach()).code, 5);
  assertEquals(terminal.written.stdout, "ready q");
});

Deno.test("attach() refuses an output that is read elsewhere", async () => {
  using _terminal = new FakeTerminal();
  await using pair = await connectedPair({ handler: echo });
  await using shell = await pair.host.shell();
  const reader = shell.stderr.getReader();
  await assertRejects(() => shell.attach(), TypeError, '"stderr" has a reader');
  reader.releaseLock();
});
