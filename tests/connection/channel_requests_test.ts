/** Requests of channels and connections: how many may wait, and the end of their channel. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { MAX_PENDING_REQUESTS } from "../../lib/defaults.ts";
import { AnswerQueue } from "../../lib/connection/answer_queue.ts";
import { ClosedError } from "../../lib/errors.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import { none, openChannel } from "./raw_channel.ts";
import { type RawWorld, rawWorld } from "./raw_world.ts";

const MANY = 600; // more than twice MAX_PENDING_REQUESTS

const ask = (recipient: number, type: string, wantReply = true, data = none) =>
  m.ChannelRequest.encode({ recipient, type, wantReply, data });

const askGlobally = (type: string, wantReply = true) =>
  m.GlobalRequest.encode({ type, wantReply, data: none });

/** Returns when everything sent by the raw end has been handled. */
async function handled({ raw }: RawWorld): Promise<void> {
  raw.send(askGlobally("are you there"));
  await raw.next(MSG.REQUEST_FAILURE);
}

/** Lets all pending work run. */
async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setTimeout(resolve));
}

for (const wantReply of [true, false]) {
  const kind = wantReply ? "answered" : "that want no answer";
  Deno.test(`Any number of sequential channel requests, ${kind}, is allowed`, async () => {
    await using world = await rawWorld("server");
    const channel = await openChannel(world);
    let count = 0;
    channel.handleRequests(() => ++count > 0);
    for (let i = 1; i <= MANY; i++) {
      world.raw.send(ask(channel.id, "x", wantReply));
      if (!wantReply && i % 100 !== 0) continue;
      if (!wantReply) world.raw.send(ask(channel.id, "are you there"));
      await world.raw.next(MSG.CHANNEL_SUCCESS);
    }
    assert(count >= MANY);
  });

  Deno.test(`Any number of sequential global requests, ${kind}, is allowed`, async () => {
    let count = 0;
    const globals = new Map([["x", () => (count++, none)]]);
    await using world = await rawWorld("server", { globals });
    for (let i = 1; i <= MANY; i++) {
      world.raw.send(askGlobally("x", wantReply));
      if (wantReply) await world.raw.next(MSG.REQUEST_SUCCESS);
      else if (i % 100 === 0) await handled(world);
    }
    await handled(world);
    assertEquals(count, MANY);
  });
}

Deno.test("Requests whose handler throws are answered, and no longer counted", async () => {
  const fail = () => {
    throw new Error("the policy broke");
  };
  await using world = await rawWorld("server", { globals: new Map([["x", fail]]) });
  const channel = await openChannel(world);
  channel.handleRequests(fail);
  for (let i = 0; i <= MAX_PENDING_REQUESTS; i++) {
    world.raw.send(ask(channel.id, "x"));
    world.raw.send(askGlobally("x"));
    await world.raw.next(MSG.CHANNEL_FAILURE);
    await world.raw.next(MSG.REQUEST_FAILURE);
  }
});

for (const answer of [1, "yes", {}, 0, "", null, undefined, NaN]) {
  Deno.test(`A request is accepted with true, and not with ${JSON.stringify(answer)}`, async () => {
    const globals = new Map([["x", () => answer as Uint8Array], ["y", () => none]]);
    await using world = await rawWorld("server", { globals });
    const channel = await openChannel(world);
    for (const handler of [() => answer, () => Promise.resolve(answer)]) {
      channel.handleRequests(handler as () => boolean);
      world.raw.send(ask(channel.id, "x"));
      await world.raw.next(MSG.CHANNEL_FAILURE);
    }
    let ran = false;
    for (
      const handler of [() => true, () => Promise.resolve(true), () => () => void (ran = true)]
    ) {
      channel.handleRequests(handler);
      world.raw.send(ask(channel.id, "x"));
      await world.raw.next(MSG.CHANNEL_SUCCESS);
    }
    assert(ran);
    world.raw.send(askGlobally("x"));
    await world.raw.next(MSG.REQUEST_FAILURE);
    world.raw.send(askGlobally("y"));
    await world.raw.next(MSG.REQUEST_SUCCESS);
  });
}

