/** A server that is killed in the middle of transfers: one clear error, no quiet short file. */
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { type Client, loadKey, publicKey, SshError } from "@denossh/ssh";
import { startServe } from "../../cli/world.ts";
import type { Endpoint } from "../../support/endpoint.ts";
import { connectTo, noise } from "../harness/ours.ts";
import { peerTest } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";
import { tempFolder } from "../../support/temp.ts";

const DATA = noise(24 * 1024 * 1024);

/** A server to kill, and its folder, by the path on the server and the local path. */
interface Mortal extends AsyncDisposable {
  readonly endpoint: Endpoint;
  readonly remote: string;
  readonly local: string;
  /** Finds the process of the connection; returns a function that kills it. */
  aim(host: Client): Promise<() => void>;
}

async function openssh(): Promise<Mortal> {
  const endpoint = await startSshd({ hostKeys: ["ed25519"] });
  const local = `${endpoint.folder}/files`;
  await Deno.mkdir(local);
  return {
    endpoint,
    remote: `${local}/`,
    local: `${local}/`,
    async aim(host) {
      const pid = Number(await host.run("echo $PPID")); // sshd's process for this connection
      return () => Deno.kill(pid, "SIGKILL");
    },
    [Symbol.asyncDispose]: () => endpoint[Symbol.asyncDispose](),
  };
}

async function ours(): Promise<Mortal> {
  const endpoint = await startServe();
  return {
    endpoint,
    remote: "/",
    local: `${endpoint.root}/`,
    aim: () => Promise.resolve(() => endpoint.program.kill("SIGKILL")),
    [Symbol.asyncDispose]: () => endpoint[Symbol.asyncDispose](),
  };
}

for (const [name, start] of [["OpenSSH's", openssh], ["our", ours]] as const) {
  for (const way of ["get", "put"] as const) {
    await peerTest(
      ["sshd"],
      `a ${way} fails with one error when ${name} server is killed`,
      async () => {
        await using here = await tempFolder();
        await using server = await start();
        const [local, remote] = [here.join("file"), `${server.remote}file`];
        await Deno.writeFile(way === "get" ? `${server.local}file` : local, DATA);
        const options = { auth: [publicKey(await loadKey(server.endpoint.identity!))] };
        const host = await connectTo(server.endpoint, options);
        const sftp = await host.sftp();
        const kill = await server.aim(host);
        let killed = false;
        const transferOptions = {
          inFlight: 1024 * 1024,
          rateLimit: 100_000_000, // so that it does not end before the server is killed
          onProgress: () => {
            if (!killed) kill();
            killed = true;
          },
        };
        const error = await assertRejects(() =>
          way === "get"
            ? sftp.get(remote, local, transferOptions)
            : sftp.put(local, remote, transferOptions)
        );
        assertInstanceOf(error, SshError);
        assert(error.message.length > 10, error.message);
        const target = way === "get" ? local : `${server.local}file`;
        await assertRejects(() => Deno.stat(target), Deno.errors.NotFound);
        // Locally nothing is left; on the server no process was left to remove the part.
        const names = [...Deno.readDirSync(here.path)].map(({ name }) => name);
        assertEquals(names, way === "get" ? [] : ["file"]);
        assertInstanceOf(await assertRejects(() => sftp.stat("/")), SshError);
        await sftp.close();
        await host.close();
      },
    );
  }
}
