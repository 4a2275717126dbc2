import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { UsageError } from "../../lib/cli/shared/flags.ts";
import { socksSpec, tunnelSpec } from "../../lib/cli/tunnel/forward_specs.ts";
import { freePort } from "../support/free_port.ts";
import { peerTest } from "../interop/harness/peers.ts";
import { startSshd } from "../interop/harness/sshd.ts";
import { cli, clientArgs, cliSsh, startCli } from "./world.ts";

const SPECS: [text: string, from: unknown, to: string][] = [
  ["8080:db:5432", { port: 8080 }, "db:5432"],
  ["127.0.0.2:8080:db:5432", { port: 8080, hostname: "127.0.0.2" }, "db:5432"],
  ["*:8080:db:5432", { port: 8080, hostname: "0.0.0.0" }, "db:5432"],
  [":8080:db:5432", { port: 8080, hostname: "0.0.0.0" }, "db:5432"],
  ["[::1]:8080:[fe80::1]:22", { port: 8080, hostname: "::1" }, "[fe80::1]:22"],
  ["8080:/run/db.sock", { port: 8080 }, "/run/db.sock"],
  ["/tmp/l.sock:db:5432", { path: "/tmp/l.sock" }, "db:5432"],
  ["/tmp/l.sock:/run/db.sock", { path: "/tmp/l.sock" }, "/run/db.sock"],
];
for (const [text, from, to] of SPECS) {
  Deno.test(`-L ${text} is understood as by ssh`, () => {
    assertEquals(tunnelSpec("local", text), { kind: "local", from, to } as never);
  });
}

for (const text of ["", "8080", "8080:db", "x:db:1", "8080:db:0", "1:2:3:4:5", "70000:db:1"]) {
  Deno.test(`-L "${text}" is refused`, () => {
    assertThrows(() => tunnelSpec("local", text), UsageError, "bad local forwarding");
  });
}

Deno.test("-D takes a port and perhaps an address", () => {
  assertEquals(socksSpec("1080"), { kind: "socks", from: { port: 1080 } });
  assertEquals(socksSpec("[::1]:1080"), { kind: "socks", from: { port: 1080, hostname: "::1" } });
  assertThrows(() => socksSpec("/x"), UsageError);
});

/** Answers one line with another, on loopback. */
function echoServer(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => new Response("hello"));
}

async function get(port: number): Promise<string> {
  const headers = { connection: "close" };
  return await (await fetch(`http://127.0.0.1:${port}/`, { headers })).text();
}

await peerTest(["sshd"], "ssh -N carries -L, -R and -D through a real server", async () => {
  await using server = await startSshd();
  await using web = echoServer();
  const [local, remote, socks] = [freePort(), freePort(), freePort()];
  const to = `127.0.0.1:${web.addr.port}`;
  const flags = ["-vN", "-L", `${local}:${to}`, "-R", `${remote}:${to}`, "-D", `${socks}`];
  await using ssh = startCli(
    clientArgs("ssh", server, [], { flags, config: { LogLevel: "INFO" } }),
  );
  await ssh.waitFor(/socks forwarding from/);
  assertEquals(await get(local), "hello");
  assertEquals(await get(remote), "hello");
  using client = Deno.createHttpClient({
    proxy: { transport: "socks5", url: `socks5h://127.0.0.1:${socks}` },
  });
  assertEquals(await (await fetch(`http://${to}/`, { client })).text(), "hello");
});

await peerTest(["sshd"], "ssh -J goes through hosts, and -W is the last of them", async () => {
  await using server = await startSshd();
  const hop = `${server.user}@127.0.0.1:${server.port}`;
  // By another name than the hops have: as in ssh, a host is no jump host of its own.
  const target = { ...server, hostname: "localhost", log: "" };
  const ran = await cliSsh(target, ["echo", "inner"], {
    flags: ["-J", `${hop},${hop}`],
    config: { HostKeyAlias: `[127.0.0.1]:${server.port}` },
  });
  assertEquals([ran.code, ran.text], [0, "inner\n"], ran.stderr);
  await using web = echoServer();
  const request = "GET / HTTP/1.0\r\n\r\n";
  const relayed = await cliSsh(server, [], {
    flags: ["-W", `127.0.0.1:${web.addr.port}`],
    stdin: request,
  });
  assertStringIncludes(relayed.text, "hello");
});

await peerTest(["sshd"], "A port in use is a warning, or the end if so asked", async () => {
  await using server = await startSshd();
  await using web = echoServer();
  const flags = ["-L", `${web.addr.port}:127.0.0.1:1`];
  const config = { LogLevel: "INFO" };
  const warned = await cliSsh(server, ["true"], { flags, config });
  assertEquals(warned.code, 0);
  assertStringIncludes(warned.stderr, "Warning: local forwarding failed");
  const ended = await cliSsh(server, ["true"], {
    flags,
    config: { ...config, ExitOnForwardFailure: "yes" },
  });
  assertEquals(ended.code, 255);
});

Deno.test("A bad forwarding specification is one line and 255", async () => {
  const ran = await cli(["ssh", "-L", "nonsense", "me@host"]);
  assertEquals([ran.code, ran.stderr], [
    255,
    'ssh: bad local forwarding specification "nonsense"\n',
  ]);
});
