/** The operations of EXTENDED requests, each called with files in memory. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { concat } from "@std/bytes";
import { SFTP_MAX_CHUNK } from "../../lib/defaults.ts";
import { SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { EXTENSION, FXP } from "../../lib/sftp/protocol/numbers.ts";
import type { SftpBackend, SftpBackendFile } from "../../lib/sftp/server/backend.ts";
import { EXTENSIONS } from "../../lib/sftp/server/extensions.ts";
import { Handles } from "../../lib/sftp/server/handles.ts";
import type { OperationContext } from "../../lib/sftp/server/operations.ts";
import type { ConnectionShare } from "../../lib/sftp/server/share.ts";
import { noise, same, turn } from "./world.ts";

const { CONNECTION_LOST, EOF, FAILURE, OK, OP_UNSUPPORTED } = SftpStatus;

/** A session with files in memory. */
interface Session {
  readonly context: OperationContext;
  /** The turns that began and ended. */
  readonly turns: { begun: number; ended: number };
  open(file: Partial<SftpBackendFile>, path?: string): Promise<Uint8Array>;
  /** Runs a request; its status, or the data of its reply. */
  run(request: string, data: Uint8Array): Promise<number | Uint8Array>;
}

/** A session of a client that leaves after this many pieces. */
function session(backend: SftpBackend = {}, pieces = 100): Session {
  const turns = { begun: 0, ended: 0 };
  const share = { takeHandle() {}, returnHandle() {} } as unknown as ConnectionShare;
  const handles = new Handles(share);
  const context = {
    backend,
    handles,
    readOnly: false,
    turn: { begin: () => void turns.begun++, end: () => void turns.ended++ },
    isOpen: () => turns.begun <= pieces,
  } as unknown as OperationContext;
  return {
    context,
    turns,
    open: (file, path = "/f") =>
      handles.open(() => Promise.resolve({ path, file: file as SftpBackendFile })),
    async run(request, data) {
      const frame = await EXTENSIONS.get(request)!.run(context, 1, data);
      const body = frame.subarray(msg.FRAME_HEADER);
      if (frame[4] === FXP.STATUS) return msg.Status.decode(body).status;
      return msg.ExtendedReply.decode(body).data;
    },
  };
}

/** The refusal of a request. */
async function refusal(answer: Promise<unknown>): Promise<number> {
  return (await assertRejects(() => answer, SftpError)).status;
}

/** A regular file of these bytes, whose reads and writes are noted; a read gives at most `most` bytes. */
function memory(bytes: Uint8Array, changes: Partial<SftpBackendFile> = {}, most = Infinity) {
  const calls: string[] = [];
  const content: Uint8Array[] = [];
  const memories = new Set<ArrayBufferLike>();
  const file = {
    read(into: Uint8Array, offset: number) {
      memories.add(into.buffer);
      calls.push(`read ${into.length} at ${offset}`);
      if (calls.length > 100) throw new Error("The copy does not end");
      const piece = bytes.subarray(offset, offset + Math.min(into.length, most));
      into.set(piece);
      return piece.length;
    },
    write(data: Uint8Array, offset: number) {
      calls.push(`write ${data.length} at ${offset}`);
      content.push(data.slice());
    },
    stat: () => Promise.resolve({ isFile: true, size: bytes.length }),
    isSame: (other: SftpBackendFile) => other === file,
    ...changes,
  } as SftpBackendFile;
  return { file, calls, memories, written: () => concat(content) };
}

/** Copies between the files, from 0 to 0 unless given. */
async function copy(
  s: Session,
  files: readonly [from: SftpBackendFile, to: SftpBackendFile],
  { fromOffset = 0, length = 0, toOffset = 0 } = {},
): Promise<number> {
  const [from, to] = [await s.open(files[0], "/from"), await s.open(files[1], "/to")];
  const data = msg.CopyData.encode({ from, fromOffset, length, to, toOffset });
  return await s.run(EXTENSION.COPY_DATA, data) as number;
}

const CHUNK = SFTP_MAX_CHUNK;

