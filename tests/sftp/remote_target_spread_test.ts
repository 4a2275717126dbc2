/** A server's file written by a transfer over several sessions. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { plainMessage } from "../../lib/error_messages.ts";
import { SftpError, SftpStatus, type SftpTransferOptions } from "../../lib/sftp/mod.ts";
import type { FurtherSessions } from "../../lib/sftp/remote/further_sessions.ts";
import { Lane } from "../../lib/sftp/remote/lane.ts";
import type { RemoteFileSystem } from "../../lib/sftp/remote/remote_file_system.ts";
import type { TransferTarget } from "../../lib/sftp/transfer/file_store.ts";
import { remoteTarget } from "../../lib/sftp/transfer/remote_target.ts";
import { partName } from "../../lib/sftp/transfer/resume.ts";
import { replaced } from "../support/replaced.ts";
import { data, hidden, INFO, plain, type World, world } from "./target_world.ts";
import { same, turn } from "./world.ts";

const { FAILURE } = SftpStatus;

/**
 * A target that may be spread over one further session, in which its file is not opened unless given. The
 * session is open after `opening`, if that is given.
 */
async function spread(
  w: World,
  part: string | null,
  wide: string | null,
  lane: (path: string) => Promise<Lane | null> = () => Promise.resolve(null),
  options: SftpTransferOptions = { resume: true },
  opening: Promise<void> | null = null,
): Promise<{ target: TransferTarget; opened: string[] }> {
  const opened: string[] = [];
  const session = {
    lane(path: string) {
      opened.push(plain(path));
      return lane(path);
    },
  };
  const further = {
    begin() {},
    for: () => further.opening === null ? [session] : [],
    opening: opening?.then(() => void (further.opening = null)) ?? null,
    windows: () => 0,
  };
  const settings = { options, limits: {}, inFlight: 1000, warn() {} };
  const request = { path: "/dir/file", name: "/source", info: INFO, inside: false };
  const target = await remoteTarget(w.remote, request, part, settings, {
    further: further as unknown as FurtherSessions,
    inFlight: 1000,
    part: wide,
  });
  return { target, opened };
}

/** Writes in blocks, each answered before the next. */
async function writeSlowly(target: TransferTarget, bytes = data): Promise<void> {
  for (let at = 0; at < bytes.length; at += 50_000) {
    await target.write(bytes.subarray(at, at + 50_000), () => {});
    for (let turns = 0; turns < 5; turns++) await turn();
  }
}

const [PART, WIDE] = ["a", "b"].map((digit) => `/dir/.${digit.repeat(32)}.part`) as [
  string,
  string,
];

Deno.test("a part gets its wide name before it is opened in further sessions", async () => {
  await using w = await world();
  const { target, opened } = await spread(w, PART, WIDE);
  await writeSlowly(target);
  assertEquals(opened, ["/dir/.kept"]);
  assertEquals(w.server.log.filter((line) => line.startsWith("RENAME")), [
    `RENAME ${PART} ${WIDE}`,
  ]);
  assertEquals(target.flushesLast, false); // the renaming must end before
  await target.flush();
  await target.commit(INFO);
  assertEquals(w.server.log.at(-1), `RENAME ${WIDE} /dir/file`);
  assert(same(w.server.data("/dir/file")!, data));
});

Deno.test("a part whose renaming is refused is not opened in further sessions", async () => {
  await using w = await world();
  w.server.refuse = (line) => line.startsWith(`RENAME ${PART} ${WIDE}`) ? FAILURE : undefined;
  const { target, opened } = await spread(w, PART, WIDE);
  await writeSlowly(target);
  await target.flush();
  await target.commit(INFO);
  assertEquals(opened, []);
  assert(w.server.log.includes(`RENAME ${PART} /dir/file`));
  assert(same(w.server.data("/dir/file")!, data));
});

Deno.test("a flush waits until a part has its wide name", async () => {
  await using w = await world();
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = (line) => line.startsWith("RENAME") ? gate.promise : undefined;
  const { target } = await spread(w, PART, WIDE);
  await writeSlowly(target);
  let flushed = false;
  const flushing = target.flush().then(() => flushed = true);
  for (let turns = 0; turns < 5; turns++) await turn();
  assertEquals(flushed, false);
  gate.resolve(undefined);
  await flushing;
  await target.commit(INFO);
  assertEquals(w.server.log.at(-1), `RENAME ${WIDE} /dir/file`);
});

Deno.test("a part that gets its wide name after the last block is renamed from there", async () => {
  await using w = await world();
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = (line) => line.endsWith(WIDE) ? gate.promise : undefined;
  const opening = Promise.withResolvers<void>();
  const { target } = await spread(w, PART, WIDE, undefined, undefined, opening.promise);
  await writeSlowly(target);
  assertEquals(target.flushesLast, true);
  opening.resolve();
  while (target.flushesLast) await turn(); // until the renaming has started
  const committing = target.commit(INFO);
  gate.resolve(undefined);
  await committing;
  const renames = w.server.log.filter((line) => line.startsWith("RENAME"));
  assertEquals(renames, [`RENAME ${PART} ${WIDE}`, `RENAME ${WIDE} /dir/file`]);
  assert(same(w.server.data("/dir/file")!, data));
});

Deno.test("a file without a part, or with its wide name already, is not renamed to be spread", async () => {
  for (const [part, wide] of [[null, null], [WIDE, WIDE]]) {
    await using w = await world();
    const { target, opened } = await spread(w, part!, wide!);
    await writeSlowly(target);
    assertEquals(opened.length, 1);
    await target.flush();
    await target.commit(INFO);
    const renames = w.server.log.filter((line) => line.startsWith("RENAME"));
    assertEquals([renames.length, w.server.data("/dir/file")!.length], [1, data.length]);
  }
});

