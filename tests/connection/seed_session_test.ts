/** The seed's features of programs: standard error, files, requests, exit status. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Channel,
  ChannelOpenError,
  ClosedError,
  connect,
  none,
  RequestDeniedError,
  SshError,
} from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serve } from "@denossh/ssh/server";
import { encodePtyRequest } from "../../lib/connection/session_requests.ts";
import { decodePty } from "../../lib/session/pty.ts";
import { connectedPair } from "../../lib/testing/connected_pair.ts";
import { inBothRoles, sessionPair } from "./session_pair.ts";
import { until } from "./until.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Uint8Array) => new TextDecoder().decode(data);
const SMALL = { window: 1024 };

/** Data that the other end writes to standard error, in either role. */
const readAll = (channel: Channel) => Array.fromAsync(channel, text).then((all) => all.join(""));

inBothRoles("recv_stderr, recv_stderr_ready: a separate stream", async (ours, theirs) => {
  await theirs.writeAllStderr(bytes("oops"), { signal: AbortSignal.timeout(5000) });
  await ours.ready("stderr");
  assertEquals([ours.readableBytes, ours.readableStderrBytes], [0, 4]);
  const into = new Uint8Array(2);
  assertEquals(await ours.readStderr(into), 2);
  assertEquals(ours.tryReadStderr(into), 2);
  assertEquals(text(into), "ps");
});

inBothRoles("send_stderr: a part of the data, under the same window", async (ours) => {
  assertEquals(await ours.write(new Uint8Array(1000)), 1000);
  assertEquals(await ours.writeStderr(new Uint8Array(1000)), 24);
}, SMALL);

inBothRoles("sendall_stderr: all of it", async (ours, theirs) => {
  const writing = ours.writeAllStderr(new Uint8Array(1500), new Uint8Array(1500));
  let sum = 0;
  while (sum < 3000) sum += (await theirs.readStderr(new Uint8Array(500)))!;
  await writing;
}, SMALL);

inBothRoles("set_combine_stderr: buffered data moves, and stderr stays empty", async (
  ours,
  theirs,
) => {
  assertEquals(ours.combineStderr(false), false);
  await theirs.writeAll(bytes("out1 "));
  await theirs.writeAllStderr(bytes("err1 "));
  await ours.ready("stderr");
  assertEquals(ours.combineStderr(true), false);
  assertEquals([ours.readableBytes, ours.readableStderrBytes], [10, 0]);
  await theirs.writeAllStderr(bytes("err2 "));
  await theirs.writeAll(bytes("out2"));
  await theirs.closeWrite();
  assertEquals(await readAll(ours), "out1 err1 err2 out2");
  assertEquals(await ours.readStderrChunk(), null);
  assertEquals(ours.combineStderr(false), true);
});

Deno.test("A command's stderr can be merged, in order, in output and in streams", async () => {
  await using pair = await connectedPair({
    handler: async (session) => {
      await session.print("1");
      await session.printError("2");
      await session.print("3");
    },
  });
  assertEquals(await pair.host.run("x", { stderr: "merge" }), "123");
  const output = await pair.host.command("x", { stderr: "merge" }).output();
  assertEquals([text(output.stdout), output.stderr.length], ["123", 0]);
  await using shell = await pair.host.shell({ stderr: "merge", pty: false });
  assertEquals(text((await shell.output()).stdout), "123");
});

inBothRoles("makefile: reads chunks and lines as they arrive", async (ours, theirs) => {
  await theirs.writeAll(bytes("ab\ncd\r\n\nlo"), bytes("ng\ntail"));
  await theirs.closeWrite();
  const file = ours.file();
  const into = new Uint8Array(1);
  assertEquals([await file.read(into), text(into)], [1, "a"]);
  assertEquals(await file.readLine(), "b");
  assertEquals([await file.read(into), text(into)], [1, "c"]);
  assertEquals(await Array.fromAsync(file.lines()), ["d", "", "long", "tail"]);
  assertEquals([await file.readLine(), await file.read(into)], [null, null]);
  await assertRejects(() => file.write("x"), TypeError, "not open for writing");
});