Deno.test("a copy is one turn for each piece, and ends where its source does", async () => {
  const cases: [size: number, options: Parameters<typeof copy>[2], pieces: number[]][] = [
    [0, {}, []],
    [1, {}, [1]],
    [CHUNK, {}, [CHUNK]],
    [CHUNK + 1, {}, [CHUNK, 1]],
    [2 * CHUNK, { fromOffset: CHUNK }, [CHUNK]],
    [2 * CHUNK + 9, { fromOffset: 5, length: CHUNK + 1 }, [CHUNK, 1]],
    [9, { fromOffset: 9 }, []],
    [9, { fromOffset: 2 ** 40 }, []],
  ];
  for (const [size, options, pieces] of cases) {
    const bytes = noise(size);
    const [source, target] = [memory(bytes), memory(new Uint8Array(0))];
    const s = session();
    const { fromOffset = 0, length = size } = options!;
    assertEquals(await copy(s, [source.file, target.file], { ...options, toOffset: 70 }), OK);
    let at = 0;
    const calls = pieces.map((length) => ({ length, at: (at += length) - length }));
    assertEquals(
      target.calls,
      calls.map(({ length, at }) => `write ${length} at ${70 + at}`),
    );
    assertEquals(
      source.calls,
      calls.map(({ length, at }) => `read ${length} at ${fromOffset + at}`),
    );
    assert(same(target.written(), bytes.subarray(fromOffset, fromOffset + length)));
    // One memory for all pieces, as long as the first.
    const lengths = [...source.memories].map(({ byteLength }) => byteLength);
    assertEquals(lengths, pieces.slice(0, 1));
    assertEquals(s.turns, { begun: pieces.length, ended: pieces.length });
  }
});

Deno.test("a copy reads into its memory again only after the write of it has ended", async () => {
  const gates: PromiseWithResolvers<void>[] = [];
  const bytes = noise(2 * CHUNK);
  const kept: Uint8Array[] = [];
  const source = memory(bytes);
  const target = memory(new Uint8Array(0), {
    async write(data) {
      gates.push(Promise.withResolvers());
      await gates.at(-1)!.promise;
      kept.push(data.slice());
    },
  });
  const s = session();
  let status: number | null = null;
  const copying = copy(s, [source.file, target.file]).then((code) => status = code);
  for (let piece = 1; piece <= 2; piece++) {
    while (gates.length < piece) await turn();
    await turn();
    // The turn has ended: another connection works while the disk does.
    assertEquals([source.calls.length, s.turns.ended, status], [piece, piece, null]);
    gates[piece - 1]!.resolve();
  }
  assertEquals(await copying, OK);
  assert(same(concat(kept), bytes));
});

Deno.test("a copy waits for its turn before each piece", async () => {
  const [source, target] = [memory(noise(CHUNK + 1)), memory(new Uint8Array(0))];
  const s = session();
  const gates = [1, 2].map(() => Promise.withResolvers<void>());
  let begun = 0;
  s.context.turn.begin = () => gates[begun++]!.promise;
  const copying = copy(s, [source.file, target.file]);
  for (const [piece, { resolve }] of gates.entries()) {
    for (let turns = 0; turns < 3; turns++) await turn();
    assertEquals([source.calls.length, target.calls.length], [piece, piece]);
    resolve();
  }
  assertEquals(await copying, OK);
});

Deno.test("a copy reads a piece in as many reads as it takes, and ends if the file has become shorter", async () => {
  const bytes = noise(1000);
  const source = memory(bytes, {}, 300);
  const target = memory(new Uint8Array(0));
  assertEquals(await copy(session(), [source.file, target.file]), OK);
  assertEquals(source.calls, [
    "read 1000 at 0",
    "read 700 at 300",
    "read 400 at 600",
    "read 100 at 900",
  ]);
  assertEquals(target.calls, ["write 1000 at 0"]);
  assert(same(target.written(), bytes));
  // It had three pieces when the copy began.
  const stat = () => Promise.resolve({ isFile: true, size: 3 * CHUNK }) as never;
  for (const [length, expected] of [[0, OK], [3 * CHUNK, EOF], [1001, EOF], [1000, OK]] as const) {
    const shorter = memory(bytes, { stat });
    const into = memory(new Uint8Array(0));
    const copying = copy(session(), [shorter.file, into.file], { length });
    assertEquals(expected === OK ? await copying : await refusal(copying), expected, `${length}`);
    assertEquals(into.calls, ["write 1000 at 0"]);
  }
});