Deno.test("instead of another user's part a file is spread under its own name", async () => {
  await using w = await world();
  w.server.folders.set(PART, 0o755);
  const { target, opened } = await spread(w, PART, WIDE);
  await writeSlowly(target);
  assertEquals(opened, ["/dir/.part"]);
  await target.flush();
  await target.commit(INFO);
  assertEquals(w.server.log.some((line) => line.includes(WIDE)), false);
  assert(same(w.server.data("/dir/file")!, data));
});

Deno.test("a file that is given up is closed in every session", async () => {
  await using w = await world();
  const lane = async (path: string) => new Lane(await w.remote.file(path, { write: true }));
  const { target, opened } = await spread(w, null, null, lane);
  await writeSlowly(target);
  assertEquals([opened.length, w.server.open], [1, 2]);
  await target.discard(new Error("enough"));
  for (let turns = 0; turns < 3; turns++) await turn();
  assertEquals([w.server.open, w.server.files.size], [0, 0]);
});

Deno.test("only a random name is known to be new if the connection is lost while it is opened", async () => {
  for (const resume of [false, true]) {
    await using w = await world();
    if (resume) await (await w.target({ resume })).discard(new Error("enough"));
    const made: [name: string, isOwnName: boolean | undefined][] = [];
    const { file } = w.remote;
    using _ = replaced(w.remote, "file", (path, options, about) => {
      if (options.createNew) made.push([plain(path), options.isOwnName]);
      return file.call(w.remote, path, options, about);
    });
    const target = await w.target({ resume });
    assertEquals(
      made,
      // The last one shows which user new files belong to.
      resume ? [["/dir/.kept", false], ["/dir/.part", true]] : [["/dir/.part", true]],
    );
    await target.discard(new Error("enough"));
  }
});

Deno.test("a hidden name has a form that survives the session if the session can be renewed", async () => {
  for (const isRenewable of [false, true]) {
    await using w = await world();
    using _ = replaced(w.remote.session, "isRenewable", isRenewable);
    const target = await w.target();
    assertEquals(hidden(w), [isRenewable ? "/dir/.kept" : "/dir/.part"]);
    await target.discard(new Error("enough"));
  }
});

Deno.test("an abandoned file is removed over a connection that is alive", async () => {
  await using w = await world();
  const target = await w.target();
  const removed: string[] = [];
  {
    const alive = { remove: (path: string) => Promise.resolve(void removed.push(plain(path))) };
    using _ = replaced(w.remote, "alive", alive as unknown as RemoteFileSystem);
    await target.discard(new Error("enough"));
  }
  assertEquals(removed, ["/dir/.part"]);
  assertEquals(w.log().filter((line) => line.startsWith("REMOVE")), []);
});

Deno.test("an older file that is extended in place is not spread", async () => {
  for (const wide of [PART, WIDE]) {
    await using w = await world();
    w.server.add("/dir/file", data.slice(0, 100_000));
    const { target, opened } = await spread(w, PART, wide);
    await target.adopt!(data.length, () => Promise.resolve(true));
    await target.start!(target.held);
    await writeSlowly(target, data.subarray(target.held));
    assertEquals(opened, []);
    await target.flush();
    await target.commit(INFO);
    assert(same(w.server.data("/dir/file")!, data));
  }
});

Deno.test("a file sent over several channels is complete, or it is not renamed", async () => {
  for (const [isLost, isFlushed] of [[false, false], [false, true], [true, false]]) {
    await using w = await world();
    const lane = async (path: string) => {
      const elsewhere = { write: true, create: true };
      return new Lane(await w.remote.file(isLost ? "/elsewhere" : path, elsewhere));
    };
    const { target } = await spread(w, null, null, lane);
    await writeSlowly(target);
    assertEquals(target.flushesLast, true);
    if (isLost) {
      // Like the last bytes of a session that does not see the others' data.
      const [part] = [...w.server.files.keys()].filter((path) => path.startsWith("/dir/."));
      const file = w.server.files.get(part!)!;
      file.data = file.data.slice(0, 150_000);
      const error = await assertRejects(() => target.commit(INFO), SftpError);
      assertEquals(
        plainMessage(error),
        'Cannot put "/dir/file" on the server: the server has 150000 of 200000 bytes sent over ' +
          "several channels: use one (channels: 1)",
      );
      await target.discard(error);
      assertEquals(w.server.files.has("/dir/file"), false);
    } else {
      if (isFlushed) await target.flush();
      await target.commit(INFO);
      assert(same(w.server.data("/dir/file")!, data));
    }
  }
});

Deno.test("attributes of a file sent over several channels are set after all writes", async () => {
  const options = [{ preserve: true }, { owners: true }, { sync: true }, {}];
  for (const changes of options) {
    await using w = await world();
    const lane = async (path: string) => new Lane(await w.remote.file(path, { write: true }));
    const { target } = await spread(w, null, null, lane, changes);
    await writeSlowly(target);
    assertEquals(target.flushesLast, changes === options.at(-1));
    await target.discard(null);
  }
});

Deno.test("for a part written over several channels more is sent again than for one channel", async () => {
  const inFlight = 8 << 20;
  const size = 24 << 20;
  const request = { path: "/dir/file", name: "/source", info: INFO, inside: false };
  for (const [wide, blocks] of [[8 << 20, 9], [4 << 20, 5]] as const) {
    await using w = await world();
    w.server.add(`/dir/${partName(request, wide)}`, new Uint8Array(size));
    const target = await w.target({ resume: true, inFlight });
    assertEquals(target.held, size - (blocks << 20));
    await target.discard(null);
  }
});
