/** Our keygen beside ssh-keygen: the same flags on the same files, and what both say and write. */
import { assert, assertEquals } from "@std/assert";
import { keygen } from "../../../lib/cli/keygen/keygen.ts";
import { importPrivateKey, importPublicKey, readSignature } from "../../../lib/keys/mod.ts";
import { startSshAgent } from "../agent/ssh_agent.ts";
import { peerTest } from "../harness/peers.ts";
import { must, run } from "../../support/run.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { captured, type Said } from "../../cli/captured.ts";
import { cli } from "../../cli/world.ts";

const ours = (args: readonly string[]) => captured(keygen, args);

async function theirs(args: readonly string[]): Promise<Said> {
  const { code, text, stderr } = await run("setsid", ["-w", "ssh-keygen", ...args]);
  return { code, text, stderr: stderr.replaceAll("\r", "") };
}

/** The files that every command finds, the same for both. */
interface World extends AsyncDisposable {
  readonly ours: TempFolder;
  readonly theirs: TempFolder;
}

const seed = await tempFolder();
globalThis.addEventListener("unload", () => Deno.removeSync(seed.path, { recursive: true }));
const KINDS: readonly [name: string, ...flags: string[]][] = [
  ["ed25519", "-t", "ed25519"],
  ["ecdsa", "-t", "ecdsa", "-b", "521"],
  ["rsa", "-t", "rsa", "-b", "2048"],
  ["ca", "-t", "ed25519"],
];
let made: Promise<void> | undefined;

async function makeSeed(): Promise<void> {
  for (const [name, ...flags] of KINDS) {
    const file = seed.join(name);
    await must("ssh-keygen", ["-q", ...flags, "-N", "", "-C", `${name}@home`, "-f", file]);
  }
  const locked = seed.join("locked");
  await must("ssh-keygen", ["-q", "-a", "1", "-N", "secret", "-C", "locked@home", "-f", locked]);
  await must("ssh-keygen", [
    ...["-q", "-s", seed.join("ca"), "-I", "the id", "-n", "ann,bob", "-z", "7"],
    ...["-V", "20200101:20300101", "-O", "force-command=ls", seed.join("ecdsa.pub")],
  ]);
  for (const format of ["RFC4716", "PKCS8", "PEM"]) {
    const { text } = await must("ssh-keygen", ["-e", "-m", format, "-f", seed.join("rsa.pub")]);
    await seed.write(`rsa.${format}`, text);
  }
  const key = async (name: string) => (await Deno.readTextFile(seed.join(`${name}.pub`))).trim();
  const certificate = await key("ecdsa-cert");
  await seed.write("certificates", `${certificate}\n# more\n${certificate}\n`);
  await seed.write("mixed", `${await key("rsa")}\n${certificate}\n`);
  await seed.write("letter", "I owe you\n");
  await must("ssh-keygen", [
    "-Y",
    "sign",
    "-f",
    seed.join("rsa"),
    "-n",
    "file",
    seed.join("letter"),
  ]);
  await seed.write("allowed", `ann,*@example.com ${await key("rsa")}\nbob ${await key("ca")}\n`);
  await must("ssh-keygen", ["-q", "-k", "-f", seed.join("krl"), seed.join("rsa.pub")]);
  await seed.write(
    "hosts",
    `# hosts\nh1,h2 ${await key("ed25519")}\n\n[h3]:2222 ${await key("rsa")}\n` +
      `@revoked h1 ${await key("ca")}\n*.example.com ${await key("ecdsa")}\n`,
  );
  const hosts = await Deno.readTextFile(seed.join("hosts"));
  await seed.write(
    "broken",
    `${hosts}@cert-authority h4 ${await key("ca")}\n${BROKEN.join("\n")}\n`,
  );
  await seed.write("odd", `h1 ssh-rsa AAAA a comment\nh1 ssh-rsa !!!\n${hosts}`);
}

/** Lines of known hosts that ssh-keygen cannot read. */
const BROKEN = ["h5 ", "h6 ssh-rsa", "@bogus h7 ssh-rsa AAAA", "|1|AAAA h8 ssh-rsa"];

