/** Where a transfer resumes: compared and rejected parts. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { runtime } from "../../lib/runtime/runtime.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import { S_IF } from "../../lib/sftp/protocol/numbers.ts";
import { digestOf, feedPrefix } from "../../lib/sftp/transfer/content_digest.ts";
import type { TransferSource, TransferTarget } from "../../lib/sftp/transfer/file_store.ts";
import { partName, resumeOffset } from "../../lib/sftp/transfer/resume.ts";
import { replaced } from "../support/replaced.ts";
import { noise, turn } from "./world.ts";

const SAMPLE = 32 * 1024;
const data = noise(1_000_000);

/** The calls to an end of a transfer in memory. */
interface Asked {
  readonly ranges: [from: number, to: number][];
  /** The maximum of parallel reads. */
  most: number;
}

/** An end of a transfer that can be read at any offset. */
function readable(bytes: Uint8Array): Pick<Required<TransferSource>, "readAt"> & { asked: Asked } {
  const asked: Asked = { ranges: [], most: 0 };
  let running = 0;
  return {
    asked,
    async readAt(into, offset) {
      asked.ranges.push([offset, offset + into.length]);
      asked.most = Math.max(asked.most, ++running);
      await turn();
      running--;
      const piece = bytes.subarray(offset, offset + into.length);
      into.set(piece);
      return piece.length;
    },
  };
}

type Source = TransferSource & { asked: Asked };
type Target = Omit<TransferTarget, "held"> & { held: number; asked: Asked };

function source(bytes: Uint8Array, more: Partial<TransferSource> = {}): Source {
  return {
    ...readable(bytes),
    size: bytes.length,
    info: null,
    sparse: false,
    start: () => {},
    next: () => Promise.resolve(null),
    release: () => {},
    close: () => {},
    ...more,
  };
}

function target(bytes: Uint8Array, more: Partial<TransferTarget> = {}): Target {
  return {
    ...readable(bytes),
    held: bytes.length,
    start: () => Promise.resolve(),
    write: () => Promise.resolve(),
    flush: () => Promise.resolve(),
    commit: () => Promise.resolve(),
    discard: () => Promise.resolve(),
    ...more,
  };
}

/** The bytes with one of them changed. */
function spoiled(bytes: Uint8Array, at: number): Uint8Array {
  const copy = bytes.slice();
  copy[at]! ^= 1;
  return copy;
}

function sha256(bytes: Uint8Array): string {
  const hash = runtime.sha256();
  hash.update(bytes);
  return hash.digest("hex");
}

Deno.test("a part that equals the source is used up to its end", async () => {
  for (const held of [1, SAMPLE - 1, SAMPLE, 2 * SAMPLE, 3 * SAMPLE + 5, 999_999, 1_000_000]) {
    assertEquals(await resumeOffset(source(data), target(data.subarray(0, held)), {}), held);
  }
});

Deno.test("a part of less than two blocks is compared completely", async () => {
  for (const [held, ranges] of [[1000, [[0, 1000]]], [40_000, [[0, SAMPLE], [7232, 40_000]]]]) {
    const from = source(data);
    assertEquals(await resumeOffset(from, target(data.subarray(0, held as number)), {}), held);
    assertEquals(from.asked.ranges as unknown, ranges);
  }
});

Deno.test("a part is not used if it is empty or too long, or if an end cannot seek", async () => {
  const short = data.subarray(0, 1000);
  const cases: [Source, Target][] = [
    [source(data), target(new Uint8Array(0))],
    [source(short), target(data.subarray(0, 1001))],
    [source(data, { size: null }), target(short)],
  ];
  const [noStart, noTargetStart] = [source(data), target(short)];
  delete noStart.start;
  delete noTargetStart.start;
  const [noReadAt, noTargetReadAt] = [source(data), target(short)] as [
    Partial<Source>,
    Partial<Target>,
  ];
  delete noReadAt.readAt;
  delete noTargetReadAt.readAt;
  cases.push(
    [noStart, target(short)],
    [source(data), noTargetStart],
    [noReadAt as Source, target(short)],
    [source(data), noTargetReadAt as Target],
  );
  for (const [from, to] of cases) {
    assertEquals(await resumeOffset(from, to, {}), 0);
    assertEquals([from.asked.ranges, to.asked.ranges], [[], []]);
  }
});

