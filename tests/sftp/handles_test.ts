/** A client's open files and listings, and how they are closed. */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SftpError } from "../../lib/sftp/mod.ts";
import type { SftpBackendFile } from "../../lib/sftp/server/backend.ts";
import { Handles, type Listing } from "../../lib/sftp/server/handles.ts";
import type { ConnectionShare } from "../../lib/sftp/server/share.ts";
import { turn } from "./world.ts";

interface Watched {
  readonly handles: Handles;
  /** The number of handles in use on the connection. */
  lent: number;
  /** The calls, in order; each takes a turn of the event loop. */
  readonly done: string[];
  open(path: string, options?: { abort?: boolean; remove?: boolean }): Promise<Uint8Array>;
  list(path: string): Promise<Uint8Array>;
}

function watched(): Watched {
  const share = {
    takeHandle: () => void watch.lent++,
    returnHandle: () => void watch.lent--,
  };
  const handles = new Handles(share as unknown as ConnectionShare);
  const act = (what: string, path: string) => async () => {
    await turn();
    watch.done.push(`${what} ${path}`);
  };
  const watch: Watched = {
    handles,
    lent: 0,
    done: [],
    open(path, { abort = false, remove = false } = {}) {
      const file = {
        close: act("close", path),
        ...abort && { abort: act("abort", path) },
      } as unknown as SftpBackendFile;
      const opened = { path, file, remove: remove ? act("remove", path) : null };
      return handles.open(() => Promise.resolve(opened));
    },
    list(path) {
      const listing = { return: act("return", path) } as unknown as Listing;
      return handles.open(() => Promise.resolve({ path, listing }));
    },
  };
  return watch;
}

const NOTHING = { read: 0, written: 0 };

Deno.test("each open file has its path and its byte counts, a listing its path", async () => {
  const { handles, open, list } = watched();
  const [file, listing, other] = [await open("/file"), await list("/folder"), await open("/other")];
  assertEquals(handles.traffic(file), NOTHING);
  handles.traffic(file)!.read += 5;
  assertEquals([handles.traffic(listing), handles.traffic(new Uint8Array(4))], [null, null]);
  assertEquals([...handles.files()], [
    { path: "/file", traffic: { read: 5, written: 0 } },
    { path: "/other", traffic: NOTHING },
  ]);
  assertEquals([file, listing, other].map((handle) => handles.path(handle)), [
    "/file",
    "/folder",
    "/other",
  ]);
  assertEquals(handles.path(new Uint8Array(5)), null);
});

Deno.test("closing waits for the file or listing, and frees the handle", async () => {
  const watch = watched();
  const { handles, done } = watch;
  const [file, listing] = [await watch.open("/file", { abort: true }), await watch.list("/folder")];
  assertEquals(watch.lent, 2);
  await handles.close(file);
  assertEquals([watch.lent, done], [1, ["close /file"]]);
  await handles.close(listing);
  assertEquals([watch.lent, done], [0, ["close /file", "return /folder"]]);
  await assertRejects(() => handles.close(file), SftpError, "No such handle");
  assertEquals(watch.lent, 0);
});

Deno.test("a failed open frees its handle", async () => {
  const watch = watched();
  const failing = () => watch.handles.open(() => Promise.reject(new Error("not here")));
  await assertRejects(failing, Error, "not here");
  assertEquals(watch.lent, 0);
});

Deno.test("at the end everything is closed or aborted, and unfinished files are removed", async () => {
  const watch = watched();
  const { handles, done } = watch;
  const file = await watch.open("/a");
  await watch.open("/b", { abort: true, remove: true });
  await watch.list("/c");
  await watch.open("/d", { remove: true });
  await handles.closeAll();
  assertEquals(done.slice(0, 4).toSorted(), ["abort /b", "close /a", "close /d", "return /c"]);
  assertEquals(done.slice(4).toSorted(), ["remove /b", "remove /d"]);
  assertEquals(watch.lent, 0);
  assertThrows(() => handles.file(file), SftpError, "No such file handle");
  await handles.closeAll();
  assertEquals([watch.lent, done.length], [0, 6]);
});
