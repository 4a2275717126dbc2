/** Which host keys are trusted and remembered, by the settings and the user's answers. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { HostKeyError } from "@denossh/ssh";
import { generateKey } from "@denossh/ssh/keys";
import { KnownHosts, readKnownHosts } from "@denossh/ssh/known-hosts";
import { hostTrust } from "../../lib/login/host_trust.ts";
import { type LoginDialog, NO_DIALOG } from "../../lib/login/prompts.ts";
import type { LoginSettings } from "../../lib/login/settings.ts";
import { tempFolder } from "../support/temp.ts";
import { TestDialog } from "./test_dialog.ts";

const key = await generateKey();
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
