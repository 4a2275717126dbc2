import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import {
  localFiles,
  SftpError,
  SftpStatus,
  SftpTransferError,
  type TransferProgress,
} from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { nextHole } from "../../lib/sftp/transfer/holes.ts";
import { atServer, status } from "./raw.ts";
import {
  clientTest,
  folder,
  noise,
  OPENSSH_SERVER,
  opensshWorld,
  ourWorld,
  refusal,
  same,
} from "./world.ts";

async function names(path: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
}

clientTest("a put that fails leaves the old file and nothing else", async (world) => {
  const { sftp, at, root } = world;
  await sftp.writeTextFile(at("file"), "precious");
  const broken = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(noise(100_000));
      controller.error(new RangeError("out of paper"));
    },
  });
  await assertRejects(() => sftp.put(broken, at("file")), RangeError);
  assertEquals(await sftp.readTextFile(at("file")), "precious");
  await sftp.stat(at("file"));
  assertEquals(await names(root), ["file"]);
});

clientTest("a put replaces a file in one step, its mode and links to it kept", async (world) => {
  const { sftp, at, root } = world;
  await sftp.writeTextFile(at("file"), "old");
  await sftp.chmod(at("file"), 0o640);
  await sftp.symlink("file", at("link"));
  await sftp.put(new TextEncoder().encode("new"), at("link"));
  assertEquals(await Deno.readTextFile(`${root}/file`), "new");
  assert((await Deno.lstat(`${root}/link`)).isSymlink);
  assertEquals((await Deno.stat(`${root}/file`)).mode! & 0o777, 0o640);
  await sftp.put(new TextEncoder().encode("newer"), at("file"), { mode: 0o600 });
  assertEquals((await Deno.stat(`${root}/file`)).mode! & 0o777, 0o600);
  assertEquals(await names(root), ["file", "link"]);
});

clientTest("a put in place keeps the file that is there", async ({ sftp, at, root }) => {
  await sftp.writeTextFile(at("file"), "something longer");
  const { ino } = await Deno.stat(`${root}/file`);
  await sftp.put(new TextEncoder().encode("new"), at("file"), { atomic: false });
  assertEquals((await Deno.stat(`${root}/file`)).ino, ino);
  assertEquals(await Deno.readTextFile(`${root}/file`), "new");
});

clientTest("files reach the disk before they get their names, when told", async (world) => {
  const { sftp, at, root, here } = world;
  await sftp.put(noise(1000), at("file"), { sync: true });
  await sftp.get(at("file"), `${here}/file`, { sync: true });
  assert(same(await Deno.readFile(`${here}/file`), await Deno.readFile(`${root}/file`)));
});

clientTest("update leaves out what is there with the same size and time", async (world) => {
  const { sftp, at, here } = world;
  await Deno.mkdir(`${here}/from/deep`, { recursive: true });
  for (const name of ["a", "b", "deep/c"]) await Deno.writeTextFile(`${here}/from/${name}`, name);
  const options = { recursive: true, preserve: true, update: true };
  const put = () => sftp.put(`${here}/from`, at("to"), options);
  const get = () => sftp.get(at("to"), `${here}/back`, options);
  for (const way of [put, get]) {
    const first = await way();
    assertEquals([first.files, first.unchanged], [3, 0]);
    const second = await way();
    assertEquals([second.files, second.unchanged, second.bytes], [0, 3, 0]);
  }
  await Deno.writeTextFile(`${here}/from/a`, "longer");
  await Deno.utime(`${here}/from/b`, 1, 1);
  const third = await put();
  assertEquals([third.files, third.unchanged], [2, 1]);
  assertEquals((await sftp.put(`${here}/from/a`, at("to/a"), { update: true })).unchanged, 1);
});

