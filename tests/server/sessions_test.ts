/** Sessions on a server, their limits, and the events that the server gets. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  type AuthMethod,
  ChannelOpenError,
  type Client,
  connect,
  ConnectError,
  none,
  password,
  RequestDeniedError,
  SshError,
} from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import {
  Grant,
  localFiles,
  type Login,
  type ServeOptions,
  serveStreams,
} from "@denossh/ssh/server";
import type { SftpBackendFile } from "@denossh/ssh/sftp";
import { type ByteStreams, connectedPair, memoryPair } from "@denossh/ssh/testing";
import { authenticateClient } from "../../lib/auth/client.ts";
import { Connection } from "../../lib/connection/connection.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { SftpClient } from "../../lib/sftp/client.ts";
import { requestService } from "../../lib/transport/service.ts";
import { streamSocket } from "../../lib/transport/socket.ts";
import { Transport } from "../../lib/transport/transport.ts";
import {
  CLOSE_LINGER_MS,
  SERVER_KEEPALIVE_MS,
  SFTP_CONNECTION_HANDLES,
  SFTP_MAX_HANDLES,
} from "../../lib/defaults.ts";
import { serveInMemory } from "../support/fake_listener.ts";
import { Turn } from "../../lib/turns.ts";
import { replaced } from "../support/replaced.ts";
import { record } from "../support/spans.ts";
import { FakeTime } from "../support/fake_time.ts";
import { tempFolder } from "../support/temp.ts";
import "../support/quick_refusals.ts";

const extra = new Uint8Array(0);

/** Opens a session that is not queued. */
const session = (host: Client) => host.openChannel("session", { extra });

Deno.test("MaxSessions is 10 by default", async () => {
  await using pair = await connectedPair();
  const sessions = await Promise.all(Array.from({ length: 10 }, () => session(pair.host)));
  const error = await assertRejects(() => session(pair.host), ChannelOpenError, "No more sessions");
  assertEquals(error.reason, 1);
  await sessions[0]!.close();
  await (await session(pair.host)).close();
  await Promise.all(sessions.map((session) => session.close()));
});

Deno.test("MaxSessions of 0 allows none", async () => {
  await using pair = await connectedPair({ serve: { maxSessions: 0 } });
  await assertRejects(() => session(pair.host), ChannelOpenError, "No more sessions");
});

Deno.test("Failed sessions free their slots", async () => {
  await using pair = await connectedPair({ serve: { maxSessions: 1 } });
  for (let i = 0; i < 3; i++) {
    const channel = await session(pair.host);
    channel.abort(new Error("enough"));
    await channel.closed;
    await pair.host.request("keepalive@openssh.com");
  }
});

Deno.test("Programs that end, or fail, free the slots of their sessions", async () => {
  const told: unknown[] = [];
  await using pair = await connectedPair({
    serve: { maxSessions: 1, onError: (error) => told.push(error) },
    handler: ({ command }) => {
      if (command === "fail") throw new Error("failed");
    },
  });
  for (const command of ["end", "fail", "end"]) {
    const channel = await session(pair.host);
    await channel.exec(command);
    await channel.exitStatus;
    await channel.close();
    await pair.host.request("keepalive@openssh.com");
  }
  assertEquals(told.map(String), ["Error: failed"]);
});

Deno.test("A session counts towards MaxSessions until its handler has ended", async () => {
  const ends: (() => void)[] = [];
  const told: unknown[] = [];
  await using pair = await connectedPair({
    serve: { maxSessions: 3, onError: (error) => told.push(error) },
    handler: () => new Promise<void>((resolve) => ends.push(resolve)),
  });
  for (let i = 0; i < 3; i++) {
    const channel = await session(pair.host);
    await channel.exec("ignore the end");
    await channel.close();
  }
  for (let i = 0; i < 2; i++) {
    await assertRejects(() => session(pair.host), ChannelOpenError, "No more sessions");
  }
  assertEquals(ends.length, 3);
  assertEquals(told.map(String), [
    'ChannelOpenError: A session of "tester" is refused: the handlers of 3 closed sessions of this ' +
    "connection still run, and count towards maxSessions: end handlers when session.signal is aborted " +
    "[channel-open]",
  ]);
  ends[0]!();
  await (await session(pair.host)).close();
  for (const end of ends) end();
});