inBothRoles("makefile: lines and multi-byte characters survive any chunks", async (
  ours,
  theirs,
) => {
  const lines = ["", "é€😀", "x".repeat(20_000), "end"];
  const writing = (async () => {
    for (const byte of bytes("é€😀\r\n")) await theirs.writeAll(new Uint8Array([byte]));
    await theirs.writeAll(bytes(lines.slice(2).join("\n")));
    await theirs.closeWrite();
  })();
  assertEquals(await Array.fromAsync(ours.lines()), lines.slice(1));
  await writing;
});

inBothRoles("makefile: an endless line fails without filling memory", async (ours, theirs) => {
  const writing = theirs.writeAll(new Uint8Array(3_000_000)).catch(() => {});
  await assertRejects(() => ours.file().readLine(), SshError, "1048576");
  ours.abort();
  await writing;
});

inBothRoles("makefile: a timeout in the middle of a line loses nothing", async (ours, theirs) => {
  const file = ours.file();
  await theirs.writeAll(bytes("half"));
  ours.timeout = 5;
  await assertRejects(() => file.readLine(), Deno.errors.TimedOut);
  ours.timeout = null;
  await theirs.writeAll(bytes(" and half\n"));
  assertEquals(await file.readLine(), "half and half");
});

inBothRoles("makefile: buffering by size, by line and not at all", async (ours, theirs) => {
  const arrives = async (expected: string) => {
    await until(() => theirs.readableBytes >= expected.length);
    const into = new Uint8Array(99);
    assertEquals(text(into.subarray(0, (await theirs.read(into))!)), expected);
  };
  const sized = ours.file({ mode: "w", bufferSize: 4 });
  await sized.write("ab");
  assertEquals(ours.state.bytesSent, 0);
  await sized.write("cd");
  await arrives("abcd");
  const lined = ours.file({ mode: "a", bufferSize: 1 });
  await lined.write("no");
  await lined.write("w\n");
  await arrives("now\n");
  const direct = ours.file({ mode: "r+", bufferSize: 0 });
  await direct.write("x");
  await arrives("x");
  await sized.write("z");
  await sized.flush();
  await arrives("z");
  assertThrows(() => ours.file({ bufferSize: -1 }), RangeError);
  await assertRejects(() => sized.read(new Uint8Array(1)), TypeError, "not open for reading");
});

inBothRoles("ChannelFile: closing it flushes, and leaves the channel open", async (
  ours,
  theirs,
) => {
  const file = ours.file({ mode: "w" });
  await file.write("kept");
  await file.close();
  await file.close();
  assertEquals([file.closed, ours.isOpen], [true, true]);
  await assertRejects(() => file.write("x"), ClosedError, "file is closed");
  await ours.writeAll(bytes(" going"));
  await ours.closeWrite();
  assertEquals(await readAll(theirs), "kept going");
});

Deno.test("makefile_stderr, ChannelStderrFile: a server writes it, a client reads it", async () => {
  await using pair = await sessionPair();
  await using written = pair.server.file({ mode: "w", stream: "stderr" });
  await written.write("warning\n");
  await written.flush();
  assertEquals(await pair.client.file({ stream: "stderr" }).readLine(), "warning");
});

Deno.test("makefile_stdin, ChannelStdinFile: closing it is EOF, which the server reads", async () => {
  await using pair = await sessionPair();
  const stdin = pair.client.file({ mode: "w", stream: "stdin" });
  await stdin.write("input\n");
  await stdin.close();
  const lines = await Array.fromAsync(pair.server.file({ stream: "stdin" }).lines());
  assertEquals(lines, ["input"]);
  await assertRejects(() => pair.client.write(bytes("x")), ClosedError, "for writing");
  const reader = pair.server.file({ stream: "stdin" });
  await reader.close();
  await pair.server.writeAll(bytes("a reader's close is no EOF"));
});

Deno.test("get_pty and resize_pty: the requests at the server", async () => {
  await using pair = await connectedPair({
    handler: async (session) => {
      const resized = Promise.withResolvers<void>();
      session.onResize(() => resized.resolve());
      await session.print("ready");
      await resized.promise;
      const { term, columns, rows, modes } = session.pty!;
      await session.print(JSON.stringify({ term, columns, rows, modes }));
    },
  });
  await using channel = await pair.host.openSession();
  await channel.requestPty({ term: "vt100", modes: { ECHO: 0, VINTR: 3 } });
  await channel.shell();
  await channel.readChunk();
  channel.resizePty({ columns: 132, rows: 50 });
  assertEquals(
    await readAll(channel),
    '{"term":"vt100","columns":132,"rows":50,"modes":{"ECHO":0,"VINTR":3}}',
  );
  assertThrows(() => channel.resizePty({ rows: -1 }), RangeError);
  await assertRejects(() => channel.requestPty({ modes: { X: 1 } as never }), TypeError);
});

