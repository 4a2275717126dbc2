/** Each call of a channel, whose peer is the test. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Channel } from "../../lib/connection/channel.ts";
import { MAX_CHANNEL_PACKET } from "../../lib/defaults.ts";
import { bytesWritten } from "../../lib/connection/partial_write.ts";
import { ClosedError, RequestDeniedError, SshError } from "../../lib/errors.ts";
import * as m from "../../lib/wire/messages.ts";
import { MSG } from "../../lib/wire/numbers.ts";
import {
  Break,
  Env,
  Exec,
  ExitSignal,
  ExitStatus,
  PtyReq,
  Signal,
  Subsystem,
  WindowChange,
  XonXoff,
} from "../../lib/wire/requests.ts";
import { FakeTime } from "../support/fake_time.ts";
import { bareConnection, type BareOptions, type BarePeer } from "./bare_connection.ts";
import { adjust, data, none } from "./raw_channel.ts";

const bytes = (length: number) => new Uint8Array(length);
const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

async function openPair(
  options: BareOptions & { sendWindow?: number } = {},
): Promise<{ peer: BarePeer; channel: Channel }> {
  const { sendWindow = 100_000, ...rest } = options;
  const peer = bareConnection("client", rest);
  return { peer, channel: await peer.open({ window: sendWindow }) };
}

const eof = ({ id }: Channel) => m.ChannelEof.encode({ recipient: id });
const close = ({ id }: Channel) => m.ChannelClose.encode({ recipient: id });
const success = ({ id }: Channel) => m.ChannelSuccess.encode({ recipient: id });
const failure = ({ id }: Channel) => m.ChannelFailure.encode({ recipient: id });
const nextRequest = (peer: BarePeer) => m.ChannelRequest.decode(peer.take(MSG.CHANNEL_REQUEST));

/** The name of the error with which a call ends. */
async function failing(call: () => unknown): Promise<string> {
  try {
    await call();
    return "nothing";
  } catch (error) {
    return (error as Error).name;
  }
}

Deno.test("A channel is called by its type and number, until it gets another name", async () => {
  const { peer } = await openPair();
  const channel = await peer.open({ type: "x" });
  assertEquals([channel.name, channel.id, channel.type], ["x 1", 1, "x"]);
  assertEquals([channel.connection === peer.connection, channel.extra], [true, none]);
  channel.name = "mine";
  const inspect = (symbol: string) =>
    (channel as unknown as Record<symbol, () => string>)[Symbol.for(symbol)]!();
  const line = 'Channel 1 "mine" (window 2097152 in, 100000 out)';
  assertEquals([inspect("Deno.customInspect"), inspect("nodejs.util.inspect.custom")], [
    line,
    line,
  ]);
});

Deno.test("A channel in one line shows what is not usual", async () => {
  const { peer, channel } = await openPair({ window: 1024 });
  const shown = () =>
    (channel as unknown as Record<symbol, () => string>)[Symbol.for("Deno.customInspect")]!();
  peer.receive(data(channel.id, 1));
  const one = 'Channel 0 "session 0" (1 bytes unread, window 1023 in, 100000 out)';
  assertEquals(shown(), one);
  peer.receive(data(channel.id, 999));
  peer.receive(data(channel.id, 24, 1));
  assertEquals(
    shown(),
    'Channel 0 "session 0" (stalled, 1024 bytes unread, window 0 in, 100000 out)',
  );
  peer.receive(eof(channel));
  await channel.closeWrite();
  const unread = "1024 bytes unread, window 0 in, 100000 out";
  assertEquals(shown(), `Channel 0 "session 0" (reading eof, writing shut, ${unread})`);
  channel.close();
  await turn();
  assertEquals(
    shown(),
    'Channel 0 "session 0" (closing, reading shut, writing ended, window 1000 in, 100000 out)',
  );
});

Deno.test("Without an address of the connection, a channel shows 0.0.0.0:0", async () => {
  const { channel } = await openPair();
  assertEquals((channel.remoteAddr as Deno.NetAddr).hostname, "192.0.2.2");
  const { Connection } = await import("../../lib/connection/connection.ts");
  const nowhere = { transport: "tcp", hostname: "0.0.0.0", port: 0 } as const;
  let open: Channel | undefined;
  const connection = new Connection({
    role: "server",
    socket: { localAddr: null, remoteAddr: null },
    sink: {
      ...{ congested: false, trace: null, send: () => {}, sendData: () => {} },
      whenRoom: () => {},
    },
    identification: { client: "", server: "" },
    ...{ shared: false, ahead: 0, unimplemented: () => {}, fail: () => {} },
  }, { opens: new Map([["x", (ask) => void (open = ask.accept())]]) });
  connection.handle(
    m.ChannelOpen.encode({ type: "x", sender: 1, window: 1, maxPacket: 1, data: none }),
  );
  assertEquals([open!.localAddr, open!.remoteAddr], [nowhere, nowhere]);
});