Deno.test("a copy ends where its source ended at the start, even if it was to be longer", async () => {
  const stat = () => Promise.resolve({ isFile: true, size: 10 }) as never;
  for (const length of [0, 10, 11, 20]) {
    const [source, target] = [memory(noise(1000), { stat }), memory(new Uint8Array(0))];
    const copying = copy(session(), [source.file, target.file], { length });
    assertEquals(length > 10 ? await refusal(copying) : await copying, length > 10 ? EOF : OK);
    assertEquals([source.calls, target.calls], [["read 10 at 0"], ["write 10 at 0"]]);
  }
});

Deno.test("a copy ends between two pieces once its client has gone", async () => {
  const [source, target] = [memory(noise(5 * CHUNK)), memory(new Uint8Array(0))];
  const copying = copy(session({}, 2), [source.file, target.file]);
  assertEquals(await refusal(copying), CONNECTION_LOST);
  assertEquals(target.calls.length, 2);
});

Deno.test("a copy that cannot be read or written fails with that error", async () => {
  for (const call of ["read", "write", "stat"] as const) {
    const failing = { [call]: () => Promise.reject(new Error(call)) };
    const from = memory(noise(9), call === "write" ? {} : failing);
    const to = memory(new Uint8Array(0), call === "write" ? failing : {});
    await assertRejects(() => copy(session(), [from.file, to.file]), Error, call);
  }
});

Deno.test("a copy within a file may touch its source, not overlap it", async () => {
  const cases: [from: number, length: number, to: number, overlaps: boolean][] = [
    [0, 10, 10, false],
    [0, 10, 9, true],
    [10, 10, 0, false],
    [9, 10, 0, true],
    [10, 0, 0, true], // up to the end, wherever that is
    [0, 0, 2 ** 40, true],
    [5, 1, 5, true],
  ];
  for (const [fromOffset, length, toOffset, overlaps] of cases) {
    const { file, calls } = memory(noise(100));
    const copying = copy(session(), [file, file], { fromOffset, length, toOffset });
    assertEquals(overlaps ? await refusal(copying) : await copying, overlaps ? FAILURE : OK);
    assertEquals(calls.length > 0, !overlaps);
  }
  // Even if a file only knows whether *another* one is the same.
  const forgetful = memory(noise(100), { isSame: () => false }).file;
  const s = session();
  const handle = await s.open(forgetful);
  const itself = { from: handle, fromOffset: 0, length: 0, to: handle, toOffset: 0 };
  const copying = s.run(EXTENSION.COPY_DATA, msg.CopyData.encode(itself));
  assertEquals(await refusal(copying), FAILURE);
  // The other file may be the same one by another name.
  const other = memory(noise(100));
  const { file } = memory(noise(100), { isSame: (given) => given === other.file });
  assertEquals(await refusal(copy(session(), [file, other.file])), FAILURE);
});

Deno.test("files that do not know whether they are the same are compared by their paths", async () => {
  const s = session();
  const files = [1, 2].map(() => memory(noise(9)).file);
  for (const file of files) delete (file as Partial<SftpBackendFile>).isSame;
  const run = async (paths: [string, string]) => {
    const [from, to] = [await s.open(files[0]!, paths[0]), await s.open(files[1]!, paths[1])];
    const data = msg.CopyData.encode({ from, fromOffset: 0, length: 0, to, toOffset: 0 });
    return await s.run(EXTENSION.COPY_DATA, data);
  };
  assertEquals(await refusal(run(["/a", "/a"])), FAILURE);
  assertEquals(await run(["/a", "/b"]), OK);
});

