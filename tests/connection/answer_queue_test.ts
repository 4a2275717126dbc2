/** Answers to a peer's requests: their order, and how many may wait. */
import { assert, assertEquals } from "@std/assert";
import { AnswerQueue } from "../../lib/connection/answer_queue.ts";
import { MAX_PENDING_REQUESTS } from "../../lib/defaults.ts";

const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

/** A queue, and the answers that it gave. */
function queueOf() {
  const queue = new AnswerQueue();
  const given: string[] = [];
  const asked: string[] = [];
  const take = (name: string, answer: () => string | Promise<string>) =>
    queue.take<string>(
      () => {
        asked.push(name);
        return answer();
      },
      "refused",
      (answer) => void given.push(`${name} ${answer}`),
    );
  return { queue, given, asked, take };
}

Deno.test("An answer that is there at once is given at once", () => {
  const { given, take } = queueOf();
  assertEquals(take("one", () => "yes"), undefined);
  assertEquals(take("two", () => "no"), undefined);
  assertEquals(given, ["one yes", "two no"]);
});

Deno.test("Requests whose handlers throw or reject are refused", async () => {
  const { given, take } = queueOf();
  take("one", () => {
    throw new Error("broken");
  });
  assertEquals(given, ["one refused"]);
  take("two", () => Promise.reject(new Error("broken")));
  take("three", () => {
    throw new Error("broken");
  });
  take("four", () => Promise.resolve("yes"));
  await turn();
  assertEquals(given, ["one refused", "two refused", "three refused", "four yes"]);
});

Deno.test("A handler runs when the answers before it are given", async () => {
  const { given, asked, take } = queueOf();
  const [slow, other] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()];
  take("slow", () => slow.promise);
  take("quick", () => "yes");
  take("other", () => other.promise);
  await turn();
  assertEquals([asked, given], [["slow"], []]);
  slow.resolve("done");
  await turn();
  assertEquals([asked, given], [["slow", "quick", "other"], ["slow done", "quick yes"]]);
  other.resolve("done");
  await turn();
  take("late", () => "yes");
  assertEquals(given.slice(2), ["other done", "late yes"]); // nothing waits, so it is at once
});

Deno.test("A peer waits from one request more than may wait, until one is answered", async () => {
  const { given, take } = queueOf();
  const gates = Array.from({ length: 3 }, () => Promise.withResolvers<string>());
  take("0", () => gates[0]!.promise);
  take("1", () => gates[1]!.promise);
  for (let i = 2; i < MAX_PENDING_REQUESTS; i++) {
    assertEquals(take(`${i}`, () => gates[2]!.promise), undefined);
  }
  let isResumed = false;
  const room = take("more", () => "yes");
  assert(room instanceof Promise);
  room.then(() => isResumed = true);
  await turn();
  assertEquals(isResumed, false);
  gates[0]!.resolve("done");
  await room;
  assertEquals(given, ["0 done"]);
  const again = take("and more", () => "yes");
  assert(again instanceof Promise);
  gates[1]!.resolve("done");
  await again;
  assertEquals(given, ["0 done", "1 done"]);
  gates[2]!.resolve("done");
  await turn();
  assertEquals(given.length, MAX_PENDING_REQUESTS + 2);
  assertEquals(take("last", () => Promise.resolve("yes")), undefined);
});

Deno.test("Refused requests do not count any more, however many there were", async () => {
  const { given, take } = queueOf();
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < MAX_PENDING_REQUESTS; i++) {
      assertEquals(take("broken", () => Promise.reject(new Error("broken"))), undefined);
    }
    await turn();
  }
  take("next", () => "yes");
  assertEquals(given.at(-1), "next yes"); // at once, because nothing waits
});

Deno.test("A closed queue takes no request, and no message waits for it", async () => {
  const { queue, asked, take } = queueOf();
  for (let i = 0; i < MAX_PENDING_REQUESTS; i++) take("slow", () => new Promise(() => {}));
  const room = take("one more", () => "yes");
  queue.close();
  await room;
  assertEquals(take("late", () => "yes"), undefined);
  assertEquals(asked, ["slow"]);
});

Deno.test("A request that waits for others when the queue is closed never reaches its handler", async () => {
  const { queue, asked, take } = queueOf();
  const gate = Promise.withResolvers<string>();
  take("slow", () => gate.promise);
  take("waiting", () => "yes");
  take("also waiting", () => Promise.resolve("yes"));
  queue.close();
  gate.resolve("done");
  await turn();
  assertEquals(asked, ["slow"]);
});