Deno.test("A session counts towards MaxSessions while a policy for it is asked", async () => {
  const decision = Promise.withResolvers<boolean>();
  await using pair = await connectedPair({
    serve: { maxSessions: 1, forward: { agent: () => decision.promise } },
  });
  const channel = await session(pair.host);
  channel.notify("auth-agent-req@openssh.com");
  await channel.close();
  await assertRejects(() => session(pair.host), ChannelOpenError, "No more sessions");
  decision.resolve(false);
  await (await session(pair.host)).close();
});

Deno.test("A refusal of sessions that are all open is not an error of the server", async () => {
  const told: unknown[] = [];
  await using pair = await connectedPair({
    serve: { maxSessions: 1, onError: (error) => told.push(error) },
  });
  const channel = await session(pair.host);
  await assertRejects(() => session(pair.host), ChannelOpenError, "No more sessions");
  assertEquals(told, []);
  await channel.close();
});

Deno.test("no-more-sessions is answered, and keeps open sessions", async () => {
  await using pair = await connectedPair({ handler: ({ stdin, stdout }) => stdin.pipeTo(stdout) });
  const channel = await session(pair.host);
  assertEquals(await pair.host.request("no-more-sessions@openssh.com"), extra);
  await assertRejects(() => session(pair.host), ChannelOpenError, "No more sessions");
  await channel.shell();
  await channel.writeAll(new TextEncoder().encode("still here"));
  await channel.closeWrite();
  assertEquals(new TextDecoder().decode(await channel.readAll()), "still here");
  await channel.close();
});

Deno.test("A keepalive is answered with success, and an unknown request with failure", async () => {
  await using pair = await connectedPair();
  assertEquals(await pair.host.request("keepalive@openssh.com"), extra);
  await assertRejects(() => pair.host.request("x@example.com"), RequestDeniedError);
});

/** Whether a subsystem starts. */
async function starts(host: Client, name: string): Promise<boolean> {
  try {
    await (await host.subsystem(name)).close();
    return true;
  } catch (error) {
    if (error instanceof RequestDeniedError) return false;
    throw error;
  }
}

Deno.test("SFTP is served to users with files, and is the only subsystem", async () => {
  await using folder = await tempFolder();
  await folder.write("file", "text");
  const backend = localFiles({ root: folder.path });
  const logins: Login[] = [];
  const forms: [ServeOptions["sftp"], boolean][] = [
    [undefined, false],
    [backend, true],
    [{ backend }, true],
    [(login) => (logins.push(login), backend), true],
    [() => ({ backend, readOnly: true }), true],
    [() => null, false],
  ];
  for (const [sftp, expected] of forms) {
    await using pair = await connectedPair({
      serve: sftp ? { sftp } : {},
      handler: () => assert(false, "the handler is for commands and shells"),
    });
    assertEquals(await starts(pair.host, "sftp"), expected);
    for (const name of ["SFTP", "sftp ", "internal-sftp", ""]) {
      assert(!await starts(pair.host, name), name);
    }
  }
  assertEquals(logins.map(({ user }) => user), ["tester"]);
});

for (
  const [command, isFiles] of [
    ["internal-sftp", true],
    ["internal-sftp -l INFO", true],
    ["internal-sftp2", false],
    ["sftp", false],
    ["/usr/lib/internal-sftp", false],
  ] as const
) {
  Deno.test(`A forced command "${command}" ${isFiles ? "starts" : "does not start"} SFTP`, async () => {
    await using folder = await tempFolder();
    const ran: (string | null)[] = [];
    await using pair = await connectedPair({
      serve: {
        auth: { none: () => new Grant({ command }) },
        sftp: localFiles({ root: folder.path }),
      },
      handler: ({ command }) => void ran.push(command),
    });
    if (isFiles) {
      await using sftp = await pair.host.sftp();
      assertEquals(await sftp.realPath("."), "/");
    }
    const { code } = await pair.host.command("rm -r /").output();
    assertEquals([code, ran], isFiles ? [0, []] : [0, [command]]);
  });
}

