/** The permissions for a login with the user's own files: requested once each, and reported together. */
import { assertEquals, assertRejects } from "@std/assert";
import { connect, none } from "@denossh/ssh";
import { type LoginNeeds, requestPermissions } from "../../lib/login/permissions.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { fakeEnv } from "../support/fake_env.ts";
import { replaced } from "../support/replaced.ts";

const ALL: LoginNeeds = { hosts: true, keys: true, user: true, address: "db1:22" };

/** A runtime that has some permissions, grants others or none, and records the requests. */
function world(granted: readonly string[], answer: (what: string) => boolean) {
  const have = new Set(granted);
  const asked: string[] = [];
  const stack = new DisposableStack();
  const textOf = (permission: Deno.PermissionDescriptor) => {
    const { variable, path, host } = { ...permission } as Record<string, string | undefined>;
    return `${variable ?? path ?? host}`;
  };
  stack.use(fakeEnv({ HOME: "/home/ann", USER: "ann" }));
  stack.use(
    replaced(runtime, "isGranted", (permission) => {
      const text = textOf(permission);
      return [...have].some((each) => text === each || text.startsWith(`${each}/`));
    }),
  );
  stack.use(
    replaced(runtime, "requestPermission", (permission) => {
      const text = textOf(permission);
      asked.push(text);
      const yes = answer(text);
      if (yes) have.add(text);
      return Promise.resolve(yes);
    }),
  );
  return { asked, [Symbol.dispose]: () => stack.dispose() };
}

Deno.test("Two variables and two folders are requested, once each", async () => {
  using w = world([], () => true);
  await requestPermissions(ALL);
  assertEquals(w.asked, ["HOME", "USER", "/home/ann/.ssh", "/etc/ssh"]);
  await requestPermissions(ALL);
  assertEquals(w.asked.length, 4);
});

const cases: [granted: string[], needs: Partial<LoginNeeds>, flags: string][] = [
  [[], {}, "--allow-env=HOME,USER --allow-read=$HOME/.ssh,/etc/ssh --allow-net=db1:22"],
  [["HOME", "USER", "db1:22"], {}, "--allow-read=/home/ann/.ssh,/etc/ssh"],
  [["HOME", "db1:22"], { hosts: false, user: false }, "--allow-read=/home/ann/.ssh"],
  [
    ["HOME", "/home/ann/.ssh/known_hosts", "/home/ann/.ssh/id_rsa"],
    { user: false, address: null },
    "--allow-read=/home/ann/.ssh,/etc/ssh",
  ],
  [["HOME", "/home/ann/.ssh"], { address: null }, "--allow-read=/etc/ssh"],
];
for (const [granted, needs, flags] of cases) {
  Deno.test(`With ${granted.join() || "no permission"} the message has ${flags}`, async () => {
    using w = world(granted, () => false);
    const wanted = () => requestPermissions({ ...ALL, ...needs });
    const { message } = await assertRejects(wanted, Deno.errors.NotCapable);
    assertEquals(/run again with (.*)\. HOME/.exec(message)?.[1], flags);
    assertEquals(w.asked.length, 1, "after the first no there is no other question");
  });
}

Deno.test("Permissions that are granted per file, or not needed, are not requested", async () => {
  const files = ["known_hosts", "id_rsa", "id_ecdsa", "id_ed25519"];
  const granted = files.map((name) => `/home/ann/.ssh/${name}`);
  using w = world(["HOME", "USER", "/etc/ssh/ssh_known_hosts", ...granted], () => false);
  await requestPermissions(ALL);
  await requestPermissions({ hosts: false, keys: false, user: false, address: "db1:22" });
  assertEquals(w.asked, []);
});

Deno.test("A permission that is still missing after a grant is not requested again", async () => {
  using w = world([], () => true);
  using _ = replaced(runtime, "isGranted", () => false);
  await requestPermissions(ALL);
  assertEquals(w.asked, ["HOME", "USER", "/etc/ssh"]);
});

Deno.test("connect() names the needed permissions before it reads anything", async () => {
  using _world = world([], () => false);
  const refused = (options: Parameters<typeof connect>[1]) =>
    assertRejects(() => connect("[::1]:2222", options), Deno.errors.NotCapable);
  const all = await refused({});
  assertEquals(
    all.message,
    "connect() needs permissions: run again with --allow-env=HOME,USER " +
      "--allow-read=$HOME/.ssh,/etc/ssh --allow-net=[::1]:2222. HOME and the folders are for known " +
      "hosts and keys, USER is the user to log in as; with the options user, auth and hostKeys it " +
      "needs --allow-net alone",
  );
  const keys = await refused({ user: "ann", hostKeys: () => true, proxyCommand: "nc db1 22" });
  assertEquals(keys.message.includes("with --allow-env=HOME --allow-read=$HOME/.ssh. "), true);
  const hosts = await refused({ user: "ann", auth: [none()], config: false });
  assertEquals(hosts.message.includes("--allow-read=$HOME/.ssh,/etc/ssh --allow-net"), true);
});
