/** The end of sessions of both sides: one error, and a closed channel. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { CLOSE_LINGER_MS, SFTP_MAX_MESSAGE } from "../../lib/defaults.ts";
import {
  serveSftp,
  type SftpBackend,
  type SftpChannel,
  SftpClient,
  SftpError,
  SftpStatus,
} from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { EXTENSION, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { OpenHandle } from "../../lib/sftp/remote/open_handle.ts";
import { ClientSession } from "../../lib/sftp/remote/client_session.ts";
import { FakeTime } from "../support/fake_time.ts";
import { channelTo, frame, handle, type PeerOptions, RawPeer, status } from "./raw.ts";
import { channelPair, refusal, turn } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

/** A channel that counts how often it is closed. */
function closable(channel: SftpChannel): SftpChannel & { closed: number } {
  const counted = {
    ...channel,
    closed: 0,
    close() {
      counted.closed++;
      return channel.close();
    },
  };
  return counted;
}

const attrs = (id: number) => msg.Attrs.encode(id, { attributes: { size: id, mode: 0o100644 } });
const call = { operation: "stat", path: "/x" };
const stat = (session: ClientSession, more = {}) =>
  session.request(msg.Stat, { path: "/x" }, msg.Attrs, { ...call, ...more });

Deno.test("a session that fails to start closes its channel without waiting for a time-out", async () => {
  using _ = new FakeTime();
  const greetings: Record<string, Uint8Array> = {
    "another version": msg.encodeVersion(FXP.VERSION, 7),
    "text": new TextEncoder().encode("Welcome\n"),
    "nonsense": frame(FXP.VERSION, 3, new Uint8Array(0), SFTP_MAX_MESSAGE + 6),
    "another message": status(3, 0),
  };
  for (const [what, greeting] of Object.entries(greetings)) {
    const { channel } = channelTo(() => {}, { greeting });
    const closed = closable(channel);
    await assertRejects(() => SftpClient.open(closed), SftpError, undefined, what);
    assert(closed.closed > 0, what);
  }
  const closed = closable(channelPair()[0]);
  const opening = SftpClient.open(closed, { signal: AbortSignal.abort(new Error("enough")) });
  await assertRejects(() => opening, Error, "enough");
  assert(closed.closed > 0);
});

Deno.test("a session whose limits request fails closes its channel", async () => {
  const extensions: PeerOptions = { extensions: [[EXTENSION.LIMITS, "1"]] };
  const abort = new AbortController();
  const { channel } = channelTo(() => abort.abort(new Error("enough")), extensions);
  const closed = closable(channel);
  await assertRejects(() => SftpClient.open(closed, { signal: abort.signal }), Error, "enough");
  assert(closed.closed > 0);
  const gone = channelTo((_, peer) => peer.channel.close(), extensions);
  const again = closable(gone.channel);
  const error = await assertRejects(() => SftpClient.open(again), SftpError);
  assertEquals([error.status, again.closed > 0], [SftpStatus.CONNECTION_LOST, true]);
});

Deno.test("a server or client that breaks the protocol is disconnected", async () => {
  const { channel } = channelTo(({ id }, peer) => peer.send(status(id + 7, 0)));
  const closed = closable(channel);
  const sftp = await SftpClient.open(closed);
  await assertRejects(() => sftp.stat("/"), SftpError);
  assertEquals(closed.closed, 1);
  let ends = 0;
  closed.closeWrite = () => Promise.resolve(void ends++);
  await sftp.close(); // nothing is left to do
  assertEquals([closed.closed, ends], [1, 0]);
  const [near, far] = channelPair();
  const served = closable(far);
  const serving = serveSftp(served, {});
  await new RawPeer(near).send(frame(FXP.STAT, 1));
  const error = await assertRejects(() => serving, SftpError);
  assertEquals([error.status, served.closed], [SftpStatus.BAD_MESSAGE, 1]);
});

