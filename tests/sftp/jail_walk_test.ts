/** How a jail walks a path, in a tree in memory: look-ups, limits, and the folders that it holds open. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { PosixFiles } from "../../lib/runtime/files.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { SftpError, SftpStatus } from "../../lib/sftp/mod.ts";
import { statusOf } from "../../lib/sftp/server/errno.ts";
import { Jail } from "../../lib/sftp/server/jail.ts";
import type { Folders } from "../../lib/sftp/server/served_tree.ts";
import { replaced } from "../support/replaced.ts";
import { replacedFiles } from "./local_files.ts";

const { BAD_MESSAGE, FAILURE, NO_SUCH_FILE, PERMISSION_DENIED } = SftpStatus;

/** What is at a path; a text is the target of a symbolic link. */
type Node = "folder" | "file" | { readonly link: string };

interface Walk extends Disposable {
  readonly jail: Jail<string>;
  /** The folders that are open. */
  readonly open: string[];
  /** The calls of the system since the last time. */
  calls(): string[];
  /** Called before each call of the system. */
  before: (call: string) => void;
}

/** A jail over a tree in memory, whose real paths begin with `@`. */
function walk(tree: Record<string, Node>, home = "/"): Walk {
  const nodes = new Map<string, Node>(Object.entries({ "@": "folder", ...tree }));
  const open: string[] = [];
  const calls: string[] = [];
  const call = (text: string): void => {
    calls.push(text);
    result.before(text);
  };
  const nodeAt = (path: string): Node => {
    const node = nodes.get(path.replace(/\/\.$/, "").replace(/^@\//, "/"));
    if (node === undefined) throw new Deno.errors.NotFound();
    return node;
  };
  const files = replacedFiles({
    lstatSync(path) {
      call(`look ${path}`);
      const node = nodeAt(path);
      const [isFile, isDirectory] = [node === "file", node === "folder"];
      return { isFile, isDirectory, isSymlink: typeof node === "object" } as Deno.FileInfo;
    },
    readLinkSync(path) {
      call(`read ${path}`);
      return (nodeAt(path) as { link: string }).link;
    },
  });
  const opened = (folder: string): string => {
    open.push(folder);
    return folder;
  };
  const folders: Folders<string> = {
    root: () => opened("@"),
    enter(folder, name) {
      assert(open.includes(folder), `${folder} is open`);
      call(`enter ${folder}/${name}`);
      return opened(`${folder}/${name}`);
    },
    leave(folder) {
      const at = open.lastIndexOf(folder);
      assert(at !== -1, `${folder} is left once`);
      open.splice(at, 1);
    },
    path(folder, name) {
      assert(open.includes(folder), `${folder} is open`);
      return `${folder}/${name}`;
    },
    pin: () => ({ path: "pinned", isThere: () => true, [Symbol.dispose]() {} }),
    holds: (fd) => fd === 7,
  };
  const result: Walk = {
    jail: new Jail(folders, home),
    open,
    calls: () => calls.splice(0),
    before: () => {},
    [Symbol.dispose]: () => files[Symbol.dispose](),
  };
  return result;
}

/** The refusal of a path, after which no folder may be open. */
function refusal(w: Walk, path: string, last: "follow" | "keep" = "follow"): number {
  const thrown = assertThrows(() => w.jail.resolve(path, last));
  assertEquals(w.open, [], path);
  return statusOf(thrown).status;
}

Deno.test("a path is looked up step by step, and only the folders on the way to it are open", () => {
  using w = walk({ "/a": "folder", "/a/b": "folder", "/a/b/c": "file" });
  const cases: [path: string, virtual: string, calls: string[], open: string[]][] = [
    ["/", "/", ["look @/."], ["@"]],
    ["", "/", ["look @/."], ["@"]],
    ["/a", "/a", ["look @/a"], ["@"]],
    ["a/b", "/a/b", ["look @/a", "enter @/a", "look @/a/b"], ["@", "@/a"]],
    ["//a//./b//", "/a/b", ["look @/a", "enter @/a", "look @/a/b"], ["@", "@/a"]],
    // The folder that a path ends in is looked up in its parent.
    [
      "/a/b/..",
      "/a",
      ["look @/a", "enter @/a", "look @/a/b", "enter @/a/b", "look @/a"],
      ["@"],
    ],
    ["/a/../..", "/", ["look @/a", "enter @/a", "look @/."], ["@"]],
    ["/../a", "/a", ["look @/a"], ["@"]],
    [
      "/a/b/new",
      "/a/b/new",
      ["look @/a", "enter @/a", "look @/a/b", "enter @/a/b", "look @/a/b/new"],
      ["@", "@/a", "@/a/b"],
    ],
  ];
  for (const [path, virtual, calls, open] of cases) {
    for (const last of ["follow", "keep"] as const) {
      const found = w.jail.resolve(path, last);
      assertEquals([path, found.virtual, w.calls(), w.open], [path, virtual, calls, open]);
      assertEquals(found.info === null, virtual.endsWith("new"));
      found[Symbol.dispose]();
      found[Symbol.dispose](); // again, which leaves no folder twice
      assertEquals(w.open, []);
      assertEquals([w.jail.realPath(path), w.open], [virtual, []]);
      w.calls();
    }
  }
});

Deno.test("only a relative path begins at the home, which is walked like any path", () => {
  const tree: Record<string, Node> = { "/h": "folder", "/h/me": "folder", "/l": { link: "h/me" } };
  for (const home of ["/h/me", "h/me/", "/l"]) {
    using w = walk(tree, home);
    assertEquals(["", "x", "../x", "/x", "../../.."].map((path) => w.jail.realPath(path)), [
      "/h/me",
      "/h/me/x",
      "/h/x",
      "/x",
      "/",
    ]);
  }
});

Deno.test("a link on the way is followed, and one at the end as asked", () => {
  using w = walk({
    "/a": "folder",
    "/a/file": "file",
    "/rel": { link: "a" },
    "/a/abs": { link: "/a/file" },
    "/a/up": { link: "../../a/./file" },
    "/a/root": { link: "/" },
    "/a/empty": { link: "" },
  });
  const at = (path: string, last: "follow" | "keep") => {
    using found = w.jail.resolve(path, last);
    return [found.real, found.virtual, found.info?.isSymlink ?? null];
  };
  assertEquals(at("/rel/file", "keep"), ["@/a/file", "/a/file", false]);
  assertEquals(at("/rel", "keep"), ["@/rel", "/rel", true]);
  assertEquals(at("/rel", "follow"), ["@/a", "/a", false]);
  assertEquals(at("/rel/abs", "keep"), ["@/a/abs", "/a/abs", true]);
  for (const link of ["abs", "up"]) {
    assertEquals(at(`/rel/${link}`, "follow"), ["@/a/file", "/a/file", false]);
  }
  assertEquals(at("/a/root", "follow"), ["@/.", "/", false]);
  assertEquals(at("/a/root/rel", "follow"), ["@/a", "/a", false]);
  assertEquals(at("/a/empty", "follow"), ["@/a", "/a", false]);
  assertEquals(w.open, []);
});

Deno.test("an absolute link leaves every folder but the root before its first step", () => {
  using w = walk({ "/a": "folder", "/a/b": "folder", "/a/b/abs": { link: "/new" } });
  w.before = (call) => {
    if (call === "read @/a/b/abs") assertEquals(w.open, ["@", "@/a", "@/a/b"]);
    if (call === "look @/new") assertEquals(w.open, ["@"]);
  };
  assertEquals(w.jail.realPath("/a/b/abs"), "/new");
  assertEquals(w.calls().at(-1), "look @/new");
});

Deno.test("a path that is not UTF-8 is refused before a folder is opened", () => {
  using w = walk({ "/l": { link: "x" } });
  for (const path of ["/\udcff", "a/\udc80/b"]) {
    assertThrows(
      () => w.jail.resolve(path, "keep"),
      SftpError,
      "Names on this server must be UTF-8",
    );
  }
  assertEquals([w.calls(), w.open], [[], []]);
});

Deno.test("a path has at most 512 steps with those of its links, counted before they are looked up", () => {
  using w = walk({
    "/a": "folder",
    "/l": { link: "a/../".repeat(3) },
    "/long": { link: "a/../".repeat(255) },
  });
  const steps = (count: number) => "a/../".repeat(count / 2) + (count % 2 ? "a" : "");
  assertEquals(w.jail.realPath(steps(512)), "/");
  assertEquals(w.jail.realPath(steps(511)), "/a");
  w.calls();
  const tooMany = assertThrows(() => w.jail.resolve(steps(513), "keep"), SftpError);
  assertEquals([tooMany.status, w.calls(), w.open], [BAD_MESSAGE, [], []]);
  // A link is a step, and has six.
  assertEquals(w.jail.realPath(`l/${steps(505)}`), "/a");
  assertEquals(refusal(w, `l/${steps(506)}`), BAD_MESSAGE);
  assertEquals(w.jail.realPath("long/a"), "/a");
  w.calls();
  assertEquals(refusal(w, "long/a/.."), BAD_MESSAGE);
  assertEquals(w.calls(), ["look @/long", "read @/long"]);
});

Deno.test("a path has at most 40 links, also of one link again and again", () => {
  using w = walk({ "/a": "folder", "/l": { link: "a" }, "/loop": { link: "./loop" } });
  assertEquals(w.jail.realPath("l/../".repeat(40)), "/");
  assertEquals(refusal(w, "l/../".repeat(41)), NO_SUCH_FILE);
  w.calls();
  const loops = assertThrows(() => w.jail.resolve("/loop", "follow"), SftpError);
  assertEquals(loops.message.includes("Too many symbolic links"), true);
  assertEquals([w.calls().length, w.open], [2 * 40 + 1, []]);
});

Deno.test("a path leads through at most 256 folders at a time, and each is left", () => {
  const deep = (count: number) => "/d".repeat(count);
  const tree = Array.from({ length: 257 }, (_, at) => [deep(at + 1), "folder"] as const);
  using w = walk(Object.fromEntries(tree));
  const found = w.jail.resolve(deep(257), "keep");
  assertEquals(w.open.length, 257);
  found[Symbol.dispose]();
  assertEquals(w.open, []);
  assertEquals(refusal(w, `${deep(257)}/x`), FAILURE);
  assert(!w.calls().includes(`enter @${deep(257)}`));
  // Folders that were left do not count.
  assertEquals(w.jail.realPath(deep(200) + "/..".repeat(200) + deep(112)), deep(112));
});

Deno.test("a step below a file, a missing folder or a dangling link leads to nothing", () => {
  using w = walk({ "/file": "file", "/dangling": { link: "none" }, "/to": { link: "file" } });
  for (const path of ["file/x", "file/..", "none/x", "none/..", "dangling/x", "to/..", "to/x"]) {
    assertEquals(refusal(w, path), NO_SUCH_FILE, path);
    assertEquals(w.calls().some((call) => call.startsWith("enter")), false);
  }
  assertEquals(w.jail.realPath("/dangling"), "/none");
});

Deno.test("after a failed call of the system no folder is open", () => {
  using w = walk({ "/a": "folder", "/a/b": "folder", "/a/l": { link: "b" } });
  const denied = new Deno.errors.PermissionDenied();
  const cases: [path: string, call: string][] = [
    ["/a/b", "look @/a/b"],
    ["/a/b/c", "enter @/a/b"],
    ["/a/l", "read @/a/l"],
    ["/a/b/..", "enter @/a/b"],
    ["/", "look @/."],
  ];
  for (const [path, failing] of cases) {
    w.before = (call) => {
      if (call === failing) throw denied;
    };
    assertEquals([path, refusal(w, path)], [path, PERMISSION_DENIED]);
  }
});

Deno.test("on Windows no step is looked up that has another meaning there", () => {
  const names = ["a\\b", "..\\x", "C:", "file:stream", "NUL", "con.txt", "x.", "x ", "a*"];
  const tree: Record<string, Node> = {
    "/a": "folder",
    "/link": { link: "C:\\Windows" },
    "/up": { link: "..\\..\\x" },
    ...Object.fromEntries(names.map((name) => [`/${name}`, "folder"])),
  };
  using w = walk(tree);
  {
    using _ = replaced(runtime, "os", "linux");
    for (const name of names) assertEquals(w.jail.realPath(name), `/${name}`);
    w.calls();
  }
  using _ = replaced(runtime, "os", "windows");
  for (const name of names) {
    assertEquals([name, refusal(w, name)], [name, NO_SUCH_FILE]);
    assertEquals(refusal(w, `${name}/x`, "keep"), NO_SUCH_FILE);
    assertEquals([name, w.calls()], [name, []]);
  }
  for (const link of ["link", "up"]) {
    assertEquals(refusal(w, link), NO_SUCH_FILE);
    assertEquals(w.calls(), [`look @/${link}`, `read @/${link}`]);
  }
  assertEquals(["a/.", "/", "a/..", "new.txt"].map((path) => w.jail.realPath(path)), [
    "/a",
    "/",
    "/",
    "/new.txt",
  ]);
});

Deno.test("a jail never follows a link at open(2), where the system has a flag for that", () => {
  const { posix } = runtime;
  const flagsWith = (constants: Partial<PosixFiles["constants"]>) => {
    using _ = replaced(runtime, "posix", { ...posix, constants } as PosixFiles);
    using w = walk({});
    return w.jail.openFlags;
  };
  assertEquals(flagsWith({ O_NOFOLLOW: 0o400000 }), 0o400000);
  assertEquals(flagsWith({}), 0);
});

Deno.test("a jail pins folders and compares files as its folders do", () => {
  using w = walk({});
  assertEquals(w.jail.open, false);
  using found = w.jail.resolve("/", "keep");
  using pinned = w.jail.pin(found);
  assertEquals([pinned.path, w.jail.holds(7, found), w.jail.holds(8, found)], [
    "pinned",
    true,
    false,
  ]);
});
