/**
 * Key exchange after key exchange with OpenSSH, in both roles: a number that is encoded wrongly shows in
 * one of 256 of them. Unless told there are two of each; for a thorough run:
 *
 *     DENOSSH_KEX_RUNS=3000 DENOSSH_KEX=curve25519-sha256 deno test -A tests/interop/kex_runs_test.ts
 */
import { assertEquals } from "@std/assert";
import { KEX } from "../../lib/crypto/algorithms.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { serveSocket } from "../../lib/server/login.ts";
import { connSocket } from "../../lib/transport/socket.ts";
import { importPrivateKey } from "@denossh/ssh/keys";
import { keyFile } from "./harness/keys.ts";
import { connectTo } from "../support/ours.ts";
import { configFlags } from "./harness/openssh_clients.ts";
import { peerTest, requirePeer } from "./harness/peers.ts";
import { Program } from "../support/program.ts";
import { startSshd } from "./harness/sshd.ts";
import { tempFolder } from "../support/temp.ts";

const RUNS = Number(Deno.env.get("DENOSSH_KEX_RUNS") ?? 2);

/** The methods that OpenSSH 9.2 has too. */
const METHODS = Deno.env.get("DENOSSH_KEX")?.split(",") ??
  KEX.map((row) => row.name).filter((name) => !name.startsWith("mlkem"));

await peerTest(["sshd"], `${RUNS} key exchanges by each method with OpenSSH's sshd`, async (t) => {
  await using server = await startSshd({ config: { KexAlgorithms: METHODS.join(",") } });
  for (const kex of METHODS) {
    await t.step(kex, async () => {
      await using host = await connectTo(server, { algorithms: { kex } });
      for (let run = 1; run < RUNS; run++) await host.rekey();
      assertEquals(await host.run("echo done"), "done");
      assertEquals(host.info.kex, kex);
    });
  }
});

await peerTest(["ssh"], `${RUNS} key exchanges by each method with OpenSSH's ssh`, async (t) => {
  await using folder = await tempFolder();
  const [hostKey, userKey] = [await keyFile("ed25519", "host"), await keyFile("ed25519", "user")];
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const endpoint = {
    hostname: "127.0.0.1",
    port,
    user: "tester",
    identity: userKey.path,
    knownHosts: await folder.write("known_hosts", `[127.0.0.1]:${port} ${hostKey.publicKey}\n`),
  };
  for (const kex of METHODS) {
    await t.step(kex, async () => {
      await using client = new Program(await requirePeer("ssh"), {
        args: [...configFlags(endpoint, { KexAlgorithms: kex }), "-N", "tester@127.0.0.1"],
      });
      const socket = connSocket(await listener.accept());
      const { transport, loggedIn } = serveSocket(socket, resolveSuite({ kex }), {
        hostKeys: [importPrivateKey(await Deno.readTextFile(hostKey.path))],
        auth: { publicKey: () => true },
      }, null);
      await loggedIn;
      for (let run = 1; run < RUNS; run++) await transport.rekey();
      assertEquals(transport.agreed?.kex, kex);
      transport.disconnect();
      await transport.finished;
      await client.status;
    });
  }
});
