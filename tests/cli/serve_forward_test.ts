/** `serve` and tunnels: what sshd_config's options allow, by OpenSSH's client. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { forwardPolicy } from "../../lib/cli/serve/forward_policy.ts";
import { sshdOptions } from "../../lib/cli/serve/sshd_options.ts";
import type { Login } from "../../lib/session/session.ts";
import { deadPort, echo } from "../forward/world.ts";
import { runClient } from "../interop/harness/openssh_clients.ts";
import { peerTest } from "../interop/harness/peers.ts";
import { startXServer } from "../interop/harness/x_server.ts";
import { startServe } from "./world.ts";

const LOGIN = {} as Login; // the options are the same for everybody
const DB = { hostname: "db", port: 5432 };
const PATH = { path: "/run/db.sock" };

/** What the options, such as `PermitOpen=db:1`, allow: a port, a path, a bind, agents, displays. */
function allowed(...options: string[]): string {
  const policy = forwardPolicy(sshdOptions(options.map((option) => {
    const equals = option.indexOf("=");
    return { name: option.slice(0, equals), value: option.slice(equals + 1) };
  })));
  const bind = { hostname: "", port: 0 };
  const { local, remote, agent, x11 } = policy;
  const answers = {
    port: local!(DB, LOGIN),
    path: local!(PATH, LOGIN),
    bind: remote!(bind, LOGIN),
    agent: agent!(LOGIN),
    x11: x11!(LOGIN),
  };
  return Object.entries(answers).filter(([, answer]) => answer).map(([name]) => name).join(" ");
}

for (
  const [options, expected] of [
    [[], ""],
    [["AllowTcpForwarding=yes"], "port bind"],
    [["AllowTcpForwarding=all"], "port bind"],
    [["AllowTcpForwarding=local"], "port"],
    [["AllowTcpForwarding=remote"], "bind"],
    [["AllowStreamLocalForwarding=yes"], "path"],
    [["AllowAgentForwarding=yes", "X11Forwarding=yes"], "agent x11"],
    [["AllowTcpForwarding=local", "PermitOpen=db:5432"], "port"],
    [["AllowTcpForwarding=local", "PermitOpen=web:80 db:*"], "port"],
    [["AllowTcpForwarding=local", "PermitOpen=db:5433"], ""],
    [["AllowTcpForwarding=local", "PermitOpen=*:5432"], "port"],
    [["AllowTcpForwarding=local", "PermitOpen=d*:5432"], ""], // no other wildcards, as in sshd
    [["AllowTcpForwarding=local", "PermitOpen=none"], ""],
    [["PermitOpen=any"], ""],
  ] as const
) {
  Deno.test(`serve ${options.join(" ") || "without options"} allows "${expected}"`, () => {
    assertEquals(allowed(...options), expected);
  });
}

await peerTest(
  ["ssh"],
  "serve carries tunnels where its options allow them, and nowhere else",
  async () => {
    await using here = echo();
    const only = ["-o", "AllowTcpForwarding=local", "-o", `PermitOpen=${here.to}`];
    await using server = await startServe(only);
    const through = async (to: string) => {
      return await runClient("ssh", server, [], { flags: ["-W", to], stdin: "through" });
    };
    const ran = await through(here.to);
    assertEquals([ran.text, ran.code], ["through", 0], ran.stderr);
    assert((await through(`127.0.0.1:${deadPort()}`)).code !== 0);
    await using bare = await startServe([]);
    const refused = await runClient("ssh", bare, [], { flags: ["-W", here.to] });
    assert(refused.code !== 0);
  },
);

await peerTest(
  ["ssh", "Xvfb", "xauth", "xdpyinfo"],
  "serve takes a client's display with X11Forwarding=yes",
  async () => {
    await using screen = await startXServer();
    await using server = await startServe(["--exec", "-o", "X11Forwarding=yes"]);
    const ran = await runClient("ssh", server, ["xdpyinfo"], { flags: ["-Y"], env: screen.env });
    assertEquals(ran.code, 0, ran.stderr);
    assertMatch(ran.text, /dimensions: +320x200/);
  },
);
