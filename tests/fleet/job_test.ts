import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Client, fleet } from "@denossh/ssh";
import type { SessionHandler } from "@denossh/ssh/server";
import { FleetJob } from "../../lib/fleet/job.ts";
import { turn } from "../sftp/world.ts";
import { replaced } from "../support/replaced.ts";
import { failureOf, memoryHosts, names } from "./world.ts";
import { LONG } from "../support/random.ts";

Deno.test("Results arrive as hosts end, and at most `concurrency` hosts run in parallel", async () => {
  const gates = new Map(names(3).map((host) => [host, Promise.withResolvers<void>()]));
  const { connect, connections } = memoryHosts({
    handler: (host) => async () => await gates.get(host)!.promise,
  });
  const ended: string[] = [];
  gates.get("web2")!.resolve();
  for await (const { host } of fleet(names(3), { connect, concurrency: 2 }).run("x")) {
    ended.push(host);
    gates.get(host === "web2" ? "web3" : "web1")!.resolve();
  }
  assertEquals([ended, connections.most], [["web2", "web3", "web1"], 2]);
  assertEquals(connections.open, 0);
});

Deno.test("hundreds of hosts need the connections and the memory of ten", async () => {
  const count = 300 * LONG;
  const size = 16 * 1024;
  let written = 0;
  const { connect, connections } = memoryHosts({
    handler: () => async (session) => {
      await session.print("x".repeat(size));
      written += size;
    },
  });
  const limits = { connections: 0, held: 0 };
  let taken = 0;
  const { hosts } = fleet(names(count), { connect });
  for await (const result of fleet(hosts, { connect, concurrency: 10 }).run("x")) {
    taken += result.success ? result.value.length : 0;
    limits.held = Math.max(limits.held, written - taken);
    limits.connections = Math.max(limits.connections, connections.open);
  }
  assertEquals([taken, connections.made], [count * size, count]);
  assert(connections.most <= 10 && limits.connections <= 10, `${connections.most} connections`);
  assert(limits.held <= 10 * size, `${limits.held} bytes held`);
});

Deno.test("No more hosts start while the loop takes no results", async () => {
  const { connect, connections } = memoryHosts();
  const results = fleet(names(20), { connect, concurrency: 3 }).run("x")[Symbol.asyncIterator]();
  await results.next();
  // The other started hosts end; there are three results, of which one was read.
  while (connections.open > 0) await new Promise((turn) => setTimeout(turn));
  assertEquals(connections.made, 3);
  await results.return!(undefined);
  assertEquals(connections.made, 3);
});

Deno.test("Leaving the loop cancels the running hosts, and starts no others", async () => {
  const began = Promise.withResolvers<void>();
  const hangs: SessionHandler = async (session) => {
    began.resolve();
    await new Promise<void>((end) => session.signal.addEventListener("abort", () => end()));
  };
  const { connect, connections } = memoryHosts({
    handler: (host) => host === "web1" ? async () => await began.promise : hangs,
  });
  for await (const { host } of fleet(names(9), { connect, concurrency: 2 }).run("x")) {
    assertEquals(host, "web1");
    break;
  }
  assertEquals([connections.made, connections.open], [2, 0]);
});

Deno.test("One host at a time: the next one starts after the loop has the previous result", async () => {
  const { connect, connections } = memoryHosts({
    handler: (host) => () => host === "web2" ? 1 : 0,
  });
  const seen: number[] = [];
  for await (const { success } of fleet(names(4), { connect, concurrency: 1 }).run("x")) {
    await new Promise((turn) => setTimeout(turn));
    seen.push(connections.made);
    if (!success) break;
  }
  assertEquals([seen, connections.made], [[1, 2], 2]);
});

Deno.test("An aborted signal ends the running hosts and starts no others", async () => {
  for (const where of ["fleet", "job"]) {
    const controller = new AbortController();
    const { connect, connections } = memoryHosts({
      handler: (host) => async () => {
        if (host !== "web2") return;
        controller.abort(new Error("enough"));
        await new Promise(() => {});
      },
    });
    const { signal } = controller;
    const hosts = fleet(names(4), { connect, concurrency: 1, ...where === "fleet" && { signal } });
    const { results } = await hosts.run("x", where === "job" ? { signal } : {});
    assertEquals(results.map(({ success, tries }) => [success, tries]), [
      [true, 1],
      [false, 1],
      [false, 0],
      [false, 0],
    ], where);
    for (const host of ["web2", "web4"]) {
      assertEquals((failureOf(results, host) as Error).message, "enough");
    }
    assertEquals([connections.made, connections.open], [2, 0]);
  }
});