Deno.test("a server that cannot send its answers ends the session with the reason", async () => {
  const [near, far] = channelPair();
  const broken = new Error("cable");
  const served = closable({
    ...far,
    writeAll: (...chunks) =>
      chunks[0]![4] === FXP.VERSION ? far.writeAll(...chunks) : Promise.reject(broken),
  });
  const serving = serveSftp(served, {});
  const peer = new RawPeer(near);
  await peer.send(msg.encodeVersion(FXP.INIT, 3));
  await peer.next();
  await peer.send(msg.Stat.encode(1, { path: "/" }));
  const error = await assertRejects(() => serving, SftpError);
  assertEquals([error.status, error.cause], [SftpStatus.CONNECTION_LOST, broken]);
  assert(served.closed > 0);
});

Deno.test("a normal session ends with EOF, and its channel stays open", async () => {
  const [near, far] = channelPair();
  const served = closable(far);
  let ended = 0;
  const serving = serveSftp({
    ...served,
    closeWrite: () => {
      ended++;
      return far.closeWrite();
    },
    close: served.close,
  }, {});
  await near.writeAll(msg.encodeVersion(FXP.INIT, 3));
  await near.closeWrite();
  await serving;
  assertEquals([ended, served.closed], [1, 0]);
});

Deno.test("a file that the client has not closed is aborted if supported, otherwise closed", async () => {
  const ends: string[] = [];
  const end = (what: string) => async () => void await ends.push(what);
  const none = () => Promise.reject(new Error("not here"));
  const file = { read: () => 0, write() {}, stat: none, setStat: none };
  const backend: SftpBackend = {
    async open(path) {
      const close = end(`close ${path}`);
      return await (path === "plain"
        ? { ...file, close }
        : { ...file, close, abort: end("abort") });
    },
  };
  const [near, far] = channelPair();
  const serving = serveSftp(far, backend);
  const sftp = await SftpClient.open(near);
  const [complete] = [
    await sftp.open("complete"),
    await sftp.open("half"),
    await sftp.open("plain"),
  ];
  await complete.close();
  assertEquals(ends, ["close complete"]);
  await sftp.close();
  await serving;
  assertEquals(ends, ["close complete", "abort", "close plain"]);
});

Deno.test("a write that fails before VERSION is not reported if the server's text says more", async () => {
  const broken = () => Promise.reject(new Error("cable"));
  const [near, far] = channelPair();
  const opening = SftpClient.open({ ...near, writeAll: broken });
  await far.writeAll(new TextEncoder().encode("Access denied\n"));
  const error = await assertRejects(() => opening, SftpError);
  assert(plainMessage(error).includes("Access denied"), plainMessage(error));
  const [silent, other] = channelPair();
  const second = SftpClient.open({ ...silent, writeAll: broken });
  await other.close();
  await assertRejects(() => second, SftpError, "closed the channel");
});

Deno.test("a request that cannot be encoded rejects, and the session continues", async () => {
  const { channel } = channelTo(({ id }, peer) => peer.send(attrs(id)));
  const sftp = await SftpClient.open(channel);
  await assertRejects(() => sftp.stat("\ud800"), TypeError);
  const most = SFTP_MAX_MESSAGE - 13;
  assertEquals((await sftp.stat("x".repeat(most))).isFile, true);
  const { message } = await assertRejects(() => sftp.stat("x".repeat(most + 1)), RangeError);
  assert(message.includes(`${SFTP_MAX_MESSAGE + 1} bytes`) && message.includes("shorten the path"));
  await sftp.close();
});

Deno.test("a request after the end rejects with its reason, an aborted one with the signal's", async () => {
  let asked = 0;
  const { channel, peer } = channelTo(() => void asked++);
  const session = await ClientSession.open(channel, {});
  assertEquals(session.cause, null);
  const signal = AbortSignal.abort(new Error("enough"));
  await assertRejects(() => stat(session, { signal }), Error, "enough");
  await peer.channel.close();
  const error = await assertRejects(() => stat(session), SftpError);
  assertEquals([session.cause, await assertRejects(() => stat(session, { signal }))], [
    error,
    error,
  ]);
  assertEquals(asked, 0);
  await session.close();
});

