import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  SftpError,
  SftpStatus,
  SftpTransferError,
  type SftpTransferOptions,
  type TransferProgress,
} from "../../lib/sftp/mod.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { fakeEnv } from "../support/fake_env.ts";
import { replacedFiles } from "./local_files.ts";
import { noise, ourWorld, plantMixedFolder, refusal, same } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

Deno.test("progress reports bytes, totals and rates, and ends at the total", async () => {
  await using world = await ourWorld();
  const { sftp, here } = world;
  await Deno.writeFile(`${here}/file`, noise(5_000_000));
  for (
    const run of [
      (onProgress: (report: TransferProgress) => void) =>
        sftp.put(`${here}/file`, "/file", { onProgress }),
      (onProgress: (report: TransferProgress) => void) =>
        sftp.get("/file", `${here}/back`, { onProgress }),
    ]
  ) {
    const reports: TransferProgress[] = [];
    await run((report) => reports.push(report));
    const last = reports.at(-1)!;
    assertEquals([last.transferred, last.total], [5_000_000, 5_000_000]);
    assert(reports.length >= 2 && reports.every(({ rate }) => rate > 0));
    for (const [index, report] of reports.entries()) {
      assert(report.transferred >= (reports[index - 1]?.transferred ?? 0));
      assertEquals(report.total, 5_000_000);
    }
  }
});

Deno.test("~ in a local path is the home directory", async () => {
  await using world = await ourWorld();
  const { sftp, here } = world;
  using _env = fakeEnv({ HOME: here });
  await Deno.writeFile(`${here}/file`, noise(1000));
  await sftp.put("~/file", "/file");
  await sftp.get("/file", "~/back");
  assert(same(await Deno.readFile(`${here}/back`), noise(1000)));
});

Deno.test("an error of the progress callback ends the transfer", async () => {
  await using world = await ourWorld();
  const { sftp, here } = world;
  await sftp.writeFile("/file", noise(3_000_000));
  const onProgress = () => {
    throw new RangeError("enough");
  };
  await assertRejects(() => sftp.get("/file", `${here}/x`, { onProgress }), RangeError);
  assertEquals(await Array.fromAsync(Deno.readDir(here)), []);
});

Deno.test("an error of a callback ends the transfer, even one of a kind that files have", async () => {
  await using w = await ourWorld();
  await Deno.mkdir(`${w.here}/from/sub`, { recursive: true });
  for (const path of ["from/a", "from/sub/b"]) await Deno.writeTextFile(`${w.here}/${path}`, path);
  await Deno.mkdir(`${w.root}/to`);
  await Deno.writeTextFile(`${w.root}/to/old`, "old");
  const errors = [
    new Deno.errors.NotFound("from the callback"),
    new SftpError(SftpStatus.FAILURE, "open", "/x", "from the callback"),
  ];
  for (const error of errors) {
    const fails = (): never => {
      throw error;
    };
    const callbacks: SftpTransferOptions[] = [
      { onFile: fails },
      { onFile: ({ action }) => action === "deleted" ? fails() : undefined },
      { onProgress: fails },
      { filter: fails },
      { filter: ({ name }) => name === "b" ? Promise.reject(error) : true },
      { filter: ({ name }) => name === "old" ? fails() : true },
    ];
    for (const callback of callbacks) {
      await Deno.writeTextFile(`${w.root}/to/old`, "old");
      const options = { recursive: true, partial: true, delete: true, ...callback };
      const putting = () => w.sftp.put(`${w.here}/from`, "/to", options);
      assertEquals(await assertRejects(putting, Error), error);
    }
    const single = () => w.sftp.put(`${w.here}/from/a`, "/a", { onFile: fails });
    assertEquals(await assertRejects(single, Error), error);
  }
});

Deno.test("an abort ends a get immediately and leaves nothing", async () => {
  await using world = await ourWorld();
  const { sftp, here } = world;
  await sftp.writeFile("/file", noise(30_000_000));
  const abort = new AbortController();
  const getting = sftp.get("/file", `${here}/file`, {
    signal: abort.signal,
    onProgress: () => abort.abort(new Error("changed my mind")),
  });
  await assertRejects(() => getting, Error, "changed my mind");
  assertEquals(await Array.fromAsync(Deno.readDir(here)), []);
  assertEquals((await sftp.stat("/file")).size, 30_000_000);
});

Deno.test("an abort ends a put of a stream that has stalled, and cancels the stream", async () => {
  await using world = await ourWorld();
  const abort = new AbortController();
  const cancelled = Promise.withResolvers<void>();
  const stalled = new ReadableStream<Uint8Array>({
    pull: () => abort.abort(new Error("changed my mind")),
    cancel: () => cancelled.resolve(),
  });
  const putting = world.sftp.put(stalled, "/file", { signal: abort.signal });
  await assertRejects(() => putting, Error, "changed my mind");
  await cancelled.promise;
});