Deno.test("A peer with too many unanswered requests is paused, and loses none of them", async () => {
  const kinds = [
    { of: "channel", success: MSG.CHANNEL_SUCCESS },
    { of: "connection", success: MSG.REQUEST_SUCCESS },
  ];
  for (const { of, success } of kinds) {
    const gate = Promise.withResolvers<void>();
    let asked = 0;
    const globals = new Map([["think", async () => {
      asked++;
      await gate.promise;
      return none;
    }]]);
    await using world = await rawWorld("server", { globals });
    const [channel, other] = [await openChannel(world), await openChannel(world)];
    channel.handleRequests(async () => {
      asked++;
      await gate.promise;
      return true;
    });
    const send = () =>
      world.raw.send(of === "channel" ? ask(channel.id, "think") : askGlobally("think"));
    for (let i = 0; i < MAX_PENDING_REQUESTS; i++) send();
    world.raw.send(ask(other.id, "x"));
    await world.raw.next(MSG.CHANNEL_FAILURE); // requests up to the limit do not delay others
    for (let i = 0; i < 1000; i++) send();
    world.raw.send(ask(other.id, "y"));
    await turns();
    assertEquals(world.raw.received, []);
    assertEquals(asked, 1);
    gate.resolve();
    await world.raw.next(MSG.CHANNEL_FAILURE);
    for (let i = 0; i < MAX_PENDING_REQUESTS + 1000; i++) await world.raw.next(success);
    assertEquals(asked, MAX_PENDING_REQUESTS + 1000);
  }
});

Deno.test("A paused peer resumes once the number of requests is within the limit", async () => {
  const queue = new AnswerQueue();
  const answers: (() => void)[] = [];
  const replies: boolean[] = [];
  const take = () =>
    queue.take(
      () => new Promise<boolean>((resolve) => answers.push(() => resolve(true))),
      false,
      (answer) => replies.push(answer),
    );
  for (let i = 0; i < MAX_PENDING_REQUESTS; i++) assertEquals(take(), undefined);
  const room = take();
  assert(room instanceof Promise);
  let resumed = false;
  room.then(() => resumed = true);
  await turns();
  assertEquals([resumed, answers.length], [false, 1]);
  answers[0]!();
  await room;
  assertEquals(replies, [true]);
  assert(take() instanceof Promise);
  queue.close();
});

Deno.test("A closed queue of answers runs no more handlers", () => {
  const queue = new AnswerQueue();
  const asked: boolean[] = [];
  const take = () => queue.take(() => asked.push(true) > 0, false, () => {});
  take();
  queue.close();
  take();
  assertEquals(asked, [true]);
});

Deno.test("The end of a channel or connection ends the pause for its requests", async () => {
  for (const end of ["channel", "connection"]) {
    await using world = await rawWorld("server");
    const [channel, other] = [await openChannel(world), await openChannel(world)];
    channel.handleRequests(() => new Promise(() => {}));
    for (let i = 0; i <= MAX_PENDING_REQUESTS; i++) world.raw.send(ask(channel.id, "think"));
    world.raw.send(ask(other.id, "x"));
    await turns();
    if (end === "channel") {
      channel.abort();
      await world.raw.next(MSG.CHANNEL_FAILURE);
    } else {
      world.transport.disconnect();
      await world.transport.closed;
    }
  }
});

Deno.test("Requests that a handler answers immediately never pause the peer", async () => {
  await using world = await rawWorld("server");
  const channel = await openChannel(world);
  channel.handleRequests(() => true);
  for (let i = 0; i < 2000; i++) world.raw.send(ask(channel.id, "env", false));
  for (let i = 0; i < 2000; i++) world.raw.send(askGlobally("keepalive@openssh.com"));
  world.raw.send(ask(channel.id, "exec"));
  await world.raw.next(MSG.CHANNEL_SUCCESS);
});

