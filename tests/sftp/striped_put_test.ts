/** Files spread over several channels: when, over how many, and the part after a cut. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { SftpClient, SftpError, type SftpTransferOptions } from "../../lib/sftp/mod.ts";
import { fuzzTest, LONG } from "../support/random.ts";
import { furtherLanes } from "../../lib/sftp/remote/further_lanes.ts";
import type { FurtherSessions } from "../../lib/sftp/remote/further_sessions.ts";
import { Lane } from "../../lib/sftp/remote/lane.ts";
import { PathEstimate } from "../../lib/sftp/remote/pacing.ts";
import type { RemoteFile } from "../../lib/sftp/remote/remote_file.ts";
import { WriteBehind } from "../../lib/sftp/remote/write_behind.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { LongPath, type LongPathOptions } from "./long_path.ts";
import { type MemoryFile, MemoryServer } from "./memory_server.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { answerOn, channelTo, type RawPeer, status } from "./raw.ts";
import { noise, same, turn } from "./world.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const DATA = noise(6 * MIB);
/** Large enough for channels to be opened in advance, with windows of 1 MiB. */
const LARGE = noise(20 * MIB);

function memoryServer(): MemoryServer {
  const server = new MemoryServer();
  server.extensions.push("posix-rename@openssh.com");
  return server;
}

/** A server whose round trip is known before the first file. */
function farServer(): MemoryServer {
  const server = memoryServer();
  server.extensions.push("limits@openssh.com");
  return server;
}

/** A path to a server of files in memory with small windows, so that small files suffice. */
function pathTo(
  server: MemoryServer,
  options: Partial<LongPathOptions> = {},
  answer: MemoryServer["answer"] = server.answer,
): LongPath {
  const extensions = server.extensions.map((name): [string, string] => [name, "1"]);
  return new LongPath(
    { roundTrip: 50, window: 64 * KIB, ...options },
    (channel) => void answerOn(channel, answer, { extensions }),
  );
}

interface Put {
  readonly options?: SftpTransferOptions;
  readonly path?: Partial<LongPathOptions>;
  readonly data?: Uint8Array;
  readonly server?: MemoryServer;
  /** What happens once the first bytes have been sent. */
  readonly meanwhile?: (path: LongPath) => void;
}

/** Puts a file; returns the number of channels, and the log. */
async function put({ options, path: along, data = DATA, server = memoryServer(), meanwhile }: Put) {
  using path = pathTo(server, along);
  const sftp = await path.client();
  const notes: string[] = [];
  let begun = false;
  await path.run(sftp.put(data, "/file", {
    onNote: (note) => notes.push(note),
    ...options,
    onProgress(progress) {
      options?.onProgress?.(progress);
      if (begun || progress.transferred < data.length / 2) return;
      begun = true;
      meanwhile?.(path);
    },
  }));
  assertEquals(begun, true);
  assert(same(server.data("/file")!, data));
  assertEquals([...server.files.keys()], ["/file"]);
  await path.run(sftp.close());
  assertEquals(path.channels.open, 0);
  return { channels: path.channels.opened, milliseconds: path.now, notes, server };
}

Deno.test("a put that waits for the window is spread over further channels", async () => {
  const one = await put({ options: { channels: 1 } });
  assertEquals([one.channels, one.notes], [1, []]);
  const auto = await put({});
  assertEquals(auto.channels, 10);
  assertMatch(
    auto.notes[0]!,
    /^Spreading over 4 channels: writes wait for a window of 64 KiB, at a round trip of 50 ms and 1\.\d MB\/s$/,
  );
  assertMatch(auto.notes[1]!, /^Spreading over 10 channels: .* and [345]\.\d MB\/s$/);
  assert(auto.milliseconds < one.milliseconds / 2, `${auto.milliseconds} ms`);
});

