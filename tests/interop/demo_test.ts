import { assertEquals, assertMatch } from "@std/assert";
import { configFlags } from "../support/ssh_flags.ts";
import { peerTest } from "./harness/peers.ts";
import { startSshd } from "./harness/sshd.ts";
import { tempFolder } from "../support/temp.ts";
import { demo, SHOWN } from "../support/demo.ts";

await peerTest(["sshd"], "demo works with a real server", async () => {
  await using folder = await tempFolder();
  await using server = await startSshd();
  const target = `${server.user}@127.0.0.1:${server.port}`;
  const flags = configFlags(server).slice(2); // without -F none
  const ran = await demo(["--size", "8", ...flags, target], {
    env: { TMPDIR: folder.path },
  });
  assertEquals([ran.code, ran.stderr], [0, ""]);
  assertMatch(ran.text, SHOWN);
  assertMatch(ran.text, /sent .* SHA-256 equal\n/);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});
