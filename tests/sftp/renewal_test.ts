/** Sessions whose channel is lost with its connection: requests that are repeated, checked or failed. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SFTP_REPEATS } from "../../lib/defaults.ts";
import { type SftpChannel, SftpClient, SftpError } from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXF, FXP } from "../../lib/sftp/protocol/numbers.ts";
import { ClientSession } from "../../lib/sftp/remote/client_session.ts";
import { FakeTime } from "../support/fake_time.ts";
import { LISTED, MemoryServer } from "./memory_server.ts";
import { channelTo, RawPeer, status } from "./raw.ts";
import { channelPair, noise, same, turn } from "./world.ts";

/** Before or after the server executes the request. */
type When = "before" | "after";

/** A server whose channel ends at a request, and a client that opens a new one. */
class Lossy implements AsyncDisposable {
  readonly server: MemoryServer = new MemoryServer();
  /** The number of channels opened. */
  channels = 0;
  /** Whether no other channel is opened. */
  isOver = false;
  /** A promise that the client awaits when it opens a new channel. */
  gate: Promise<void> = Promise.resolve();
  #lose: { type: number; when: When; times: number; meanwhile: () => void } | null = null;
  #client: SftpClient | null = null;

  async client(): Promise<SftpClient> {
    this.server.extensions.push("posix-rename@openssh.com", "copy-data");
    return this.#client = await SftpClient.open(this.#channel(), {
      reopen: async () => {
        await this.gate;
        return this.isOver ? null : this.#channel();
      },
    });
  }

  /** Ends the channel at the next request of a type, or at the given number of them. */
  lose(type: number, when: When = "before", meanwhile: () => void = () => {}, times = 1): void {
    this.#lose = { type, when, times, meanwhile };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.close();
  }

  #channel(): SftpChannel {
    this.channels++;
    const extensions = this.server.extensions.map((name): [string, string] => [name, "1"]);
    const mute = { send: () => Promise.resolve() } as RawPeer;
    return channelTo(async (request, peer) => {
      if (this.#lose?.type !== request.type) return await this.server.answer(request, peer);
      const { when, meanwhile } = this.#lose;
      if (--this.#lose.times === 0) this.#lose = null;
      if (when === "after") await this.server.answer(request, mute);
      meanwhile();
      await peer.channel.close();
    }, { extensions }).channel;
  }
}

const WHEN: readonly When[] = ["before", "after"];
const DATA = noise(100_000);

/** Rejects with an error about the loss, in a session that continues. */
async function lost(sftp: SftpClient, run: () => Promise<unknown>, why: string): Promise<void> {
  const error = await assertRejects(run, SftpError, `the connection was lost, and ${why}`);
  assert(error.cause instanceof SftpError);
  assertEquals(await sftp.exists("/"), true);
}

for (const when of WHEN) {
  Deno.test(`a request that can be verified succeeds if its answer is lost ${when} it is executed`, async () => {
    await using world = new Lossy();
    const { server } = world;
    const sftp = await world.client();
    server.add("/a", DATA);
    const cases: [number, () => Promise<unknown>, () => boolean][] = [
      [FXP.STAT, () => sftp.stat("/a"), () => true],
      [FXP.SETSTAT, () => sftp.chmod("/a", 0o600), () => server.files.get("/a")!.mode === 0o100600],
      [FXP.EXTENDED, () => sftp.rename("/a", "/b"), () => server.files.has("/b")],
      [
        FXP.RENAME,
        () => sftp.rename("/b", "/a", { overwrite: false }),
        () => server.files.has("/a") && !server.files.has("/b"),
      ],
      [FXP.SYMLINK, () => sftp.symlink("a", "/link"), () => server.links.get("/link") === "a"],
      [FXP.READLINK, () => sftp.readLink("/link"), () => true],
      [FXP.REALPATH, () => sftp.realPath("/a"), () => true],
      [FXP.REMOVE, () => sftp.remove("/link"), () => !server.links.has("/link")],
      [FXP.OPEN, () => sftp.readFile("/a"), () => true],
      [FXP.READ, async () => assert(same(await sftp.readFile("/a"), DATA)), () => true],
      [FXP.CLOSE, () => sftp.writeFile("/a", DATA), () => same(server.data("/a")!, DATA)],
      [FXP.WRITE, () => sftp.writeFile("/a", DATA), () => same(server.data("/a")!, DATA)],
    ];
    for (const [at, [type, run, isRight]] of cases.entries()) {
      world.lose(type, when);
      await run();
      assertEquals([isRight(), world.channels], [true, at + 2], `${at}`);
    }
  });
}

