/** Folders from one server in memory to another. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  SftpClient,
  SftpError,
  SftpStatus,
  SftpTransferError,
  type SftpTransferOptions,
  type TransferResult,
} from "../../lib/sftp/mod.ts";
import { EXTENSION } from "../../lib/sftp/protocol/numbers.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import { glob } from "../../lib/sftp/transfer/glob.ts";
import { LISTED, MemoryServer } from "./memory_server.ts";
import { channelTo } from "./raw.ts";
import { noise, refusal, same, turn } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const { FAILURE, PERMISSION_DENIED } = SftpStatus;

interface World extends AsyncDisposable {
  readonly from: MemoryServer;
  readonly to: MemoryServer;
  copy(options?: SftpTransferOptions, path?: string, target?: string): Promise<TransferResult>;
}

async function client(server: MemoryServer): Promise<SftpClient> {
  const { channel } = channelTo((request, peer) => server.answer(request, peer), {
    extensions: server.extensions.map((name) => [name, "1"]),
    limit: 1 << 24,
  });
  return await SftpClient.open(channel);
}

/** A server with a tree, and an empty one. */
async function world(): Promise<World> {
  const [from, to] = [new MemoryServer(), new MemoryServer()];
  const [source, target] = [await client(from), await client(to)];
  for (const path of ["/tree", "/tree/a", "/tree/a/b", "/tree/empty"]) {
    from.folders.set(path, 0o750);
  }
  for (const [index, path] of ["/tree/one", "/tree/a/two", "/tree/a/b/three"].entries()) {
    from.add(path, noise(40_000 * index, index + 1), 0o640);
  }
  return {
    from,
    to,
    copy: (options = {}, path = "/tree", to = "/copy") =>
      source.copy(path, { sftp: target, path: to }, { recursive: true, ...options }),
    async [Symbol.asyncDispose]() {
      // After the CLOSEs that are not awaited, including those of late opens.
      for (const sftp of [source, target, source, target]) await sftp.realPath("/");
      assertEquals([from.open, to.open], [0, 0]);
      await source.close();
      await target.close();
    },
  };
}

function lines(server: MemoryServer, pattern: RegExp): string[] {
  return server.log.filter((line) => pattern.test(line));
}

Deno.test("a folder is made before its content, with write permission", async () => {
  await using w = await world();
  const { files, bytes, skipped, failures } = await w.copy();
  assertEquals([files, bytes, skipped, failures], [3, 120_000, [], []]);
  for (const [path, { data }] of w.from.files) {
    assert(same(w.to.data(path.replace("/tree", "/copy"))!, data), path);
  }
  assertEquals(lines(w.to, /^MKDIR/).toSorted(), [
    "MKDIR /copy mode=750",
    "MKDIR /copy/a mode=750",
    "MKDIR /copy/a/b mode=750",
    "MKDIR /copy/empty mode=750",
  ]);
  assertEquals(lines(w.to, /^SETSTAT/), []);
  w.from.folders.set("/tree/locked", 0o500);
  w.to.folders.delete("/copy");
  await w.copy();
  assert(w.to.log.includes("MKDIR /copy/locked mode=700"));
});

Deno.test("an existing folder is used, and a file in its place is a failure", async () => {
  for (const status of [FAILURE, PERMISSION_DENIED, 11]) {
    await using w = await world();
    w.to.folders.set("/copy", 0o700);
    w.to.folders.set("/copy/a", 0o700);
    w.to.add("/copy/empty", new Uint8Array(0));
    w.to.refuse = (line) =>
      line.startsWith("MKDIR") && /(copy|a|empty) /.test(line) ? status : undefined;
    const error = await assertRejects(() => w.copy(), SftpTransferError);
    assertEquals(error.result.failures.map(({ path }) => path), ["/tree/empty"]);
    assertEquals([error.result.files, error.status], [3, status]);
  }
});

Deno.test("making a failed root is retried without a mode, or after its missing parent", async () => {
  for (
    const [path, options, refused] of [
      ["/copy", { glob: true }, true],
      ["/none/copy", {}, false],
    ] as const
  ) {
    await using w = await world();
    if (refused) w.to.refuse = (line) => line.startsWith("MKDIR") ? PERMISSION_DENIED : undefined;
    await assertRejects(() => w.copy(options, refused ? "/tree/*" : "/tree", path), SftpError);
    const mode = refused ? "" : " mode=750";
    assertEquals(lines(w.to, /^MKDIR/), [`MKDIR ${path}${mode}`]);
  }
});