Deno.test("a close waits for unsent data and for the server's end, with a limit", async () => {
  using time = new FakeTime();
  const [near, far] = channelPair();
  const order: string[] = [];
  const gate = Promise.withResolvers<void>();
  const opening = ClientSession.open({
    ...near,
    async writeAll(...chunks) {
      if (chunks[0]![4] !== FXP.INIT) await gate.promise;
      order.push("sent");
      await near.writeAll(...chunks);
    },
    closeWrite() {
      order.push("EOF");
      return near.closeWrite();
    },
    close() {
      order.push("closed");
      return near.close();
    },
  }, {});
  await far.writeAll(msg.encodeVersion(FXP.VERSION, 3));
  const session = await opening;
  const waiting = assertRejects(() => stat(session), Error, "SFTP session is closed");
  const closing = session.close();
  assertEquals(session.close(), closing);
  await time.advance(10);
  assertEquals(order, ["sent"]);
  gate.resolve();
  await time.advance(10);
  assertEquals(order, ["sent", "sent", "EOF"]);
  await assertRejects(() => stat(session), Error, "closed");
  await time.advance(CLOSE_LINGER_MS - 21);
  assertEquals(order.length, 3);
  await time.advance(1);
  await closing;
  await waiting;
  assertEquals(order, ["sent", "sent", "EOF", "closed"]);
});

Deno.test("a close does not wait for the server if every request has its answer", async () => {
  using time = new FakeTime();
  const { channel, peer } = channelTo(({ id }) => void peer.send(attrs(id)));
  const counted = closable(channel);
  const session = await ClientSession.open(counted, {});
  await stat(session);
  await session.close();
  assertEquals([counted.closed, time.now], [1, 0]);
});

Deno.test("a close waits for the server if an aborted request has no answer", async () => {
  using time = new FakeTime();
  const [near, far] = channelPair();
  const counted = closable(near);
  const opening = ClientSession.open(counted, {});
  await far.writeAll(msg.encodeVersion(FXP.VERSION, 3));
  const session = await opening;
  const abort = new AbortController();
  const failed = assertRejects(() => stat(session, { signal: abort.signal }), Error, "enough");
  abort.abort(new Error("enough"));
  await failed;
  const closing = session.close();
  await time.advance(CLOSE_LINGER_MS - 1);
  assertEquals(counted.closed, 0);
  await time.advance(1);
  await closing;
  assertEquals(counted.closed, 1);
});

Deno.test("a close does not wait for requests that were aborted before their channel was lost or replaced", async () => {
  using time = new FakeTime();
  const { channel, peer } = channelTo(() => {});
  const [near, far] = channelPair();
  const counted = closable(near);
  const reopen = () => Promise.resolve(counted);
  const session = await ClientSession.open(channel, { reopen });
  const abort = new AbortController();
  const failed = assertRejects(() => stat(session, { signal: abort.signal }), Error, "enough");
  abort.abort(new Error("enough"));
  await failed;
  await peer.channel.close();
  await time.advance(1);
  const second = new AbortController();
  const waiting = assertRejects(() => stat(session, { signal: second.signal }), Error, "enough");
  second.abort(new Error("enough"));
  await waiting;
  const answering = stat(session);
  const server = new RawPeer(far); // it does not end by itself
  await server.next();
  await server.send(msg.encodeVersion(FXP.VERSION, 3));
  await server.send(attrs((await server.next())!.id));
  await answering;
  const closing = session.close();
  await time.advance(1);
  assertEquals(counted.closed, 1);
  await closing;
});

