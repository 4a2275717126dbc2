/** A server's policies: what they get, and that only `true` allows. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  AuthError,
  ChannelOpenError,
  connect,
  none,
  password,
  publicKey,
  RequestDeniedError,
} from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import {
  Grant,
  type Login,
  type ServeOptions,
  serveStreams,
  type Session,
} from "@denossh/ssh/server";
import { connectedPair, memoryPair } from "@denossh/ssh/testing";
import { authenticateClient } from "../../lib/auth/client.ts";
import { Connection } from "../../lib/connection/connection.ts";
import { encodePtyRequest } from "../../lib/connection/session_requests.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { requestService } from "../../lib/transport/service.ts";
import { streamSocket } from "../../lib/transport/socket.ts";
import { Transport } from "../../lib/transport/transport.ts";
import { AGENT_FORWARDING } from "../../lib/wire/numbers.ts";
import { X11Open, X11Req } from "../../lib/wire/requests.ts";
import { serveInMemory } from "../support/fake_listener.ts";

const hostKey = await generateKey("ed25519");
const x11 = X11Req.encode({ protocol: "X-1", cookie: "00ff", screen: 1, single: false });

/** Whether a request is answered with success. */
async function isGranted(asking: Promise<unknown>): Promise<boolean> {
  try {
    await asking;
    return true;
  } catch (error) {
    if (error instanceof RequestDeniedError) return false;
    // The server tried: the socket does not exist.
    if (error instanceof ChannelOpenError) return error.reason !== 1;
    throw error;
  }
}

const failing = () => {
  throw new Error("no decision");
};
const answers: [string, () => unknown, boolean][] = [
  ["true", () => true, true],
  ["a promise of true", () => Promise.resolve(true), true],
  ["false", () => false, false],
  ["1", () => 1, false],
  ["a text", () => "yes", false],
  ["an object", () => ({}), false],
  ["a promise of 1", () => Promise.resolve(1), false],
  ["nothing", () => undefined, false],
  ["an error", failing, false],
  ["a rejection", () => Promise.reject(new Error("no decision")), false],
];
for (const [name, answer, expected] of answers) {
  Deno.test(`A policy that answers with ${name} ${expected ? "allows" : "refuses"}`, async () => {
    const policy = answer as () => boolean;
    const forward = { local: policy, remote: policy, agent: policy, x11: policy };
    await using pair = await connectedPair({ serve: { forward } });
    await using channel = await pair.host.openSession();
    const listen = async () => {
      await using _listener = await pair.host.listen({ hostname: "127.0.0.1", port: 0 });
    };
    const found = [
      await isGranted(channel.request(AGENT_FORWARDING.OPENSSH.request)),
      await isGranted(channel.request("x11-req", x11)),
      await isGranted(pair.host.dial("/nonexistent/socket")),
      await isGranted(listen()),
    ];
    assertEquals(found, [expected, expected, expected, expected]);
  });
}

Deno.test("Policies get the login, and those of tunnels the address, as the client sent it", async () => {
  const asked: unknown[][] = [];
  const note = (name: string) => (...given: unknown[]) => {
    const { user, methods, grant, remoteAddr } = given.pop() as Login;
    asked.push([name, ...given, user, methods, grant.command, remoteAddr]);
    return false;
  };
  const hostname = "192.0.2.7";
  await using server = serveInMemory({
    hostKeys: [hostKey],
    auth: { password: () => new Grant({ command: "internal-sftp" }) },
    forward: {
      local: note("local"),
      remote: note("remote"),
      agent: note("agent"),
      x11: note("x11"),
    },
    sftp: (login) => (note("sftp")(login), null),
  });
  await using host = await connect({
    transport: server.dial(hostname),
    user: "ann",
    auth: [password("x")],
    hostKeys: hostKey.publicKey,
    config: false,
  });
  await using channel = await host.openSession();
  const refused = [
    () => channel.request(AGENT_FORWARDING.OPENSSH.request),
    () => channel.request("x11-req", x11),
    () => host.dial("DB:5432"),
    () => host.listen({ hostname: "Localhost", port: 8080 }),
    () => channel.exec("rm -r /"),
  ];
  for (const refuse of refused) await assertRejects(refuse);
  const login = ["ann", ["password"], "internal-sftp", {
    transport: "tcp",
    hostname,
    port: 50_000,
  }];
  assertEquals(asked, [
    ["agent", ...login],
    ["x11", ...login],
    ["local", { hostname: "DB", port: 5432 }, ...login],
    ["remote", { hostname: "Localhost", port: 8080 }, ...login],
    ["sftp", ...login],
  ]);
});