clientTest("verify compares what is there with what was sent", async ({ sftp, at, here }) => {
  const data = noise(3_000_000);
  await sftp.put(data, at("file"), { verify: true });
  await sftp.get(at("file"), `${here}/file`, { verify: true });
  const right = createHash("sha256").update(data).digest("hex");
  const asked: [string, number][] = [];
  const hash = (answer: string) => (path: string, length: number) => {
    asked.push([path, length]);
    return Promise.resolve(answer);
  };
  await sftp.get(at("file"), `${here}/asked`, { verify: hash(` ${right.toUpperCase()}\n`) });
  assertEquals(asked, [[at("file"), 3_000_000]]);
  const wrong = hash("0".repeat(64));
  const error = await assertRejects(
    () => sftp.put(data, at("other"), { verify: wrong }),
    SftpError,
  );
  assertEquals(error.operation, "verify");
  await assertRejects(() => sftp.get(at("file"), `${here}/no`, { verify: wrong }), SftpError);
  assertEquals(await refusal(sftp.stat(at("other"))), SftpStatus.NO_SUCH_FILE);
  assertEquals(await names(here), ["asked", "file"]);
});

clientTest("links are followed or kept when told, never out of the folder", async (world) => {
  const { sftp, at, here } = world;
  await Deno.mkdir(`${here}/from/folder`, { recursive: true });
  await Deno.writeTextFile(`${here}/from/folder/file`, "text");
  await Deno.symlink("folder/file", `${here}/from/link`);
  await Deno.symlink("folder", `${here}/from/twin`);
  await Deno.symlink("..", `${here}/from/folder/circle`);
  await Deno.symlink("/etc/passwd", `${here}/from/absolute`);
  await Deno.symlink("../../secret", `${here}/from/outside`);
  const kept = { recursive: true, links: "keep", partial: true } as const;
  assertEquals((await sftp.put(`${here}/from`, at("kept"), kept)).failures, []);
  assertEquals(await sftp.readLink(at("kept/link")), "folder/file");
  const back = await sftp.get(at("kept"), `${here}/back`, kept);
  assertEquals(back.failures.map(({ path }) => path).sort(), [
    at("kept/absolute"),
    at("kept/outside"),
  ]);
  assertEquals(await Deno.readLink(`${here}/back/twin`), "folder");
  assertEquals(await Deno.readTextFile(`${here}/back/twin/file`), "text");
  await Deno.remove(`${here}/from/absolute`);
  const followed = { recursive: true, links: "follow", partial: true } as const;
  const there = await sftp.put(`${here}/from`, at("followed"), followed);
  assertEquals(there.skipped, [`${here}/from/outside`]);
  assertEquals(await sftp.readTextFile(at("followed/twin/file")), "text");
  const again = await sftp.get(at("followed"), `${here}/again`, followed);
  assertEquals(await Deno.readTextFile(`${here}/again/link`), "text");
  assertEquals(again.failures, []);
});

clientTest("what a pattern stands for goes into the target folder", async (world) => {
  const { sftp, at, root, here } = world;
  await Deno.mkdir(`${here}/from/deep`, { recursive: true });
  for (const name of ["a.txt", "b.txt", "c.md", "deep/d.txt"]) {
    await Deno.writeTextFile(`${here}/from/${name}`, name);
  }
  const there = await sftp.put(`${here}/from/*.txt`, at("to"), { glob: true });
  assertEquals([there.files, await names(`${root}/to`)], [2, ["a.txt", "b.txt"]]);
  await sftp.put(`${here}/from/*`, at("all"), { glob: true, recursive: true });
  const back = await sftp.get(at("all/**/*.txt"), `${here}/back`, { glob: true });
  assertEquals([back.files, await names(`${here}/back`)], [3, ["a.txt", "b.txt", "d.txt"]]);
  const flat = await sftp.get(at("all/*"), `${here}/flat`, { glob: true });
  assertEquals([flat.files, flat.skipped], [3, [at("all/deep")]]);
  assertEquals(await refusal(sftp.get(at("none*"), `${here}/x`, { glob: true })), 2);
  await Deno.writeTextFile(`${root}/all/deep/a.txt`, "another");
  const twice = await sftp.get(at("all/**/a.txt"), `${here}/twice`, { glob: true, partial: true });
  assertEquals([twice.files, twice.failures.length], [1, 1]);
});

