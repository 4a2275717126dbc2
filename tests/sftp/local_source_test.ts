/** A local file that a transfer reads. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { AdaptiveIo } from "../../lib/runtime/adaptive_io.ts";
import { SftpStatus } from "../../lib/sftp/mod.ts";
import type { TransferSource } from "../../lib/sftp/transfer/file_store.ts";
import { fileSource } from "../../lib/sftp/transfer/local_source.ts";
import { replacedOpenFiles } from "./local_files.ts";
import { folder, noise, refusal, same, turn } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const UNIT = 100_000;
const data = noise(250_000);
const NOW = () => new AdaptiveIo(Infinity);

async function rest(source: TransferSource, unit = UNIT): Promise<Uint8Array[]> {
  const blocks: Uint8Array[] = [];
  for (let block; (block = await source.next(unit)) !== null;) blocks.push(block.slice());
  return blocks;
}

function joined(blocks: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(blocks.flatMap((block) => [...block]));
}

/** A file of these bytes. */
async function file(bytes: Uint8Array): Promise<AsyncDisposable & { path: string }> {
  const here = await folder();
  await Deno.writeFile(`${here.path}/file`, bytes);
  return { ...here, path: `${here.path}/file` };
}

Deno.test("a file is read in blocks of the target's length", async () => {
  await using there = await file(data);
  for (const io of [NOW(), new AdaptiveIo(-1)]) {
    const source = await fileSource(there.path, io);
    assertEquals([source.size, source.info!.isFile, source.sparse], [250_000, true, false]);
    const blocks = await rest(source);
    assertEquals(blocks.map(({ length }) => length), [100_000, 100_000, 50_000]);
    assert(same(joined(blocks), data));
    assertEquals(await source.next(UNIT), null);
    await source.start!(249_999);
    assertEquals(await source.next(UNIT), data.subarray(249_999));
    assertEquals(await source.next(UNIT), null);
    const middle = new Uint8Array(100);
    assertEquals(await source.readAt!(middle, 249_950), 50);
    assertEquals(await source.readAt!(middle, 1000), 100);
    assert(same(middle, data.subarray(1000, 1100)));
    source.close();
    await assertRejects(() => source.readAt!(middle, 0), Deno.errors.BadResource);
  }
});

Deno.test("the last block has room for one byte more, so that its read finds the end", async () => {
  const lengths: number[] = [];
  await using there = await file(data);
  using _ = replacedOpenFiles((file) => ({
    readSync(into) {
      lengths.push(into.length);
      return file.readSync(into);
    },
    stat: () =>
      Promise.reject(new Error("a file that is as long as it should be is not looked at")),
  }));
  const source = await fileSource(there.path, NOW());
  await rest(source);
  assertEquals(lengths.splice(0), [100_000, 100_000, 50_001, 1]);
  assertEquals(await source.next(UNIT), null);
  await source.start!(200_000);
  await rest(source);
  assertEquals(lengths, [50_001, 1]);
  source.close();
});

Deno.test("the end of a file of whole blocks, or of none, is found with a single byte", async () => {
  for (const blocks of [2, 0]) {
    const lengths: number[] = [];
    await using there = await file(data.subarray(0, blocks * UNIT));
    using _ = replacedOpenFiles((file) => ({
      readSync(into) {
        lengths.push(into.length);
        return file.readSync(into);
      },
    }));
    const source = await fileSource(there.path, NOW());
    assertEquals((await rest(source)).length, blocks);
    assertEquals(lengths, [...Array.from({ length: blocks }, () => UNIT), 1]);
    source.close();
  }
});

Deno.test("a source has moved when it says so", async () => {
  await using there = await file(data);
  using _ = replacedOpenFiles((file) => ({
    async seek(offset, whence) {
      await turn();
      return await file.seek(offset, whence);
    },
  }));
  const source = await fileSource(there.path, NOW());
  await source.start!(200_000);
  assert(same((await source.next(UNIT))!, data.subarray(200_000)));
  const into = new Uint8Array(10);
  await source.readAt!(into, 7);
  assert(same(into, data.subarray(7, 17)));
  source.close();
});

Deno.test("a buffer is reused only after its block is released", async () => {
  await using there = await file(data);
  const source = await fileSource(there.path, NOW());
  const first = (await source.next(50_000))!;
  const second = (await source.next(50_000))!;
  assert(first.buffer !== second.buffer);
  assert(same(first, data.subarray(0, 50_000)));
  source.release(first.subarray(0, 10));
  const third = (await source.next(50_000))!;
  assert(third.buffer === first.buffer && third.length === 50_000);
  source.release(second);
  // Blocks of another length need new buffers.
  const fourth = (await source.next(60_000))!;
  assert(fourth.buffer !== second.buffer);
  source.release(third);
  await source.start!(0);
  const fifth = (await source.next(60_000))!;
  assertEquals(fifth.length, 60_000);
  source.release(fifth);
  assert((await source.next(40_000))!.buffer !== fifth.buffer);
  source.close();
});

