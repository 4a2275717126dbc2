/** Private and public keys in every format, between us and ssh-keygen, openssl and puttygen. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { KeyFormatError, PassphraseError } from "../../lib/errors.ts";
import {
  type ExportOptions,
  exportPublicKey,
  type GeneratedKeyType,
  generateKey,
  importPrivateKey,
  importPublicKey,
  type PrivateKey,
  type PublicKeyFormat,
} from "../../lib/keys/mod.ts";
import { type Peer, peerTest } from "../interop/harness/peers.ts";
import { must } from "../support/run.ts";
import { tempFolder } from "../support/temp.ts";

const PASSPHRASE = "öpen sesame";
const COMMENT = "made here";
const data = new TextEncoder().encode("what is signed");

const TYPES = ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa"] as const;
const keys = new Map<GeneratedKeyType, PrivateKey>();
for (const type of TYPES) {
  const size = type === "rsa" ? { bits: 2048 } : {};
  keys.set(type, await generateKey(type, { comment: COMMENT, ...size }));
}
const keyOf = (type: GeneratedKeyType): PrivateKey => keys.get(type)!;

/** A program that turns our plain key, in `from`, into a file of its own. */
interface Foreign {
  readonly name: string;
  readonly peer: Peer;
  readonly types: readonly GeneratedKeyType[];
  readonly from: ExportOptions;
  /** Writes `to`, or over `from`, and gives the path of what it wrote. */
  convert(from: string, to: string, secret: string): Promise<string>;
  /** Whether the comment is still there. */
  readonly comment?: boolean;
  readonly plain?: boolean;
}

const NIST = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521"] as const;
const sshKeygen = (...args: string[]) => ({
  peer: "ssh-keygen" as const,
  from: {},
  async convert(from: string) {
    await must("ssh-keygen", ["-q", "-p", "-f", from, "-P", "", ...args]);
    return from;
  },
});
const openssl = (...args: string[]) => ({
  peer: "openssl" as const,
  from: { format: "pkcs8" } as const,
  async convert(from: string, to: string, secret: string) {
    await must("openssl", [...args, "-in", from, "-out", to, "-passout", `file:${secret}`]);
    return to;
  },
});
const puttygen = (...args: string[]) => ({
  peer: "puttygen" as const,
  comment: true,
  from: {},
  async convert(from: string, to: string, secret: string) {
    const protect = args.includes("plain") ? [] : ["--new-passphrase", secret];
    const params = args.filter((arg) => arg !== "plain").join(",");
    // It asks whether to encrypt a key only where it makes one.
    await must("puttygen", [from, "-o", to, ...protect, "--ppk-param", params, "--reencrypt"]);
    return to;
  },
});

