/** `serve --parallel`: several processes on one port. */
import { assert, assertEquals } from "@std/assert";
import { type Client, connect, publicKey } from "@denossh/ssh";
import { importPrivateKey } from "@denossh/ssh/keys";
import { cli, type CliServer, startServe } from "./world.ts";

async function login({ hostname, port, hostKey, identity }: CliServer): Promise<Client> {
  const key = importPrivateKey(await Deno.readTextFile(identity));
  const auth = [publicKey(key)];
  return await connect({ hostname, port, user: "me", auth, hostKeys: hostKey, config: false });
}

/** The process that serves a connection, as its commands see it. */
async function workerOf(server: CliServer): Promise<number> {
  await using host = await login(server);
  return Number(await host.run("echo $PPID"));
}

function isAlive(pid: number): boolean {
  try {
    Deno.kill(pid, "SIGCONT");
    return true;
  } catch {
    return false;
  }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 10));
}

Deno.test("serve --parallel runs several processes, restarts one that dies, and ends them all", async () => {
  const server = await startServe(["--exec", "--parallel", "2"]);
  const workers = new Set<number>();
  while (workers.size < 2) workers.add(await workerOf(server));
  assert(!workers.has(server.program.pid));
  const [first] = workers;
  Deno.kill(first!, "SIGKILL");
  await server.program.waitFor(/a server ended with exit code \d+ and is restarted/);
  const seen = new Set<number>();
  while (seen.size < 2) seen.add(await workerOf(server));
  assert(!seen.has(first!));
  for (const pid of seen) workers.add(pid);
  await server[Symbol.asyncDispose]();
  for (const pid of workers) await until(() => !isAlive(pid));
  assertEquals(server.program.log.match(/Listening/g)?.length, 1);
});

Deno.test("The processes end with the one that started them, however that ends", async () => {
  await using server = await startServe(["--exec", "--parallel", "2"]);
  const pid = await workerOf(server);
  Deno.kill(server.program.pid, "SIGKILL");
  await until(() => !isAlive(pid));
});

Deno.test("serve --parallel reports an unusable port or number, and exits", async () => {
  const flags = ["--port", "0", "--host-key", "/dev/null", "--authorized-keys", "/dev/null"];
  const wrong = await cli(["serve", "--parallel", "0", ...flags]);
  assertEquals(wrong.code, 2);
  assert(wrong.stderr.includes("--parallel needs a number"), wrong.stderr);
  const failing = await cli(["serve", "--parallel", "2", ...flags]);
  assertEquals(failing.code, 1);
  assert(failing.stderr.includes("Cannot load key"), failing.stderr);
});