Deno.test("over a round trip of 70 ms or more, all channels are opened in one step", async () => {
  const server = farServer();
  const path = { roundTrip: 70, window: MIB };
  const { notes, channels } = await put({ server, path, data: LARGE });
  assertEquals(channels, 10);
  assertEquals(
    notes[0],
    "Opening 10 channels while one is measured: the round trip takes 70 ms",
  );
  assertMatch(notes[1]!, /^Spreading over 10 channels: writes wait for a window/);
  const short = await put({ server: farServer(), path });
  assertEquals(short.notes, ["One channel: the rest is short"]);
});

Deno.test("over a long path, all channels carry data after four round trips", async () => {
  const server = farServer();
  const firsts: number[] = [];
  const peers = new Set<RawPeer>();
  using path = pathTo(server, { roundTrip: 100, window: MIB }, (request, peer) => {
    if (request.type === FXP.WRITE && !peers.has(peer)) firsts.push(path.now);
    if (request.type === FXP.WRITE) peers.add(peer);
    return server.answer(request, peer);
  });
  const sftp = await path.client();
  const began = path.now;
  await path.run(sftp.put(LARGE, "/file"));
  // OPEN, the first window, OPEN in the others, and half a round trip to the server.
  assertEquals(firsts.map((at) => at - began), [150, ...Array(9).fill(350)]);
});

Deno.test("more connections are suggested if the windows of all channels were full", async () => {
  const suggestion = "their windows were full, more connections carry more (connections: 2)";
  for (const roundTrip of [50, 100]) {
    const server = farServer();
    const { notes } = await put({ server, path: { roundTrip }, data: LARGE });
    assertEquals(notes.at(-1), `10 channels: ${suggestion}`);
    const slow = { roundTrip, rate: 2 * MIB };
    const limited = await put({ server: farServer(), path: slow, data: LARGE });
    assert(!limited.notes.some((note) => note.includes(suggestion)), `${limited.notes}`);
  }
});

Deno.test("over several connections, all channels of a long path are opened at once", async () => {
  const path = { connections: 2, roundTrip: 100, window: MIB };
  const { notes, channels } = await put({ server: farServer(), path, data: LARGE });
  assertEquals([channels, notes], [
    20,
    ["Spreading over 20 channels: as many as the connections allow"],
  ]);
});

Deno.test("a server that allows three sessions has three channels opened in advance", async () => {
  const path = { roundTrip: 100, window: MIB, sessions: 3 };
  const { notes, channels } = await put({ server: farServer(), path, data: LARGE });
  assertEquals([channels, notes.slice(0, 2)], [3, [
    "Opening 10 channels while one is measured: the round trip takes 100 ms",
    "3 channels: there is no room for another session",
  ]]);
  assertMatch(notes[2]!, /^Spreading over 3 channels: writes wait for a window/);
});

Deno.test("a server that allows one session has one, without a note on spreading", async () => {
  const path = { roundTrip: 100, window: MIB, sessions: 1 };
  const { notes } = await put({ server: farServer(), path, data: LARGE });
  assertEquals(notes, [
    "Opening 10 channels while one is measured: the round trip takes 100 ms",
    "One channel: there is no room for another session",
  ]);
});

Deno.test("over a long path, the next put opens its channels before its own file is open", async () => {
  using path = pathTo(farServer(), { roundTrip: 100, window: MIB });
  const sftp = await path.client();
  await path.run(sftp.put(LARGE, "/one"));
  const began = path.now;
  const noted: [number, string][] = [];
  const onNote = (note: string) => void noted.push([path.now - began, note]);
  await path.run(sftp.put(LARGE, "/two", { onNote }));
  assertEquals(noted[0], [0, "Spreading over 10 channels: as for the last file"]);
  await path.run(sftp.close());
});

Deno.test("a channel opened in advance gives way before it is used", async () => {
  using path = pathTo(farServer(), { roundTrip: 100, window: MIB });
  const sftp = await path.client();
  const notes: string[] = [];
  let isFirst = true;
  await path.run(sftp.put(LARGE, "/file", {
    onNote: (note) => notes.push(note),
    onProgress() {
      if (isFirst) path.giveWay();
      isFirst = false;
    },
  }));
  assertEquals(notes[1], "A channel was closed to make room for another session");
  assertMatch(notes[2]!, /^Spreading over 9 channels/);
  await path.run(sftp.close());
  assertEquals([path.channels.open, path.channels.opened], [0, 10]);
});

