/** The methods of a login in their order, and their prompts and reports. */
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { AuthError, type AuthMethod, Keyring, listenAgent, PassphraseError } from "@denossh/ssh";
import { generateKey, type PrivateKey } from "@denossh/ssh/keys";
import { encodeChallenge } from "../../lib/auth/prompts.ts";
import { credentials } from "../../lib/login/credentials.ts";
import { withSkippedKeys } from "../../lib/login/skipped_keys.ts";
import type { LoginSettings } from "../../lib/login/settings.ts";
import { UserauthPasswdChangereq } from "../../lib/wire/messages.ts";
import { PasswordAuth, PasswordChange, PublicKeyAuth } from "../../lib/wire/requests.ts";
import { dialogWith, FAILURE, SUCCESS } from "../auth/fake_dialog.ts";
import { FakeTime } from "../support/fake_time.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";
import { plainMessage } from "../../lib/error_messages.ts";

interface Answers {
  /** The user's input, in order; null after the last one. */
  readonly answers?: readonly string[];
  readonly compromised?: boolean;
  /** Whether prompts are impossible. */
  readonly silent?: boolean;
  /** Whether reports are disabled. */
  readonly unheard?: boolean;
}

/** The methods for settings, with their prompts and reports. */
async function methodsOf(
  settings: LoginSettings,
  { answers = [], compromised = false, silent = false, unheard = false }: Answers = {},
) {
  const events: string[] = [];
  const left = [...answers];
  const { methods, unreported } = await credentials({
    IdentityAgent: "none",
    IdentityFile: [],
    ...settings,
  }, {
    account: "me@db1",
    agent: {},
    isCompromised: () => compromised,
    ask: silent ? null : (prompt, { echo }) => {
      events.push(`${prompt}|${echo}`);
      return Promise.resolve(left.shift() ?? null);
    },
    report: unheard ? null : {
      error: (line) => void events.push(`error: ${line}`),
      info: (line) => void events.push(`info: ${line}`),
      verbose: (line) => void events.push(`verbose: ${line}`),
    },
  });
  return { methods, events, unreported, names: methods.map(({ name }) => name) };
}

const three = (name: string) => [name, name, name];
const orders: [string, LoginSettings, Answers, string[]][] = [
  ["nothing", {}, {}, ["none", ...three("keyboard-interactive"), ...three("password")]],
  ["no questions", {}, { silent: true }, ["none"]],
  ["PasswordAuthentication no", { PasswordAuthentication: false }, {}, [
    "none",
    ...three("keyboard-interactive"),
  ]],
  ["KbdInteractiveAuthentication no", { KbdInteractiveAuthentication: false }, {}, [
    "none",
    ...three("password"),
  ]],
  ["NumberOfPasswordPrompts 1", { NumberOfPasswordPrompts: 1 }, {}, [
    "none",
    "keyboard-interactive",
    "password",
  ]],
  ["NumberOfPasswordPrompts 0", { NumberOfPasswordPrompts: 0 }, {}, ["none"]],
  [
    "PreferredAuthentications",
    { PreferredAuthentications: "password,gssapi,toString,keyboard-interactive" },
    {},
    ["none", ...three("password"), ...three("keyboard-interactive")],
  ],
  ["PreferredAuthentications of others", { PreferredAuthentications: "gssapi-with-mic" }, {}, [
    "none",
  ]],
];
for (const [what, settings, user, expected] of orders) {
  Deno.test(`With ${what} a login is tried with ${expected.join()}`, async () => {
    assertEquals((await methodsOf(settings, user)).names, expected);
  });
}

const password = (methods: readonly AuthMethod[]) =>
  methods.filter(({ name }) => name === "password");

Deno.test("Passwords are prompted for one by one, and from the second on the last one is called wrong", async () => {
  const { methods, events } = await methodsOf({}, { answers: ["one", "two"] });
  const [first, second, third] = password(methods);
  const sent: string[] = [];
  for (const method of [first!, second!]) {
    const dialog = dialogWith([FAILURE]);
    assertStrictEquals(await method.authenticate(dialog), FAILURE);
    sent.push(PasswordAuth.decode(dialog.sent[0]!.data).password);
  }
  assertEquals(sent, ["one", "two"]);
  await assertRejects(
    () => third!.authenticate(dialogWith()),
    AuthError,
    "There is no terminal to ask for a password",
  );
  assertEquals(events, [
    "me@db1's password: |false",
    "info: Permission denied, please try again.",
    "me@db1's password: |false",
    "info: Permission denied, please try again.",
    "me@db1's password: |false",
  ]);
});