Deno.test("a stream is aborted if its get fails, however early", async () => {
  await using world = await ourWorld();
  for (const path of ["/missing", "/"]) {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const reading = assertRejects(() => new Response(readable).arrayBuffer(), SftpError);
    await assertRejects(() => world.sftp.get(path, writable), SftpError);
    await reading;
  }
});

Deno.test("a put fails with the error of its stream", async () => {
  await using world = await ourWorld();
  const broken = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.error(new RangeError("out of paper")),
  });
  await assertRejects(() => world.sftp.put(broken, "/file"), RangeError, "out of paper");
});

Deno.test("an abort ends transfers of folders", async () => {
  await using world = await ourWorld();
  const { sftp, here } = world;
  await plantMixedFolder(`${here}/from`);
  for (const way of ["put", "get"] as const) {
    const abort = new AbortController();
    let files = 0;
    const onProgress = () => ++files === 20 && abort.abort(new Error("changed my mind"));
    const options = { recursive: true, signal: abort.signal, onProgress };
    const running = way === "put"
      ? sftp.put(`${here}/from`, "/tree", options)
      : sftp.get("/tree", `${here}/back`, options);
    await assertRejects(() => running, Error, "changed my mind");
    if (way === "put") await sftp.put(`${here}/from`, "/tree", { recursive: true });
  }
});

Deno.test("a transfer aborted before its start does nothing", async () => {
  await using world = await ourWorld();
  const signal = AbortSignal.abort(new Error("no"));
  const { sftp, here } = world;
  await assertRejects(() => sftp.stat("/", { signal }), Error, "no");
  await assertRejects(() => sftp.put(new Uint8Array(1), "/x", { signal }), Error, "no");
  await assertRejects(() => sftp.get("/", here, { signal, recursive: true }), Error, "no");
  await assertRejects(() => Array.fromAsync(sftp.readDir("/", { signal })), Error, "no");
  assertEquals(await refusal(sftp.stat("/x")), SftpStatus.NO_SUCH_FILE);
});

Deno.test("failures are reported per file, and the rest continues", async () => {
  await using world = await ourWorld();
  const { sftp, here, root } = world;
  await plantMixedFolder(`${here}/from`);
  await Deno.mkdir(`${root}/tree/small 60`, { recursive: true });
  const putting = sftp.put(`${here}/from`, "/tree", { recursive: true });
  const error = await assertRejects(() => putting, SftpTransferError);
  assertEquals(
    plainMessage(error),
    'Cannot put "/tree/small 60" on the server: it is a directory (1 of 123 failed)',
  );
  assertEquals(error.result.files, 122);
  assertEquals(error.result.failures.map(({ path }) => path), [`${here}/from/small 60`]);
  const names = (await Array.fromAsync(Deno.readDir(`${root}/tree`))).map(({ name }) => name);
  assertEquals(names.filter((name) => name.endsWith(".part")), []);
  assertEquals(names.length, 122);
  const options = { recursive: true, partial: true };
  const { files, failures } = await sftp.put(`${here}/from`, "/tree", options);
  assertEquals([files, failures.length], [122, 1]);
});

Deno.test("a file whose name is not UTF-8 is a failure, after which nothing is deleted", async () => {
  await using w = await ourWorld();
  await Deno.mkdir(`${w.here}/from`);
  await Deno.mkdir(`${w.root}/to`);
  for (const path of [`${w.here}/from/a`, `${w.root}/to/old`]) await Deno.writeTextFile(path, "a");
  using _ = replacedFiles({
    async *readDir(path) {
      yield* Deno.readDir(path);
      yield { name: "caf\ufffd", isFile: true, isDirectory: false, isSymlink: false };
    },
  });
  for (const update of [false, true]) {
    const options = { recursive: true, delete: true, update, partial: true };
    const result = await w.sftp.put(`${w.here}/from`, w.at("to"), options);
    assertEquals(result.failures.map(({ path }) => path), [
      runtime.paths.join(w.here, "from", "caf\ufffd"),
    ]);
    assertEquals(result.deleted, []);
  }
});

Deno.test("put of a file that is truncated while it is read fails", async () => {
  await using world = await ourWorld();
  const { sftp, here } = world;
  await Deno.writeFile(`${here}/file`, noise(40_000_000));
  const putting = sftp.put(`${here}/file`, "/file", {
    onProgress: () => Deno.truncateSync(`${here}/file`, 20_000_000),
  });
  assertEquals(await refusal(putting), SftpStatus.EOF);
});

Deno.test("transfers work in slow and tiny steps", async () => {
  await using world = await ourWorld({ chunk: 7, limit: 50 });
  const data = noise(20_000);
  await world.sftp.put(data, "/file");
  assert(same(await world.sftp.readFile("/file"), data));
});
