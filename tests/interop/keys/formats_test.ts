import { assert, assertEquals, assertThrows } from "@std/assert";
import { KeyFormatError, PassphraseError } from "../../../lib/errors.ts";
import {
  type ExportOptions,
  exportPublicKey,
  type GeneratedKeyType,
  generateKey,
  importPrivateKey,
  importPublicKey,
  type PrivateKey,
  type PublicKeyFormat,
} from "../../../lib/keys/mod.ts";
import { control } from "../harness/control.ts";
import { keyFile, type KeyKind } from "../harness/keys.ts";
import { type Peer, peerTest } from "../harness/peers.ts";
import { must } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";

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

/** How openssl generates keys, and their names in ssh-keygen. */
const GENPKEY: Readonly<Record<GeneratedKeyType, readonly string[]>> = {
  "ed25519": ["-algorithm", "ed25519"],
  "ecdsa-p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
  "ecdsa-p384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
  "ecdsa-p521": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
  "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
};
const KINDS: Readonly<Record<GeneratedKeyType, KeyKind>> = {
  "ed25519": "ed25519",
  "ecdsa-p256": "ecdsa256",
  "ecdsa-p384": "ecdsa384",
  "ecdsa-p521": "ecdsa521",
  "rsa": "rsa",
};

/** A program that converts our plain key in `from` to its own format. */
interface Foreign {
  readonly name: string;
  readonly peer: Peer;
  readonly types: readonly GeneratedKeyType[];
  readonly from: ExportOptions;
  /** Writes `to`, or over `from`, and returns the path of the output. */
  convert(from: string, to: string, secret: string): Promise<string>;
  /** Whether the comment is kept. */
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
    // It offers encryption only when it generates a key.
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
  ...["SHA1", "SHA256", "SHA384", "SHA512", "SHA224", "SHA512-256"].map((hash): Foreign => ({
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
  }, () => convertControl({ name, peer, types, from, convert, plain }));
}

/** Control: the program converts a foreign key, and reads the result itself. */
function convertControl(
  { name, peer, types, from, convert, plain }: Foreign,
): Promise<string | null> {
  return control(peer, name, async () => {
    await using folder = await tempFolder();
    const secret = await folder.write("secret", PASSPHRASE);
    for (const type of types) {
      const path = folder.join(type);
      if (from.format === "pkcs8") {
        await must("openssl", ["genpkey", ...GENPKEY[type], "-out", path]);
      } else await Deno.copyFile((await keyFile(KINDS[type], "converted")).path, path);
      await Deno.chmod(path, 0o600);
      const made = await convert(path, folder.join(`${type}.out`), secret);
      const reader = peer as Written["readers"][number];
      const passphrase = plain === true ? "" : PASSPHRASE;
      const read = (flags: readonly string[]) =>
        publicHalf(reader, made, secret, passphrase, flags);
      await (reader === "openssl" ? read([]).catch(() => read(LEGACY)) : read([]));
    }
  }, peer);
}

// OpenSSL supports them on request, some in its legacy provider.
const EXOTIC: readonly (readonly string[])[] = [
  ...["camellia-256-cbc", "aria-256-cbc", "sm4-cbc", "aes-256-cfb"].map((c) => ["pkcs8", "-v2", c]),
  ["pkcs8", "-v2prf", "hmacWithSHA512-224"],
  ...["PBE-SHA1-RC2-40", "PBE-SHA1-RC4-128"].map((scheme) => ["pkcs8", "-v1", scheme, ...LEGACY]),
  ...["-camellia256", "-aria256", "-idea"].map((cipher) => ["ec", cipher, ...LEGACY]),
];

await peerTest(
  ["openssl"],
  "keys that OpenSSL encrypted with rare ciphers are refused with the reason",
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

/** Our output, and the programs that must read it. */
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
  flags: readonly string[] = [],
): Promise<string> {
  switch (reader) {
    case "ssh-keygen":
      return (await must("ssh-keygen", ["-y", "-f", file, "-P", passphrase])).text;
    case "openssl":
      return (await must("openssl", [
        ...["pkey", "-in", file, "-pubout", ...flags],
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