Deno.test("channels opened in advance carry nothing if the link is the limit, and are closed", async () => {
  using path = pathTo(farServer(), { roundTrip: 100, window: MIB, rate: 4 * MIB });
  const sftp = await path.client();
  const notes: string[] = [];
  const open: number[] = [];
  for (const name of ["/one", "/two"]) {
    await path.run(sftp.put(LARGE, name, {
      onNote: (note) => notes.push(note),
      onProgress: () => void open.push(path.channels.open),
    }));
  }
  assertEquals([path.channels.opened, Math.max(...open), open.at(-1)], [10, 10, 1]);
  assertEquals(notes, [
    "Opening 10 channels while one is measured: the round trip takes 100 ms",
    "One channel: 4.2 MB/s are less than the window allows",
    "One channel: 4.2 MB/s are less than the window allows",
  ]);
  await path.run(sftp.close());
});

Deno.test("a file is opened in further sessions as soon as they are open, while its writes wait", async () => {
  const server = memoryServer();
  const opened: number[] = [];
  using path = pathTo(server, { roundTrip: 200 }, (request, peer) => {
    if (request.type === FXP.OPEN) opened.push(path.now);
    return server.answer(request, peer);
  });
  const sftp = await path.client();
  let begun = 0;
  await path.run(sftp.put(DATA, "/file", { onNote: () => begun ||= path.now }));
  // A round trip for the channel, and half of one to the server.
  assertEquals(opened.slice(1), Array(9).fill(begun + 300));
});

Deno.test("the bytes in flight follow all lanes, also those of sessions that open later", async () => {
  const lane = () => Promise.resolve({} as Lane);
  const sessions: unknown[] = [];
  const windows = (count: number) => count * MIB;
  const further = {
    for: () => sessions,
    windows,
    opening: null,
    expected: 0,
  } as unknown as FurtherSessions;
  const file = { path: "/file", about: "/file", size: null, reached: 0, inFlight: MIB, limits: {} };
  const lanes = furtherLanes(further, file);
  assertEquals(lanes.more(0), null);
  for (const held of [2 * MIB, 3 * MIB]) {
    sessions.push({ lane });
    const wider = await lanes.more(0);
    assertEquals([wider?.lanes.length, wider?.held], [1, held]);
  }
});

/** Answers like a server whose sessions number their handles from 0; `begin` is called with each session. */
function numbered(
  server: MemoryServer,
  begin: (session: MemoryServer, count: number) => void = () => {},
): MemoryServer["answer"] {
  const sessions = new Map<RawPeer, MemoryServer>();
  return (request, peer) => {
    const known = sessions.get(peer);
    if (known) return known.answer(request, peer);
    const session = new MemoryServer();
    begin(session, sessions.size);
    Object.assign(session, { files: server.files });
    sessions.set(peer, session);
    return session.answer(request, peer);
  };
}

Deno.test("writes follow the OPEN in a further channel at once if its handle is known", async () => {
  for (const [numbersHandles, first] of [[false, 175], [true, 125]] as const) {
    const server = memoryServer();
    const answer = numbered(server);
    const firsts = new Map<RawPeer, number>();
    let began = 0;
    using path = pathTo(server, { numbersHandles, window: 512 * KIB }, (request, peer) => {
      if (request.type === FXP.WRITE && !firsts.has(peer)) firsts.set(peer, path.now - began);
      return answer(request, peer);
    });
    const sftp = await path.client();
    began = path.now;
    await path.run(sftp.put(DATA, "/file", { channels: 3 }));
    assertEquals([...firsts.values()], [75, first, first]);
    assert(same(server.data("/file")!, DATA));
    // The first handle of these sessions is in use.
    await path.run(sftp.put(DATA, "/file", { channels: 3 }));
    await path.run(sftp.close());
  }
});

