import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  AuthError,
  ClosedError,
  CommandError,
  ConnectError,
  fleet,
  FleetReport,
  type FleetResult,
} from "@denossh/ssh";
import { localFiles, type SessionHandler } from "@denossh/ssh/server";
import { captured } from "../cli/captured.ts";
import { FakeTime } from "../support/fake_time.ts";
import { replaced } from "../support/replaced.ts";
import { tempFolder } from "../support/temp.ts";
import { memoryHosts, type World } from "./world.ts";

const names = (count: number) => Array.from({ length: count }, (_, at) => `web${at + 1}`);

function failureOf(results: readonly FleetResult<unknown>[], host: string): unknown {
  const result = results.find((one) => one.host === host);
  assert(result !== undefined && !result.success, `${host} did not fail`);
  return result.error;
}

Deno.test("fleet.run gives a result for each host, in the order of the hosts", async () => {
  const { connect } = memoryHosts();
  const report = await fleet(names(5), { connect, concurrency: 2 }).run("uptime");
  assertEquals(report.success, true);
  assertEquals(
    report.results.map((it) => it.success && it.value),
    names(5).map((host) => `${host}: uptime`),
  );
});

Deno.test("A host that cannot be reached, refuses or fails ends no other host", async () => {
  const { connect } = memoryHosts({
    downFor: { web1: Infinity },
    handler: (host) => async (session) => {
      if (host === "web2") await session.printError("disk full\n");
      return host === "web2" ? 3 : 0;
    },
  });
  const { results, succeeded, failed, success } = await fleet(names(4), {
    connect: (host, how) => {
      if (host === "web3") throw new AuthError("Permission denied");
      return connect(host, how);
    },
    retries: 0,
  }).run("x");
  assertEquals([success, succeeded.map((it) => it.host)], [false, ["web4"]]);
  assertEquals(failed.map((it) => it.host), ["web1", "web2", "web3"]);
  assertInstanceOf(failureOf(results, "web1"), ConnectError);
  assertInstanceOf(failureOf(results, "web3"), AuthError);
  const error = failureOf(results, "web2");
  assertInstanceOf(error, CommandError);
  assertEquals([error.exitCode, error.message], [
    3,
    'Command "x" failed with exit code 3: disk full',
  ]);
});

