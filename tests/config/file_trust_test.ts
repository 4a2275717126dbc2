/** Which configuration files may be read, by their owner and their permissions. */
import { assertEquals } from "@std/assert";
import { grantedUid, isTrusted } from "../../lib/config/file_trust.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { fakeEnv } from "../support/fake_env.ts";
import { replaced } from "../support/replaced.ts";
import { tempFolder } from "../support/temp.ts";

const ACCOUNTS: Readonly<Record<string, string>> = {
  "/etc/passwd": [
    "root:x:0:0::/root:/bin/sh",
    "ann:x:1000:1000::/home/ann:/bin/sh",
    "ann2:x:1000:1005::/home/ann:/bin/sh",
    "bob:x:1001:1006::/home/bob:/bin/sh",
  ].join("\n"),
  "/etc/group": [
    "ann:x:1000:",
    "own:x:1001:ann,ann2",
    "shared:x:1002:ann,bob",
    "empty:x:1003:",
    "second:x:1005:ann",
    "bob:x:1006:ann",
  ].join("\n"),
};

/** The machine of the accounts, on which this program runs as ann. */
function machine(accounts = ACCOUNTS): Disposable {
  const parts = new DisposableStack();
  parts.use(replaced(runtime, "isGranted", () => true));
  parts.use(replaced(runtime.process, "uid", () => 1000));
  parts.use(replaced(runtime.files, "readTextFile", (path) => {
    const text = accounts[String(path)];
    return text === undefined ? Promise.reject(new Error("no file")) : Promise.resolve(text);
  }));
  return parts;
}

const ANN = 1000;
const files: [what: string, uid: number | null, gid: number, mode: number | null, boolean][] = [
  ["the user's own", ANN, 1000, 0o600, true],
  ["the user's own that everyone may read", ANN, 1000, 0o644, true],
  ["the user's own that everyone may write", ANN, 1000, 0o602, false],
  ["root's", 0, 0, 0o644, true],
  ["root's that everyone may write", 0, 0, 0o646, false],
  ["another user's", 1001, 1000, 0o600, false],
  ["of a system without owners", null, 0, 0o666, true],
  ["of a system without modes", ANN, 0, null, true],
  ["that the user's own group may write", ANN, 1000, 0o660, true],
  ["that a group of the user's accounts may write", ANN, 1001, 0o660, true],
  ["that the main group of a second account may write", ANN, 1005, 0o660, true],
  ["that a group of two users may write", ANN, 1002, 0o660, false],
  ["that a group without members may write", ANN, 1003, 0o660, false],
  ["that an unknown group may write", ANN, 1004, 0o660, false],
  ["that another user's main group may write", ANN, 1006, 0o660, false],
];
for (const [what, uid, gid, mode, expected] of files) {
  Deno.test(`A file ${what} is ${expected ? "trusted" : "refused"}`, async () => {
    using _machine = machine();
    assertEquals(await isTrusted({ uid, gid, mode }), expected);
  });
}

Deno.test("A file that a group may write is refused if the accounts cannot be read", async () => {
  const file = { uid: ANN, gid: 1000, mode: 0o660 };
  for (const path of Object.keys(ACCOUNTS)) {
    using _machine = machine({ ...ACCOUNTS, [path]: undefined! });
    assertEquals(await isTrusted(file), false, path);
  }
});

Deno.test("Without the permission for it the user's id is that of ~/.ssh", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join(".ssh"));
  const { uid } = await Deno.stat(folder.path);
  using _env = fakeEnv({ HOME: folder.path });
  const granting = (...kinds: string[]) =>
    replaced(runtime, "isGranted", ({ name }) => kinds.includes(name));
  {
    using _granted = granting("env", "read");
    assertEquals(await grantedUid(), uid);
    await Deno.remove(folder.join(".ssh"));
    assertEquals(await grantedUid(), null);
  }
  for (const kinds of [["env"], ["read"]]) {
    using _granted = granting(...kinds);
    assertEquals(await grantedUid(), undefined);
  }
  using _granted = granting("sys");
  assertEquals(await grantedUid(), runtime.process.uid());
});