Deno.test("an exclusive creation fails if the name exists, and succeeds otherwise", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  world.lose(FXP.MKDIR, "before");
  await sftp.mkdir("/one");
  world.lose(FXP.MKDIR, "after");
  await lost(sftp, () => sftp.mkdir("/two"), "it exists now");
  world.lose(FXP.MKDIR, "after");
  await sftp.ensureDir("/three");
  assertEquals([...server.folders.keys()], ["/", "/one", "/two", "/three"]);
  const create = { write: true, createNew: true };
  world.lose(FXP.OPEN, "before");
  await (await sftp.open("/new", create)).close();
  world.lose(FXP.OPEN, "after");
  await lost(sftp, () => sftp.open("/newer", create), "it exists now");
  world.lose(FXP.OPEN, "after"); // only this transfer uses the hidden name of its part
  await sftp.put(DATA, "/put");
  assert(same(server.data("/put")!, DATA));
  assertEquals([...server.files.keys()].filter((name) => name.endsWith(".part")), []);
});

Deno.test("a request that was executed after its check is not refused", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  server.add("/a", DATA);
  let refused = false;
  server.refuse = (line) => {
    // As if the server processed data of the lost connection late.
    if (line !== "REMOVE /a") return undefined;
    refused = true;
    server.files.delete("/a");
    return 2;
  };
  world.lose(FXP.REMOVE, "before");
  await sftp.remove("/a");
  assertEquals(refused, true);
});

Deno.test("the check after a refused repetition can be aborted", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  server.add("/a", DATA);
  let checks = 0;
  server.refuse = (line) => {
    if (line === "REMOVE /a") return 3;
    if (line !== "LSTAT /a" || ++checks === 1) return undefined;
    return new Promise(() => {});
  };
  world.lose(FXP.REMOVE, "before");
  const abort = new AbortController();
  const { signal } = abort;
  const removing = assertRejects(() => sftp.remove("/a", { signal }), Error, "enough");
  while (checks < 2) await turn();
  abort.abort(new Error("enough"));
  await removing;
});

Deno.test("a repeated creation that is refused because the name exists now may have been done", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  server.refuse = (line) => {
    if (line !== "MKDIR /new") return undefined;
    server.folders.set("/new", 0o755);
    return 4;
  };
  world.lose(FXP.MKDIR, "before");
  await lost(sftp, () => sftp.mkdir("/new"), "it exists now");
});

Deno.test("a repeated request that is refused, and was not executed, fails with the refusal", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  server.add("/a", DATA);
  server.refuse = (line) => line === "REMOVE /a" ? 3 : undefined;
  world.lose(FXP.REMOVE, "before");
  const error = await assertRejects(() => sftp.remove("/a"), SftpError);
  assertEquals([error.status, server.files.has("/a")], [3, true]);
});