async function world(): Promise<World> {
  await (made ??= makeSeed());
  await using stack = new AsyncDisposableStack();
  const [a, b] = [stack.use(await tempFolder()), stack.use(await tempFolder())];
  for await (const { name } of Deno.readDir(seed.path)) {
    for (const folder of [a, b]) await Deno.copyFile(seed.join(name), folder.join(name));
  }
  const parts = stack.move();
  return { ours: a, theirs: b, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

/** Command lines; a word that begins with @ is a file, and the text of the error may differ if told. */
const COMMANDS: readonly (readonly [name: string, args: string[], loose?: "loose"])[] = [
  ["-y", ["-y", "-f", "@ecdsa"]],
  ["-y with a passphrase", ["-y", "-P", "secret", "-f", "@locked"]],
  ["-y with a wrong one", ["-y", "-P", "wrong", "-f", "@locked"]],
  ["-y without a file", ["-y", "-f", "@nothing"], "loose"],
  ["-l of a certificate", ["-l", "-f", "@ecdsa-cert.pub"]],
  ["-l by MD5", ["-l", "-E", "md5", "-f", "@rsa.pub"]],
  ["-l by SHA-1", ["-l", "-E", "sha1", "-f", "@rsa.pub"]],
  ["-l by SHA-512", ["-l", "-E", "SHA512", "-f", "@ecdsa"]],
  ["-l by nothing known", ["-l", "-E", "crc", "-f", "@rsa.pub"]],
  ["-lv by MD5", ["-lv", "-E", "md5", "-f", "@ed25519.pub"]],
  ["-lv of a certificate", ["-lvf", "@ecdsa-cert.pub"]],
  ["-l of known hosts", ["-l", "-f", "@hosts"]],
  ["-L", ["-L", "-f", "@ecdsa-cert.pub"]],
  ["-L of several", ["-L", "-f", "@certificates"]],
  ["-L of keys among them", ["-L", "-f", "@mixed"]],
  ["-B", ["-B", "-f", "@rsa.pub"]],
  ["-B of a certificate", ["-B", "-f", "@ecdsa-cert.pub"]],
  ["-L of a key", ["-L", "-f", "@ecdsa.pub"]],
  ["-e", ["-e", "-f", "@ed25519.pub"]],
  ["-e of a private key", ["-e", "-f", "@ecdsa"]],
  ["-e as PKCS#8", ["-e", "-m", "PKCS8", "-f", "@ecdsa.pub"]],
  ["-e as PEM", ["-e", "-m", "PEM", "-f", "@rsa.pub"]],
  ["-e as nothing known", ["-e", "-m", "JWK", "-f", "@rsa.pub"]],
  ["-e as what has no form for it", ["-e", "-m", "PEM", "-f", "@ecdsa-cert.pub"], "loose"],
  ["-i", ["-i", "-f", "@rsa.RFC4716"]],
  ["-i of PKCS#8", ["-i", "-m", "PKCS8", "-f", "@rsa.PKCS8"]],
  ["-i of PEM", ["-i", "-m", "PEM", "-f", "@rsa.PEM"]],
  ["-i of what is no key", ["-i", "-f", "@letter"], "loose"],
  ["-p", ["-p", "-f", "@ed25519", "-P", "", "-N", "secret", "-a", "1"]],
  ["-p with another cipher", [
    "-p",
    "-f",
    "@rsa",
    "-N",
    "x",
    "-a",
    "1",
    "-Z",
    "aes128-gcm@openssh.com",
  ]],
  ["-p that takes it off", ["-p", "-f", "@locked", "-P", "secret", "-N", ""]],
  ["-p with a wrong passphrase", ["-p", "-f", "@locked", "-P", "wrong", "-N", ""]],
  ["-p as PEM", ["-p", "-f", "@rsa", "-P", "", "-N", "secret", "-m", "PEM"]],
  ["-p as PKCS#8", ["-p", "-f", "@ecdsa", "-P", "", "-N", "", "-m", "PKCS8"]],
  ["-p with an unknown cipher", ["-p", "-f", "@rsa", "-N", "x", "-Z", "rot13"], "loose"],
  ["-p with no rounds", ["-p", "-f", "@rsa", "-N", "x", "-a", "0"]],
  ["-c", ["-c", "-f", "@ed25519", "-P", "", "-C", "new name"]],
  ["-c of the same", ["-c", "-f", "@ed25519", "-P", "", "-C", "ed25519@home"]],
  ["-c that takes it off", ["-c", "-f", "@ed25519", "-P", "", "-C", ""]],
  ["-c with a passphrase", ["-c", "-f", "@locked", "-P", "secret", "-C", "x", "-a", "1"]],
  ["-s", [
    "-s",
    "@ca",
    "-I",
    "x",
    "-n",
    "ann,bob",
    "-z",
    "7",
    "-V",
    "20200101:20300101",
    "@rsa.pub",
  ]],
  ["-s for a host", ["-s", "@ca", "-h", "-I", "x", "-n", "db1", "@rsa.pub"]],
  ["-s for nobody", ["-s", "@ca", "-I", "x", "@rsa.pub"]],
  ["-s until then", [
    "-s",
    "@ca",
    "-I",
    "x",
    "-n",
    "a",
    "-V",
    "always:20300101000000Z",
    "@rsa.pub",
  ]],
  ["-s from then", ["-s", "@ca", "-I", "x", "-n", "a", "-V", "0x5e0be100:forever", "@rsa.pub"]],
  ["-s with options", [
    ...["-s", "@ca", "-I", "x", "-n", "a", "-O", "clear", "-O", "permit-pty"],
    ...["-O", "force-command=ls -l", "-O", "source-address=10.0.0.0/8", "-O", "no-touch-required"],
    ...["-O", "critical:a@b=c", "-O", "extension:d@e", "-O", "permit-agent-forwarding", "@rsa.pub"],
  ]],
  ["-s with restrictions", [
    ...["-s", "@ca", "-I", "x", "-n", "a", "-O", "no-x11-forwarding", "-O", "no-port-forwarding"],
    ...["-O", "no-agent-forwarding", "-O", "no-pty", "-O", "verify-required", "@rsa.pub"],
  ]],
  ["-s of several", ["-s", "@ca", "-I", "x", "-n", "a", "-z", "+5", "@rsa.pub", "@ed25519.pub"]],
  ["-s by RSA with SHA-256", ["-s", "@rsa", "-t", "rsa-sha2-256", "-I", "x", "-n", "a", "@ca.pub"]],
  ["-s in silence", ["-q", "-s", "@ca", "-I", "x", "-n", "a", "@rsa.pub"]],
  ["-s without a name", ["-s", "@ca", "-n", "a", "@rsa.pub"]],
  ["-s with an unknown option", ["-s", "@ca", "-I", "x", "-O", "bogus", "@rsa.pub"]],
  ["-s with no time", ["-s", "@ca", "-I", "x", "-V", "soon", "@rsa.pub"]],
  ["-s with time that is backwards", [
    "-s",
    "@ca",
    "-I",
    "x",
    "-V",
    "20300101:20200101",
    "@rsa.pub",
  ]],
  ["-s with no number", ["-s", "@ca", "-I", "x", "-z", "many", "@rsa.pub"]],
  ["-s of nothing", ["-s", "@ca", "-I", "x", "@nothing.pub"]],
  ["-s by nothing", ["-s", "@nothing", "-I", "x", "@rsa.pub"]],
  ["-Y sign", ["-Y", "sign", "-f", "@ed25519", "-n", "file", "@hosts"]],
  ["-Y sign over SHA-256", [
    "-Y",
    "sign",
    "-f",
    "@rsa",
    "-n",
    "x",
    "-O",
    "hashalg=sha256",
    "@hosts",
  ]],
  ["-Y sign by the public half", ["-Y", "sign", "-f", "@ecdsa.pub", "-n", "x", "@hosts"]],
  ["-Y sign by a certificate", ["-Y", "sign", "-f", "@ecdsa-cert.pub", "-n", "x", "@hosts"]],
  ["-Y sign without a namespace", ["-Y", "sign", "-f", "@rsa", "@hosts"]],
  ["-Y sign without a key", ["-Y", "sign", "-n", "file", "@hosts"]],
  [
    "-Y sign over MD5",
    ["-Y", "sign", "-f", "@rsa", "-n", "x", "-O", "hashalg=md5", "@hosts"],
    "loose",
  ],
  ["-Y sign with an unknown option", ["-Y", "sign", "-f", "@rsa", "-n", "x", "-O", "y", "@hosts"]],
  ["-Y sign of nothing", ["-q", "-Y", "sign", "-f", "@rsa", "-n", "x", "@nothing"]],
  ["-Y find-principals", ["-Y", "find-principals", "-f", "@allowed", "-s", "@letter.sig"]],
  [
    "-Y find-principals of none",
    ["-Y", "find-principals", "-f", "@letter", "-s", "@letter.sig"],
    "loose",
  ],
  ["-Y match-principals", ["-Y", "match-principals", "-f", "@allowed", "-I", "x@example.com"]],
  ["-Y match-principals of none", ["-Y", "match-principals", "-f", "@allowed", "-I", "eve"]],
  ["-Y verify without a signature", ["-Y", "verify", "-f", "@allowed", "-I", "a", "-n", "x"]],
  ["-Y verify without a name", ["-Y", "verify", "-f", "@allowed", "-n", "x", "-s", "@letter.sig"]],
  ["-Q", ["-Q", "-f", "@krl", "@rsa.pub", "@ca.pub"]],
  ["-Q of none", ["-Q", "-f", "@krl", "@ca.pub"]],
  ["-Q of nothing", ["-Q", "-f", "@krl", "@nothing"]],
  ["-Q in nothing", ["-Q", "-f", "@nothing", "@rsa.pub"]],
  ["-Ql", ["-Ql", "-f", "@krl"]],
  ["-Ql of keys", ["-Q", "-l", "-f", "@krl", "@rsa.pub", "@ca.pub"]],
  ["-Ql in nothing", ["-Q", "-l", "-f", "@nothing"]],
  ["-F", ["-F", "h1", "-f", "@hosts"]],
  ["-F of another port", ["-F", "[h3]:2222", "-f", "@hosts"]],
  ["-F by a pattern", ["-F", "db.example.com", "-f", "@hosts"]],
  ["-F of none", ["-F", "h9", "-f", "@hosts"]],
  ["-F in nothing", ["-F", "h9", "-f", "@nothing"]],
  ["-lF", ["-lF", "h1", "-f", "@hosts"]],
  ["-lvF", ["-lv", "-F", "h2", "-f", "@hosts"]],
  ["-R", ["-R", "h1", "-f", "@hosts"]],
  ["-R of none", ["-R", "h9", "-f", "@hosts"]],
  ["-H", ["-H", "-f", "@hosts"]],
  ["-HF", ["-HF", "h2", "-f", "@hosts"]],
  ["-HF in silence", ["-qHF", "h2", "-f", "@hosts"]],
  ["-HF of a wildcard", ["-HF", "x.example.com", "-f", "@hosts"]],
  ["-HF of a revoked key", ["-HF", "h1", "-f", "@hosts"]],
  ["-F with a bad line", ["-F", "h4", "-f", "@broken"]],
  ["-F of a bad line", ["-F", "h6", "-f", "@broken"]],
  ["-HF with a bad line", ["-HF", "h4", "-f", "@broken"]],
  ["-R with a bad line", ["-R", "h2", "-f", "@broken"]],
  ["-R of none with a bad line", ["-R", "h9", "-f", "@broken"]],
  ["-H with a bad line", ["-H", "-f", "@broken"]],
  ["-F of keys that are unknown", ["-F", "h1", "-f", "@odd"]],
  ["-R of keys that are unknown", ["-R", "h1", "-f", "@odd"]],
  ["-H of keys that are unknown", ["-H", "-f", "@odd"]],
  ["-r", ["-r", "db1", "-f", "@rsa.pub"]],
  ["-r of a curve", ["-r", "db1", "-f", "@ecdsa"]],
  ["-r of a certificate", ["-r", "db1", "-f", "@ecdsa-cert.pub"]],
  ["-rg", ["-g", "-r", "db1", "-f", "@ed25519.pub"]],
  ["-r of nothing", ["-r", "db1", "-f", "@nothing"]],
  ["-s of private keys", ["-s", "@ca", "-I", "x", "-n", "a", "@rsa", "@locked"]],
  ["-Q of private keys", ["-Q", "-f", "@krl", "@rsa", "@ca"]],
  ["-l of a private key with a passphrase", ["-l", "-f", "@locked"]],
  ["-t ssh-ed25519", ["-t", "ssh-ed25519", "-f", "@x", "-N", "", "-C", "me"]],
  ["-t ecdsa-sha2-nistp384", ["-t", "ecdsa-sha2-nistp384", "-f", "@x", "-N", "", "-C", "me"]],
  [
    "-t ecdsa-sha2-nistp521 with a size",
    ["-t", "ecdsa-sha2-nistp521", "-b", "256", "-f", "@x", "-N", "", "-C", "me"],
  ],
  ["-t ssh-rsa", ["-t", "ssh-rsa", "-b", "2048", "-f", "@x", "-N", "", "-C", "me"]],
  ["-t rsa-sha2-256", ["-t", "rsa-sha2-256", "-b", "2048", "-f", "@x", "-N", "", "-C", "me"]],
  ["-t ecdsa-sha2-nistp123", ["-t", "ecdsa-sha2-nistp123", "-f", "@x", "-N", ""], "loose"],
  ["-t rsa, too small", ["-t", "rsa", "-b", "512", "-f", "@x", "-N", ""], "loose"],
  ["-t ecdsa of 521 bits", ["-t", "ecdsa", "-b", "521", "-f", "@x", "-N", "", "-C", "me"]],
  ["-t ecdsa as PKCS#8", ["-t", "ecdsa", "-m", "PKCS8", "-f", "@x", "-N", "secret", "-C", "me"]],
  ["-Z", [
    "-t",
    "ed25519",
    "-Z",
    "chacha20-poly1305@openssh.com",
    "-f",
    "@x",
    "-N",
    "s",
    "-C",
    "me",
  ]],
];

for (const [name, args, loose] of COMMANDS) {
  await peerTest(
    ["ssh-keygen", "setsid"],
    `keygen does what ssh-keygen does: ${name}`,
    async () => {
      await using both = await world();
      const said: Said[] = [];
      const files: Record<string, string>[] = [];
      for (const [folder, tool] of [[both.theirs, theirs], [both.ours, ours]] as const) {
        const given = args.map((arg) => arg.startsWith("@") ? folder.join(arg.slice(1)) : arg);
        const { code, text, stderr } = await tool(given);
        const plain = (output: string) => normal(output.replaceAll(folder.path, "DIR"));
        said.push({ code, text: plain(text), stderr: loose ? "" : plain(stderr) });
        files.push(await describe(folder));
        if (loose && code !== 0) assert(/\S/.test(stderr), "It does not say why");
      }
      const failsToo = loose && said.every(({ code }) => code !== 0);
      if (failsToo) assertEquals(said[1]!.text, said[0]!.text);
      else assertEquals(said[1], said[0]);
      assertEquals(files[1], files[0]);
    },
  );
}

/** What is random is left out: salts of hosts, and fingerprints and pictures of new keys. */
function normal(output: string): string {
  return output
    .replace(/^\|1\|\S+/gm, "|1|…")
    .replace(/(fingerprint is:\n)\S+/, "$1…")
    .replace(/(image is:\n\+)[^+]*\+\n(\|.*\|\n)*/, "$1…+\n");
}

/** What the files of a folder hold, as far as it is not random. */
async function describe(folder: TempFolder): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder.path)) {
    const text = await Deno.readTextFile(folder.join(name));
    const before = await Deno.readTextFile(seed.join(name)).catch(() => null);
    if (text === before) continue;
    const mode = ((await Deno.stat(folder.join(name))).mode! & 0o777).toString(8);
    files[name] = `${mode} ${meaning(name, text)}`;
  }
  return Object.fromEntries(Object.entries(files).sort());
}