Deno.test("A new password is asked for twice, and sent if both are the same", async () => {
  const demand = (prompt: string) => UserauthPasswdChangereq.encode({ prompt, language: "" });
  const { methods, events } = await methodsOf({}, { answers: ["old", "new", "new"] });
  const dialog = dialogWith([demand("Too old"), SUCCESS]);
  assertEquals(await password(methods)[0]!.authenticate(dialog), SUCCESS);
  assertEquals(PasswordChange.decode(dialog.sent[1]!.data).newPassword, "new");
  assertEquals(events, [
    "me@db1's password: |false",
    "info: Too old",
    "Enter me@db1's new password: |false",
    "Retype me@db1's new password: |false",
  ]);
  const differing = await methodsOf({}, { answers: ["old", "new", "mew"] });
  await assertRejects(
    () => password(differing.methods)[0]!.authenticate(dialogWith([demand("")])),
    AuthError,
    "The new passwords differ",
  );
  assert(!differing.events.some((event) => event.startsWith("info")), "there are no words");
  const unheard = await methodsOf({}, { answers: ["old", "new", "new"], unheard: true });
  await password(unheard.methods)[0]!.authenticate(dialogWith([demand("Too old"), SUCCESS]));
});

Deno.test("The server's questions are shown with the account, and its texts are reported", async () => {
  const { methods, events } = await methodsOf({}, { answers: ["1234", "blue"] });
  const method = methods.find(({ name }) => name === "keyboard-interactive")!;
  const prompts = [{ text: "PIN: ", echo: false }, { text: "Colour: ", echo: true }];
  const rounds = [
    encodeChallenge({ name: "Title", instruction: "Words", prompts }),
    encodeChallenge({ name: "", instruction: "More", prompts: [] }),
    SUCCESS,
  ];
  assertEquals(await method.authenticate(dialogWith(rounds)), SUCCESS);
  assertEquals(events, [
    "info: Title",
    "info: Words",
    "(me@db1) PIN: |false",
    "(me@db1) Colour: |true",
    "info: More",
  ]);
});

Deno.test("No password is prompted for, or sent, if the host key has changed", async () => {
  const { methods, events } = await methodsOf({}, { answers: ["x", "x"], compromised: true });
  const challenge = encodeChallenge({
    name: "Title",
    instruction: "",
    prompts: [{ text: "?", echo: true }],
  });
  for (const name of ["password", "keyboard-interactive"]) {
    const method = methods.find((each) => each.name === name)!;
    const dialog = dialogWith([challenge]);
    await assertRejects(
      () => method.authenticate(dialog),
      AuthError,
      "Passwords are disabled, because the host key differs from the known one",
    );
    assert(dialog.sent.length <= 1);
  }
  assertEquals(events, []);
});

const key = await generateKey("ed25519", { comment: "mine" });
const other = await generateKey("ed25519");
const locked = key.export({ passphrase: "secret", rounds: 1 });

/** A key file, its one method after "none", and the report of that. */
async function withKey(
  text: string,
  settings: LoginSettings,
  user: Answers,
  test: (world: Awaited<ReturnType<typeof methodsOf>> & { path: string }) => Promise<void>,
): Promise<void> {
  await using folder = await tempFolder();
  const path = await folder.write("key", text);
  const off = { PasswordAuthentication: false, KbdInteractiveAuthentication: false };
  const found = await methodsOf({ IdentityFile: [path], ...off, ...settings }, user);
  await test({ ...found, methods: found.methods.slice(1), path });
}

Deno.test("none comes first, then keys, then prompts", async () => {
  const on = { PasswordAuthentication: true, NumberOfPasswordPrompts: 1 };
  await withKey(
    key.export(),
    on,
    {},
    ({ names }) => Promise.resolve(assertEquals(names, ["none", "publickey", "password"])),
  );
  await withKey(
    key.export(),
    { ...on, PubkeyAuthentication: "no" },
    {},
    ({ names }) => Promise.resolve(assertEquals(names, ["none", "password"])),
  );
});