Deno.test("a request found undone after another loss waits for the next channel, and is done once", async () => {
  using time = new FakeTime();
  const server = new MemoryServer();
  server.add("/a", DATA);
  const peers: RawPeer[] = [];
  const open = () => {
    const { channel, peer } = channelTo((request, peer) =>
      peer === peers[0] ? peer.channel.close() : server.answer(request, peer)
    );
    peers.push(peer);
    return channel;
  };
  const [lostAgain, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const reopen = async () => {
    if (peers.length === 2) {
      lostAgain.resolve();
      await gate.promise;
    }
    return open();
  };
  const session = await ClientSession.open(open(), { timeout: 100, reopen });
  const request = session.request.bind(session);
  let checks = 0;
  session.request = (async (...args: Parameters<typeof request>) => {
    const answer = await request(...args);
    // The channel is lost when the answer to the check has arrived.
    if (++checks === 1) {
      await peers[1]!.channel.close();
      await lostAgain.promise;
    }
    return answer;
  }) as typeof session.request;
  const call = { operation: "remove", path: "/a" };
  const removing = request(msg.Remove, { path: "/a" }, msg.Status, call);
  await lostAgain.promise;
  assertEquals(time.timers, 0); // no time-out runs while there is no channel
  await time.advance(1000);
  gate.resolve();
  await removing;
  assertEquals(server.log, ["LSTAT /a", "LSTAT /a", "REMOVE /a"]);
  await session.close();
  assertEquals(time.timers, 0);
});

Deno.test("a request that is repeated on a new channel times out there", async () => {
  using time = new FakeTime();
  const first = channelTo((_, peer) => peer.channel.close());
  const second = channelTo(() => {});
  const reopen = () => Promise.resolve(second.channel);
  const session = await ClientSession.open(first.channel, { timeout: 100, reopen });
  const call = { operation: "stat", path: "/a" };
  let late = false;
  const asking = session.request(msg.Stat, { path: "/a" }, msg.Attrs, call);
  const failing = assertRejects(() => asking, SftpError, "no answer in 100 ms");
  failing.then(() => late = true);
  await time.advance(99);
  assertEquals(late, false);
  await time.advance(1);
  assertEquals(late, true);
  await time.settle(session.close());
});

/** A channel that ends with its VERSION. */
function brief(): SftpChannel {
  return {
    ...channelPair()[0],
    async consume(take) {
      await turn();
      take(msg.encodeVersion(FXP.VERSION, 3));
    },
  };
}

Deno.test("a request is not sent on a channel that has ended with its VERSION", async () => {
  const first = channelTo(() => {});
  let asked = 0;
  const third = channelTo(({ id }, peer) => {
    asked++;
    return peer.send(status(id, 0));
  });
  const gate = Promise.withResolvers<void>();
  const lost = Promise.withResolvers<void>();
  let channels = 1;
  const reopen = async () => {
    if (++channels === 2) return brief();
    lost.resolve();
    await gate.promise;
    return third.channel;
  };
  const session = await ClientSession.open(first.channel, { reopen });
  await first.peer.channel.close();
  await lost.promise;
  await turn();
  // A request that is never repeated.
  const fields = { request: "once", data: new Uint8Array(0) };
  const call = { operation: "once", path: null };
  const asking = session.request(msg.Extended, fields, msg.Status, call);
  gate.resolve();
  await asking;
  assertEquals([asked, channels], [1, 3]);
  await session.close();
});

Deno.test("a file is reopened once after a channel that has ended with its VERSION", async () => {
  const server = new MemoryServer();
  server.add("/a", DATA);
  const first = channelTo(server.answer);
  const next = [brief(), channelTo(server.answer).channel];
  const reopen = () => Promise.resolve(next.shift()!);
  const session = await ClientSession.open(first.channel, { reopen });
  const call = { operation: "open", path: "/a" };
  const file = await session.open("/a", FXF.READ, {}, call);
  await first.peer.channel.close();
  await session.request(msg.Fstat, file, msg.Attrs, call, file);
  await session.command(msg.Close, file, call, file);
  const opened = server.log.filter((line) => line.startsWith("OPEN "));
  assertEquals([opened.length, server.open, next.length], [2, 1, 0]);
  await session.close();
});

Deno.test("late answers on a lost channel do not count, and its end is no further loss", async () => {
  const [near, far] = channelPair();
  const broken: SftpChannel = {
    ...near,
    writeAll: (...chunks) =>
      chunks[0]![4] === FXP.INIT
        ? near.writeAll(...chunks)
        : Promise.reject(new Error("only this direction")),
    close: () => Promise.resolve(), // it is still read
  };
  const gate = Promise.withResolvers<void>();
  let channels = 1;
  const attributes = (id: number, size: number) => msg.Attrs.encode(id, { attributes: { size } });
  const reopen = async () => {
    channels++;
    await gate.promise;
    return channelTo(({ id }, peer) => peer.send(attributes(id, 2))).channel;
  };
  const opening = ClientSession.open(broken, { reopen });
  const old = new RawPeer(far);
  await old.send(msg.encodeVersion(FXP.VERSION, 3));
  const session = await opening;
  const call = { operation: "stat", path: "/a" };
  const asking = session.request(msg.Stat, { path: "/a" }, msg.Attrs, call);
  while (channels < 2) await turn();
  await old.send(attributes(1, 1));
  await turn();
  await far.close();
  await turn();
  gate.resolve();
  assertEquals([(await asking).attributes.size, channels], [2, 2]);
  await session.close();
});

Deno.test("a first channel that is lost before its VERSION is not replaced", async () => {
  const [near, far] = channelPair();
  let reopened = 0;
  const reopen = () => {
    reopened++;
    return Promise.resolve(null);
  };
  const failed = assertRejects(() => ClientSession.open(near, { reopen }), SftpError);
  await far.close();
  await failed;
  assertEquals(reopened, 0);
});

Deno.test("a channel that opens after the end of its session is closed", async () => {
  const first = channelTo((_, peer) => peer.channel.close());
  const late = channelTo(() => {});
  let closes = 0;
  const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const reopen = async () => {
    asked.resolve();
    await gate.promise;
    return { ...late.channel, close: () => (closes++, late.channel.close()) };
  };
  const session = await ClientSession.open(first.channel, { reopen });
  const call = { operation: "stat", path: "/a" };
  const asking = session.request(msg.Stat, { path: "/a" }, msg.Attrs, call);
  const failing = assertRejects(() => asking, Error, "SFTP session is closed");
  await asked.promise;
  await session.close();
  await failing;
  gate.resolve();
  await turn();
  assertEquals(closes, 1);
});

Deno.test("an appending write is never repeated", async () => {
  await using world = new Lossy();
  const sftp = await world.client();
  const file = await sftp.open("/log", { append: true, create: true });
  await file.write(DATA.subarray(0, 10));
  world.lose(FXP.WRITE, "after");
  await lost(sftp, () => file.write(DATA.subarray(10, 20)), "it may or may not have been done");
  assertEquals(world.server.log.filter((line) => line.startsWith("WRITE")).length, 2);
  await file.write(DATA.subarray(20, 30)); // it is open again
  await file.close();
});

Deno.test("a request that waited for a channel that is lost, too, counts as sent", async () => {
  await using world = new Lossy();
  const sftp = await world.client();
  const file = await sftp.open("/log", { append: true, create: true });
  const gate = Promise.withResolvers<void>();
  world.gate = gate.promise;
  world.lose(FXP.STAT);
  const asking = sftp.stat("/");
  for (let i = 0; i < 5; i++) await turn();
  world.lose(FXP.WRITE, "after");
  const writing = file.write(DATA.subarray(0, 10));
  gate.resolve();
  await lost(sftp, () => writing, "it may or may not have been done");
  await asking;
  assertEquals(world.server.data("/log")!.length, 10);
  await file.close();
});

Deno.test("a file that is appended to is open again although another one has emptied it", async () => {
  await using world = new Lossy();
  const sftp = await world.client();
  const file = await sftp.open("/log", { append: true, create: true });
  await file.write(DATA.subarray(0, 10));
  world.lose(FXP.STAT, "before", () => world.server.files.get("/log")!.data = new Uint8Array(0));
  await sftp.stat("/");
  await file.write(DATA.subarray(10, 20));
  await file.close();
  assertEquals(world.server.log.filter((line) => line.startsWith("WRITE")).length, 2);
});

Deno.test("a read of a file that is appended to is repeated", async () => {
  await using world = new Lossy();
  const sftp = await world.client();
  const file = await sftp.open("/log", { append: true, read: true, create: true });
  await file.write(DATA.subarray(0, 10));
  world.lose(FXP.READ, "after");
  const back = new Uint8Array(10);
  assertEquals(await file.readAt(back, 0), 10);
  assert(same(back, DATA.subarray(0, 10)));
  await file.close();
});

Deno.test("a loss during the check of a request repeats the check alone", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  server.add("/a", DATA);
  world.lose(FXP.EXTENDED, "after", () => world.lose(FXP.LSTAT));
  await sftp.rename("/a", "/b");
  assertEquals([world.channels, [...server.files.keys()].includes("/b")], [3, true]);
  // The check looks at both names; the server has seen one of them before the loss.
  const looks = server.log.filter((line) => line.startsWith("LSTAT"));
  assertEquals(looks, ["LSTAT /b", "LSTAT /a", "LSTAT /b"]);
});

