import { assert, assertEquals } from "@std/assert";
import { LONG_TURN_MS, Turn, TURN_MS, Turns } from "../lib/turns.ts";

/** A clock that work advances, and rests that the test ends. */
function fakeClock() {
  const rests: (() => void)[] = [];
  const clock = {
    ms: 0,
    /** The number of rests so far. */
    rests: 0,
    now: () => clock.ms,
    tick: () => clock.rest(),
    rest: () => {
      clock.rests++;
      return new Promise<void>((resolve) => rests.push(resolve));
    },
    /** Runs the event loop until nothing waits for it. */
    async run() {
      for (let rest; (rest = rests.shift()) !== undefined;) {
        rest();
        for (let i = 0; i < 50; i++) await Promise.resolve();
      }
    },
  };
  return clock;
}

/** A loop with this many pieces of work of a millisecond each. */
async function work(
  clock: { ms: number },
  turn: Turn,
  pieces: number,
  did: () => void = () => {},
): Promise<void> {
  for (let i = 0; i < pieces; i++) {
    const over = turn.begin();
    if (over) await over;
    clock.ms++;
    did();
    turn.end();
  }
}

/**
 * The longest work without a rest, and the number of rests, of a loop with this many milliseconds of
 * work.
 */
async function restsOf(turns: Turns, clock: ReturnType<typeof fakeClock>, pieces: number) {
  clock.rests = 0;
  let [sinceRest, most, rests] = [0, 0, 0];
  const done = work(clock, new Turn(turns), pieces, () => {
    if (rests !== clock.rests) [rests, sinceRest] = [clock.rests, 0];
    most = Math.max(most, ++sinceRest);
  });
  await clock.run();
  await done;
  return [most, clock.rests];
}

Deno.test("a loop works for a turn, which is long while no other connection is active", async () => {
  const clock = fakeClock();
  const turns = new Turns(clock);
  assertEquals(await restsOf(turns, clock, 5 * LONG_TURN_MS), [LONG_TURN_MS, 5]);
  clock.ms = 2000;
  const other = new Turn(turns);
  other.heard();
  clock.ms += 900;
  assertEquals(await restsOf(turns, clock, 10 * TURN_MS), [TURN_MS, 10]);
  clock.ms += 1000;
  assertEquals(await restsOf(turns, clock, 5 * LONG_TURN_MS), [LONG_TURN_MS, 5]);
});

Deno.test("sequential requests hardly ever wait", async () => {
  const clock = fakeClock();
  const turn = new Turn(new Turns(clock));
  const loop = async () => {
    for (let i = 0; i < 1000; i++) {
      const over = turn.begin();
      if (over) await over;
      turn.end();
      clock.ms++;
    }
  };
  const done = loop();
  await clock.run();
  await done;
  assert(clock.rests < 20, `${clock.rests}`);
});

Deno.test("large requests are work, even if there is little to do for them", () => {
  const clock = fakeClock();
  const turn = new Turn(new Turns(clock));
  let requests = 0;
  for (; turn.begin() === null; requests++) turn.end(250_000);
  assert(requests < 10, `${requests}`);
});

Deno.test("little work of one connection does not wait, but that of many connections does", async () => {
  const clock = fakeClock();
  const turns = new Turns(clock);
  const few = Array.from({ length: TURN_MS }, () => new Turn(turns));
  for (const turn of few) {
    assertEquals(turn.begin(), null);
    clock.ms++;
    turn.end();
  }
  const last = few[0]!.begin();
  assert(last !== null);
  const newcomer = new Turn(turns).begin();
  assert(newcomer !== null, "it passes no waiting connection");
  await clock.run();
  await Promise.all([last, newcomer]);
});

Deno.test("a connection with ten loops gets as many turns as one with a single loop", async () => {
  const clock = fakeClock();
  const turns = new Turns(clock);
  const [greedy, modest] = [new Turn(turns), new Turn(turns)];
  let others = 0;
  const done = Array.from({ length: 10 }, () => work(clock, greedy, 100, () => others++));
  let before = 0;
  const own = work(clock, modest, 100).then(() => before = others);
  await clock.run();
  await Promise.all([...done, own]);
  assertEquals(others, 1000);
  // It ran during the others' first turns, and then in turn as part of its connection.
  assert(before <= 100 + 2 * TURN_MS, `${before} pieces of the other came before the last one`);
});

