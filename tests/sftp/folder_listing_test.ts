import { assertEquals, assertRejects } from "@std/assert";
import type { SftpBackendEntry } from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import { FolderListing } from "../../lib/sftp/server/folder_listing.ts";
import { turn } from "./world.ts";

const entry = (name: string): SftpBackendEntry => ({ name, info: infoOf({}) });

/** A folder of files by number, those in `gone` without an entry, and what was done with it. */
function folder(files: number, gone: (name: number) => boolean = () => false) {
  const done: string[] = [];
  const batches: number[] = [];
  async function* names() {
    try {
      for (let i = 0; i < files; i++) yield await Promise.resolve({ name: `${i}` });
    } finally {
      done.push("names ended");
    }
  }
  const listing = new FolderListing(() => {
    if (done.includes("opened")) throw new Error("The folder is opened twice");
    done.push("opened");
    return {
      names: names(),
      first: () => [entry("."), entry("..")],
      entries(these) {
        if (these.length === 0) throw new Error("No names to look up");
        batches.push(these.length);
        return these.filter((name) => !gone(Number(name))).map(entry);
      },
      close: { [Symbol.dispose]: () => void done.push("closed") },
    };
  });
  return { listing, done, batches };
}

Deno.test("a folder is listed 32 names at a time, and closed at its end", async () => {
  const { listing, done, batches } = folder(70);
  assertEquals(done, []);
  const names = await Array.fromAsync(listing, ({ name }) => name);
  assertEquals(names, [".", "..", ...Array.from({ length: 70 }, (_, i) => `${i}`)]);
  assertEquals(batches, [32, 32, 6]);
  assertEquals(done, ["opened", "names ended", "closed"]);
  assertEquals(await listing.next(), { done: true, value: undefined });
});

Deno.test("a listing continues after files that are removed while it is read", async () => {
  const { listing } = folder(70, (name) => name < 68);
  assertEquals(await Array.fromAsync(listing, ({ name }) => name), [".", "..", "68", "69"]);
});

Deno.test("a listing that is left is closed once, and has no more entries", async () => {
  const { listing, done, batches } = folder(70);
  for (let i = 0; i < 5; i++) await listing.next();
  await listing.return();
  await listing.return();
  assertEquals([done, batches], [["opened", "names ended", "closed"], [32]]);
  assertEquals((await listing.next()).done, true);
});

Deno.test("a listing that is left before it began opens nothing", async () => {
  const { listing, done } = folder(1);
  await listing.return();
  assertEquals([(await listing.next()).done, done], [true, []]);
});

Deno.test("a listing that fails is closed when it rejects, and then has no more entries", async () => {
  const { listing, done } = folder(40, () => {
    throw new Error("The folder was swapped");
  });
  await listing.next();
  await listing.next();
  await assertRejects(() => listing.next(), Error, "swapped");
  assertEquals(done, ["opened", "names ended", "closed"]);
  assertEquals((await listing.next()).done, true);
});

Deno.test("a folder that cannot be opened is not tried again", async () => {
  let opened = 0;
  const listing = new FolderListing(() => {
    opened++;
    throw new Error("no permission");
  });
  await assertRejects(() => listing.next(), Error, "no permission");
  assertEquals([(await listing.next()).done, opened], [true, 1]);
});

Deno.test("a folder is closed even if its names cannot be ended", async () => {
  const done: string[] = [];
  const listing = new FolderListing(() => ({
    names: {
      next: () => Promise.resolve({ done: false as const, value: { name: "x" } }),
      return: () => Promise.reject(new Error("disk")),
    },
    first: () => [entry(".")],
    entries: (names) => names.map(entry),
    close: { [Symbol.dispose]: () => void done.push("closed") },
  }));
  await listing.next();
  await assertRejects(() => listing.return(), Error, "disk");
  assertEquals([(await listing.next()).done, done], [true, ["closed"]]);
});

for (const [how, fails] of [["that ends", false], ["that fails", true]] as const) {
  Deno.test(`a listing ${how} closes its folder after its names, and only then answers`, async () => {
    const done: string[] = [];
    const gate = Promise.withResolvers<void>();
    const listing = new FolderListing(() => ({
      names: {
        next: () =>
          fails
            ? Promise.reject(new Error("disk"))
            : Promise.resolve({ done: true as const, value: undefined }),
        async return() {
          await gate.promise;
          done.push("names ended");
          return { done: true as const, value: undefined };
        },
      },
      first: () => [entry(".")],
      entries: (names) => names.map(entry),
      close: { [Symbol.dispose]: () => void done.push("closed") },
    }));
    await listing.next();
    const last = listing.next().then(
      ({ done: isOver }) => void done.push(`over ${isOver}`),
      (error) => void done.push(error.message),
    );
    await turn();
    assertEquals(done, []);
    gate.resolve();
    await last;
    assertEquals(done, ["names ended", "closed", fails ? "disk" : "over true"]);
  });
}