Deno.test("A forced SFTP command is refused without files", async () => {
  await using pair = await connectedPair({
    serve: { auth: { none: () => new Grant({ command: "internal-sftp" }) } },
    handler: () => 0,
  });
  await assertRejects(() => pair.host.run("x"), RequestDeniedError, "exec");
});

const hostKey = await generateKey("ed25519");
const options = { hostKeys: [hostKey], auth: { none: () => true } } satisfies ServeOptions;

async function logIn(transport: ByteStreams, auth = [none()]): Promise<Client> {
  return await connect({
    transport,
    user: "ann",
    auth,
    hostKeys: hostKey.publicKey,
    config: false,
  });
}

Deno.test("onConnection gets the user, methods, address and connection", async () => {
  const logins: Login[] = [];
  const greeted = Promise.withResolvers<void>();
  await using server = serveInMemory({
    ...options,
    async onConnection(connection, login) {
      logins.push(login);
      await connection.request("hello@example.com").catch(() => {});
      greeted.resolve();
    },
  });
  await using host = await logIn(server.dial("192.0.2.7"));
  await greeted.promise;
  assertEquals(host.info.user, "ann");
  const [login] = logins;
  assertEquals([logins.length, login?.user, login?.methods], [1, "ann", ["none"]]);
  assertEquals((login?.remoteAddr as Deno.NetAddr).hostname, "192.0.2.7");
});

for (const how of ["throws", "rejects"] as const) {
  Deno.test(`onConnection that ${how} is reported, and the connection continues`, async () => {
    const told: unknown[] = [];
    const error = new Error("mistake");
    await using server = serveInMemory({
      ...options,
      onConnection: () => {
        if (how === "throws") throw error;
        return Promise.reject(error);
      },
      onError: (...args) => told.push(args),
    });
    await using host = await logIn(server.dial("192.0.2.7"));
    await host.request("keepalive@openssh.com");
    assertEquals(told.length, 1);
    assertStrictEquals((told[0] as unknown[])[0], error);
    assertEquals((told[0] as [unknown, Deno.NetAddr])[1].hostname, "192.0.2.7");
  });
}

Deno.test("onConnection that fails because the client disconnected is not reported", async () => {
  const told: unknown[] = [];
  const failed = Promise.withResolvers<void>();
  await using server = serveInMemory({
    ...options,
    onConnection: async (connection) => {
      for await (const _open of connection.incoming) continue;
      queueMicrotask(failed.resolve);
      throw new Error("no more of them");
    },
    onError: (error) => told.push(error),
  });
  await (await logIn(server.dial("192.0.2.7"))).close();
  await failed.promise;
  await server.server.shutdown();
  assertEquals(told, []);
});

Deno.test("onAttempt gets the client's address, and trace gets each message", async () => {
  const told: string[] = [];
  const traced = new Set<string>();
  await using server = serveInMemory({
    hostKeys: [hostKey],
    auth: { password: (_user, secret) => secret === "right" },
    onAttempt: ({ method, accepted, user }, remoteAddr) =>
      told.push(`${user} ${method} ${accepted} ${(remoteAddr as Deno.NetAddr).hostname}`),
    trace: ({ direction, name }, remoteAddr) =>
      traced.add(`${direction} ${name} ${(remoteAddr as Deno.NetAddr).hostname}`),
  });
  await (await logIn(server.dial("192.0.2.7"), [none(), password("wrong"), password("right")]))
    .close();
  assertEquals(told, [
    "ann none false 192.0.2.7",
    "ann password false 192.0.2.7",
    "ann password true 192.0.2.7",
  ]);
  assert(traced.has("received USERAUTH_REQUEST 192.0.2.7"));
  assert(traced.has("sent USERAUTH_SUCCESS 192.0.2.7"));
});