Deno.test("a further channel that gives another handle, or refuses the file, is not used", async () => {
  const begins: Record<string, (session: MemoryServer) => void> = {
    "another handle": (session) => {
      const open = msg.Open.encode(1, { path: "/taken", flags: 0x1a, attributes: {} });
      const body = open.slice(9);
      session.answer({ type: FXP.OPEN, id: 1, body }, { send() {} } as unknown as RawPeer);
    },
    "a refusal": (session) => session.refuse = (line) => line.startsWith("OPEN") ? 4 : undefined,
  };
  for (const [what, begin] of Object.entries(begins)) {
    const server = memoryServer();
    const answer = numbered(server, (session, count) => count > 0 && begin(session));
    using path = pathTo(server, { numbersHandles: true }, answer);
    const sftp = await path.client();
    await path.run(sftp.put(DATA, "/file", { channels: 3 }));
    assert(same(server.data("/file")!, DATA), what);
    assertEquals([...server.files.keys()], ["/file"]);
    await path.run(sftp.close());
  }
});

Deno.test("over several connections a put has a channel in each at once, and more if windows limit it", async () => {
  const near = await put({ path: { connections: 3, roundTrip: 4 } });
  assertEquals(near.channels, 3);
  assertEquals(near.notes, [
    "Spreading over 3 channels: one per connection",
    "3 channels: the round trip takes 4.0 ms",
  ]);
  const far = await put({ path: { connections: 2, roundTrip: 200 }, data: noise(24 * MIB) });
  assertEquals(far.channels, 20);
  assertEquals(far.notes[0], "Spreading over 2 channels: one per connection");
  assertMatch(far.notes[1]!, /^Spreading over 20 channels: writes wait for a window/);
});

Deno.test("if windows exceed the limit in flight, no request waits for its window", async () => {
  const [request, window, lanes] = [KIB, 64 * KIB, 4];
  for (
    const [inFlight, expected, most] of [
      [300 * KIB, 0, window],
      [MIB, 0, window + request],
      [MIB, 20, window], // with those that are being opened
    ] as const
  ) {
    const unanswered: number[] = [];
    const answers: (() => void)[] = [];
    let longest = 0;
    /** A file whose channel fills its window, and sends the last request in part. */
    const file = (at: number) => {
      unanswered[at] = 0;
      return {
        writeLength: request,
        window,
        pathEstimates: { write: new PathEstimate(() => 50) },
        writePiece(data: Uint8Array, _offset: number, _limits: unknown, sent: () => void) {
          const total = unanswered[at]! += data.length;
          if (at > 0) longest = Math.max(longest, total); // the first was alone before
          if (total <= window) sent();
          return new Promise<void>((resolve) =>
            answers.push(() => {
              unanswered[at]! -= data.length;
              if (total > window) sent();
              resolve();
            })
          );
        },
        close: () => Promise.resolve(),
      } as unknown as RemoteFile;
    };
    let further = [1, 2, 3].map((at) => new Lane(file(at)));
    const behind = new WriteBehind(file(0), {
      inFlight: inFlight!,
      further: {
        begin() {},
        opening: null,
        expected,
        more() {
          if (further.length === 0) return null;
          const wider = { lanes: further, inFlight: inFlight!, held: lanes * window };
          further = [];
          return Promise.resolve(wider);
        },
      },
    });
    const writing = (async () => {
      for (let i = 0; i < 1000; i++) await behind.write(new Uint8Array(request), () => {});
      await behind.end();
    })();
    let done = false;
    writing.then(() => done = true);
    for (await turn(); !done; await turn()) answers.splice(0, 20).forEach((answer) => answer());
    assertEquals([longest, Math.max(...unanswered)], [most, 0]);
  }
});

Deno.test("a put over a short path, a slow link, or of a short file has one channel", async () => {
  for (
    const [along, data, note] of [
      [{ roundTrip: 2 }, DATA, /^One channel: the round trip takes 2\.0 ms$/],
      [{ rate: 500_000 }, DATA, /^One channel: 0\.5 MB\/s are less than the window/],
      [{ window: MIB, rate: 2 * MIB }, DATA, /^One channel: 2\.\d MB/],
      [{}, DATA.subarray(0, MIB), null],
    ] as const
  ) {
    const { channels, notes } = await put({ path: along, data });
    assertEquals([channels, notes.length], [1, note === null ? 0 : 1]);
    if (note !== null) assertMatch(notes[0]!, note);
  }
});