Deno.test("open files are reopened with their options, without truncation", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  const file = await sftp.open("/a", { write: true, read: true, create: true, truncate: true });
  await file.writeAt(DATA, 0);
  await sftp.rename("/a", "/b"); // under its new name
  world.lose(FXP.READ);
  const back = new Uint8Array(100);
  assertEquals(await file.readAt(back, 50), 100);
  assert(same(back, DATA.subarray(50, 150)));
  assertEquals(server.log.filter((line) => /^OPEN/.test(line)).at(-1), "OPEN /b read+write");
  world.lose(FXP.FSTAT);
  assertEquals((await file.stat()).size, DATA.length);
  await file.truncate(10);
  world.lose(FXP.FSETSTAT);
  await file.chmod(0o600);
  assertEquals(server.files.get("/b")!.mode & 0o777, 0o600);
  await file.close();
});

Deno.test("each open file with a name is reopened under its new one", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  server.add("/a", DATA);
  server.add("/c", DATA);
  const files = [await sftp.open("/a"), await sftp.open("/c"), await sftp.open("/a")];
  await sftp.rename("/a", "/b");
  world.lose(FXP.FSTAT);
  for (const file of files) assertEquals((await file.stat()).size, DATA.length);
  const opened = server.log.filter((line) => /^OPEN/.test(line)).slice(3);
  assertEquals(opened.map((line) => line.split(" ")[1]), ["/b", "/c", "/b"]);
  for (const file of files) await file.close();
});