const publicKeyAnswer = async (method: AuthMethod) => {
  const dialog = dialogWith([FAILURE]);
  const answer = await method.authenticate(dialog);
  return { answer, sent: dialog.sent.map(({ data }) => data) };
};

Deno.test("A key in a file signs at once; an encrypted one asks the server, then the user", async () => {
  await withKey(key.export(), {}, {}, async ({ methods, events }) => {
    const { sent } = await publicKeyAnswer(methods[0]!);
    assertEquals(PublicKeyAuth.decode(sent[0]!).signed, true);
    assertEquals(events, []);
  });
  await withKey(locked, {}, { answers: ["secret"] }, async ({ methods, events }) => {
    const { sent } = await publicKeyAnswer(methods[0]!);
    assertEquals([sent.length, sent[0]![0], events.length], [1, 0, 0]);
  });
});

/** Makes the method of an encrypted key sign, as if the server had accepted the key. */
async function unlock(method: AuthMethod): Promise<void> {
  const { publicKey } = key;
  const { UserauthPkOk } = await import("../../lib/wire/messages.ts");
  const ok = UserauthPkOk.encode({ algorithm: "ssh-ed25519", publicKey: publicKey.blob });
  assertEquals(await method.authenticate(dialogWith([ok, SUCCESS])), SUCCESS);
}

for (
  const [what, answers, settings, prompts, message] of [
    ["at first", ["secret"], {}, 1, null],
    ["at the third time", ["a", "b", "secret"], {}, 3, null],
    ["not in three times", ["a", "b", "c", "secret"], {}, 3, "incorrect passphrase"],
    ["not in two times", ["a", "b", "secret"], { NumberOfPasswordPrompts: 2 }, 2, "incorrect"],
    ["after nothing", ["", "secret"], {}, 1, "passphrase required"],
    ["never", [], {}, 1, "passphrase required"],
    ["after a mistake and nothing", ["a", ""], {}, 2, "incorrect passphrase"],
  ] as const
) {
  Deno.test(`A passphrase that is right ${what} is prompted for ${prompts} times`, async () => {
    await withKey(locked, settings, { answers }, async ({ methods, events, path }) => {
      if (message === null) await unlock(methods[0]!);
      else {
        const error = await assertRejects(() => unlock(methods[0]!), AuthError, "Cannot sign");
        const cause = error.cause as Error;
        assertEquals(
          plainMessage(cause).includes(`Key "${path}" was not used: `),
          true,
          plainMessage(cause),
        );
        assert(plainMessage(cause).includes(message), plainMessage(cause));
        assert(cause.cause instanceof PassphraseError);
      }
      assertEquals(events, Array(prompts).fill(`Enter passphrase for key '${path}': |false`));
    });
  });
}

Deno.test("The passphrase of a key without a readable public half is prompted for in its turn", async () => {
  // A PEM file of PKCS #8 is encrypted as a whole.
  const text = key.export({ format: "pkcs8", passphrase: "secret", rounds: 1 });
  await withKey(text, {}, { answers: ["secret"] }, async ({ methods, events, path }) => {
    assertEquals(methods.map(({ name }) => name), ["publickey"]);
    assertEquals(events, []);
    const { sent } = await publicKeyAnswer(methods[0]!);
    assertEquals(PublicKeyAuth.decode(sent[0]!).publicKey, key.publicKey.blob);
    assertEquals(events, [`Enter passphrase for key '${path}': |false`]);
  });
  await withKey(text, {}, { silent: true }, ({ names, unreported, path }) => {
    assertEquals(names, ["none"]);
    const message = `Key "${path}" was not used: it needs a passphrase`;
    assertEquals(unreported(), [{ message, level: "info" }]);
    return Promise.resolve();
  });
});

Deno.test("Keys that are not used are reported once, before the method after them", async () => {
  await using folder = await tempFolder();
  const write = (at: TempFolder, name: string, of: PrivateKey) => at.write(name, of.export());
  const files = [
    folder.join("a"),
    await write(folder, "b", key),
    folder.join("c"),
    await write(folder, "d", other),
    folder.join("e"),
  ];
  const off = { PasswordAuthentication: false, KbdInteractiveAuthentication: false };
  const line = (name: string) => `Key "${folder.join(name)}" was not used: there is no such file`;
  const { methods, events, unreported } = await methodsOf({ IdentityFile: files, ...off });
  assertEquals([methods.length, unreported().length], [3, 3]);
  await publicKeyAnswer(methods[2]!);
  assertEquals(events, [`info: ${line("a")}`, `info: ${line("c")}`]);
  await publicKeyAnswer(methods[1]!);
  assertEquals(events.length, 2);
  assertEquals(unreported().map(({ message }) => message), [line("e")]);
  const unheard = await methodsOf({ IdentityFile: files, ...off }, { unheard: true });
  await publicKeyAnswer(unheard.methods[2]!);
  assertEquals(unheard.unreported().length, 3);
});