Deno.test("the first block, the last two and fourteen others are compared", async () => {
  using _ = replaced(Math, "random", () => 0);
  const held = 700_000;
  const part = data.subarray(0, held);
  const [from, to] = [source(data), target(part)];
  await resumeOffset(from, to, {});
  const ranges = [
    [0, SAMPLE],
    [held - 2 * SAMPLE, held - SAMPLE],
    [held - SAMPLE, held],
  ];
  assertEquals([from.asked.ranges, to.asked.ranges], [ranges, ranges]);
  const edges = ranges.flatMap(([start, end]) => [start!, end! - 1]);
  for (const at of edges) {
    assertEquals(await resumeOffset(source(data), target(spoiled(part, at)), {}), 0, `${at}`);
  }
  assertEquals(await resumeOffset(source(data), target(spoiled(part, 300_000)), {}), held);
});

Deno.test("the other blocks are at random offsets, all over the part", async () => {
  let calls = 0;
  using _ = replaced(Math, "random", () => calls++ / 14);
  const held = 700_000;
  const from = source(data);
  await resumeOffset(from, target(data.subarray(0, held)), {});
  assertEquals(calls, 14);
  const last = held - 2 * SAMPLE;
  const offsets = Array.from({ length: 14 }, (_, index) => Math.floor(index / 14 * last));
  const found = from.asked.ranges.map(([start]) => start).sort((a, b) => a - b);
  assertEquals(found, [...offsets, last, held - SAMPLE]);
  calls = 0;
  const at = offsets[9]! + 77;
  assertEquals(await resumeOffset(source(data), target(spoiled(data, at)), {}), 0);
});

Deno.test("a part that returns fewer bytes than its size is not used", async () => {
  const to = target(data.subarray(0, 50_000), { held: 60_000 });
  assertEquals(await resumeOffset(source(data), to, {}), 0);
  const cut = source(data.subarray(0, 50_000), { size: data.length });
  assertEquals(await resumeOffset(cut, target(data.subarray(0, 60_000)), {}), 0);
});

Deno.test("a server is read in parallel, but a local file, which has one position, in order", async () => {
  const digest = () => Promise.resolve("");
  const [from, to] = [source(data, { digest }), target(data.subarray(0, 600_000))];
  assertEquals(await resumeOffset(from, to, {}), 600_000);
  assertEquals(to.asked.most, 1);
  assert(from.asked.most > 10, `${from.asked.most}`);
});

Deno.test("if one end cannot be read, the pending reads of the other finish before the error", async () => {
  for (const which of ["source", "target"]) {
    const gate = Promise.withResolvers<void>();
    const slow: TransferTarget["readAt"] = async (into) => {
      await gate.promise;
      return into.length;
    };
    const bad = { readAt: () => Promise.reject(new RangeError("disk")) };
    const resuming = which === "source"
      ? resumeOffset(source(data, bad), target(data, { readAt: slow! }), {})
      : resumeOffset(source(data, { readAt: slow! }), target(data, bad), {});
    let settled = false;
    resuming.catch(() => {}).then(() => settled = true);
    for (let turns = 0; turns < 3; turns++) await turn();
    assertEquals(settled, false);
    gate.resolve();
    await assertRejects(() => resuming, RangeError, "disk");
  }
});

