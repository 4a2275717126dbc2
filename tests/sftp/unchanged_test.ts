/** Which files `update` skips. */
import { assertEquals, assertRejects } from "@std/assert";
import { runtime } from "../../lib/runtime/runtime.ts";
import { SftpError, type SftpFileInfo, type SftpTransferOptions } from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import type { FileStore, TransferSource } from "../../lib/sftp/transfer/file_store.ts";
import type { TransferContext } from "../../lib/sftp/transfer/file_transfer.ts";
import { unchanged } from "../../lib/sftp/transfer/unchanged.ts";
import { noise, turn } from "./world.ts";

const data = noise(300_000);

/** A file in a store; a server computes digests. */
interface Place {
  readonly bytes?: Uint8Array;
  readonly info?: Partial<SftpFileInfo> | null;
  readonly isServer?: boolean;
  readonly failing?: boolean;
  /** Whether the server refuses to open it. */
  readonly refused?: boolean;
}

const INFO: SftpFileInfo = infoOf({ mode: 0o100644, size: data.length, atime: 100, mtime: 100 });

function sha256(bytes: Uint8Array): string {
  const hash = runtime.sha256();
  hash.update(bytes);
  return hash.digest("hex");
}

function store({ bytes = data, info, isServer = false, failing = false, refused = false }: Place) {
  const log: string[] = [];
  const inUse = async () => {
    await turn();
    if (log.at(-1) === "close") throw new Error("It is closed");
  };
  const source: Partial<TransferSource> = {
    async readAt(into, offset) {
      await inUse();
      if (failing) throw new Error("It cannot be read");
      const piece = bytes.subarray(offset, offset + into.length);
      into.set(piece);
      return piece.length;
    },
    ...(isServer && {
      async digest(length: number) {
        log.push(`digest ${length}`);
        await inUse();
        return sha256(bytes.subarray(0, length));
      },
    }),
    close: () => void log.push("close"),
  };
  const found = info === null ? null : { ...INFO, ...info };
  const some: Partial<FileStore> = {
    lstat(path) {
      log.push(`lstat ${path}`);
      return Promise.resolve(found);
    },
    setAttributes(path, { mode, mtime, uid, gid }) {
      const time = mtime === null ? null : mtime.getTime() / 1000;
      log.push(`set ${path} ${mode?.toString(8)} ${time} ${uid}:${gid}`);
      return Promise.resolve();
    },
    source(path, info) {
      if (refused) return Promise.reject(new SftpError(3, "open", path, "no"));
      log.push(`open ${path} ${info!.size}`);
      return Promise.resolve(source as TransferSource);
    },
  };
  return { log, store: some as FileStore, info: found };
}

/** Whether the target's file counts as unchanged, and the calls to both stores. */
async function skips(
  update: SftpTransferOptions["update"],
  from: Place,
  to: Place,
  options: SftpTransferOptions = {},
) {
  const [source, target] = [store(from), store(to)];
  const context = { options: { update, ...options } } as TransferContext;
  const result = unchanged(source.store, "/from", target.store, "/to", source.info!, context);
  return { skipped: await result, from: source.log, to: target.log };
}

const at = (seconds: number, milliseconds = 0) => ({
  mtime: new Date(seconds * 1000 + milliseconds),
});

/** A file without a reported size, or an empty one. */
const empty = (length: number): Place => ({ bytes: data.subarray(0, length), info: { size: 0 } });

const cases: [
  what: string,
  from: Place,
  to: Place,
  skippedBy: SftpTransferOptions["update"][],
][] = [
  ["an equal file", {}, {}, [true, "newer", "size", "checksum"]],
  ["a missing file", {}, { info: null }, []],
  ["a link or a folder", {}, { info: { isFile: false } }, []],
  ["an older file", { info: at(101) }, {}, ["size", "checksum"]],
  ["a newer file", { info: at(99) }, {}, ["newer", "size", "checksum"]],
  [
    "a file of the same second",
    { info: at(100, 999) },
    { info: at(100) },
    [true, "newer", "size", "checksum"],
  ],
  ["a file of another size", {}, { info: { size: 5 } }, []],
  ["a newer file of another size", { info: at(99) }, { info: { size: 5 } }, ["newer"]],
  [
    "a file of another size and the same second",
    { info: at(100, 999) },
    { info: { ...at(100), size: 5 } },
    [],
  ],
  ["an empty file", empty(0), empty(0), [true, "newer", "size", "checksum"]],
  ["an equal file without sizes", empty(9), empty(9), ["newer", "checksum"]],
  ["a longer file without sizes", empty(9), empty(10), ["newer"]],
  ["an empty file for one that may have content", empty(9), empty(0), ["newer"]],
  ["a file that may have content for an empty one", empty(0), empty(9), ["newer"]],
  ["a file for a folder", { info: { isFile: false, isDirectory: true } }, {}, []],
  ["a file whose time SFTP cannot express", { info: at(-100) }, { info: at(0) }, [
    true,
    "newer",
    "size",
    "checksum",
  ]],
  ["a file whose time is after 2106", { info: at(2 ** 32 + 5) }, { info: at(2 ** 32 - 1) }, [
    true,
    "newer",
    "size",
    "checksum",
  ]],
  ["a file whose time is unknown", {}, { info: { mtime: null } }, ["size", "checksum"]],
  ["a source whose time is unknown", { info: { mtime: null } }, {}, ["size", "checksum"]],
  ["files whose times are unknown", { info: { mtime: null } }, { info: { mtime: null } }, [
    "size",
    "checksum",
  ]],
  ["other content", {}, { bytes: noise(300_000, 2) }, [true, "newer", "size"]],
];
for (const [what, from, to, skippedBy] of cases) {
  Deno.test(`${what} is skipped by update: ${skippedBy.join(", ") || "none"}`, async () => {
    for (const update of [true, "newer", "size", "checksum"] as const) {
      assertEquals(
        (await skips(update, from, to)).skipped,
        skippedBy.includes(update),
        `${update}`,
      );
    }
  });
}

