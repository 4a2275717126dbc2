/** Synchronizing a folder: selected, sent and deleted files. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type {
  SftpFilterEntry,
  SftpTransferOptions,
  TransferredFile,
} from "../../../lib/sftp/mod.ts";
import { ClientCases, type World } from "../world.ts";

export const cases: ClientCases = new ClientCases();

/** Writes files, each with its path as its content; those that end with a slash are folders. */
async function plant(folder: string, ...paths: string[]): Promise<void> {
  for (const path of paths) {
    const above = path.slice(0, path.lastIndexOf("/") + 1);
    await Deno.mkdir(`${folder}/${above}`, { recursive: true });
    if (!path.endsWith("/")) await Deno.writeTextFile(`${folder}/${path}`, path);
  }
}

/** The content of a folder, sorted; folders end with a slash, links with an `@`. */
async function tree(folder: string, below = ""): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory, isSymlink } of Deno.readDir(`${folder}/${below}`)) {
    if (isSymlink) found.push(`${below}${name}@`);
    else if (!isDirectory) found.push(below + name);
    else found.push(`${below}${name}/`, ...await tree(folder, `${below}${name}/`));
  }
  return found.sort();
}

/** The same transfer in both directions: from a folder `from` to a folder `to`. */
async function bothWays(
  { sftp, at, root, here }: World,
  run: (
    from: string,
    to: string,
    transfer: (options?: SftpTransferOptions) => ReturnType<typeof sftp.put>,
  ) => Promise<void>,
): Promise<void> {
  await run(
    `${here}/from`,
    `${root}/to`,
    (options) => sftp.put(`${here}/from`, at("to"), { recursive: true, ...options }),
  );
  await run(
    `${root}/from`,
    `${here}/to`,
    (options) => sftp.get(at("from"), `${here}/to`, { recursive: true, ...options }),
  );
}

const selections: [options: SftpTransferOptions, found: string[]][] = [
  [{ exclude: ["*.log"] }, [".git/", ".git/x", "a/", "a/b/", "a/b/c.ts", "a/d.ts", "e.ts"]],
  [{ exclude: [".git", "a/b"] }, ["a/", "a/.log", "a/d.ts", "e.ts", "f.log"]],
  [{ exclude: ["f.log/", "a/"] }, [".git/", ".git/x", "e.ts", "f.log"]],
  [{ exclude: ["/e.ts", "a/**/*.ts"] }, [".git/", ".git/x", "a/", "a/.log", "a/b/", "f.log"]],
  [{ include: ["*.ts"], exclude: ["b"] }, [".git/", "a/", "a/d.ts", "e.ts"]],
  [{ include: ["a/b"] }, [".git/", "a/", "a/b/", "a/b/c.ts"]],
  [{ include: ["**/x", "a/*"] }, [".git/", ".git/x", "a/", "a/.log", "a/b/", "a/b/c.ts", "a/d.ts"]],
];
for (const [options, found] of selections) {
  cases.add(`folders are transferred with ${JSON.stringify(options)}`, async (world) => {
    await bothWays(world, async (from, to, transfer) => {
      await plant(from, ".git/x", "a/.log", "a/b/c.ts", "a/d.ts", "e.ts", "f.log");
      await transfer(options);
      assertEquals(await tree(to), found);
    });
  });
}

cases.add("a filter is called for each entry with its path, size and time", async (world) => {
  await bothWays(world, async (from, to, transfer) => {
    await plant(from, "a/b/c", "a/d", "secret/x");
    await Deno.symlink("a", `${from}/link`);
    const asked: SftpFilterEntry[] = [];
    const filter = async (entry: SftpFilterEntry) => {
      asked.push(entry);
      return await Promise.resolve(entry.name !== "secret" && entry.path !== "a/b/c");
    };
    const { skipped } = await transfer({ filter });
    assertEquals(skipped.length, 1);
    assertEquals(await tree(to), ["a/", "a/b/", "a/d"]);
    const paths = asked.map(({ path, isDirectory, isSymlink }) =>
      `${path}${isDirectory ? "/" : isSymlink ? "@" : ""}`
    );
    assertEquals(paths.sort(), ["a/", "a/b/", "a/b/c", "a/d", "link@", "secret/"]);
    const d = asked.find(({ path }) => path === "a/d")!;
    assertEquals([d.size, d.isFile], [3, true]);
    assertEquals(d.mtime!.getTime() > 1e12, true);
  });
});

