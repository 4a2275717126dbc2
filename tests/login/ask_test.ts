/** What is asked and reported during a login, and what happens if neither is possible. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { AuthError, HostKeyError, Keyring, listenAgent } from "@denossh/ssh";
import { generateKey, type PrivateKey } from "@denossh/ssh/keys";
import { KnownHosts, readKnownHosts } from "@denossh/ssh/known-hosts";
import { connectedPair } from "@denossh/ssh/testing";
import { credentials } from "../../lib/login/credentials.ts";
import { hostTrust } from "../../lib/login/host_trust.ts";
import { type LoginDialog, NO_DIALOG } from "../../lib/login/prompts.ts";
import type { LoginSettings } from "../../lib/login/settings.ts";
import { tempFolder } from "../support/temp.ts";
import "../support/quick_refusals.ts";

/** A user who gives some answers; every prompt and message is kept. */
class TestDialog implements LoginDialog {
  readonly events: string[] = [];
  readonly #answers: (string | null)[];

  constructor(...answers: (string | null)[]) {
    this.#answers = answers;
  }

  readonly ask = (prompt: string) => {
    this.events.push(prompt);
    return Promise.resolve(this.#answers.shift() ?? null);
  };

  readonly report = {
    error: (line: string) => void this.events.push(`error: ${line}`),
    info: (line: string) => void this.events.push(`info: ${line}`),
    verbose: (line: string) => void this.events.push(`verbose: ${line}`),
  };
}

const key = await generateKey();
const locked = key.export({ passphrase: "open sesame", rounds: 1 });

/** Logs in with what settings find, to a server that takes a key, or the password "hunter2". */
async function logIn(
  settings: LoginSettings,
  dialog: LoginDialog,
  accepted: PrivateKey | null,
): Promise<{ offers: number }> {
  const { methods } = await credentials(
    { IdentityAgent: "none", ...settings },
    { ...dialog, account: "me@db1", isCompromised: () => false, agent: {} },
  );
  let offers = 0;
  await using _pair = await connectedPair({
    serve: {
      auth: {
        publicKey: (_user, offered) => {
          offers++;
          return accepted !== null && offered.equals(accepted.publicKey);
        },
        password: (_user, password) => password === "hunter2",
      },
    },
    connect: { auth: methods },
  });
  return { offers };
}

const PASSPHRASE = (path: string) => `Enter passphrase for key '${path}': `;

Deno.test("A passphrase is asked for when the server accepts the key, until it is right", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("key", locked);
  const dialog = new TestDialog("wrong", "open sesame");
  await logIn({ IdentityFile: [path], PasswordAuthentication: false }, dialog, key);
  assertEquals(dialog.events, [PASSPHRASE(path), PASSPHRASE(path)]);
});

Deno.test("No passphrase is asked for if the server refuses the key", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("key", locked);
  const dialog = new TestDialog("open sesame");
  const settings = {
    IdentityFile: [path],
    PasswordAuthentication: false,
    KbdInteractiveAuthentication: false,
  };
  await assertRejects(() => logIn(settings, dialog, null), AuthError);
  assertEquals(dialog.events, []);
});

Deno.test("Keys that are not used are reported before a password is asked for", async () => {
  await using folder = await tempFolder();
  const settings = { IdentityFile: [await folder.write("empty", ""), folder.join("missing")] };
  const dialog = new TestDialog("wrong", "hunter2");
  await logIn(settings, dialog, null);
  const [first, second, ...others] = dialog.events;
  assertMatch(first!, /^error: Key ".*\/empty" was not used: /);
  assertMatch(second!, /^info: Key ".*\/missing" was not used: there is no such file$/);
  assertEquals(others, [
    "me@db1's password: ",
    "info: Permission denied, please try again.",
    "me@db1's password: ",
  ]);
});

