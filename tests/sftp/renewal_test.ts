/** Sessions whose channel is lost with its connection: requests that are repeated, checked or failed. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { SFTP_REPEATS } from "../../lib/defaults.ts";
import { SftpClient, SftpError } from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { ClientSession } from "../../lib/sftp/remote/client_session.ts";
import { FakeTime } from "../support/fake_time.ts";
import { DATA, Lossy, lost, WHEN } from "./lossy_server.ts";
import { MemoryServer } from "./memory_server.ts";
import { channelTo, type RawPeer } from "./raw.ts";
import { noise, same, turn } from "./world.ts";

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

Deno.test("a session tells whether it waits for its next channel", async () => {
  const server = new MemoryServer();
  const first = channelTo(server.answer);
  const gate = Promise.withResolvers<void>();
  const reopen = () => gate.promise.then(() => channelTo(server.answer).channel);
  const session = await ClientSession.open(first.channel, { reopen });
  assertEquals(session.isRenewing, false);
  await first.peer.channel.close();
  while (!session.isRenewing) await turn();
  gate.resolve();
  const call = { operation: "realPath", path: "/" };
  await session.request(msg.Realpath, { path: "/" }, msg.Name, call);
  assertEquals(session.isRenewing, false);
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
  assertEquals(world.channels, 1 + SFTP_REPEATS + 1);
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
