/** Key files, and the reports for unusable ones. */
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { KeyFormatError, loadKey, PassphraseError } from "@denossh/ssh";
import { generateKey, issueCertificate } from "@denossh/ssh/keys";
import { expandHome } from "../../lib/runtime/local_path.ts";
import { certificateFiles, type KeyFile, keyFiles } from "../../lib/login/key_files.ts";
import { runtime } from "../../lib/runtime/runtime.ts";
import { fakeEnv } from "../support/fake_env.ts";
import { replaced } from "../support/replaced.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";
import { RSA_1024 } from "./rsa_1024.ts";

const key = await generateKey("ed25519", { comment: "mine" });
const other = await generateKey("ecdsa-p256");
const authority = await generateKey();
const certify = (of: typeof key, kind: "user" | "host" = "user") =>
  issueCertificate(authority, of.publicKey, { kind, keyId: "x", principals: ["me"] });
const certificate = await certify(key);
const clear = key.export();
const locked = key.export({ passphrase: "secret", rounds: 1 });

/** The keys found in a configured file, after `write` has made files. */
async function fileOf(
  write: (folder: TempFolder) => Promise<unknown>,
  settings: Parameters<typeof keyFiles>[0] = {},
): Promise<KeyFile> {
  await using folder = await tempFolder();
  await write(folder);
  const [file, ...more] = await keyFiles({ IdentityFile: [folder.join("key")], ...settings });
  assertEquals([file?.path, more], [folder.join("key"), []]);
  return file!;
}

/** The report for a file. */
const said = ({ contents, path }: KeyFile) =>
  "message" in contents ? [contents.level, contents.message.replace(path, "KEY")] : [];

Deno.test("An unencrypted key can be used, and its .pub file is ignored", async () => {
  const { contents, publicKey, certificates } = await fileOf(async (folder) => {
    await folder.write("key", clear);
    await folder.write("key.pub", `${other.publicKey}\n`);
  });
  assert("sign" in contents && contents.publicKey.equals(key.publicKey));
  assert(publicKey?.equals(key.publicKey));
  assertEquals(certificates, []);
});

Deno.test("An encrypted key shows its public half by itself", async () => {
  const { contents, publicKey } = await fileOf(async (folder) => {
    await folder.write("key", locked);
    await folder.write("key.pub", `${other.publicKey}\n`);
  });
  assertEquals(contents, { encrypted: locked });
  assert(publicKey?.equals(key.publicKey));
});

const mode = { mode: 0o600 };
const problems: [string, (path: string) => Promise<unknown>, string, string][] = [
  ["does not exist", async () => {}, "info", "there is no such file"],
  ["is a folder", (path) => Deno.mkdir(path), "error", "it is a folder"],
  ["is empty", (path) => Deno.writeTextFile(path, "", mode), "error", ".*BEGIN line.*"],
  [
    "has a public key",
    (path) => Deno.writeTextFile(path, `${key.publicKey}\n`, mode),
    "error",
    "it holds a public key only",
  ],
  ["is too weak", (path) => Deno.writeTextFile(path, RSA_1024, mode), "error", "[a-z].*1024.*"],
  ["leads to itself", (path) => Deno.symlink(path, path), "error", "[a-z].*symbolic links.*"],
];
for (const [what, write, level, why] of problems) {
  Deno.test(`A key file that ${what} is skipped and reported`, async () => {
    const file = await fileOf((folder) => write(folder.join("key")));
    const [saidLevel, message] = said(file);
    assertEquals(saidLevel, level);
    assertMatch(message!, new RegExp(`^Key "KEY" was not used: ${why}$`));
  });
}

Deno.test("A key file that may not be read is reported, without the system's error numbers", async () => {
  const error = new Deno.errors.PermissionDenied("Permission denied (os error 13): open '/k'");
  using _ = replaced(runtime.files, "stat", () => Promise.reject(error));
  const file = await fileOf((folder) => folder.write("key.pub", `${key.publicKey}\n`));
  assertEquals(said(file), ["error", 'Key "KEY" was not used: permission denied']);
});

for (
  const [mode, open] of [[0o600, null], [0o640, "0640"], [0o604, "0604"], [0o4610, "0610"]] as const
) {
  Deno.test(`A key file with the mode ${mode.toString(8)} is ${open ? "not " : ""}used`, async () => {
    const file = await fileOf(async (folder) => {
      await folder.write("key", clear);
      await Deno.chmod(folder.join("key"), mode);
    });
    if (open === null) assert("sign" in file.contents);
    else {
      const why = `permissions ${open} are too open (UNPROTECTED PRIVATE KEY FILE)`;
      const message = `Key "KEY" was not used: ${why}; run chmod 600 on it`;
      assertEquals(said(file), ["error", message]);
    }
    assert(file.publicKey?.equals(key.publicKey), "it may be the agent's");
  });
}

Deno.test("The mode of another user's key file is not checked, as in ssh", async () => {
  const uid = runtime.process.uid()! + 1;
  using _other = replaced(runtime.process, "uid", () => uid);
  const file = await fileOf(async (folder) => {
    await folder.write("key", clear);
    await Deno.chmod(folder.join("key"), 0o644);
  });
  assert("sign" in file.contents);
});

Deno.test("A public key in KEY.pub is used if the private key is missing", async () => {
  const file = await fileOf((folder) => folder.write("key.pub", `${key.publicKey}\n`));
  assert(file.publicKey?.equals(key.publicKey));
  assertEquals(said(file), ["info", 'Key "KEY" was not used: there is no such file']);
});