Deno.test("folders get their attributes at the end, inner ones first", async () => {
  const cases: [SftpTransferOptions, string][] = [
    [{}, ""],
    [{ preserve: true }, "mode=750 times=1000:1000"],
    [{ owners: true }, "owner=5:6"],
    [{ owners: true, preserve: true }, "mode=750 owner=5:6 times=1000:1000"],
  ];
  for (const [options, set] of cases) {
    await using w = await world();
    await w.copy(options);
    const found = lines(w.to, /^SETSTAT/);
    if (set === "") assertEquals(found, []);
    else {
      assertEquals(found.map((line) => line.split(" ")[1]!.split("/").length), [4, 3, 3, 2]);
      for (const line of found) assert(line.endsWith(` ${set}`), line);
      const last = w.to.log.findLastIndex((line) => /^(RENAME|CLOSE)/.test(line));
      assert(w.to.log.indexOf(found[0]!) > last);
    }
  }
});

Deno.test("refused attributes of folders are warnings", async () => {
  await using w = await world();
  w.to.refuse = (line) => /^SETSTAT.*times/.test(line) ? PERMISSION_DENIED : undefined;
  const { warnings } = await w.copy({ preserve: true });
  assertEquals(warnings.map(({ path }) => path).sort(), [
    "/copy",
    "/copy/a",
    "/copy/a/b",
    "/copy/empty",
  ]);
  assertEquals(lines(w.to, /^SETSTAT/).length, 4 * 3);
});

Deno.test("a link is skipped, followed or made at the end, by the option", async () => {
  for (const links of [undefined, "skip", "follow", "keep"] as const) {
    await using w = await world();
    w.from.links.set("/tree/file", "/tree/one");
    w.from.links.set("/tree/folder", "/tree/a/b");
    w.from.links.set("/tree/nowhere", "none");
    const { files, skipped } = await w.copy(links === undefined ? {} : { links });
    const all = ["/tree/file", "/tree/folder", "/tree/nowhere"];
    if (links === "follow") {
      assertEquals([files, skipped], [5, ["/tree/nowhere"]]);
      assert(same(w.to.data("/copy/folder/three")!, w.from.data("/tree/a/b/three")!));
      assert(w.to.files.has("/copy/file") && w.to.links.size === 0);
    } else if (links === "keep") {
      assertEquals([files, skipped], [6, []]);
      assertEquals(Object.fromEntries(w.to.links), {
        "/copy/file": "/tree/one",
        "/copy/folder": "/tree/a/b",
        "/copy/nowhere": "none",
      });
      const first = w.to.log.findIndex((line) => line.startsWith("SYMLINK"));
      assert(first > w.to.log.findLastIndex((line) => line.startsWith("RENAME")));
      w.from.links.set("/tree/file", "other");
      await w.copy({ links });
      assertEquals(w.to.links.get("/copy/file"), "other"); // an existing one is replaced
    } else assertEquals([files, skipped.toSorted()], [3, all]);
  }
});

Deno.test("with update, a link that the target has already is unchanged", async () => {
  await using w = await world();
  w.from.links.set("/tree/link", "one");
  w.from.links.set("/tree/other", "one");
  w.from.links.set("/tree/new", "none");
  const options = { links: "keep", preserve: true, update: true } as const;
  w.to.folders.set("/copy", 0o755);
  w.to.links.set("/copy/link", "one");
  w.to.links.set("/copy/other", "two");
  const told: string[] = [];
  const { files, unchanged } = await w.copy({
    ...options,
    onFile: ({ path, action }) => void told.push(`${action} ${path}`),
  });
  assertEquals([files, unchanged], [5, 1]);
  assertEquals(told.filter((line) => !line.startsWith("sent")), ["unchanged /tree/link"]);
  assertEquals(lines(w.to, /link$/).filter((line) => /^(REMOVE|SYMLINK)/.test(line)), []);
  assertEquals([w.to.links.get("/copy/other"), w.to.links.get("/copy/new")], ["one", "none"]);
  const again = await w.copy(options);
  assertEquals([again.files, again.unchanged], [0, 6]);
  assertEquals((await w.copy({ ...options, update: false })).files, 6); // all by default
});

