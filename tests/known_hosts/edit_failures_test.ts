/** A known_hosts file and its temporary files when the disk fails. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { editKnownHosts, KnownHosts, readKnownHosts } from "@denossh/ssh/known-hosts";
import { generateKey } from "@denossh/ssh/keys";
import { runtime } from "../../lib/runtime/runtime.ts";
import { replaced } from "../support/replaced.ts";
import { tempFolder } from "../support/temp.ts";

using keyPair = await generateKey("ed25519");
const key = keyPair.publicKey;
const OLD = `# mine\n${KnownHosts.line("db1", 22, key)}\n`;

type Files = Pick<
  typeof Deno,
  "open" | "chmod" | "rename" | "remove" | "readTextFile" | "realPath"
>;

/** Replaces functions of Deno. */
function replacing(functions: Partial<Files>): Disposable {
  const before = Object.keys(functions).map((name) => [name, Deno[name as keyof Files]]);
  Object.assign(Deno, functions);
  return { [Symbol.dispose]: () => void Object.assign(Deno, Object.fromEntries(before)) };
}

/** Records the calls on files that are opened for writing, by name. */
function recorded(
  notes: string[],
  failing?: string,
  modes: (number | undefined)[] = [],
): Partial<Files> {
  const { open, chmod, rename } = Deno;
  const step = (name: string) => {
    notes.push(name);
    if (name === failing) throw new Error(`cannot ${name}`);
  };
  return {
    async open(path, options) {
      if (options?.read) return await open(path, options); // which is locked
      step("open");
      modes.push(options?.mode);
      const file = await open(path, options);
      return {
        async write(bytes: Uint8Array) {
          step("write");
          return await file.write(bytes.subarray(0, 50)); // partial writes
        },
        async sync() {
          step("sync");
          await file.sync();
        },
        [Symbol.dispose]() {
          notes.push("close");
          file.close();
        },
      } as Deno.FsFile;
    },
    async chmod(path, mode) {
      step("chmod");
      await chmod(path, mode);
    },
    async rename(from, to) {
      step("rename");
      await rename(from, to);
    },
  };
}

const forget = (known: KnownHosts) => known.without("db1", 22).with("db2", 22, key);
const add = (known: KnownHosts) => known.with("db2", 22, key);
const runs = (notes: readonly string[]) => notes.filter((note, at) => note !== notes[at - 1]);

Deno.test("A changed file is written to a temporary file, synced, and renamed over the old one", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  const notes: string[] = [];
  const modes: (number | undefined)[] = [];
  {
    using _ = replacing(recorded(notes, undefined, modes));
    await editKnownHosts(path, forget);
  }
  assertEquals(runs(notes), ["open", "write", "sync", "chmod", "rename", "close"]);
  assertEquals(modes, [0o600]); // until it has the mode of the old one
  assertEquals(await Deno.readTextFile(path), forget(KnownHosts.parse(OLD)).toString());
});

Deno.test("Temporary files are beside the file, and each has another name", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  const names: string[] = [];
  const { open } = Deno;
  {
    using _ = replacing({
      open(path, options) {
        if (options?.createNew) names.push(`${path}`);
        return open(path, options);
      },
    });
    await editKnownHosts(path, forget);
    await editKnownHosts(path, (known) => known.without("db2", 22));
  }
  assertEquals([names.length, new Set(names).size], [2, 2]);
  assert(names.every((name) => name.startsWith(`${path}.`)), names.join());
});

Deno.test("A line is appended to the file, which is closed before the edit resolves", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  const notes: string[] = [];
  {
    using _ = replacing(recorded(notes));
    await editKnownHosts(path, add);
    assertEquals(runs(notes), ["open", "write", "close"]);
  }
  assertEquals(await Deno.readTextFile(path), add(KnownHosts.parse(OLD)).toString());
});