Deno.test("Results come as hosts end, and not more hosts are worked on than concurrency says", async () => {
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

Deno.test("1,000 hosts take the connections and the memory of ten", async () => {
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
  const { hosts } = fleet(names(1000), { connect });
  for await (const result of fleet(hosts, { connect, concurrency: 10 }).run("x")) {
    taken += result.success ? result.value.length : 0;
    limits.held = Math.max(limits.held, written - taken);
    limits.connections = Math.max(limits.connections, connections.open);
  }
  assertEquals([taken, connections.made], [1000 * size, 1000]);
  assert(connections.most <= 10 && limits.connections <= 10, `${connections.most} connections`);
  assert(limits.held <= 10 * size, `${limits.held} bytes held`);
});

Deno.test("A loop that takes no results has no more hosts worked on", async () => {
  const { connect, connections } = memoryHosts();
  const results = fleet(names(20), { connect, concurrency: 3 }).run("x")[Symbol.asyncIterator]();
  await results.next();
  // The others that were begun end; three results are there, of which one was taken.
  while (connections.open > 0) await new Promise((turn) => setTimeout(turn));
  assertEquals(connections.made, 3);
  await results.return!(undefined);
  assertEquals(connections.made, 3);
});

Deno.test("A loop that is left cancels the hosts that are worked on, and begins no others", async () => {
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

Deno.test("One host at a time: none is begun before the loop has seen the result before", async () => {
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

Deno.test("A host is tried again with growing waits while it cannot be reached", async () => {
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
  const waited = results[1]!.milliseconds; // 100 + 200 + 400, each up to a quarter more or less
  assert(waited >= 525 && waited <= 875, `waited ${waited} ms`);
});

Deno.test("A wait between tries is at most maxRetryDelay", async () => {
  using time = new FakeTime();
  const { connect } = memoryHosts({ downFor: { web1: Infinity } });
  const options = { connect, retries: 10, retryDelay: 100, maxRetryDelay: 200 };
  const { results } = await time.settle(Promise.resolve(fleet(names(1), options).run("x")));
  const { tries, milliseconds } = results[0]!;
  assertEquals(tries, 11);
  assert(milliseconds <= 1.25 * (100 + 9 * 200), `waited ${milliseconds} ms`);
});

Deno.test("A host whose credentials were refused is tried once", async () => {
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

Deno.test("retryIf decides about a try that failed", async () => {
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

Deno.test("A host whose time is up fails with a TimeoutError, and its connection is closed", async () => {
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
  assertEquals([error.name, error.message], [
    "TimeoutError",
    "web1: the work did not end within 5000 ms",
  ]);
  assertEquals([results[1]!.success, connections.open], [true, 0]);
});

Deno.test("A host whose time is up between two tries tells of the last one", async () => {
  using time = new FakeTime();
  const { connect } = memoryHosts({ downFor: { web1: Infinity } });
  const hosts = fleet(["web1"], { connect, timeout: 5000, retries: 9 });
  const { results } = await time.settle(Promise.resolve(hosts.run("x")));
  assertEquals(
    (failureOf(results, "web1") as Error).message,
    "web1: the work did not end within 5000 ms; " +
      "the last try failed: Cannot connect to web1: it is down",
  );
});

Deno.test("A connection that comes after the time of its host is closed", async () => {
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

Deno.test("An aborted signal ends what is under way and begins nothing more", async () => {
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

Deno.test("A job is done once: its results are in the loop or in the report", async () => {
  const { connect, connections } = memoryHosts();
  const job = fleet(["web1"], { connect }).run("x");
  assertEquals(connections.made, 0);
  assertEquals((await job).success, true);
  assertEquals((await job).success, true); // the same report
  await assertRejects(() => job[Symbol.asyncIterator]().next(), TypeError, "has been done");
  assertEquals(connections.made, 1);
});

Deno.test("forEach gives what the work gives, with the name and a signal of the host", async () => {
  const { connect } = memoryHosts();
  const { results } = await fleet(names(3), { connect }).forEach(async (host, context) => {
    if (context.host === "web2") throw new ClosedError("lost");
    assertEquals(context.signal.aborted, false);
    return [context.host, await host.run("a"), await host.run("b")];
  });
  assertEquals(results.map((it) => it.success && it.value), [
    ["web1", "web1: a", "web1: b"],
    false,
    ["web3", "web3: a", "web3: b"],
  ]);
});

Deno.test("Lines are told as they come, and the value is the last one", async () => {
  const { connect } = memoryHosts({
    handler: (host) => async (session) => {
      await session.print(`one\r\ntwo of ${host}`);
      await session.printError("oops\n");
      return host === "web2" ? 9 : 0;
    },
  });
  const lines: string[] = [];
  const { results } = await fleet(names(2), { connect }).run("x", {
    onLine: ({ host, stream, text }) => {
      lines.push(`${host} ${stream} ${text}`);
      throw new Error("a listener harms nothing");
    },
  });
  assertEquals(lines.filter((line) => line.startsWith("web1")).toSorted(), [
    "web1 stderr oops",
    "web1 stdout one",
    "web1 stdout two of web1",
  ]);
  assertEquals(results[0]!.success && results[0]!.value, "two of web1");
  const error = failureOf(results, "web2");
  assertInstanceOf(error, CommandError);
  assertStringIncludes(error.message, "failed with exit code 9: oops");
});

Deno.test("A line without an end is told in pieces, and is not held", async () => {
  const { connect } = memoryHosts({ handler: () => (it) => it.print("x".repeat(300_000)) });
  const lengths: number[] = [];
  await fleet(["web1"], { connect }).run("x", {
    onLine: ({ text }) => lengths.push(text.length),
  });
  assertEquals(Math.max(...lengths), 64 * 1024);
  assertEquals(lengths.reduce((sum, length) => sum + length), 300_000);
});

Deno.test("More output than maxOutput fails the host, and only that one", async () => {
  const { connect } = memoryHosts({
    handler: (host) => (it) => it.print("x".repeat(host === "web1" ? 1001 : 1000)),
  });
  const { failed, succeeded } = await fleet(names(2), { connect }).run("x", { maxOutput: 1000 });
  assertEquals([failed.length, succeeded.length], [1, 1]);
  assertMatch((failed[0]!.error as Error).message, /1000/);
});

Deno.test("Live output has the names of the hosts, and no control characters", async () => {
  const { connect } = memoryHosts({
    handler: (host) => async (session) => {
      await session.print(`\x1b[31mred\tand ${host}\n`);
      await session.printError("oops\n");
    },
  });
  const hosts = fleet(["a", "web10"], { connect, concurrency: 1 });
  const said = await captured(
    async () => (await hosts.run("x", { live: true })).success ? 0 : 1,
    [],
  );
  assertEquals(said, {
    code: 0,
    text: "a     | [31mred\tand a\nweb10 | [31mred\tand web10\n",
    stderr: "a     | oops\nweb10 | oops\n",
  });
});

Deno.test("On a terminal, the names of hosts have colours, unless NO_COLOR asks for none", async () => {
  const { connect } = memoryHosts();
  const hosts = fleet(["a", "b"], { connect, concurrency: 1 });
  const live = async () => (await hosts.run("x", { live: true })).success ? 0 : 1;
  using _terminal = replaced(Deno.stdout, "isTerminal", () => true);
  for (const noColor of [false, true]) {
    using _noColor = replaced(Deno, "noColor", noColor);
    const { text } = await captured(live, []);
    const names = noColor ? ["a |", "b |"] : ["\x1b[32ma |\x1b[0m", "\x1b[33mb |\x1b[0m"];
    assertEquals(text, `${names[0]} a: x\n${names[1]} b: x\n`);
  }
});

Deno.test("put and get copy files to and from a folder of each host", async () => {
  await using folder = await tempFolder();
  const hosts = ["web1", "ann@[::1]:22"];
  const root = (host: string) => folder.join(encodeURIComponent(host));
  for (const host of hosts) await Deno.mkdir(root(host));
  const { connect } = memoryHosts({
    serve: (host) => ({ sftp: localFiles({ root: root(host) }) }),
  });
  const both = fleet(hosts, { connect });
  const told = new Set<string>();
  const put = await both.put(new TextEncoder().encode("hello"), "/motd", {
    onProgress: (host) => told.add(host),
  });
  assertEquals(put.results.map((it) => it.success && it.value.bytes), [5, 5]);
  assertEquals(told, new Set(hosts));
  await both.get("/motd", folder.join("copies"));
  const copy = (host: string) => Deno.readTextFile(folder.join(`copies/${host}/motd`));
  assertEquals([await copy("web1"), await copy("ann@%5B%3A%3A1%5D%3A22")], ["hello", "hello"]);
  await both.get("/*", folder.join("all"), { glob: true });
  assertEquals(await Deno.readTextFile(folder.join("all/web1/motd")), "hello");
  await both.get("/motd", (host) => folder.join(`named/${host.length}`));
  assertEquals(await Deno.readTextFile(folder.join("named/4")), "hello");
  const none = await both.get("/none", folder.join("copies"));
  assertEquals(none.failed.map(({ tries }) => tries), [1, 1]); // a refusal, which stays one
});

Deno.test("A report is a table and JSON", () => {
  const output = {
    code: 1,
    signal: null,
    stdout: new Uint8Array(),
    stderr: new TextEncoder().encode("no\n"),
  };
  const results: FleetResult<unknown>[] = [
    { host: "web1", success: true, value: "a\nlast line\n", tries: 1, milliseconds: 1234.5 },
    { host: "db", success: true, value: { files: 2, bytes: 30 }, tries: 1, milliseconds: 10 },
    {
      host: "web3",
      success: false,
      error: new CommandError("It\nfailed", output),
      tries: 2,
      milliseconds: 0,
    },
    { host: "web4", success: false, error: "enough", tries: 0, milliseconds: 0 },
    { host: "web5", success: true, value: ["a"], tries: 1, milliseconds: 0 },
  ];
  const report = new FleetReport(results);
  assertEquals(
    report.table(),
    `host  state   tries  time
web1  ok      1      1.2 s  last line
db    ok      1      0.0 s  2 files, 30 bytes
web3  failed  2      0.0 s  It
web4  failed  0      0.0 s  enough
web5  ok      1      0.0 s`,
  );
  assertEquals(report.table({ columns: 10 }).split("\n")[1], "web1  ok …");
  assertEquals(JSON.parse(JSON.stringify(report)).slice(1, 4), [
    { host: "db", success: true, value: { files: 2, bytes: 30 }, tries: 1, milliseconds: 10 },
    {
      host: "web3",
      success: false,
      error: {
        name: "CommandError",
        message: "It\nfailed",
        code: "command",
        exitCode: 1,
        stdout: "",
        stderr: "no\n",
      },
      tries: 2,
      milliseconds: 0,
    },
    {
      host: "web4",
      success: false,
      error: { name: "string", message: "enough" },
      tries: 0,
      milliseconds: 0,
    },
  ]);
  assertEquals(new FleetReport([]).table(), "host  state  tries  time");
});

const wrong: [() => unknown, string][] = [
  [() => fleet("web1" as never), 'must be an array such as ["web1"], not the text "web1"'],
  [() => fleet([5] as never), "a host must be text or options, not 5"],
  [() => fleet(["a b"]), 'Cannot parse "a b"'],
  [() => fleet(["a", "a"]), 'the host "a" is given twice'],
  [() => fleet([{ user: "ann" }]), "a host without hostname needs a name"],
  [
    () => fleet([{ hostname: "a", usr: "b" } as never]),
    'connect() has no option "usr": it may be "user"',
  ],
  [() => fleet([], { parallel: 4 } as never), 'fleet() has no option "parallel"'],
  [() => fleet([], { concurrency: 0 }), "concurrency must be a number of at least 1, not 0"],
  [() => fleet([], { connect: { timeout: "5s" } } as never), "timeout must be a number"],
  [() => fleet([], { connect: "root" } as never), "connect must be"],
  [() => fleet([]).run(5 as never), "the command must be text"],
  [() => fleet([]).run("x", { input: new Blob().stream() }), "can be read by one host only"],
  [() => fleet([]).run("x", { stdin: "inherit" }), "can be read by one host only"],
  [() => fleet([]).run("x", { onLines: () => {} } as never), 'run() has no option "onLines"'],
  [() => fleet([]).put(new Blob().stream() as never, "/x"), "a stream could be read once only"],
  [() => fleet([]).get("/x", null as never), "a folder, or a function"],
  [() => fleet([]).forEach("x" as never), "the work must be a function"],
];
for (const [call, expected] of wrong) {
  Deno.test(`fleet() refuses what cannot be meant: ${expected}`, () => {
    assertThrows(call, TypeError, expected);
  });
}

Deno.test("Hosts are called by what they were given as", () => {
  const hosts = ["web1", { hostname: "db" }, { user: "ann", hostname: "db", port: 2222 }, {
    name: "cache",
  }];
  assertEquals(fleet(hosts).hosts, ["web1", "db", "ann@db:2222", "cache"]);
});