cases.add("delete removes only entries that the source lacks", async (world) => {
  await bothWays(world, async (from, to, transfer) => {
    await plant(from, "kept", "folder/kept", "link");
    await plant(to, "kept", "old", "folder/old", "folder/deep/old", "gone/x/y", "data.log");
    await plant(to, "logs/a.log", "logs/b", "all/a/b");
    await plant(`${to}/..`, "outside/precious");
    await Deno.symlink("../outside", `${to}/door`);
    await Deno.symlink("../../outside", `${to}/all/door`);
    const options = { delete: true, exclude: ["*.log"] };
    const told: TransferredFile[] = [];
    const before = await tree(to);
    const dry = await transfer({
      ...options,
      dryRun: true,
      onFile: (file) => void told.push(file),
    });
    assertEquals(await tree(to), before);
    const result = await transfer(options);
    const sorted = (of: typeof dry) => ({ ...of, seconds: 0, deleted: [...of.deleted].sort() });
    assertEquals(sorted(result), sorted(dry));
    const named = (paths: readonly string[]) =>
      paths.map((path) => path.slice(path.lastIndexOf("/to/") + 4)).sort();
    const gone = ["all", "door", "folder/deep", "folder/old", "gone", "logs/b", "old"];
    assertEquals(named(result.deleted), gone);
    assertEquals(named(told.filter(({ action }) => action === "deleted").map((f) => f.path)), gone);
    assertEquals(told.filter(({ action }) => action === "sent").length, 3);
    assertEquals(await tree(to), [
      ...["data.log", "folder/", "folder/kept", "kept", "link", "logs/", "logs/a.log"],
    ]);
    assertEquals(await Deno.readTextFile(`${to}/../outside/precious`), "outside/precious");
  });
});

cases.add(
  "delete without patterns removes whole folders, and does not follow links",
  async (world) => {
    await bothWays(world, async (from, to, transfer) => {
      await plant(from, "a/x", "b/y");
      await plant(to, "old/deep/z", "b/old", "b/Y");
      await plant(`${to}/..`, "elsewhere/precious");
      const result = await transfer({ delete: true });
      assertEquals(result.deleted.length, 2);
      assertEquals(await tree(to), ["a/", "a/x", "b/", "b/Y", "b/y"]);
      await Deno.remove(`${to}/b`, { recursive: true });
      await Deno.symlink("../elsewhere", `${to}/b`);
      const replaced = await transfer({ delete: true });
      assertEquals(replaced.deleted.map((path) => path.slice(-4)), ["to/b"]);
      assertEquals(await tree(to), ["a/", "a/x", "b/", "b/y"]);
      assertEquals(await Deno.readTextFile(`${to}/../elsewhere/precious`), "elsewhere/precious");
    });
  },
);

cases.add("delete replaces files, folders and links by those of the source", async (world) => {
  await bothWays(world, async (from, to, transfer) => {
    await plant(from, "file", "folder/x", "folder/y", "current/new", "same");
    await Deno.symlink("same", `${from}/link`);
    await plant(to, "file/old", "folder", "v1/old", "link/z");
    await Deno.symlink("v1", `${to}/current`);
    const options = { delete: true, links: "keep" } as const;
    const before = await tree(to);
    const dry = await transfer({ ...options, dryRun: true });
    assertEquals(await tree(to), before);
    const result = await transfer(options);
    for (const { files, deleted, failures, warnings } of [dry, result]) {
      const names = deleted.map((path) => path.slice(path.lastIndexOf("/to/") + 4)).sort();
      assertEquals(names, ["current", "file", "folder", "link", "v1"]);
      assertEquals([files, failures, warnings], [6, [], []]);
    }
    assertEquals(await tree(to), [
      ...["current/", "current/new", "file", "folder/", "folder/x", "folder/y", "link@", "same"],
    ]);
  });
});

