/** The paths and byte counts that a log gets for each request. */
import { assertEquals } from "@std/assert";
import type { SftpBackendFile } from "../../lib/sftp/mod.ts";
import * as msg from "../../lib/sftp/protocol/messages.ts";
import { FXP } from "../../lib/sftp/protocol/numbers.ts";
import { subjectOf } from "../../lib/sftp/server/audit.ts";
import { Handles } from "../../lib/sftp/server/handles.ts";
import { ConnectionShare } from "../../lib/sftp/server/share.ts";

const NOTHING = { path: null, target: null, transferred: null };

async function world() {
  const handles = new Handles(new ConnectionShare());
  const file = {} as SftpBackendFile;
  const one = await handles.open(() => Promise.resolve({ path: "/one", file }));
  const two = await handles.open(() => Promise.resolve({ path: "/two", file }));
  handles.traffic(one)!.read = 5;
  handles.traffic(one)!.written = 7;
  return { handles, one, two };
}

/** The body of a request, after its id. */
function bodyOf(frame: Uint8Array): Uint8Array {
  return frame.subarray(msg.FRAME_HEADER);
}

function extended(request: string, data: Uint8Array): Uint8Array {
  return bodyOf(msg.Extended.encode(1, { request, data }));
}

Deno.test("a copy has the path of its source and, as target, that of the file it writes", async () => {
  const { handles, one, two } = await world();
  for (const [from, to, path, target] of [[one, two, "/one", "/two"], [two, one, "/two", "/one"]]) {
    const data = msg.CopyData.encode({
      from: from as Uint8Array,
      fromOffset: 2 ** 40,
      length: 3,
      to: to as Uint8Array,
      toOffset: 1,
    });
    const subject = subjectOf("copy-data", FXP.EXTENDED, extended("copy-data", data), handles);
    assertEquals(subject, { path: path as string, target: target as string, transferred: null });
  }
});

Deno.test("a copy to or from a handle that is unknown has the path that is known", async () => {
  const { handles, one } = await world();
  const none = new Uint8Array([0, 0, 0, 99]);
  for (const [from, to, path, target] of [[one, none, "/one", null], [none, one, null, "/one"]]) {
    const data = msg.CopyData.encode({
      from: from as Uint8Array,
      fromOffset: 0,
      length: 0,
      to: to as Uint8Array,
      toOffset: 0,
    });
    const subject = subjectOf("copy-data", FXP.EXTENDED, extended("copy-data", data), handles);
    assertEquals([subject.path, subject.target], [path, target]);
  }
});

Deno.test("only a close has the bytes that were read and written", async () => {
  const { handles, one } = await world();
  const close = subjectOf(
    "close",
    FXP.CLOSE,
    bodyOf(msg.Close.encode(1, { handle: one })),
    handles,
  );
  assertEquals(close, { path: "/one", target: null, transferred: { read: 5, written: 7 } });
  const others: [name: string, type: number, body: Uint8Array][] = [
    ["read", FXP.READ, bodyOf(msg.Read.encode(1, { handle: one, offset: 0, length: 1 }))],
    ["fstat", FXP.FSTAT, bodyOf(msg.Fstat.encode(1, { handle: one }))],
    ["fsync", FXP.EXTENDED, extended("fsync", msg.OneHandle.encode({ handle: one }))],
    ["fstatvfs", FXP.EXTENDED, extended("fstatvfs", msg.OneHandle.encode({ handle: one }))],
  ];
  for (const [name, type, body] of others) {
    assertEquals(subjectOf(name, type, body, handles), { ...NOTHING, path: "/one" }, name);
  }
});

Deno.test("requests with two paths have both, in the order of the message, and others one", async () => {
  const { handles } = await world();
  const two = msg.TwoPaths.encode({ from: "/a", to: "/b" });
  const both = { path: "/a", target: "/b", transferred: null };
  for (const name of ["posix-rename", "hardlink"]) {
    assertEquals(subjectOf(name, FXP.EXTENDED, extended(name, two), handles), both);
  }
  assertEquals(subjectOf("rename", FXP.RENAME, two, handles), both);
  assertEquals(subjectOf("symlink", FXP.SYMLINK, two, handles), both);
  assertEquals(subjectOf("remove", FXP.REMOVE, two, handles), { ...both, target: null });
});

Deno.test("a request that is cut short has the paths that arrived, and no request throws", async () => {
  const { handles, one, two } = await world();
  const rename = msg.TwoPaths.encode({ from: "/a", to: "/b" });
  const paths = (name: string, type: number, body: Uint8Array) => {
    const { path, target, transferred } = subjectOf(name, type, body, handles);
    return [path, target, transferred];
  };
  for (let length = 0; length < rename.length; length++) {
    const path = length < 6 ? null : "/a";
    assertEquals(paths("rename", FXP.RENAME, rename.subarray(0, length)), [path, null, null]);
  }
  const data = msg.CopyData.encode({ from: one, fromOffset: 0, length: 0, to: two, toOffset: 0 });
  const copy = extended("copy-data", data);
  const start = copy.length - data.length;
  for (let length = 0; length < copy.length - 8; length++) {
    const path = length < start + 8 ? null : "/one";
    assertEquals(paths("copy-data", FXP.EXTENDED, copy.subarray(0, length)), [path, null, null]);
  }
});

Deno.test("a request about no path has none, even if its body looks like one", async () => {
  const { handles } = await world();
  const path = msg.OnePath.encode({ path: "/a" });
  for (const name of ["limits", "users-groups-by-id"]) {
    assertEquals(subjectOf(name, FXP.EXTENDED, extended(name, path), handles), NOTHING);
  }
});
