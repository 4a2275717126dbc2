import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../../lib/cli/shared/flags.ts";
import { socksSpec, tunnelSpec } from "../../lib/cli/tunnel/forward_specs.ts";
import { carriesTunnels, jumps, meetsTakenPort } from "./cases/forward.ts";
import { cli, startServe } from "./world.ts";

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
  Deno.test(`-L ${text} is parsed as by ssh`, () => {
    assertEquals(tunnelSpec("local", text), { kind: "local", from, to } as never);
  });
}

for (const text of ["", "8080", "8080:db", "x:db:1", "8080:db:0", "1:2:3:4:5", "70000:db:1"]) {
  Deno.test(`-L "${text}" is refused`, () => {
    assertThrows(() => tunnelSpec("local", text), UsageError, "bad local forwarding");
  });
}

Deno.test("-D takes a port and optionally an address", () => {
  assertEquals(socksSpec("1080"), { kind: "socks", from: { port: 1080 } });
  assertEquals(socksSpec("[::1]:1080"), { kind: "socks", from: { port: 1080, hostname: "::1" } });
  assertThrows(() => socksSpec("/x"), UsageError);
});

Deno.test("A malformed forwarding specification prints one line and exits with 255", async () => {
  const ran = await cli(["ssh", "-L", "nonsense", "me@host"]);
  assertEquals([ran.code, ran.stderr], [
    255,
    'ssh: bad local forwarding specification "nonsense"\n',
  ]);
});

const FORWARDING = ["--exec", "-o", "AllowTcpForwarding=yes"];

for (
  const [name, run] of [
    ["ssh -N carries -L, -R and -D", carriesTunnels],
    ["ssh -J goes through hosts, and -W is the last of them", jumps],
    ["A port in use is a warning, or the end if so asked", meetsTakenPort],
  ] as const
) {
  Deno.test(name, async () => {
    await using server = await startServe(FORWARDING);
    await run(server);
  });
}