function meaning(name: string, text: string): string {
  if (text.includes("PRIVATE KEY-----")) return privateMeaning(name, text);
  if (name.endsWith("-cert.pub")) {
    const { certificate, comment } = importPublicKey(text);
    const { publicKey, authority, ...fields } = certificate!;
    return Deno.inspect({ ...fields, of: `${publicKey}`, by: authority.fingerprint(), comment });
  }
  if (name.startsWith("x")) return text.replace(/AAAA\S+/, "…"); // a new key
  if (text.startsWith("-----BEGIN SSH SIGNATURE")) {
    return Deno.inspect({ ...readSignature(text), verify: null });
  }
  return normal(text).replace(/ +$/gm, ""); // ssh-keygen leaves one where there is no comment
}

function privateMeaning(name: string, text: string): string {
  const kind = `${
    text.split("\n").slice(0, 2).join(" ").replace(/[A-Za-z0-9+/=]{60,}|[0-9A-F]{32}/g, "…")
  }`;
  for (const passphrase of ["", "secret", "x", "s"]) {
    try {
      using key = importPrivateKey(text, { passphrase });
      const whose = name.startsWith("x") ? key.publicKey.type : `${key.publicKey}`;
      return `${kind} by "${passphrase}": ${whose} ${key.comment}`;
    } catch { /* another one, then */ }
  }
  return `${kind}: unknown passphrase`;
}

