import { assertEquals } from "@std/assert";
import { runsCommands } from "./cases/ssh.ts";
import { cliSsh, startServe } from "./world.ts";

Deno.test("ssh runs commands on our serve", async (t) => {
  await using server = await startServe();
  await runsCommands(t, server);
});

Deno.test("ssh sends the configured environment, and serve passes on the accepted variables", async () => {
  await using server = await startServe(["--exec", "-o", "AcceptEnv=LC_* DENOSSH_*"]);
  const ran = await cliSsh(server, ['echo "$LC_A/$DENOSSH_B/$DENOSSH_C/$OTHER"'], {
    env: { LC_A: "a", DENOSSH_B: "no" },
    config: { SendEnv: "LC_A", SetEnv: 'DENOSSH_B="b b" DENOSSH_C=c OTHER=o' },
  });
  assertEquals(ran.text, "a/b b/c/\n");
});
