/** keygen with files of other programs: known hosts with markers and malformed lines, keys, lists. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { keygen } from "../../lib/cli/keygen/keygen.ts";
import { generateKey, importPublicKey } from "../../lib/keys/mod.ts";
import { type TempFolder, tempFolder } from "../support/temp.ts";
import { captured, type Said } from "./captured.ts";

const [key, other] = await Promise.all([generateKey(), generateKey("ecdsa-p384")]);
const { publicKey } = key;

/** Runs keygen on known hosts; `FILE` replaces the file name in the output. */
async function onHosts(lines: readonly string[], ...args: string[]): Promise<Said & World> {
  await using folder = await tempFolder();
  const file = await folder.write("hosts", lines.map((line) => `${line}\n`).join(""));
  const { code, text, stderr } = await captured(keygen, [...args, "-f", file]);
  const plain = (output: string) => output.replaceAll(file, "FILE");
  const after = (await Deno.readTextFile(file)).split("\n").slice(0, -1);
  const left = [...Deno.readDirSync(folder.path)].map(({ name }) => name).sort();
  return { code, text: plain(text), stderr: plain(stderr), after, left };
}

interface World {
  readonly after: readonly string[];
  readonly left: readonly string[];
}

const HOSTS = [
  "# mine",
  `h1,h2 ${publicKey}`,
  `@cert-authority h3 ${publicKey}`,
  `@revoked h4 ${publicKey}`,
  `*.example.com ${publicKey}`,
];

Deno.test("keygen -HF hashes every name of matching lines, except markers and wildcards", async () => {
  const plain = await onHosts(HOSTS, "-qH", "-F", "h2");
  const lines = plain.text.split("\n").slice(0, -1);
  assertEquals([plain.code, lines.length, plain.after], [0, 2, HOSTS]);
  for (const line of lines) assertMatch(line, /^\|1\|\S+ ssh-ed25519 AAAA/);
  for (const [name, index] of [["h3", 2], ["h4", 3], ["a.example.com", 4]] as const) {
    assertEquals((await onHosts(HOSTS, "-qH", "-F", name)).text, `${HOSTS[index]}\n`);
  }
  assertEquals((await onHosts(HOSTS, "-qH", "-F", "h9")).code, 1);
});

for (const broken of ["h5 ", "h5 ssh-rsa", "@bogus h5 ssh-rsa AAAA", "|1|x|y| h5 AAAA"]) {
  Deno.test(`keygen does not change a file with the line "${broken}", and still finds its hosts`, async () => {
    const lines = [...HOSTS, broken];
    const why = "FILE:6: invalid line\nFILE is not a valid known_hosts file.\n" +
      "Not replacing existing known_hosts file because of errors\n";
    for (const args of [["-R", "h1"], ["-R", "h9"], ["-H"]]) {
      const { code, stderr, after, left } = await onHosts(lines, ...args);
      assertEquals([code, after, left], [1, lines, ["hosts"]]);
      assertStringIncludes(stderr, why);
    }
    assertEquals((await onHosts(lines, "-q", "-F", "h4")).text, `${HOSTS[3]}\n`);
  });
}

Deno.test("keygen -R removes lines with malformed keys or unknown key types", async () => {
  const lines = ["h1 ssh-new AAAA", "h1 ssh-rsa !!!", `h2 ${publicKey}`];
  const { code, after, left } = await onHosts(lines, "-R", "h1");
  assertEquals([code, after, left], [0, lines.slice(2), ["hosts", "hosts.old"]]);
});

Deno.test("keygen -R keeps authorities and revoked keys", async () => {
  for (const host of ["h3", "h4"]) {
    const { code, stderr, after } = await onHosts(HOSTS, "-R", host);
    assertEquals([code, stderr, after], [0, `Host ${host} not found in FILE\n`, HOSTS]);
  }
});

