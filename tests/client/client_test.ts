/** A client and our server on one connection. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import {
  CommandError,
  connect,
  ConnectError,
  type ConnectOptions,
  DisconnectError,
  HostKeyError,
  none,
  RequestDeniedError,
  type TraceEvent,
} from "@denossh/ssh";
import { Config } from "@denossh/ssh/config";
import { generateKey } from "@denossh/ssh/keys";
import { localFiles, type ServerAuthPolicy, type Session } from "@denossh/ssh/server";
import { connectedPair, memoryPair } from "@denossh/ssh/testing";
import { inspect } from "node:util";
import { fakeEnv } from "../support/fake_env.ts";
import { tempFolder } from "../support/temp.ts";

Deno.test("Client.closed resolves when we disconnect, and rejects when the server does", async () => {
  const ours = await connectedPair();
  await ours.host.close();
  await ours.host.closed;
  await ours[Symbol.asyncDispose]();
  const theirs = await connectedPair();
  const closed = assertRejects(() => theirs.host.closed, DisconnectError);
  await theirs.served.close();
  assertEquals((await closed).by, "peer");
  await theirs[Symbol.asyncDispose]();
  const used = await assertRejects(() => theirs.host.run("x"));
  assertStrictEquals((used as Error).cause instanceof DisconnectError, true);
});

Deno.test("Client.info has the negotiated algorithms", async () => {
  const algorithms = {
    kex: "curve25519-sha256",
    cipher: "aes128-ctr",
    mac: "hmac-sha2-256",
    compression: "none",
  };
  await using pair = await connectedPair({ connect: { algorithms, hostname: "db1", port: 2222 } });
  const { hostKey, server, ...info } = pair.host.info;
  assert(hostKey.equals(pair.hostKey.publicKey));
  assert(server.startsWith("SSH-2.0-"));
  assertEquals(info, {
    ...algorithms,
    host: { hostname: "db1", port: 2222 },
    user: "tester",
    shared: false,
    hostKeyAlgorithm: "ssh-ed25519",
  });
  assertEquals(pair.host.settings, null);
});

Deno.test("A connection's environment applies to every command; the command's own overrides it", async () => {
  const seen: Record<string, string>[] = [];
  const handler = (session: Session) => void seen.push({ ...session.env });
  await using pair = await connectedPair({ connect: { env: { A: "1", B: "2" } }, handler });
  await pair.host.command("x", { env: { B: "3", C: "4" } }).output();
  await using shell = await pair.host.shell({ pty: false });
  await shell.status;
  await using bare = await connectedPair({ handler });
  await bare.host.run("x");
  assertEquals(seen, [{ A: "1", B: "3", C: "4" }, { A: "1", B: "2" }, {}]);
});

Deno.test("By default a shell has a terminal, and a command has none", async () => {
  const terms: (string | undefined)[] = [];
  const handler = ({ pty }: Session) => void terms.push(pty?.term);
  await using pair = await connectedPair({ handler });
  for (const options of [{}, { pty: false }, { pty: { term: "vt100" } }]) {
    await using shell = await pair.host.shell(options);
    await shell.status;
  }
  await pair.host.run("x");
  await pair.host.run("x", { pty: true });
  assertEquals(terms, ["xterm-256color", undefined, "vt100", undefined, "xterm-256color"]);
});

Deno.test("A shell's streams may be merged or discarded", async () => {
  await using pair = await connectedPair({
    handler: async (session) => {
      await session.print("out");
      await session.printError("error");
    },
  });
  const output = async (options: Parameters<typeof pair.host.shell>[0]) => {
    await using shell = await pair.host.shell({ pty: false, ...options });
    const { stdout, stderr } = await shell.output();
    return [stdout.length, stderr.length];
  };
  assertEquals(await output({}), [3, 5]);
  assertEquals(await output({ stderr: "merge" }), [8, 0]);
  assertEquals(await output({ stderr: "null" }), [3, 0]);
  assertEquals(await output({ stdout: "null" }), [0, 5]);
});

const refusals: [
  string,
  (host: Awaited<ReturnType<typeof connect>>) => Promise<unknown>,
  string,
][] = [
  ["a subsystem", (host) => host.subsystem("x"), "subsystem"],
  ["SFTP", (host) => host.sftp(), "subsystem"],
  ["a shell", (host) => host.shell({ pty: false }), "shell"],
  ["a command", (host) => host.run("x"), "exec"],
  ["an agent", (host) => host.run("x", { forwardAgent: () => {} }), "agent-req"],
  [
    "a display",
    (host) => host.run("x", { forwardX11: { display: ":0", authority: null } }),
    "x11-req",
  ],
];
for (const [what, ask, request] of refusals) {
  Deno.test(`The channel of ${what} that is refused is closed`, async () => {
    await using pair = await connectedPair({ serve: { maxSessions: 1 } });
    const error = await assertRejects(() => ask(pair.host), RequestDeniedError);
    assertEquals(error.request, request);
    // A session opened with extra data is not queued.
    const extra = new Uint8Array(0);
    const next = () => pair.host.openChannel("session", { extra });
    await pair.host.request("keepalive@openssh.com");
    await (await next()).close();
  });
}

Deno.test("A command that fails is an error of run(), and no error of output()", async () => {
  await using pair = await connectedPair({ handler: () => 3 });
  assertEquals((await pair.host.command("x").output()).code, 3);
  const error = await assertRejects(() => pair.host.run("x"), CommandError);
  assertEquals(error.exitCode, 3);
});

Deno.test("Global requests work in both directions, with and without an answer", async () => {
  const heard: string[] = [];
  const notified = Promise.withResolvers<void>();
  await using pair = await connectedPair({
    serve: {
      onConnection(connection) {
        connection.handleGlobals("double@example.com", (data) => Uint8Array.of(...data, ...data));
        connection.handleGlobals("notice@example.com", () => {
          notified.resolve();
          return null;
        });
        connection.handleGlobals("ask@example.com", async () => {
          const answer = await connection.request("question@example.com", Uint8Array.of(1));
          heard.push([...answer].join());
          return answer;
        });
      },
    },
  });
  const { host } = pair;
  assertEquals(await host.request("double@example.com", Uint8Array.of(7)), Uint8Array.of(7, 7));
  host.notify("notice@example.com");
  await notified.promise;
  await assertRejects(() => host.request("ask@example.com"), RequestDeniedError);
  host.handleGlobals("question@example.com", (data) => Uint8Array.of(...data, 2));
  assertEquals(await host.request("ask@example.com"), Uint8Array.of(1, 2));
  assertEquals(heard, ["1,2"]);
});

Deno.test("Client.rekey exchanges keys, and open channels continue", async () => {
  const names: string[] = [];
  await using pair = await connectedPair({
    connect: { trace: ({ direction, name }) => names.push(`${direction} ${name}`) },
    handler: (session) => session.stdin.pipeTo(session.stdout),
  });
  const channel = await pair.host.openSession();
  await channel.shell();
  await channel.writeAll(Uint8Array.of(1));
  names.length = 0;
  await pair.host.rekey();
  assert(names.includes("sent NEWKEYS") && names.includes("received NEWKEYS"));
  await channel.writeAll(Uint8Array.of(2));
  await channel.closeWrite();
  assertEquals(await channel.readAll(), Uint8Array.of(1, 2));
  await channel.close();
});

Deno.test("SFTP uses the same connection", async () => {
  await using folder = await tempFolder();
  await using pair = await connectedPair({ serve: { sftp: localFiles({ root: folder.path }) } });
  await using sftp = await pair.host.sftp();
  await sftp.writeTextFile("/file", "text");
  assertEquals(await Deno.readTextFile(folder.join("file")), "text");
});

const hostKey = await generateKey();
const contradictions: [string, ConnectOptions, string][] = [
  ["no host", {}, "No host given"],
  [
    "a transport and a command",
    { hostname: "a", transport: memoryPair()[0], proxyCommand: "x" },
    "only one of jump, transport and proxyCommand",
  ],
  [
    "a jump and a command",
    { hostname: "a", jump: "b", proxyCommand: "x" },
    "only one of jump, transport and proxyCommand",
  ],
  ["a jump of none", { hostname: "a", jump: [] }, "The option jump has no host"],
];
for (const [what, options, message] of contradictions) {
  Deno.test(`connect refuses ${what}`, async () => {
    const common = {
      user: "me",
      auth: [none()],
      hostKeys: hostKey.publicKey,
      config: false,
    } as const;
    await assertRejects(() => connect({ ...common, ...options }), TypeError, message);
  });
}

Deno.test("connect needs a user; the default is the system's", async () => {
  const common = { auth: [none()], config: false, user: undefined } as never as ConnectOptions;
  const users: [string | undefined, string | undefined, string | null][] = [
    [undefined, undefined, null],
    ["", "", null],
    [undefined, "logged", "logged"],
    ["used", "logged", "used"],
  ];
  for (const [USER, LOGNAME, expected] of users) {
    using _env = fakeEnv({ USER, LOGNAME });
    if (expected === null) {
      const connecting = connect({ ...common, transport: memoryPair()[0] });
      await assertRejects(() => connecting, TypeError, "No user given");
      continue;
    }
    await using pair = await connectedPair({ connect: common });
    assertEquals(pair.host.info.user, expected);
  }
});

Deno.test("A server whose host key is refused never learns the user name", async () => {
  const [near, far] = memoryPair();
  const heard: string[] = [];
  const { serveStreams } = await import("@denossh/ssh/server");
  await using served = serveStreams(far, {
    hostKeys: [hostKey],
    auth: { none: () => true },
    trace: ({ direction, name }) => heard.push(`${direction} ${name}`),
  });
  const other = (await generateKey()).publicKey;
  await assertRejects(
    () =>
      connect({
        transport: near,
        user: "me",
        auth: [none()],
        hostKeys: other,
        config: false,
      }),
    HostKeyError,
  );
  await served.closed;
  assert(!heard.includes("received USERAUTH_REQUEST"));
  assert(!heard.includes("received SERVICE_REQUEST"), heard.join());
});

Deno.test("connect's time-out error tells how long it waited", async () => {
  const [near] = memoryPair();
  const error = await assertRejects(
    () =>
      connect({
        transport: near,
        hostname: "db1",
        port: 2222,
        user: "me",
        auth: [none()],
        hostKeys: hostKey.publicKey,
        timeout: 1,
        config: false,
      }),
    ConnectError,
    "Connecting to [db1]:2222 timed out after 1 ms",
  );
  assertEquals(error.code, "timeout");
});

Deno.test("The user's keys are offered after none, in one flight unless compression is used", async () => {
  await using folder = await tempFolder();
  using key = await generateKey();
  const path = await folder.write("key", key.export());
  const config = Config.parse(`Host *\nIdentityFile ${path}\nIdentityAgent none`);
  const zlib = { algorithms: { compression: "zlib@openssh.com" } };
  const methods = async (algorithms: Partial<typeof zlib>, auth: ServerAuthPolicy) => {
    const sent: string[] = [];
    const trace = ({ name, direction, fields }: TraceEvent) => {
      if (name === "USERAUTH_REQUEST" && direction === "sent") {
        sent.push(`${fields.method}`.replace("-hostbound-v00@openssh.com", ""));
      }
    };
    const mine = {
      auth: undefined,
      config,
      hostname: "db1",
      trace,
      ...algorithms,
    } as unknown as ConnectOptions;
    await using pair = await connectedPair({ connect: mine, serve: { auth, ...algorithms } });
    await pair.host.rekey(); // the connection works
    return sent;
  };
  const letsIn: ServerAuthPolicy = { none: () => true, publicKey: () => false };
  assertEquals(await methods({}, letsIn), ["none", "publickey"]);
  assertEquals(await methods(zlib, letsIn), ["none"]);
  assertEquals(await methods(zlib, { publicKey: () => true }), ["none", "publickey"]);
});

Deno.test("console.log of a client shows host, user, algorithms, channels and bytes", async () => {
  await using pair = await connectedPair({
    connect: { hostname: "db1", port: 2222, algorithms: { kex: "curve25519-sha256" } },
    handler: (session) => session.channel.writeAll(new Uint8Array(100_000)),
  });
  const { host } = pair;
  const algorithms = "curve25519-sha256, ssh-ed25519, chacha20-poly1305@openssh.com";
  const start = new RegExp(`^Client tester@\\[db1\\]:2222 \\(open, SSH-2.0-\\S+, ${algorithms}, `);
  const text = Deno.inspect(host);
  assertEquals([start.test(text), text.includes(", 0 channels, ")], [true, true], text);
  await using _channel = await host.openSession();
  await host.command("x").output();
  await host.rekey();
  const bytes = /, 1 channel, (\d+) bytes sent, (\d+) received\)$/.exec(inspect(host));
  assert(Number(bytes?.[1]) > 0 && Number(bytes?.[2]) > 100_000, inspect(host));
  await host.close();
  await host.closed;
  assert(Deno.inspect(host).startsWith("Client tester@[db1]:2222 (closed, "));
});
