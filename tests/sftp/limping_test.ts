import { assert, assertEquals, assertRejects } from "@std/assert";
import { encodeHex } from "../../lib/encoding.ts";
import {
  localFiles,
  serveSftp,
  SftpClient,
  SftpError,
  type SftpTransferOptions,
} from "../../lib/sftp/mod.ts";
import { type Limp, limping } from "./limping_server.ts";
import { fuzzTest, LONG, type Random } from "../support/random.ts";
import { channelPair, folder, noise, same } from "./world.ts";

const CUTS = 60 * LONG;

async function sha256(path: string): Promise<string> {
  return encodeHex(
    new Uint8Array(await crypto.subtle.digest("SHA-256", await Deno.readFile(path))),
  );
}

const limps: Record<string, (random: Random) => Limp> = {
  "shortens reads": (random) => ({ shortReads: () => 1 + random(9000) }),
  "answers in the reverse order": () => ({ reorder: 5 }),
  "refuses more than one request at a time": () => ({ mostAtOnce: 1 }),
  "refuses long requests": () => ({ longest: 32 * 1024 }),
  "does all of that": (random) => ({
    shortReads: () => 1 + random(9000),
    reorder: 3,
    mostAtOnce: 4,
    longest: 40_000,
  }),
};

for (const [what, limp] of Object.entries(limps)) {
  fuzzTest(`files go to and from a server that ${what}`, async (random) => {
    await using root = await folder();
    await using here = await folder();
    const sftp = await limping(root.path, limp(random));
    const data = noise(1_500_000);
    await Deno.writeFile(`${here.path}/from`, data);
    await sftp.put(`${here.path}/from`, "/there", { preserve: true });
    assert(same(await Deno.readFile(`${root.path}/there`), data));
    await sftp.get("/there", `${here.path}/back`);
    assert(same(await Deno.readFile(`${here.path}/back`), data));
    assert(same(await sftp.readFile("/there"), data));
    await sftp.writeFile("/again", data);
    assert(same(await Deno.readFile(`${root.path}/again`), data));
    const names = (await Array.fromAsync(sftp.readDir("/"))).map(({ name }) => name);
    assertEquals(names.sort(), ["again", "there"]);
    await sftp.close();
  });
}

/** The content of a name; null if missing. */
async function hashOrNull(path: string): Promise<string | null> {
  return await sha256(path).catch((cause) => {
    if (cause instanceof Deno.errors.NotFound) return null;
    throw cause;
  });
}

fuzzTest("every file is complete after cuts at random bytes", async (random) => {
  await using root = await folder();
  await using here = await folder();
  const options: SftpTransferOptions = { resume: true, inFlight: 256 * 1024 };
  const length = 3_000_000;
  let resumed = 0;
  for (let cuts = 0, round = 0; cuts < CUTS; round++) {
    const data = noise(length + random(100_000), round + 1);
    const way = round % 2 === 0 ? "put" : "get";
    const [from, to] = way === "put" ? [here.path, root.path] : [root.path, here.path];
    await Deno.writeFile(`${from}/file`, data);
    const [right, before] = [await sha256(`${from}/file`), noise(1000, 7)];
    const replaces = round % 3 === 0;
    if (replaces) await Deno.writeFile(`${to}/file`, before);
    const old = await hashOrNull(`${to}/file`);
    for (let tries = 0, done = false; !done; tries++) {
      // The last attempt is not cut.
      const cutAfter = tries < 12 ? 1 + random(length) : Infinity;
      const limp: Limp = {
        cutAfter,
        reorder: 1 + random(4),
        shortReads: () => 20_000 + random(50_000),
      };
      const run = async (sftp: SftpClient) => {
        const { bytes } = way === "put"
          ? await sftp.put(`${here.path}/file`, "/file", options)
          : await sftp.get("/file", `${here.path}/file`, options);
        if (bytes < data.length) resumed++;
      };
      try {
        await using sftp = await limping(root.path, limp);
        await run(sftp);
        done = true;
      } catch (cause) {
        assert(cause instanceof SftpError || (cause as Error).name === "ClosedError", `${cause}`);
        cuts++;
      }
      const hash = await hashOrNull(`${to}/file`);
      assert(hash === right || (!done && hash === old), `try ${tries} of ${way} ${round}`);
    }
    const names = (await Array.fromAsync(Deno.readDir(to))).map(({ name }) => name);
    assertEquals(names, ["file"], "no part is left");
    await Deno.remove(`${to}/file`);
    await Deno.remove(`${from}/file`);
  }
  assert(resumed > 0);
});