Deno.test("A timeout is at least 0 or null; Infinity is no limit", async () => {
  const { channel } = await openPair();
  assertEquals(channel.timeout, null);
  for (const wrong of [-1, NaN, -Infinity]) {
    assertThrows(() => channel.timeout = wrong, RangeError, "at least 0 ms");
  }
  for (const [given, held] of [[0, 0], [5, 5], [Infinity, null], [null, null]] as const) {
    channel.timeout = given;
    assertEquals(channel.timeout, held);
  }
});

Deno.test("A timeout limits reads and writes, not what waits for a whole stream or to be ready", async () => {
  using time = new FakeTime();
  const { peer, channel } = await openPair({ sendWindow: 3 });
  channel.timeout = 50;
  const ended: string[] = [];
  const calls: Record<string, () => Promise<unknown>> = {
    read: () => channel.read(bytes(1)),
    readStderr: () => channel.readStderr(bytes(1)),
    readChunk: () => channel.readChunk(),
    readStderrChunk: () => channel.readStderrChunk(),
    write: () => channel.write(bytes(1)),
    writeStderr: () => channel.writeStderr(bytes(1)),
    writeAll: () => channel.writeAll(bytes(1)),
    writeAllStderr: () => channel.writeAllStderr(bytes(1)),
  };
  const patient: Record<string, () => Promise<unknown>> = {
    ready: () => channel.ready("read"),
    readyStderr: () => channel.ready("stderr"),
    readyToWrite: () => channel.ready("write"),
    readAll: () => channel.readAll({ stream: "stderr", signal: new AbortController().signal }),
  };
  assertEquals(await channel.write(bytes(9)), 3);
  const running: Promise<unknown>[] = [];
  for (const [name, call] of Object.entries({ ...calls, ...patient })) {
    const done = () => void ended.push(name);
    running.push(call().then(done, (error: Error) => ended.push(`${name} ${error.name}`)));
  }
  await time.advance(49);
  assertEquals(ended, []);
  await time.advance(1);
  assertEquals(ended.sort(), Object.keys(calls).map((name) => `${name} TimedOut`).sort());
  await time.advance(10_000);
  assertEquals(ended.length, Object.keys(calls).length);
  peer.receive(data(channel.id, 2));
  peer.receive(data(channel.id, 2, 1));
  peer.receive(adjust(channel.id, 2));
  peer.receive(eof(channel));
  await Promise.all(running);
  assertEquals([ended.length, time.timers], [12, 0]);
});

Deno.test("ready waits for its own direction and stream", async () => {
  const { peer, channel } = await openPair({ sendWindow: 0 });
  const ready: string[] = [];
  for (const what of ["read", "stderr", "write"] as const) {
    channel.ready(what).then(() => ready.push(what));
  }
  await turn();
  assertEquals(ready, []);
  peer.receive(data(channel.id, 1, 1));
  await turn();
  assertEquals(ready, ["stderr"]);
  peer.receive(adjust(channel.id, 1));
  await turn();
  assertEquals(ready, ["stderr", "write"]);
  peer.receive(data(channel.id, 1));
  await turn();
  assertEquals(ready, ["stderr", "write", "read"]);
});

Deno.test("Reading, writing and waiting for readiness can be aborted, and the data stays", async () => {
  const { peer, channel } = await openPair({ sendWindow: 0 });
  const calls: ((options: { signal: AbortSignal }) => Promise<unknown>)[] = [
    (options) => channel.readAll(options),
    (options) => channel.readAll({ ...options, stream: "stderr" }),
    (options) => channel.consume(() => {}, options),
    (options) => channel.ready("read", options),
    (options) => channel.read(bytes(1), options),
    (options) => channel.readChunk(options),
    (options) => channel.write(bytes(1), options),
    (options) => channel.writeAll(bytes(1), options),
  ];
  for (const call of calls) {
    const aborter = new AbortController();
    const calling = call({ signal: aborter.signal });
    aborter.abort("enough");
    assertEquals(await calling.catch((reason) => reason), "enough");
  }
  peer.receive(data(channel.id, 3));
  assertEquals((await channel.readChunk())!.length, 3);
});

