import { assertEquals, assertRejects } from "@std/assert";
import type { SftpBackendEntry } from "../../lib/sftp/mod.ts";
import { infoOf } from "../../lib/sftp/protocol/attributes.ts";
import { FolderListing } from "../../lib/sftp/server/folder_listing.ts";

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
    done.push("opened");
    return {
      names: names(),
      first: () => [entry("."), entry("..")],
      entries(these) {
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

Deno.test("a listing that fails is closed", async () => {
  const { listing, done } = folder(40, () => {
    throw new Error("The folder was swapped");
  });
  await assertRejects(() => Array.fromAsync(listing), Error, "swapped");
  assertEquals(done, ["opened", "names ended", "closed"]);
  assertEquals((await listing.next()).done, true);
});