for (const way of ["get", "put"] as const) {
  Deno.test(`a ${way} that resumes from an older file keeps it until the new one is complete`, async () => {
    await using root = await folder();
    await using here = await folder();
    const data = noise(3_000_000);
    const old = data.subarray(0, 2_000_000);
    const [from, to] = way === "put" ? [here.path, root.path] : [root.path, here.path];
    await Deno.writeFile(`${from}/file`, data);
    await Deno.writeFile(`${to}/file`, old);
    const run = async (cutAfter: number) => {
      await using sftp = await limping(root.path, { cutAfter });
      const options: SftpTransferOptions = { resume: true, inFlight: 256 * 1024 };
      return way === "put"
        ? await sftp.put(`${here.path}/file`, "/file", options)
        : await sftp.get("/file", `${here.path}/file`, options);
    };
    await assertRejects(() => run(900_000), Error);
    assert(same(await Deno.readFile(`${to}/file`), old), "the old file is there");
    const { bytes } = await run(Infinity);
    assert(bytes < data.length, `${bytes} sent again`);
    assert(same(await Deno.readFile(`${to}/file`), data));
    assertEquals((await Array.fromAsync(Deno.readDir(to))).length, 1);
  });
}

Deno.test("without resume, a cut leaves no local file", async () => {
  await using root = await folder();
  await using here = await folder();
  await Deno.writeFile(`${root.path}/file`, noise(500_000));
  for (let cutAfter = 100; cutAfter < 500_000; cutAfter += 61_003) {
    const getting = async () => {
      await using sftp = await limping(root.path, { cutAfter });
      await sftp.get("/file", `${here.path}/file`);
    };
    await assertRejects(getting, Error);
    assertEquals(await Array.fromAsync(Deno.readDir(here.path)), []);
  }
});

/** Names below a folder. */
async function below(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    names.push(name);
    if (isDirectory) names.push(...await below(`${path}/${name}`));
  }
  return names;
}

for (const way of ["get", "put"] as const) {
  Deno.test(`a ${way} of a folder can be aborted at any write, and leaves no part`, async () => {
    await using root = await folder();
    await using here = await folder();
    const [near, far] = channelPair();
    const served = serveSftp(far, localFiles({ root: root.path }));
    let writes = 0;
    let [abort, abortAt] = [new AbortController(), Infinity];
    const sftp = await SftpClient.open({
      ...near,
      writeAll(...chunks) {
        if (++writes === abortAt) abort.abort(new Error("enough"));
        return near.writeAll(...chunks);
      },
    });
    const source = way === "get" ? root.path : here.path;
    await Deno.mkdir(`${source}/from/deep`, { recursive: true });
    for (let i = 0; i < 6; i++) await Deno.writeFile(`${source}/from/${i}`, noise(i * 1000, i + 1));
    await Deno.writeFile(`${source}/from/deep/file`, noise(400_000));
    const transfer = (to: string, signal: AbortSignal) => {
      const options = { recursive: true, preserve: true, signal };
      return way === "get"
        ? sftp.get("/from", `${here.path}/${to}`, options)
        : sftp.put(`${here.path}/from`, `/${to}`, options);
    };
    for (let at = 1, done = false; !done; at++) {
      [abort, abortAt] = [new AbortController(), writes + at];
      try {
        await transfer("to", abort.signal);
        done = true;
      } catch (cause) {
        assertEquals((cause as Error).message, "enough");
      }
      abortAt = Infinity;
      await sftp.stat("/"); // after all clean-up requests
      const names = [...await below(root.path), ...await below(here.path)];
      assertEquals(names.filter((name) => name.endsWith(".part")), [], `aborted at write ${at}`);
      assert(at < 500);
    }
    // No handle leaks either: the maximum number can be opened.
    const files = await Promise.all(
      Array.from(
        { length: sftp.limits.openHandles },
        () => sftp.open("/" + (way === "get" ? "from/1" : "to/1")),
      ),
    );
    await Promise.all(files.map((file) => file.close()));
    await sftp.close();
    await served;
  });
}
