/** Hosts that a queue hands out to workers: BullMQ on a real Redis, and the example's worker programs. */
import { assertEquals } from "@std/assert";
import type { FleetResultJson } from "@denossh/ssh";
import { example, homeFor, startExample } from "../support/example.ts";
import { startOurs } from "../support/ours.ts";
import { startProxy } from "../support/proxy.ts";
import { must } from "../support/run.ts";
import { control } from "./harness/control.ts";
import { startRedis } from "./harness/databases.ts";
import { peerTest } from "./harness/peers.ts";

const program = new URL("../../examples/fleet_queue.ts", import.meta.url).pathname;

/** Whether BullMQ can be had. */
function failedControl(): Promise<string | null> {
  const step = "the package is there";
  return control("bullmq", step, () => must(Deno.execPath(), ["cache", program]), "the registry");
}

await peerTest(
  ["redis-server"],
  "The example of a queue runs: two workers share the hosts, and what was away is tried again",
  async () => {
    await using redis = await startRedis();
    // No host is done before three are worked on. A worker has one job at a time, of two hosts: it takes both.
    const both = Promise.withResolvers<void>();
    let working = 0;
    await using server = await startOurs({}, ["ed25519"], async (session) => {
      if (++working === 3) both.resolve();
      await both.promise;
      await session.print(`${session.user}: ${session.command}\n`);
      return session.user === "bob" ? 3 : 0;
    });
    await using home = await homeFor(server);
    let isFirst = true;
    await using away = startProxy(server.port, {
      toServer(chunk) {
        const isCut = isFirst;
        isFirst = false;
        return isCut ? null : [chunk];
      },
    });
    const [known] = (await Deno.readTextFile(server.knownHosts)).split("\n");
    const line = known!.replace(`:${server.port} `, `:${away.port} `);
    await Deno.writeTextFile(`${home.home}/.ssh/known_hosts`, `${line}\n`, { append: true });

    const { hostname, port, password } = redis;
    const env = { ...home.env, REDIS_URL: `redis://:${password}@${hostname}:${port}` };
    const cache = Deno.env.get("DENO_DIR");
    const own = cache === undefined ? env : { ...env, DENO_DIR: cache };
    await using one = startExample("fleet_queue.ts", ["work"], own);
    await using two = startExample("fleet_queue.ts", ["work"], own);
    for (const worker of [one, two]) await worker.waitFor(/Waiting for jobs/);
    const hosts = ["ann", "bob", "cat"].map((user) => `${user}@127.0.0.1:${server.port}`);
    hosts.push(`dan@127.0.0.1:${away.port}`);
    const { text } = await example("fleet_queue.ts", ["run", "2", "uptime", ...hosts], own);
    const results: FleetResultJson[] = text.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(results.map(({ host, value, error }) => [host, value ?? error!.exitCode]), [
      [hosts[0], "ann: uptime"],
      [hosts[1], 3], // a command that fails is a result
      [hosts[2], "cat: uptime"],
      [hosts[3], "dan: uptime"],
    ]);
    assertEquals([working, isFirst], [4, false]);
    // A worker that is told to end does so after its job.
    one.kill("SIGTERM");
    assertEquals((await one.status).code, 0);
  },
  failedControl,
);
