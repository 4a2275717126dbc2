/** Fleets on OpenSSH's servers, and hosts that a queue hands out: BullMQ on a real Redis. */
import { assert, assertEquals } from "@std/assert";
import { fleet, type FleetResultJson, knownHosts, loadKey, publicKey } from "@denossh/ssh";
import { cli } from "../cli/world.ts";
import { example, homeFor, startExample } from "../support/example.ts";
import { startOurs } from "../support/ours.ts";
import { startProxy } from "../support/proxy.ts";
import { must } from "../support/run.ts";
import { configFlags } from "../support/ssh_flags.ts";
import { tempFolder } from "../support/temp.ts";
import { control } from "./harness/control.ts";
import { startRedis } from "./harness/databases.ts";
import { peerTest } from "./harness/peers.ts";
import { startSshd } from "./harness/sshd.ts";

const program = new URL("../../examples/fleet_queue.ts", import.meta.url).pathname;

await peerTest(
  ["sshd"],
  "A fleet connects to an sshd that accepts only two logins in parallel",
  async () => {
    // sshd hangs up on connections while two are unauthenticated: these hosts are retried.
    await using sshd = await startSshd({ config: { MaxStartups: "2:100:2" } });
    const { hostname, port, user } = sshd;
    const hosts = Array.from(
      { length: 12 },
      (_, at) => ({ name: `web${at}`, hostname, port, user }),
    );
    const connect = {
      auth: [publicKey(await loadKey(sshd.identity))],
      hostKeys: knownHosts(sshd.knownHosts),
      config: false,
    } as const;
    let retried = 0;
    const report = await fleet(hosts, {
      connect,
      retries: 50,
      retryDelay: 20,
      maxRetryDelay: 200,
      onRetry: () => retried++,
    }).run("echo $((6 * 7))");
    assertEquals(report.failed, []);
    assertEquals(report.succeeded.map(({ value }) => value), hosts.map(() => "42"));
    assert(retried > 0);
  },
);

await peerTest(
  ["sshd"],
  "cli fleet runs a command on hosts of OpenSSH, live and as JSON",
  async () => {
    await using sshd = await startSshd();
    await using folder = await tempFolder();
    const host = `${sshd.user}@${sshd.hostname}:${sshd.port}`;
    const file = await folder.write("hosts", `[web]\n${host}\n[db]\nme@127.0.0.1:1\n`);
    const flags = ["fleet", ...configFlags(sshd), "-H", file, "--retries", "0"];
    const live = await cli([...flags, "-g", "web", "echo out; echo err >&2"]);
    assertEquals([live.code, live.text], [0, `${host} | out\n`]);
    assert(live.stderr.startsWith(`${host} | err\nhost `), live.stderr);
    const json = await cli([...flags, "--json", "exit 3"]);
    const results: FleetResultJson[] = json.text.trim().split("\n").map((line) => JSON.parse(line));
    results.sort((a, b) => a.error!.code!.localeCompare(b.error!.code!));
    assertEquals([json.code, results.map(({ error }) => [error!.code, error!.exitCode])], [
      1,
      [["command", 3], ["connect", undefined]],
    ]);
  },
);

/** Whether BullMQ can be had. */
function failedControl(): Promise<string | null> {
  const step = "the package is there";
  return control("bullmq", step, () => must(Deno.execPath(), ["cache", program]), "the registry");
}

await peerTest(
  ["redis-server"],
  "The example of a queue runs: two workers share the hosts, and unreachable hosts are retried",
  async () => {
    await using redis = await startRedis();
    // No host is done before three are worked on. A worker has one job at a time, of two hosts: it
    // takes both.
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
