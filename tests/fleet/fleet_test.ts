import { assertEquals, assertInstanceOf } from "@std/assert";
import {
  AuthError,
  type Client,
  ClosedError,
  CommandError,
  ConnectError,
  type ConnectOptions,
  type Fleet,
  fleet,
  none,
} from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { serveStreams } from "@denossh/ssh/server";
import { memoryPair } from "@denossh/ssh/testing";
import { FakeTime } from "../support/fake_time.ts";
import { failureOf, memoryHosts, names } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

Deno.test("fleet.run gives a result for each host, in the order of the hosts", async () => {
  const { connect } = memoryHosts();
  const report = await fleet(names(5), { connect, concurrency: 2 }).run("uptime");
  assertEquals(report.success, true);
  assertEquals(
    report.results.map((it) => it.success && it.value),
    names(5).map((host) => `${host}: uptime`),
  );
});

Deno.test("A host that is unreachable, refuses or fails does not end other hosts", async () => {
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
  assertEquals([error.exitCode, plainMessage(error)], [
    3,
    'Command "x" failed with exit code 3: disk full',
  ]);
});

Deno.test("forEach returns the work's results, and passes it the host's name and a signal", async () => {
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

const hostKey = await generateKey("ed25519");

/** Options with which a fleet connects to servers in memory, and what those servers saw. */
function served(seen: string[], options: ConnectOptions = {}): ConnectOptions {
  return {
    auth: [none()],
    hostKeys: hostKey.publicKey,
    config: false,
    user: "all",
    transport: () => {
      const [near, far] = memoryPair();
      serveStreams(far, {
        hostKeys: [hostKey],
        auth: { none: () => true },
        keepaliveInterval: 0,
        trace: ({ direction, name, fields }) => {
          if (name === "GLOBAL_REQUEST") seen.push(`${direction} ${JSON.stringify(fields)}`);
        },
      }, async (session) => {
        seen.push(session.user);
        const { command, signal } = session;
        if (command === "wait") await new Promise((end) => signal.addEventListener("abort", end));
      });
      return Promise.resolve(near);
    },
    ...options,
  };
}

Deno.test("A host's options override those of the fleet, and text is connected to as it is", async () => {
  const seen: string[] = [];
  const hosts = fleet([{ name: "a", user: "own" }, { hostname: "b" }, "text", "ann@text"], {
    connect: served(seen),
    concurrency: 1,
  });
  const { failed } = await hosts.run("x");
  assertEquals(failed, []);
  const users = seen.filter((line) => !line.includes(" "));
  assertEquals(users, ["own", "all", "all", "ann"]);
});

Deno.test("The port in a host's name overrides the port of all hosts", async () => {
  const asked: string[] = [];
  const hosts = fleet(["text:2201", "ann@text", { name: "own", hostname: "own", port: 2202 }], {
    connect: served([], {
      port: 2200,
      hostKeys: ({ hostname, port }) => asked.push(`${hostname} ${port}`) > 0,
    }),
    concurrency: 1,
  });
  const { failed } = await hosts.run("x");
  assertEquals([failed, asked], [[], ["text 2201", "text 2200", "own 2202"]]);
});

Deno.test("A silent host is noticed by keepalives after 15 seconds, unless they are disabled", async () => {
  const cases: [ConnectOptions, number[]][] = [
    [{}, [0, 1]],
    [{ keepaliveInterval: 0 }, [0, 0]],
    [{ keepaliveInterval: 5_000 }, [1, 3]],
  ];
  for (const [options, expected] of cases) {
    for (const host of ["text", { name: "own" }]) {
      using time = new FakeTime();
      const seen: string[] = [];
      const cancel = new AbortController();
      const hosts = fleet([host], { connect: served(seen, options), signal: cancel.signal });
      const job = Promise.resolve(hosts.run("wait"));
      for (let at = 0; at < 1_000 && !seen.includes("all"); at++) await time.advance(0);
      // The first interval is the one in which the host was heard last.
      const asked: number[] = [];
      for (let at = 0; at < 2; at++) {
        await time.advance(15_000);
        asked.push(seen.filter((line) => /^received .*keepalive/.test(line)).length);
      }
      assertEquals(asked, expected);
      cancel.abort(new Error("enough"));
      const { failed } = await time.settle(job);
      assertEquals((failed[0]!.error as Error).message, "enough");
    }
  }
});

Deno.test("A function that connects gets the host as it was given, and the signal of its work", async () => {
  const asked: unknown[][] = [];
  const own = { name: "own" };
  const cancel = new AbortController();
  const report = await fleet(["a", own], {
    connect: (host, { signal }) => {
      asked.push([host, signal.aborted]);
      cancel.abort(new Error("enough"));
      asked.push([host, signal.aborted]);
      return new Promise(() => {});
    },
    concurrency: 1,
    signal: cancel.signal,
  }).run("x");
  assertEquals(asked, [["a", false], ["a", true]]);
  assertEquals(report.results.map(({ host, tries }) => [host, tries]), [["a", 1], ["own", 0]]);
});

for (const host of ["text", { name: "own" }]) {
  Deno.test(`An aborted job closes the connection to a host that does not answer: ${typeof host}`, async () => {
    const [near, far] = memoryPair();
    const cancel = new AbortController();
    const connect = served([], { transport: () => Promise.resolve(near) });
    const job = Promise.resolve(fleet([host], { connect, signal: cancel.signal }).run("x"));
    const reader = far.readable.getReader();
    await reader.read(); // the client has begun
    cancel.abort(new Error("enough"));
    assertEquals((await job).failed.length, 1);
    for (let done = false; !done;) {
      ({ done } = await reader.read().catch(() => ({ done: true })));
    }
  });
}

Deno.test("An aborted job aborts the command or the copy that runs on a host", async () => {
  const begin = {
    run: (hosts: Fleet) => hosts.run("x"),
    put: (hosts: Fleet) => hosts.put(new Uint8Array(1), "/x"),
    get: (hosts: Fleet) => hosts.get("/x", () => "/copy"),
  };
  for (const [name, job] of Object.entries(begin)) {
    const cancel = new AbortController();
    const reason = new Error("enough");
    let given: AbortSignal | undefined;
    const running = ({ signal }: { signal?: AbortSignal }) => {
      given = signal;
      cancel.abort(reason);
      return new Promise<never>(() => {});
    };
    const client = {
      run: (_command: string, options: { signal?: AbortSignal }) => running(options),
      sftp: running,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    } as unknown as Client;
    const connect = () => Promise.resolve(client);
    const { failed } = await job(fleet(["web1"], { connect, signal: cancel.signal }));
    assertEquals([failed.length, given?.reason], [1, reason], name);
  }
});