Deno.test("a circular link is not followed endlessly", async () => {
  await using w = await world();
  w.from.links.set("/tree/a/up", "/tree");
  w.from.links.set("/tree/a/b/self", "/tree/a/b");
  const { files, failures } = await w.copy({ links: "follow" });
  assertEquals([files, failures], [3, []]);
  assertEquals([...w.to.folders.keys()].sort(), [
    "/",
    "/copy",
    "/copy/a",
    "/copy/a/b",
    "/copy/empty",
  ]);
});

Deno.test("links that cannot be read or made are failures like others", async () => {
  for (const request of ["READLINK", "SYMLINK"]) {
    await using w = await world();
    w.from.links.set("/tree/link", "x");
    const refuse = (line: string) => line.startsWith(request) ? PERMISSION_DENIED : undefined;
    [w.from.refuse, w.to.refuse] = [refuse, refuse];
    const { files, failures } = await w.copy({ links: "keep", partial: true });
    assertEquals([files, failures.map(({ path }) => path)], [3, ["/tree/link"]]);
  }
});

Deno.test("a failure does not stop the rest, and is counted", async () => {
  await using w = await world();
  w.from.refuse = (line) =>
    /^(OPEN \/tree\/one|OPENDIR \/tree\/a\/b)/.test(line) ? PERMISSION_DENIED : undefined;
  const { files, failures } = await w.copy({ partial: true });
  const found = failures.map(({ path, error }) => [path, plainMessage(error)]).sort();
  assertEquals([files, found], [1, [
    ["/tree/a/b", 'Cannot readDir "/tree/a/b" on the server: no'],
    ["/tree/one", 'Cannot open "/tree/one" on the server: no'],
  ]]);
});

Deno.test("the end of a session ends the transfer with its error, not with a list of failures", async () => {
  const [from, to] = [new MemoryServer(), new MemoryServer()];
  from.folders.set("/tree", 0o755);
  for (let i = 0; i < 20; i++) from.add(`/tree/${i}`, noise(100));
  const [source, target] = [await client(from), await client(to)];
  let opened = 0;
  from.refuse = async (line) => {
    if (line.startsWith("OPEN ") && ++opened === 3) await source.close();
    return undefined;
  };
  const options = { recursive: true, partial: true };
  const copying = source.copy("/tree", { sftp: target, path: "/copy" }, options);
  await assertRejects(() => copying, Error, "closed");
  await target.close();
});

/**
 * Refuses to open each numbered file once, and again unless the retry `works`; records the retries.
 */
function refuseFiles(w: World, works: readonly number[]): string[] {
  const first = new Set<string>();
  const again: string[] = [];
  w.from.refuse = (line) => {
    const path = line.split(" ")[1]!;
    if (!/^OPEN \/tree\/\d/.test(line)) return undefined;
    if (!first.has(path)) {
      first.add(path);
      return FAILURE;
    }
    again.push(path);
    return works.includes(again.length) ? undefined : FAILURE;
  };
  return again;
}

Deno.test("files that could not be opened are retried one by one, until three in a row fail", async () => {
  const cases: [works: number[], files: number, tries: number][] = [
    [[], 0, 3],
    [[3, 6], 2, 9],
    [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 12, 12],
  ];
  for (const [works, files, tries] of cases) {
    await using w = await world();
    for (let at = 0; at < 12; at++) w.from.add(`/tree/${at}`, noise(10, at));
    const again = refuseFiles(w, works);
    const result = await w.copy({ partial: true });
    assertEquals([result.files, result.failures.length], [3 + files, 12 - files]);
    assertEquals(again.length, tries);
    assertEquals(new Set(result.failures.map(({ path }) => path)).size, 12 - files);
    for (const { error } of result.failures) {
      assert(error instanceof SftpError && error.status === FAILURE);
    }
  }
});

Deno.test("a folder that could not be opened is retried with nothing else open", async () => {
  await using w = await world();
  for (let at = 0; at < 20; at++) w.from.add(`/tree/a/${at}`, noise(50_000, at));
  w.from.folders.set("/tree/a/b/deep", 0o700);
  w.from.add("/tree/a/b/deep/file", noise(10));
  w.from.folders.set("/tree/a/c", 0o755);
  let refused = false;
  const open: number[] = [];
  w.from.refuse = (line) => {
    if (line === "OPENDIR /tree/a" && !refused) {
      refused = true;
      return FAILURE;
    }
    if (refused && /^OPEN(DIR)? \/tree\/a/.test(line)) open.push(w.from.open);
    return undefined;
  };
  const { files, failures } = await w.copy({ preserve: true });
  assertEquals([files, failures, open.length], [24, [], 27]);
  assertEquals(Math.max(...open), 0);
  assertEquals(w.to.folders.get("/copy/a/b/deep"), 0o700);
  // Each folder gets its attributes once.
  const set = lines(w.to, /^SETSTAT/).map((line) => line.split(" ")[1]);
  assertEquals([set.length, new Set(set).size], [6, 6]);
});