Deno.test("A job runs once: its results are in the loop or in the report", async () => {
  const { connect, connections } = memoryHosts();
  const job = fleet(["web1"], { connect }).run("x");
  assertEquals(connections.made, 0);
  assertEquals((await job).success, true);
  assertEquals((await job).success, true); // the same report
  await assertRejects(() => job[Symbol.asyncIterator]().next(), TypeError, "has been started");
  assertEquals(connections.made, 1);
});

/** Works that start when they are begun, and end when the test lets them. */
function works(count: number) {
  const begun: string[] = [];
  const gates = new Map<string, PromiseWithResolvers<void>>();
  const client = { [Symbol.asyncDispose]: () => Promise.resolve() } as unknown as Client;
  const all = names(count).map((host) => ({
    host,
    connect: () => Promise.resolve(client),
    work: async () => {
      begun.push(host);
      gates.set(host, Promise.withResolvers());
      await gates.get(host)!.promise;
      return host;
    },
    idempotent: false,
  }));
  return { all, begun, end: (host: string) => gates.get(host)!.resolve() };
}

Deno.test("By default 32 hosts work in parallel, and each one that ends starts another", async () => {
  const { all, begun, end } = works(40);
  const job = Promise.resolve(new FleetJob(all, {}, undefined));
  await turn();
  assertEquals(begun.length, 32);
  end("web5");
  await turn();
  assertEquals([begun.length, begun.at(-1)], [33, "web33"]);
  for (let at = 0; at < 40; at++) {
    end(names(40)[at]!);
    await turn();
  }
  const { results } = await job;
  assertEquals(results.map((result) => result.success && result.value), names(40));
});

Deno.test("A report has the results in the order of the hosts, in whatever order they end", async () => {
  const { all, end } = works(3);
  const job = Promise.resolve(new FleetJob(all, { concurrency: 3 }, undefined));
  await turn();
  for (const host of ["web3", "web1", "web2"]) end(host);
  assertEquals((await job).results.map(({ host }) => host), ["web1", "web2", "web3"]);
});

Deno.test("A job leaves no listener on the signals, and passes on their reasons", async () => {
  for (const which of ["fleet", "job"]) {
    const controller = new AbortController();
    let listeners = 0;
    const { signal } = controller;
    const [add, remove] = [signal.addEventListener, signal.removeEventListener];
    using _add = replaced(signal, "addEventListener", (...given: Parameters<typeof add>) => {
      listeners++;
      add.apply(signal, given);
    });
    using _remove = replaced(signal, "removeEventListener", (...given: Parameters<typeof add>) => {
      listeners--;
      remove.apply(signal, given);
    });
    const { all, end } = works(1);
    const job = new FleetJob(
      all,
      which === "fleet" ? { signal } : {},
      which === "job" ? signal : undefined,
    );
    const done = Promise.resolve(job);
    await turn();
    assertEquals(listeners, 1);
    end("web1");
    await done;
    assertEquals(listeners, 0);
  }
});

Deno.test("Work on hosts ends with an AbortError when the loop is left", async () => {
  const { all, begun, end } = works(3);
  const signals: AbortSignal[] = [];
  const watched = all.map((work) => ({
    ...work,
    connect: (signal: AbortSignal) => (signals.push(signal), work.connect()),
  }));
  const job = new FleetJob(watched, { concurrency: 2 }, undefined)[Symbol.asyncIterator]();
  const first = job.next();
  await turn();
  end("web1");
  assertEquals((await first).value!.host, "web1");
  await turn();
  const leaving = job.return!(undefined);
  assertEquals((await leaving).done, true);
  const running = signals.filter(({ aborted }) => aborted);
  assertEquals(new Set(running.map(({ reason }) => reason.name)), new Set(["AbortError"]));
  assertEquals(begun, ["web1", "web2"]);
});

Deno.test("A fleet without hosts has an empty report", async () => {
  const report = await new FleetJob([], {}, undefined);
  assertEquals([report.results, report.success], [[], true]);
});

Deno.test("A job cannot be iterated twice, nor after its report", async () => {
  const { all, end } = works(1);
  const job = new FleetJob(all, {}, undefined);
  const first = job[Symbol.asyncIterator]().next();
  await turn();
  await assertRejects(() => job[Symbol.asyncIterator]().next(), TypeError, "keep its report");
  await assertRejects(() => Promise.resolve(job), TypeError, "keep its report");
  end("web1");
  await first;
});