clientTest("holes stay holes", async ({ sftp, at, root, here }) => {
  const file = await Deno.open(`${here}/sparse`, { write: true, create: true });
  for (const at of [0, 5_000_000, 12_000_000]) {
    await file.seek(at, Deno.SeekMode.Start);
    await file.write(noise(3000, at + 1));
  }
  await file.truncate(20_000_000);
  file.close();
  const data = await Deno.readFile(`${here}/sparse`);
  const blocks = async (path: string) => (await Deno.stat(path)).blocks!;
  assert(await blocks(`${here}/sparse`) * 512 < 1_000_000, "this file system has no holes");
  const { bytes } = await sftp.put(`${here}/sparse`, at("there"));
  assertEquals(bytes, 20_000_000);
  assert(same(await Deno.readFile(`${root}/there`), data));
  assert(await blocks(`${root}/there`) * 512 < 1_000_000, "there");
  await sftp.get(at("there"), `${here}/back`, { sparse: true });
  assert(same(await Deno.readFile(`${here}/back`), data));
  assert(await blocks(`${here}/back`) * 512 < 1_000_000, "back");
});

Deno.test("a hole is a run of zeros that is worth it", () => {
  const block = new Uint8Array(300_000).fill(1);
  assertEquals(nextHole(block, 0), [300_000, 300_000]);
  block.fill(0, 60_000, 200_000); // whole pieces of 64 KiB: from 65536 to 196608
  assertEquals(nextHole(block, 0), [65_536, 196_608]);
  assertEquals(nextHole(block.subarray(1), 65_535), [65_535, 196_607]);
  assertEquals(nextHole(block, 196_608), [300_000, 300_000]);
  block.fill(0, 200_000);
  assertEquals(nextHole(block, 65_536), [65_536, 300_000]);
  assertEquals(nextHole(new Uint8Array(10), 0), [0, 10]);
});

Deno.test("a rate limit holds a transfer back, and can be aborted", async () => {
  await using world = await ourWorld();
  const { sftp, here } = world;
  await Deno.writeFile(`${here}/file`, noise(300_000));
  const started = performance.now();
  await sftp.put(`${here}/file`, "/file", { rateLimit: 1_000_000 });
  assert(performance.now() - started > 250);
  const signal = AbortSignal.timeout(30);
  const getting = sftp.get("/file", `${here}/back`, { rateLimit: 1000, signal });
  await assertRejects(() => getting, DOMException);
  for (const option of [{ rateLimit: 0 }, { inFlight: 0 }]) {
    await assertRejects(() => sftp.get("/file", `${here}/x`, option), RangeError);
  }
});

Deno.test("copy carries files and folders from one server to another", async () => {
  await using one = await ourWorld();
  await using two = await ourWorld();
  await Deno.mkdir(`${one.root}/tree/deep`, { recursive: true });
  for (let i = 0; i < 20; i++) {
    await Deno.writeFile(`${one.root}/tree/deep/${i}`, noise(i * 40_000, i + 1));
  }
  const to = (path: string) => ({ sftp: two.sftp, path });
  const tree = await one.sftp.copy("/tree", to("/copy"), { recursive: true, preserve: true });
  assertEquals(tree.files, 20);
  for (let i = 0; i < 20; i++) {
    assert(same(await Deno.readFile(`${two.root}/copy/deep/${i}`), noise(i * 40_000, i + 1)));
  }
  await one.sftp.copy("/tree/deep/7", to("/seven"), { verify: true, resume: true });
  assert(same(await Deno.readFile(`${two.root}/seven`), noise(280_000, 8)));
  assertEquals(await refusal(one.sftp.copy("/none", to("/x"))), SftpStatus.NO_SUCH_FILE);
  assertEquals(await refusal(one.sftp.copy("/tree", to("/x"))), SftpStatus.FAILURE);
  const within = (path: string) =>
    one.sftp.copy("/tree", { sftp: one.sftp, path }, { recursive: true });
  assertEquals(await refusal(within("/tree/deep/copy")), SftpStatus.FAILURE);
  assertEquals(await refusal(within("/tree/copy")), SftpStatus.FAILURE);
  assertEquals((await within("/tree-copy")).files, 20);
});