Deno.test("a folder whose listing fails is not listed again", async () => {
  await using w = await world();
  w.from.add("/tree/empty/file", noise(10));
  let reads = 0;
  w.from.refuse = (line) => line === "READDIR /tree/empty" && ++reads >= 2 ? FAILURE : undefined;
  const { files, failures } = await w.copy({ partial: true });
  assertEquals([files, failures.map(({ path }) => path)], [4, ["/tree/empty"]]);
  assertEquals(lines(w.from, /^OPENDIR .*empty/).length, 1);
});

Deno.test("files that exist with the same size and time are skipped", async () => {
  await using w = await world();
  const options = { update: true, preserve: true };
  assertEquals((await w.copy(options)).unchanged, 0);
  const again = await w.copy(options);
  assertEquals([again.files, again.unchanged, again.bytes], [0, 3, 0]);
  w.to.log.length = 0;
  // Shorter, older, or no file: transferred again.
  w.from.add("/tree/one", noise(1), 0o640);
  w.to.files.get("/copy/a/two")!.mtime = 999;
  w.to.files.delete("/copy/a/b/three");
  w.to.links.set("/copy/a/b/three", "/copy/one");
  const third = await w.copy(options);
  assertEquals([third.files, third.unchanged], [3, 0]);
  assertEquals((await w.copy({ preserve: true })).files, 3); // all by default
  const one = await w.copy({ update: true, recursive: false }, "/tree/one", "/copy/one");
  assertEquals([one.files, one.unchanged], [0, 1]);
});

Deno.test("a file with an unknown time is transferred", async () => {
  await using w = await world();
  await w.copy({ preserve: true });
  for (const file of w.to.files.values()) file.mtime = null;
  w.to.files.get("/copy/one")!.mtime = 1000;
  const { files, unchanged } = await w.copy({ update: true });
  assertEquals([files, unchanged], [2, 1]);
});

Deno.test("a repeated name is used once, and a name that leads elsewhere never", async () => {
  await using w = await world();
  w.from.add("/tree/x\x01y", noise(5));
  const { failures, files } = await w.copy({ partial: true });
  assertEquals([files, failures.map(({ path }) => path)], [3, ["/tree/x\x01y"]]);
  assertEquals(
    plainMessage(failures[0]!.error),
    'Cannot transfer "/tree/xy" on the server: cannot use the name "xy": it has a control character in it',
  );
});

Deno.test("an entry that is not a file, folder or link is skipped", async () => {
  await using w = await world();
  w.from.add("/tree/pipe", new Uint8Array(0)).mode = 0o010644;
  const { files, skipped } = await w.copy();
  assertEquals([files, skipped], [3, ["/tree/pipe"]]);
  assert(!w.from.log.some((line) => line.startsWith("OPEN /tree/pipe")));
});

Deno.test("matches of a pattern are put into the target, folders only with recursive", async () => {
  await using w = await world();
  w.from.links.set("/tree/link", "/tree/one");
  const flat = await w.copy({ glob: true, recursive: false }, "/tree/*");
  assertEquals([flat.files, flat.skipped.toSorted()], [2, ["/tree/a", "/tree/empty"]]);
  assert(w.to.files.has("/copy/one") && w.to.files.has("/copy/link"));
  const deep = await w.copy({ glob: true }, "/tree/*", "/deep");
  assertEquals([deep.files, deep.skipped], [4, []]);
  assert(w.to.folders.has("/deep/empty") && w.to.files.has("/deep/a/b/three"));
  const twice = await w.copy({ glob: true, partial: true }, "/tree/**/t*", "/twice");
  assertEquals([twice.files, twice.failures], [2, []]);
  w.from.add("/tree/a/one", noise(3));
  const clash = await w.copy({ glob: true, partial: true }, "/tree/**/one", "/clash");
  assertEquals([clash.files, clash.failures.length], [1, 1]);
  const error = await assertRejects(() => w.copy({ glob: true }, "/tree/none*"), SftpError);
  assertEquals(plainMessage(error), 'Cannot transfer "/tree/none*" on the server: nothing matches');
});

