/** Requests of a channel in both directions and its exit status, without a connection. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { ChannelRequests } from "../../lib/connection/channel_requests.ts";
import { MAX_SENT_MESSAGE } from "../../lib/defaults.ts";
import { ClosedError, RequestDeniedError } from "../../lib/errors.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { notedListeners } from "../support/noted_listeners.ts";

const none = new Uint8Array(0);
const turn = () => new Promise<void>((resolve) => setTimeout(resolve));
const LOST = () => new Error("lost");

function requestsOf() {
  const sent: Uint8Array[] = [];
  const host = {
    remoteId: 3,
    isOpen: true,
    isUsable: true,
    send: (payload: Uint8Array) => void sent.push(payload),
    usable() {
      if (!this.isUsable) throw new ClosedError("The channel is closed");
    },
  };
  return { host, sent, requests: new ChannelRequests(host) };
}

Deno.test("A request is sent with its data, and asks for an answer unless it is a notice", async () => {
  const { requests, sent } = requestsOf();
  const asking = requests.request("x", Uint8Array.of(1), {});
  requests.notify("y", Uint8Array.of(2));
  const messages = sent.map((payload) => m.ChannelRequest.decode(payload));
  assertEquals(messages, [
    { recipient: 3, type: "x", wantReply: true, data: Uint8Array.of(1) },
    { recipient: 3, type: "y", wantReply: false, data: Uint8Array.of(2) },
  ]);
  assertEquals(requests.pending, 1);
  requests.receiveReply(true);
  await asking;
  assertEquals(requests.pending, 0);
  requests.receiveReply(true); // for a request that was never made
  requests.receiveReply(false);
});

Deno.test("Replies belong to requests in their order, also to one that was aborted", async () => {
  const { requests } = requestsOf();
  const aborter = new AbortController();
  const first = requests.request("first", none, { signal: aborter.signal });
  const second = requests.request("second\x07", none, {});
  aborter.abort(new Error("enough"));
  await assertRejects(() => first, Error, "enough");
  assertEquals(requests.pending, 2);
  requests.receiveReply(true);
  requests.receiveReply(false);
  const error = await assertRejects(() => second, RequestDeniedError);
  assertEquals(error.message.includes('"second"'), true);
});

Deno.test("A request that cannot be sent waits for no answer", async () => {
  const { requests, host, sent } = requestsOf();
  const ask = (data = none, signal?: AbortSignal) => requests.request("x\x07", data, { signal });
  await assertRejects(() => ask(none, AbortSignal.abort(new Error("enough"))), Error, "enough");
  await assertRejects(() => ask(new Uint8Array(300_000)), RangeError, 'The request "x" has');
  host.isUsable = false;
  await assertRejects(() => ask(), ClosedError, "The channel is closed");
  assertThrows(() => requests.notify("x", none), ClosedError, "The channel is closed");
  assertEquals([sent, requests.pending], [[], 0]);
});

Deno.test("A message may have MAX_SENT_MESSAGE bytes, and the error of a larger one tells its size", () => {
  const { requests, sent } = requestsOf();
  const fields = 1 + 4 + 4 + 1 + 1; // number, recipient, "x" and whether to reply
  requests.notify("x", new Uint8Array(MAX_SENT_MESSAGE - fields));
  assertEquals(sent.map(({ length }) => length), [MAX_SENT_MESSAGE]);
  assertThrows(
    () => requests.notify("x", new Uint8Array(MAX_SENT_MESSAGE - fields + 1)),
    RangeError,
    `has ${MAX_SENT_MESSAGE + 1} bytes, and a message has at most ${MAX_SENT_MESSAGE}`,
  );
});

Deno.test("A handler's true or function accepts, everything else refuses; without one, all is refused", async () => {
  const { requests, sent } = requestsOf();
  const answers = async (answer: unknown) => {
    requests.handle(() => answer as boolean);
    requests.receive("x", true, none);
    await turn();
    return sent.splice(0).map((payload) => [payload[0], payload[4]]);
  };
  const [yes, no] = [[[MSG.CHANNEL_SUCCESS, 3]], [[MSG.CHANNEL_FAILURE, 3]]];
  requests.receive("x", true, none);
  assertEquals(sent.splice(0).map((payload) => [payload[0], payload[4]]), no);
  for (const refusal of [false, null, undefined, 1, "yes", {}, Promise.resolve("yes")]) {
    assertEquals(await answers(refusal), no);
  }
  let sentBefore = -1;
  const run = () => void (sentBefore = sent.length);
  for (const consent of [true, Promise.resolve(true)]) assertEquals(await answers(consent), yes);
  for (const consent of [run, Promise.resolve(run)]) {
    sentBefore = -1;
    assertEquals(await answers(consent), yes);
    assertEquals(sentBefore, 1); // it runs after the reply
  }
  requests.handle(() => run);
  sentBefore = -1;
  requests.receive("x", false, none);
  assertEquals([sentBefore, sent], [0, []]);
});

Deno.test("A handler that throws or rejects refuses the request", async () => {
  const { requests, sent } = requestsOf();
  const broken = () => {
    throw new Error("broken");
  };
  for (const handler of [broken, () => Promise.reject(new Error("broken"))]) {
    requests.handle(handler);
    requests.receive("x", true, none);
    await turn();
    assertEquals(sent.splice(0).map(([number]) => number), [MSG.CHANNEL_FAILURE]);
  }
});

Deno.test("A handler gets the request's type and data, and no reply is sent once that is impossible", () => {
  const { requests, host, sent } = requestsOf();
  const seen: unknown[] = [];
  requests.handle((request) => seen.push(request) > 0);
  requests.receive("x", true, Uint8Array.of(4));
  host.isOpen = false;
  requests.receive("y", true, none);
  assertEquals(seen, [{ type: "x", data: Uint8Array.of(4) }, { type: "y", data: none }]);
  assertEquals(sent.length, 1);
});

const text = (value: string) => new Writer().text(value);
const exits: [name: string, type: string, data: Uint8Array, expected: unknown[] | null][] = [
  ["code 0", "exit-status", new Writer().u32(0).take(), [true, 0, null, false, ""]],
  ["code 255", "exit-status", new Writer().u32(255).take(), [false, 255, null, false, ""]],
  ["a code cut short", "exit-status", new Uint8Array(3), null],
  ["a signal", "exit-signal", text("SIGSEGV").u8(1).text("core").take(), [
    ...[false, null, "SEGV", true, "core"],
  ]],
  ["a signal's name alone", "exit-signal", text("TERM").take(), [false, null, "TERM", false, ""]],
  ["a signal without a text", "exit-signal", text("TERM").u8(1).take(), [
    ...[false, null, "TERM", true, ""],
  ]],
  ["a text with control characters", "exit-signal", text("A\x07").u8(0).text("b\x1b").take(), [
    ...[false, null, "A", false, "b"],
  ]],
  ["a name of 100 letters", "exit-signal", text("x".repeat(100)).take(), [
    ...[false, null, `${"x".repeat(64)}…`, false, ""],
  ]],
  ["a signal cut short", "exit-signal", text("TERM").u8(0).u32(9).take(), null],
  ["another request", "exit", new Writer().u32(0).take(), null],
];
for (const [name, type, data, expected] of exits) {
  Deno.test(`An exit with ${name} is ${expected === null ? "refused" : "taken"}`, async () => {
    const { requests, sent } = requestsOf();
    assertEquals(requests.exitKnown, false);
    requests.receive(type, true, data);
    const reply = expected === null ? MSG.CHANNEL_FAILURE : MSG.CHANNEL_SUCCESS;
    assertEquals([sent[0]![0], requests.exitKnown], [reply, expected !== null]);
    if (expected === null) return;
    const { success, code, signal, coreDumped, message } = await requests.waitForExit({});
    assertEquals([success, code, signal, coreDumped, message], expected);
    assertEquals(requests.receiveExit("exit-status", new Writer().u32(7).take()), true);
    assertEquals((await requests.exitStatus).code, code); // the first one counts
  });
}

Deno.test("Waiting for the exit ends when it arrives, or at the caller's limit", async () => {
  const { requests } = requestsOf();
  const aborter = new AbortController();
  const { signal } = aborter;
  const listeners = notedListeners(signal);
  const impatient = requests.waitForExit({ signal });
  const waiting = requests.waitForExit({});
  assertEquals(listeners.count, 1);
  aborter.abort(new Error("enough"));
  await assertRejects(() => impatient, Error, "enough");
  assertEquals(listeners.count, 0);
  requests.receiveExit("exit-status", new Writer().u32(4).take());
  assertEquals((await waiting).code, 4);
});

Deno.test("A peer's CLOSE ends requests, and its exit status may still follow in the same read", async () => {
  for (const follows of [true, false]) {
    const { requests, sent } = requestsOf();
    const asking = requests.request("x", none, {});
    let ran = 0;
    requests.handle(() => ++ran > 0);
    requests.closed(LOST);
    if (follows) requests.receiveExit("exit-status", new Writer().u32(9).take());
    await assertRejects(() => asking, Error, "lost");
    assertEquals((await requests.exitStatus).code, follows ? 9 : null);
    assertEquals([requests.exitKnown, requests.pending], [true, 1]);
    requests.receiveReply(false); // in flight when the channel was closed
    requests.receive("late", true, none);
    assertEquals([ran, sent.length], [0, 1]);
  }
});

Deno.test("A failure ends requests and the exit status with its cause, unless that is known", async () => {
  const { requests } = requestsOf();
  const asking = requests.request("x", none, {});
  const waiting = requests.waitForExit({});
  requests.fail(LOST);
  for (const outcome of [asking, waiting, requests.exitStatus]) {
    await assertRejects(() => outcome, Error, "lost");
  }
  assertEquals(requests.exitKnown, true);
  const known = requestsOf();
  known.requests.receiveExit("exit-status", new Writer().u32(9).take());
  let made = 0;
  known.requests.fail(() => ++made);
  assertEquals([(await known.requests.exitStatus).code, made], [9, 0]);
});

Deno.test("A request that waits for a slow one before it does nothing once the channel is closed", async () => {
  for (const end of ["closed", "fail"] as const) {
    const { requests, host, sent } = requestsOf();
    const gate = Promise.withResolvers<boolean>();
    const ran: string[] = [];
    requests.handle(({ type }) => {
      ran.push(type);
      return type === "x11-req" ? gate.promise : () => void ran.push("the program");
    });
    for (const type of ["x11-req", "exec"]) requests.receive(type, true, none);
    requests[end](LOST);
    host.isOpen = false;
    gate.resolve(true);
    await turn();
    assertEquals([ran, sent], [["x11-req"], []]);
  }
});

Deno.test("A handler that is still running when the channel fails sends no answer", async () => {
  const { requests, host, sent } = requestsOf();
  const gate = Promise.withResolvers<boolean>();
  requests.handle(() => gate.promise);
  requests.receive("x", true, none);
  requests.fail(LOST);
  host.isOpen = false;
  gate.resolve(true);
  await turn();
  assertEquals(sent, []);
});