const OPENSSH_CIPHERS = [
  ...["aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-cbc", "aes192-cbc", "aes256-cbc"],
  ...["3des-cbc", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com"],
  "chacha20-poly1305@openssh.com",
];
const FAST = ["-N", PASSPHRASE, "-a", "1"];
const LEGACY = ["-provider", "legacy", "-provider", "default"];

const FOREIGN: readonly Foreign[] = [
  ...OPENSSH_CIPHERS.map((cipher): Foreign => ({
    name: `ssh-keygen -Z ${cipher}`,
    types: ["ed25519"],
    comment: true,
    ...sshKeygen("-Z", cipher, ...FAST),
  })),
  { name: "ssh-keygen", types: TYPES, comment: true, ...sshKeygen(...FAST) },
  ...["PEM", "PKCS8"].flatMap((format): Foreign[] => [
    {
      name: `ssh-keygen -m ${format}`,
      types: [...NIST, "rsa"],
      ...sshKeygen("-m", format, ...FAST),
    },
    {
      name: `ssh-keygen -m ${format}, plain`,
      types: [...NIST, "rsa"],
      plain: true,
      ...sshKeygen("-m", format, "-N", ""),
    },
  ]),
  ...["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des3"].map((cipher): Foreign => ({
    name: `openssl pkcs8 -v2 ${cipher}`,
    types: cipher === "aes-256-cbc" ? TYPES : ["ed25519"],
    ...openssl("pkcs8", "-topk8", "-v2", cipher),
  })),
  {
    name: "openssl pkcs8 -v2 des",
    types: ["ed25519"],
    ...openssl("pkcs8", "-topk8", "-v2", "des-cbc", ...LEGACY),
  },
  ...["SHA1", "SHA256", "SHA384", "SHA512"].map((hash): Foreign => ({
    name: `openssl pkcs8 -v2prf hmacWith${hash}`,
    types: ["ed25519"],
    ...openssl("pkcs8", "-topk8", "-v2prf", `hmacWith${hash}`, "-iter", "50"),
  })),
  ...["PBE-SHA1-3DES", "PBE-SHA1-2DES", "PBE-MD5-DES", "PBE-SHA1-DES"].map((scheme): Foreign => ({
    name: `openssl pkcs8 -v1 ${scheme}`,
    types: ["ed25519"],
    ...openssl("pkcs8", "-topk8", "-v1", scheme, "-iter", "50", ...LEGACY),
  })),
  {
    name: "openssl pkcs8 -scrypt",
    types: ["ed25519"],
    ...openssl("pkcs8", "-topk8", "-scrypt", "-scrypt_N", "256", "-scrypt_r", "4"),
  },
  ...["aes128", "aes192", "aes256", "des3"].flatMap((cipher): Foreign[] => [
    {
      name: `openssl rsa -traditional -${cipher}`,
      types: ["rsa"],
      ...openssl("rsa", "-traditional", `-${cipher}`),
    },
    {
      name: `openssl ec -${cipher}`,
      types: cipher === "aes256" ? NIST : ["ecdsa-p256"],
      ...openssl("ec", `-${cipher}`),
    },
  ]),
  { name: "openssl ec -des", types: ["ecdsa-p256"], ...openssl("ec", "-des", ...LEGACY) },
  ...["private-openssh", "private-openssh-new"].map((format): Foreign => ({
    name: `puttygen -O ${format}`,
    peer: "puttygen",
    comment: format === "private-openssh-new",
    types: format === "private-openssh-new" ? ["ed25519"] : [...NIST, "rsa"], // 16 rounds
    from: {},
    async convert(from, to, secret) {
      const args = ["-O", format, "-o", to, "--new-passphrase", secret, "--reencrypt"];
      await must("puttygen", [from, ...args]);
      return to;
    },
  })),
  { name: "puttygen", types: TYPES, ...puttygen("passes=1", "memory=64") },
  { name: "puttygen, plain", types: TYPES, plain: true, ...puttygen("plain", "version=3") },
  { name: "puttygen, version 2", types: TYPES, ...puttygen("version=2") },
  {
    name: "puttygen, version 2, plain",
    types: ["ed25519", "rsa"],
    plain: true,
    ...puttygen("plain", "version=2"),
  },
  ...["argon2i", "argon2d", "argon2id"].map((kdf): Foreign => ({
    name: `puttygen, ${kdf}`,
    types: ["ed25519"],
    ...puttygen(`kdf=${kdf}`, "memory=256", "passes=3", "parallelism=2"),
  })),
];

for (const { name, peer, types, from, convert, comment = false, plain = false } of FOREIGN) {
  await peerTest([peer], `importPrivateKey reads a key of ${name}`, async () => {
    await using folder = await tempFolder();
    const secret = await folder.write("secret", PASSPHRASE);
    for (const type of types) {
      const key = keyOf(type);
      const path = await folder.write(`${type}`, key.export(from));
      const text = await Deno.readTextFile(await convert(path, folder.join(`${type}.out`), secret));
      using same = importPrivateKey(text, plain ? {} : { passphrase: PASSPHRASE });
      assert(same.publicKey.equals(key.publicKey), type);
      assertEquals(same.comment, comment ? COMMENT : "", type);
      const [algorithm] = key.publicKey.algorithms;
      assert(key.publicKey.verify(algorithm!, data, same.sign(algorithm!, data)), type);
      if (plain) continue;
      assertThrows(() => importPrivateKey(text), PassphraseError, "passphrase required");
      for (const passphrase of ["wrong", PASSPHRASE.toUpperCase()]) {
        assertThrows(() => importPrivateKey(text, { passphrase }), PassphraseError, "wrong pass");
      }
    }
  });
}

// OpenSSL has them for who names them, with the provider of what is old, too.
const EXOTIC: readonly (readonly string[])[] = [
  ...["camellia-256-cbc", "aria-256-cbc", "sm4-cbc", "aes-256-cfb"].map((c) => ["pkcs8", "-v2", c]),
  ...["hmacWithSHA224", "hmacWithSHA512-256"].map((hash) => ["pkcs8", "-v2prf", hash]),
  ...["PBE-SHA1-RC2-40", "PBE-SHA1-RC4-128"].map((scheme) => ["pkcs8", "-v1", scheme, ...LEGACY]),
  ...["-camellia256", "-aria256", "-idea"].map((cipher) => ["ec", cipher, ...LEGACY]),
];
await peerTest(
  ["openssl"],
  "what OpenSSL encrypts by rare ciphers is refused with the reason",
  async () => {
    await using folder = await tempFolder();
    const secret = await folder.write("secret", PASSPHRASE);
    const from = await folder.write("key", keyOf("ecdsa-p256").export({ format: "pkcs8" }));
    for (const [tool, ...flags] of EXOTIC) {
      const topk8 = tool === "pkcs8" ? ["-topk8"] : [];
      const { convert } = openssl(tool!, ...topk8, ...flags);
      const made = await convert(from, folder.join("out"), secret).catch(() => null);
      if (made === null) continue; // this OpenSSL was built without it
      const text = await Deno.readTextFile(made);
      assertThrows(
        () => importPrivateKey(text, { passphrase: PASSPHRASE }),
        KeyFormatError,
        "not supported",
        `${flags}`,
      );
    }
  },
);

/** What we write, and what must read it. */
interface Written {
  readonly name: string;
  readonly options: ExportOptions;
  readonly types: readonly GeneratedKeyType[];
  readonly readers: readonly ("ssh-keygen" | "openssl" | "puttygen")[];
}

const locked = { passphrase: PASSPHRASE };
const PEM_CIPHERS = ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"];
const WRITTEN: readonly Written[] = [
  {
    name: "OpenSSH's format, plain",
    options: {},
    types: TYPES,
    readers: ["ssh-keygen", "puttygen"],
  },
  ...OPENSSH_CIPHERS.map((cipher): Written => ({
    name: `OpenSSH's format by ${cipher}`,
    options: { ...locked, cipher, rounds: 1 },
    types: cipher === "aes256-ctr" ? TYPES : ["ed25519"],
    readers: ["ssh-keygen"],
  })),
  {
    name: "OpenSSH's format by aes256-cbc for PuTTY",
    options: { ...locked, cipher: "aes256-cbc", rounds: 1 },
    types: ["ed25519"],
    readers: ["puttygen"],
  },
  { name: "PKCS#8, plain", options: { format: "pkcs8" }, types: TYPES, readers: ["openssl"] },
  {
    name: "PKCS#8 of NIST's curves and RSA, plain",
    options: { format: "pkcs8" },
    types: [...NIST, "rsa"],
    readers: ["ssh-keygen"],
  },
  ...PEM_CIPHERS.map((cipher): Written => ({
    name: `PKCS#8 by ${cipher}`,
    options: { ...locked, format: "pkcs8", cipher, rounds: 10 },
    types: ["ecdsa-p256", "rsa"],
    readers: ["openssl", "ssh-keygen"],
  })),
  {
    name: "PEM, plain",
    options: { format: "pem" },
    types: [...NIST, "rsa"],
    readers: ["openssl", "ssh-keygen", "puttygen"],
  },
  ...PEM_CIPHERS.map((cipher): Written => ({
    name: `PEM by ${cipher}`,
    options: { ...locked, format: "pem", cipher },
    types: ["ecdsa-p256", "rsa"],
    readers: ["openssl", "ssh-keygen"],
  })),
  ...[2, 3].flatMap((version): Written[] => [
    {
      name: `PPK ${version}, plain`,
      options: { format: "ppk", ppkVersion: version as 2 },
      types: TYPES,
      readers: ["puttygen"],
    },
    {
      name: `PPK ${version}, encrypted`,
      options: { ...locked, format: "ppk", ppkVersion: version as 2, rounds: 1 },
      types: TYPES,
      readers: ["puttygen"],
    },
  ]),
];

for (const { name, options, types, readers } of WRITTEN) {
  const { passphrase } = options;
  for (const reader of readers) {
    await peerTest([reader], `${reader} reads a key that we export: ${name}`, async () => {
      await using folder = await tempFolder();
      const secret = await folder.write("secret", passphrase ?? "");
      for (const type of types) {
        const { publicKey } = keyOf(type);
        const file = await folder.write(type, keyOf(type).export(options));
        const read = importPublicKey(await publicHalf(reader, file, secret, passphrase ?? ""));
        assert(read.equals(publicKey), type);
        const keepsComment = options.format === undefined || options.format === "ppk";
        if (keepsComment && reader !== "openssl") assertEquals(read.comment, COMMENT, type);
        using same = importPrivateKey(await Deno.readTextFile(file), {
          passphrase: passphrase ?? "",
        });
        assert(same.publicKey.equals(publicKey));
      }
    });
  }
}

async function publicHalf(
  reader: Written["readers"][number],
  file: string,
  secret: string,
  passphrase: string,
): Promise<string> {
  switch (reader) {
    case "ssh-keygen":
      return (await must("ssh-keygen", ["-y", "-f", file, "-P", passphrase])).text;
    case "openssl":
      return (await must("openssl", [
        ...["pkey", "-in", file, "-pubout"],
        ...(passphrase === "" ? [] : ["-passin", `file:${secret}`]),
      ])).text;
    case "puttygen":
      return (await must("puttygen", [
        ...[file, "-L", "-o", "/dev/stdout"],
        ...(passphrase === "" ? [] : ["--old-passphrase", secret]),
      ])).text;
  }
}

const PUBLIC: readonly [PublicKeyFormat, flag: string, readonly GeneratedKeyType[]][] = [
  ["rfc4716", "RFC4716", TYPES],
  ["pkcs8", "PKCS8", [...NIST, "rsa"]],
  ["pem", "PEM", ["rsa"]],
];

for (const [format, flag, types] of PUBLIC) {
  await peerTest(["ssh-keygen"], `public keys pass in both directions as ${flag}`, async () => {
    await using folder = await tempFolder();
    for (const type of types) {
      const { publicKey } = keyOf(type);
      const ours = await folder.write(type, exportPublicKey(publicKey, { format }));
      const line = (await must("ssh-keygen", ["-i", "-m", flag, "-f", ours])).text;
      assert(importPublicKey(line).equals(publicKey), type);
      const plain = await folder.write(`${type}.pub`, exportPublicKey(publicKey));
      const theirs = (await must("ssh-keygen", ["-e", "-m", flag, "-f", plain])).text;
      assert(importPublicKey(theirs).equals(publicKey), type);
      if (format !== "rfc4716") assertEquals(exportPublicKey(publicKey, { format }), theirs, type);
    }
  });
}

await peerTest(
  ["openssl", "puttygen"],
  "public keys pass to openssl and from puttygen",
  async () => {
    await using folder = await tempFolder();
    for (const type of TYPES) {
      const key = keyOf(type);
      const file = await folder.write(type, exportPublicKey(key.publicKey, { format: "pkcs8" }));
      const theirs = (await must("openssl", ["pkey", "-pubin", "-in", file, "-pubout"])).text;
      assertEquals(await Deno.readTextFile(file), theirs);
      const path = await folder.write("private", key.export());
      const { text } = await must("puttygen", [path, "-p", "-o", "/dev/stdout"]);
      const read = importPublicKey(text);
      assertEquals([read.toString(), read.comment], [key.publicKey.toString(), COMMENT]);
    }
  },
);

Deno.test("RFC 4716 folds what is long and joins it again", () => {
  const { publicKey } = keyOf("ed25519");
  for (const comment of ["", "x".repeat(200), "é".repeat(100), 'a "quoted" one', "back\\slash"]) {
    const text = exportPublicKey(publicKey, { format: "rfc4716", comment });
    const bytes = new TextEncoder();
    for (const line of text.split("\n")) assert(bytes.encode(line).length <= 72, line);
    assertEquals(importPublicKey(text).comment, comment);
  }
  const text = exportPublicKey(publicKey, { format: "rfc4716", comment: "" });
  const extended = text.replace("\n", "\nSubject: me\nx-more: a\\\n b\nComment: bare\n");
  assertEquals(importPublicKey(extended).comment, "bare");
  assert(importPublicKey(`\r\n${extended.replaceAll("\n", "\r\n")}`).equals(publicKey));
});

Deno.test("public keys in broken armour are refused", async () => {
  const { publicKey } = keyOf("rsa");
  const rfc4716 = exportPublicKey(publicKey, { format: "rfc4716", comment: "" });
  const pem = exportPublicKey(publicKey, { format: "pem" });
  const spki = exportPublicKey(publicKey, { format: "pkcs8" });
  const x25519 = await crypto.subtle.generateKey("X25519", true, ["deriveBits"]) as CryptoKeyPair;
  const foreign = new Uint8Array(await crypto.subtle.exportKey("spki", x25519.publicKey));
  const refused = [
    rfc4716.replace("---- END", "---- EN"),
    rfc4716.slice(0, 200),
    rfc4716.replace("AAAA", "!!!!"),
    rfc4716.replace("\n", "\nComment: x\\\n"),
    pem.replaceAll("RSA PUBLIC", "DSA PUBLIC"),
    pem.replaceAll("RSA PUBLIC", "PUBLIC"),
    spki.replaceAll("PUBLIC", "RSA PUBLIC"),
    spki.replace(/\n.{8}/, "\n"),
    `-----BEGIN PUBLIC KEY-----\n${foreign.toBase64()}\n-----END PUBLIC KEY-----\n`,
    keyOf("rsa").export(),
  ];
  for (const text of refused) assertThrows(() => importPublicKey(text), KeyFormatError);
});

Deno.test("export refuses what a format does not have", () => {
  const refused: [GeneratedKeyType, ExportOptions, typeof TypeError | typeof RangeError][] = [
    ["ed25519", { format: "pem" }, TypeError],
    ["ed25519", { format: "der" as "pem" }, TypeError],
    ["ed25519", { cipher: "rot13" }, TypeError],
    ["ed25519", { format: "pkcs8", cipher: "aes256-ctr" }, TypeError],
    ["rsa", { format: "pem", cipher: "chacha20-poly1305@openssh.com" }, TypeError],
    ["rsa", { format: "pem", passphrase: "x", rounds: 2 }, TypeError],
    ["ed25519", { format: "ppk", cipher: "aes128-cbc" }, TypeError],
    ["ed25519", { format: "ppk", ppkVersion: 1 as 2 }, TypeError],
    ["ed25519", { comment: "two\nlines" }, TypeError],
    ["ed25519", { format: "pkcs8", passphrase: "x", rounds: 1e9 }, RangeError],
    ["ed25519", { format: "ppk", passphrase: "x", rounds: 1e6 }, RangeError],
    ["ed25519", { format: "ppk", passphrase: "x", rounds: 0.5 }, RangeError],
  ];
  for (const [type, options, kind] of refused) {
    assertThrows(() => keyOf(type).export(options), kind, undefined, JSON.stringify(options));
  }
});

for (
  const [name, options] of [
    ["PKCS#8", { format: "pkcs8", ...locked, rounds: 2 }],
    ["PEM", { format: "pem", ...locked }],
    ["PPK 2", { format: "ppk", ppkVersion: 2, ...locked }],
    ["PPK 3, plain", { format: "ppk" }],
    ["OpenSSH's format by chacha20-poly1305", {
      ...locked,
      rounds: 1,
      cipher: "chacha20-poly1305@openssh.com",
    }],
  ] as [string, ExportOptions][]
) {
  Deno.test(`a key in ${name} that is cut at any character is refused`, () => {
    const text = keyOf("ecdsa-p256").export(options).trimEnd();
    for (let end = 0; end < text.length; end++) {
      try {
        importPrivateKey(text.slice(0, end), { passphrase: PASSPHRASE })[Symbol.dispose]();
      } catch (error) {
        assert(error instanceof KeyFormatError || error instanceof PassphraseError, `${error}`);
        continue;
      }
      throw new Error(`It was accepted with ${end} characters`);
    }
  });
}

Deno.test("a PPK file that is changed anywhere is refused", () => {
  for (const options of [{}, { ...locked, rounds: 1 }] as const) {
    const text = keyOf("ed25519").export({ format: "ppk", ...options });
    const lines = text.trimEnd().split("\n");
    for (const [i, line] of lines.entries()) {
      const changed = lines.with(i, line.replace(/.$/, (last) => last === "0" ? "1" : "0"));
      for (const broken of [changed, lines.toSpliced(i, 1), lines.toSpliced(i, 0, line)]) {
        try {
          importPrivateKey(broken.join("\n"), { passphrase: PASSPHRASE });
        } catch (error) {
          if (error instanceof KeyFormatError || error instanceof PassphraseError) continue;
          throw error;
        }
        throw new Error(`Line ${i + 1} does not matter: ${line}`);
      }
    }
  }
});

Deno.test("what is no private key is refused with what it is", async () => {
  const { publicKey } = keyOf("ed25519");
  const dsa = "-----BEGIN DSA PRIVATE KEY-----\nMAA=\n-----END DSA PRIVATE KEY-----\n";
  const x509 = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
  const pair = await crypto.subtle.generateKey("X25519", true, ["deriveBits"]) as CryptoKeyPair;
  const x25519 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  const cases: [string, string][] = [
    ["", "has no BEGIN line"],
    ["hello\n", "has no BEGIN line"],
    [exportPublicKey(publicKey), "is a public key"],
    [exportPublicKey(publicKey, { format: "rfc4716" }), "is a public key"],
    [exportPublicKey(publicKey, { format: "pkcs8" }), '"PUBLIC KEY" is not supported'],
    [dsa, '"DSA PRIVATE KEY" is not supported'],
    [x509, '"CERTIFICATE" is not supported'],
    ["PuTTY-User-Key-File-1: ssh-rsa\n", '"PuTTY-User-Key-File-1"'],
    ["PuTTY-User-Key-File-3: ssh-dss", "ends too early"],
    [keyOf("ed25519").export({ format: "ppk" }).replace("ssh-ed25519", "ssh-dss"), "MAC is wrong"],
    [
      `-----BEGIN PRIVATE KEY-----\n${x25519.toBase64()}\n-----END PRIVATE KEY-----\n`,
      "unsupported type",
    ],
  ];
  for (const [text, words] of cases) {
    assertThrows(() => importPrivateKey(text), KeyFormatError, words, text.slice(0, 40));
  }
});

Deno.test("a file that asks for too much work is refused before it is done", () => {
  const ppk = keyOf("ed25519").export({ format: "ppk", ...locked, rounds: 1 });
  const greedy = [
    ppk.replace("Memory: 8192", "Memory: 99999999"),
    ppk.replace("Passes: 1", "Passes: 99999999"),
    ppk.replace("Memory: 8192", "Memory: 1"),
    ppk.replace("Parallelism: 1", "Parallelism: 0"),
    ppk.replace("Argon2id", "Argon2x"),
    ppk.replace(/Public-Lines: \d+/, "Public-Lines: 99999999"),
  ];
  for (const text of greedy) {
    assertThrows(() => importPrivateKey(text, locked), KeyFormatError);
  }
});