Deno.test("with the server's hash function the whole part is compared", async () => {
  const held = 400_000;
  const part = data.subarray(0, held);
  const asked: number[] = [];
  const digest = (bytes: Uint8Array) => (length: number) => {
    asked.push(length);
    return Promise.resolve(sha256(bytes.subarray(0, length)));
  };
  const verify = () => Promise.resolve("");
  const wrong = spoiled(part, 200_000);
  // The end that computes hashes is asked for one, and the other is read.
  for (
    const [from, to, offset] of [
      [source(data), target(part, { digest: digest(part) }), held],
      [source(data), target(wrong, { digest: digest(wrong) }), 0],
      [source(data, { digest: digest(data) }), target(part), held],
      [source(data, { digest: digest(data) }), target(wrong), 0],
    ] as const
  ) {
    assertEquals(await resumeOffset(from, to, { verify }), offset);
    const [near, far] = from.digest ? [to, from] : [from, to];
    assertEquals(near.asked.ranges, [[0, 262_144], [262_144, held]]);
    assertEquals(far.asked.ranges, []);
  }
  assertEquals(asked, [held, held, held, held]);
  // Without a function of the server, reading all of it would cost as much as sending it.
  const to = target(wrong, { digest: digest(wrong) });
  using _ = replaced(Math, "random", () => 0);
  assertEquals(await resumeOffset(source(data), to, { verify: true }), held);
});

Deno.test("the file with the final name is used only without a part, and if it is equal", async () => {
  const adopting = (bytes: Uint8Array, held: number) => {
    let compared: boolean | null = null;
    const to = target(bytes, {
      held,
      async adopt(size, same) {
        assertEquals(size, data.length);
        compared = await same(readable(bytes), bytes.length);
        if (compared) to.held = bytes.length;
      },
    });
    return { to, compared: () => compared };
  };
  const part = data.subarray(0, 100_000);
  for (
    const [bytes, held, compared, offset] of [
      [part, 0, true, 100_000],
      [spoiled(part, 99_999), 0, false, 0],
      [part, 50_000, null, 50_000],
    ] as const
  ) {
    const fake = adopting(bytes, held);
    assertEquals([await resumeOffset(source(data), fake.to, {}), fake.compared()], [
      offset,
      compared,
    ]);
  }
});

Deno.test("the name of a part depends on the version of the source and on the target", () => {
  const info: typeof INFO = { ...INFO, size: 9, mtime: new Date(5000) };
  const name = (path: string, name: string, changes: Partial<typeof info> | null, window = 1) => {
    const own = changes === null ? null : { ...info, ...changes };
    return partName({ path, name, info: own, inside: false }, window);
  };
  const usual = name("/a/file", "/b/file", {});
  assert(/^\.[0-9a-f]{32}\.part$/.test(usual), usual);
  for (
    const same of [
      name("/a/file", "/b/file", {}),
      name("/elsewhere/file", "/b/file", {}), // it is in the folder of its target
      name("C:\\a\\file", "/b/file", {}),
      name("/a/file", "/b/file", { mtime: new Date(5999) }),
    ]
  ) assertEquals(same, usual);
  const others = [
    name("/a/other", "/b/file", {}),
    name("/a/file", "/b/other", {}),
    name("/a/file", "/b/file", { size: 10 }),
    name("/a/file", "/b/file", { mtime: new Date(6000) }),
    name("/a/file", "/b/file", { mtime: null }),
    name("/a/file", "/b/file", null),
    name("/a/file", "/b/file", {}, 2),
  ];
  assertEquals(new Set([usual, ...others]).size, others.length + 1);
});

const INFO = infoOf({ size: 0 }, S_IF.FILE);

Deno.test("a prefix is hashed in blocks, also with short reads, up to the end of the file", async () => {
  for (const [length, hashed] of [[0, 0], [1, 1], [600_000, 600_000], [2_000_000, 1_000_000]]) {
    const hash = runtime.sha256();
    const short = readable(data);
    await feedPrefix(hash, {
      readAt: (into, offset) => short.readAt(into.subarray(0, 100_001), offset),
    }, length!);
    assertEquals(hash.digest("hex"), sha256(data.subarray(0, hashed)));
  }
});

Deno.test("a function's digest is trimmed and lowercased", async () => {
  const verify = (path: string, length: number) => Promise.resolve(`  ABC ${path} ${length}\n`);
  const settings = { options: { verify }, limits: {}, inFlight: 1, warn() {} };
  assertEquals(await digestOf(null as never, "/x", 7, settings), "abc /x 7");
});