Deno.test("without update the target is not looked at", async () => {
  for (const update of [false, undefined]) {
    assertEquals(await skips(update, {}, {}), { skipped: false, from: [], to: [] });
  }
});

Deno.test("contents are compared by the server's digest, or by reading, up to the size", async () => {
  const both = await skips("checksum", {}, { isServer: true });
  assertEquals(both, {
    skipped: true,
    from: ["open /from 300000", "close"],
    to: ["lstat /to", "open /to 300000", "digest 300000", "close"],
  });
  // A difference in the last byte is detected.
  const other = data.slice();
  other[other.length - 1]! ^= 1;
  assertEquals((await skips("checksum", {}, { bytes: other, isServer: true })).skipped, false);
  assertEquals((await skips("checksum", { bytes: other }, {})).skipped, false);
});

Deno.test("files of different sizes are not opened to compare their contents", async () => {
  const { from, to } = await skips("checksum", {}, { info: { size: 5 } });
  assertEquals([from, to], [[], ["lstat /to"]]);
});

Deno.test("a file that cannot be read is an error, and both are closed", async () => {
  for (const failing of ["from", "to"] as const) {
    const [from, to] = [
      store({ failing: failing === "from" }),
      store({ failing: failing === "to" }),
    ];
    const context = { options: { update: "checksum" } } as TransferContext;
    await assertRejects(
      () => unchanged(from.store, "/from", to.store, "/to", INFO, context),
      Error,
      "It cannot be read",
    );
    assertEquals([from.log.at(-1), to.log.at(-1)], ["close", "close"]);
  }
});

Deno.test("an empty file that cannot be read is not skipped", async () => {
  const isServer = true;
  const to = { ...empty(0), isServer, refused: true };
  for (const update of [true, "size"] as const) {
    assertEquals((await skips(update, empty(0), to)).skipped, false);
  }
  await assertRejects(() => skips("size", empty(0), { ...empty(0), failing: true }), Error);
});

Deno.test("the digest of a file whose size is unknown is not asked for", async () => {
  const { skipped, to } = await skips("checksum", empty(9), { ...empty(9), isServer: true });
  assertEquals([skipped, to], [true, ["lstat /to", "open /to 0", "close"]]);
});

Deno.test("a skipped file gets the attributes that options keep, if they differ", async () => {
  const owner = { uid: 1, gid: 2 };
  const from = { info: { mode: 0o100755, ...at(100), ...owner } };
  const all = [true, "newer", "size", "checksum"] as const;
  const cases: [
    what: string,
    options: SftpTransferOptions,
    to: Partial<SftpFileInfo>,
    set: string | null,
    by: readonly SftpTransferOptions["update"][],
  ][] = [
    ["no option", {}, { ...owner, mode: 0o100644 }, null, all],
    ["equal", { preserve: true, owners: true }, { ...owner, mode: 0o755 }, null, all],
    ["mode", { preserve: true }, { mode: 0o100644 }, "755 100 1:2", all],
    ["given mode", { preserve: true, mode: 0o600 }, { mode: 0o100755 }, "600 100 1:2", all],
    ["unknown", { preserve: true, owners: true }, { mode: null, uid: null, gid: null }, null, all],
    ["time", { preserve: true }, { mode: 0o755, ...at(99) }, "755 100 1:2", ["size", "checksum"]],
    ["newer", { preserve: true }, { mode: 0o644, ...at(101) }, null, ["newer"]],
    ["unknown time", { preserve: true }, { mode: 0o755, mtime: null }, null, ["size", "checksum"]],
    ["user", { owners: true }, { uid: 5, gid: 2 }, "755 100 1:2", all],
    ["group", { owners: true }, { uid: 1, gid: 5 }, "755 100 1:2", all],
    ["owner without option", { preserve: true }, { mode: 0o755, uid: 5, gid: 5 }, null, all],
  ];
  for (const [what, options, info, set, by] of cases) {
    for (const update of by) {
      const { skipped, to } = await skips(update, from, { info }, options);
      const found = to.filter((line) => line.startsWith("set"));
      assertEquals([skipped, found], [true, set === null ? [] : [`set /to ${set}`]], what);
    }
  }
});

Deno.test("a file that is sent again gets its attributes only then", async () => {
  const { skipped, to } = await skips(true, {}, { info: { size: 5, mode: 0o600 } }, {
    preserve: true,
  });
  assertEquals([skipped, to], [false, ["lstat /to"]]);
});
