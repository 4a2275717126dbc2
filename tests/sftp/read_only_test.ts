/** What a read-only backend passes on, and what it refuses. */
import { assertEquals, assertRejects } from "@std/assert";
import type { SftpBackend, SftpBackendFile } from "../../lib/sftp/mod.ts";
import { statusOf } from "../../lib/sftp/server/errno.ts";
import { readOnly } from "../../lib/sftp/server/read_only.ts";
import { SftpStatus } from "../../lib/sftp/mod.ts";
import { READING } from "./local_files.ts";

/** A backend whose methods note their calls and return their name. */
function noting(file: Partial<SftpBackendFile> = {}) {
  const calls: unknown[][] = [];
  const methods = new Proxy({}, {
    get: (_, name) => (...args: unknown[]) => {
      calls.push([name, ...args]);
      if (name === "open") return Promise.resolve(file);
      return name === "statVfs" ? Promise.resolve({ blocks: 7, readOnly: false }) : name;
    },
  });
  return { backend: readOnly(methods as Required<SftpBackend>), calls };
}

async function isDenied(run: () => unknown): Promise<boolean> {
  const refused = await assertRejects(async () => await run());
  return statusOf(refused).status === SftpStatus.PERMISSION_DENIED;
}

Deno.test("a read-only backend passes on every look, with its arguments", async () => {
  const { backend, calls } = noting();
  const looks: Record<string, unknown[]> = {
    readDir: ["/d"],
    stat: ["/f"],
    lstat: ["/l"],
    realPath: ["."],
    readLink: ["/l"],
    home: ["ann"],
    userNames: [[1, 2]],
    groupNames: [[3]],
  };
  for (const [name, args] of Object.entries(looks)) {
    const look = backend[name as keyof SftpBackend] as (...args: unknown[]) => unknown;
    assertEquals([await look(...args), calls.splice(0)], [name, [[name, ...args]]]);
  }
});

Deno.test("a read-only backend refuses every change before it reaches the files", async () => {
  const { backend, calls } = noting();
  const looks = ["open", "readDir", "stat", "lstat", "realPath", "readLink", "statVfs"];
  const changes = Object.keys(backend).filter((name) =>
    ![...looks, "home", "userNames", "groupNames"].includes(name)
  );
  assertEquals(changes.sort(), [
    "link",
    "lsetStat",
    "mkdir",
    "remove",
    "rename",
    "rmdir",
    "setStat",
    "symlink",
  ]);
  for (const name of changes) {
    const change = backend[name as keyof SftpBackend] as (...args: unknown[]) => unknown;
    assertEquals([name, await isDenied(() => change("/a", "/b"))], [name, true]);
  }
  for (const change of ["write", "create", "truncate"]) {
    const opening = () => backend.open!("/f", { ...READING, [change]: true });
    assertEquals([change, await isDenied(opening)], [change, true]);
  }
  assertEquals(calls, []);
});

Deno.test("a file of a read-only backend is read, and refuses every change", async () => {
  const calls: unknown[][] = [];
  const note = (name: string, result: unknown) => (...args: unknown[]) => {
    calls.push([name, ...args]);
    return result;
  };
  const names = ["read", "write", "stat", "setStat", "sync", "close", "abort"];
  const all = Object.fromEntries(names.map((name) => [name, note(name, name)]));
  const { backend, calls: outer } = noting({ ...all, parallel: true });
  const file = await backend.open!("/f", READING);
  assertEquals(outer, [["open", "/f", READING]]);
  const into = new Uint8Array(3);
  const results: unknown[] = [file.read(into, 9), await file.stat(), await file.close()];
  assertEquals(results, ["read", "stat", "close"]);
  assertEquals(calls.splice(0), [["read", into, 9], ["stat"], ["close"]]);
  assertEquals(await isDenied(() => file.write(into, 0)), true);
  assertEquals(await isDenied(() => file.setStat({ size: 0 })), true);
  assertEquals([file.sync, file.abort, calls], [undefined, undefined, []]);
});

Deno.test("a file is read in parallel only if the file below is", async () => {
  for (const [below, above] of [[true, true], [false, false], [undefined, false]] as const) {
    const { backend } = noting(below === undefined ? {} : { parallel: below });
    assertEquals((await backend.open!("/f", READING)).parallel, above);
  }
});

Deno.test("a read-only backend and its files report a read-only file system", async () => {
  const statVfs = () => Promise.resolve({ blocks: 5, readOnly: false } as never);
  const { backend, calls } = noting({ statVfs });
  assertEquals(await backend.statVfs!("/p"), { blocks: 7, readOnly: true } as never);
  assertEquals(calls, [["statVfs", "/p"]]);
  const file = await backend.open!("/f", READING);
  assertEquals(await file.statVfs!(), { blocks: 5, readOnly: true } as never);
});