Deno.test("a new loop waits for one turn of each connection", async () => {
  const clock = fakeClock();
  const turns = new Turns(clock);
  const order: string[] = [];
  const loops = ["a", "b", "c"].map((name) =>
    work(clock, new Turn(turns), 3 * TURN_MS, () => {
      if (order.at(-1) !== name) order.push(name);
    })
  );
  await clock.run();
  await Promise.all(loops);
  assertEquals(order.join("").slice(0, 9), "abcabcabc");
});

Deno.test("many connections with little work share a turn", async () => {
  const clock = { ms: 0, rests: 0 };
  const turns = new Turns({
    now: () => clock.ms,
    tick: () => new Promise((resolve) => setTimeout(resolve)),
    rest: () => Promise.resolve(void clock.rests++),
  });
  await Promise.all(Array.from({ length: 40 }, async () => {
    const turn = new Turn(turns);
    turn.begin();
    turn.end(4e6); // it has worked before
    const over = turn.begin();
    assert(over !== null);
    await over;
    clock.ms++;
    turn.end();
  }));
  assertEquals(clock.rests, 40 / TURN_MS);
});

Deno.test("a connection that ends waits no more, and its rest ends if no other waits", async () => {
  const rests: Promise<void>[] = [];
  const over = Promise.withResolvers<void>();
  const turns = new Turns({
    now: () => LONG_TURN_MS,
    tick: () => Promise.resolve(),
    rest(cut) {
      rests.push(cut);
      return Promise.race([cut, over.promise]);
    },
  });
  const waits = (turn: Turn) => {
    turn.end(8e6); // it has worked
    return turn.begin()!;
  };
  const [ended, other] = [new Turn(turns), new Turn(turns)];
  const loops = [waits(ended), waits(ended)];
  const others = waits(other);
  ended.leave();
  await Promise.all(loops);
  const late = waits(ended); // a loop that has not noticed the end
  over.resolve();
  await Promise.all([others, late]);
  assertEquals(rests.length, 1);

  const further = new Turns({
    now: () => LONG_TURN_MS,
    tick: () => Promise.resolve(),
    rest: (cut) => (rests.push(cut), cut),
  });
  const alone = new Turn(further);
  new Turn(further).heard(); // the rest would last longer for it
  const waiting = waits(alone);
  alone.leave();
  await Promise.all([waiting, rests[1]]);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(rests.length, 2);
});

Deno.test("a rest lasts while others have work, up to a turn", async () => {
  let [ms, rests] = [0, 0];
  let during = () => {};
  const clock = {
    now: () => ms,
    tick: () => Promise.resolve(),
    rest() {
      rests++;
      ms++;
      during();
      return Promise.resolve();
    },
  };
  const turns = new Turns(clock);
  const [busy, other] = [new Turn(turns), new Turn(turns)];
  const restsOfTurn = async () => {
    ms += LONG_TURN_MS;
    busy.end();
    rests = 0;
    await busy.begin();
    return rests;
  };
  busy.begin();
  during = () => busy.heard(); // that is no other
  assertEquals(await restsOfTurn(), 1);
  during = () => {};
  other.begin();
  other.end(8e6); // it is not new
  other.heard();
  assertEquals(await restsOfTurn(), 1); // that was a turn ago
  during = () => other.heard();
  assertEquals(await restsOfTurn(), TURN_MS);
});

/**
 * A busy connection with others that send in every turn of the event loop; returns the times of its
 * rests.
 */