Deno.test("An AuthError lists the unused keys, and keeps the rest", () => {
  const cause = new Error("x");
  const details = { remaining: ["a"], partial: true, attempts: ["b"], cause };
  const error = new AuthError("Cannot log in", details);
  assertStrictEquals(withSkippedKeys(error, []), error);
  const skipped = ["one", "two"].map((message) => ({ message, level: "info" } as const));
  const more = withSkippedKeys(error, skipped);
  assertEquals(plainMessage(more), "Cannot log in; one; two");
  assertEquals(
    [more.remaining, more.partial, more.attempts, more.cause, more.skippedKeys],
    [["a"], true, ["b"], cause, ["one", "two"]],
  );
});

for (
  const [add, answers, added] of [
    ["yes", [], true],
    ["confirm", [], true],
    ["ask", ["YES"], true],
    ["ask", ["yes please"], false],
    ["ask", [], false],
    ["no", [], false],
  ] as const
) {
  Deno.test(`AddKeysToAgent ${add} after "${answers}" ${added ? "adds" : "does not add"} the key`, async () => {
    let confirmed = 0;
    using keyring = new Keyring({ confirm: () => ++confirmed > 0 });
    await using agent = await listenAgent(keyring);
    const settings = {
      IdentityAgent: agent.path,
      AddKeysToAgent: { add, lifetime: null },
    } as const;
    await withKey(key.export(), settings, { answers }, async ({ methods, events }) => {
      await publicKeyAnswer(methods[0]!);
      const name = `mine (${key.publicKey.fingerprint()})`;
      assertEquals(events, [
        ...add === "ask" ? [`Add key ${name} to the agent (yes/no)? |true`] : [],
        ...added ? [`verbose: Identity added to the agent: ${name}`] : [],
      ]);
      const [held, ...more] = keyring.identities();
      assertEquals([held?.publicKey.comment, more], [added ? "mine" : undefined, []]);
      if (held === undefined) return;
      await held.sign("ssh-ed25519", new Uint8Array(1));
      assertEquals(confirmed, add === "confirm" ? 1 : 0);
      // The second time it is known, and there is no prompt.
      events.length = 0;
      await publicKeyAnswer(methods[0]!);
      assertEquals(events, []);
    });
  });
}

Deno.test("A key is added to the agent with the lifetime of AddKeysToAgent", async () => {
  using time = new FakeTime();
  using keyring = new Keyring();
  await using agent = await listenAgent(keyring);
  const AddKeysToAgent = { add: "yes", lifetime: 60_000 } as const;
  await withKey(key.export(), { IdentityAgent: agent.path, AddKeysToAgent }, {}, async (found) => {
    await publicKeyAnswer(found.methods[0]!);
    await time.advance(59_999);
    assertEquals(keyring.identities().length, 1);
    await time.advance(1);
    assertEquals(keyring.identities().length, 0);
  });
});

Deno.test("A key that the agent refuses is still used, with a verbose message", async () => {
  const settings = { AddKeysToAgent: { add: "yes", lifetime: null } } as const;
  const gone = { ...settings, IdentityAgent: "/nonexistent/agent\x07" };
  await withKey(key.export(), gone, {}, async ({ methods, events }) => {
    const { sent } = await publicKeyAnswer(methods[0]!);
    assertEquals(PublicKeyAuth.decode(sent[0]!).signed, true);
    const said = events.filter((event) => event.includes("is not added"));
    assertEquals(said.length, 1);
    assert(said[0]!.startsWith("verbose: The key is not added to the agent: "));
    assert(!said[0]!.includes("\x07"));
  });
  await withKey(key.export(), { ...settings, IdentityAgent: "none" }, {}, async (found) => {
    await publicKeyAnswer(found.methods[0]!);
    assertEquals(found.events, []);
  });
});