for (const step of ["open", "write", "sync", "chmod", "rename"]) {
  Deno.test(`A change that fails at its ${step} keeps the old file and no temporary file`, async () => {
    await using folder = await tempFolder();
    const path = await folder.write("hosts", OLD);
    const notes: string[] = [];
    {
      using _ = replacing(recorded(notes, step));
      await assertRejects(() => editKnownHosts(path, forget), Error, `cannot ${step}`);
    }
    assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["hosts"]);
    assertEquals(await Deno.readTextFile(path), OLD);
    assertEquals(notes.filter((note) => note === "close").length, step === "open" ? 0 : 1);
    // The next edit succeeds.
    assertEquals(await editKnownHosts(path, forget), true);
  });
}

Deno.test("A temporary file that cannot be removed does not hide the first error", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  const remove = () => Promise.reject(new Error("cannot remove"));
  using _ = replacing({ ...recorded([], "rename"), remove });
  await assertRejects(() => editKnownHosts(path, forget), Error, "cannot rename");
});

Deno.test("A temporary file is removed before the edit fails", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  const { remove } = Deno;
  const notes: string[] = [];
  {
    using _ = replacing({
      ...recorded([], "rename"),
      async remove(path) {
        await remove(path);
        notes.push("removed");
      },
    });
    await assertRejects(() => editKnownHosts(path, forget));
    assertEquals(notes, ["removed"]);
  }
});

Deno.test("A failed append fails the edit, and the next one completes a partial line", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  const half = "db9 ssh-ed255";
  const { open } = Deno;
  {
    using _ = replacing({
      async open(path, options) {
        const file = await open(path, options);
        if (options?.read) return file;
        return {
          async write() {
            await file.write(new TextEncoder().encode(half));
            throw new Error("the disk is full");
          },
          [Symbol.dispose]: () => file.close(),
        } as unknown as Deno.FsFile;
      },
    });
    await assertRejects(() => editKnownHosts(path, add), Error, "the disk is full");
  }
  await editKnownHosts(path, add);
  assertEquals(
    await Deno.readTextFile(path),
    `${OLD}${half}\n${KnownHosts.line("db2", 22, key)}\n`,
  );
});

Deno.test("An unreadable file is not treated as empty, and is not changed", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  {
    using _ = replacing({ readTextFile: () => Promise.reject(new Error("cannot read")) });
    await assertRejects(() => readKnownHosts(path), Error, "cannot read");
    await assertRejects(() => editKnownHosts(path, add), Error, "cannot read");
  }
  assertEquals(await Deno.readTextFile(path), OLD);
});

Deno.test("No modes are set on Windows", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  const notes: string[] = [];
  {
    using _system = replaced(runtime, "os", "windows");
    using _ = replacing(recorded(notes));
    await editKnownHosts(path, forget);
  }
  assertEquals(runs(notes), ["open", "write", "sync", "rename", "close"]);
});

Deno.test("An edit waits for all earlier ones, also for one that started after another had ended", async () => {
  await using folder = await tempFolder();
  const path = folder.join("hosts");
  // As on Windows, where the file's lock is not used, since it would block the edit.
  using _system = replaced(runtime, "os", "windows");
  const { open, readTextFile } = Deno;
  const held = Promise.withResolvers<void>();
  const began = Promise.withResolvers<void>();
  let reads = 0;
  let locked = 0;
  using _ = replacing({
    open(path, options) {
      if (options?.read) locked++;
      return open(path, options);
    },
    async readTextFile(path, options) {
      if (++reads === 2) {
        began.resolve();
        await held.promise;
      }
      return await readTextFile(path, options);
    },
  });
  const named = (name: string) => (known: KnownHosts) => known.with(name, 22, key);
  const edits = [editKnownHosts(path, named("db1")), editKnownHosts(path, named("db2"))];
  await edits[0];
  await began.promise;
  edits.push(editKnownHosts(path, named("db3")));
  // Without waiting it would read the file now.
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(reads, 2);
  held.resolve();
  await Promise.all(edits);
  const known = await readKnownHosts(path);
  assertEquals(["db1", "db2", "db3"].filter((name) => known.find(name, 22).length !== 1), []);
  assertEquals(locked, 0);
});