Deno.test("short reads of a file are joined", async () => {
  await using there = await file(data);
  using _ = replacedOpenFiles((file) => ({
    readSync: (into) => file.readSync(into.subarray(0, 7001)),
  }));
  const source = await fileSource(there.path, NOW());
  const blocks = await rest(source);
  assertEquals(blocks.map(({ length }) => length), [100_000, 100_000, 50_000]);
  assert(same(joined(blocks), data));
  source.close();
});

Deno.test("a file that grows is read to its new end", async () => {
  await using there = await file(data);
  const source = await fileSource(there.path, NOW());
  await source.next(UNIT);
  await Deno.writeFile(there.path, noise(200_000, 2), { append: true });
  const blocks = await rest(source);
  assert(same(joined(blocks), (await Deno.readFile(there.path)).subarray(UNIT)));
  source.close();
});

Deno.test("a file that is truncated while it is read is an error with both lengths", async () => {
  await using there = await file(data);
  const source = await fileSource(there.path, NOW());
  await source.next(UNIT);
  await Deno.truncate(there.path, 150_000);
  const error = await assertRejects(() => rest(source), Error);
  const reason = "it was cut off at 150000 of 250000 bytes";
  assertEquals(plainMessage(error), `Cannot read "${there.path}" on this machine: ${reason}`);
  source.close();
  const again = await fileSource(there.path, NOW());
  await Deno.truncate(there.path, 0);
  assertEquals(await refusal(rest(again)), SftpStatus.EOF);
  again.close();
});

Deno.test("a file shorter than its size, as in /sys, is read to its end", async () => {
  await using there = await file(data);
  using _ = replacedOpenFiles((file) => {
    const longer = (info: Deno.FileInfo) => ({ ...info, size: 300_000 });
    return {
      stat: async () => longer(await file.stat()),
      statSync: () => longer(file.statSync()),
    };
  });
  for (const io of [NOW(), new AdaptiveIo(-1)]) {
    const source = await fileSource(there.path, io);
    assertEquals(source.size, 300_000);
    assert(same(joined(await rest(source)), data));
    source.close();
  }
});

Deno.test({
  name: "a file of /proc with size 0 is read to its end",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const source = await fileSource("/proc/self/limits", NOW());
    assertEquals(source.size, 0);
    assertEquals(new TextDecoder().decode(joined(await rest(source))).slice(0, 5), "Limit");
    source.close();
  },
});

Deno.test({
  name: "a device is read asynchronously, in the chunks that it returns",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    let short = true;
    using _ = replacedOpenFiles((file) => ({
      read: (into) => file.read(short ? into.subarray(0, 10) : into),
      readSync: () => {
        throw new Error("it may have no data for a long time");
      },
    }));
    const source = await fileSource("/dev/zero", NOW());
    assertEquals([source.size, source.sparse], [null, false]);
    assertEquals((await source.next(UNIT))!.length, 10);
    source.close();
    short = false;
    const none = await fileSource("/dev/null", NOW());
    assertEquals(await none.next(UNIT), null);
    none.close();
  },
});

Deno.test("a file with fewer blocks than its size has holes", async () => {
  await using there = await file(data);
  const cases: [blocks: number | null, size: number, sparse: boolean, isFile?: boolean][] = [
    [488, 488 * 512, false],
    [488, 488 * 512 + 1, true],
    [489, 250_000, false],
    [null, 250_000, false],
    [0, 250_000, true],
    [0, 0, false],
    [0, 250_000, false, false], // a pipe, where its size is what has arrived
  ];
  for (const [blocks, size, sparse, isFile = true] of cases) {
    using _ = replacedOpenFiles((file) => ({
      statSync: () => ({ ...file.statSync(), blocks, size, isFile }),
    }));
    const source = await fileSource(there.path, NOW());
    assertEquals([blocks, source.sparse], [blocks, sparse]);
    source.close();
  }
});

Deno.test("a folder and a missing file are errors, and leave nothing open", async () => {
  await using here = await folder();
  const { message } = await assertRejects(
    () => fileSource(here.path, NOW()),
    Deno.errors.IsADirectory,
  );
  assertEquals(message, "It is a directory, which needs the option recursive");
  await assertRejects(() => fileSource(`${here.path}/none`, NOW()), Deno.errors.NotFound);
});

Deno.test("errors of an open file name it, once", async () => {
  await using there = await file(data);
  const fail = (message: string) => (): never => {
    throw new Error(message);
  };
  for (
    const reason of ["Input/output error", `Input/output error, read '${there.path}'`]
  ) {
    using _ = replacedOpenFiles(() => ({ readSync: fail(reason) }));
    const source = await fileSource(there.path, NOW());
    const { message } = await assertRejects(() => rest(source), Error);
    assertEquals(message, `Cannot read "${there.path}" on this machine: Input/output error`);
    source.close();
  }
  using _ = replacedOpenFiles(() => ({ statSync: fail("stale") }));
  const { message } = await assertRejects(() => fileSource(there.path, NOW()), Error);
  assertEquals(message, `Cannot read "${there.path}" on this machine: stale`);
});