Deno.test("tryRead and tryWrite do not wait, and fail like the calls that do", async () => {
  const { peer, channel } = await openPair({ sendWindow: 4 });
  assertEquals(await failing(() => channel.tryRead(bytes(1))), "WouldBlock");
  assertEquals(await failing(() => channel.tryReadStderr(bytes(1))), "WouldBlock");
  peer.receive(data(channel.id, 2));
  peer.receive(data(channel.id, 3, 1));
  assertEquals([channel.tryRead(bytes(9)), channel.tryReadStderr(bytes(9))], [2, 3]);
  assertEquals([channel.tryWrite(bytes(9)), channel.writableBytes], [4, 0]);
  assertEquals(await failing(() => channel.tryWrite(bytes(1))), "WouldBlock");
  peer.receive(eof(channel));
  assertEquals([channel.tryRead(bytes(9)), channel.tryReadStderr(bytes(9))], [null, null]);
  await channel.shutdown("both");
  for (
    const call of [
      () => channel.tryRead(bytes(1)),
      () => channel.tryReadStderr(bytes(1)),
      () => channel.read(bytes(1)),
      () => channel.readStderr(bytes(1)),
      () => channel.readChunk(),
      () => channel.readStderrChunk(),
      () => channel.readAll(),
      () => channel.readAll({ stream: "stderr", signal: new AbortController().signal }),
      () => channel.consume(() => {}),
      () => channel.write(bytes(1)),
      () => channel.tryWrite(bytes(1)),
    ]
  ) assertEquals(await failing(call), "ClosedError");
});

Deno.test("Standard output and standard error are sent and read apart", async () => {
  const { peer, channel } = await openPair();
  await channel.write(bytes(1));
  await channel.writeStderr(bytes(2));
  await channel.writeAll(bytes(3), bytes(4));
  await channel.writeAllStderr(bytes(5), bytes(6));
  channel.tryWrite(bytes(7));
  assertEquals(peer.sent.splice(0).map((sent) => [sent[0], sent.length]), [
    [94, 10],
    [95, 15],
    [94, 12],
    [94, 13],
    [95, 18],
    [95, 19],
    [94, 16],
  ]);
  const { signal } = new AbortController();
  await channel.writeAll(bytes(8), { signal });
  await channel.writeAllStderr(bytes(9), { signal });
  await channel.writeAll();
  assertEquals(peer.sent.splice(0).map((sent) => [sent[0], sent.length]), [[94, 17], [95, 22]]);
  peer.receive(data(channel.id, 1));
  peer.receive(data(channel.id, 2, 1));
  assertEquals([channel.readableBytes, channel.readableStderrBytes], [1, 2]);
  assertEquals([await channel.read(bytes(9)), await channel.readStderr(bytes(9))], [1, 2]);
  peer.receive(data(channel.id, 3));
  peer.receive(data(channel.id, 4, 1));
  assertEquals([(await channel.readChunk())!.length, (await channel.readStderrChunk())!.length], [
    3,
    4,
  ]);
  channel.unread(bytes(5));
  channel.unread(bytes(6), "stderr");
  assertEquals([channel.readableBytes, channel.readableStderrBytes], [5, 6]);
  channel.discard("stderr");
  assertEquals([channel.readableBytes, channel.readableStderrBytes], [5, 0]);
});

Deno.test("An aborted writeAll rejects with the reason; one that fails tells how much was sent", async () => {
  const { peer, channel } = await openPair({ sendWindow: 4 });
  const aborter = new AbortController();
  const aborted = channel.writeAll(bytes(5), { signal: aborter.signal });
  aborter.abort("enough");
  assertEquals(await aborted.catch((reason) => reason), "enough");
  peer.receive(adjust(channel.id, 3));
  const failed = channel.writeAll(bytes(2), bytes(2));
  await turn();
  channel.abort();
  const error = await assertRejects(() => failed, ClosedError, "The channel was aborted");
  assertEquals(bytesWritten(error), 3);
});

Deno.test("combineStderr returns the setting before", async () => {
  const { peer, channel } = await openPair();
  assertEquals([channel.combineStderr(true), channel.combineStderr(true)], [false, true]);
  peer.receive(data(channel.id, 4, 1));
  assertEquals([channel.readableBytes, channel.combineStderr(false)], [4, true]);
});