Deno.test("Pending requests fail when the peer closes their channel, and others do not", async () => {
  await using world = await rawWorld("client");
  const [channel, other] = [await openChannel(world), await openChannel(world)];
  const waiting = [channel.request("one"), channel.request("two")].map((request) =>
    assertRejects(() => request, ClosedError, "The peer closed the channel")
  );
  const living = other.request("three");
  await world.raw.next(MSG.CHANNEL_REQUEST);
  world.raw.send(m.ChannelClose.encode({ recipient: channel.id }));
  await Promise.all(waiting);
  await assertRejects(() => channel.request("late"), ClosedError, "The channel is closed");
  world.raw.send(m.ChannelSuccess.encode({ recipient: other.id }));
  await living;
});

Deno.test("A request whose channel was closed while its handler ran gets no answer", async () => {
  for (const closer of ["the peer", "this end"]) {
    await using world = await rawWorld("server");
    const channel = await openChannel(world);
    const answer = Promise.withResolvers<boolean>();
    let asked = 0;
    channel.handleRequests(() => (asked++, answer.promise));
    world.raw.send(ask(channel.id, "slow"));
    await handled(world);
    if (closer === "the peer") world.raw.send(m.ChannelClose.encode({ recipient: channel.id }));
    else channel.abort();
    await world.raw.next(MSG.CHANNEL_CLOSE);
    answer.resolve(true);
    await handled(world);
    assertEquals(asked, 1);
    const numbers = world.raw.received.map(([number]) => number);
    assert(!numbers.includes(MSG.CHANNEL_SUCCESS) && !numbers.includes(MSG.CHANNEL_FAILURE));
  }
});

const exitStatus = (id: number) => ask(id, "exit-status", false, new Uint8Array([0, 0, 0, 9]));
const lastWords: Record<string, (id: number) => Uint8Array> = {
  "EOF alone": (id) => m.ChannelEof.encode({ recipient: id }),
  "an exit status alone": exitStatus,
};
for (const [name, word] of Object.entries(lastWords)) {
  Deno.test(`Disposing of a channel does not wait for a peer that has sent ${name}`, async () => {
    await using world = await rawWorld("client");
    const channel = await openChannel(world);
    world.raw.send(word(channel.id));
    await handled(world);
    await channel[Symbol.asyncDispose]();
    assertEquals(channel.state.phase, "closing");
    await world.raw.next(MSG.CHANNEL_CLOSE);
  });
}

Deno.test("Data, EOF and exit status received before the end of the connection are kept", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world);
  const cut = await openChannel(world);
  for (const { id } of [channel, cut]) {
    world.raw.send(new Uint8Array([94, 0, 0, 0, id, 0, 0, 0, 3, 97, 98, 99]));
  }
  world.raw.send(m.ChannelEof.encode({ recipient: channel.id }));
  world.raw.send(exitStatus(channel.id));
  await handled(world);
  world.raw.transport.disconnect(11, "good night");
  await world.transport.closed;
  const buffer = new Uint8Array(10);
  assertEquals([await channel.read(buffer), await channel.read(buffer)], [3, null]);
  assertEquals(await channel.readStderr(buffer), null);
  assertEquals((await channel.exitStatus).code, 9);
  // A stream that was cut off must not look like one that ended.
  assertEquals(await cut.read(buffer), 3);
  await assertRejects(() => cut.read(buffer), Error, "good night");
  await assertRejects(() => cut.readStderr(buffer), Error, "good night");
  await assertRejects(() => cut.exitStatus, Error, "good night");
});

Deno.test("An abort drops unread data, but keeps an EOF that was received", async () => {
  await using world = await rawWorld("client");
  const channel = await openChannel(world);
  world.raw.send(m.ChannelEof.encode({ recipient: channel.id }));
  world.raw.send(exitStatus(channel.id));
  await handled(world);
  channel.abort(new Error("enough"));
  assertEquals((await channel.exitStatus).code, 9);
});
