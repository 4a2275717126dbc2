import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  AuthError,
  ChannelOpenError,
  type Client,
  ClosedError,
  CommandError,
  ConnectError,
  DisconnectError,
  fleet,
  type FleetContext,
  type FleetOptions,
  KeyFormatError,
  ProtocolError,
  RequestDeniedError,
} from "@denossh/ssh";
import { attempt } from "../../lib/fleet/attempts.ts";
import { turn } from "../sftp/world.ts";
import { FakeTime } from "../support/fake_time.ts";
import { replaced } from "../support/replaced.ts";
import { failureOf, memoryHosts, names, type World } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

Deno.test("An unreachable host is retried with growing delays", async () => {
  using time = new FakeTime();
  const { connect, asked } = memoryHosts({ downFor: { web1: 2, web2: 9 } });
  const retried: [string, number, boolean][] = [];
  const { results } = await time.settle(
    Promise.resolve(
      fleet(names(2), {
        connect,
        retries: 3,
        retryDelay: 100,
        onRetry: (_error, { host, tries, connected }) => {
          retried.push([host, tries, connected]);
          throw new Error("a listener harms nothing");
        },
      }).run("x"),
    ),
    10_000,
  );
  assertEquals(results.map(({ host, success, tries }) => [host, success, tries]), [
    ["web1", true, 3],
    ["web2", false, 4],
  ]);
  assertEquals(asked.filter((host) => host === "web2").length, 4);
  assertEquals(
    retried.filter(([host]) => host === "web2"),
    [1, 2, 3].map((n) => ["web2", n, false]),
  );
  const waited = results[1]!.milliseconds; // 100 + 200 + 400, each plus or minus up to a quarter
  assert(waited >= 525 && waited <= 875, `waited ${waited} ms`);
});

Deno.test("A delay between attempts is at most maxRetryDelay", async () => {
  using time = new FakeTime();
  const { connect } = memoryHosts({ downFor: { web1: Infinity } });
  const options = { connect, retries: 10, retryDelay: 100, maxRetryDelay: 200 };
  const { results } = await time.settle(Promise.resolve(fleet(names(1), options).run("x")));
  const { tries, milliseconds } = results[0]!;
  assertEquals(tries, 11);
  assert(milliseconds <= 1.25 * (100 + 9 * 200), `waited ${milliseconds} ms`);
});

Deno.test("A host that refuses the credentials is tried once", async () => {
  let asked = 0;
  const connect = () => {
    asked++;
    return Promise.reject(new AuthError("Permission denied"));
  };
  const { results } = await fleet(["web1"], { connect, retryDelay: 0 }).run("x");
  assertEquals([asked, results[0]!.tries], [1, 1]);
});

Deno.test("A command whose connection is lost is run again only if it is idempotent", async () => {
  let runs = 0;
  const world: World = memoryHosts({
    handler: (host) => () => {
      if (++runs % 2 === 1) world.hangUp(host);
    },
  });
  const hosts = fleet(["web1"], { connect: world.connect, retryDelay: 0 });
  const once = await hosts.run("x");
  assertEquals([once.success, once.results[0]!.tries], [false, 1]);
  runs = 0;
  const twice = await hosts.run("x", { idempotent: true });
  assertEquals([twice.success, twice.results[0]!.tries], [true, 2]);
});

Deno.test("retryIf decides about a failed attempt", async () => {
  let runs = 0;
  const { connect } = memoryHosts({ handler: () => () => ++runs < 3 ? 75 : 0 });
  const retryIf = (error: unknown) => error instanceof CommandError && error.exitCode === 75;
  const { results } = await fleet(["web1"], { connect, retryDelay: 0, retryIf }).run("x");
  assertEquals([results[0]!.success, results[0]!.tries], [true, 3]);
  const harmful = () => {
    throw new Error("no decision");
  };
  runs = 0;
  const other = await fleet(["web1"], { connect, retryDelay: 0, retryIf: harmful }).run("x");
  assertEquals([other.success, other.results[0]!.tries], [false, 1]);
});