await peerTest(
  ["ssh-keygen", "setsid"],
  "keygen verifies what it reads on standard input, as ssh-keygen",
  async () => {
    await using both = await world();
    const args: [string[], string][] = [
      [["verify", "-f", "@allowed", "-I", "ann", "-n", "file", "-s", "@letter.sig"], "I owe you\n"],
      [["verify", "-f", "@allowed", "-I", "eve", "-n", "file", "-s", "@letter.sig"], "I owe you\n"],
      [["verify", "-f", "@allowed", "-I", "ann", "-n", "file", "-s", "@letter.sig"], "I owe me\n"],
      [["verify", "-f", "@allowed", "-I", "ann", "-n", "git", "-s", "@letter.sig"], "I owe you\n"],
      [
        ["verify", "-f", "@allowed", "-I", "ann", "-n", "file", "-s", "@letter.sig", "-r", "@krl"],
        "I owe you\n",
      ],
      [["check-novalidate", "-n", "file", "-s", "@letter.sig"], "I owe you\n"],
    ];
    for (const [words, stdin] of args) {
      const given = ["-Y", ...words.map((word) => word.replace("@", `${both.ours.path}/`))];
      const [a, b] = await Promise.all([
        cli(["keygen", ...given], { stdin }),
        run("ssh-keygen", given, { stdin }),
      ]);
      assertEquals([a.code, a.text], [b.code, b.text], words.join(" "));
    }
    const signed = await cli(["keygen", "-Y", "sign", "-f", both.ours.join("rsa"), "-n", "file"], {
      stdin: "I owe you\n",
    });
    assertEquals(signed.text, await Deno.readTextFile(both.ours.join("letter.sig")));
  },
);