/** A client that handles each channel and request itself, and the session of its first shell. */
async function rawClient(serve: Partial<ServeOptions>) {
  const arrived = Promise.withResolvers<Session>();
  const over = Promise.withResolvers<void>();
  const [near, far] = memoryPair();
  const served = serveStreams(
    far,
    { hostKeys: [hostKey], auth: { none: () => true }, ...serve },
    (session) => {
      arrived.resolve(session);
      return over.promise;
    },
  );
  const transport = new Transport(streamSocket(near), {
    role: "client",
    suite: resolveSuite(),
    verifyHostKey: () => Promise.resolve(),
  });
  await transport.handshake();
  const link = requestService(transport.link(), "ssh-userauth");
  await authenticateClient(link, { user: "ann", methods: [none()] });
  const connection = new Connection(transport);
  transport.open(connection);
  return {
    connection,
    session: arrived.promise,
    async [Symbol.asyncDispose]() {
      over.resolve();
      transport.disconnect();
      await transport.finished;
      await served.close();
    },
  };
}

for (const { request, channel: type } of [AGENT_FORWARDING.IANA, AGENT_FORWARDING.OPENSSH]) {
  Deno.test(`An agent that was forwarded by ${request} is reached by channels of ${type}`, async () => {
    await using client = await rawClient({ forward: { agent: () => true } });
    const opened: string[] = [];
    for (const { channel } of [AGENT_FORWARDING.IANA, AGENT_FORWARDING.OPENSSH]) {
      client.connection.handleOpens(channel, (open) => {
        opened.push(open.type);
        open.accept();
      });
    }
    const channel = await client.connection.open("session");
    await channel.request(request);
    await channel.shell();
    const { agent } = await client.session;
    await (await agent!.connect()).close();
    assertEquals(opened, [type]);
    const reason = new Error("enough");
    const aborted = { signal: AbortSignal.abort(reason) };
    assertEquals(await assertRejects(() => agent!.connect(aborted)), reason);
  });
}

Deno.test("A client's display is reached from the address of the X client, or the server's own", async () => {
  await using client = await rawClient({ forward: { x11: () => true } });
  const origins: unknown[] = [];
  client.connection.handleOpens("x11", (open) => {
    origins.push(X11Open.decode(open.data));
    open.accept();
  });
  const channel = await client.connection.open("session");
  await channel.request("x11-req", x11);
  await channel.shell();
  const { x11: display } = await client.session;
  const { protocol, cookie, screen, single, connect } = display!;
  assertEquals([protocol, cookie, screen, single], ["X-1", "00ff", 1, false]);
  const from: (Deno.Addr | undefined)[] = [
    undefined,
    { transport: "unix", path: "/run/x" },
    { transport: "tcp", hostname: "192.0.2.9", port: 77 },
  ];
  for (const address of from) await (await connect(address)).close();
  assertEquals(origins, [
    { originatorAddress: "127.0.0.1", originatorPort: 0 },
    { originatorAddress: "127.0.0.1", originatorPort: 0 },
    { originatorAddress: "192.0.2.9", originatorPort: 77 },
  ]);
  const reason = new Error("enough");
  const aborted = { signal: AbortSignal.abort(reason) };
  assertEquals(await assertRejects(() => connect(undefined, aborted)), reason);
});

