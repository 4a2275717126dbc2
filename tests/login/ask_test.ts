/** Prompts and reports during a login, and logins without them. */
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { AuthError, Keyring, listenAgent } from "@denossh/ssh";
import { generateKey, type PrivateKey } from "@denossh/ssh/keys";
import { connectedPair } from "@denossh/ssh/testing";
import { credentials } from "../../lib/login/credentials.ts";
import { type LoginDialog, NO_DIALOG } from "../../lib/login/prompts.ts";
import type { LoginSettings } from "../../lib/login/settings.ts";
import { tempFolder } from "../support/temp.ts";
import { TestDialog } from "./test_dialog.ts";
import "../support/quick_refusals.ts";

const key = await generateKey();
const locked = key.export({ passphrase: "open sesame", rounds: 1 });

/** Logs in with settings to a server that accepts a key, or the password "hunter2". */
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

Deno.test("Keys that are not reached are not reported", async () => {
  await using folder = await tempFolder();
  const good = await folder.write("good", key.export());
  const dialog = new TestDialog();
  await logIn({ IdentityFile: [good, folder.join("missing")] }, dialog, key);
  assertEquals(dialog.events, []);
});

Deno.test("Without prompts passwords and encrypted keys are not used", async () => {
  await using folder = await tempFolder();
  const settings = { IdentityFile: [await folder.write("key", locked)], IdentityAgent: "none" };
  const context = { ...NO_DIALOG, account: "me@db1", isCompromised: () => false, agent: {} };
  const { methods, unreported } = await credentials(settings, context);
  assertEquals(methods.map(({ name }) => name), ["none"]);
  assertEquals(unreported().length, 1);
});

Deno.test("An unencrypted key signs immediately, without a query", async () => {
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