Deno.test("Keys whose turn does not come are not reported", async () => {
  await using folder = await tempFolder();
  const good = await folder.write("good", key.export());
  const dialog = new TestDialog();
  await logIn({ IdentityFile: [good, folder.join("missing")] }, dialog, key);
  assertEquals(dialog.events, []);
});

Deno.test("Without questions there are no passwords and no encrypted keys", async () => {
  await using folder = await tempFolder();
  const settings = { IdentityFile: [await folder.write("key", locked)], IdentityAgent: "none" };
  const context = { ...NO_DIALOG, account: "me@db1", isCompromised: () => false, agent: {} };
  const { methods, unreported } = await credentials(settings, context);
  assertEquals(methods.map(({ name }) => name), ["none"]);
  assertEquals(unreported().length, 1);
});

Deno.test("A key in the clear is signed with at once: its first message needs no answer", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("key", key.export());
  assertEquals((await logIn({ IdentityFile: [path] }, NO_DIALOG, key)).offers, 1);
});

for (const [answer, isAdded] of [["yes", true], ["no", false], [null, false]] as const) {
  const outcome = isAdded ? "adds" : "does not add";
  Deno.test(`AddKeysToAgent ask ${outcome} the key after the answer ${answer}`, async () => {
    await using folder = await tempFolder();
    using keyring = new Keyring();
    await using agent = await listenAgent(keyring);
    const settings = {
      IdentityFile: [await folder.write("key", key.export())],
      IdentityAgent: agent.path,
      AddKeysToAgent: { add: "ask", lifetime: null },
    } as const;
    await logIn(settings, answer === null ? NO_DIALOG : new TestDialog(answer), key);
    assertEquals(keyring.identities().length, isAdded ? 1 : 0);
  });
}

const host = { hostname: "db1", port: 22 };

/** The trust that settings come to, with one file of known hosts. */
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

Deno.test("A new key is asked about again until the answer is one", async () => {
  for (const [last, accepted] of [[" YES ", true], [" No", false], [null, false]] as const) {
    const dialog = new TestDialog(
      "y",
      "SHA256:wrong",
      key.publicKey.fingerprint().slice(0, -1),
      last,
    );
    await using world = await trustWith({ StrictHostKeyChecking: "ask" }, dialog);
    const verify = async () => await world.trust.policy.verify(host, key.publicKey);
    if (accepted) assert(await verify());
    else await assertRejects(verify, HostKeyError);
    assertEquals(await world.isAdded(), accepted);
    const [first, ...again] = dialog.events.filter((event) =>
      event.endsWith("? ") || event.endsWith(": ")
    );
    assertMatch(first!, /continue connecting \(yes\/no\/\[fingerprint\]\)\? $/);
    assertEquals(again, Array(3).fill("Please type 'yes', 'no' or the fingerprint: "));
  }
});

for (const answer of ["yes", " YES", "y", "true", "1", "", "no", "yes please", null]) {
  const isYes = answer?.trim().toLowerCase() === "yes";
  const outcome = isYes ? "follows" : "does not follow";
  Deno.test(`UpdateHostKeys ask ${outcome} the host after the answer ${answer}`, async () => {
    const known = `db1 ${key.publicKey}\n`;
    const other = (await generateKey()).publicKey;
    const dialog = answer === null ? NO_DIALOG : new TestDialog(answer);
    await using world = await trustWith({ UpdateHostKeys: "ask" }, dialog, known);
    const { update } = world.trust.policy;
    await update!(host, key.publicKey, [key.publicKey, other], () => Promise.resolve());
    assertEquals(await world.count(), isYes ? 2 : 1);
  });
}

Deno.test("A changed key is only accepted with a warning, and then no password may be sent", async () => {
  const known = `db1 ${(await generateKey()).publicKey}\n`;
  const settings = { StrictHostKeyChecking: "no" } as const;
  const dialog = new TestDialog();
  await using warned = await trustWith(settings, dialog, known);
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

Deno.test("What is known orders the algorithms unless the list of the user does", async () => {
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