Deno.test("a pattern may match more files than are transferred in parallel", async () => {
  await using w = await world();
  for (let at = 0; at < 300; at++) w.from.add(`/tree/empty/${at}`, noise(10, at));
  const { files, failures } = await w.copy({ glob: true }, "/tree/empty/*", "/many");
  assertEquals([files, failures, w.to.files.size], [300, [], 300]);
});

Deno.test("a root that is missing, or not a folder, is reported", async () => {
  await using w = await world();
  const error = await assertRejects(() => w.copy({}, "/none"), SftpError);
  assertEquals(plainMessage(error), 'Cannot transfer "/none" on the server: No such file');
  assertEquals(await refusal(w.copy({ recursive: false })), FAILURE);
  const { files } = await w.copy({}, "/tree/one", "/single");
  assertEquals([files, w.to.files.has("/single")], [1, true]);
  assertEquals(lines(w.to, /^MKDIR/), []);
});

Deno.test("the depth of a server's folders is limited", async () => {
  await using w = await world();
  let path = "/tree/a/b";
  for (let depth = 0; depth < 260; depth++) w.from.folders.set(path += "/x", 0o755);
  const { failures } = await w.copy({ partial: true });
  assertEquals(failures.length, 1);
  assert(plainMessage(failures[0]!.error).endsWith("folders are nested too deeply"));
  assertEquals(failures[0]!.path.split("/").length - 2, 257);
});

Deno.test("an abort ends the transfer with its reason, and queued files are not started", async () => {
  await using w = await world();
  for (let i = 0; i < 300; i++) w.from.add(`/tree/${i}`, noise(100));
  const abort = new AbortController();
  let opened = 0;
  w.from.refuse = (line) => {
    if (line.startsWith("OPEN ") && ++opened === 5) abort.abort(new Error("enough"));
    return undefined;
  };
  const options = { signal: abort.signal, partial: true };
  await assertRejects(() => w.copy(options), Error, "enough");
  assert(opened < 200, `${opened}`);
});

Deno.test("few folders are listed in parallel, and all in the end", async () => {
  await using w = await world();
  for (let i = 0; i < 100; i++) w.from.folders.set(`/tree/empty/${i}`, 0o755);
  let [listing, most] = [0, 0];
  w.from.refuse = (line) => {
    if (!line.startsWith("OPENDIR")) return undefined;
    most = Math.max(most, ++listing);
    return turn().then(() => {
      listing--;
      return undefined;
    });
  };
  await w.copy();
  assertEquals(w.to.folders.size, 1 + 4 + 100);
  assert(most > 10 && most <= 32, `${most}`);
});

Deno.test("a folder is not copied into itself by any spelling of the path", async () => {
  const server = new MemoryServer();
  server.folders.set("/tree", 0o755);
  server.folders.set("/tree/a", 0o755);
  server.folders.set("/tree2", 0o755);
  const sftp = await client(server);
  const copy = (path: string) => sftp.copy("/tree", { sftp, path }, { recursive: true });
  for (const path of ["/tree/copy", "/tree/a/copy"]) {
    const error = await assertRejects(() => copy(path), SftpError);
    assertEquals(
      plainMessage(error),
      'Cannot copy "/tree" on the server: a folder cannot be copied into itself',
    );
  }
  for (const path of ["/copy", "/tree2/copy"]) await copy(path);
  assert(server.folders.has("/tree2/copy/a"));
  await sftp.close();
});