Deno.test("get_pty: a refusal does not change the channel", async () => {
  await using pair = await connectedPair({
    serve: { pty: false },
    handler: (session) => session.print(`pty: ${session.pty}`),
  });
  await using channel = await pair.host.openSession();
  await assertRejects(() => channel.requestPty(), RequestDeniedError, "pty-req");
  await channel.exec("x");
  assertEquals(await readAll(channel), "pty: null");
});

Deno.test("set_environment_variable: silent, and strict", async () => {
  await using pair = await connectedPair({
    handler: (session) => session.print(JSON.stringify(session.env)),
  });
  await using channel = await pair.host.openSession();
  await channel.setEnv("LANG", "C");
  await channel.setEnv("bad name", "x");
  await channel.setEnv("LC_ALL", "C", { strict: true });
  await assertRejects(
    () => channel.setEnv("bad name", "x", { strict: true }),
    RequestDeniedError,
    '"bad name"',
  );
  await channel.exec("env");
  assertEquals(await readAll(channel), '{"LANG":"C","LC_ALL":"C"}');
});

Deno.test("update_environment: additive, and the error names the refused", async () => {
  await using pair = await connectedPair({
    handler: (session) => session.print(JSON.stringify(session.env)),
  });
  await using channel = await pair.host.openSession();
  await channel.updateEnv({ A: "1", "b-": "2" });
  await assertRejects(
    () => channel.updateEnv({ B: "2", "c-": "3", C: "4", "d-": "5" }, { strict: true }),
    RequestDeniedError,
    'The peer refused to set "c-", "d-"',
  );
  await channel.exec("env");
  assertEquals(await readAll(channel), '{"A":"1","B":"2","C":"4"}');
});

Deno.test("exec_command, invoke_shell, invoke_subsystem: one program per channel", async () => {
  await using pair = await connectedPair({ handler: (s) => s.print(`${s.command}`) });
  await using channel = await pair.host.openSession();
  await assertRejects(() => channel.subsystem("none"), RequestDeniedError, "subsystem");
  await channel.exec("uptime"); // a refusal leaves the channel free
  await assertRejects(() => channel.exec("again"), TypeError, "has a program");
  await assertRejects(() => channel.shell(), TypeError, "has a program");
  assertEquals(await readAll(channel), "uptime");
  await channel.close();
  await using closed = await pair.host.openSession();
  await closed.close();
  await assertRejects(() => closed.exec("x"), ClosedError);
});

Deno.test("Signals and breaks reach the server, xon-xoff the client", async () => {
  await using pair = await sessionPair();
  const { client, server, session } = pair;
  await assertRejects(() => client.sendBreak(), RequestDeniedError, "break");
  const heard: unknown[] = [];
  session.onSignal((name) => heard.push(name));
  session.onBreak((milliseconds) => heard.push(milliseconds));
  client.sendSignal("SIGUSR1");
  client.sendSignal("INT");
  await client.sendBreak(500);
  assertEquals(heard, ["USR1", "INT", 500]);
  assertThrows(() => client.sendSignal("SIGSTOP" as "SIGINT"), TypeError);
  await assertRejects(() => client.sendBreak(-1), RangeError);
  const told = Promise.withResolvers<Uint8Array>();
  client.handleRequests(({ type, data }) => {
    if (type === "xon-xoff") told.resolve(data);
    return false;
  });
  server.xonXoff(true);
  assertEquals(await told.promise, new Uint8Array([1]));
});

Deno.test("exit_status_ready, recv_exit_status, send_exit_status", async () => {
  await using pair = await sessionPair();
  const { client, server } = pair;
  assertEquals(client.exitStatusReady, false);
  const aborter = new AbortController();
  const given = client.recvExitStatus({ signal: aborter.signal });
  aborter.abort(new Error("no patience"));
  await assertRejects(() => given, Error, "no patience");
  server.sendExit({ code: 42 });
  assertEquals(await client.recvExitStatus(), 42);
  assertEquals([client.exitStatusReady, client.isOpen], [true, true]);
});

