/** Trusted and added host keys, by settings and the user's answers. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { HostKeyError } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { KnownHosts, readKnownHosts } from "@denossh/ssh/known-hosts";
import { knownAs } from "../../lib/login/host_keys.ts";
import { hostTrust, knownHostsFiles } from "../../lib/login/host_trust.ts";
import { type Ask, type LoginDialog, NO_DIALOG } from "../../lib/login/prompts.ts";
import type { LoginSettings } from "../../lib/login/settings.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { fakeEnv } from "../support/fake_env.ts";
import { replaced } from "../support/replaced.ts";
import { tempFolder } from "../support/temp.ts";
import { TestDialog } from "./test_dialog.ts";

const key = await generateKey();
const other = await generateKey();
const host = { hostname: "db1", port: 22 };

/** The trust for settings with one file of known hosts. */
async function trustWith(settings: LoginSettings, dialog: LoginDialog, known = "") {
  const folder = await tempFolder();
  const path = folder.join("sub/known_hosts");
  if (known !== "") {
    await Deno.mkdir(folder.join("sub"));
    await Deno.writeTextFile(path, known);
  }
  const files = { UserKnownHostsFile: [path], GlobalKnownHostsFile: [] };
  return {
    trust: hostTrust({ ...files, ...settings }, dialog),
    isAdded: async () => (await readKnownHosts(path)).find("db1", 22).length > 0,
    lines: async () => (await readKnownHosts(path)).find("db1", 22),
    count: async () => (await readKnownHosts(path)).find("db1", 22).length,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

const unknown: [strict: "ask" | "yes" | "no" | "accept-new", answer: string | null, boolean][] = [
  ["ask", "yes", true],
  ["ask", "the fingerprint", true],
  ["ask", "no", false],
  ["ask", null, false],
  ["yes", "yes", false],
  ["accept-new", null, true],
  ["no", null, true],
];
for (const answer of ["y", "true", "1", "yess", "yes yes", "ja", "", "SHA256:", "no\nyes"]) {
  unknown.push(["ask", answer, false]);
}
for (const [strict, answer, accepted] of unknown) {
  const outcome = accepted ? "accepts and adds" : "refuses";
  Deno.test(`StrictHostKeyChecking ${strict} ${outcome} a new key after ${answer}`, async () => {
    const said = answer === "the fingerprint" ? key.publicKey.fingerprint() : answer;
    const dialog = said === null ? NO_DIALOG : new TestDialog(said);
    await using world = await trustWith({ StrictHostKeyChecking: strict }, dialog);
    const verify = async () => await world.trust.policy.verify(host, key.publicKey);
    if (accepted) assert(await verify());
    else await assertRejects(verify, HostKeyError, "it is not in ");
    assertEquals(await world.isAdded(), accepted);
  });
}

Deno.test("Without StrictHostKeyChecking a new key is only accepted by the user's answer", async () => {
  const dialogs: [LoginDialog, accepted: boolean][] = [
    [new TestDialog("yes"), true],
    [new TestDialog("no"), false],
    [NO_DIALOG, false],
  ];
  for (const [dialog, accepted] of dialogs) {
    await using world = await trustWith({}, dialog);
    const verify = async () => await world.trust.policy.verify(host, key.publicKey);
    if (accepted) assert(await verify());
    else await assertRejects(verify, HostKeyError, "it is not in ");
    assertEquals(await world.isAdded(), accepted);
  }
});

Deno.test("The prompt for a new key is repeated until the answer is valid", async () => {
  for (const [last, accepted] of [[" YES ", true], [" No", false], [null, false]] as const) {
    const dialog = new TestDialog(
      "",
      "y",
      "SHA256:wrong",
      key.publicKey.fingerprint().slice(0, -1),
      last,
    );
    const ask: Ask = (prompt, { echo }) => {
      assert(echo);
      return dialog.ask(prompt);
    };
    const { report } = dialog;
    await using world = await trustWith({ StrictHostKeyChecking: "ask" }, { ask, report });
    const verify = async () => await world.trust.policy.verify(host, key.publicKey);
    if (accepted) assert(await verify());
    else await assertRejects(verify, HostKeyError);
    assertEquals(await world.isAdded(), accepted);
    const [first, ...again] = dialog.events.filter((event) =>
      event.endsWith("? ") || event.endsWith(": ")
    );
    assertMatch(first!, /continue connecting \(yes\/no\/\[fingerprint\]\)\? $/);
    assertEquals(again, Array(4).fill("Please type 'yes', 'no' or the fingerprint: "));
  }
});

for (const answer of ["yes", " YES", "y", "true", "1", "", "no", "yes please", null]) {
  const isYes = answer?.trim().toLowerCase() === "yes";
  const outcome = isYes ? "follows" : "does not follow";
  Deno.test(`UpdateHostKeys ask ${outcome} the host after the answer ${answer}`, async () => {
    const known = `db1 ${key.publicKey}\n`;
    const dialog = answer === null ? NO_DIALOG : new TestDialog(answer);
    await using world = await trustWith({ UpdateHostKeys: "ask" }, dialog, known);
    const { update } = world.trust.policy;
    await update!(host, key.publicKey, [key.publicKey, other.publicKey], () => Promise.resolve());
    assertEquals(await world.count(), isYes ? 2 : 1);
  });
}

Deno.test("A changed key is only accepted with a warning, and then no password may be sent", async () => {
  const known = `db1 ${(await generateKey()).publicKey}\n`;
  const settings = { StrictHostKeyChecking: "no" } as const;
  const dialog = new TestDialog();
  await using warned = await trustWith(settings, dialog, known);
  assertEquals(warned.trust.compromised, false);
  assert(await warned.trust.policy.verify(host, key.publicKey));
  assert(warned.trust.compromised);
  assertMatch(dialog.events[0]!, /^info: Warning: .*passwords are disabled$/);
  await using silent = await trustWith(settings, NO_DIALOG, known);
  await assertRejects(
    async () => await silent.trust.policy.verify(host, key.publicKey),
    HostKeyError,
    "differs",
  );
});

Deno.test("A changed key is refused with a warning, too, unless StrictHostKeyChecking is no", async () => {
  const known = `db1 ${(await generateKey()).publicKey}\n`;
  for (const strict of ["ask", "accept-new", "yes"] as const) {
    const dialog = new TestDialog("yes");
    await using world = await trustWith({ StrictHostKeyChecking: strict }, dialog, known);
    const error = await assertRejects(
      async () => await world.trust.policy.verify(host, key.publicKey),
      HostKeyError,
    );
    assertEquals([error.reason, dialog.events], ["changed", []], strict);
    assertEquals([world.trust.compromised, await world.count()], [false, 1], strict);
  }
});

Deno.test("A revoked or otherwise refused key is refused even with StrictHostKeyChecking no", async () => {
  const cases: [known: string, settings: LoginSettings, reason: string][] = [
    [`@revoked * ${key.publicKey}\n`, {}, "revoked"],
    ["", { RevokedHostKeys: ["/nonexistent/revoked"] }, "refused"],
  ];
  for (const [known, settings, reason] of cases) {
    const dialog = new TestDialog("yes");
    await using world = await trustWith(
      { ...settings, StrictHostKeyChecking: "no" },
      dialog,
      known,
    );
    const error = await assertRejects(
      async () => await world.trust.policy.verify(host, key.publicKey),
      HostKeyError,
    );
    assertEquals([error.reason, dialog.events], [reason, []]);
    assertEquals(world.trust.compromised, false);
  }
});

Deno.test("A new key that cannot be added is an error unless a warning can be given", async () => {
  await using folder = await tempFolder();
  const path = folder.join("known_hosts");
  await Deno.symlink(folder.join("nowhere/known_hosts"), path);
  const settings = { UserKnownHostsFile: [path], StrictHostKeyChecking: "accept-new" } as const;
  const dialog = new TestDialog();
  const verify = async (dialog: LoginDialog) =>
    await hostTrust(settings, dialog).policy.verify(host, key.publicKey);
  assert(await verify(dialog));
  assertMatch(dialog.events[0]!, /^info: Warning: Cannot add db1 \(ED25519\) to /);
  await assertRejects(() => verify(NO_DIALOG), Deno.errors.NotFound);
});

Deno.test("Known keys order the algorithms, unless the user's list does", async () => {
  const known = KnownHosts.line("db1", 22, key.publicKey) + "\n";
  for (
    const [list, types] of [
      [undefined, [key.publicKey.type]],
      ["+ssh-rsa", [key.publicKey.type]],
      ["-ecdsa*", [key.publicKey.type]],
      ["^ssh-ed25519", []],
      ["ecdsa-sha2-nistp256,ssh-ed25519", []],
    ] as const
  ) {
    const settings = list === undefined ? {} : { HostKeyAlgorithms: list };
    await using world = await trustWith(settings, NO_DIALOG, known);
    assertEquals(await world.trust.policy.knownTypes!(host), types, list);
  }
});

Deno.test("HashKnownHosts hides the host's name in lines that are added", async () => {
  const plain = { StrictHostKeyChecking: "accept-new", UpdateHostKeys: "yes" } as const;
  for (const HashKnownHosts of [undefined, false, true]) {
    const settings = HashKnownHosts === undefined ? plain : { ...plain, HashKnownHosts };
    const form = HashKnownHosts ? /^\|1\|/ : /^db1$/;
    await using fresh = await trustWith(settings, NO_DIALOG);
    assert(await fresh.trust.policy.verify(host, key.publicKey));
    const [added] = await fresh.lines();
    assertMatch(added!.hosts, form);

    await using followed = await trustWith(settings, NO_DIALOG, `db1 ${key.publicKey}\n`);
    const announced = [key.publicKey, other.publicKey];
    await followed.trust.policy.update!(host, key.publicKey, announced, () => Promise.resolve());
    const [, second] = await followed.lines();
    assertMatch(second!.hosts, form);
  }
});

Deno.test("A KnownHostsCommand that cannot be started is a warning, or an error without a report", async () => {
  const settings = { StrictHostKeyChecking: "accept-new", KnownHostsCommand: "keys" } as const;
  const dialog = new TestDialog();
  await using warned = await trustWith(settings, dialog);
  assert(await warned.trust.policy.verify(host, key.publicKey));
  assertEquals(dialog.events, [
    'error: KnownHostsCommand "keys" path is not absolute',
    "info: Warning: Permanently added db1 (ED25519) to the list of known hosts.",
  ]);
  await using silent = await trustWith(settings, NO_DIALOG);
  const error = await assertRejects(
    async () => await silent.trust.policy.verify(host, key.publicKey),
    HostKeyError,
  );
  assertEquals(error.reason, "refused");
  assertEquals(await silent.isAdded(), false);
});

Deno.test("Without a user's file, only the user can accept a new key, and nothing is written", async () => {
  const verify = async (dialog: LoginDialog, strict: "ask" | "accept-new" | "no") => {
    const settings = { UserKnownHostsFile: ["none"], StrictHostKeyChecking: strict };
    await using world = await trustWith(settings, dialog);
    return await world.trust.policy.verify(host, key.publicKey);
  };
  for (const strict of ["accept-new", "no"] as const) {
    const dialog = new TestDialog();
    assert(await verify(dialog, strict));
    assertEquals(dialog.events, []);
    await assertRejects(() => verify(NO_DIALOG, strict), HostKeyError, 'hostKeys: "SHA256:');
  }
  assert(await verify(new TestDialog("yes"), "ask"));
  await assertRejects(() => verify(new TestDialog("no"), "ask"), HostKeyError);
});

Deno.test("The error for an unknown key names the options for a program, but not for a user", async () => {
  const settings = { StrictHostKeyChecking: "yes" } as const;
  for (const dialog of [NO_DIALOG, new TestDialog()]) {
    await using world = await trustWith(settings, dialog);
    const verify = async () => await world.trust.policy.verify(host, key.publicKey);
    const { message } = await assertRejects(verify, HostKeyError);
    assertEquals(message.includes('hostKeys: "SHA256:'), dialog === NO_DIALOG, message);
  }
});

Deno.test("An impossible prompt is reported, but a refusal is not", async () => {
  const unasked = "verbose: No question about the host key can be asked";
  const settings = { StrictHostKeyChecking: "ask" } as const;
  const reports: [dialog: TestDialog, ask: boolean, reported: boolean][] = [
    [new TestDialog(null), true, true],
    [new TestDialog(), false, true],
    [new TestDialog("no"), true, false],
  ];
  for (const [dialog, ask, reported] of reports) {
    const { report } = dialog;
    await using world = await trustWith(settings, { ask: ask ? dialog.ask : null, report });
    const verify = async () => await world.trust.policy.verify(host, key.publicKey);
    await assertRejects(verify, HostKeyError);
    assertEquals(dialog.events.includes(unasked), reported);
  }
});

Deno.test("The folder for a new known_hosts file is created with access for only the user", async () => {
  await using folder = await tempFolder();
  const settings = {
    UserKnownHostsFile: [folder.join("a/b/known_hosts")],
    GlobalKnownHostsFile: [],
    StrictHostKeyChecking: "accept-new",
  } as const;
  assert(await hostTrust(settings, NO_DIALOG).policy.verify(host, key.publicKey));
  for (const path of ["a", "a/b"]) {
    assertEquals((await Deno.stat(folder.join(path))).mode! & 0o777, 0o700, path);
  }
});

Deno.test("Only a missing folder is created, and then the key is added again", async () => {
  await using folder = await tempFolder();
  const settings = {
    UserKnownHostsFile: [folder.join("a/known_hosts")],
    GlobalKnownHostsFile: [],
    StrictHostKeyChecking: "accept-new",
  } as const;
  const verify = async () =>
    await hostTrust(settings, NO_DIALOG).policy.verify(host, key.publicKey);
  const denied = new Deno.errors.PermissionDenied("denied");
  let opened = 0;
  {
    using _open = replaced(Deno, "open", () => (opened++, Promise.reject(denied)));
    assertEquals(await assertRejects(verify), denied);
    assertEquals(opened, 1);
  }
  using _mkdir = replaced(Deno, "mkdir", () => Promise.reject(denied));
  assertEquals(await assertRejects(verify), denied);
});

Deno.test("All files are read, and a new key is added to the user's first file", async () => {
  await using folder = await tempFolder();
  const [first, second, system] = ["first", "second", "system"].map(folder.join);
  const settings = {
    UserKnownHostsFile: [first!, second!],
    GlobalKnownHostsFile: [system!],
    StrictHostKeyChecking: "accept-new",
  } as const;
  const { policy } = hostTrust(settings, NO_DIALOG);
  for (const file of [second!, system!]) {
    await Deno.writeTextFile(file, `db1 ${key.publicKey}\n`);
    assert(await policy.verify(host, key.publicKey));
    assertEquals((await readKnownHosts(first!)).find("db1", 22), []);
    await Deno.remove(file);
  }
  assert(await policy.verify(host, key.publicKey));
  const counts = await Promise.all(
    [first!, second!, system!].map(async (file) =>
      (await readKnownHosts(file)).find("db1", 22).length
    ),
  );
  assertEquals(counts, [1, 0, 0]);
});

Deno.test("The file none stands for no file, in upper case, too", () => {
  for (const none of ["none", "None", "NONE"]) {
    const settings = { UserKnownHostsFile: [none, "/mine"], GlobalKnownHostsFile: [none] };
    assertEquals(knownHostsFiles(settings), { user: ["/mine"], global: [] });
  }
});

Deno.test("A default file with an old name is read only if no permission has to be requested", () => {
  using _home = fakeEnv({ HOME: "/home/me" });
  const files = (user: string[], system: string[]) => ({
    user: user.map((name) => `/home/me/.ssh/${name}`),
    global: system.map((name) => `/etc/ssh/${name}`),
  });
  for (const granted of [true, false]) {
    using _ = replaced(runtime, "isGranted", () => granted);
    assertEquals(
      knownHostsFiles({}),
      granted
        ? files(["known_hosts", "known_hosts2"], ["ssh_known_hosts", "ssh_known_hosts2"])
        : files(["known_hosts"], ["ssh_known_hosts"]),
    );
  }
});

Deno.test("HostKeyAlias is known as a host on port 22", () => {
  const at = { hostname: "10.0.0.1", port: 2222 };
  assertEquals(knownAs(at, {}), at);
  assertEquals(knownAs(at, { HostKeyAlias: "db1" }), host);
});

const own = { UserKnownHostsFile: ["~/own"] };
const updates: [settings: LoginSettings, reported: boolean, silent: boolean][] = [
  [{}, true, false],
  [own, false, false],
  [{ VerifyHostKeyDNS: "yes" }, false, false],
  [{ VerifyHostKeyDNS: "ask" }, false, false],
  [{ VerifyHostKeyDNS: "no" }, true, false],
  [{ UpdateHostKeys: "yes" }, true, true],
  [{ UpdateHostKeys: "yes", ...own }, true, true],
  [{ UpdateHostKeys: "yes", VerifyHostKeyDNS: "yes" }, true, true],
  [{ UpdateHostKeys: "no" }, false, false],
  [{ UpdateHostKeys: "yes", UserKnownHostsFile: ["none"] }, false, false],
  [{ UpdateHostKeys: "yes", UserKnownHostsFile: ["/dev/null"] }, false, false],
];
for (const [settings, ...followed] of updates) {
  Deno.test(`UpdateHostKeys applies: ${JSON.stringify(settings)}`, async () => {
    await using folder = await tempFolder();
    using _home = fakeEnv({ HOME: folder.path });
    await Deno.mkdir(folder.join(".ssh"));
    const files = [".ssh/known_hosts", "own", "system"].map(folder.join);
    const { UserKnownHostsFile: named } = settings;
    const user = named &&
      { UserKnownHostsFile: named.map((name) => name.replace("~", folder.path)) };
    for (const [at, dialog] of [new TestDialog(), NO_DIALOG].entries()) {
      for (const file of files) await Deno.writeTextFile(file, `db1 ${key.publicKey}\n`);
      const { policy } = hostTrust(
        { ...settings, ...user, GlobalKnownHostsFile: [files[2]!] },
        dialog,
      );
      const announced = [key.publicKey, other.publicKey];
      assertEquals(policy.update !== undefined, followed[at]);
      await policy.update?.(host, key.publicKey, announced, () => Promise.resolve());
      const lines = (await Promise.all(files.map(readKnownHosts))).map((known) =>
        known.find("db1", 22).length
      );
      const changed = named === undefined ? [2, 1, 1] : [1, 2, 1];
      assertEquals(lines, followed[at] ? changed : [1, 1, 1], `${at}`);
    }
  });
}

Deno.test("UpdateHostKeys ask names the host in its prompt, and also asks without a report", async () => {
  for (const isReported of [true, false]) {
    const dialog = new TestDialog("yes");
    const report = isReported ? dialog.report : null;
    const settings = { UpdateHostKeys: "ask" } as const;
    const known = `db1 ${key.publicKey}\n`;
    const ask: Ask = (prompt, { echo }) => {
      assert(echo);
      return dialog.ask(prompt);
    };
    await using world = await trustWith(settings, { ask, report }, known);
    const announced = [key.publicKey, other.publicKey];
    await world.trust.policy.update!(host, key.publicKey, announced, () => Promise.resolve());
    assertEquals(dialog.events, [
      ...isReported ? ["info: The server at db1 has other host keys than the known ones."] : [],
      "Accept updated hostkeys? (yes/no): ",
    ]);
    assertEquals(await world.count(), 2);
  }
});