Deno.test("readAll returns a stream's bytes up to its end, or fails beyond a limit", async () => {
  const { peer, channel } = await openPair();
  const reading = [channel.readAll({ maxBytes: 5 }), channel.readAll({ stream: "stderr" })];
  peer.receive(data(channel.id, 2));
  peer.receive(data(channel.id, 3));
  peer.receive(data(channel.id, 4, 1));
  await turn();
  peer.receive(eof(channel));
  assertEquals((await Promise.all(reading)).map(({ length }) => length), [5, 4]);
  assertEquals(await channel.readAll(), none);
  const other = await peer.open();
  peer.receive(data(other.id, 5));
  peer.receive(eof(other));
  const error = await assertRejects(
    () => other.readAll({ maxBytes: 4 }),
    SshError,
    "longer than 4",
  );
  assertEquals(error.code, "command");
});

Deno.test("consume lends its memory until the consumer returns, and copies it unless it may lend the module's", async () => {
  for (const borrowed of [false, true]) {
    const { peer, channel } = await openPair();
    const seen: [ArrayBufferLike, number, number][] = [];
    const consuming = channel.consume(
      (piece) => void seen.push([piece.buffer, piece.length, piece[0]!]),
      { borrowed },
    );
    const messages = [data(channel.id, 3), data(channel.id, MAX_CHANNEL_PACKET)];
    for (const message of messages) peer.receive(message);
    peer.receive(eof(channel));
    await consuming;
    assertEquals(seen.map(([, length, first]) => [length, first]), [
      [3, 65],
      [MAX_CHANNEL_PACKET, 65],
    ]);
    assertEquals(messages.map(({ buffer }, at) => buffer === seen[at]![0]), [borrowed, borrowed]);
    assertEquals(seen[0]![0] === seen[1]![0], !borrowed); // one piece of memory for all copies
  }
});

Deno.test("The chunks and lines of a channel end at its EOF", async () => {
  const { peer, channel } = await openPair();
  const sizes: number[] = [];
  for (const length of [1, 2, 3]) peer.receive(data(channel.id, length));
  for await (const chunk of channel) if (sizes.push(chunk.length) === 2) break;
  assertEquals([sizes, channel.isOpen, channel.readableBytes], [[1, 2], true, 3]);
  peer.receive(eof(channel));
  assertEquals(await Array.fromAsync(channel.lines()), ["AAA"]);
  for await (const chunk of channel) assertEquals(chunk, none);
});

Deno.test("A file reads and writes the stream that it names, and EOF follows stdin alone", async () => {
  const { peer, channel } = await openPair();
  const kinds: [stream: "stdout" | "stderr" | "stdin" | undefined, number: number][] = [
    [undefined, MSG.CHANNEL_DATA],
    ["stdout", MSG.CHANNEL_DATA],
    ["stderr", MSG.CHANNEL_EXTENDED_DATA],
    ["stdin", MSG.CHANNEL_DATA],
  ];
  for (const [stream, number] of kinds) {
    const options = { mode: "r+" as const, ...(stream && { stream }) };
    const file = channel.file(options);
    peer.receive(data(channel.id, 2, stream === "stderr" ? 1 : 0));
    assertEquals(await file.read(bytes(9)), 2);
    await file.write("x");
    await file.close();
    const sent = peer.numbers().filter((sent) => sent !== MSG.CHANNEL_WINDOW_ADJUST);
    assertEquals(sent, stream === "stdin" ? [number, MSG.CHANNEL_EOF] : [number], stream);
  }
});

const shutdowns: ["read" | "write" | "both" | 0 | 1 | 2, boolean, boolean][] = [
  ["read", true, false],
  [0, true, false],
  ["write", false, true],
  [1, false, true],
  ["both", true, true],
  [2, true, true],
];
for (const [how, read, write] of shutdowns) {
  Deno.test(`shutdown(${JSON.stringify(how)}) ends ${read ? "reading" : ""}${write ? " writing" : ""}`, async () => {
    const { peer, channel } = await openPair();
    await channel.shutdown(how);
    assertEquals([channel.state.reading === "shut", channel.state.writing === "shut"], [
      read,
      write,
    ]);
    assertEquals(peer.numbers(), write ? [MSG.CHANNEL_EOF] : []);
  });
}