Deno.test("an open file gets the name of a renaming that was executed late", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  server.add("/a", DATA);
  const file = await sftp.open("/a");
  server.refuse = (line) => {
    const moved = line.startsWith("LSTAT") ? server.files.get("/a") : undefined;
    if (moved === undefined) return undefined;
    server.files.set("/b", moved);
    server.files.delete("/a");
    return undefined;
  };
  world.lose(FXP.EXTENDED, "before");
  await sftp.rename("/a", "/b");
  world.lose(FXP.FSTAT);
  assertEquals((await file.stat()).size, DATA.length);
  assertEquals(server.log.filter((line) => line.startsWith("OPEN")).at(-1), "OPEN /b read");
  await file.close();
});

Deno.test("a request that was found done is waited for no longer", async () => {
  using time = new FakeTime();
  const server = new MemoryServer();
  server.add("/a", DATA);
  const mute = { send: () => Promise.resolve() } as RawPeer;
  const first = channelTo(async (request, peer) => {
    await server.answer(request, mute);
    await peer.channel.close();
  });
  const endless = { ...channelTo(server.answer).channel, closeWrite: () => Promise.resolve() };
  const reopen = () => Promise.resolve(endless);
  const session = await ClientSession.open(first.channel, { reopen });
  const call = { operation: "remove", path: "/a" };
  await session.command(msg.Remove, { path: "/a" }, call);
  await session.close();
  assertEquals([time.now, server.log], [0, ["REMOVE /a", "LSTAT /a"]]);
});

