import { assertEquals, assertStringIncludes } from "@std/assert";
import { countingServer } from "../../support/counting_server.ts";
import type { Endpoint } from "../../support/endpoint.ts";
import { freePort } from "../../support/free_port.ts";
import { clientArgs, cliSsh, startCli } from "../world.ts";

/** `ssh -N` carries -L, -R and -D. */
export async function carriesTunnels(server: Endpoint): Promise<void> {
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
    proxy: { url: `socks5h://127.0.0.1:${socks}` },
  });
  assertEquals(await (await fetch(`http://${to}/`, { client })).text(), "hello");
}

/** `ssh -J` connects through hosts, the last of them by -W. */
export async function jumps(server: Endpoint): Promise<void> {
  const hop = `${server.user}@127.0.0.1:${server.port}`;
  // By a different name than the hops: as in ssh, a host cannot be its own jump host.
  const target = { ...server, hostname: "localhost" };
  const ran = await cliSsh(target, ["echo", "inner"], {
    flags: ["-J", `${hop},${hop}`],
    config: { HostKeyAlias: `[127.0.0.1]:${server.port}` },
  });
  assertEquals([ran.code, ran.text], [0, "inner\n"], ran.stderr);
  using counting = countingServer();
  const relayed = await cliSsh(server, [], {
    flags: ["-W", `127.0.0.1:${counting.port}`],
    stdin: "hello",
  });
  assertEquals(relayed.text, "5 bytes", relayed.stderr);
}

/** A port in use is a warning, or ends ssh with ExitOnForwardFailure. */
export async function meetsTakenPort(server: Endpoint): Promise<void> {
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
}

/** Answers one line with another one, on loopback. */
function echoServer(): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => new Response("hello"));
}

async function get(port: number): Promise<string> {
  const headers = { connection: "close" };
  return await (await fetch(`http://127.0.0.1:${port}/`, { headers })).text();
}