Deno.test("A terminal needs the server's option, the grant's right and a handler that can give one", async () => {
  const can = (hasTerminals?: () => boolean | Promise<boolean>) =>
    Object.assign(() => {}, hasTerminals && { hasTerminals });
  const cases: [Partial<ServeOptions>, ReturnType<typeof can> | null, boolean][] = [
    [{}, can(), true],
    [{ pty: true }, can(() => true), true],
    [{}, can(() => Promise.resolve(true)), true],
    [{}, can(() => Promise.resolve(false)), false],
    [{}, can(() => false), false],
    [{ pty: false }, can(() => true), false],
    [{ auth: { none: () => new Grant({ pty: false }) } }, can(() => true), false],
    [{}, null, false],
  ];
  for (const [serve, handler, expected] of cases) {
    await using pair = await connectedPair({ serve, ...handler && { handler } });
    await using channel = await pair.host.openSession();
    assertEquals(await isGranted(channel.request("pty-req", encodePtyRequest({}))), expected);
  }
});

Deno.test("A subsystem is one of the server's own names, and replaces the server's files", async () => {
  const ran: unknown[] = [];
  const sftp = (session: Session) => void ran.push([session.subsystem, session.command]);
  await using pair = await connectedPair({
    serve: {
      subsystems: { sftp, Sftp: sftp },
      sftp: () => (assert(false, "the handler serves it"), null),
    },
  });
  for (const name of ["sftp", "Sftp"]) await (await pair.host.subsystem(name)).close();
  for (const name of ["toString", "__proto__", "constructor", "SFTP", ""]) {
    await assertRejects(() => pair.host.subsystem(name), RequestDeniedError);
  }
  assertEquals(ran, [["sftp", null], ["Sftp", null]]);
});

Deno.test("A forced command is the program of a shell, a command and a subsystem", async () => {
  const ran: unknown[] = [];
  await using pair = await connectedPair({
    serve: {
      auth: { none: () => new Grant({ command: "status" }) },
      subsystems: { backup: () => assert(false, "a forced command replaces it") },
      sftp: () => (assert(false, "a forced command replaces it"), null),
    },
    handler: ({ command, subsystem, originalCommand }) => {
      ran.push([command, subsystem, originalCommand]);
    },
  });
  await pair.host.run("rm -r /");
  await (await pair.host.shell({ pty: false })).output();
  for (const name of ["backup", "sftp", "any"]) {
    await (await pair.host.subsystem(name)).readAll();
  }
  const forced = (original: string | null) => ["status", null, original];
  assertEquals(ran, ["rm -r /", null, "backup", "sftp", "any"].map(forced));
});

Deno.test("A server accepts only the user keys that its algorithms name", async () => {
  using key = await generateKey("ed25519");
  for (const [userKey, expected] of [["ssh-ed25519", true], ["rsa-sha2-512", false]] as const) {
    const connecting = connectedPair({
      serve: { auth: { publicKey: () => true }, algorithms: { userKey } },
      connect: { auth: [publicKey(key)] },
    });
    if (!expected) await assertRejects(() => connecting, AuthError);
    else await (await connecting)[Symbol.asyncDispose]();
  }
});

Deno.test("A session counts towards MaxSessions while the policy of displays is asked", async () => {
  const decision = Promise.withResolvers<boolean>();
  await using pair = await connectedPair({
    serve: { maxSessions: 1, forward: { x11: () => decision.promise } },
  });
  const open = () => pair.host.openChannel("session", { extra: new Uint8Array(0) });
  const channel = await open();
  channel.notify("x11-req", x11);
  await channel.close();
  await assertRejects(open, ChannelOpenError, "No more sessions");
  decision.resolve(false);
  await (await open()).close();
});