clientTest("resume goes on with what is there, if it is the same", async (world) => {
  const { sftp, at, root, here } = world;
  const data = noise(9_000_000);
  const options = { resume: true, inFlight: 1_000_000 };
  await Deno.writeFile(`${root}/file`, data);
  await Deno.writeFile(`${here}/file`, data.subarray(0, 8_000_000));
  assertEquals((await sftp.get(at("file"), `${here}/file`, options)).bytes, 1_000_000);
  assert(same(await Deno.readFile(`${here}/file`), data));
  await Deno.writeFile(`${root}/other`, data.subarray(0, 8_000_000));
  const { bytes } = await sftp.put(`${here}/file`, at("other"), options);
  assert(bytes > 1_000_000 && bytes < 4_000_000, `${bytes}`);
  assert(same(await Deno.readFile(`${root}/other`), data));
  // The last block differs, or the first: not the same file.
  for (const wrong of [0, 7_999_999]) {
    const part = data.slice(0, 8_000_000);
    part[wrong]! ^= 1;
    await Deno.writeFile(`${here}/file`, part);
    assertEquals((await sftp.get(at("file"), `${here}/file`, options)).bytes, 9_000_000);
    assert(same(await Deno.readFile(`${here}/file`), data));
  }
  assertEquals([await names(here), await names(root)], [["file"], ["file", "other"]]);
});

Deno.test("resume asks for a hash if it may, and sends all again if the whole is wrong", async () => {
  await using world = await ourWorld();
  const { sftp, root, here } = world;
  const data = noise(2_000_000);
  await Deno.writeFile(`${root}/file`, data);
  const part = data.slice(0, 1_500_000);
  part[700_000]! ^= 1; // where samples may miss it
  await Deno.writeFile(`${here}/file`, part);
  const { bytes } = await sftp.get("/file", `${here}/file`, { resume: true, verify: true });
  assert(bytes >= 2_000_000);
  assert(same(await Deno.readFile(`${here}/file`), data));
  await Deno.writeFile(`${here}/file`, part);
  const hash = async (path: string, length: number) =>
    createHash("sha256").update((await Deno.readFile(root + path)).subarray(0, length)).digest(
      "hex",
    );
  await sftp.get("/file", `${here}/file`, { resume: true, verify: hash });
  assert(same(await Deno.readFile(`${here}/file`), data));
});

clientTest("two transfers that resume one file do it no harm", async (world) => {
  const { sftp, at, root, here } = world;
  const data = noise(6_000_000);
  await Deno.writeFile(`${here}/from`, data);
  const options = { resume: true, inFlight: 500_000 };
  for (const part of [0, 3_000_000, 400_000]) {
    for (const way of ["put", "get"] as const) {
      const target = way === "put" ? `${root}/there` : `${here}/back`;
      if (part > 0) await Deno.writeFile(target, data.subarray(0, part));
      const transfer = () =>
        way === "put"
          ? sftp.put(`${here}/from`, at("there"), options)
          : sftp.get(at("there"), `${here}/back`, options);
      const results = await Promise.allSettled([transfer(), transfer()]);
      assert(results.some(({ status }) => status === "fulfilled"), `${results[0]}`);
      assert(same(await Deno.readFile(target), data), `${way} ${part}`);
    }
  }
});

Deno.test("a part of another version of the file is not gone on with", async () => {
  await using world = await ourWorld();
  const { sftp, root, here } = world;
  const [first, second] = [noise(3_000_000, 1), noise(3_000_000, 2)];
  second.set(first.subarray(0, 1_000_000)); // the beginning is the same
  await Deno.writeFile(`${root}/file`, first);
  const abort = new AbortController();
  const options = { resume: true, signal: abort.signal, onProgress: () => abort.abort() };
  await assertRejects(() => sftp.get("/file", `${here}/file`, options));
  assertEquals((await names(here)).length, 1);
  await Deno.writeFile(`${root}/file`, second);
  await Deno.utime(`${root}/file`, 1000, 1000);
  assertEquals((await sftp.get("/file", `${here}/file`, { resume: true })).bytes, 3_000_000);
  assert(same(await Deno.readFile(`${here}/file`), second));
});

Deno.test("progress counts what an earlier try has brought, and estimates the rest", async () => {
  await using world = await ourWorld();
  const { sftp, root, here } = world;
  const data = noise(3_000_000);
  await Deno.writeFile(`${root}/file`, data);
  await Deno.writeFile(`${here}/file`, data.subarray(0, 2_000_000));
  const reports: TransferProgress[] = [];
  const onProgress = (report: TransferProgress) => void reports.push(report);
  await sftp.get("/file", `${here}/file`, { resume: true, onProgress });
  assert(reports.every(({ transferred }) => transferred >= 2_000_000));
  const { transferred, total, remaining } = reports.at(-1)!;
  assertEquals([transferred, total, remaining], [3_000_000, 3_000_000, 0]);
});

