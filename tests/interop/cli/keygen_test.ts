/** Compares our keygen with ssh-keygen: the same flags on the same files give the same output and files. */
import { assert, assertEquals } from "@std/assert";
import { keygen } from "../../../lib/cli/keygen/keygen.ts";
import { importPublicKey } from "../../../lib/keys/mod.ts";
import { startSshAgent } from "../agent/ssh_agent.ts";
import { peerTest } from "../harness/peers.ts";
import { must, run } from "../../support/run.ts";
import { type TempFolder, tempFolder } from "../../support/temp.ts";
import { captured, type Said } from "../../cli/captured.ts";
import { COMMANDS, describe, normal } from "../../cli/cases/keygen.ts";
import { cli } from "../../cli/world.ts";

const ours = (args: readonly string[]) => captured(keygen, args);

async function theirs(args: readonly string[]): Promise<Said> {
  const { code, text, stderr } = await run("setsid", ["-w", "ssh-keygen", ...args]);
  return { code, text, stderr: stderr.replaceAll("\r", "") };
}

/** The input files of each command, equal for both. */
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

for (const [name, args, loose] of COMMANDS) {
  await peerTest(
    ["ssh-keygen", "setsid"],
    `keygen works like ssh-keygen: ${name}`,
    async () => {
      await using both = await world();
      const said: Said[] = [];
      const files: Record<string, string>[] = [];
      for (const [folder, tool] of [[both.theirs, theirs], [both.ours, ours]] as const) {
        const given = args.map((arg) => arg.startsWith("@") ? folder.join(arg.slice(1)) : arg);
        const { code, text, stderr } = await tool(given);
        const plain = (output: string) => normal(output.replaceAll(folder.path, "DIR"));
        said.push({ code, text: plain(text), stderr: loose ? "" : plain(stderr) });
        files.push(await describe(folder, seed.path));
        if (loose && code !== 0) assert(/\S/.test(stderr), "It does not say why");
      }
      const failsToo = loose && said.every(({ code }) => code !== 0);
      if (failsToo) assertEquals(said[1]!.text, said[0]!.text);
      else assertEquals(said[1], said[0]);
      assertEquals(files[1], files[0]);
    },
  );
}

await peerTest(
  ["ssh-keygen", "setsid"],
  "keygen verifies standard input like ssh-keygen",
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
  "keygen -k revokes the same keys as ssh-keygen -k",
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
      ["a file without a key", ["hello"], []],
    ];
    for (const [name, lines, flags] of specs) {
      const spec = await both.ours.write("spec", lines.map((line) => `${line}\n`).join(""));
      const krl = both.ours.join("new_krl");
      const args = ["-k", "-f", krl, "-z", "9", ...flags, spec];
      const said: unknown[] = [];
      for (const tool of [theirs, ours]) {
        const made = await tool(args);
        if (made.code !== 0) {
          said.push(made.code); // the earlier output of ssh-keygen is lost in its buffer
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
  "ssh-keygen -Y verify accepts the output of keygen -Y sign",
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