for (const sessions of [1, 2, 3]) {
  Deno.test(`a server that allows ${sessions} sessions has as many channels of a put`, async () => {
    for (const channels of ["auto", 5] as const) {
      const put5 = await put({ options: { channels }, path: { sessions } });
      assertEquals(put5.channels, sessions);
      assertMatch(put5.notes[1]!, /: there is no room for another session$/);
    }
  });
}

Deno.test("the requested number of channels is opened on any path", async () => {
  for (const channels of [1, 2, 7]) {
    const { channels: opened } = await put({ options: { channels }, path: { roundTrip: 2 } });
    assertEquals(opened, channels);
  }
});

Deno.test("a put that ends while channels are opening does not wait for them", async () => {
  const times: number[] = [];
  for (const [channels, mute] of [[1, false], [5, false], [5, true]] as const) {
    using path = pathTo(memoryServer(), { mute });
    const sftp = await path.client();
    await path.run(sftp.put(DATA.subarray(0, 300 * KIB), "/file", { channels }));
    times.push(path.now);
    await path.run(sftp.close()); // also if the server never answers the open of another channel
    assertEquals([path.channels.open, path.channels.opened], [0, mute ? 1 : channels]);
  }
  assertEquals(times, [times[0], times[0], times[0]]);
});

Deno.test("channels is a whole number of 1 or more, or auto", async () => {
  using path = pathTo(memoryServer());
  const sftp = await path.client();
  for (const channels of [0, -1, 1.5, NaN, Infinity, "many" as "auto"]) {
    await assertRejects(() => sftp.put(DATA, "/file", { channels }), RangeError, "channels");
  }
});

Deno.test("the next put immediately has as many channels as the last one", async () => {
  const server = memoryServer();
  using path = pathTo(server);
  const sftp = await path.client();
  const notes: string[] = [];
  const options = { onNote: (note: string) => void notes.push(note) };
  await path.run(sftp.put(DATA, "/one", options));
  assertEquals(notes.length, 2);
  notes.length = 0;
  await path.run(sftp.put(DATA, "/two", options));
  assertEquals(notes[0], "Spreading over 10 channels: as for the last file");
  assert(same(server.data("/two")!, DATA));
  await path.run(sftp.close());
});

Deno.test("a put continues without an additional channel that is refused or broken", async () => {
  // Until FSTAT is answered, two sessions have sent a window each.
  for (const [refused, again] of [[/^OPEN .* write$/, 0], [/^FSTAT /, 128 * KIB]] as const) {
    const server = memoryServer();
    server.refuse = (line) => refused.test(line) ? 4 : undefined;
    await put({ server, options: { channels: 3 } });
    const most = 192 + 2 * Math.ceil(again / (32 * KIB));
    assert(writes(server) >= 192 && writes(server) <= most, `${writes(server)} WRITEs`);
  }
});

/** The number of WRITEs received. */
function writes({ log }: MemoryServer): number {
  return log.filter((line) => line.startsWith("WRITE")).length;
}

Deno.test("a session that does not see the others' data is not used", async () => {
  const server = memoryServer();
  let whole: MemoryFile | null = null;
  server.refuse = (line) => {
    // Like a server that shows a file once it is closed.
    if (!/^OPEN .* write$/.test(line)) return undefined;
    const path = line.split(" ")[1]!;
    whole ??= server.files.get(path)!;
    server.add(path, new Uint8Array(0));
    queueMicrotask(() => server.files.set(path, whole!));
    return undefined;
  };
  const { channels } = await put({ server, options: { channels: 3 } });
  assertEquals(channels, 3);
});

