/** A server's file written by a transfer that continues a part, or an older file. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { plainMessage } from "../../lib/error_messages.ts";
import { SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import { EXTENSION } from "../../lib/sftp/protocol/numbers.ts";
import type { TransferTarget } from "../../lib/sftp/transfer/file_store.ts";
import { FakeTime } from "../support/fake_time.ts";
import { data, hidden, INFO, plain, type World, world, write } from "./target_world.ts";
import { noise, same, turn } from "./world.ts";

const { PERMISSION_DENIED } = SftpStatus;

/** How a part is recognized as our user's. */
const OWN = [
  "FSTAT /dir/.kept",
  "LSTAT /dir/.kept",
  "OPEN /dir/.part write+creat+excl",
  "FSTAT /dir/.part",
  "CLOSE /dir/.part",
  "REMOVE /dir/.part",
];

Deno.test("a part is trusted except for the bytes that may have been in flight", async () => {
  await using w = await world();
  const options = { resume: true, inFlight: 100_000 };
  const first = await w.target(options);
  assertEquals(first.held, 0);
  await first.write(data, () => {});
  await first.flush();
  await first.discard(new Error("enough"));
  w.log();
  const second = await w.target(options);
  // Three blocks of 50,000 bytes in requests of 32 KiB: one within, and two beyond.
  const window = 4 * 32_768;
  assertEquals(second.held, data.length - window);
  const bytes = new Uint8Array(10);
  assertEquals(await second.readAt!(bytes, 5), 10);
  assert(same(bytes, data.subarray(5, 15)));
  await second.start!(second.held);
  await second.write(data.subarray(second.held), () => {});
  await second.flush();
  assertEquals(w.log().filter((line) => !/^(READ|WRITE)/.test(line)), [
    "OPEN /dir/.kept read+write+creat+excl 640",
    "LSTAT /dir/file",
    "LSTAT /dir/.kept",
    "OPEN /dir/.kept read+write",
    ...OWN,
    "FSTAT /dir/.kept",
  ]);
  await second.commit(INFO);
  assertEquals(w.log(), [
    "FSTAT /dir/.kept",
    "LSTAT /dir/.kept",
    "FSETSTAT /dir/.kept mode=640",
    "CLOSE /dir/.kept",
    "RENAME /dir/.kept /dir/file",
  ]);
  assert(same(w.server.data("/dir/file")!, data));
});

Deno.test("another user's part, or a link, is neither written nor removed", async () => {
  const foreign: Record<string, (w: World, path: string) => void> = {
    "another user's": (w, path) => w.server.files.get(path)!.uid = 99,
    "a link": (w, path) => {
      w.server.add("/victim", data.slice(0, 50_000));
      w.server.files.delete(path);
      w.server.links.set(path, "/victim");
    },
    "a folder": (w, path) => {
      w.server.files.delete(path);
      w.server.folders.set(path, 0o755);
    },
  };
  for (const [what, put] of Object.entries(foreign)) {
    await using w = await world();
    await (await w.target({ resume: true })).discard(new Error("enough"));
    const [path] = [...w.server.files.keys()];
    put(w, path!);
    w.log();
    const target = await w.target({ resume: true });
    assertEquals(target.held, 0, what);
    // Nor is the content of an older file put into a new part that no later attempt would find.
    w.server.add("/dir/file", data.slice(0, 190_000));
    await target.adopt!(data.length, () => assert(false) as never);
    await write(target);
    assert(same(w.server.data("/dir/file")!, data), what);
    const log = w.log();
    assertEquals(log.filter((line) => line.startsWith("WRITE /dir/.kept")), [], what);
    // Opening a pipe would block.
    const opened = log.includes("OPEN /dir/.kept read+write");
    assertEquals(opened, what === "another user's", what);
    const all = [...w.server.files.keys(), ...w.server.links.keys(), ...w.server.folders.keys()];
    assert(all.includes(path!), what);
  }
});

/** A world in which an earlier attempt has left a part of 100,000 bytes, none of them in flight. */
async function withPart(): Promise<World & { path: string; resume(): Promise<TransferTarget> }> {
  const w = await world();
  const resume = () => w.target({ resume: true, inFlight: 32_768 });
  await (await resume()).discard(new Error("enough"));
  const [path] = [...w.server.files.keys()];
  w.server.files.get(path!)!.data = data.slice(0, 100_000);
  w.log();
  return { ...w, path: path!, resume };
}