Deno.test("a file that vanishes or may not be read is one failure of many", async () => {
  await using world = await ourWorld({
    backend: (root) => {
      const files = localFiles({ root });
      return {
        ...Object.fromEntries(
          ["readDir", "stat", "lstat", "realPath"].map((name) => [
            name,
            (...args: unknown[]) => (files as Record<string, CallableFunction>)[name]!(...args),
          ]),
        ),
        open: (path, options) => {
          if (path === "/tree/secret") throw new Deno.errors.PermissionDenied();
          if (path === "/tree/gone") throw new Deno.errors.NotFound();
          return files.open!(path, options);
        },
      };
    },
  });
  const { sftp, root, here } = world;
  await Deno.mkdir(`${root}/tree`);
  for (const name of ["secret", "gone", "plain"]) {
    await Deno.writeTextFile(`${root}/tree/${name}`, name);
  }
  const getting = sftp.get("/tree", `${here}/tree`, { recursive: true });
  const { result, message } = await assertRejects(() => getting, SftpTransferError);
  assertEquals(result.files, 1);
  assertEquals(
    result.failures.map(({ path, error }) => [path, error.message]).sort(),
    [
      ["/tree/gone", 'Cannot open "/tree/gone": No such file'],
      ["/tree/secret", 'Cannot open "/tree/secret": Permission denied'],
    ],
  );
  assert(message.endsWith("(2 of 3 failed)"));
  assertEquals(await names(`${here}/tree`), ["plain"]);
});

Deno.test("a file that grows while it is read arrives as long as it was, or longer", async () => {
  await using world = await ourWorld();
  const { sftp, here, root } = world;
  await Deno.writeFile(`${here}/log`, noise(3_000_000));
  let grown = false;
  await sftp.put(`${here}/log`, "/log", {
    onProgress: () => {
      if (!grown) Deno.writeFileSync(`${here}/log`, noise(200_000, 9), { append: true });
      grown = true;
    },
  });
  const there = await Deno.readFile(`${root}/log`);
  assert(same(there, (await Deno.readFile(`${here}/log`)).subarray(0, there.length)));
  assert(there.length >= 3_000_000);
});

Deno.test({
  name: "a folder that is swapped for a link while files arrive gets none of them",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using world = await ourWorld();
    const { sftp, root, here } = world;
    await Deno.mkdir(`${root}/tree/deep`, { recursive: true });
    await Deno.mkdir(`${here}/elsewhere`);
    for (let i = 0; i < 300; i++) await Deno.writeTextFile(`${root}/tree/deep/${i}`, "evil");
    let swapped = false;
    const result = await sftp.get("/tree", `${here}/tree`, {
      recursive: true,
      partial: true,
      onProgress: () => {
        if (swapped) return;
        swapped = true;
        Deno.renameSync(`${here}/tree/deep`, `${here}/aside`);
        Deno.symlinkSync(`${here}/elsewhere`, `${here}/tree/deep`);
      },
    });
    assert(result.failures.length > 0 && result.files + result.failures.length === 300);
    assertEquals(await names(`${here}/elsewhere`), []);
  },
});

Deno.test("links that lead outside by way of each other are not made", async () => {
  const texts: Record<string, string> = {
    step: "a/b",
    up: "..",
    here: ".",
    plain: "a/b/../b",
    evil: "step/../../..",
    sly: "a/../../secret",
    twice: "up/up",
  };
  const infos = Object.keys(texts).map((name) => ({
    name,
    longname: "",
    attributes: { mode: 0o120777 },
  }));
  const listed = new Set<string>();
  const sftp = await atServer(async ({ type, id, body }, peer) => {
    if (type === FXP.STAT) {
      await peer.send(msg.Attrs.encode(id, { attributes: { mode: 0o040755 } }));
    } else if (type === FXP.OPENDIR) {
      await peer.send(msg.Handle.encode(id, { handle: new Uint8Array([1]) }));
    } else if (type === FXP.READDIR && listed.size === 0) {
      listed.add("x");
      await peer.send(msg.Name.encode(id, { entries: infos }));
    } else if (type === FXP.READLINK) {
      const { path } = msg.Readlink.decode(body);
      const name = texts[path.slice("/x/".length)]!;
      const entries = [{ name, longname: "", attributes: {} }];
      await peer.send(msg.Name.encode(id, { entries }));
    } else await peer.send(status(id, type === FXP.CLOSE ? SftpStatus.OK : SftpStatus.EOF));
  });
  await using here = await folder();
  const options = { recursive: true, links: "keep", partial: true } as const;
  const { failures } = await sftp.get("/x", `${here.path}/x`, options);
  const refused = ["evil", "plain", "sly", "up"]; // `plain` is harmless, and too clever
  assertEquals(failures.map(({ path }) => path.slice(3)).sort(), refused);
  assertEquals(await names(`${here.path}/x`), ["here", "step", "twice"]);
  await sftp.close();
});

