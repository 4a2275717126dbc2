import { assertEquals, assertInstanceOf } from "@std/assert";
import { AuthError, ClosedError, CommandError, ConnectError, fleet } from "@denossh/ssh";
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