Deno.test("a part that is swapped with another file while it is opened is not used", async () => {
  const swaps: Record<string, (w: World, path: string) => void> = {
    "a file of another size": (w, path) => w.server.add(path, noise(3)),
    "another user's": (w, path) => w.server.add(path, data.slice(0, 100_000)).uid = 99,
    "a link": (w, path) => {
      w.server.files.delete(path);
      w.server.links.set(path, "/elsewhere");
    },
    "a device of that size": (w, path) =>
      w.server.add(path, data.slice(0, 100_000)).mode = 0o020600,
  };
  for (const [what, swap] of Object.entries(swaps)) {
    await using w = await withPart();
    w.server.refuse = (line) => {
      if (line.startsWith("FSTAT /dir/.")) swap(w, w.path);
      return undefined;
    };
    const target = await w.resume();
    assertEquals(target.held, 0, what);
    await write(target);
    assertEquals(w.log().filter((line) => line.startsWith("WRITE /dir/.kept")), [], what);
  }
});

Deno.test("a part with missing attributes is trusted", async () => {
  const refusals: Record<string, (line: string, w: World) => boolean> = {
    "its size": (line) => line.startsWith("FSTAT /dir/."),
    "the renamed file": (line, w) =>
      line.startsWith("LSTAT /dir/.") && w.server.log.some((line) => line.startsWith("FSTAT")),
    "the user of a new file": (line) => line.startsWith("OPEN /dir/.") && line.includes("-"),
  };
  for (const [what, refuses] of Object.entries(refusals)) {
    await using w = await withPart();
    w.server.refuse = (line) => refuses(line, w) ? PERMISSION_DENIED : undefined;
    const target = await w.resume();
    assert(target.held > 0, what);
    await write(target);
    assertEquals([w.server.data("/dir/file")!.length, w.warnings], [data.length, []], what);
  }
});

Deno.test("a handle opened to check a part is closed before another part is made", async () => {
  for (const last of ["CLOSE /dir/.kept", "REMOVE /dir/.part"]) {
    await using w = await withPart();
    w.server.files.get(w.path)!.uid = 99;
    const gate = Promise.withResolvers<undefined>();
    w.server.refuse = (line) => plain(line) === last ? gate.promise : undefined;
    const making = w.resume();
    for (let turns = 0; turns < 5; turns++) await turn();
    const log = w.log();
    assert(log.includes(last), last);
    const made = () => log.filter((line) => line.startsWith("OPEN /dir/.part")).length;
    assertEquals(made(), 1, last); // to see which user new files belong to
    gate.resolve(undefined);
    await (await making).discard(new Error("enough"));
    log.push(...w.log());
    assertEquals([made(), hidden(w)], [2, ["/dir/.kept"]]);
  }
});

Deno.test("a resumed file gets the requested mode at the end, and is readable until then", async () => {
  await using w = await world(EXTENSION.POSIX_RENAME);
  const target = await w.target({ resume: true, mode: 0o044 });
  assertEquals(w.log()[0], "OPEN /dir/.kept read+write+creat+excl 644");
  await write(target);
  assertEquals(w.server.files.get("/dir/file")!.mode & 0o777, 0o044);
  const other = await w.target({ resume: true }, { info: { ...INFO, mode: null } });
  assertEquals(w.log().at(-3), "OPEN /dir/.kept read+write+creat+excl");
  await write(other);
  assertEquals(w.server.files.get("/dir/file")!.mode & 0o777, 0o044);
});