cases.add("delete is skipped after a failure, with a warning", async (world) => {
  await bothWays(world, async (from, to, transfer) => {
    await plant(from, "a", "b");
    await plant(to, "a/x.log", "old");
    const options = { delete: true, partial: true, exclude: ["*.log"] };
    const { warnings, failures, deleted } = await transfer(options);
    assertEquals([failures.length, deleted.length], [1, 0]);
    assertStringIncludes(failures[0]!.error.message, "something in it is");
    assertEquals(warnings.map(({ message }) => message), [
      "nothing was deleted in it, because not everything was transferred",
    ]);
    assertEquals(await tree(to), ["a/", "a/x.log", "b", "old"]);
  });
});

cases.add("dryRun also makes no target folder", async (world) => {
  await bothWays(world, async (from, to, transfer) => {
    await plant(from, "a/b", "c");
    const { files, bytes } = await transfer({ dryRun: true, delete: true, preserve: true });
    assertEquals([files, bytes], [2, 4]);
    await assertRejects(() => Deno.lstat(to), Deno.errors.NotFound);
  });
});

cases.add("update compares times, sizes or contents", async (world) => {
  await bothWays(world, async (from, to, transfer) => {
    const time = new Date(1_700_000_000_000);
    const write = async (path: string, text: string, mtime: Date) => {
      await Deno.writeTextFile(path, text);
      await Deno.utime(path, mtime, mtime);
    };
    await plant(from, "x");
    await plant(to, "x");
    /** The bytes sent over a target file with another content, size or time. */
    const sends = async (text: string, mtime: Date) => {
      const sent: unknown[] = [];
      for (const update of [true, "newer", "size", "checksum"] as const) {
        await write(`${from}/x`, "abc", time);
        await write(`${to}/x`, text, mtime);
        const told: string[] = [];
        const result = await transfer({ update, onFile: ({ action }) => void told.push(action) });
        assertEquals(result.files + result.unchanged, 1);
        assertEquals(told, [result.files === 1 ? "sent" : "unchanged"]);
        assertEquals(await Deno.readTextFile(`${to}/x`), result.files === 1 ? "abc" : text);
        if (result.files === 1) sent.push(update);
      }
      return sent;
    };
    const later = new Date(time.getTime() + 5000);
    const earlier = new Date(time.getTime() - 5000);
    assertEquals(await sends("abc", time), []);
    assertEquals(await sends("xyz", time), ["checksum"]);
    assertEquals(await sends("abc", later), [true]);
    assertEquals(await sends("abc", earlier), [true, "newer"]);
    assertEquals(await sends("abcd", later), [true, "size", "checksum"]);
    // Another function for the digest.
    const verify = () => Promise.resolve("00");
    const { files } = await transfer({ update: "checksum", verify }).catch(() => ({ files: 1 }));
    assertEquals(files, 1);
  });
});

cases.add(
  "a file that update skips gets its new mode and time, but not in a dry run",
  async (world) => {
    await bothWays(world, async (from, to, transfer) => {
      await plant(from, "run.sh");
      await transfer({ preserve: true });
      await Deno.chmod(`${from}/run.sh`, 0o755);
      await Deno.utime(`${from}/run.sh`, 1_000_000_000, 1_000_000_000);
      const options = { preserve: true, update: "checksum" } as const;
      const look = async () => {
        const { mode, mtime } = await Deno.stat(`${to}/run.sh`);
        return [mode! & 0o777, mtime!.getTime() / 1000];
      };
      const before = await look();
      assertEquals((await transfer({ ...options, dryRun: true })).unchanged, 1);
      assertEquals(await look(), before);
      assertEquals((await transfer(options)).unchanged, 1);
      assertEquals(await look(), [0o755, 1_000_000_000]);
    });
  },
);

cases.add("conflicting options are a TypeError", async ({ sftp, at, here }) => {
  const refused: SftpTransferOptions[] = [
    { delete: true },
    { delete: true, recursive: true, glob: true },
    { update: "time" as "newer" },
    { recursive: true, exclude: ["../x"] },
    { recursive: true, include: [""] },
  ];
  await plant(here, "from/x");
  for (const options of refused) {
    await assertRejects(() => sftp.put(`${here}/from`, at("to"), options), TypeError);
  }
});
