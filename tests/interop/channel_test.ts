/** The raw channel with OpenSSH: the features whose result depends on a real peer. */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { RequestDeniedError } from "@denossh/ssh";
import { serve } from "@denossh/ssh/server";
import { generateKey } from "@denossh/ssh/keys";
import { runClient } from "./harness/openssh_clients.ts";
import { connectTo } from "./harness/ours.ts";
import { peerTest } from "./harness/peers.ts";
import { startSshd } from "./harness/sshd.ts";
import { until } from "../connection/until.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);

await peerTest(["sshd"], "A raw channel works with a real server as documented", async (t) => {
  await using server = await startSshd({ config: { AcceptEnv: "LC_*", MaxSessions: 50 } });
  await using host = await connectTo(server, { window: 64 * 1024 });
  const all = async (channel: AsyncIterable<Uint8Array<ArrayBuffer>>) =>
    (await Array.fromAsync(channel, text)).join("");

  await t.step("getpeername is the server's address", async () => {
    await using channel = await host.openSession();
    assertEquals((channel.remoteAddr as Deno.NetAddr).port, server.port);
  });

  await t.step("set_environment_variable: AcceptEnv decides, strictly or silently", async () => {
    await using channel = await host.openSession();
    await channel.setEnv("EVIL", "1");
    await assertRejects(
      () => channel.updateEnv({ LC_A: "1", EVIL: "2", BAD: "3" }, { strict: true }),
      RequestDeniedError,
      '"EVIL", "BAD"',
    );
    await channel.exec('echo "$LC_A:$EVIL:$BAD"');
    assertEquals(await all(channel), "1::\n");
    assertEquals(await channel.recvExitStatus(), 0);
  });

  await t.step("get_pty, invoke_shell, resize_pty: a terminal works", async () => {
    await using channel = await host.openSession();
    await channel.requestPty({ term: "vt100", columns: 90, rows: 30, modes: { ECHO: 0 } });
    await channel.exec("stty size; echo $TERM; read line; stty size; read line");
    const lines = channel.lines();
    assertEquals((await lines.next()).value, "30 90");
    assertEquals((await lines.next()).value, "vt100");
    channel.resizePty({ columns: 100, rows: 40 });
    await channel.writeAll(bytes("\n"));
    assertEquals((await lines.next()).value, "40 100");
    // The peer may refuse or accept a break; the channel survives both.
    await channel.sendBreak().catch(() => {});
    await channel.writeAll(bytes("\n"));
    assertEquals(await channel.recvExitStatus(), 0);
  });

  await t.step("set_combine_stderr: both streams as one", async () => {
    await using channel = await host.openSession();
    channel.combineStderr(true);
    await channel.exec("echo out; sleep 0.05; echo err >&2");
    assertEquals(await all(channel), "out\nerr\n");
    assertEquals(
      await host.run("echo out; sleep 0.05; echo err >&2", { stderr: "merge" }),
      "out\nerr",
    );
  });

  await t.step("makefile_stdin: lines there and back", async () => {
    await using channel = await host.openSession();
    await channel.exec("tr a-z A-Z");
    const stdin = channel.file({ mode: "w", stream: "stdin" });
    await stdin.write("first\nsecond\n");
    await stdin.close();
    assertEquals(await Array.fromAsync(channel.lines()), ["FIRST", "SECOND"]);
  });

  await t.step("recv_exit_status first, output far beyond the window", async () => {
    await using channel = await host.openSession();
    await channel.exec("head -c 5000000 /dev/zero; exit 9");
    const status = channel.recvExitStatus();
    await until(() => channel.state.stalled);
    assertEquals(channel.exitStatusReady, false); // the command is blocked, and the state shows it
    let sum = 0;
    for await (const chunk of channel) sum += chunk.length;
    assertEquals([sum, await status], [5_000_000, 9]);
  });

  await t.step("shutdown_read: the command's pipe breaks, and nothing stalls", async () => {
    await using channel = await host.openSession();
    await channel.exec("cat /dev/zero; echo status $? >&2");
    await channel.ready("read");
    await channel.shutdown("read");
    // Without eow@openssh.com it would write endlessly.
    assert(await channel.recvExitStatus() >= 0);
  });

  await t.step("a null stdout does not break the pipe", async () => {
    const output = await host.command("head -c 5000000 /dev/zero", { stdout: "null" }).output();
    assertEquals([output.code, output.stdout.length], [0, 0]);
  });

  await t.step("disposing does not wait for a running command", async () => {
    // If dispose waited, the test would take hours.
    await using channel = await host.openSession();
    await channel.exec("sleep 30000");
  });

  await t.step("settimeout: a silent command, a full window", async () => {
    await using channel = await host.openSession();
    await channel.exec("sleep 60");
    channel.timeout = 20;
    await assertRejects(() => channel.read(new Uint8Array(1)), Deno.errors.TimedOut);
    await assertRejects(
      () => channel.writeAll(new Uint8Array(64 * 1024 * 1024)),
      Deno.errors.TimedOut,
    );
    assert(channel.state.bytesSent > 0);
  });
});

await peerTest(
  ["ssh"],
  "A server's raw channel works with OpenSSH's client as documented",
  async () => {
    const seen: Record<string, unknown> = {};
    await using server = serve({
      port: 0,
      hostname: "127.0.0.1",
      hostKeys: [await generateKey()],
      auth: { none: () => true },
    }, async (session) => {
      const { channel, command } = session;
      if (command === "files") {
        await using output = channel.file({ mode: "w" });
        await using warnings = channel.file({ mode: "w", stream: "stderr" });
        for await (const line of channel.file({ stream: "stdin" }).lines()) {
          await output.write(line.toUpperCase() + "\n");
          await warnings.write(`read ${line.length}\n`);
        }
        return 5;
      }
      if (command === "unread") {
        seen.bytes = await channel.read(new Uint8Array(10));
        await channel.shutdown("read");
        await channel.writeAll(bytes("had enough"));
        return 0;
      }
      channel.xonXoff(true);
      seen.peer = channel.remoteAddr.transport;
      seen.partial = await channel.writeStderr(bytes("partly")) > 0;
      await channel.shutdown("write");
      session.exitSignal("TERM");
    });
    const endpoint = { hostname: "127.0.0.1", port: server.addr.port, user: "tester" };

    const files = await runClient("ssh", endpoint, ["files"], { stdin: "one\nthree\n" });
    assertEquals([files.text, files.code], ["ONE\nTHREE\n", 5], files.stderr);
    assertStringIncludes(files.stderr, "read 3\nread 5\n");

    // Later data of the client is granted and dropped.
    const stdin = "x".repeat(5_000_000);
    const unread = await runClient("ssh", endpoint, ["unread"], { stdin });
    assertEquals([unread.text, unread.code, seen.bytes], ["had enough", 0, 10], unread.stderr);

    const odd = await runClient("ssh", endpoint, ["odd"]);
    assertStringIncludes(odd.stderr, "partly");
    assertEquals([odd.code, seen.peer, seen.partial], [255, "tcp", true]);
  },
);