Deno.test("a part that another transfer has removed is not renamed", async () => {
  const swaps: Record<string, (w: World, path: string) => void> = {
    "a longer one": (w, path) => w.server.add(path, noise(200_001)),
    "a link": (w, path) => {
      w.server.add("/elsewhere", data);
      w.server.files.delete(path);
      w.server.links.set(path, "/elsewhere");
    },
  };
  const cases = Object.entries(swaps).flatMap(([what, swap]) =>
    [false, true].map((isLate) => [`${what}, ${isLate}`, swap, isLate] as const)
  );
  for (const [what, swap, isLate] of cases) {
    await using w = await world();
    const target = await w.target({ resume: true });
    const path = [...w.server.files.keys()][0]!;
    await target.write(data, () => {});
    // Without a flush the last writes are still in flight when it is looked at.
    if (!isLate) await target.flush();
    swap(w, path);
    const error = await assertRejects(() => target.commit(INFO), SftpError, undefined, what);
    assertEquals(
      plainMessage(error),
      'Cannot put "/dir/file" on the server: another transfer has taken its place',
    );
    assertEquals(w.server.files.has("/dir/file"), false);
    await target.discard(error);
  }
});

Deno.test("a part whose attributes are refused is still renamed", async () => {
  for (const request of ["FSTAT", "LSTAT /dir/."]) {
    await using w = await world();
    const target = await w.target({ resume: true });
    w.server.refuse = (line) => line.startsWith(request) ? PERMISSION_DENIED : undefined;
    await write(target);
    assert(same(w.server.data("/dir/file")!, data));
  }
});

Deno.test("a part of another file is truncated, by opening it again if needed", async () => {
  for (const refused of [false, true]) {
    await using w = await world();
    const options = { resume: true, inFlight: 1000 };
    const first = await w.target(options);
    await first.write(noise(150_000, 2), () => {});
    await first.flush();
    await first.discard(new Error("enough"));
    const target = await w.target(options);
    assert(target.held > 0);
    w.log();
    w.server.refuse = (line) => refused && line.includes("size=0") ? PERMISSION_DENIED : undefined;
    await target.start!(0);
    await target.write(data.subarray(0, 100_000), () => {});
    await target.flush();
    const log = w.log().filter((line) => !line.startsWith("WRITE"));
    assertEquals(log, [
      "FSETSTAT /dir/.kept size=0",
      ...refused ? ["OPEN /dir/.kept read+write+creat+trunc", "CLOSE /dir/.kept"] : [],
    ]);
    await target.commit(INFO);
    assert(same(w.server.data("/dir/file")!, data.subarray(0, 100_000)));
  }
  await using w = await world();
  const target = await w.target({ resume: true });
  w.log();
  await target.start!(0); // nothing is there
  assertEquals(w.log(), []);
  await target.discard(new Error("enough"));
});

Deno.test("a part that cannot be emptied in time is not opened again", async () => {
  await using w = await world();
  const options = { resume: true, inFlight: 1000 };
  const first = await w.target(options);
  await first.write(noise(150_000, 2), () => {});
  await first.flush();
  await first.discard(new Error("enough"));
  const target = await w.target(options);
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = (line) => line.includes("size=0") ? gate.promise : undefined;
  w.log();
  {
    using time = new FakeTime();
    await assertRejects(() => time.settle(target.start!(0)), SftpError);
  }
  assertEquals(w.log(), ["FSETSTAT /dir/.kept size=0"]);
  gate.resolve(undefined);
  await target.discard(new Error("enough"));
});

Deno.test("a part that is longer than the source is cut, and a hole at the end is written", async () => {
  await using w = await world();
  const options = { resume: true, inFlight: 1000 };
  const first = await w.target(options);
  await first.write(data, () => {});
  await first.flush();
  await first.discard(new Error("enough"));
  const target = await w.target(options);
  await target.start!(100_000);
  await target.write(data.subarray(100_000, 110_000), () => {});
  await target.flush();
  assertEquals(w.log().at(-1), "FSETSTAT /dir/.kept size=110000");
  await target.discard(new Error("enough"));
  const sparse = await w.target();
  await sparse.write(data.subarray(0, 10), () => {});
  await sparse.skip!(90);
  await sparse.write(data.subarray(0, 10), () => {});
  await sparse.flush();
  assertEquals(w.log().slice(-2), ["WRITE /dir/.part 0 10", "WRITE /dir/.part 100 10"]);
  await sparse.skip!(90);
  await sparse.flush();
  assertEquals(w.log(), ["WRITE /dir/.part 199 1"]); // paramiko's server cannot set a size
  await sparse.commit(null);
  assertEquals(w.server.data("/dir/file")!.length, 200);
});