for (const name of ["key.pub", "key-cert.pub"]) {
  Deno.test(`A user's certificate in ${name} is used, and supplies the public key`, async () => {
    const found = await fileOf((folder) => folder.write(name, `${certificate}\n`));
    assert(found.publicKey?.equals(key.publicKey));
    assertEquals(found.certificates.map(String), [`${certificate}`]);
    const whole = await fileOf(async (folder) => {
      await folder.write("key", clear);
      await folder.write(name, `${certificate}\n`);
    });
    assertEquals(whole.certificates.map(String), [`${certificate}`]);
    for (const wrong of [await certify(other), await certify(key, "host"), key.publicKey]) {
      const file = await fileOf(async (folder) => {
        await folder.write("key", clear);
        await folder.write(name, `${wrong}\n`);
      });
      assertEquals(file.certificates, []);
    }
  });
}

Deno.test("CertificateFile replaces KEY-cert.pub, and not KEY.pub", async () => {
  const write = (name: string) => async (folder: TempFolder) => {
    await folder.write("key", clear);
    await folder.write(name, `${certificate}\n`);
  };
  const settings = { CertificateFile: ["none"] };
  assertEquals((await fileOf(write("key-cert.pub"), settings)).certificates, []);
  assertEquals((await fileOf(write("key.pub"), settings)).certificates.length, 1);
});

Deno.test("CertificateFile uses only certificates of users", async () => {
  await using folder = await tempFolder();
  const files = [
    await folder.write("user", `${certificate}\n`),
    await folder.write("host", `${await certify(key, "host")}\n`),
    await folder.write("plain", `${key.publicKey}\n`),
    await folder.write("noise", "noise"),
    folder.join("missing"),
    "NONE",
  ];
  const found = await certificateFiles({ CertificateFile: files });
  assertEquals(found.map(String), [`${certificate}`]);
  assertEquals(await certificateFiles({}), []);
});

Deno.test("IdentityFile none disables files, in any letter case", async () => {
  assertEquals(await keyFiles({ IdentityFile: ["none", "None"] }), []);
});

/** Runs with another home folder. */
async function atHome<T>(HOME: string | undefined, run: () => T | Promise<T>): Promise<T> {
  using _env = fakeEnv({ HOME, USERPROFILE: undefined });
  return await run();
}

Deno.test("Missing default files are skipped silently, other missing files with a verbose message", async () => {
  await using folder = await tempFolder();
  await Deno.mkdir(folder.join(".ssh"));
  await folder.write(".ssh/id_ed25519", clear);
  await folder.write(".ssh/id_ecdsa", "noise");
  await folder.write(".ssh/id_ed25519_sk.pub", `${other.publicKey}\n`);
  const files = await atHome(folder.path, () => keyFiles({}));
  const names = files.map(({ path }) => path.slice(folder.path.length));
  assertEquals(names, ["/.ssh/id_ecdsa", "/.ssh/id_ed25519", "/.ssh/id_ed25519_sk"]);
  assertEquals(files.map((file) => said(file)[0]), ["verbose", undefined, "verbose"]);
  assertEquals(said(files[2]!)[1], 'Key "KEY" was not used: there is no such file');
});

Deno.test("A ~ means the home folder only at the start of a path", async () => {
  await atHome("/home/me", () => {
    assertEquals(["~", "~/x", "~x", "a/~", ""].map(expandHome), [
      "/home/me",
      "/home/me/x",
      "~x",
      "a/~",
      "",
    ]);
  });
  for (const home of [undefined, ""]) {
    await atHome(home, () => {
      assertEquals(expandHome("/x"), "/x");
      assertThrows(() => expandHome("~/x"), TypeError, "Neither HOME nor USERPROFILE is set");
    });
  }
});

Deno.test("loadKey asks for a passphrase if needed, and names the file", async () => {
  await using folder = await tempFolder();
  const [plain, encrypted, noise] = [
    await folder.write("clear", clear),
    await folder.write("locked", locked),
    await folder.write("noise", "noise"),
  ] as [string, string, string];
  let asked = 0;
  const passphrase = () => Promise.resolve((asked++, "secret"));
  const same = async (path: string | URL, options = {}) => {
    using loaded = await loadKey(path, options);
    return loaded.publicKey.equals(key.publicKey);
  };
  assert(await same(plain));
  assert(await same(new URL(`file://${plain}`)));
  assert(await same(plain, { passphrase }));
  assertEquals(asked, 0);
  assert(await same(encrypted, { passphrase: "secret" }));
  assert(await same(encrypted, { passphrase }));
  assertEquals(asked, 1);
  await atHome(folder.path, async () => assert(await same("~/clear")));
  const message = `Cannot load key "${encrypted}": `;
  const bare = await assertRejects(() => loadKey(encrypted), PassphraseError, message);
  assertMatch(bare.message, /": private key is encrypted: passphrase required/);
  await assertRejects(() => loadKey(encrypted, { passphrase: "wrong" }), PassphraseError, message);
  await assertRejects(
    () => loadKey(encrypted, { passphrase: () => "wrong" }),
    PassphraseError,
    message,
  );
  await assertRejects(() => loadKey(noise), KeyFormatError, `Cannot load key "${noise}": `);
  await assertRejects(
    () => loadKey(noise, { passphrase }),
    KeyFormatError,
    `Cannot load key "${noise}": `,
  );
  assertEquals(asked, 1);
  await assertRejects(() => loadKey(folder.join("missing")), Deno.errors.NotFound);
  const mistake = new Error("mistake of the caller");
  const failing = () => Promise.reject(mistake);
  assertEquals(await assertRejects(() => loadKey(encrypted, { passphrase: failing })), mistake);
});