Deno.test("data lost from additional channels is detected", async () => {
  const server = memoryServer();
  const peers = new Set<RawPeer>();
  using path = pathTo(server, {}, (request, peer) => {
    peers.add(peer);
    const isLost = request.type === FXP.WRITE && [...peers].indexOf(peer) > 0;
    return isLost ? peer.send(status(request.id, 0)) : server.answer(request, peer);
  });
  const sftp = await path.client();
  const putting = path.run(sftp.put(DATA, "/file", { channels: 10 }));
  const reason = /the server has \d+ of 6291456 bytes sent over several channels/;
  assertMatch((await assertRejects(() => putting, SftpError)).message, reason);
  assertEquals(server.files.size, 0);
});

Deno.test("a write in place uses one channel, so that a failure leaves no holes", async () => {
  const { channels } = await put({ options: { atomic: false, channels: 5 } });
  assertEquals(channels, 1);
});

Deno.test("writeFile is spread on request, and holes are near the end", async () => {
  for (const [channels, opened] of [[undefined, 1], [4, 4]] as const) {
    const server = memoryServer();
    using path = pathTo(server);
    const sftp = await path.client();
    const pieces = Array.from(
      { length: 24 },
      (_, i) => DATA.slice(i * 256 * KIB, (i + 1) * 256 * KIB),
    );
    const options = channels === undefined ? {} : { channels };
    await path.run(sftp.writeFile("/file", ReadableStream.from(pieces), options));
    assert(same(server.data("/file")!, DATA));
    assertEquals(path.channels.opened, opened);
    await path.run(sftp.close());
    assertEquals(server.open, 0);
  }
  const server = memoryServer();
  using path = pathTo(server, { cutAfter: 5.5 * MIB, late: (channel) => channel * 40 });
  const sftp = await path.client();
  await assertRejects(() => path.run(sftp.writeFile("/file", DATA, { channels: 4 })), SftpError);
  const left = server.data("/file")!;
  const whole = left.length - 4 * MIB - 32 * KIB;
  assert(whole > 0 && same(left.subarray(0, whole), DATA.subarray(0, whole)));
});

Deno.test("a copy to a server over a long path is spread over its channels", async () => {
  const from = memoryServer();
  from.add("/source", DATA);
  const server = memoryServer();
  using path = pathTo(server);
  const sftp = await path.client();
  const { channel } = channelTo(from.answer);
  const source = await path.run(SftpClient.open(channel));
  await path.run(source.copy("/source", { sftp, path: "/file" }));
  assert(same(server.data("/file")!, DATA));
  assert(path.channels.opened >= 4, `${path.channels.opened}`);
  await path.run(Promise.all([sftp.close(), source.close()]));
});

Deno.test("a channel is closed for another session, and the file is complete", async () => {
  const { notes } = await put({
    options: { channels: 3 },
    meanwhile: (path) => path.giveWay(),
  });
  assertEquals(notes[1], "A channel was closed to make room for another session");
});

Deno.test("losing only an additional channel does not fail the put", async () => {
  await put({ options: { channels: 3 }, meanwhile: (path) => path.lose() });
});

Deno.test("a put is complete although a further channel stops answering", async () => {
  for (const numbersHandles of [false, true]) {
    for (const type of [FXP.OPEN, FXP.FSTAT, FXP.WRITE, FXP.CLOSE]) {
      const server = memoryServer();
      const answer = numbered(server);
      const silent = new Set<RawPeer>();
      let own: RawPeer | null = null;
      using path = pathTo(server, { numbersHandles, window: 512 * KIB }, (request, peer) => {
        own ??= peer;
        if (request.type === type && peer !== own) silent.add(peer);
        return silent.has(peer) ? Promise.resolve() : answer(request, peer);
      });
      const sftp = await path.client();
      await path.run(sftp.put(DATA, "/file", { channels: 3, timeout: 1000 }));
      assertEquals(silent.size, 2);
      assert(same(server.data("/file")!, DATA));
      await path.run(sftp.close());
    }
  }
});

Deno.test("losing an additional channel at the end, when the file is being closed, does not fail the put", async () => {
  const server = memoryServer();
  using path = pathTo(server);
  const sftp = await path.client();
  await path.run(sftp.put(DATA, "/file", {
    channels: 3,
    // The last window of each channel is still on its way.
    onProgress: ({ transferred }) => transferred === DATA.length && path.lose(),
  }));
  assert(same(server.data("/file")!, DATA));
  assertEquals([...server.files.keys()], ["/file"]);
  await path.run(sftp.close());
  assertEquals([server.open, path.channels.open], [0, 0]);
});

