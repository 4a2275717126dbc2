import { assertEquals, assertRejects } from "@std/assert";
import { TaskPool } from "../../lib/sftp/transfer/task_pool.ts";
import { turn } from "./world.ts";

const SMALL = 128 * 1024;

/** Starts tasks one after the other, which the test ends. */
function starting(pool: TaskPool, costs: readonly number[]) {
  const gates = costs.map(() => Promise.withResolvers<void>());
  const started: number[] = [];
  const grown: number[] = [];
  const work = pool.work(async () => {
    for (const [index, cost] of costs.entries()) {
      await pool.start(async (grow) => {
        started.push(index);
        await grow(cost);
        grown.push(index);
        await gates[index]!.promise;
      });
    }
  });
  return { work, started, grown, end: (index: number) => gates[index]!.resolve() };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 3; i++) await turn();
}

Deno.test("at most the limit of tasks run, and each end starts the next one", async () => {
  const pool = new TaskPool(2, Infinity, undefined);
  const { work, started, end } = starting(pool, [0, 0, 0, 0]);
  await turns();
  assertEquals(started, [0, 1]);
  end(1);
  await turns();
  assertEquals(started, [0, 1, 2]);
  end(0);
  end(2);
  await turns();
  assertEquals(started, [0, 1, 2, 3]);
  let over = false;
  work.then(() => over = true);
  await turns();
  assertEquals(over, false);
  end(3);
  await work;
});

Deno.test("small tasks use a small part of the budget each", async () => {
  const { work, started, end } = starting(new TaskPool(9, 2 * SMALL, undefined), [0, 9, SMALL]);
  await turns();
  assertEquals(started, [0, 1]);
  end(0);
  await turns();
  assertEquals(started, [0, 1, 2]);
  end(1);
  end(2);
  await work;
});

Deno.test("a task that grows waits for room, and returns all of it", async () => {
  const costs = [3 * SMALL, 4 * SMALL, 2 * SMALL];
  const { work, started, grown, end } = starting(new TaskPool(9, 4 * SMALL, undefined), costs);
  await turns();
  // The second waits without holding anything, so the third starts, and then has no room to grow.
  assertEquals([started, grown], [[0, 1, 2], [0]]);
  end(0);
  await turns();
  assertEquals(grown.length, 2);
  end(grown[1]!);
  await turns();
  assertEquals(grown.length, 3);
  end(grown[2]!);
  await work;
});

Deno.test("a task that is larger than the budget runs alone", async () => {
  const costs = [100 * SMALL, 0];
  const { work, started, grown, end } = starting(new TaskPool(9, SMALL, undefined), costs);
  await turns();
  assertEquals([started, grown], [[0], [0]]);
  end(0);
  await turns();
  assertEquals(grown, [0, 1]);
  end(1);
  await work;
});

Deno.test("a budget below that of a small task lets one run at a time", async () => {
  for (const budget of [1, 10]) {
    const { work, started, end } = starting(new TaskPool(9, budget, undefined), [0, 0]);
    await turns();
    assertEquals(started, [0]);
    end(0);
    await turns();
    assertEquals(started, [0, 1]);
    end(1);
    await work;
  }
});

Deno.test("the first failure cancels the rest, which are awaited", async () => {
  const pool = new TaskPool(9, Infinity, undefined);
  let cleaned = false;
  const failure = new Error("first");
  const working = pool.work(async () => {
    await pool.start(async () => {
      await new Promise<void>((resolve) => pool.signal.addEventListener("abort", () => resolve()));
      await turn();
      cleaned = true;
      throw new Error("second");
    });
    await pool.start(() => Promise.reject(failure));
  });
  assertEquals(await assertRejects(() => working), failure);
  assertEquals(cleaned, true);
  assertEquals(await assertRejects(() => pool.start(() => Promise.resolve())), failure);
});

Deno.test("an error of the producer is thrown after the tasks have ended", async () => {
  const pool = new TaskPool(9, Infinity, undefined);
  const gate = Promise.withResolvers<void>();
  let settled = false;
  const working = pool.work(async () => {
    await pool.start(() => gate.promise);
    throw new RangeError("lead");
  });
  working.catch(() => {}).then(() => settled = true);
  await turns();
  assertEquals([settled, pool.signal.aborted], [false, true]);
  gate.resolve();
  await assertRejects(() => working, RangeError, "lead");
});

Deno.test("an abort ends the wait for room", async () => {
  const abort = new AbortController();
  const pool = new TaskPool(9, SMALL, abort.signal);
  const { work, started, end } = starting(pool, [0, 0]);
  await turns();
  abort.abort(new Error("enough"));
  end(0);
  await assertRejects(() => work, Error, "enough");
  assertEquals(started, [0]);
});

Deno.test("a failure cancels the rest also if the caller has a signal", async () => {
  const { signal } = new AbortController();
  const pool = new TaskPool(9, Infinity, signal);
  const failure = new Error("first");
  await assertRejects(() => pool.work(() => pool.start(() => Promise.reject(failure))));
  assertEquals([pool.signal.reason, signal.aborted], [failure, false]);
});
