/** A resilient host with sshd, through a proxy that cuts connections. */
import { assert, assertEquals } from "@std/assert";
import { SshError } from "@denossh/ssh";
import { LONG, randomFrom, SEED } from "../../support/random.ts";
import { startProxy } from "../../support/proxy.ts";
import { connectTo, noise } from "../harness/ours.ts";
import { peerTest } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";
import { same } from "./everything.ts";

const MIB = 1024 * 1024;
const DATA = noise(8 * MIB);

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}

for (const more of [{}, { connections: 2 }]) {
  const title = `files survive cuts with ${JSON.stringify(more)}, and commands are not run twice`;
  await peerTest(["sshd"], title, async () => {
    await using server = await startSshd({ hostKeys: ["ed25519"] });
    const random = randomFrom(`${SEED} resilient`);
    let cuts = 0;
    const damage = () => {
      let next = 3 * MIB;
      return (chunk: Uint8Array<ArrayBuffer>, offset: number) => {
        if (offset + chunk.length <= next) return [chunk];
        next = offset + MIB + random(6 * MIB);
        cuts++;
        return null;
      };
    };
    await using proxy = startProxy(server.port, { toServer: damage(), toClient: damage() });
    await using host = await connectTo({ ...server, port: proxy.port }, {
      hostKeys: server.hostKeys.ed25519!.publicKey,
      resilient: { attempts: 100, backoff: () => 1 },
      ...more,
    });
    await using sftp = await host.sftp();
    const path = (name: string) => `${server.folder}/${name}`;
    const right = await sha256(DATA);
    const runs: string[] = [];
    for (let round = 0; round < 4 * LONG; round++) {
      const name = `file ${round}`;
      const command = host.run(`echo ${round} >> '${path("runs")}'; echo ran`).then(
        () => void runs.push(`${round}`),
        (error) => assert(error instanceof SshError, `${error}`),
      );
      await sftp.put(DATA, path(name), round % 2 === 0 ? {} : { channels: 3 });
      assertEquals(await sha256(await Deno.readFile(path(name))), right);
      assert(same(await sftp.readFile(path(name)), DATA));
      await sftp.rename(path(name), path(`${name} 2`));
      const names = (await Array.fromAsync(sftp.readDir(server.folder))).map(({ name }) => name);
      assert(names.includes(`${name} 2`) && !names.includes(name));
      assert(!names.some((name) => name.endsWith(".part")), names.join());
      await sftp.remove(path(`${name} 2`));
      await command;
    }
    const lines = (await Deno.readTextFile(path("runs")).catch(() => "")).trim().split("\n");
    assertEquals(new Set(lines).size, lines.length);
    assert(runs.every((round) => lines.includes(round)));
    assert(cuts >= 8, `${cuts}`);
  });
}
