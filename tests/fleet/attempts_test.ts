import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { AuthError, CommandError, fleet } from "@denossh/ssh";
import { FakeTime } from "../support/fake_time.ts";
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