await peerTest(
  ["ssh-keygen", "setsid"],
  "what keygen -k revokes is what ssh-keygen -k does",
  async () => {
    await using both = await world();
    const key = (await Deno.readTextFile(both.ours.join("ed25519.pub"))).trim();
    const specs: [name: string, lines: string[], flags: string[]][] = [
      ["keys", [key, "# a comment", ""], []],
      ["a certificate", [await Deno.readTextFile(both.ours.join("ecdsa-cert.pub"))], []],
      ["numbers", ["serial: 1", "serial: 5-9", "id: x"], ["-s", both.ours.join("ca.pub")]],
      ["many numbers", [
        ...["serial: 100", "serial: 102", "serial: 104", "serial: 3-4", "serial: 5", "serial: 4-7"],
        ...["serial: 18446744073709551615", "id: b", 'id: a "b"', "id: a\\b"],
      ], ["-s", both.ours.join("ca.pub")]],
      ["numbers of any authority", ["serial: 9", "id: x"], ["-s", "none"]],
      ["keys as they are", [`key: ${key}`, `sha256: ${key}`], []],
      ["hashes", [`sha1: ${key}`, `hash: ${importPublicKey(key).fingerprint()}`], []],
      ["numbers without an authority", ["serial: 1"], []],
      ["no numbers", ["serial: many"], ["-s", both.ours.join("ca.pub")]],
      ["what is no key", ["hello"], []],
    ];
    for (const [name, lines, flags] of specs) {
      const spec = await both.ours.write("spec", lines.map((line) => `${line}\n`).join(""));
      const krl = both.ours.join("new_krl");
      const args = ["-k", "-f", krl, "-z", "9", ...flags, spec];
      const said: unknown[] = [];
      for (const tool of [theirs, ours]) {
        const made = await tool(args);
        if (made.code !== 0) {
          said.push(made.code); // what ssh-keygen said before is lost in its buffer
          continue;
        }
        const added = await tool(["-k", "-u", "-f", krl, both.ours.join("rsa.pub")]);
        const files = ["ed25519.pub", "ecdsa.pub", "ecdsa-cert.pub", "rsa.pub", "ca.pub"]
          .map((file) => both.ours.join(file));
        const asked = await theirs(["-Q", "-f", krl, ...files]);
        said.push([made.code, made.text, added.code, asked.code, asked.text]);
        const list = ["-Q", "-l", "-f", krl];
        assertEquals(await ours(list), await theirs(list), name);
      }
      assertEquals(said[1], said[0], name);
    }
  },
);