/** A connection to the server that drops all data once it is held. */
function holdable([near, far]: [ByteStreams, ByteStreams]) {
  const held = Promise.withResolvers<void>();
  let isHeld = false;
  const gate = () =>
    new TransformStream<Uint8Array, Uint8Array>({
      async transform(chunk, controller) {
        if (isHeld) await held.promise;
        controller.enqueue(chunk);
      },
    });
  return {
    near: { readable: near.readable.pipeThrough(gate()), writable: near.writable },
    far,
    hold: () => void (isHeld = true),
    release: () => held.resolve(),
  };
}

for (const [keepaliveCount, ends] of [[1, 2_000], [undefined, 4_000]] as const) {
  Deno.test(`A client that is silent for ${ends} ms is disconnected, with a count of ${keepaliveCount}`, async () => {
    using time = new FakeTime();
    const way = holdable(memoryPair());
    const served = serveStreams(way.far, {
      ...options,
      keepaliveInterval: 1_000,
      ...(keepaliveCount !== undefined && { keepaliveCount }),
    });
    const host = await time.settle(logIn(way.near));
    const start = time.now;
    way.hold();
    const cause = await time.settle(served.closed);
    assert(cause instanceof ConnectError && cause.code === "timeout", String(cause));
    // It was heard in the first second, when it acknowledged the server's host keys.
    assertEquals(time.now - start, ends + 1_000);
    way.release();
    await host.close();
  });
}

Deno.test("A client gets keepalives after a minute unless they are disabled", async () => {
  using time = new FakeTime();
  for (const [more, asks] of [[{}, true], [{ keepaliveInterval: 0 }, false]] as const) {
    const traced: unknown[] = [];
    const [near, far] = memoryPair();
    const trace: ServeOptions["trace"] = (event) => traced.push(event.fields);
    const served = serveStreams(far, { ...options, ...more, trace });
    const host = await time.settle(logIn(near));
    await time.advance(SERVER_KEEPALIVE_MS - 1);
    assert(!JSON.stringify(traced).includes("keepalive"));
    // The client was heard in the first minute, when it acknowledged the server's host keys.
    await time.advance(2 * SERVER_KEEPALIVE_MS);
    assertEquals(JSON.stringify(traced).includes("keepalive"), asks);
    await host.close();
    await served.close();
  }
});

Deno.test("The server's options set the rekey limits and the window", async () => {
  const received: string[] = [];
  const [near, far] = memoryPair();
  await using _served = serveStreams(far, {
    ...options,
    rekey: { bytes: 100_000 },
    window: 4_096,
    trace: ({ direction, name, fields }) => {
      received.push(`${direction} ${name} ${fields.window ?? ""}`);
    },
  }, async ({ channel }) => {
    await channel.writeAll(new Uint8Array(300_000));
  });
  await using host = await logIn(near);
  await host.command("x").output();
  assert(received.includes("sent CHANNEL_OPEN_CONFIRMATION 4096"), received.join());
  assert(received.filter((line) => line.startsWith("sent KEXINIT")).length > 1);
});

Deno.test("A served connection reports what ended it, and closing it is an orderly end", async () => {
  const [near, far] = memoryPair();
  const served = serveStreams(far, options);
  const host = await logIn(near);
  await served.close();
  await assertRejects(() => host.closed, SshError);
  assert(await served.closed instanceof SshError);
  await host.close();
});

Deno.test("A login's span on the server ends with it, and has its error", async () => {
  using spans = record();
  const login = async (auth: AuthMethod[]) => {
    const [near, far] = memoryPair();
    await using _served = serveStreams(far, {
      hostKeys: [hostKey],
      auth: { password: (_user, secret) => secret === "right" },
    });
    await using _host = await logIn(near, auth);
  };
  await login([password("right")]);
  await assertRejects(() => login([password("wrong")]), SshError);
  const own = spans.ended.filter(({ name, kind }) => name === "ssh.login" && kind === 1);
  assertEquals(own.map(({ status }) => status?.message), [undefined, "DisconnectError"]);
});

