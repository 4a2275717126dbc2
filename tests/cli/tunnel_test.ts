/** The features of sshtunnel's command line, with ours. */
import { assertEquals, assertMatch } from "@std/assert";
import {
  bindsAndChecks,
  connectsAgain,
  goesThroughAnother,
  tellsWhyItCannotStart,
} from "./cases/tunnel.ts";
import { cli, startServe } from "./world.ts";

for (
  const [args, why] of [
    [["me@host"], "give -L, -R or -D"],
    [["-L", "db:1"], "no gateway"],
    [["-L", "x", "me@host"], "bad local forwarding"],
    [["-R", "db:1", "me@host"], "bad remote forwarding"],
    [["-L", "db:1", "-J", "a b", "me@host"], "bad jump host"],
    [["-L", "db:1", "me@host", "command"], 'unexpected "command"'],
  ] as const
) {
  Deno.test(`tunnel ${args.join(" ")} prints one line and exits with 2`, async () => {
    const ran = await cli(["tunnel", ...args]);
    assertEquals([ran.code, ran.stderr.split("\n").length, ran.text], [2, 2, ""]);
    assertMatch(ran.stderr, new RegExp(why));
  });
}

for (
  const [name, run] of [
    ["several binds, a free local port, and a check", bindsAndChecks],
    ["connects again, starts again at SIGHUP, ends at SIGTERM", connectsAgain],
    ["a gateway behind another, with a password", goesThroughAnother],
    ["a failed start prints one line and exits with 1", tellsWhyItCannotStart],
  ] as const
) {
  Deno.test(`tunnel: ${name}`, async () => {
    await using gateway = await startServe(["-o", "AllowTcpForwarding=yes"]);
    await run(gateway);
  });
}