await peerTest(["ssh-agent", "ssh-keygen"], "keygen signs with keys of the agent", async () => {
  await using both = await world();
  await using agent = await startSshAgent();
  for (const name of ["ca", "rsa"]) {
    await agent.add(both.ours.join(name));
    await Deno.remove(both.ours.join(name));
  }
  const env = { SSH_AUTH_SOCK: agent.path };
  const of = (name: string) => both.ours.join(name);
  const certify = ["keygen", "-U", "-s", of("ca.pub"), "-I", "x", "-n", "ann", of("ed25519.pub")];
  assertEquals((await cli(certify, { env })).code, 0);
  const certificate = importPublicKey(await Deno.readTextFile(of("ed25519-cert.pub")));
  assertEquals(certificate.certificate?.principals, ["ann"]);
  const sign = ["keygen", "-Y", "sign", "-f", of("rsa.pub"), "-n", "file", of("hosts")];
  assertEquals((await cli(sign, { env })).code, 0);
  const stdin = await Deno.readTextFile(of("hosts"));
  const check = ["-Y", "check-novalidate", "-n", "file", "-s", of("hosts.sig")];
  await must("ssh-keygen", check, { stdin });
  const missing = ["keygen", "-U", "-s", of("ecdsa.pub"), "-I", "x", of("rsa.pub")];
  assertEquals((await cli(missing, { env })).code, 255);
});

await peerTest(
  ["ssh-keygen", "setsid"],
  "what keygen -Y sign writes passes ssh-keygen -Y verify",
  async () => {
    await using both = await world();
    for (const key of ["ed25519", "ecdsa", "rsa"]) {
      const file = await both.ours.write("note", key);
      const args = ["-q", "-Y", "sign", "-f", both.ours.join(key), "-n", "file", file];
      assertEquals((await ours(args)).code, 0);
      const publicKey = await Deno.readTextFile(both.ours.join(`${key}.pub`));
      const allowed = await both.ours.write("signers", `me ${publicKey}`);
      const verify = ["-Y", "verify", "-f", allowed, "-I", "me", "-n", "file", "-s", `${file}.sig`];
      await must("ssh-keygen", verify, { stdin: key });
      await Deno.remove(`${file}.sig`);
    }
  },
);