Deno.test("only regular files are copied, in either direction", async () => {
  const stat = () => Promise.resolve({ isFile: false, size: 9 }) as never;
  for (const [from, to] of [[{ stat }, {}], [{}, { stat }]]) {
    const [source, target] = [memory(noise(9), from), memory(new Uint8Array(0), to)];
    assertEquals(await refusal(copy(session(), [source.file, target.file])), FAILURE);
    assertEquals([source.calls, target.calls], [[], []]);
  }
});

Deno.test("what an open file or a backend cannot do is unsupported", async () => {
  const s = session();
  const data = msg.OneHandle.encode({ handle: await s.open({}) });
  for (const request of [EXTENSION.FSYNC, EXTENSION.FSTATVFS]) {
    assertEquals(await refusal(s.run(request, data)), OP_UNSUPPORTED);
  }
  const path = msg.OnePath.encode({ path: "/p" });
  const two = msg.TwoPaths.encode({ from: "/a", to: "/b" });
  const missing: [string, Uint8Array][] = [
    [EXTENSION.POSIX_RENAME, two],
    [EXTENSION.HARDLINK, two],
    [EXTENSION.STATVFS, path],
    [EXTENSION.LSETSTAT, msg.PathChanges.encode({ path: "/p", attributes: {} })],
    [EXTENSION.EXPAND_PATH, path],
    [EXTENSION.HOME_DIRECTORY, path],
    [EXTENSION.USERS_GROUPS, msg.Ids.encode({ users: [], groups: [] })],
  ];
  for (const [request, body] of missing) {
    assertEquals([request, await refusal(s.run(request, body))], [request, OP_UNSUPPORTED]);
  }
});

Deno.test("a path without ~ is expanded without looking for a home", async () => {
  const asked: string[] = [];
  const realPath = (path: string) => Promise.resolve(`real ${path}`);
  const expand = async (backend: SftpBackend, path: string) => {
    const run = EXTENSIONS.get(EXTENSION.EXPAND_PATH)!.run;
    const frame = await run(session(backend).context, 1, msg.OnePath.encode({ path }));
    return msg.Name.decode(frame.subarray(msg.FRAME_HEADER)).entries[0]!.name;
  };
  for (const path of ["", "/a", "a/~", " ~", "\n~x"]) {
    assertEquals(await expand({ realPath }, path), `real ${path}`);
  }
  assertEquals(await refusal(expand({ realPath }, "~")), OP_UNSUPPORTED);
  const home = (user: string) => {
    asked.push(user);
    return Promise.resolve("/home");
  };
  const cases = { "~": "", "~/": "/", "~ann": "", "~ann/x\n~": "/x\n~", "~a~b//c": "//c" };
  for (const [path, rest] of Object.entries(cases)) {
    assertEquals(await expand({ realPath, home }, path), `real /home${rest}`);
  }
  assertEquals(asked, ["", "", "ann", "ann", "a~b"]);
});

Deno.test("a file system is read-only if the session is, or the disk", async () => {
  for (const [readOnly, disk] of [[false, false], [true, false], [false, true], [true, true]]) {
    const statVfs = () =>
      Promise.resolve({
        blockSize: 1,
        fragmentSize: 1,
        blocks: 1,
        freeBlocks: 1,
        availableBlocks: 1,
        files: 1,
        freeFiles: 1,
        availableFiles: 1,
        id: 0n,
        readOnly: disk!,
        noSetuid: false,
        maxNameLength: 1,
      });
    const s = session({ statVfs });
    Object.assign(s.context, { readOnly });
    const handle = await s.open({ statVfs });
    const replies = [
      await s.run(EXTENSION.STATVFS, msg.OnePath.encode({ path: "/" })),
      await s.run(EXTENSION.FSTATVFS, msg.OneHandle.encode({ handle })),
    ];
    for (const reply of replies) {
      const { flags } = msg.FileSystem.decode(reply as Uint8Array);
      assertEquals(flags, readOnly || disk ? 1n : 0n);
    }
  }
});
