/** The jail of paths: how it notices that another program has swapped a folder or a file. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import type { PosixFiles } from "../../lib/runtime/files.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { PathFolders } from "../../lib/sftp/server/jail.ts";
import type { ResolvedPath } from "../../lib/sftp/server/served_tree.ts";
import { replaced } from "../support/replaced.ts";
import { replacedFiles } from "./local_files.ts";

const FILE = { dev: 1, ino: 7, isDirectory: false };
const FOLDER = { dev: 1, ino: 3, isDirectory: true };
const LINK = { dev: 1, ino: 4, isDirectory: false, isSymlink: true };

/** What a look sees. */
type Seen = Partial<Deno.FileInfo>;

interface Looks extends Disposable {
  /** The paths that were looked at, without the root. */
  readonly paths: string[];
  /** The random numbers that were asked for. */
  randomNumbers: number;
}

/** Shows folders on the way to a file; a change is by the path and the number of the look. */
function looking(change: (path: string, look: number) => Seen | null, coins?: number): Looks {
  const stack = new DisposableStack();
  const looks: Looks = {
    paths: [],
    randomNumbers: 0,
    [Symbol.dispose]: () => stack.dispose(),
  };
  stack.use(replacedFiles({
    lstatSync(real) {
      assert(real.startsWith("/srv/"), real);
      const path = real.slice("/srv".length);
      looks.paths.push(path);
      const usual = path.endsWith("file") ? FILE : FOLDER;
      return (change(path, looks.paths.length) ?? usual) as Deno.FileInfo;
    },
  }));
  const posix = { ...runtime.posix, fstatSync: (fd: number) => ({ dev: 1, ino: fd }) };
  stack.use(replaced(runtime, "posix", posix as unknown as PosixFiles));
  if (coins !== undefined) {
    const random = (numbers: Uint32Array) => {
      looks.randomNumbers += numbers.length;
      return numbers.fill(coins);
    };
    stack.use(replaced(crypto, "getRandomValues", random as Crypto["getRandomValues"]));
  }
  return looks;
}

function resolved(virtual: string, info: Seen | null = FILE): ResolvedPath {
  const real = `/srv${virtual}`;
  return { real, virtual, info: info as Deno.FileInfo | null, [Symbol.dispose]() {} };
}

const folders = new PathFolders("/srv");
/** The descriptor of the file itself, whose number is also its inode here. */
const FD = 7;

Deno.test("an open file is compared with its path 32 times more, in a random order", () => {
  const file = resolved("/a/b/file");
  const above = ["/a", "/a/b"];
  for (const coins of [0, 0xffff_ffff, 1, 0x8000_0000, 0xabcd_1234]) {
    using looks = looking(() => null, coins);
    assertEquals(folders.holds(FD, file), true);
    const bits = Array.from({ length: 32 }, (_, at) => (coins >>> at) & 1);
    const expected = bits.flatMap((bit) => bit ? ["/a/b/file"] : above);
    assertEquals(looks.paths, [...above, "/a/b/file", ...expected]);
    assertEquals(looks.randomNumbers, 1);
  }
});

Deno.test("two opens of a file are checked in different orders", () => {
  const orders = [1, 2].map(() => {
    using looks = looking(() => null);
    folders.holds(FD, resolved("/a/file"));
    return looks.paths.join();
  });
  assert(orders[0] !== orders[1]); // the same once in 2^32 runs
});

Deno.test("a file is not the right one if any of the checks fails, whichever it is", () => {
  const coins = 0b1010_0110_1100_0101_0011_1010_0101_1100;
  const all = (() => {
    using looks = looking(() => null, coins);
    assert(folders.holds(FD, resolved("/a/b/file")));
    return looks.paths;
  })();
  for (let bad = 1; bad <= all.length; bad++) {
    using looks = looking((_, look) => look === bad ? LINK : null, coins);
    assertEquals([bad, folders.holds(FD, resolved("/a/b/file"))], [bad, false]);
    assertEquals(looks.paths, all.slice(0, bad)); // and no check follows
  }
});

Deno.test("an open file is another one by its device or by its inode", () => {
  for (const seen of [{ ...FILE, dev: 2 }, { ...FILE, ino: 8 }]) {
    for (const path of ["/file", "/a/file"]) {
      using _ = looking((path) => path.endsWith("file") ? seen : null);
      assertEquals(folders.holds(FD, resolved(path)), false);
    }
  }
});

Deno.test("a file in the root is compared once, since no folder above it can be swapped", () => {
  using looks = looking(() => null, 0);
  assertEquals(folders.holds(FD, resolved("/file")), true);
  assertEquals([looks.paths, looks.randomNumbers], [["/file"], 0]);
  assertEquals(folders.holds(FD + 1, resolved("/file")), false);
});

Deno.test("a file that is gone when it is checked is not served", () => {
  for (const look of [1, 2, 3, 20]) {
    using _ = looking((_, at) => {
      if (at === look) throw new Deno.errors.NotFound();
      return null;
    }, 0b1011);
    assertThrows(() => folders.holds(FD, resolved("/a/file")), Deno.errors.NotFound);
  }
});

Deno.test("a pinned path is there while it is the same entry and all above are folders", () => {
  const found = resolved("/a/b/folder", FOLDER);
  const isThere = (change: (path: string) => Seen | null) => {
    using _ = looking(change);
    using pinned = folders.pin(found);
    assertEquals(pinned.path, "/srv/a/b/folder");
    return pinned.isThere();
  };
  assertEquals(isThere(() => null), true);
  for (const path of ["/a", "/a/b"]) {
    assertEquals(isThere((seen) => seen === path ? LINK : null), false);
  }
  for (const change of [{ dev: 2 }, { ino: 9 }]) {
    const other = (path: string) => path.endsWith("folder") ? { ...FOLDER, ...change } : null;
    assertEquals(isThere(other), false);
  }
  const failing = (error: Error) =>
    isThere(() => {
      throw error;
    });
  assertEquals(failing(new Deno.errors.NotFound()), false);
  assertThrows(() => failing(new Deno.errors.PermissionDenied()), Deno.errors.PermissionDenied);
});

Deno.test("a folder of paths is entered and left without a call of the system", () => {
  using looks = looking(() => null);
  const root = folders.root();
  const inside = folders.enter(root, "a");
  folders.leave();
  assertEquals([root, inside, folders.path(inside, "x")], ["/srv", "/srv/a", "/srv/a/x"]);
  assertEquals(looks.paths, []);
});