Deno.test("a closed file is not opened again after a loss, and its requests are not repeated", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  server.add("/a", DATA);
  const file = await sftp.open("/a");
  let reads = 0;
  server.refuse = (line) => /^READ/.test(line) && ++reads === 1 ? new Promise(() => {}) : undefined;
  const reading = file.readAt(new Uint8Array(10), 0);
  const failed = lost(sftp, () => reading, "the file was closed before");
  await file.close(); // it is answered before the READ
  world.lose(FXP.STAT);
  assertEquals([(await sftp.stat("/a")).size, world.channels], [DATA.length, 2]);
  await failed;
  const count = (name: string) => server.log.filter((line) => line.startsWith(name)).length;
  assertEquals([count("OPEN "), count("READ "), server.open], [1, 1, 0]);
});

Deno.test("a file that was replaced after the loss is not continued", async () => {
  await using world = new Lossy();
  const { server } = world;
  const sftp = await world.client();
  const changes: [string, () => void][] = [
    ["it is another file now", () => server.add("/a", noise(99_999))],
    [
      "it is another file now",
      () => server.files.set("/a", { ...server.files.get("/a")!, mtime: 9 }),
    ],
    ["it could not be opened again", () => server.files.delete("/a")],
  ];
  for (const [why, change] of changes) {
    server.add("/a", DATA);
    const file = await sftp.open("/a");
    world.lose(FXP.READ, "before", change);
    await lost(sftp, () => file.readAt(new Uint8Array(10), 0), why);
    await file.close();
  }
  // Each other file that was opened is closed.
  assertEquals(server.log.filter((line) => line === "CLOSE /a").length, 2);
  const file = await sftp.open("/w", { write: true, create: true });
  await file.writeAt(DATA, 0);
  await file.writeAt(DATA.subarray(0, 10), 0); // not its end
  world.lose(FXP.WRITE, "before", () => server.add("/w", DATA.subarray(0, 99_999)));
  await lost(sftp, () => file.writeAt(DATA, 0), "it has 99999 bytes, and 100000 were written");
  await assertRejects(() => file.close(), SftpError, "99999 bytes");
});

Deno.test("a listing restarts, and yields each name once", async () => {
  await using world = new Lossy();
  const sftp = await world.client();
  const names = Array.from({ length: 3 * LISTED }, (_, at) => `${1000 + at}`);
  for (const name of names) world.server.add(`/${name}`, new Uint8Array(0));
  const listed: string[] = [];
  for await (const { name } of sftp.readDir("/")) {
    listed.push(name);
    if (listed.length === LISTED + 10) world.lose(FXP.READDIR);
  }
  assertEquals([listed.sort(), world.channels], [names, 2]);
});

Deno.test("the handle of a folder that was open before a loss is not used after it", async () => {
  const server = new MemoryServer();
  const first = channelTo(server.answer);
  const reopen = () => Promise.resolve(channelTo(server.answer).channel);
  const session = await ClientSession.open(first.channel, { reopen });
  const call = { operation: "readDir", path: "/" };
  const folder = await session.openFolder("/", call);
  await first.peer.channel.close();
  await session.request(msg.Stat, { path: "/" }, msg.Attrs, call);
  const why = "the connection was lost, and with it the place in the listing";
  const reading = () => session.request(msg.Readdir, folder, msg.Name, call, folder);
  await assertRejects(reading, SftpError, why);
  assertEquals(server.log, ["OPENDIR /", "STAT /"]);
  await session.close();
});

Deno.test("a request that ends each channel fails, and others do not", async () => {
  await using world = new Lossy();
  const sftp = await world.client();
  world.server.add("/a", DATA);
  const file = await sftp.open("/a"); // whose opening on each channel is not an answer to the request
  world.lose(FXP.READLINK, "before", () => {}, 20);
  const why = `the request is unanswered after ${SFTP_REPEATS + 1} losses`;
  const bad = lost(sftp, () => sftp.readLink("/a"), why);
  assertEquals((await sftp.stat("/a")).size, DATA.length);
  await bad;
  await file.close();
});