Deno.test("recv_exit_status: -1 for a signal, and without a status", async () => {
  await using pair = await sessionPair();
  pair.session.exitSignal("KILL", { message: "enough" });
  assertEquals(await pair.client.recvExitStatus(), -1);
  assertEquals((await pair.client.exitStatus).signal, "KILL");
  await using silent = await sessionPair();
  silent.server.abort();
  assertEquals(await silent.client.recvExitStatus(), -1);
  assert(silent.client.exitStatusReady);
});

Deno.test("recv_exit_status before reading output beyond the window: the state shows the cause", async () => {
  const output = new Uint8Array(100_000);
  await using pair = await connectedPair({
    connect: { window: 1024 },
    handler: async (session) => {
      await session.channel.writeAll(output);
      return 7;
    },
  });
  // output() drains both streams.
  assertEquals((await pair.host.command("x").output()).code, 7);
  // Waits for the status first: the state shows why it is missing, and reading resolves it.
  await using channel = await pair.host.openSession();
  await channel.exec("x");
  const status = channel.recvExitStatus();
  await until(() => channel.state.stalled);
  assertEquals([channel.state.receiveWindow, channel.exitStatusReady], [0, false]);
  let sum = 0;
  for await (const chunk of channel) sum += chunk.length;
  assertEquals([sum, await status], [100_000, 7]);
});

Deno.test("recv_exit_status: a received status is available even before unread data", async () => {
  await using pair = await sessionPair({ window: 1024 });
  await pair.server.writeAll(new Uint8Array(1024));
  pair.server.sendExit({ code: 3 });
  assertEquals(await pair.client.recvExitStatus(), 3);
  assertEquals(pair.client.readableBytes, 1024);
});

Deno.test("getpeername: the connection's addresses, in both roles", async () => {
  const addresses: Deno.Addr[] = [];
  using hostKey = await generateKey();
  await using server = serve({
    port: 0,
    hostname: "127.0.0.1",
    hostKeys: [hostKey],
    auth: { none: () => true },
  }, (session) => void addresses.push(session.channel.remoteAddr));
  const { port } = server.addr;
  await using host = await connect({
    hostname: "127.0.0.1",
    port,
    user: "me",
    auth: [none()],
    hostKeys: hostKey.publicKey,
  });
  await using channel = await host.openSession();
  assertEquals({ ...channel.remoteAddr }, { transport: "tcp", hostname: "127.0.0.1", port });
  await channel.shell();
  await channel.recvExitStatus();
  assertEquals(addresses, [channel.localAddr]);
});

Deno.test("check_channel_request: a server's policy decides, and denies by default", async () => {
  await using bare = await connectedPair();
  for (const program of ["shell", "exec"] as const) {
    await using channel = await bare.host.openSession();
    await assertRejects(() => channel[program]("x" as never), RequestDeniedError, program);
  }
  await using channel = await bare.host.openSession();
  await assertRejects(() => channel.subsystem("sftp"), RequestDeniedError, "subsystem");
  await assertRejects(() => channel.request("x@example.com"), RequestDeniedError);
  await using few = await connectedPair({ serve: { maxSessions: 1 } });
  await using _one = await few.host.openSession();
  // With extra data it is an ordinary channel, which is not queued.
  const another = few.host.openChannel("session", { extra: new Uint8Array(0) });
  await assertRejects(() => another, ChannelOpenError, "No more sessions");
});

Deno.test("request_forward_agent: a handler answers each connection of the session", async () => {
  await using pair = await connectedPair({
    serve: { forward: { agent: () => true } },
    handler: async (session) => {
      for (let i = 0; i < 2; i++) {
        await using agent = await session.agent!.connect();
        await session.print(text((await agent.readChunk())!));
      }
    },
  });
  await using channel = await pair.host.openSession();
  let count = 0;
  await pair.host.forwardAgent(channel, (agent) => agent.writeAll(bytes(`agent ${++count} `)));
  await channel.shell();
  assertEquals(await readAll(channel), "agent 1 agent 2 ");
});

Deno.test("Terminal requests of a channel are decoded correctly", () => {
  const pty = { term: "xterm", columns: 1, rows: 2, width: 3, height: 4, modes: { ECHO: 1 } };
  assertEquals(decodePty(encodePtyRequest(pty)), pty);
});