Deno.test("LoginGraceTime is 120 s by default, and ends with the login", async () => {
  using time = new FakeTime();
  const [near, far] = memoryPair();
  const served = serveStreams(far, options);
  const reading = near.readable.pipeTo(new WritableStream()).catch(() => {});
  const cause = await time.settle(served.closed);
  assertEquals([String(cause), time.now], [
    "ConnectError: No login within 120000 ms [timeout]",
    120_000,
  ]);
  assertEquals((cause as ConnectError).code, "timeout");
  await reading;
  const [here, there] = memoryPair();
  const again = serveStreams(there, options);
  const host = await time.settle(logIn(here));
  await time.advance(1_000_000);
  await host.request("keepalive@openssh.com");
  await host.close();
  await again.close();
});

Deno.test("LoginGraceTime of 0 means no limit", async () => {
  using time = new FakeTime();
  const [near, far] = memoryPair();
  await using served = serveStreams(far, { ...options, loginGraceTime: 0 });
  let over = false;
  served.closed.then(() => over = true);
  await time.advance(10_000_000);
  assert(!over);
  const host = await time.settle(logIn(near));
  await host.close();
});

Deno.test("MaxAuthTries is 6 by default", async () => {
  let guesses = 0;
  const [near, far] = memoryPair();
  await using served = serveStreams(far, {
    hostKeys: [hostKey],
    auth: { password: () => ++guesses < 0 },
  });
  const auth = Array.from({ length: 10 }, (_, i) => password(`guess ${i}`));
  await assertRejects(() => logIn(near, auth), SshError);
  await served.closed;
  assertEquals(guesses, 6);
});

Deno.test("The order of SYMLINK's paths depends on the client's identification", async () => {
  for (
    const [identification, linkFirst] of [["SSH-2.0-AsyncSSH_2.14", true], [
      "SSH-2.0-x",
      false,
    ]] as const
  ) {
    await using folder = await tempFolder();
    const [near, far] = memoryPair();
    await using _served = serveStreams(far, {
      ...options,
      sftp: localFiles({ root: folder.path }),
    });
    const transport = new Transport(streamSocket(near), {
      role: "client",
      suite: resolveSuite(),
      verifyHostKey: () => Promise.resolve(),
      identification,
    });
    await transport.handshake();
    const link = requestService(transport.link(), "ssh-userauth");
    await authenticateClient(link, { user: "ann", methods: [none()] });
    const connection = new Connection(transport);
    transport.open(connection);
    const channel = await connection.open("session");
    await channel.subsystem("sftp");
    await using sftp = await SftpClient.open(channel, { linkFirst });
    await sftp.symlink("target", "/link");
    assertEquals(await Deno.readLink(folder.join("link")), "target");
    transport.disconnect();
    await transport.finished;
  }
});

Deno.test("A connection counts as active from its beginning, so that others leave it time to log in", async () => {
  let heard = 0;
  const { heard: original } = Turn.prototype;
  using _heard = replaced(Turn.prototype, "heard", function (this: Turn) {
    heard++;
    original.call(this);
  });
  const [near, far] = memoryPair();
  const served = serveStreams(far, options);
  assertEquals(heard, 1);
  await near.readable.cancel();
  await near.writable.abort();
  await served.close();
});

Deno.test("A connection that has ended waits for no turn", async () => {
  const left = Promise.withResolvers<void>();
  using _leave = replaced(Turn.prototype, "leave", () => left.resolve());
  const [near, far] = memoryPair();
  const served = serveStreams(far, options);
  await near.readable.cancel();
  await near.writable.abort();
  await left.promise;
  await served.close();
});