Deno.test("before a hole in a part nothing is in flight", async () => {
  for (const resume of [true, false]) {
    await using w = await world();
    const target = await w.target({ resume });
    const gate = Promise.withResolvers<undefined>();
    w.server.refuse = (line) => line.startsWith("WRITE") ? gate.promise : undefined;
    await target.write(data.subarray(0, 100), () => {});
    let skipped = false;
    const skipping = target.skip!(1000).then(() => skipped = true);
    await turn();
    assertEquals(skipped, !resume);
    gate.resolve(undefined);
    await skipping;
    await target.discard(new Error("enough"));
  }
});

for (const copies of [true, false]) {
  const how = copies ? "copied by the server" : "extended";
  Deno.test(`an older file that is a prefix of the source is ${how}`, async () => {
    await using w = await world(...copies ? [EXTENSION.COPY_DATA] : [], EXTENSION.POSIX_RENAME);
    w.server.add("/dir/file", data.slice(0, 150_000), 0o604);
    const target = await w.target({ resume: true, inFlight: 1000 });
    let asked = 0;
    await target.adopt!(data.length, async (file, length) => {
      asked = length;
      const bytes = new Uint8Array(10);
      assertEquals(await file.readAt(bytes, 77), 10);
      assert(same(bytes, data.subarray(77, 87)));
      return true;
    });
    const held = 150_000 - 3 * 4096;
    assertEquals([asked, target.held], [held, held]);
    await w.remote.realPath("/", {}); // after the CLOSE
    assertEquals(w.log().slice(3).filter((line) => !line.startsWith("READ")), [
      "LSTAT /dir/file",
      "OPEN /dir/file read",
      ...copies
        ? ["COPY_DATA /dir/file /dir/.kept 0 150000"]
        : ["OPEN /dir/file read+write", "CLOSE /dir/.kept", "REMOVE /dir/.kept"],
      "CLOSE /dir/file",
      "REALPATH /",
    ]);
    await target.start!(held);
    await target.write(data.subarray(held), () => {});
    await target.flush();
    await target.commit(INFO);
    assert(same(w.server.data("/dir/file")!, data));
    assertEquals([w.server.files.get("/dir/file")!.mode & 0o777, hidden(w)], [0o604, []]);
  });
}

Deno.test("an older file that cannot be extended in place is replaced", async () => {
  for (const atomic of [undefined, true]) {
    await using w = await world(EXTENSION.POSIX_RENAME);
    w.server.add("/dir/file", data.slice(0, 150_000), 0o444);
    w.server.refuse = (line) =>
      line === "OPEN /dir/file read+write" ? PERMISSION_DENIED : undefined;
    const options = { resume: true, inFlight: 1000, ...(atomic && { atomic }) };
    const target = await w.target(options);
    let compared = false;
    await target.adopt!(data.length, () => Promise.resolve(compared = true));
    // With `atomic` it is not even compared, since no reader may see an incomplete file.
    assertEquals([target.held, compared], [0, !atomic]);
    await write(target);
    assert(same(w.server.data("/dir/file")!, data));
    assertEquals([w.server.files.get("/dir/file")!.mode & 0o777, hidden(w)], [0o444, []]);
  }
});

Deno.test("an older file is copied by the server also with atomic", async () => {
  await using w = await world(EXTENSION.COPY_DATA);
  w.server.add("/dir/file", data.slice(0, 150_000));
  const target = await w.target({ resume: true, atomic: true, inFlight: 1000 });
  await target.adopt!(data.length, () => Promise.resolve(true));
  assert(target.held > 0);
  await target.discard(new Error("enough"));
});

Deno.test("a copy by the server is complete before more is written", async () => {
  await using w = await world(EXTENSION.COPY_DATA);
  w.server.add("/dir/file", data.slice(0, 150_000));
  const target = await w.target({ resume: true, inFlight: 1000 });
  const gate = Promise.withResolvers<undefined>();
  w.server.refuse = (line) => line.startsWith("COPY_DATA") ? gate.promise : undefined;
  let adopted = false;
  const adopting = target.adopt!(data.length, () => Promise.resolve(true))
    .then(() => adopted = true);
  for (let turns = 0; turns < 5; turns++) await turn();
  assertEquals(adopted, false);
  gate.resolve(undefined);
  await adopting;
  await target.discard(new Error("enough"));
});

