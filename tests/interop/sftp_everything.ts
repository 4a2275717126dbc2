/** What our SFTP client does with any server. */
import { assert, assertEquals } from "@std/assert";
import { type SftpClient, SftpError } from "@denossh/ssh/sftp";
import { noise } from "../noise.ts";
import { must } from "./run.ts";
import type { TempFolder } from "./temp.ts";

const DATA = noise(1_500_001);

/** Whether two arrays are the same, without a diff of a megabyte if they are not. */
export function same(actual: Uint8Array, expected: Uint8Array): boolean {
  return actual.length === expected.length && actual.every((byte, at) => byte === expected[at]);
}

/** Does it, in a folder that both ends see by the same name. */
export async function everything(sftp: SftpClient, folder: TempFolder): Promise<void> {
  const there = folder.join("there");
  await sftp.mkdir(there);
  const at = (name: string) => `${there}/${name}`;
  await sftp.put(DATA, at("large"));
  assert(same(await Deno.readFile(at("large")), DATA), "put differs");
  assert(same(await sftp.readFile(at("large")), DATA), "readFile differs");
  await sftp.get(at("large"), folder.join("back"));
  assert(same(await Deno.readFile(folder.join("back")), DATA), "get differs");
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
  const text = await sftp.readLink(at("link")); // mod_sftp tells where it leads
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
  const missing = await sftp.stat(at("none")).catch((error) => error);
  assert(missing instanceof SftpError && missing.status === 2, `${missing}`);
  await sftp.remove(there, { recursive: true });
  assertEquals(await Deno.stat(there).catch(() => null), null);
}