Deno.test("over several channels, a server that tells an old size until writes are answered is asked again", async () => {
  const server = memoryServer();
  let looks = 0;
  using path = pathTo(server, {}, (request, peer) => {
    const { type, id } = request;
    // After those of the two further channels at the beginning.
    const isOld = type === FXP.FSTAT && ++looks > 2 && looks <= 5;
    if (!isOld) return server.answer(request, peer);
    return peer.send(msg.Attrs.encode(id, { attributes: { size: 1000, mode: 0o100644 } }));
  });
  const sftp = await path.client();
  await path.run(sftp.put(DATA, "/file", { channels: 3 }));
  assertEquals(looks, 6);
  assert(same(server.data("/file")!, DATA));
  await path.run(sftp.close());
  assertEquals(server.open, 0);
});

Deno.test("over several channels, the renaming arrives one round trip after the last write", async () => {
  for (const preserve of [false, true]) {
    const server = memoryServer();
    const times = new Map<number, number>();
    using path = pathTo(server, {}, (request, peer) => {
      times.set(request.type, path.now);
      return server.answer(request, peer);
    });
    const sftp = await path.client();
    await path.run(sftp.put(DATA, "/file", { channels: 3, preserve }));
    const between = times.get(FXP.EXTENDED)! - times.get(FXP.WRITE)!;
    assertEquals(between, preserve ? 100 : 50); // times must be set after all writes
    await path.run(sftp.close());
  }
});

Deno.test("a channel lost with its connection is replaced", async () => {
  for (const [channels, connections, opened] of [[3, 3, 4], [3, undefined, 3]] as const) {
    const { notes, channels: all } = await put({
      options: { channels },
      path: connections === undefined ? {} : { connections },
      meanwhile: (path) => path.lose(),
    });
    assertEquals(all, opened);
    const isReplaced = notes.includes("Spreading over 3 channels: in place of lost ones");
    assertEquals(isReplaced, connections !== undefined);
  }
});

Deno.test("a server that ends each additional channel gets a limited number of opens", async () => {
  let path: LongPath | null = null;
  const { channels } = await put({
    options: {
      channels: 4,
      onProgress: () => path !== null && path.channels.open > 1 && path.lose(),
    },
    path: { connections: 4 },
    meanwhile: (its) => path = its,
  });
  assert(channels > 4 && channels < 8, `${channels} channels`);
});

Deno.test("a refused write fails the put, and leaves nothing", async () => {
  for (const resume of [false, true]) {
    const server = memoryServer();
    server.refuse = (line) => /^WRITE .* 2\d{6} /.test(line) ? 3 : undefined;
    using path = pathTo(server);
    const sftp = await path.client();
    const putting = sftp.put(DATA, "/file", { channels: 3, resume });
    const error = await assertRejects(() => path.run(putting), SftpError);
    assertEquals([error.operation, error.path, error.status], ["write", "/file", 3]);
    await path.run(sftp.close());
    assertEquals(server.files.has("/file"), false);
    assertEquals(server.files.size, resume ? 1 : 0);
  }
});

Deno.test("an abort ends a put over all channels", async () => {
  const server = memoryServer();
  using path = pathTo(server);
  const sftp = await path.client();
  const controller = new AbortController();
  const putting = sftp.put(DATA, "/file", {
    channels: 4,
    signal: controller.signal,
    onProgress: ({ transferred }) => transferred > MIB && controller.abort(new Error("enough")),
  });
  await assertRejects(() => path.run(putting), Error, "enough");
  await path.run(sftp.close());
  assertEquals([server.files.size, server.open, path.channels.open], [0, 0, 0]);
});

Deno.test("progress over several channels never decreases, and a rate limit applies to their sum", async () => {
  const seen: number[] = [];
  const { milliseconds } = await put({
    data: DATA.subarray(0, 2 * MIB),
    options: {
      channels: 4,
      rateLimit: MIB,
      onProgress: ({ transferred }) => void seen.push(transferred),
    },
  }).catch((error) => {
    throw error;
  });
  assert(seen.length > 3);
  assertEquals(seen, seen.toSorted((a, b) => a - b));
  assert(milliseconds >= 2000, `${milliseconds} ms`);
});