Deno.test("a session ends with the reason why its lost channel could not be replaced", async () => {
  using time = new FakeTime();
  const silent = () => Promise.resolve(channelPair()[0]);
  const ways: [reopen: () => Promise<SftpChannel>, reason: string][] = [
    [() => Promise.reject(new Error("no route")), "no route"],
    [() => Promise.reject("a text"), "the server closed the channel"],
    [silent, "no answer in 1000 ms"],
  ];
  for (const [reopen, reason] of ways) {
    const { channel, peer } = channelTo(() => {});
    const session = await ClientSession.open(channel, { reopen, timeout: 1000 });
    const failed = assertRejects(() => stat(session, { timeout: 5000 }), Error, reason);
    await time.advance(1); // it is sent
    await peer.channel.close();
    await time.advance(1000);
    assert(session.cause !== null);
    await failed;
  }
});

Deno.test("a new channel that is lost before its VERSION is replaced, too", async () => {
  const { channel, peer } = channelTo(() => {});
  const [near, far] = channelPair();
  const next = [near, channelTo(({ id }, peer) => void peer.send(attrs(id))).channel];
  const reopen = () => Promise.resolve(next.shift()!);
  const session = await ClientSession.open(channel, { reopen });
  const answered = stat(session);
  await turn();
  await peer.channel.close();
  await turn();
  await far.close();
  await answered;
  assertEquals([session.cause, next.length], [null, 0]);
  await session.close();
});

Deno.test("a session is closed at once while its channel is replaced", async () => {
  using time = new FakeTime();
  const { channel, peer } = channelTo(() => {});
  const silent = closable(channelPair()[0]);
  const session = await ClientSession.open(channel, { reopen: () => Promise.resolve(silent) });
  const failed = assertRejects(() => stat(session), Error, "SFTP session is closed");
  await time.advance(1);
  await peer.channel.close();
  await time.advance(1);
  const closing = session.close();
  await time.advance(0);
  assertEquals(silent.closed, 1);
  await Promise.all([closing, failed]);
});

Deno.test("only the time of a single request is used as the round trip", async () => {
  using time = new FakeTime();
  const waiting: number[] = [];
  const { channel, peer } = channelTo(({ id }) => void waiting.push(id));
  const session = await ClientSession.open(channel, {});
  const { read, write } = session.pathEstimates;
  assertEquals([read.roundTrip, write.roundTrip], [Infinity, Infinity]);
  const answered = async (ms: number, requests: Promise<unknown>[]) => {
    await time.advance(ms);
    for (const id of waiting.splice(0)) await peer.send(attrs(id));
    await Promise.all(requests);
    return read.roundTrip;
  };
  assertEquals(await answered(80, [stat(session)]), 80);
  assertEquals(await answered(50, [stat(session), stat(session)]), 50); // the first was alone
  const [first] = [stat(session)];
  await time.advance(5);
  assertEquals(await answered(20, [first, stat(session)]), 25);
  assertEquals(await answered(100, [stat(session)]), 25);
  await session.close();
});

Deno.test("a request times out by its own time-out, independent of others", async () => {
  using time = new FakeTime();
  const { channel } = channelTo(() => {});
  const session = await ClientSession.open(channel, { timeout: 1000 });
  const settled: string[] = [];
  const timed = (name: string, timeout?: number) =>
    stat(session, timeout === undefined ? {} : { timeout }).catch((error) =>
      settled.push(`${name} ${time.now} ${plainMessage(error)}`)
    );
  const all = [timed("usual"), timed("short", 10), timed("middle", 500), timed("long", 2000)];
  await time.advance(9);
  assertEquals(settled, []);
  await time.advance(1);
  assertEquals(settled, ['short 10 Cannot stat "/x" on the server: no answer in 10 ms']);
  await time.advance(490);
  await time.advance(500);
  await time.advance(1000);
  await Promise.all(all);
  assertEquals(settled.slice(1).map((line) => line.split(" ").slice(0, 2).join(" ")), [
    "middle 500",
    "usual 1000",
    "long 2000",
  ]);
  await session.close();
});

