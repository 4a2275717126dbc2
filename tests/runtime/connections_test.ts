import { assertEquals } from "@std/assert";
import { acceptEach, closeQuietly } from "../../lib/runtime/connections.ts";
import { FakeTime } from "../support/fake_time.ts";

/** A listener that accepts the given connections in order, and then waits until it is closed. */
function listenerOf(...arrivals: (Deno.Conn | Error)[]) {
  const closed = Promise.withResolvers<never>();
  closed.promise.catch(() => {});
  const calls: string[] = [];
  return {
    calls,
    accept(): Promise<Deno.Conn> {
      const next = arrivals.shift();
      if (next === undefined) return closed.promise;
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    },
    close() {
      calls.push("listener closed");
      closed.reject(new Error("closed"));
    },
  };
}

function connOf(calls: string[], name: string): Deno.Conn {
  const conn = {
    setNoDelay: () => void calls.push(`${name} undelayed`),
    close: () => void calls.push(`${name} closed`),
  };
  return conn as unknown as Deno.Conn;
}

Deno.test("acceptEach accepts connections until it is aborted, and closes the listener", async () => {
  const calls: string[] = [];
  const listener = listenerOf(connOf(calls, "a"), connOf(calls, "b"));
  const end = new AbortController();
  let taken = 0;
  await acceptEach(listener, end.signal, () => {
    calls.push("taken");
    if (++taken === 2) end.abort();
  });
  assertEquals(calls, ["a undelayed", "taken", "b undelayed", "taken"]);
  assertEquals(listener.calls, ["listener closed"]);
});

Deno.test("acceptEach survives errors of accept and of the handler, and reports them", async () => {
  const calls: string[] = [];
  const listener = listenerOf(
    new Error("reset"),
    connOf(calls, "refused"),
    connOf(calls, "taken"),
  );
  const end = new AbortController();
  const told: string[] = [];
  let failing = true;
  await acceptEach(listener, end.signal, () => {
    if (!failing) return end.abort();
    failing = false;
    throw new Error("no room");
  }, (error) => told.push((error as Error).message));
  assertEquals(told, ["reset", "no room"]);
});

Deno.test("acceptEach does not report the end of its listener", async () => {
  const listener = listenerOf();
  const end = new AbortController();
  const told: unknown[] = [];
  const accepting = acceptEach(listener, end.signal, () => {}, (error) => told.push(error));
  end.abort();
  await accepting;
  assertEquals([told, listener.calls], [[], ["listener closed"]]);
});

Deno.test("acceptEach pauses after each error, of accept or of the handler", async () => {
  using time = new FakeTime();
  const conn = () => connOf([], "refused");
  const listener = listenerOf(new Error("full"), conn(), new Error("full"), conn());
  const end = new AbortController();
  let told = 0;
  const accepting = acceptEach(listener, end.signal, () => {
    throw new Error("no room");
  }, () => told++);
  for (const errors of [1, 2, 3, 4]) {
    await time.advance(0);
    assertEquals(told, errors);
    await time.advance(10);
  }
  end.abort();
  await accepting;
});

Deno.test("acceptEach awaits the handler before it accepts the next connection", async () => {
  const calls: string[] = [];
  const listener = listenerOf(connOf(calls, "a"), connOf(calls, "b"));
  const end = new AbortController();
  const room = Promise.withResolvers<void>();
  const accepting = acceptEach(listener, end.signal, () => room.promise);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(calls, ["a undelayed"]);
  end.abort();
  room.resolve();
  await accepting;
  assertEquals(calls, ["a undelayed"]);
});

Deno.test("acceptEach closes a connection that arrives during the abort", async () => {
  const calls: string[] = [];
  const listener = listenerOf(connOf(calls, "late"));
  const end = new AbortController();
  const accepting = acceptEach(listener, end.signal, () => void calls.push("taken"));
  end.abort();
  await accepting;
  assertEquals(calls, ["late closed"]);
});

Deno.test("acceptEach with an aborted signal accepts nothing", async () => {
  const calls: string[] = [];
  const listener = listenerOf(connOf(calls, "never"));
  await acceptEach(listener, AbortSignal.abort(), () => {});
  assertEquals([listener.calls, calls], [["listener closed"], []]);
});

Deno.test("closeQuietly closes, and ignores an already closed resource", () => {
  let closed = 0;
  const conn = { close: () => void closed++ } as unknown as Deno.Conn;
  closeQuietly(conn);
  closeQuietly({
    close() {
      throw new Deno.errors.BadResource("closed");
    },
  } as unknown as Deno.Conn);
  assertEquals(closed, 1);
});
