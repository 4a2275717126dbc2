/** The keys that connect() and the tools offer, their order, and the reports on the others. */
import { assertEquals, assertMatch } from "@std/assert";
import { Keyring, listenAgent } from "@denossh/ssh";
import { generateKey, issueCertificate, type PrivateKey, withCertificate } from "@denossh/ssh/keys";
import { type TempFolder, tempFolder } from "../support/temp.ts";
import { type Offers, offersOf } from "./offers.ts";
import { RSA_1024 } from "./rsa_1024.ts";

/** A user with files in ~/.ssh and an agent. */
interface Case {
  /** Files in ~/.ssh by name: texts, or functions that make them. */
  readonly files?: Readonly<Record<string, string | ((path: string) => Promise<void>)>>;
  readonly settings?: readonly string[];
  /** The keys that the agent holds, in its order. */
  readonly agent?: readonly string[];
  /** The keys that are offered. */
  readonly offers: readonly string[];
  /** The reports on the others. */
  readonly skipped?: readonly RegExp[];
}

const keys: Record<string, PrivateKey> = {
  a: await generateKey("ed25519"),
  b: await generateKey("ecdsa-p256"),
  c: await generateKey("ed25519"),
  d: await generateKey("ed25519"),
};
const authority = await generateKey();
const certificates = Object.fromEntries(
  await Promise.all(
    Object.entries(keys).map(async ([name, { publicKey }]) => [
      name,
      await issueCertificate(authority, publicKey, {
        kind: "user",
        keyId: name,
        principals: ["me"],
      }),
    ]),
  ),
);
const file = (name: string) => keys[name]!.export();
const locked = (name: string) => keys[name]!.export({ passphrase: "secret", rounds: 1 });
const pub = (name: string) => `${keys[name]!.publicKey}\n`;
const cert = (name: string) => `${certificates[name]}\n`;

/** Unusable key files, and the reports on them. */
const bad: [name: string, content: string | ((path: string) => Promise<void>), why: RegExp][] = [
  ["of 1024 bits", RSA_1024, /1024|2048/],
  ["that is empty", "", /no BEGIN line/],
  ["with a public key", pub("d"), /public key only/],
  ["that is a folder", (path) => Deno.mkdir(path), /it is a folder/],
  ["that cannot be read", (path) => Deno.symlink(path, path), /symbolic links/],
  ["that others can read", async (path) => {
    await Deno.writeTextFile(path, file("d"));
    await Deno.chmod(path, 0o644);
  }, /permissions 0644 are too open/],
  ["that needs a passphrase", locked("d"), /it needs a passphrase/],
];