clientTest("a resumed file with holes has no others", async ({ sftp, at, root, here }) => {
  const data = new Uint8Array(6_000_000);
  data.set(noise(500_000), 0);
  data.set(noise(500_000, 2), 3_000_000);
  await Deno.writeFile(`${here}/file`, data);
  await Deno.truncate(`${here}/file`, 8_000_000); // so that it has a hole
  for (const way of ["put", "get"] as const) {
    const abort = new AbortController();
    const options = { resume: true, sparse: true, inFlight: 300_000 };
    const transfer = (more = {}) =>
      way === "put"
        ? sftp.put(`${here}/file`, at("there"), { ...options, ...more })
        : sftp.get(at("there"), `${here}/back`, { ...options, ...more });
    const onProgress = ({ transferred }: TransferProgress) => {
      if (transferred > 1_000_000) abort.abort(new Error("enough"));
    };
    await assertRejects(() => transfer({ signal: abort.signal, onProgress }), Error, "enough");
    await transfer();
  }
  assert(same(await Deno.readFile(`${root}/there`), await Deno.readFile(`${here}/file`)));
  assert(same(await Deno.readFile(`${here}/back`), await Deno.readFile(`${here}/file`)));
});

Deno.test("a put that is aborted leaves no handle and no part on the server", async () => {
  await using world = await ourWorld();
  const { sftp, root } = world;
  for (let i = 0; i < 300; i++) { // more than there may be handles
    const abort = new AbortController();
    const stream = new ReadableStream<Uint8Array>({ pull: () => abort.abort(new Error("enough")) });
    await assertRejects(
      () => sftp.put(stream, "/file", { signal: abort.signal }),
      Error,
      "enough",
    );
  }
  await sftp.put(noise(10), "/file");
  assertEquals(await names(root), ["file"]);
});

Deno.test("without extensions, transfers work all the same", async () => {
  await using world = await ourWorld({ extensions: [] });
  const { sftp, root, here } = world;
  const data = noise(1_000_000);
  await sftp.put(noise(10), "/file");
  await sftp.put(data, "/file");
  assert(same(await Deno.readFile(`${root}/file`), data));
  await Deno.mkdir(`${here}/from/deep`, { recursive: true });
  for (let i = 0; i < 50; i++) await Deno.writeTextFile(`${here}/from/deep/${i}`, `${i}`);
  for (let round = 0; round < 2; round++) {
    await sftp.put(`${here}/from`, "/tree", { recursive: true });
    assertEquals((await sftp.get("/tree", `${here}/back`, { recursive: true })).files, 50);
  }
  assertEquals(await names(`${root}/tree/deep`), await names(`${here}/back/deep`));
  assertEquals((await names(root)).length, 2);
  // fsync cannot be had here, and is not left out in silence.
  assertEquals(await refusal(sftp.put(data, "/x", { sync: true })), SftpStatus.OP_UNSUPPORTED);
});

Deno.test("a put goes into the file itself where no other may be made", async () => {
  await using world = await ourWorld({
    backend: (root) => {
      const files = localFiles({ root });
      const open = files.open!.bind(files);
      files.open = (path, options) => {
        if (options.createNew) throw new Deno.errors.PermissionDenied();
        return open(path, options);
      };
      return files;
    },
  });
  const { sftp, root } = world;
  await Deno.writeTextFile(`${root}/file`, "something longer");
  const data = new TextEncoder().encode("new");
  await sftp.put(data, "/file");
  assertEquals(await Deno.readTextFile(`${root}/file`), "new");
  const refused = refusal(sftp.put(data, "/file", { atomic: true }));
  assertEquals(await refused, SftpStatus.PERMISSION_DENIED);
});