Deno.test("after many losses a request that was never sent is not given up", async () => {
  await using world = new Lossy();
  const sftp = await world.client();
  world.server.add("/a", DATA);
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  let losses = 0;
  const count = () => {
    if (++losses <= SFTP_REPEATS) return;
    world.gate = gate;
    close();
  };
  world.lose(FXP.READLINK, "before", count, SFTP_REPEATS + 1);
  const end = new AbortController();
  const aborted = assertRejects(() => sftp.readLink("/a", { signal: end.signal }), Error, "enough");
  await closed;
  end.abort(new Error("enough"));
  await aborted;
  const waiting = sftp.stat("/a");
  open();
  assertEquals((await waiting).size, DATA.length);
});

Deno.test("requests wait for the next channel, and can be aborted meanwhile", async () => {
  await using world = new Lossy();
  const sftp = await world.client();
  world.server.add("/a", DATA);
  const gate = Promise.withResolvers<void>();
  world.gate = gate.promise;
  world.lose(FXP.STAT);
  const abort = new AbortController();
  const first = sftp.stat("/a");
  const given = assertRejects(() => sftp.stat("/a", { signal: abort.signal }), Error, "enough");
  for (let i = 0; i < 5; i++) await turn();
  const late = sftp.lstat("/a");
  abort.abort(new Error("enough"));
  await given;
  gate.resolve();
  assertEquals([(await first).size, (await late).size], [DATA.length, DATA.length]);
  await sftp.exists("/"); // after everything that was sent
  const sent = world.server.log.filter((line) => line === "LSTAT /a");
  assertEquals([sent.length, world.channels], [1, 2]);
});

/**
 * A client of channels that end after `life` bytes of requests and answers. As on a long path, answers arrive
 * when the client waits for them.
 */
async function mortal(life: number, server: MemoryServer) {
  let channels = 0;
  const open = () => {
    channels++;
    let left = life;
    let requests = 0;
    const answers: Uint8Array[] = [];
    const keep = { send: (...frames) => Promise.resolve(void answers.push(...frames)) } as RawPeer;
    return channelTo(async (request, { channel }) => {
      left -= msg.FRAME_HEADER + request.body.length;
      if (left < 0) return await channel.close();
      await server.answer(request, keep);
      const count = ++requests;
      turn().then(async () => {
        if (count < requests) return; // the client was not waiting
        for (const frame of answers.splice(0)) {
          left -= frame.length;
          if (left < 0) return await channel.close();
          await channel.writeAll(frame);
        }
      }).catch(() => {});
    }).channel;
  };
  const sftp = await SftpClient.open(open(), { reopen: () => Promise.resolve(open()) });
  return { sftp, channels: () => channels };
}

for (const [life, size] of [[256, 4096], [24, 384]] as const) {
  Deno.test(`${size} KiB are put and got over channels that end after ${life} KiB`, async () => {
    const server = new MemoryServer();
    const { sftp, channels } = await mortal(life * 1024, server);
    const data = noise(size * 1024);
    await sftp.put(data, "/large");
    assert(same(server.data("/large")!, data));
    assert(same(await sftp.readFile("/large"), data));
    const file = await sftp.open("/large");
    const bytes = new Uint8Array(30_000); // one READ
    assertEquals(await file.readAt(bytes, 5), bytes.length);
    assert(same(bytes, data.subarray(5, 5 + bytes.length)));
    await file.close();
    // The bytes alone take 32. Requests of full length take five times as many, or fail.
    assert(channels() < 100, `${channels()} channels`);
    await sftp.close();
  });
}

Deno.test("a session ends if only its channel was lost, or if it is closed meanwhile", async () => {
  await using world = new Lossy();
  const sftp = await world.client();
  world.isOver = true;
  world.lose(FXP.STAT);
  await assertRejects(() => sftp.stat("/"), SftpError, "the server closed the channel");
  await assertRejects(() => sftp.stat("/"), SftpError, "the server closed the channel");

  await using other = new Lossy();
  const closed = await other.client();
  const gate = Promise.withResolvers<void>();
  other.gate = gate.promise;
  other.lose(FXP.STAT);
  const waiting = assertRejects(() => closed.stat("/"), Error, "SFTP session is closed");
  for (let i = 0; i < 5; i++) await turn();
  await closed.close();
  await waiting;
  gate.resolve();
  await turn();
});