Deno.test("Ten SFTP sessions of one connection get the turns and the handles of one connection", async () => {
  const turns = new Set<Turn>();
  const { begin } = Turn.prototype;
  using _begin = replaced(Turn.prototype, "begin", function (this: Turn) {
    turns.add(this);
    return begin.call(this);
  });
  const heard = new Set<Turn>();
  const { heard: original } = Turn.prototype;
  using _heard = replaced(Turn.prototype, "heard", function (this: Turn) {
    heard.add(this);
    original.call(this);
  });
  const file = { close: () => Promise.resolve() } as SftpBackendFile;
  await using server = serveInMemory({
    ...options,
    sftp: { open: () => Promise.resolve(file) },
  });
  /** Opens files until that is refused, and returns their number. */
  const fill = async (sftp: SftpClient): Promise<number> => {
    for (let count = 0;; count++) {
      try {
        await sftp.open("/file");
      } catch (error) {
        assert(String(error).includes("Too many open handles"), String(error));
        return count;
      }
    }
  };
  await using host = await logIn(server.dial("192.0.2.7"));
  await using sessions = new AsyncDisposableStack();
  const counts: number[] = [];
  for (let i = 0; i < 10; i++) counts.push(await fill(sessions.use(await host.sftp())));
  const rest = SFTP_CONNECTION_HANDLES - SFTP_MAX_HANDLES;
  assertEquals(counts, [SFTP_MAX_HANDLES, rest, 0, 0, 0, 0, 0, 0, 0, 0]);
  assertEquals([turns.size, heard.size], [1, 1]);
  assertEquals(turns.difference(heard).size, 0);
  await using other = await logIn(server.dial("192.0.2.7"));
  assertEquals(await fill(sessions.use(await other.sftp())), SFTP_MAX_HANDLES);
  assertEquals([turns.size, heard.size], [2, 2]);
});

Deno.test("A handler's error is reported with the client's address, and the session ends with code 1", async () => {
  const told: unknown[] = [];
  const error = new Error("a mistake");
  await using server = serveInMemory(
    { ...options, onError: (...given) => told.push(given) },
    () => Promise.reject(error),
  );
  await using host = await logIn(server.dial("192.0.2.7"));
  assertEquals((await host.command("x").output()).code, 1);
  assertEquals(told, [[error, { transport: "tcp", hostname: "192.0.2.7", port: 50_000 }]]);
});

Deno.test("A session whose channel the handler aborts frees its slot", async () => {
  await using pair = await connectedPair({
    serve: { maxSessions: 1, onError: () => {} },
    handler: ({ channel }) => channel.abort(new Error("enough")),
  });
  for (let i = 0; i < 3; i++) {
    const channel = await session(pair.host);
    await channel.exec("x");
    await channel.closed.catch(() => {});
    await pair.host.request("keepalive@openssh.com");
  }
});

Deno.test("A connection's tunnels and sessions end with it", async () => {
  const ended = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  await using server = serveInMemory(options, async ({ signal }) => {
    started.resolve();
    await new Promise<void>((end) => signal.addEventListener("abort", () => end()));
    ended.resolve();
  });
  const host = await logIn(server.dial("192.0.2.7"));
  const process = await host.command("x").spawn();
  await started.promise;
  await server.server.shutdown();
  await ended.promise;
  await process.status.catch(() => {});
  await host.close();
});

Deno.test("Closing a served connection waits until its streams are closed", async () => {
  using time = new FakeTime();
  const [near, far] = memoryPair();
  const served = serveStreams(far, { ...options, loginGraceTime: 0 });
  const writer = near.writable.getWriter();
  await writer.write(new TextEncoder().encode("SSH-2.0-client\r\n"));
  await time.advance(0);
  let closed = false;
  const closing = served.close().then(() => closed = true);
  await time.advance(CLOSE_LINGER_MS - 1); // the client does not read the message
  assert(!closed);
  await time.advance(1);
  assert(closed);
  await closing;
  await Promise.allSettled([near.readable.cancel(), writer.abort()]);
});
