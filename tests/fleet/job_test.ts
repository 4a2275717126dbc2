import { assert, assertEquals, assertRejects } from "@std/assert";
import { fleet } from "@denossh/ssh";
import type { SessionHandler } from "@denossh/ssh/server";
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
  await assertRejects(() => job[Symbol.asyncIterator]().next(), TypeError, "has been done");
  assertEquals(connections.made, 1);
});
