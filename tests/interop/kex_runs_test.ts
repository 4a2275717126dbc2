/**
 * Repeated key exchanges with OpenSSH in both roles, since a wrong encoding of numbers may show in
 * only one of 256. A thorough run of one method:
 *
 *     DENOSSH_LONG=1500 deno test -A tests/interop/kex_runs_test.ts --filter curve25519-sha256
 */
import { assertEquals } from "@std/assert";
import { KEX } from "../../lib/crypto/algorithms.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { serveSocket } from "../../lib/server/login.ts";
import { connSocket } from "../../lib/transport/socket.ts";
import { importPrivateKey } from "@denossh/ssh/keys";
import { keyFile } from "./harness/keys.ts";
import { connectTo } from "./harness/ours.ts";
import { LONG } from "../support/random.ts";
import { configFlags } from "../support/ssh_flags.ts";
import { peerTest, requirePeer } from "./harness/peers.ts";
import { Program } from "../support/program.ts";
import { startSshd } from "./harness/sshd.ts";
import { tempFolder } from "../support/temp.ts";

const RUNS = 2 * LONG;

/** The methods that OpenSSH 9.2 has too. */
const METHODS = KEX.map((row) => row.name).filter((name) => !name.startsWith("mlkem"));

for (const kex of METHODS) {
  await peerTest(["sshd"], `${RUNS} key exchanges by ${kex} with OpenSSH's sshd`, async () => {
    await using server = await startSshd({ config: { KexAlgorithms: kex } });
    await using host = await connectTo(server, { algorithms: { kex } });
    for (let run = 1; run < RUNS; run++) await host.rekey();
    assertEquals(await host.run("echo done"), "done");
    assertEquals(host.info.kex, kex);
  });

  await peerTest(["ssh"], `${RUNS} key exchanges by ${kex} with OpenSSH's ssh`, async () => {
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
    await using client = new Program(await requirePeer("ssh"), {
      args: [...configFlags(endpoint, { KexAlgorithms: kex }), "-N", "tester@127.0.0.1"],
    });
    const socket = connSocket(await listener.accept());
    const { transport, loggedIn } = serveSocket(
      socket,
      resolveSuite({ kex }),
      {
        hostKeys: [importPrivateKey(await Deno.readTextFile(hostKey.path))],
        auth: { publicKey: () => true },
      },
      null,
    );
    await loggedIn;
    for (let run = 1; run < RUNS; run++) await transport.rekey();
    assertEquals(transport.agreed?.kex, kex);
    transport.disconnect();
    await transport.finished;
    await client.status;
  });
}
