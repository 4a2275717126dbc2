/** Cases of `tunnel` with any gateway. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { ask, echo } from "../../forward/world.ts";
import type { Endpoint } from "../../support/endpoint.ts";
import { freePort } from "../../support/free_port.ts";
import { startOurs } from "../../support/ours.ts";
import { startProxy } from "../../support/proxy.ts";
import { configFlags } from "../../support/ssh_flags.ts";
import { tempFolder } from "../../support/temp.ts";
import { askpass, cli, startCli } from "../world.ts";

/** A gateway with known host keys. */
type Gateway = Endpoint & { readonly knownHosts: string };

const INFO = { LogLevel: "INFO" };
/** The arguments for `tunnel` to reach the gateway without the files of the user. */
function tunnelArgs(gateway: Endpoint, flags: readonly string[]): string[] {
  const own = configFlags(gateway, INFO).slice(2); // without -F none, which is for ssh
  return ["tunnel", ...flags, ...own, `${gateway.user}@${gateway.hostname}`];
}

/** Several binds, a free local port, and a check. */
export async function bindsAndChecks(gateway: Gateway): Promise<void> {
  await using here = echo();
  const [local, remote, socks] = [freePort(), freePort(), freePort()];
  const flags = ["-L", here.to, "-L", `${local}:${here.to}`, "-R", `${remote}:${here.to}`];
  await using tunnels = startCli(tunnelArgs(gateway, [...flags, "-D", `${socks}`]));
  const lines = await tunnels.waitFor(
    /local 127\.0\.0\.1:(\d+) -> (\S+)\nlocal \S+:(\d+) -> \S+\nremote \S+:(\d+) -> \S+\nsocks 127\.0\.0\.1:(\d+)\n/,
  );
  assertEquals(lines[2], here.to);
  assertEquals(lines.slice(3, 6).map(Number), [local, remote, socks]);
  for (const port of [Number(lines[1]), local, remote]) {
    assertEquals(await ask(port, "through"), "through");
  }

  const dead = freePort();
  const checks = ["--check", "-L", here.to, "-L", `127.0.0.1:${dead}`];
  const checked = await cli(tunnelArgs(gateway, checks));
  assertEquals(checked.code, 1, checked.stderr);
  assertMatch(
    checked.text,
    new RegExp(`^up   local \\S+ -> ${here.to}\ndown local \\S+ -> \\S+:${dead}\n$`),
  );
  const up = await cli(tunnelArgs(gateway, checks.slice(0, 3)));
  assertEquals(up.code, 0);
}

/** Reconnects, restarts at SIGHUP, ends at SIGTERM. */
export async function connectsAgain(server: Gateway): Promise<void> {
  await using here = echo();
  let cut = false;
  const toServer = (chunk: Uint8Array<ArrayBuffer>) => cut ? null : [chunk];
  await using proxy = startProxy(server.port, { toServer });
  const gateway: Endpoint = { ...server, port: proxy.port, knownHosts: undefined };
  await using tunnels = startCli(tunnelArgs(gateway, ["-L", here.to]));
  const port = Number((await tunnels.waitFor(/local 127\.0\.0\.1:(\d+)/))[1]);
  assertEquals(await ask(port, "one"), "one");
  const up = (times: number) =>
    tunnels.waitFor(new RegExp(`(?:local 127\\.0\\.0\\.1:${port} [^]*){${times}}`));

  tunnels.kill("SIGHUP");
  await up(2);
  assertEquals(await ask(port, "two"), "two");

  cut = true; // with the next byte
  await ask(port, "three").catch(() => {});
  await tunnels.waitFor(/the gateway is lost/);
  cut = false;
  await up(3);
  assertEquals(await ask(port, "four"), "four");

  tunnels.kill("SIGTERM");
  assertEquals((await tunnels.status).code, 0);
}

/** A gateway that is reached through another one, with a password. */
export async function goesThroughAnother(outer: Gateway): Promise<void> {
  await using inner = await startOurs({
    forward: { local: () => true },
    auth: { password: (_, secret) => secret === "open sesame" },
  });
  await using here = echo();
  await using folder = await tempFolder();
  const env = await askpass(folder, ["open sesame"]);
  const known = await Promise.all([outer, inner].map((e) => Deno.readTextFile(e.knownHosts)));
  const gateway = {
    ...inner,
    identity: outer.identity,
    knownHosts: await folder.write("both", known.join("")),
  };
  const flags = ["-o", "BatchMode=no", "-J", `${outer.user}@127.0.0.1:${outer.port}`];
  const ran = await cli(tunnelArgs(gateway, ["-L", here.to, "--check", ...flags]), { env });
  assertEquals(ran.code, 0, ran.stderr);
  assert(ran.text.startsWith("up "));
}

/** A tunnel that cannot start prints one line and exits with 1. */
export async function tellsWhyItCannotStart(gateway: Gateway): Promise<void> {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr as Deno.NetAddr;
  const ran = await cli(tunnelArgs(gateway, ["-L", `${port}:db:1`]));
  assertEquals([ran.code, ran.text], [1, ""]);
  assertMatch(ran.stderr, /^tunnel: Cannot listen on \S+:\d+: it is in use; choose another one/);
}
