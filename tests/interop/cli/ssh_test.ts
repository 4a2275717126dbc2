/** Our `ssh` with OpenSSH's server. */
import { assertEquals } from "@std/assert";
import { runsCommands } from "../../cli/cases/ssh.ts";
import { cliSsh } from "../../cli/world.ts";
import { peerTest } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";

await peerTest(["sshd"], "ssh runs commands on OpenSSH", async (t) => {
  await using server = await startSshd();
  await runsCommands(t, server);
});

await peerTest(["sshd"], "ssh sends the configured environment", async () => {
  await using server = await startSshd({ config: { AcceptEnv: "LC_* DENOSSH_*" } });
  const ran = await cliSsh(server, ['echo "$LC_A/$DENOSSH_B/$DENOSSH_C/$LC_D"'], {
    env: { LC_A: "a", DENOSSH_B: "no" },
    config: { SendEnv: "LC_A", SetEnv: 'DENOSSH_B="b b" DENOSSH_C=c' },
  });
  assertEquals(ran.text, "a/b b/c/\n");
});