Deno.test("a later request has its whole time-out", async () => {
  using time = new FakeTime();
  const { channel } = channelTo(() => {});
  const session = await ClientSession.open(channel, { timeout: 1000 });
  const late: number[] = [];
  const timed = () => stat(session).catch(() => late.push(time.now));
  const first = timed();
  await time.advance(600);
  const second = timed();
  await time.advance(400);
  await first;
  await time.advance(600);
  await second;
  assertEquals(late, [1000, 1600]);
  await session.close();
});

Deno.test("numbers of unanswered requests are not reused", async () => {
  const ids: number[] = [];
  const { channel } = channelTo(({ id }) => void ids.push(id));
  const session = await ClientSession.open(channel, {});
  const abort = new AbortController();
  const requests = [stat(session, { signal: abort.signal }), stat(session)];
  const failed = requests.map((request) => assertRejects(() => request));
  abort.abort(new Error("enough"));
  failed.push(assertRejects(() => stat(session)));
  while (ids.length < 3) await turn();
  assertEquals(ids, [1, 2, 3]);
  await channel.close();
  await Promise.all(failed);
});

Deno.test("an answer to an unused number ends the session", async () => {
  for (const id of [0, 2]) {
    const { channel, peer } = channelTo(() => {});
    const session = await ClientSession.open(channel, {});
    const failed = assertRejects(() => stat(session), SftpError, "not made");
    await turn();
    await peer.send(status(id, 0));
    await failed;
  }
});

Deno.test("a handle of an aborted open is closed, and other aborted requests are dropped", async () => {
  const seen: string[] = [];
  const late: (() => Promise<void>)[] = [];
  const { channel } = channelTo(({ id, type, body }, peer) => {
    seen.push(`${type}`);
    if (type === FXP.CLOSE) {
      seen.push(`closed ${msg.Close.decode(body).handle}`);
      return peer.send(status(id, 0));
    }
    late.push(() =>
      peer.send(
        type === FXP.OPEN
          ? msg.Handle.encode(id, { handle })
          : type === FXP.STAT
          ? attrs(id)
          : status(id, 4),
      )
    );
  });
  const session = await ClientSession.open(channel, {});
  const abort = new AbortController();
  const signal = abort.signal;
  const open = { path: "/x", flags: 1, attributes: {} };
  const requests = [
    session.request(msg.Open, open, msg.Handle, { operation: "open", path: "/x", signal }),
    stat(session, { signal }),
    session.request(msg.Opendir, { path: "/" }, msg.Handle, { operation: "x", path: "/", signal }),
  ];
  const failed = requests.map((request) => assertRejects(() => request, Error, "enough"));
  while (late.length < 3) await turn();
  abort.abort(new Error("enough"));
  await Promise.all(failed);
  for (const answer of late) await answer();
  while (seen.length < 5) await turn();
  assertEquals(seen.slice(3), ["4", "closed 7"]);
  await session.close();
});

Deno.test("a success status is not accepted instead of a value, but EOF is for a READ", async () => {
  const { channel } = channelTo(({ id, type }, peer) =>
    peer.send(status(id, type === FXP.STAT ? SftpStatus.OK : SftpStatus.EOF))
  );
  const session = await ClientSession.open(channel, {});
  const error = await assertRejects(() => stat(session), SftpError);
  assertEquals(
    plainMessage(error),
    'Cannot stat "/x" on the server: the server\'s answer is malformed: Answer of the wrong type 101',
  );
  const into = () => new Uint8Array(1);
  assertEquals(await session.read(new OpenHandle("/x", 1), 0, 1, into, call), 0);
  assertEquals(await refusal(session.command(msg.Mkdir, { path: "/", attributes: {} }, call)), 1);
  await session.close();
});