Deno.test("A host that exceeds its time limit fails with a TimeoutError, and its connection is closed", async () => {
  using time = new FakeTime();
  const { connect, connections } = memoryHosts({
    handler: (host) => async () => {
      if (host === "web1") await new Promise(() => {});
    },
  });
  const hosts = fleet(names(2), { connect, timeout: 5000 });
  const { results } = await time.settle(Promise.resolve(hosts.run("x")));
  const error = failureOf(results, "web1");
  assertInstanceOf(error, DOMException);
  assertEquals([error.name, plainMessage(error)], [
    "TimeoutError",
    "web1: the work did not end within 5000 ms",
  ]);
  assertEquals([results[1]!.success, connections.open], [true, 0]);
});

Deno.test("A host that times out between attempts has the error of the last one", async () => {
  using time = new FakeTime();
  const { connect } = memoryHosts({ downFor: { web1: Infinity } });
  const hosts = fleet(["web1"], { connect, timeout: 5000, retries: 9 });
  const { results } = await time.settle(Promise.resolve(hosts.run("x")));
  assertEquals(
    plainMessage(failureOf(results, "web1")),
    "web1: the work did not end within 5000 ms; " +
      "the last try failed: Cannot connect to web1: it is down",
  );
});

Deno.test("A connection established after its host's time limit is closed", async () => {
  using time = new FakeTime();
  const { connect, connections } = memoryHosts();
  const late = Promise.withResolvers<void>();
  const slow = async (...args: Parameters<typeof connect>) => {
    await late.promise;
    return await connect(...args);
  };
  const report = await time.settle(
    Promise.resolve(fleet(["web1"], { connect: slow, timeout: 10 }).run("x")),
  );
  assertEquals(report.success, false);
  late.resolve();
  while (connections.made === 0 || connections.open > 0) await time.advance(1);
});

/** Tries work on one host that fails with an error, and returns the number of tries. */
async function triesOf(
  failing: { connect?: unknown; work?: unknown },
  options: FleetOptions & { idempotent?: boolean } = {},
): Promise<number> {
  const { idempotent = false, ...others } = options;
  const client = { [Symbol.asyncDispose]: () => Promise.resolve() } as unknown as Client;
  const result = await attempt({
    host: "web1",
    connect: () => "connect" in failing ? Promise.reject(failing.connect) : Promise.resolve(client),
    work: () => Promise.reject(failing.work),
    idempotent,
    signal: new AbortController().signal,
  }, { retryDelay: 0, ...others });
  assert(!result.success);
  return result.tries;
}

Deno.test("Only errors that may pass are retried, after the login only if the work is idempotent", async () => {
  const passing = [
    new ConnectError("down"),
    new DisconnectError(2, "peer", "down"),
    new ClosedError("closed"),
    new ProtocolError("broken"),
    new ChannelOpenError(4, "busy"),
  ];
  for (const error of passing) {
    assertEquals(await triesOf({ connect: error }), 3, String(error));
    assertEquals(await triesOf({ work: error }), 1, String(error));
    assertEquals(await triesOf({ work: error }, { idempotent: true }), 3, String(error));
  }
  const lasting = [
    new AuthError("no"),
    new KeyFormatError("another key"),
    new RequestDeniedError("exec"),
    new TypeError("wrong"),
    new DOMException("late", "TimeoutError"),
    "a text",
    undefined,
  ];
  for (const error of lasting) {
    assertEquals(await triesOf({ connect: error }), 1, String(error));
    assertEquals(await triesOf({ work: error }, { idempotent: true }), 1, String(error));
  }
});

Deno.test("retries is the number of further attempts", async () => {
  for (const retries of [0, 1, 5]) {
    assertEquals(await triesOf({ connect: new ConnectError("down") }, { retries }), retries + 1);
  }
});

Deno.test("retryIf replaces the default decision, and gets the error and the attempt", async () => {
  const error = new AuthError("no");
  const asked: unknown[][] = [];
  const retryIf = (...given: unknown[]) => (asked.push(given), asked.length < 2);
  assertEquals(await triesOf({ work: error }, { retryIf }), 2);
  assertEquals(asked, [1, 2].map((tries) => [error, { host: "web1", tries, connected: true }]));
  asked.length = 5;
  assertEquals(await triesOf({ connect: new ConnectError("down") }, { retryIf }), 1);
  assertEquals(asked.at(-1)![1], { host: "web1", tries: 1, connected: false });
});

