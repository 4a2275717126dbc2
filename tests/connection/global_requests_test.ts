/** Global requests of both ends, without a connection. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { GlobalRequests } from "../../lib/connection/global_requests.ts";
import { ProtocolError, RequestDeniedError } from "../../lib/errors.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";

const none = new Uint8Array(0);
const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

function requestsWith(refusal: string | null = null) {
  const sent: Uint8Array[] = [];
  const requests = new GlobalRequests(undefined, (payload) => sent.push(payload), refusal);
  const ask = (type: string, wantReply = true, data = none) =>
    requests.receive(m.GlobalRequest.encode({ type, wantReply, data }));
  return { requests, sent, ask };
}

Deno.test("A handler's bytes are the answer; everything else refuses, and it may take time", async () => {
  const { requests, sent, ask } = requestsWith();
  requests.handle("echo", (data) => data);
  requests.handle("later", (data) => Promise.resolve(data));
  requests.handle("no", () => null);
  requests.handle("wrong", () => true as unknown as Uint8Array);
  ask("echo", true, Uint8Array.of(1));
  ask("unknown");
  ask("no");
  ask("wrong");
  assertEquals(sent.map(([number]) => number), [
    MSG.REQUEST_SUCCESS,
    MSG.REQUEST_FAILURE,
    MSG.REQUEST_FAILURE,
    MSG.REQUEST_FAILURE,
  ]);
  assertEquals(m.RequestSuccess.decode(sent[0]!).data, Uint8Array.of(1));
  ask("later", true, Uint8Array.of(2));
  await turn();
  assertEquals(m.RequestSuccess.decode(sent[4]!).data, Uint8Array.of(2));
});

Deno.test("A request that wants no answer gets none, and its handler runs", () => {
  const { requests, sent, ask } = requestsWith();
  let ran = 0;
  requests.handle("x", () => (ran++, none));
  ask("x", false);
  ask("unknown", false);
  assertEquals([ran, sent], [1, []]);
});

Deno.test("Answers settle our requests in their order, also after one was aborted", async () => {
  const { requests, sent } = requestsWith();
  assertEquals(requests.waiting, false);
  const aborter = new AbortController();
  const first = requests.request("first", Uint8Array.of(1), { signal: aborter.signal });
  const [second, third] = ["second", "third"].map((type) => requests.request(type, none, {}));
  assertEquals(m.GlobalRequest.decode(sent[0]!), {
    type: "first",
    wantReply: true,
    data: Uint8Array.of(1),
  });
  aborter.abort(new Error("enough"));
  await assertRejects(() => first, Error, "enough");
  requests.receiveFailure(m.RequestFailure.encode({}));
  requests.receiveSuccess(m.RequestSuccess.encode({ data: Uint8Array.of(2) }));
  assertEquals([await second, requests.waiting], [Uint8Array.of(2), true]);
  requests.receiveFailure(m.RequestFailure.encode({}));
  await assertRejects(() => third!, RequestDeniedError, '"third"');
  assertEquals(requests.waiting, false);
  // Answers to requests that were never made.
  requests.receiveSuccess(m.RequestSuccess.encode({ data: none }));
  requests.receiveFailure(m.RequestFailure.encode({}));
  const early = requests.request("x", none, { signal: aborter.signal });
  await assertRejects(() => early, Error, "enough");
  assertEquals([sent.length, requests.waiting], [3, false]);
});

Deno.test("A refusal that carries data is a violation", async () => {
  const { requests } = requestsWith();
  const asking = requests.request("x", none, {});
  const wrong = Uint8Array.of(MSG.REQUEST_FAILURE, 0);
  assertThrows(() => requests.receiveFailure(wrong), ProtocolError);
  assertEquals(requests.waiting, true);
  requests.fail(new Error("over"));
  await assertRejects(() => asking, Error, "over");
});

Deno.test("A request that is too large is not sent, and waits for no answer", async () => {
  const { requests, sent } = requestsWith();
  const large = new Uint8Array(300_000);
  await assertRejects(() => requests.request("x\x07", large, {}), RangeError, 'request "x"');
  assertThrows(() => requests.notify("x", large), RangeError);
  assertEquals([sent, requests.waiting], [[], false]);
  requests.notify("x", Uint8Array.of(1));
  assertEquals(m.GlobalRequest.decode(sent[0]!), {
    type: "x",
    wantReply: false,
    data: Uint8Array.of(1),
  });
});

Deno.test("Where requests cannot be sent, the error says why", async () => {
  const { requests, sent } = requestsWith("it is shared");
  const error = await assertRejects(() => requests.request("x\x07", none, {}), RequestDeniedError);
  assertEquals(error.message.includes('Cannot send the request "x": it is shared'), true);
  assertThrows(() => requests.notify("x", none), RequestDeniedError, "shared");
  assertEquals([sent, requests.waiting], [[], false]);
});

Deno.test("The end of the connection fails requests, and answers none of the peer's", async () => {
  const { requests, sent, ask } = requestsWith();
  let ran = 0;
  requests.handle("x", () => (ran++, none));
  const asking = requests.request("x", none, {});
  requests.fail(new Error("lost"));
  await assertRejects(() => asking, Error, "lost");
  ask("x");
  assertEquals([sent.length, ran, requests.waiting], [1, 0, false]);
});
