/** Steps of our SFTP client with any server. */
import { assert, assertEquals } from "@std/assert";
import { type SftpClient, SftpError } from "@denossh/ssh/sftp";
import { noise } from "../../support/random.ts";
import { must } from "../../support/run.ts";
import type { TempFolder } from "../../support/temp.ts";

const DATA = noise(1_500_001);

/** Whether two arrays are the same, without a diff of a megabyte if they are not. */
export function same(actual: Uint8Array, expected: Uint8Array): boolean {
  return actual.length === expected.length && actual.every((byte, at) => byte === expected[at]);
}

/** Transfers beyond a plain get and put; `there/large` has the data. */
async function transfers(sftp: SftpClient, folder: TempFolder): Promise<void> {
  const at = (name: string) => folder.join(`there/${name}`);
  const local = folder.join("back");
  // Interrupted transfers resume in both directions; the existing data is compared.
  await Deno.writeFile(at("part"), DATA.subarray(0, 1_000_000));
  await sftp.put(local, at("part"), { resume: true, verify: true, preserve: true });
  assert(same(await Deno.readFile(at("part")), DATA), "resumed put differs");
  const again = await sftp.put(local, at("part"), { update: true });
  assertEquals([again.files, again.unchanged], [0, 1]);
  await folder.write("part", DATA.subarray(0, 1_000_000));
  await sftp.get(at("part"), folder.join("part"), { resume: true, verify: true });
  assert(same(await Deno.readFile(folder.join("part")), DATA), "resumed get differs");
  await sftp.copyFile(at("part"), at("copied"));
  assert(same(await Deno.readFile(at("copied")), DATA), "copy differs");
  // Parallel pieces in any order, longer than some servers' messages.
  await using file = await sftp.open(at("pieces"), { read: true, write: true, create: true });
  const pieces = Array.from({ length: 30 }, (_, i) => i * 50_001).reverse();
  const end = (from: number) => Math.min(from + 50_001, DATA.length);
  await Promise.all(pieces.map((from) => file.writeAt(DATA.subarray(from, end(from)), from)));
  const seen = new Uint8Array(DATA.length);
  await Promise.all(pieces.map(async (from) => {
    for (let at = from; at < end(from);) {
      at += await file.readAt(seen.subarray(at, end(from)), at) ?? 0;
    }
  }));
  assert(same(seen, DATA), "pieces differ");
  // Over several channels, or as many as the server allows.
  const wide = noise(6_000_001, 2);
  await sftp.put(wide, at("wide"), { channels: 3, verify: true });
  assert(same(await Deno.readFile(at("wide")), wide), "put over several channels differs");
  await sftp.get(at("wide"), folder.join("wide"), { channels: 3 });
  assert(same(await Deno.readFile(folder.join("wide")), wide), "get over several channels differs");
  await sftp.remove(at("wide"));
  // Holes, at the end too.
  const sparse = await folder.write("sparse", DATA.subarray(0, 10));
  await Deno.truncate(sparse, 1_000_000);
  await sftp.put(sparse, at("holes"));
  assert(same(await Deno.readFile(at("holes")), await Deno.readFile(sparse)), "holes differ");
  const found = await Array.fromAsync(sftp.glob(at("*p*")));
  assertEquals(found.map(({ name }) => name).sort(), ["copied", "part", "pieces"]);
  for (const name of ["part", "copied", "pieces", "holes"]) await sftp.remove(at(name));
}

/** Links in a folder that is mirrored, and links that lead back. */
async function links(sftp: SftpClient, folder: TempFolder): Promise<void> {
  const at = (name: string) => folder.join(`there/${name}`);
  for (const path of ["site/b", "site/sub", "there/elsewhere/deep", "there/site"]) {
    await Deno.mkdir(folder.join(path), { recursive: true });
  }
  await folder.write("site/b/new", "new");
  await folder.write("there/elsewhere/deep/precious", "precious");
  await Deno.symlink("../elsewhere", at("site/b"));
  await Deno.symlink("../elsewhere", at("site/old"));
  const mirror = { recursive: true, delete: true } as const;
  const { deleted } = await sftp.put(folder.join("site"), at("site"), mirror);
  assertEquals(deleted.toSorted(), [at("site/b"), at("site/old")]);
  assertEquals(await Deno.readTextFile(at("site/b/new")), "new");
  assertEquals(await Deno.readTextFile(at("elsewhere/deep/precious")), "precious");
  await Deno.symlink("..", at("site/sub/up"));
  await Deno.symlink("b", at("site/twin"));
  const followed = { recursive: true, links: "follow" } as const;
  const { files, skipped } = await sftp.get(at("site"), folder.join("followed"), followed);
  assertEquals([files, skipped], [2, [at("site/sub/up")]]);
  for (const name of ["site", "elsewhere"]) await sftp.remove(at(name), { recursive: true });
}

/** Runs the steps in a folder with the same path at both ends. */
export async function everything(sftp: SftpClient, folder: TempFolder): Promise<void> {
  const there = folder.join("there");
  await sftp.mkdir(there);
  const at = (name: string) => `${there}/${name}`;
  await sftp.put(DATA, at("large"));
  assert(same(await Deno.readFile(at("large")), DATA), "put differs");
  assert(same(await sftp.readFile(at("large")), DATA), "readFile differs");
  await sftp.get(at("large"), folder.join("back"));
  assert(same(await Deno.readFile(folder.join("back")), DATA), "get differs");
  await transfers(sftp, folder);
  await sftp.rename(at("large"), at("moved"));
  await sftp.writeTextFile(at("small"), "small");
  await sftp.rename(at("small"), at("moved")); // over what is there
  assertEquals(await sftp.readTextFile(at("moved")), "small");
  await sftp.chmod(at("moved"), 0o640);
  await sftp.utime(at("moved"), new Date(1e12), new Date(1e12));
  const info = await sftp.stat(at("moved"));
  assertEquals([info.size, info.mode! & 0o777, info.mtime], [5, 0o640, new Date(1e12)]);
  await sftp.truncate(at("moved"), 2);
  assertEquals((await Deno.stat(at("moved"))).size, 2);
  await sftp.symlink("moved", at("link"));
  assertEquals(await Deno.readLink(at("link")), "moved");
  const text = await sftp.readLink(at("link")); // mod_sftp reports the link's target
  assert([at("moved"), "moved"].includes(text), text);
  const entries = await Array.fromAsync(sftp.readDir(there)); // mod_sftp's LSTAT follows links
  assert(entries.find(({ name }) => name === "link")!.isSymlink);
  assert((await sftp.stat(at("link"))).isFile);
  await sftp.symlink(".", at("circle"));
  await sftp.remove(at("circle"), { recursive: true });
  assertEquals((await sftp.stat(at("moved"))).size, 2);
  await Deno.mkdir(folder.join("tree/deep"), { recursive: true });
  for (let i = 0; i < 20; i++) await folder.write(`tree/deep/${i}`, noise(i * 1000, i));
  await sftp.put(folder.join("tree"), at("tree"), { recursive: true });
  await sftp.get(at("tree"), folder.join("copy"), { recursive: true });
  assertEquals((await must("diff", ["-r", folder.join("tree"), folder.join("copy")])).text, "");
  const listed = await Array.fromAsync(sftp.readDir(at("tree/deep")));
  assertEquals(listed.length, 20);
  await links(sftp, folder);
  const missing = await sftp.stat(at("none")).catch((error) => error);
  assert(missing instanceof SftpError && missing.status === 2, `${missing}`);
  await sftp.remove(there, { recursive: true });
  assertEquals(await Deno.stat(there).catch(() => null), null);
}