Deno.test("Delays double from retryDelay to maxRetryDelay, randomized by a quarter", async () => {
  const options: [FleetOptions, number[]][] = [
    [{ retries: 7 }, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]],
    [{ retries: 3, retryDelay: 10 }, [10, 20, 40]],
    [{ retries: 3, retryDelay: 10, maxRetryDelay: 15 }, [10, 15, 15]],
    [{ retries: 1, retryDelay: 10, maxRetryDelay: 5 }, [5]],
  ];
  for (const [given, delays] of options) {
    for (const [random, factor] of [[0, 0.75], [0.5, 1], [1, 1.25]] as const) {
      using time = new FakeTime();
      using _random = replaced(Math, "random", () => random);
      const at: number[] = [];
      const connect = () => {
        at.push(time.now);
        return Promise.reject(new ConnectError("down"));
      };
      const report = await time.settle(
        Promise.resolve(fleet(["web1"], { connect, ...given }).run("x")),
      );
      let due = 0;
      assertEquals(at, [0, ...delays.map((delay) => due += delay * factor)]);
      assertEquals(report.results[0]!.milliseconds, due);
    }
  }
});

Deno.test("A host's time limit includes the waits, and no attempt begins after it", async () => {
  using time = new FakeTime();
  using _random = replaced(Math, "random", () => 0.5);
  let tries = 0;
  const connect = () => {
    tries++;
    return Promise.reject(new ConnectError("down"));
  };
  const told: unknown[] = [];
  const onRetry = (error: unknown, failed: unknown) => told.push(plainMessage(error), failed);
  const options = { connect, timeout: 2_999, retries: 5, onRetry };
  const { results } = await time.settle(Promise.resolve(fleet(["web1"], options).run("x")));
  assertEquals([tries, results[0]!.tries, results[0]!.milliseconds], [2, 2, 2_999]);
  assertEquals(
    told,
    [1, 2].flatMap((tries) => ["down", { host: "web1", tries, connected: false }]),
  );
  assertEquals((failureOf(results, "web1") as Error).name, "TimeoutError");
  assertEquals(time.timers, 0);
});

Deno.test("The work's connection is closed after success, failure and cancellation", async () => {
  for (const how of ["succeeds", "fails", "hangs"]) {
    let closed = 0;
    const client = {
      [Symbol.asyncDispose]: () => (closed++, Promise.reject(new Error("close failed"))),
    } as unknown as Client;
    const cancel = new AbortController();
    let context: FleetContext | null = null;
    const result = await attempt<number>({
      host: "web1",
      connect: () => Promise.resolve(client),
      work: (given, how2) => {
        assertEquals(given, client);
        context = how2;
        if (how === "fails") throw new Error("no");
        if (how === "succeeds") return 7;
        queueMicrotask(() => cancel.abort(new Error("enough")));
        return new Promise<number>(() => {});
      },
      idempotent: true,
      signal: cancel.signal,
    }, {});
    const { milliseconds: _, ...seen } = result;
    const error = new Error(how === "fails" ? "no" : "enough");
    const outcome = how === "succeeds" ? { success: true, value: 7 } : { success: false, error };
    assertEquals(seen as unknown, { host: "web1", tries: 1, ...outcome });
    assertEquals([closed, context!.host, context!.signal.aborted], [1, "web1", how === "hangs"]);
  }
});

Deno.test("The timer of a host's time limit ends with its work", async () => {
  using time = new FakeTime();
  const { connect } = memoryHosts();
  const hosts = fleet(["web1"], { connect, timeout: 1_000_000 });
  const report = await time.settle(Promise.resolve(hosts.forEach(() => time.timers)), 1_000);
  assertEquals([report.success, time.timers], [true, 0]);
});

Deno.test("A host has ended only when its connection is closed", async () => {
  const closing = Promise.withResolvers<void>();
  const client = { [Symbol.asyncDispose]: () => closing.promise } as unknown as Client;
  const { signal } = new AbortController();
  const connect = () => Promise.resolve(client);
  let over = false;
  const job = { host: "web1", connect, work: () => 1, idempotent: false, signal };
  const attempting = attempt(job, {}).then(() => over = true);
  await turn();
  assert(!over);
  closing.resolve();
  await attempting;
});
