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
import { FakeTime } from "../support/fake_time.ts";
import { replaced } from "../support/replaced.ts";
import { atServer, status } from "./raw.ts";
import { folder, noise, ourWorld, refusal, same } from "./world.ts";
import { plainMessage } from "../../lib/error_messages.ts";

async function names(path: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
}

Deno.test("a hole is a run of zeros of a minimum length", () => {
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

Deno.test("a rate limit slows a transfer, and can be aborted", async () => {
  await using world = await ourWorld();
  const { sftp, here } = world;
  await Deno.writeFile(`${here}/file`, noise(300_000));
  {
    using time = new FakeTime();
    // A request's time-out is 30 s, and a wait of the rate limit at most a tenth of a second.
    await time.settle(sftp.put(`${here}/file`, "/file", { rateLimit: 1_000_000 }), 1000);
    assertEquals(Math.round(time.now), 300);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 1000);
    const slow = { rateLimit: 1000, signal: controller.signal };
    const getting = sftp.get("/file", `${here}/back`, slow);
    await assertRejects(() => time.settle(getting, 1000), DOMException);
  }
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

Deno.test("a resumed part is compared by the server's hash if allowed, otherwise by samples", async () => {
  await using world = await ourWorld();
  const { sftp, root, here } = world;
  const data = noise(2_000_000);
  await Deno.writeFile(`${root}/file`, data);
  const part = data.slice(0, 1_500_000);
  part[700_000]! ^= 1; // where these samples miss it
  using _ = replaced(Math, "random", () => 0);
  const asked: [path: string, length: number][] = [];
  const hash = async (path: string, length: number) => {
    asked.push([path, length]);
    const bytes = (await Deno.readFile(root + path)).subarray(0, length);
    return createHash("sha256").update(bytes).digest("hex");
  };
  const cases = [
    // Detected at the end, after 500 kB; then everything is fetched.
    { verify: true, bytes: 2_500_000, calls: [] },
    // Detected before anything is fetched.
    { verify: hash, bytes: 2_000_000, calls: [["/file", 1_500_000], ["/file", 2_000_000]] },
    // Not detected, which is the purpose of the option.
    { verify: false, bytes: 500_000, calls: [] },
  ];
  for (const { verify, bytes, calls } of cases) {
    await Deno.writeFile(`${here}/file`, part);
    const result = await sftp.get("/file", `${here}/file`, { resume: true, verify });
    assertEquals([result.bytes, asked.splice(0)], [bytes, calls]);
    const whole = same(await Deno.readFile(`${here}/file`), data);
    assertEquals(whole, verify !== false);
  }
  // A correct part is used.
  await Deno.writeFile(`${here}/file`, data.subarray(0, 1_500_000));
  const { bytes } = await sftp.get("/file", `${here}/file`, { resume: true, verify: hash });
  assertEquals([bytes, asked.length], [500_000, 2]);
});

Deno.test("a part of another version of the file is not resumed", async () => {
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

Deno.test("progress counts an earlier attempt's bytes, and estimates the rest", async () => {
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

Deno.test("a file that vanishes or is unreadable is one of several failures", async () => {
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
  const failure = await assertRejects(() => getting, SftpTransferError);
  const { result } = failure;
  assertEquals(result.files, 1);
  assertEquals(
    result.failures.map(({ path, error }) => [path, plainMessage(error)]).sort(),
    [
      ["/tree/gone", 'Cannot open "/tree/gone" on the server: No such file'],
      ["/tree/secret", 'Cannot open "/tree/secret" on the server: Permission denied'],
    ],
  );
  assert(plainMessage(failure).endsWith("(2 of 3 failed)"));
  assertEquals(await names(`${here}/tree`), ["plain"]);
});

Deno.test("a file that grows while it is read arrives with at least its old length", async () => {
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
  name: "no file is written through a folder that is swapped for a link",
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

Deno.test("links that together lead outside are not made", async () => {
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

Deno.test("an aborted put leaves no handle and no part on the server", async () => {
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

Deno.test("transfers also work without extensions", async () => {
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
  // fsync is not available here, and is not silently skipped.
  assertEquals(await refusal(sftp.put(data, "/x", { sync: true })), SftpStatus.OP_UNSUPPORTED);
});

Deno.test("a put writes in place if no temporary file can be made", async () => {
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

Deno.test("endlessly nested folders are left at a maximum depth", async () => {
  const sftp = await atServer(async ({ type, id }, peer) => {
    const answer = type === FXP.OPENDIR
      ? msg.Handle.encode(id, { handle: new Uint8Array([1]) })
      : type === FXP.REALPATH
      // A new one each time, so that no cycle is detected.
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
  assert(plainMessage(error).endsWith("folders are nested too deeply"), plainMessage(error));
  await sftp.close();
});
