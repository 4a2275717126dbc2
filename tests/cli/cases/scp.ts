import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { encodeHex } from "../../../lib/encoding.ts";
import type { Endpoint } from "../../support/endpoint.ts";
import { noise } from "../../support/random.ts";
import type { Ran } from "../../support/run.ts";
import { configFlags } from "../../support/ssh_flags.ts";
import { tempFolder } from "../../support/temp.ts";
import { tree } from "../../support/tree.ts";
import { cli } from "../world.ts";
import type { ServedFolder } from "./sftp.ts";

const LARGE = encodeHex(noise(65536)).repeat(8);

/** Cases of our `scp` over a protocol, `-s` or `-O`, with any server. */
export async function copies(
  t: Deno.TestContext,
  { server, remote: there, local }: ServedFolder,
  protocol: "-s" | "-O",
): Promise<void> {
  await using folder = await tempFolder();
  const here = folder.path;
  await Deno.mkdir(`${here}/tree/sub`, { recursive: true });
  await folder.write("large", LARGE);
  await folder.write("tree/a", "a");
  await folder.write("tree/sub/b", "b", 0o640);
  const run = async (...args: string[]) => {
    const ran = await scp(server, here, protocol, ...args);
    assertEquals(ran.code, 0, ran.stderr);
  };

  await t.step("a file there and back", async () => {
    await run("large", `remote:${there}`);
    await run(`remote:${there}/large`, "back");
    assert(await Deno.readTextFile(`${here}/back`) === LARGE, "The bytes differ");
  });

  await t.step("folders, their times and modes", async () => {
    await Deno.utime(`${here}/tree/sub/b`, 1_000_000_000, 1_000_000_000);
    await run("-rp", "tree", `remote:${there}/copy`);
    await run("-rp", `remote:${there}/copy`, "tree-back");
    assertEquals(await tree(`${here}/tree-back`), await tree(`${here}/tree`));
    const info = await Deno.stat(`${here}/tree-back/sub/b`);
    assertEquals([info.mtime, info.mode! & 0o777], [new Date(1e12), 0o640]);
  });

  await t.step("several files and globs into a folder", async () => {
    await run("large", "tree/a", `remote:${there}`);
    await Deno.mkdir(`${here}/into`);
    await run(`remote:${there}/l*e`, `remote:${there}/a`, "into");
    const names = [...Deno.readDirSync(`${here}/into`)].map(({ name }) => name).sort();
    assertEquals(names, ["a", "large"]);
  });

  await t.step("from one remote path to another", async () => {
    await run("-3", `remote:${there}/large`, `remote:${there}/second`);
    assert(await Deno.readTextFile(`${local}/second`) === LARGE, "The bytes differ");
    await run("-3r", `remote:${there}/copy`, `remote:${there}/copy2`);
    assertEquals(await tree(`${local}/copy2`), await tree(`${local}/copy`));
  });

  await t.step("a missing file, or a folder without -r, is only an error", async () => {
    const missing = await scp(server, here, protocol, `remote:${there}/none`, "none");
    assertEquals(missing.code, 1);
    assertStringIncludes(missing.stderr, "No such file");
    const folder = await scp(server, here, protocol, "tree", `remote:${there}/x`);
    assertEquals(folder.code, 1);
    assertStringIncludes(folder.stderr, "not a regular file");
    const many = await scp(server, here, protocol, "large", "back", `remote:${there}/large`);
    assertEquals(many.code, 1);
    assertStringIncludes(many.stderr, "ot a directory");
  });
}

/** Cases of URIs with our `scp`. */
export async function understandsUris({ server, remote }: ServedFolder): Promise<void> {
  await using folder = await tempFolder();
  await folder.write("file", "content");
  const uri = `scp://${server.user}@${server.hostname}:${server.port}/${remote}/there`;
  const up = await scp(server, folder.path, "file", uri);
  assertEquals(up.code, 0, up.stderr);
  const down = await scp(server, folder.path, uri, "back");
  assertEquals(down.code, 0, down.stderr);
  assertEquals(await Deno.readTextFile(folder.join("back")), "content");
}

/** Runs our `scp`; `remote:` before a path is on the server. */
function scp(server: Endpoint, cwd: string, ...args: string[]): Promise<Ran> {
  const destination = `${server.user}@${server.hostname}`;
  const paths = args.map((arg) => arg.replace(/^remote:/, `${destination}:`));
  return cli(["scp", ...configFlags(server), ...paths], { cwd });
}