const cases: Record<string, Case> = {
  "the default files, in ssh's order": {
    files: { id_ed25519: file("a"), id_ecdsa: file("b"), id_rsa: file("c") },
    offers: ["c", "b", "a"],
  },
  "no key": { offers: [] },
  ...Object.fromEntries(bad.map(([name, content, why]): [string, Case] => [
    `a default file ${name} is skipped`,
    {
      files: { id_rsa: content, id_ed25519: file("a") },
      offers: ["a"],
      skipped: [new RegExp(`^Key ".*/id_rsa" was not used: .*${why.source}`)],
    },
  ])),
  ...Object.fromEntries(bad.map(([name, content, why]): [string, Case] => [
    `an IdentityFile ${name} is skipped`,
    {
      files: { key: content, other: file("a") },
      settings: ["IdentityFile ~/.ssh/key", "IdentityFile ~/.ssh/other"],
      offers: ["a"],
      skipped: [new RegExp(`^Key ".*/key" was not used: .*${why.source}`)],
    },
  ])),
  "an IdentityFile that does not exist is mentioned": {
    files: { id_rsa: file("a"), key: file("b") },
    settings: ["IdentityFile ~/.ssh/nothing", "IdentityFile ~/.ssh/key"],
    offers: ["b"],
    skipped: [/^Key ".*\/nothing" was not used: there is no such file$/],
  },
  "IdentityFile none is no file": {
    files: { id_rsa: file("a") },
    settings: ["IdentityFile none"],
    offers: [],
  },
  "a certificate in KEY-cert.pub comes before its key": {
    files: { id_rsa: file("a"), "id_rsa-cert.pub": cert("a"), id_ed25519: file("c") },
    offers: ["a-cert", "a", "c"],
  },
  "a certificate in KEY.pub comes before its key": {
    files: { id_rsa: file("a"), "id_rsa.pub": cert("a"), id_ed25519: file("c") },
    offers: ["a-cert", "a", "c"],
  },
  "a certificate of another key is not offered": {
    files: { id_rsa: file("a"), "id_rsa-cert.pub": cert("b"), "id_rsa.pub": cert("c") },
    offers: ["a"],
  },
  "CertificateFile comes first, and replaces KEY-cert.pub": {
    files: {
      id_rsa: file("a"),
      "id_rsa-cert.pub": cert("a"),
      id_ed25519: file("c"),
      certificate: cert("c"),
    },
    settings: ["CertificateFile ~/.ssh/certificate"],
    offers: ["c-cert", "a", "c"],
  },
  "a key of the agent signs for a certificate": {
    files: { certificate: cert("d") },
    settings: ["CertificateFile ~/.ssh/certificate"],
    agent: ["a", "d"],
    offers: ["d-cert", "a", "d"],
  },
  "the agent's keys that are named come first, then its others, then files": {
    files: { id_rsa: file("a"), id_ecdsa: file("b"), "id_ed25519.pub": pub("c") },
    agent: ["d", "c", "b"],
    offers: ["c", "b", "d", "a"],
  },
  "IdentitiesOnly leaves out keys of the agent that are not named": {
    files: { id_rsa: file("a"), id_ecdsa: locked("b"), "id_ed25519.pub": pub("c") },
    settings: ["IdentitiesOnly yes"],
    agent: ["d", "c", "b"],
    offers: ["c", "b", "a"],
  },
  "an IdentityFile may be the public key of one that the agent holds": {
    files: { "key.pub": pub("c") },
    settings: ["IdentityFile ~/.ssh/key.pub", "IdentitiesOnly yes"],
    agent: ["d", "c"],
    offers: ["c"],
  },
  "a certificate that the agent holds is offered as the agent has it": {
    files: { id_rsa: file("a") },
    agent: ["d", "d-cert"],
    offers: ["d", "d-cert", "a"],
  },
  "a file that others can read does not keep the agent from using its key": {
    files: {
      id_rsa: async (path) => {
        await Deno.writeTextFile(path, file("a"));
        await Deno.chmod(path, 0o640);
      },
    },
    settings: ["IdentitiesOnly yes"],
    agent: ["d", "a"],
    offers: ["a"],
  },
  "IdentityAgent none leaves the agent alone": {
    files: { id_rsa: file("a") },
    settings: ["IdentityAgent none"],
    agent: ["d"],
    offers: ["a"],
  },
  "an agent that is gone is mentioned": {
    files: { id_rsa: file("a") },
    settings: ["IdentityAgent /nowhere/agent"],
    offers: ["a"],
    skipped: [/^Cannot use the agent: .*\/nowhere\/agent/],
  },
  "PubkeyAuthentication no offers nothing": {
    files: { id_rsa: file("a") },
    settings: ["PubkeyAuthentication no"],
    agent: ["d"],
    offers: [],
  },
  "PreferredAuthentications without publickey offers nothing": {
    files: { id_rsa: file("a") },
    settings: ["PreferredAuthentications password"],
    offers: [],
  },
  "PubkeyAcceptedAlgorithms leaves out keys": {
    files: { id_rsa: file("a"), id_ecdsa: file("b") },
    settings: ["PubkeyAcceptedAlgorithms ecdsa-sha2-*"],
    offers: ["b"],
    skipped: [/\/id_rsa" was not used: no signature algorithm of ssh-ed25519 is in Pubkey/],
  },
};

const names = new Map(
  Object.keys(keys).flatMap((name) => {
    const line = ({ type, fingerprint }: { type: string; fingerprint: string }) =>
      `${type} ${fingerprint}`;
    const fingerprint = keys[name]!.publicKey.fingerprint();
    return [
      [line({ type: keys[name]!.publicKey.type, fingerprint }), name],
      [line({ type: certificates[name]!.type, fingerprint }), `${name}-cert`],
    ] as const;
  }),
);

Deno.test("connect() and the tools offer the same keys", async (t) => {
  await using stack = new AsyncDisposableStack();
  const setups = [];
  for (const each of Object.values(cases)) setups.push(await setUp(each, stack));
  const answers = await offersOf(setups);
  for (const [at, [name, { offers, skipped = [] }]] of Object.entries(cases).entries()) {
    await t.step(name, () => {
      for (const found of [answers[at]!.connect, answers[at]!.tool]) {
        assertEquals(namesOf(found), offers);
        assertEquals(found.skipped.length, skipped.length, found.skipped.join("\n"));
        for (const [at, wanted] of skipped.entries()) assertMatch(found.skipped[at]!, wanted);
      }
    });
  }
});

function namesOf({ keys }: Offers): string[] {
  return keys.map((key) => names.get(key) ?? key);
}

async function setUp({ files = {}, settings = [], agent }: Case, stack: AsyncDisposableStack) {
  const folder = stack.use(await tempFolder());
  await Deno.mkdir(folder.join(".ssh"), { mode: 0o700 });
  await write(folder, files);
  if (agent === undefined) return { home: folder.path, settings, agent: "" };
  const keyring = stack.use(new Keyring());
  for (const name of agent) {
    const key = keys[name.replace("-cert", "")]!;
    keyring.add(name.endsWith("-cert") ? withCertificate(key, certificates[name[0]!]!) : key);
  }
  const { path } = stack.use(await listenAgent(keyring));
  return { home: folder.path, settings, agent: path };
}

async function write(folder: TempFolder, files: NonNullable<Case["files"]>): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    if (typeof content === "string") await folder.write(`.ssh/${name}`, content);
    else await content(folder.join(`.ssh/${name}`));
  }
}