Deno.test("of 2,000 files, at most 256 plus those listed ahead are in progress", async () => {
  const [from, to] = [new MemoryServer(), new MemoryServer()];
  const files = 2000;
  from.folders.set("/tree", 0o755);
  const data = noise(100);
  for (let i = 0; i < files; i++) from.add(`/tree/${i}`, data);
  for (const server of [from, to]) {
    server.extensions.push(EXTENSION.LIMITS, EXTENSION.POSIX_RENAME);
    server.openHandles = 2000;
  }
  const [source, target] = [await client(from), await client(to)];
  const most = { read: 0, written: 0, ahead: 0 };
  let [listed, named] = [0, 0];
  from.refuse = (line) => {
    if (line.startsWith("READDIR")) listed += LISTED;
    most.read = Math.max(most.read, from.open);
    return undefined;
  };
  to.refuse = (line) => {
    if (line.startsWith("POSIX_RENAME")) named++;
    most.written = Math.max(most.written, to.open);
    most.ahead = Math.max(most.ahead, listed - named);
    return undefined;
  };
  const { files: sent } = await source.copy(
    "/tree",
    { sftp: target, path: "/copy" },
    { recursive: true },
  );
  assertEquals([sent, named], [files, files]);
  // The extra one is the folder's own handle.
  assert(most.read <= 257 && most.read > 200, `${most.read} files are read`);
  assert(most.written <= 256 && most.written > 100, `${most.written} files are written`);
  assert(most.ahead <= 256 + 3 * LISTED, `${most.ahead} files are listed, and not done`);
  await source.close();
  await target.close();
});

Deno.test("a transfer opens at most half of the files that either server allows", async () => {
  // 0: the server does not announce a limit, so it is 32.
  for (
    const [first, second, allowed] of [[0, 0, 32], [0, 9, 4], [11, 0, 5], [1, 1, 32], [
      900,
      900,
      256,
    ]]
  ) {
    const [server, to] = [new MemoryServer(), new MemoryServer()];
    server.folders.set("/tree", 0o755);
    for (let i = 0; i < 1.5 * allowed!; i++) server.add(`/tree/${i}`, noise(10));
    [server.openHandles, to.openHandles] = [first!, second!];
    for (const each of [server, to]) each.extensions.push(EXTENSION.LIMITS);
    const [sftp, other] = [await client(server), await client(to)];
    let [open, most] = [0, 0];
    server.refuse = (line) => {
      if (line.startsWith("OPEN ")) most = Math.max(most, ++open);
      if (line.startsWith("CLOSE ")) open--;
      return line.startsWith("READ ") ? turn().then(() => undefined) : undefined;
    };
    await sftp.copy("/tree", { sftp: other, path: "/copy" }, { recursive: true });
    assert(most > allowed! * 0.75 && most <= allowed!, `${most} of ${allowed}`);
    await sftp.close();
    await other.close();
  }
});

Deno.test("a stream or bytes count as one file, not as a folder", async () => {
  const server = new MemoryServer();
  server.folders.set("/folder", 0o755);
  server.add("/file", noise(10));
  const sftp = await client(server);
  for (const options of [{ recursive: true }, { glob: true }]) {
    await assertRejects(() => sftp.put(noise(1), "/x", options), TypeError, "local path");
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const failed = assertRejects(() => new Response(readable).bytes(), TypeError);
    await assertRejects(() => sftp.get("/file", writable, options), TypeError, "local path");
    await failed;
  }
  const result = await sftp.put(ReadableStream.from([noise(5), noise(6)]), "/new");
  assertEquals([result.bytes, result.files, server.data("/new")!.length], [11, 1, 11]);
  assertEquals(await refusal(sftp.get("/folder", new WritableStream())), FAILURE);
  await sftp.close();
});

Deno.test("a file without readable attributes is found by opening it", async () => {
  await using w = await world();
  w.from.refuse = (line) => line.startsWith("STAT") ? PERMISSION_DENIED : undefined;
  const { files } = await w.copy({ recursive: false }, "/tree/one", "/one");
  assertEquals([files, (await w.copy({}, "/tree", "/all")).files], [1, 3]);
  assertEquals(await refusal(w.copy({}, "/none", "/x")), PERMISSION_DENIED);
});

Deno.test("a folder on another server may have the same path as the source", async () => {
  await using w = await world();
  w.to.folders.set("/tree", 0o755);
  const { files } = await w.copy({}, "/tree", "/tree/copy");
  assertEquals([files, w.to.files.has("/tree/copy/a/b/three")], [3, true]);
});

Deno.test("the depth of a pattern in endlessly nested folders is limited", async () => {
  const info = infoOf({ mode: 0o040755 });
  let listed = 0;
  const store = {
    stat: () => Promise.resolve(info),
    lstat: () => Promise.resolve(info),
    async *list() {
      listed++;
      yield { name: "x", info };
    },
  };
  const finding = () => Array.fromAsync(glob(store, "/**/none"));
  await assertRejects(finding, SftpError, "folders are nested too deeply");
  assert(listed > 100 && listed < 300, `${listed}`);
});