Deno.test("shutdown for writing resolves after pending writes", async () => {
  const { peer, channel } = await openPair({ sendWindow: 1 });
  const writing = channel.writeAll(bytes(2));
  let isOver = false;
  const ending = channel.shutdown("write").then(() => isOver = true);
  await turn();
  assertEquals([isOver, peer.numbers()], [false, [MSG.CHANNEL_DATA]]);
  peer.receive(adjust(channel.id, 1));
  await Promise.all([writing, ending]);
  assertEquals(peer.numbers(), [MSG.CHANNEL_DATA, MSG.CHANNEL_EOF]);
});

Deno.test("shutdown of anything else is a TypeError", async () => {
  const { channel } = await openPair();
  for (const how of ["all", 3, ""]) {
    await assertRejects(() => channel.shutdown(how as "read"), TypeError, `"${how}"`);
  }
});

Deno.test("Disposing closes at once, and waits only for a program that has ended", async () => {
  const { peer, channel } = await openPair({ sendWindow: 0 });
  const writing = channel.writeAll(bytes(1));
  await channel[Symbol.asyncDispose](); // the peer has not answered
  await assertRejects(() => writing, ClosedError, "aborted");
  assertEquals([peer.numbers(), channel.state.phase], [[MSG.CHANNEL_CLOSE], "closing"]);
  const finished = await peer.open();
  peer.receive(eof(finished));
  peer.receive(m.ChannelRequest.encode({
    ...{ recipient: finished.id, type: "exit-status", wantReply: false },
    data: ExitStatus.encode({ status: 0 }),
  }));
  let isDisposed = false;
  const disposing = finished[Symbol.asyncDispose]().then(() => isDisposed = true);
  await turn();
  assertEquals([peer.numbers(), isDisposed], [[MSG.CHANNEL_CLOSE], false]);
  peer.receive(close(finished));
  await disposing;
  const plain = await peer.open({ window: 0 });
  const pending = plain.writeAll(bytes(1));
  plain[Symbol.dispose]();
  await assertRejects(() => pending, ClosedError, "aborted");
  assertEquals(peer.numbers(), [MSG.CHANNEL_CLOSE]);
  assertThrows(() => plain.tryRead(bytes(1)), ClosedError, "The channel is closed");
  plain.ref();
  plain.unref();
});

Deno.test("An abort without a reason is a ClosedError, and one with a reason is that", async () => {
  const { peer, channel } = await openPair();
  const reading = channel.readChunk();
  channel.abort();
  await assertRejects(() => reading, ClosedError, "The channel was aborted");
  const other = await peer.open();
  const waiting = other.readChunk();
  other.abort("because");
  assertEquals(await waiting.catch((reason) => reason), "because");
});

Deno.test("A channel runs one program; a refused one leaves it free", async () => {
  const { peer, channel } = await openPair();
  const refused = channel.exec("first");
  const first = nextRequest(peer);
  assertEquals([first.type, Exec.decode(first.data).command, first.wantReply], [
    ...["exec", "first", true],
  ]);
  await assertRejects(() => channel.shell(), TypeError, "has a program: exec");
  peer.receive(failure(channel));
  await assertRejects(() => refused, RequestDeniedError, '"exec"');
  const running = channel.subsystem("sftp");
  const second = nextRequest(peer);
  assertEquals([second.type, Subsystem.decode(second.data).name], ["subsystem", "sftp"]);
  peer.receive(success(channel));
  await running;
  await assertRejects(() => channel.exec("x"), TypeError, "has a program: subsystem");
  const other = await peer.open();
  const shell = other.shell();
  const third = nextRequest(peer);
  assertEquals([third.type, third.data], ["shell", none]);
  peer.receive(success(other));
  await shell;
});

