import { assert, assertEquals, assertRejects } from "@std/assert";
import { encodeHex } from "../../../lib/encoding.ts";
import { SftpStatus } from "../../../lib/sftp/mod.ts";
import { ClientCases, noise, plantMixedFolder, refusal, same } from "../world.ts";

export const cases: ClientCases = new ClientCases();

/** Everything in a folder as text: path, kind, mode, size, content. */
async function describe(path: string, prefix = ""): Promise<string[]> {
  const lines: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    const info = await Deno.lstat(`${path}/${name}`);
    const mode = (info.mode! & 0o777).toString(8);
    const mtime = Math.floor(info.mtime!.getTime() / 1000); // as SFTP has it
    if (isDirectory) {
      lines.push(`${prefix}${name}/ ${mode} ${mtime}`);
      lines.push(...await describe(`${path}/${name}`, `${prefix}${name}/`));
    } else {
      const content = await Deno.readFile(`${path}/${name}`);
      const hash = await crypto.subtle.digest("SHA-256", content);
      const digest = encodeHex(new Uint8Array(hash)).slice(0, 16);
      lines.push(`${prefix}${name} ${mode} ${mtime} ${info.size} ${digest}`);
    }
  }
  return lines.sort();
}

cases.add("put and get copy a file in both directions", async ({ sftp, at, root, here }) => {
  for (const length of [0, 1, 261_120, 1_044_480, 1_044_481, 9_000_000]) {
    const data = noise(length, length + 1);
    await Deno.writeFile(`${here}/from`, data);
    const { seconds, ...put } = await sftp.put(`${here}/from`, at("there"));
    assert(seconds > 0);
    assertEquals(put, {
      bytes: length,
      files: 1,
      unchanged: 0,
      skipped: [],
      deleted: [],
      failures: [],
      warnings: [],
    });
    assert(same(await Deno.readFile(`${root}/there`), data), `${length} bytes there`);
    assertEquals((await sftp.get(at("there"), `${here}/back`)).bytes, length);
    assert(same(await Deno.readFile(`${here}/back`), data), `${length} bytes back`);
  }
});

cases.add("put and get preserve modes and times if requested", async ({ sftp, at, root, here }) => {
  await Deno.writeTextFile(`${here}/from`, "text");
  await Deno.chmod(`${here}/from`, 0o640);
  await Deno.utime(`${here}/from`, 1_000_000_000, 1_100_000_000);
  await sftp.put(`${here}/from`, at("there"), { preserve: true });
  assertEquals((await Deno.stat(`${root}/there`)).mtime, new Date(1_100_000_000_000));
  await sftp.utime(at("there"), new Date(1_150_000_000_000), new Date(1_100_000_000_000));
  await sftp.get(at("there"), `${here}/back`, { preserve: true });
  const info = await Deno.stat(`${here}/back`);
  assertEquals(info.mode! & 0o777, 0o640);
  assertEquals(info.mtime, new Date(1_100_000_000_000));
  assertEquals(info.atime, new Date(1_150_000_000_000));
  await sftp.get(at("there"), `${here}/other`, { mode: 0o600 });
  assertEquals((await Deno.stat(`${here}/other`)).mode! & 0o777, 0o600);
});

cases.add("put accepts bytes and streams, get writes to a stream", async ({ sftp, at }) => {
  const data = noise(3_000_000);
  await sftp.put(data, at("bytes"));
  await sftp.put(new Response(data).body!, at("stream"));
  for (const name of ["bytes", "stream"]) {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const [, back] = await Promise.all([
      sftp.get(at(name), writable),
      new Response(readable).arrayBuffer(),
    ]);
    assert(same(new Uint8Array(back), data));
  }
});