clientTest("a put onto a folder is refused, and the folder stays", async ({ sftp, at, root }) => {
  await sftp.mkdir(at("folder"));
  await sftp.writeTextFile(at("folder/file"), "kept");
  await assertRejects(() => sftp.put(noise(10), at("folder")), SftpError);
  await assertRejects(() => sftp.put(noise(10), at("none/file")), SftpError);
  await sftp.stat(at("folder"));
  assertEquals([await names(root), await names(`${root}/folder`)], [["folder"], ["file"]]);
});

Deno.test({
  name: "a device is written to, not replaced",
  ignore: !OPENSSH_SERVER || Deno.build.os !== "linux",
  fn: async () => {
    await using world = await opensshWorld();
    const before = await Deno.lstat("/dev/null");
    await world.sftp.put(noise(100_000), "/dev/null");
    assertEquals((await Deno.lstat("/dev/null")).ino, before.ino);
    await world.sftp.put(noise(100_000), world.at("file"));
    await world.sftp.get(world.at("file"), "/dev/null");
    assertEquals((await Deno.lstat("/dev/null")).ino, before.ino);
  },
});

Deno.test("a stream of single bytes costs few requests", async () => {
  let requests = 0;
  await using world = await ourWorld({
    backend: (root) => {
      const files = localFiles({ root });
      const open = files.open!.bind(files);
      files.open = async (path, options) => {
        const file = await open(path, options);
        const write = file.write.bind(file);
        file.write = (data, offset) => {
          requests++;
          return write(data, offset);
        };
        return file;
      };
      return files;
    },
  });
  const data = noise(20_000);
  await world.sftp.put(
    ReadableStream.from(Array.from(data, (byte) => Uint8Array.of(byte))),
    "/file",
  );
  assert(same(await Deno.readFile(`${world.root}/file`), data));
  assertEquals(requests, 1);
});

Deno.test("folders in folders without an end are left at some depth", async () => {
  const sftp = await atServer(async ({ type, id }, peer) => {
    const answer = type === FXP.OPENDIR
      ? msg.Handle.encode(id, { handle: new Uint8Array([1]) })
      : type === FXP.REALPATH
      // Always another one, so that no circle shows.
      ? msg.Name.encode(id, {
        entries: [{ name: `/${id}`, longname: "", attributes: {} }],
      })
      : type === FXP.READDIR && !ended.delete(id - 1)
      ? msg.Name.encode(id, {
        entries: [{ name: "x", longname: "", attributes: { mode: 0o040755 } }],
      })
      : type === FXP.STAT
      ? msg.Attrs.encode(id, { attributes: { mode: 0o040755 } })
      : status(id, type === FXP.CLOSE ? SftpStatus.OK : SftpStatus.EOF);
    if (type === FXP.READDIR && answer[4] === FXP.NAME) ended.add(id);
    await peer.send(answer);
  });
  const ended = new Set<number>();
  const walking = Array.fromAsync(sftp.walk("/", { followSymlinks: true }));
  const error = await assertRejects(() => walking, SftpError);
  assert(error.message.endsWith("folders without an end"), error.message);
  await sftp.close();
});

Deno.test({
  name: "owners are kept when told",
  ignore: !OPENSSH_SERVER || Deno.build.os === "windows" || Deno.uid() !== 0,
  fn: async () => {
    await using world = await opensshWorld();
    const { sftp, at, here, root } = world;
    await Deno.mkdir(`${here}/from`);
    await Deno.writeTextFile(`${here}/from/file`, "x");
    await Deno.chown(`${here}/from/file`, 12_345, 23_456);
    await Deno.chown(`${here}/from`, 12_346, 23_457);
    const options = { recursive: true, owners: true };
    await sftp.put(`${here}/from`, at("there"), options);
    await sftp.get(at("there"), `${here}/back`, options);
    for (const folder of [`${root}/there`, `${here}/back`]) {
      const [{ uid, gid }, file] = [await Deno.stat(folder), await Deno.stat(`${folder}/file`)];
      assertEquals([uid, gid, file.uid, file.gid], [12_346, 23_457, 12_345, 23_456]);
    }
  },
});
