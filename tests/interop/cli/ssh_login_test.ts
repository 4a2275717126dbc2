/** Passwords and questions of OpenSSH's server, answered by our `ssh`. */
import { assertEquals } from "@std/assert";
import { askpass, cliSsh } from "../../cli/world.ts";
import { tempFolder } from "../../support/temp.ts";
import { peerTest } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";

await peerTest(["sshd", "root"], "ssh asks for a password until it is right", async () => {
  await using folder = await tempFolder();
  await using server = await startSshd({ login: "password" });
  const { identity: _, ...withoutKey } = server;
  const env = await askpass(folder, ["wrong", "also wrong", server.password!]);
  const config = { NumberOfPasswordPrompts: 3, LogLevel: "INFO" };
  const ran = await cliSsh({ ...withoutKey, identity: undefined }, ["id -un"], { env, config });
  assertEquals([ran.text.trim(), ran.code], [server.user, 0], ran.stderr);
  assertEquals(ran.stderr, "Permission denied, please try again.\n".repeat(2));
});

await peerTest(["sshd", "root"], "ssh answers keyboard-interactive questions", async () => {
  await using folder = await tempFolder();
  await using server = await startSshd({ login: "interactive" });
  const { identity: _, ...withoutKey } = server;
  const env = await askpass(folder, [server.password!]);
  const ran = await cliSsh({ ...withoutKey, identity: undefined }, ["id -un"], { env });
  assertEquals([ran.text.trim(), ran.code], [server.user, 0], ran.stderr);
});