Deno.test("keygen -r prints SSHFP records, in the generic notation as well", async () => {
  await using folder = await tempFolder();
  const file = await folder.write("key.pub", `${other.publicKey}\n`);
  const records = await captured(keygen, ["-r", "db1", "-f", file]);
  const [sha1, sha256] = records.text.split("\n");
  assertMatch(sha1!, /^db1 IN SSHFP 3 1 [0-9a-f]{40}$/);
  assertMatch(sha256!, /^db1 IN SSHFP 3 2 [0-9a-f]{64}$/);
  const one = await captured(keygen, ["-r", "db1", "-O", "hashalg=sha256", "-f", file]);
  assertEquals(one.text, `${sha256}\n`);
  const generic = await captured(keygen, ["-g", "-r", "db1", "-f", file]);
  const digest = sha1!.split(" ").at(-1);
  assertStringIncludes(generic.text, `db1 IN TYPE44 \\# 22 03 01 ${digest}\n`);
  // Too weak for a login, but allowed in an SSHFP record.
  const weak = await folder.write("weak.pub", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAAgD/ weak\n");
  assertMatch((await captured(keygen, ["-r", "h", "-f", weak])).text, /^h IN SSHFP 1 1 /);
  const missing = await captured(keygen, ["-r", "h", "-f", folder.join("none")]);
  assertEquals([missing.code, missing.text], [255, ""]);
});

for (
  const [type, wire, bits] of [
    ["ssh-ed25519", "ssh-ed25519", 256],
    ["ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384", 384],
    ["ECDSA-SHA2-NISTP521", "ecdsa-sha2-nistp521", 521],
    ["ssh-rsa", "ssh-rsa", 2048],
    ["rsa-sha2-256", "ssh-rsa", 2048],
  ] as const
) {
  Deno.test(`keygen -t accepts ${type}`, async () => {
    await using folder = await tempFolder();
    const file = folder.join("key");
    const size = wire === "ssh-rsa" ? ["-b", "2048"] : [];
    const made = await captured(keygen, ["-q", "-t", type, ...size, "-f", file, "-N", ""]);
    assertEquals([made.code, made.stderr], [0, ""]);
    const written = importPublicKey(await Deno.readTextFile(`${file}.pub`));
    assertEquals([written.type, written.bits], [wire, bits]);
  });
}

/** A private key file, an encrypted one, and an authority. */
async function privateKeys(): Promise<TempFolder & { file(name: string): string }> {
  const folder = await tempFolder();
  await folder.write("key", key.export(), 0o600);
  await folder.write("locked", other.export({ passphrase: "secret", rounds: 1 }), 0o600);
  return Object.assign(folder, { file: (name: string) => folder.join(name) });
}

Deno.test("keygen -s certifies the keys of private key files, without their passphrases", async () => {
  await using folder = await privateKeys();
  const keys = [folder.file("key"), folder.file("locked")];
  const signed = await captured(keygen, ["-q", "-s", keys[0]!, "-I", "id", ...keys]);
  assertEquals([signed.code, signed.stderr], [0, ""]);
  const certificate = importPublicKey(await Deno.readTextFile(`${keys[1]}-cert.pub`));
  assertEquals(certificate.certificate!.publicKey.equals(other.publicKey), true);
});

Deno.test("keygen -k and -Q take private key files and standard input", async () => {
  await using folder = await privateKeys();
  const list = folder.file("list");
  const stdin = `# keys\n${publicKey}\n`;
  assertEquals((await captured(keygen, ["-k", "-f", list, "-"], { stdin })).code, 0);
  const keys = [folder.file("key"), folder.file("locked")];
  const asked = await captured(keygen, ["-Q", "-f", list, ...keys]);
  assertEquals([asked.code, asked.stderr], [1, ""]);
  assertMatch(asked.text, /key: REVOKED\n.*locked: ok\n$/);
  const serials = ["-k", "-f", list, "-s", keys[0]!, "-"];
  assertEquals((await captured(keygen, serials, { stdin: "serial: 1-4\n" })).code, 0);
});

Deno.test("keygen -Y sign takes standard input by the name -", async () => {
  await using folder = await privateKeys();
  const args = ["-Y", "sign", "-f", folder.file("key"), "-n", "file"];
  const signed = await captured(keygen, ["-q", ...args, "-"], { stdin: "letter" });
  assertEquals([signed.code, signed.stderr], [0, ""]);
  assertMatch(signed.text, /^-----BEGIN SSH SIGNATURE-----\n/);
  const mixed = await captured(keygen, [...args, folder.file("key"), "-"]);
  assertEquals([mixed.code, mixed.text], [255, ""]);
  const said = await captured(keygen, ["-l", "-f", "-"], { stdin: `${publicKey}\n` });
  assertStringIncludes(said.text, publicKey.fingerprint());
});
