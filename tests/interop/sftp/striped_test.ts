/** Files that are spread over several channels of a connection to sshd. */
import { assert, assertEquals } from "@std/assert";
import { SshError } from "@denossh/ssh";
import { LONG, randomFrom, SEED } from "../../support/random.ts";
import { cut, startProxy } from "../../support/proxy.ts";
import { connectTo, noise } from "../harness/ours.ts";
import { peerTest } from "../harness/peers.ts";
import { same } from "./everything.ts";
import { startSshd } from "../harness/sshd.ts";
import { tempFolder } from "../../support/temp.ts";

const MIB = 1024 * 1024;
const DATA = noise(6 * MIB);

for (const sessions of [1, 2, 3]) {
  await peerTest(
    ["sshd"],
    `a put uses as many channels as MaxSessions ${sessions} allows`,
    async () => {
      await using server = await startSshd({
        hostKeys: ["ed25519"],
        config: { MaxSessions: sessions },
      });
      await using host = await connectTo(server);
      const sftp = await host.sftp();
      const path = `${server.folder}/file`;
      const notes: string[] = [];
      let ran: Promise<string> | null = null;
      await sftp.put(DATA, path, {
        channels: 5,
        verify: true,
        onNote: (note) => void notes.push(note),
        onProgress({ transferred }) {
          // With one session it has to wait until the put ends.
          if (transferred > DATA.length / 2) ran ??= host.run("echo ran");
        },
      });
      assert(same(await Deno.readFile(path), DATA));
      // With several channels, one may have been closed for the command by then.
      assert(
        notes.some((note) => note.endsWith("there is no room for another session")),
        `${notes}`,
      );
      if (sessions === 1) await sftp.close();
      assertEquals(await ran, "ran");
      await sftp.close();
    },
  );
}

await peerTest(
  ["sshd"],
  "an interrupted put over several channels is resumed and complete",
  async () => {
    await using server = await startSshd({ hostKeys: ["ed25519"] });
    await using here = await tempFolder();
    const hostKeys = server.hostKeys.ed25519!.publicKey;
    const random = randomFrom(`${SEED} striped`);
    const source = await here.write("source", DATA);
    const target = `${server.folder}/target`;
    for (let round = 0; round < 4 * LONG; round++) {
      const options = { channels: 2 + random(5), resume: random(4) > 0 };
      for (let tries = 0;; tries++) {
        const at = tries > 2 ? Infinity : 5000 + random(DATA.length + 100_000);
        await using proxy = startProxy(server.port, { toServer: cut(at) });
        try {
          await using host = await connectTo({ ...server, port: proxy.port }, { hostKeys });
          const sftp = await host.sftp();
          await sftp.put(source, target, options);
          break;
        } catch (error) {
          assert(error instanceof SshError && at < Infinity, `${error}`);
          // The last answer may have been lost.
          const there = await Deno.readFile(target).catch(() => null);
          assert(there === null || same(there, DATA), `round ${round}: not whole`);
        }
      }
      assert(same(await Deno.readFile(target), DATA), `round ${round} ${JSON.stringify(options)}`);
      await Deno.remove(target);
    }
  },
);

await peerTest(["sshd"], "files of a folder share the additional channels", async () => {
  await using server = await startSshd({ hostKeys: ["ed25519"] });
  await using here = await tempFolder();
  await using host = await connectTo(server);
  await using sftp = await host.sftp();
  await Deno.mkdir(here.join("tree"));
  for (let i = 0; i < 6; i++) await here.write(`tree/${i}`, DATA.subarray(i * MIB));
  await sftp.put(here.join("tree"), `${server.folder}/tree`, { recursive: true, channels: 3 });
  for (let i = 0; i < 6; i++) {
    assert(same(await Deno.readFile(`${server.folder}/tree/${i}`), DATA.subarray(i * MIB)));
  }
});