Deno.test("the distance from the first missing byte to the last written one is at most the limit in flight", async () => {
  const server = memoryServer();
  const inFlight = 512 * KIB;
  const pieces = new Map<number, number>();
  let [most, whole, end] = [0, 0, 0];
  server.refuse = (line) => {
    const [name, , offset, length] = line.split(" ");
    if (name !== "WRITE") return undefined;
    pieces.set(Number(offset), Number(length));
    end = Math.max(end, Number(offset) + Number(length));
    while (pieces.has(whole)) whole += pieces.get(whole)!;
    most = Math.max(most, end - whole);
    return undefined;
  };
  const late = (channel: number) => channel * 60;
  await put({ server, options: { channels: 8, inFlight }, path: { late } });
  assert(most > 64 * KIB && most <= inFlight + 32 * KIB, `${most}`);
});

fuzzTest(
  "a put over several channels, cut at any of 200 places, is resumed and complete",
  async (random) => {
    const data = noise(MIB + 12_345);
    const old = noise(50_000, 7);
    for (let round = 0, all = 0; all < 200 * LONG; round++) {
      const server = memoryServer();
      server.add("/file", old);
      const resume = random(4) > 0;
      const options = {
        channels: 2 + random(3),
        resume,
        inFlight: (2 + random(6)) * 64 * KIB,
        verify: random(10) === 0,
      };
      let cuts = 0;
      let sent = 0;
      for (let isWhole = false; !isWhole;) {
        const lateness = Array.from({ length: 4 }, () => random(60));
        const cutAfter = cuts > 2 ? Infinity : random(data.length + 100_000);
        using path = pathTo(server, { cutAfter, late: (channel) => lateness[channel % 4]! });
        try {
          const sftp = await path.client();
          await path.run(sftp.put(data, "/file", options));
          isWhole = true;
        } catch (error) {
          cuts++;
          all++;
          assert(error instanceof SftpError || String(error).includes("cut"), `${error}`);
          const there = server.data("/file")!;
          // The last answer may have been lost.
          assert(same(there, old) || same(there, data), `round ${round}: neither old nor new`);
        }
        sent += path.arrived;
      }
      assert(same(server.data("/file")!, data), `round ${round}, ${JSON.stringify(options)}`);
      if (cuts === 0) assert(sent < 1.2 * data.length);
    }
  },
);

fuzzTest(
  "a large part written over several channels has a separate name, and is resumed",
  async (random) => {
    const data = noise(14 * MIB);
    const narrow = async () => {
      const server = memoryServer();
      using path = pathTo(server, { window: MIB, cutAfter: 5 * MIB });
      const sftp = await path.client();
      await assertRejects(() => path.run(sftp.put(data, "/file", { resume: true, channels: 1 })));
      return [...server.files.keys()];
    };
    const [name] = await narrow();
    for (let round = 0; round < 4 * LONG; round++) {
      const server = memoryServer();
      const options = { resume: true, channels: 3, inFlight: 4.5 * MIB };
      let arrived = 0;
      for (const cutAfter of [13.5 * MIB - random(MIB), Infinity]) {
        const lateness = [0, random(100), random(100)];
        using path = pathTo(server, {
          window: MIB,
          cutAfter,
          late: (channel) => lateness[channel % 3]!,
        });
        const sftp = await path.client();
        const putting = path.run(sftp.put(data, "/file", options));
        if (cutAfter === Infinity) await putting;
        else {
          await assertRejects(() => putting, SftpError);
          assertEquals(server.files.size, 1);
          assertEquals(server.files.has(name!), false);
        }
        arrived = path.arrived;
      }
      assert(same(server.data("/file")!, data));
      assertEquals([...server.files.keys()], ["/file"]);
      assert(arrived < data.length, `${arrived} bytes were sent again`);
    }
  },
);
