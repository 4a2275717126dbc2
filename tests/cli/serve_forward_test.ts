import { assertEquals } from "@std/assert";
import { forwardPolicy } from "../../lib/cli/serve/forward_policy.ts";
import { sshdOptions } from "../../lib/cli/serve/sshd_options.ts";
import type { Login } from "../../lib/session/session.ts";

const LOGIN = {} as Login; // the options apply to all users
const DB = { hostname: "db", port: 5432 };
const PATH = { path: "/run/db.sock" };

/** What options such as `PermitOpen=db:1` allow: a port, a path, a bind, agents, displays. */
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
