/** Limits of OpenSSH's server that a client must handle: sessions, sizes, long identifications. */
import { assertEquals, assertRejects } from "@std/assert";
import { connectTo } from "./harness/ours.ts";
import { peerTest } from "./harness/peers.ts";
import { startSshd } from "./harness/sshd.ts";

await peerTest(["sshd"], "60 sequential commands run with MaxSessions 1", async () => {
  await using server = await startSshd({ config: { MaxSessions: 1 } });
  await using host = await connectTo(server);
  for (let i = 0; i < 60; i++) assertEquals(await host.run(`echo ${i}`), `${i}`);
});

await peerTest(["sshd"], "30 parallel commands run with sshd's defaults", async () => {
  await using server = await startSshd();
  await using host = await connectTo(server);
  const ran = Array.from({ length: 30 }, (_, i) => host.run(`echo ${i}`));
  assertEquals(await Promise.all(ran), Array.from({ length: 30 }, (_, i) => `${i}`));
});

await peerTest(["sshd"], "only the command of 256 KiB fails", async () => {
  await using server = await startSshd();
  await using host = await connectTo(server);
  await assertRejects(() => host.run(`true ${"x".repeat(262_144)}`), RangeError, "at most");
  assertEquals(await host.run("echo next"), "next");
});

await peerTest(["sshd"], "an sshd with a VersionAddendum of 300 characters works", async () => {
  await using server = await startSshd({ config: { VersionAddendum: "x".repeat(300) } });
  await using host = await connectTo(server);
  assertEquals(host.info.server.endsWith("x".repeat(300)), true);
  assertEquals(await host.run("echo reached"), "reached");
});