/** The file that is opened for locking, with another lock. */
function locking(lock: (exclusive?: boolean) => Promise<void>): Partial<Files> {
  const { open } = Deno;
  return {
    async open(path, options) {
      const file = await open(path, options);
      if (!options?.read) return file;
      return {
        lock,
        stat: () => file.stat(),
        [Symbol.dispose]: () => file.close(),
      } as unknown as Deno.FsFile;
    },
  };
}

Deno.test("An edit reads the file after it has the lock, or without one if there are no locks", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  const held = Promise.withResolvers<void>();
  const asked: (boolean | undefined)[] = [];
  {
    using _ = replacing(locking((exclusive) => {
      asked.push(exclusive);
      return held.promise;
    }));
    const editing = editKnownHosts(path, forget);
    await new Promise((resolve) => setTimeout(resolve));
    // Another program has the lock.
    const latest = `${OLD}# latest\n`;
    await Deno.writeTextFile(path, latest);
    held.resolve();
    await editing;
    assertEquals(asked, [true]);
    assertEquals(await Deno.readTextFile(path), forget(KnownHosts.parse(latest)).toString());
  }
  using _ = replacing(locking(() => Promise.reject(new Error("not supported"))));
  assertEquals(await editKnownHosts(path, (known) => known.without("db2", 22)), true);
});

Deno.test("An edit fails if the file cannot be opened for locking", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  const { open } = Deno;
  using _ = replacing({
    open: (path, options) =>
      options?.read ? Promise.reject(new Error("cannot open")) : open(path, options),
  });
  await assertRejects(() => editKnownHosts(path, add), Error, "cannot open");
  assertEquals(await Deno.readTextFile(path), OLD);
});

Deno.test("An edit fails if the locked file cannot be checked", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  const { realPath } = Deno;
  let looks = 0;
  using _ = replacing({
    realPath: (path) => ++looks === 1 ? Promise.reject(new Error("cannot look")) : realPath(path),
  });
  await assertRejects(() => editKnownHosts(path, add), Error, "cannot look");
});

Deno.test("A file that is replaced while an edit waits for its lock is locked as well", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  const { realPath, remove } = Deno;
  let looks = 0;
  let locks = 0;
  using _ = replacing({
    ...locking(() => Promise.resolve(void locks++)),
    async realPath(path) {
      if (++looks > 1) return await realPath(path);
      await remove(path);
      // For a moment there is no file.
      return await realPath(path).finally(() => folder.write("hosts", OLD));
    },
  });
  assertEquals(await editKnownHosts(path, add), true);
  assertEquals([locks, looks], [2, 2]);
  assertEquals(await Deno.readTextFile(path), add(KnownHosts.parse(OLD)).toString());
});

Deno.test("A file that another one has replaced is read after that one is locked, too", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  const other = await folder.write("other", `${OLD}# replaced\n`);
  let locks = 0;
  using _ = replacing(locking(async () => {
    if (++locks === 1) await Deno.rename(other, path);
  }));
  assertEquals(await editKnownHosts(path, add), true);
  assertEquals(locks, 2);
  const after = add(KnownHosts.parse(`${OLD}# replaced\n`));
  assertEquals(await Deno.readTextFile(path), after.toString());
});

Deno.test("Nothing is kept in memory about a file once its edits have ended", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("hosts", OLD);
  const kept = new Set<Map<unknown, unknown>>();
  const { set } = Map.prototype;
  {
    using _ = replaced(Map.prototype, "set", function (this: Map<unknown, unknown>, key, value) {
      if (key === path) kept.add(this);
      return set.call(this, key, value);
    });
    await Promise.all([editKnownHosts(path, add), editKnownHosts(path, forget)]);
  }
  assertEquals(kept.size, 1);
  await new Promise((resolve) => setTimeout(resolve));
  for (const map of kept) assertEquals(map.has(path), false);
});