Deno.test("Requests of a session have their layout, and those that need an answer wait for it", async () => {
  const { peer, channel } = await openPair();
  const answered = async (asking: Promise<void>) => {
    const request = nextRequest(peer);
    assertEquals(request.wantReply, true);
    peer.receive(success(channel));
    await asking;
    return request;
  };
  const notice = (send: () => void) => {
    send();
    const request = nextRequest(peer);
    assertEquals(request.wantReply, false);
    return request;
  };
  const pty = await answered(channel.requestPty({ columns: 132, modes: { ECHO: 0 } }));
  const modes = new Uint8Array([53, 0, 0, 0, 0, 0]);
  assertEquals([pty.type, PtyReq.decode(pty.data)], ["pty-req", {
    ...{ term: "xterm-256color", columns: 132, rows: 24, width: 0, height: 0, modes },
  }]);
  const asked = channel.request("x");
  assertEquals(nextRequest(peer).data, none);
  peer.receive(success(channel));
  await asked;
  assertEquals(notice(() => channel.notify("x")).data, none);
  const resized = notice(() => channel.resizePty({ rows: 50, width: 7, height: 8 }));
  assertEquals([resized.type, WindowChange.decode(resized.data)], [
    "window-change",
    { columns: 80, rows: 50, width: 7, height: 8 },
  ]);
  const pause = await answered(channel.sendBreak());
  assertEquals([pause.type, Break.decode(pause.data).milliseconds], ["break", 0]);
  const signal = notice(() => channel.sendSignal("SIGTERM"));
  assertEquals([signal.type, Signal.decode(signal.data).name], ["signal", "TERM"]);
  const xon = notice(() => channel.xonXoff(true));
  assertEquals([xon.type, XonXoff.decode(xon.data).clientCanDo], ["xon-xoff", true]);
  const code = notice(() => channel.sendExit({ code: -1 }));
  assertEquals([code.type, ExitStatus.decode(code.data).status], ["exit-status", 0xffff_ffff]);
  const killed = notice(() => channel.sendExit({ signal: "KILL" }));
  assertEquals([killed.type, ExitSignal.decode(killed.data)], [
    "exit-signal",
    { name: "KILL", coreDumped: false, message: "", language: "" },
  ]);
  const dumped = notice(() =>
    channel.sendExit({ signal: "SEGV", coreDumped: true, message: "oh" })
  );
  assertEquals(ExitSignal.decode(dumped.data), {
    ...{ name: "SEGV", coreDumped: true, message: "oh", language: "" },
  });
});

Deno.test("A refused terminal or break is an error of its call", async () => {
  const { peer, channel } = await openPair();
  for (
    const [name, asking] of [
      ["pty-req", channel.requestPty()],
      ["break", channel.sendBreak(500)],
      ["x", channel.request("x")],
    ] as const
  ) {
    peer.receive(failure(channel));
    await assertRejects(() => asking, RequestDeniedError, `"${name}"`);
  }
  assertEquals(Break.decode(m.ChannelRequest.decode(peer.sent[1]!).data).milliseconds, 500);
});

Deno.test("A channel's requests go to its handler", async () => {
  const { peer, channel } = await openPair();
  channel.handleRequests(({ type }) => type === "yes");
  for (const type of ["yes", "no"]) {
    peer.receive(
      m.ChannelRequest.encode({ recipient: channel.id, type, wantReply: true, data: none }),
    );
  }
  assertEquals(peer.numbers(), [MSG.CHANNEL_SUCCESS, MSG.CHANNEL_FAILURE]);
});

Deno.test("Terminals, signals and breaks that do not exist are refused before they are sent", async () => {
  const { peer, channel } = await openPair();
  const wrong: [call: () => unknown, name: string][] = [
    [() => channel.requestPty({ columns: -1 }), "RangeError"],
    [() => channel.requestPty({ rows: 1.5 }), "RangeError"],
    [() => channel.requestPty({ width: 2 ** 32 }), "RangeError"],
    [() => channel.requestPty({ modes: { NOPE: 1 } as Record<string, number> }), "TypeError"],
    [() => channel.requestPty({ modes: { ECHO: -1 } }), "RangeError"],
    [() => channel.resizePty({ height: NaN }), "RangeError"],
    [() => channel.sendBreak(-1), "RangeError"],
    [() => channel.sendSignal("NOPE" as "TERM"), "TypeError"],
  ];
  for (const [call, name] of wrong) assertEquals(await failing(call), name);
  assertEquals(peer.sent, []);
  channel.resizePty({ columns: 2 ** 32 - 1, rows: 0 });
  assertEquals(WindowChange.decode(nextRequest(peer).data).columns, 2 ** 32 - 1);
});

