import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeBase64 } from "../../lib/encoding.ts";
import { KeyFormatError, PassphraseError } from "../../lib/errors.ts";
import {
  type ExportOptions,
  exportPublicKey,
  type GeneratedKeyType,
  importPrivateKey,
  importPublicKey,
  type PrivateKey,
  type PublicKeyFormat,
} from "../../lib/keys/mod.ts";
import { testKey } from "../support/keys.ts";

const PASSPHRASE = "öpen sesame";
const COMMENT = "made here";

const TYPES = ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa"] as const;
const keys = new Map<GeneratedKeyType, PrivateKey>();

for (const type of TYPES) {
  keys.set(type, await testKey(type, COMMENT));
}

const keyOf = (type: GeneratedKeyType): PrivateKey => keys.get(type)!;

const NIST = ["ecdsa-p256", "ecdsa-p384", "ecdsa-p521"] as const;

const locked = { passphrase: PASSPHRASE };

const OPENSSH_CIPHERS = [
  ...["aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-cbc", "aes192-cbc", "aes256-cbc"],
  ...["3des-cbc", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com"],
  "chacha20-poly1305@openssh.com",
];
const PEM_CIPHERS = ["aes128-cbc", "aes192-cbc", "aes256-cbc", "3des-cbc"];
const WRITTEN: readonly (readonly [ExportOptions, readonly GeneratedKeyType[]])[] = [
  ...OPENSSH_CIPHERS.map((cipher) => [{ ...locked, cipher, rounds: 1 }, ["ed25519"]] as const),
  [{ format: "pkcs8" }, TYPES],
  ...PEM_CIPHERS.map((cipher) =>
    [{ ...locked, format: "pkcs8", cipher, rounds: 10 }, TYPES] as const
  ),
  [{ format: "pem" }, [...NIST, "rsa"]],
  ...PEM_CIPHERS.map((cipher) => [{ ...locked, format: "pem", cipher }, [...NIST, "rsa"]] as const),
  ...[2, 3].flatMap((version) => [
    [{ format: "ppk", ppkVersion: version as 2 }, TYPES] as const,
    [{ ...locked, format: "ppk", ppkVersion: version as 2, rounds: 1 }, TYPES] as const,
  ]),
];

for (const [options, types] of WRITTEN) {
  const { passphrase, ...shown } = options;
  const what = JSON.stringify({ ...shown, encrypted: passphrase !== undefined });
  Deno.test(`importPrivateKey reads what export writes: ${what}`, () => {
    const keepsComment = options.format === undefined || options.format === "ppk";
    for (const type of types) {
      const key = keyOf(type);
      const text = key.export(options);
      using same = importPrivateKey(text, passphrase === undefined ? {} : { passphrase });
      assert(same.publicKey.equals(key.publicKey), type);
      assertEquals(same.comment, keepsComment ? COMMENT : "", type);
      if (passphrase === undefined) continue;
      assertThrows(() => importPrivateKey(text), PassphraseError, "passphrase required");
      const wrong = () => importPrivateKey(text, { passphrase: passphrase.toUpperCase() });
      assertThrows(wrong, PassphraseError, "wrong pass");
    }
  });
}

const PUBLIC: readonly [PublicKeyFormat, readonly GeneratedKeyType[]][] = [
  ["rfc4716", TYPES],
  ["pkcs8", [...NIST, "rsa"]],
  ["pem", ["rsa"]],
];

for (const [format, types] of PUBLIC) {
  Deno.test(`importPublicKey reads what exportPublicKey writes as ${format}`, () => {
    for (const type of types) {
      const { publicKey } = keyOf(type);
      assert(importPublicKey(exportPublicKey(publicKey, { format })).equals(publicKey), type);
    }
  });
}

Deno.test("RFC 4716 folds long lines and joins them again", () => {
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

Deno.test("public keys in malformed armour are refused", async () => {
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
    `-----BEGIN PUBLIC KEY-----\n${encodeBase64(foreign)}\n-----END PUBLIC KEY-----\n`,
    keyOf("rsa").export(),
  ];
  for (const text of refused) assertThrows(() => importPublicKey(text), KeyFormatError);
});

Deno.test("export refuses options that a format lacks", () => {
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

Deno.test("a file that is not a private key is refused with its kind", async () => {
  const { publicKey } = keyOf("ed25519");
  const dsa = "-----BEGIN DSA PRIVATE KEY-----\nMAA=\n-----END DSA PRIVATE KEY-----\n";
  const x509 = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
  const pair = await crypto.subtle.generateKey("X25519", true, ["deriveBits"]) as CryptoKeyPair;
  const x25519 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  const cases: [string, string][] = [
    ["", "has no BEGIN line"],
    ["hello\n", "has no BEGIN line"],
    ["~/.ssh/id_ed25519", "the path of a file: read it with loadKey()"],
    ["./key", "the path of a file"],
    [exportPublicKey(publicKey), "but a public key"],
    [exportPublicKey(publicKey, { format: "rfc4716" }), "but a public key"],
    [exportPublicKey(publicKey, { format: "pkcs8" }), 'which has "PUBLIC KEY"'],
    [dsa, '"DSA PRIVATE KEY" is not supported'],
    [x509, 'which has "CERTIFICATE"'],
    ["PuTTY-User-Key-File-1: ssh-rsa\n", '"PuTTY-User-Key-File-1"'],
    ["PuTTY-User-Key-File-3: ssh-dss", "ends too early"],
    [keyOf("ed25519").export({ format: "ppk" }).replace("ssh-ed25519", "ssh-dss"), "MAC is wrong"],
    [
      `-----BEGIN PRIVATE KEY-----\n${encodeBase64(x25519)}\n-----END PRIVATE KEY-----\n`,
      "unsupported type",
    ],
  ];
  for (const [text, words] of cases) {
    assertThrows(() => importPrivateKey(text), KeyFormatError, words, text.slice(0, 40));
  }
});

Deno.test("a file that requires too much work is refused before the work starts", () => {
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
