/** A client's open files and listings, and how they are closed. */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SFTP_MAX_HANDLES } from "../../lib/defaults.ts";
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

Deno.test("at 256 handles nothing is opened until one is closed, and no number is used twice", async () => {
  const watch = watched();
  const { handles } = watch;
  const lent: Uint8Array[] = [];
  while (lent.length < SFTP_MAX_HANDLES) lent.push(await watch.open(`/${lent.length}`));
  let opened = 0;
  const opening = () => handles.open(() => Promise.reject(new Error(`opened ${++opened}`)));
  await assertRejects(opening, SftpError, "Too many open handles");
  assertEquals([opened, watch.lent], [0, SFTP_MAX_HANDLES]);
  const [, second] = lent;
  await handles.close(second!);
  const next = await watch.open("/next");
  assertEquals(handles.path(next), "/next");
  assert(!lent.some((handle) => handle.every((byte, at) => byte === next[at])));
  assertThrows(() => handles.file(second!), SftpError, "No such file handle");
});

Deno.test("a handle beyond those of the connection opens nothing and returns none", async () => {
  let [opened, returned] = [0, 0];
  const share = {
    takeHandle() {
      throw new Error("all in use");
    },
    returnHandle: () => void returned++,
  };
  const handles = new Handles(share as unknown as ConnectionShare);
  const opening = () => handles.open(() => Promise.reject(new Error(`opened ${++opened}`)));
  await assertRejects(opening, Error, "all in use");
  assertEquals([opened, returned], [0, 0]);
});

Deno.test("a handle is closed once, even if closing fails or takes long", async () => {
  const watch = watched();
  const { handles } = watch;
  const slow = await watch.open("/slow");
  const closing = handles.close(slow);
  await assertRejects(() => handles.close(slow), SftpError, "No such handle");
  await closing;
  assertEquals([watch.lent, watch.done], [0, ["close /slow"]]);
  const file = { close: () => Promise.reject(new Error("disk")) } as unknown as SftpBackendFile;
  const bad = await handles.open(() => Promise.resolve({ path: "/bad", file }));
  await assertRejects(() => handles.close(bad), Error, "disk");
  await assertRejects(() => handles.close(bad), SftpError, "No such handle");
  assertEquals(watch.lent, 0);
});

Deno.test("at the end an unfinished file is removed even if closing it fails", async () => {
  const { handles, ...watch } = watched();
  const failing = () => Promise.reject(new Error("disk"));
  for (const end of ["close", "abort"]) {
    const file = { close: failing, [end]: failing } as unknown as SftpBackendFile;
    const remove = () => Promise.resolve(void watch.done.push(`remove ${end}`));
    await handles.open(() => Promise.resolve({ path: `/${end}`, file, remove }));
  }
  await handles.closeAll();
  assertEquals(watch.done.sort(), ["remove abort", "remove close"]);
});

Deno.test("at the end a removal that fails keeps no other file open", async () => {
  const watch = watched();
  const { handles } = watch;
  const file = { close: () => Promise.resolve() } as unknown as SftpBackendFile;
  const remove = () => Promise.reject(new Error("not yours"));
  await handles.open(() => Promise.resolve({ path: "/bad", file, remove }));
  await watch.open("/good", { remove: true });
  await handles.closeAll();
  assertEquals(watch.done, ["close /good", "remove /good"]);
});

Deno.test("only a file that allows it is used by several requests in parallel", async () => {
  const watch = watched();
  const { handles } = watch;
  const file = { parallel: true, close: () => Promise.resolve() } as unknown as SftpBackendFile;
  const parallel = await handles.open(() => Promise.resolve({ path: "/p", file }));
  assert(handles.parallel(parallel) === file);
  // The handle is part of a request.
  assert(handles.parallel(new Uint8Array([9, ...parallel, 9]).subarray(1, 5)) === file);
  for (const handle of [await watch.open("/f"), await watch.list("/d"), new Uint8Array(4)]) {
    assertEquals(handles.parallel(handle), null);
  }
});