cases.add("blobs, responses and URLs of files are transferred", async (world) => {
  const { sftp, at, root, here } = world;
  const data = noise(700_000);
  assertEquals((await sftp.put(new Blob([data]), at("blob"))).bytes, 700_000);
  await sftp.put(new Response(data), at("response"));
  await sftp.writeFile(at("written"), new Blob([data]));
  await Deno.writeFile(`${here}/a file`, data);
  await sftp.put(new URL(`file://${here}/a%20file`), at("url"));
  await sftp.get(at("url"), new URL(`file://${here}/the%20copy`));
  for (const name of ["blob", "response", "written", "url"]) {
    assert(same(await Deno.readFile(`${root}/${name}`), data), name);
  }
  assert(same(await Deno.readFile(`${here}/the copy`), data));
  const elsewhere = new URL("https://example.com/file");
  await assertRejects(() => sftp.put(elsewhere, at("x")), TypeError, "is not a file on this");
});

cases.add("put and get of a folder copy everything in it", async ({ sftp, at, root, here }) => {
  await plantMixedFolder(`${here}/from`);
  const there = await sftp.put(`${here}/from`, at("tree"), { recursive: true, preserve: true });
  assertEquals([there.files, there.skipped], [123, []]);
  assertEquals(await describe(`${root}/tree`), await describe(`${here}/from`));
  const back = await sftp.get(at("tree"), `${here}/back`, { recursive: true, preserve: true });
  assertEquals({ ...back, seconds: 0 }, { ...there, seconds: 0 });
  assertEquals(await describe(`${here}/back`), await describe(`${here}/from`));
  // Once more, over existing files.
  await sftp.put(`${here}/from`, at("tree"), { recursive: true });
  await sftp.get(at("tree"), `${here}/back`, { recursive: true });
  assertEquals((await Array.fromAsync(Deno.readDir(`${here}/back`))).length, 122);
});

cases.add("many large files wait for memory and all arrive", async (world) => {
  const { sftp, at, root, here } = world;
  await Deno.mkdir(`${here}/from`);
  const files = Array.from({ length: 20 }, (_, i) => noise(i * 150_000, i + 1));
  for (const [i, data] of files.entries()) await Deno.writeFile(`${here}/from/${i}`, data);
  const options = { recursive: true, inFlight: 8 * 1024 * 1024 };
  await sftp.put(`${here}/from`, at("tree"), options);
  await sftp.get(at("tree"), `${here}/back`, options);
  for (const [i, data] of files.entries()) {
    for (const copy of [`${root}/tree/${i}`, `${here}/back/${i}`]) {
      assert(same(await Deno.readFile(copy), data), copy);
    }
  }
});

cases.add("links in a folder are skipped and reported", async ({ sftp, at, here }) => {
  await Deno.mkdir(`${here}/from`);
  await Deno.writeTextFile(`${here}/from/file`, "text");
  await Deno.symlink("file", `${here}/from/link`);
  const there = await sftp.put(`${here}/from`, at("tree"), { recursive: true });
  assertEquals([there.files, there.skipped], [1, [`${here}/from/link`]]);
  await sftp.symlink("file", at("tree/link"));
  const back = await sftp.get(at("tree"), `${here}/back`, { recursive: true });
  assertEquals([back.files, back.skipped], [1, [at("tree/link")]]);
});

cases.add("get and put of a folder need recursive", async ({ sftp, at, here }) => {
  await sftp.mkdir(at("folder"));
  assertEquals(await refusal(sftp.get(at("folder"), `${here}/x`)), SftpStatus.FAILURE);
  await assertRejects(() => sftp.put(here, at("x")), Deno.errors.IsADirectory);
  await assertRejects(() => sftp.get(at("folder"), here), Error);
});

cases.add("a failed get keeps the existing file", async ({ sftp, at, here }) => {
  await Deno.writeTextFile(`${here}/file`, "precious");
  assertEquals(await refusal(sftp.get(at("missing"), `${here}/file`)), SftpStatus.NO_SUCH_FILE);
  assertEquals(await Deno.readTextFile(`${here}/file`), "precious");
});
