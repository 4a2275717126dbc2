/** `connect()` with settings of a configuration. */
import { assertEquals, assertRejects } from "@std/assert";
import { ConfigError, connect, none } from "@denossh/ssh";
import { Config } from "@denossh/ssh/config";
import { connectedPair, memoryPair } from "@denossh/ssh/testing";
import { configured } from "../../lib/client/configured.ts";

Deno.test("RefuseConnection fails connect with its reason, before anything is opened", async () => {
  const config = Config.parse('Host old\n  RefuseConnection "moved to new"\n', "/x/config");
  const options = { config, auth: [none()], hostKeys: () => true };
  await assertRejects(
    () => connect("me@old", options),
    ConfigError,
    "/x/config line 2: RefuseConnection: moved to new",
  );
});

Deno.test("VersionAddendum is sent after the software name, and is part of the hash", async () => {
  const config = Config.parse("VersionAddendum  for %n # team\n");
  const [mine, theirs] = memoryPair();
  const connecting = connect({
    ...{ hostname: "db1", user: "me", transport: mine, config },
    ...{ auth: [none()], hostKeys: () => true },
  }).catch(() => {});
  const reader = theirs.readable.getReader();
  const { value } = await reader.read();
  const [line] = new TextDecoder().decode(value).split("\r\n");
  assertEquals(line, "SSH-2.0-denossh_0.1 for db1 # team");
  await reader.cancel();
  await theirs.writable.close();
  await connecting;

  // The server signs the hash: a login proves that both ends hashed the same line.
  await using pair = await connectedPair({ connect: { versionAddendum: "of the tests" } });
  await pair.host.rekey();
});

Deno.test("VersionAddendum with more than printable ASCII is refused", async () => {
  for (const versionAddendum of ["a\nb", "café", "x".repeat(234)]) {
    const [transport] = memoryPair();
    const options = { user: "me", transport, versionAddendum, config: false as const };
    await assertRejects(
      () => connect({ ...options, auth: [none()], hostKeys: () => true }),
      TypeError,
      "VersionAddendum must be up to 233 printable ASCII characters",
    );
  }
});

Deno.test("ControlPath is not used if several connections are asked for", async () => {
  const config = Config.parse("ControlPath /run/control");
  const pathOf = async (connections: number) =>
    (await configured({ hostname: "db1", config, connections })).options.controlPath;
  assertEquals([await pathOf(1), await pathOf(2)], ["/run/control", undefined]);
});