Deno.test("an older file that is longer than needed is truncated", async () => {
  await using w = await world();
  w.server.add("/dir/file", data.slice(0, 150_000));
  const target = await w.target({ resume: true, inFlight: 1000 });
  let removed = false;
  w.server.refuse = (line) => {
    if (!line.startsWith("REMOVE")) return undefined;
    return turn().then(() => {
      removed = true;
      return undefined;
    });
  };
  await target.adopt!(data.length, () => Promise.resolve(true));
  assertEquals(removed, true);
  await target.start!(100);
  await target.flush();
  assertEquals(w.log().at(-1), "FSETSTAT /dir/file size=100");
  await target.commit(null);
  assertEquals(w.server.data("/dir/file")!.length, 100);
});

Deno.test("an older file is cut if the source ends within its last window", async () => {
  await using w = await world(EXTENSION.COPY_DATA);
  w.server.add("/dir/file", data.slice(0, 150_000));
  const target = await w.target({ resume: true, inFlight: 1000 });
  await target.adopt!(data.length, () => Promise.resolve(true));
  await target.start!(target.held);
  await target.write(data.subarray(target.held, target.held + 10), () => {});
  assertEquals(target.flushesLast, false);
  await target.flush();
  assertEquals(w.log().at(-1), `FSETSTAT /dir/.kept size=${target.held + 10}`);
  await target.discard(new Error("enough"));
});

Deno.test("the last writes wait for a flush only after a hole, or if the size must change", async () => {
  await using w = await world();
  const target = await w.target();
  assertEquals(target.flushesLast, true);
  await target.skip!(10);
  assertEquals(target.flushesLast, false);
  await target.write(data.subarray(0, 10), () => {});
  assertEquals(target.flushesLast, true);
  await target.discard(new Error("enough"));
  const old = await w.target({ resume: true, inFlight: 1000 });
  await old.write(data, () => {});
  await old.flush();
  await old.discard(new Error("enough"));
  const part = await w.target({ resume: true, inFlight: 1000 });
  await part.start!(100_000);
  assertEquals(part.flushesLast, false);
  await part.write(data.subarray(100_000, 199_999), () => {});
  assertEquals(part.flushesLast, false);
  await part.write(data.subarray(199_999), () => {});
  assertEquals(part.flushesLast, true);
  await part.discard(new Error("enough"));
});

Deno.test("an older file is not used if it cannot be a prefix of the source", async () => {
  const adopt = async (w: World, size: number, same = true, meanwhile = () => {}) => {
    const target = await w.target({ resume: true, inFlight: 1000 });
    meanwhile();
    let asked = false;
    await target.adopt!(size, () => Promise.resolve(asked = same));
    const found = [asked, target.held > 0];
    await target.discard(new Error("enough"));
    return found;
  };
  await using w = await world(EXTENSION.COPY_DATA);
  assertEquals(await adopt(w, 200_000), [false, false]); // there is none
  w.server.add("/dir/file", data.slice(0, 3 * 4096)); // no more than may be missing
  assertEquals(await adopt(w, 200_000), [false, false]);
  const file = w.server.add("/dir/file", data.slice(0, 150_000));
  assertEquals(await adopt(w, 150_000), [false, false]);
  assertEquals(await adopt(w, 200_000, false), [false, false]);
  w.server.refuse = (line) => line === "OPEN /dir/file read" ? PERMISSION_DENIED : undefined;
  assertEquals(await adopt(w, 200_000), [false, false]); // it can still be replaced
  w.server.refuse = () => undefined;
  // A device has taken its place.
  assertEquals(await adopt(w, 200_000, true, () => file.mode = 0o020644), [false, false]);
  file.mode = 0o100644;
  assertEquals(await adopt(w, 200_000), [true, true]);
  // Now that attempt's part exists.
  assertEquals(await adopt(w, 200_000), [false, true]);
  const part = [...w.server.files.keys()].find((path) => path.includes("/."))!;
  w.server.files.get(part)!.data = data.slice(0, 1);
  assertEquals(await adopt(w, 200_000), [false, false]);
});
