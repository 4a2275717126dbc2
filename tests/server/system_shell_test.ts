import { assertEquals } from "@std/assert";
import { connect, none } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serve, systemShell } from "@denossh/ssh/server";
import { connectedPair } from "@denossh/ssh/testing";

const SHOW = 'echo "${SSH_CONNECTION-none}|${SSH_CLIENT-none}"';

Deno.test("systemShell sets variables with the addresses of the connection", async () => {
  await using server = serve({
    port: 0,
    hostname: "127.0.0.1",
    hostKeys: [await generateKey()],
    auth: { none: () => true },
  }, systemShell());
  const { port } = server.addr;
  await using host = await connect(`ann@127.0.0.1:${port}`, {
    auth: [none()],
    hostKeys: () => true,
    config: false,
  });
  const [connection, client] = (await host.run(SHOW)).split("|") as [string, string];
  const own = connection.split(" ")[1]!;
  assertEquals(connection, `127.0.0.1 ${own} 127.0.0.1 ${port}`);
  assertEquals(client, `127.0.0.1 ${own} ${port}`);
});

Deno.test("systemShell passes on a variable only for true", async () => {
  for (const answer of [true, 1, "yes", {}, undefined]) {
    const handler = systemShell({ acceptEnv: () => answer as boolean });
    await using pair = await connectedPair({ handler });
    const said = await pair.host.run('echo "${DENOSSH_A-none}"', { env: { DENOSSH_A: "passed" } });
    assertEquals(said, answer === true ? "passed" : "none");
  }
});

Deno.test("systemShell sets no address variables for a connection without addresses", async () => {
  await using pair = await connectedPair({ handler: systemShell() });
  assertEquals(await pair.host.run(SHOW), "none|none");
});

Deno.test("systemShell gives commands a clean environment plus the configured variables", async () => {
  Deno.env.set("DENOSSH_SECRET", "hunter2");
  try {
    const handler = systemShell({ env: { TZ: "UTC", SHELL: "/bin/other" } });
    await using pair = await connectedPair({ handler });
    // A built-in command, whose lines are export NAME='value'.
    const lines = await pair.host.command("export -p").lines();
    const seen = Object.fromEntries(
      lines.map((line) => line.replace(/^(export|declare -x) /, "").split(/='?"?|['"]$/)),
    );
    assertEquals([seen.TZ, seen.SHELL, seen.PATH], ["UTC", "/bin/other", Deno.env.get("PATH")]);
    // The shell adds its own variables.
    const usual = ["HOME", "USER", "LOGNAME", "PATH", "LANG", "SHELL", "TZ", "PWD", "SHLVL", "_"];
    assertEquals(Object.keys(seen).filter((name) => !usual.includes(name)), []);
  } finally {
    Deno.env.delete("DENOSSH_SECRET");
  }
});