Deno.test("Variables are told silently, or asked for together, with the names of the refused", async () => {
  const { peer, channel } = await openPair();
  await channel.setEnv("A", "1");
  const told = nextRequest(peer);
  assertEquals([told.type, told.wantReply, Env.decode(told.data)], ["env", false, {
    ...{ name: "A", value: "1" },
  }]);
  const asking = channel.updateEnv({ B: "2", C: "3", D: "4" }, { strict: true });
  assertEquals(peer.sent.map((sent) => m.ChannelRequest.decode(sent).wantReply), [
    true,
    true,
    true,
  ]);
  for (const answer of [failure, success, failure]) peer.receive(answer(channel));
  await assertRejects(() => asking, RequestDeniedError, 'refused to set "B", "D"');
  const accepted = channel.setEnv("E", "5", { strict: true });
  peer.receive(success(channel));
  await accepted;
  const lost = channel.setEnv("F", "6", { strict: true });
  peer.receive(close(channel));
  await assertRejects(() => lost, ClosedError, "The peer closed the channel");
});

Deno.test("The exit status is a code, or -1 without one", async () => {
  const { peer, channel } = await openPair();
  assertEquals(channel.exitStatusReady, false);
  const waiting = channel.recvExitStatus();
  peer.receive(m.ChannelRequest.encode({
    ...{ recipient: channel.id, type: "exit-status", wantReply: false },
    data: ExitStatus.encode({ status: 0 }),
  }));
  assertEquals([await waiting, channel.exitStatusReady], [0, true]);
  assertEquals((await channel.exitStatus).success, true);
  const other = await peer.open();
  peer.receive(close(other));
  assertEquals([await other.recvExitStatus(), other.exitStatusReady], [-1, true]);
  assertEquals(await other.closed.then(() => "closed"), "closed");
});

Deno.test("The streams of a channel are made once; closing writable sends EOF, aborting it CLOSE", async () => {
  const { peer, channel } = await openPair();
  assert(channel.readable === channel.readable && channel.stderr === channel.stderr);
  assert(channel.writable === channel.writable);
  const writer = channel.writable.getWriter();
  await writer.write(bytes(2));
  await writer.close();
  assertEquals(peer.numbers(), [MSG.CHANNEL_DATA, MSG.CHANNEL_EOF]);
  const other = await peer.open();
  const reading = other.readChunk();
  await other.writable.abort("enough");
  assertEquals(await reading.catch((reason) => reason), "enough");
  assertEquals(peer.numbers(), [MSG.CHANNEL_CLOSE]);
});

Deno.test("Channel.writable refuses chunks that are not bytes, and sends nothing of them", async () => {
  for (const chunk of ["text", new Uint16Array([1000]), null]) {
    const { peer, channel } = await openPair();
    const writing = channel.writable.getWriter().write(chunk as never);
    await assertRejects(() => writing, TypeError, "A stream must have Uint8Array chunks, not ");
    assertEquals(peer.numbers(), []);
  }
});

Deno.test("readable and stderr read nothing ahead, and end at EOF in every mode", async () => {
  const { peer, channel } = await openPair();
  const reader = channel.readable.getReader();
  peer.receive(data(channel.id, 4));
  peer.receive(data(channel.id, 5, 1));
  await turn();
  assertEquals([channel.readableBytes, channel.readableStderrBytes], [4, 5]);
  assertEquals((await reader.read()).value?.length, 4);
  reader.releaseLock();
  const byob = channel.readable.getReader({ mode: "byob" });
  const pending = byob.read(new Uint8Array(8));
  peer.receive(data(channel.id, 3));
  assertEquals((await pending).value?.length, 3);
  const last = byob.read(new Uint8Array(8));
  peer.receive(eof(channel));
  assertEquals([(await last).done, (await last).value?.length], [true, 0]);
  const errors = channel.stderr.getReader();
  assertEquals((await errors.read()).value?.length, 5);
  assertEquals((await errors.read()).done, true);
  const other = await peer.open();
  await other.stderr.cancel();
  peer.receive(data(other.id, 6, 1));
  peer.receive(data(other.id, 7));
  assertEquals([other.readableStderrBytes, other.readableBytes], [0, 7]);
});

Deno.test("A stream that has a reader is not read to its end by readAll", async () => {
  const { peer, channel } = await openPair();
  const reader = channel.readable.getReader();
  await assertRejects(() => channel.readAll(), TypeError, "Cannot read all of stdout");
  peer.receive(eof(channel));
  assertEquals(await channel.readAll({ stream: "stderr" }), none);
  reader.releaseLock();
  assertEquals(await channel.readAll(), none);
  channel.stderr.getReader();
  await assertRejects(() => channel.readAll({ stream: "stderr" }), TypeError, "stderr");
});