async function restsBeside(
  spoken: (turns: Turns) => () => void,
  count: number,
): Promise<number[]> {
  let ms = 0;
  let speak = () => {};
  const turns = new Turns({
    now: () => ms,
    tick: () => Promise.resolve(),
    rest() {
      ms++;
      speak();
      return Promise.resolve();
    },
  });
  const busy = new Turn(turns);
  const rests: number[] = [];
  busy.begin();
  speak = spoken(turns);
  speak();
  for (let i = 0; i < count; i++) {
    ms += TURN_MS;
    busy.end();
    const began = ms;
    await busy.begin();
    rests.push(ms - began);
  }
  return rests;
}

Deno.test("a rest lasts while a new connection has work, at first", async () => {
  const rests = await restsBeside((turns) => {
    const login = new Turn(turns);
    return () => login.heard();
  }, 20);
  assertEquals(rests[0], 56);
  // A busy connection keeps a quarter of the time despite new connections.
  for (const rest of rests.slice(1)) assert(rest >= 24 && rest <= 25, `${rest}`);
});

Deno.test("a connection that has worked for two turns is no longer new", async () => {
  const rests = await restsBeside((turns) => {
    const old = new Turn(turns);
    old.begin();
    old.end(8e6);
    return () => old.heard();
  }, 3);
  assertEquals(rests, [TURN_MS, TURN_MS, TURN_MS]);
});

Deno.test("no rest is longer for new connections that are silent", async () => {
  const rests = await restsBeside((turns) => {
    new Turn(turns).heard();
    return () => {};
  }, 3);
  assertEquals(rests, [1, 1, 1]);
});

Deno.test("reads are work: of a connection that is read without end, the next one waits", async () => {
  const clock = fakeClock();
  const turn = new Turn(new Turns(clock));
  const reads = async (took: number) => {
    let count = 0;
    for (let over: Promise<void> | null = null; over === null; count++) {
      turn.readBegins();
      clock.ms += took;
      over = turn.readEnds();
      if (over) await Promise.all([over, clock.run()]);
      else assert(count < 1000);
    }
    return count;
  };
  await reads(1);
  assertEquals(await reads(1), LONG_TURN_MS);
  assertEquals(await reads(4), LONG_TURN_MS / 4);
  clock.ms += 1000; // of silence, which does not count as work
  assertEquals(await reads(1), 4);
});

Deno.test("a handler that waits, for example for a signature, does not count as work", () => {
  const clock = fakeClock();
  const turn = new Turn(new Turns(clock));
  clock.ms = 2000;
  for (let i = 0; i < 4; i++) {
    turn.readBegins();
    clock.ms += 0.25;
    turn.readRests();
    clock.ms += 500;
    turn.readBegins();
    clock.ms += 0.5;
    assertEquals(turn.readEnds(), null);
  }
  for (let i = 0; i < 3; i++) {
    turn.readBegins();
    clock.ms += 0.25;
    turn.readRests();
    clock.ms += 500;
    turn.readBegins();
    clock.ms += 0.25;
    assertEquals(turn.readEnds() === null, i < 1);
  }
});

Deno.test("slow reads use smaller pieces until they are fast again", () => {
  const clock = fakeClock();
  const turn = new Turn(new Turns(clock));
  const read = (took: number) => {
    turn.readBegins();
    clock.ms += took;
    turn.readEnds();
    return turn.readPart;
  };
  assertEquals(read(4), 1);
  assertEquals([read(20), read(10)], [1 / 2, 1 / 4]);
  for (let i = 0; i < 20; i++) read(5);
  assertEquals(turn.readPart, 1 / 32);
  for (let i = 0; i < 20; i++) read(2);
  assertEquals(turn.readPart, 1);
});

Deno.test("the real clock lets timers and sockets have their turn", async () => {
  const turn = new Turn();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  let [accepted, fired] = [false, false];
  setTimeout(() => fired = true);
  const accepting = listener.accept().then((conn) => {
    accepted = true;
    conn.close();
  });
  const connecting = Deno.connect({ port });
  // A loop that waits only for its turn.
  for (let turns = 0; !accepted || !fired;) {
    const over = turn.begin();
    turn.end();
    if (over === null) continue;
    await over;
    assert(++turns < 1000, "the event loop has not turned");
  }
  await accepting;
  (await connecting).close();
});