Deno.test("a session ends after too many aborted requests without an answer", async () => {
  const { channel } = channelTo(() => {}, { limit: 1 << 20 });
  const session = await ClientSession.open(channel, {});
  const aborted = async (count: number) => {
    const abort = new AbortController();
    const { signal } = abort;
    const requests = Array.from({ length: count }, () => stat(session, { signal }));
    const failed = requests.map((request) => assertRejects(() => request, Error, "enough"));
    abort.abort(new Error("enough"));
    await Promise.all(failed);
  };
  await aborted(4096);
  assertEquals(session.cause, null);
  await aborted(1);
  assertEquals(plainMessage(session.cause), "SFTP session is over: the server does not answer");
});

Deno.test("a session that ends since too many requests timed out has no timer", async () => {
  using time = new FakeTime();
  const { channel } = channelTo(() => {}, { limit: 1 << 20 });
  const session = await ClientSession.open(channel, {});
  const timeouts = [1000, ...Array.from({ length: 4097 }, () => 10)];
  const failed = timeouts.map((timeout) => assertRejects(() => stat(session, { timeout })));
  await time.advance(10);
  await Promise.all(failed);
  assert(session.cause !== null);
  assertEquals(time.timers, 0);
});

Deno.test("a channel whose EOF fails is still closed", async () => {
  const { channel } = channelTo(() => {});
  const broken = closable({ ...channel, closeWrite: () => Promise.reject(new Error("cable")) });
  const session = await ClientSession.open(broken, {});
  await session.close();
  assertEquals(broken.closed, 1);
});

Deno.test("a session that ends removes its abort listeners", async () => {
  const { channel, peer } = channelTo(() => {});
  const session = await ClientSession.open(channel, {});
  const { signal } = new AbortController();
  const { addEventListener, removeEventListener } = signal;
  let listening = 0;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listening++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listening--;
    removeEventListener.apply(signal, args);
  };
  const failed = [stat(session, { signal }), stat(session, { signal })]
    .map((request) => assertRejects(() => request, SftpError));
  assertEquals(listening, 1);
  await peer.channel.close();
  await Promise.all(failed);
  assertEquals(listening, 0);
});

Deno.test("a started session that ends before its VERSION fails its requests with the text of the server", async () => {
  const [near, far] = channelPair();
  const session = ClientSession.start({
    ...near,
    tryReadStderr: (into) => new TextEncoder().encodeInto("No more sessions\n", into).written,
  });
  const failed = assertRejects(() => stat(session), SftpError, 'said "No more sessions"');
  await far.close();
  await failed;
});

Deno.test("standard error is not quoted after VERSION", async () => {
  const { channel, peer } = channelTo(() => {});
  const session = await ClientSession.open({
    ...channel,
    tryReadStderr: (into) => new TextEncoder().encodeInto("Goodbye\n", into).written,
  }, {});
  const failed = assertRejects(() => stat(session), SftpError);
  await turn();
  await peer.channel.close();
  assertEquals(
    plainMessage(await failed),
    "SFTP session is over: the server closed the channel",
  );
});

Deno.test("the start of a session fails a moment after the first text without the end of a line", async () => {
  using time = new FakeTime();
  const [near, far] = channelPair();
  const failed = assertRejects(() => SftpClient.open(near), SftpError, 'it sent "Code: _"');
  let isOver = false;
  failed.then(() => isOver = true);
  await far.writeAll(new TextEncoder().encode("Code: "));
  await time.advance(CLOSE_LINGER_MS - 1);
  await far.writeAll(new TextEncoder().encode("_"));
  await time.advance(0);
  assertEquals(isOver, false);
  await time.advance(1);
  await failed;
  assertEquals(time.timers, 0);
  const abort = new AbortController();
  const [other, silent] = channelPair();
  const aborted = assertRejects(() => SftpClient.open(other, { signal: abort.signal }));
  for (const text of ["Code", ": "]) {
    await silent.writeAll(new TextEncoder().encode(text));
    await time.advance(1);
  }
  abort.abort();
  await aborted;
  assertEquals(time.timers, 0);
});
