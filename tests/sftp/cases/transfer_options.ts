import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHash } from "node:crypto";
import { SftpError, SftpStatus, type TransferProgress } from "../../../lib/sftp/mod.ts";
import { ClientCases, noise, refusal, same } from "../world.ts";

export const cases: ClientCases = new ClientCases();

async function names(path: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
}

cases.add("a failed put leaves only the old file", async (world) => {
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

cases.add(
  "a put replaces a file in one step, and keeps its mode and links to it",
  async (world) => {
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
  },
);

cases.add("a put in place writes into the existing file", async ({ sftp, at, root }) => {
  await sftp.writeTextFile(at("file"), "something longer");
  const { ino } = await Deno.stat(`${root}/file`);
  await sftp.put(new TextEncoder().encode("new"), at("file"), { atomic: false });
  assertEquals((await Deno.stat(`${root}/file`)).ino, ino);
  assertEquals(await Deno.readTextFile(`${root}/file`), "new");
});

cases.add("files are synced before they are renamed, if requested", async (world) => {
  const { sftp, at, root, here } = world;
  await sftp.put(noise(1000), at("file"), { sync: true });
  await sftp.get(at("file"), `${here}/file`, { sync: true });
  assert(same(await Deno.readFile(`${here}/file`), await Deno.readFile(`${root}/file`)));
});

cases.add("update skips existing files with the same size and time", async (world) => {
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

cases.add("verify compares the result with the source", async ({ sftp, at, here }) => {
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

cases.add("links are followed or kept on request, never out of the folder", async (world) => {
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
  const circles = [`${here}/from/folder/circle`, `${here}/from/twin/circle`];
  assertEquals(there.skipped.toSorted(), [circles[0], `${here}/from/outside`, circles[1]]);
  assertEquals(await sftp.readTextFile(at("followed/twin/file")), "text");
  const again = await sftp.get(at("followed"), `${here}/again`, followed);
  assertEquals(await Deno.readTextFile(`${here}/again/link`), "text");
  assertEquals(again.failures, []);
});

cases.add("matches of a pattern are put into the target folder", async (world) => {
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

cases.add("holes stay holes", async ({ sftp, at, root, here }) => {
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

cases.add("resume continues existing data, if it is equal", async (world) => {
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

cases.add("two transfers that resume the same file do not damage it", async (world) => {
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

cases.add("a resumed file has only the holes of its source", async ({ sftp, at, root, here }) => {
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

cases.add("a put onto a folder is refused, and the folder stays", async ({ sftp, at, root }) => {
  await sftp.mkdir(at("folder"));
  await sftp.writeTextFile(at("folder/file"), "kept");
  await assertRejects(() => sftp.put(noise(10), at("folder")), SftpError);
  await assertRejects(() => sftp.put(noise(10), at("none/file")), SftpError);
  await sftp.stat(at("folder"));
  assertEquals([await names(root), await names(`${root}/folder`)], [["folder"], ["file"]]);
});
