/** Removing a folder with everything in it, through servers that show links as what they lead to. */
import { assertEquals, assertRejects } from "@std/assert";
import { localFiles, type SftpBackend, SftpError } from "../../lib/sftp/mod.ts";
import { ourWorld } from "./world.ts";

/** Requests that our server answers as if links were what they lead to. */
type Followed = "readDir" | "lstat";

/** Our server with a folder that has a link to another folder in it; the link may be one that stays. */
async function world(followed: readonly Followed[], linkStays = false) {
  const backend = (root: string): SftpBackend => {
    const files = localFiles({ root }) as Required<SftpBackend>;
    return new Proxy(files, {
      get(target, key: keyof SftpBackend) {
        if (key === "readDir" && followed.includes(key)) {
          return async function* (...[path, ...rest]: Parameters<typeof files.readDir>) {
            for await (const entry of files.readDir(path, ...rest)) {
              yield { ...entry, info: await files.stat(`${path}/${entry.name}`) };
            }
          };
        }
        if (key === "remove" && linkStays) {
          return (...[path]: Parameters<typeof files.remove>) => {
            if (path.endsWith("door")) throw new SftpError(3, "remove", path, "Permission denied");
            return files.remove(path);
          };
        }
        const own = target[key === "lstat" && followed.includes(key) ? "stat" : key];
        return typeof own === "function" ? own.bind(target) : own;
      },
    });
  };
  const own = await ourWorld({ backend });
  for (const folder of ["precious/deep", "site/old"]) {
    await Deno.mkdir(`${own.root}/${folder}`, { recursive: true });
    await Deno.writeTextFile(`${own.root}/${folder}/data`, "data");
  }
  await Deno.symlink("../../precious", `${own.root}/site/old/door`);
  return own;
}

for (const followed of [[], ["readDir"], ["lstat"], ["readDir", "lstat"]] as Followed[][]) {
  const server = followed.length === 0
    ? "a server"
    : `a server whose ${followed.join(" and ")} follow links`;
  Deno.test(`a recursive remove stays out of links at ${server}`, async () => {
    await using w = await world(followed);
    await w.sftp.remove("/site", { recursive: true });
    await assertRejects(() => Deno.lstat(`${w.root}/site`), Deno.errors.NotFound);
    assertEquals(await Deno.readTextFile(`${w.root}/precious/deep/data`), "data");
  });
}

Deno.test("a link that cannot be removed is an error, and the folder that it leads to stays", async () => {
  await using w = await world(["lstat", "readDir"], true);
  await assertRejects(() => w.sftp.remove("/site/old/door", { recursive: true }), SftpError);
  await assertRejects(() => w.sftp.remove("/site", { recursive: true }), SftpError);
  assertEquals(await Deno.readTextFile(`${w.root}/precious/deep/data`), "data");
});
