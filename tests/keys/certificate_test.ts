import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { encodeBase64 } from "../../lib/encoding.ts";
import { CertificateError, type CertificateProblem, KeyFormatError } from "../../lib/errors.ts";
import {
  type Certificate,
  CERTIFICATE_ALGORITHMS,
  type CertificateOptions,
  type CertificateRequirements,
  checkCertificate,
  type GeneratedKeyType,
  generateKey,
  importPrivateKey,
  issueCertificate,
  parsePublicKey,
  plainAlgorithm,
  type PrivateKey,
  SIGNATURE_ALGORITHMS,
  withCertificate,
} from "../../lib/keys/mod.ts";
import { decodeCertificate } from "../../lib/keys/certificate_format.ts";
import { certifiedType } from "../../lib/keys/certificate_names.ts";
import { decodeSignature, encodeSignature } from "../../lib/keys/signature.ts";
import { Reader } from "../../lib/wire/reader.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { tokenKey } from "./security_token.ts";
import { testKey } from "../support/keys.ts";
import { plainMessage } from "../../lib/error_messages.ts";

const data = new TextEncoder().encode("what is signed");
const FOR_EVER = 2n ** 64n - 1n;

const TYPES: GeneratedKeyType[] = ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa"];
const made = await Promise.all(
  TYPES.map((type) => testKey(type, type)),
);
const [authority, ecdsa] = made as [PrivateKey, PrivateKey];
const rsa = made.at(-1)!;
const key = await generateKey("ed25519", { comment: "me@home" });

const ANN: CertificateOptions = { kind: "user", keyId: "ann", principals: ["ann", "root"] };

async function issued(
  options: Partial<CertificateOptions> = {},
  by: PrivateKey = authority,
): Promise<Certificate> {
  const issued = await issueCertificate(by, key.publicKey, { ...ANN, ...options });
  return issued.certificate!;
}

Deno.test("a certificate that is signed with SHA-1 is refused from any issuer", async () => {
  const sha1 = { ...ANN, algorithm: "ssh-rsa" };
  await assertRejects(() => issueCertificate(rsa, key.publicKey, sha1), TypeError, '"ssh-rsa"');
});

Deno.test("a certificate has its parts in the order and form of PROTOCOL.certkeys", async () => {
  const after = new Date(0);
  const before = new Date(5_999);
  const names = ["zz@example.com", "force-command", "aa@example.com"];
  const { blob } = await issueCertificate(ecdsa, key.publicKey, {
    ...{ kind: "host", keyId: "ann's", principals: ["ann", "", "böb"], serial: 7n },
    ...{ validAfter: after, validBefore: before },
    criticalOptions: { [names[0]!]: "", [names[1]!]: "ls -l" },
    extensions: { [names[0]!]: "x", [names[2]!]: "" },
  });
  const reader = new Reader(blob);
  assertEquals(reader.text(), "ssh-ed25519-cert-v01@openssh.com");
  assertEquals(reader.string().length, 32);
  assertEquals(reader.string(), new Reader(key.publicKey.blob, 15).string());
  assertEquals([reader.u64(), reader.u32(), reader.text()], [7n, 2, "ann's"]);
  const principals = new Writer().text("ann").text("").text("böb").take();
  assertEquals(reader.string(), principals);
  assertEquals([reader.u64(), reader.u64()], [0n, 5n]);
  const command = new Writer().text("ls -l").take();
  const none = new Uint8Array(0);
  const critical = new Writer().text(names[1]!).string(command).text(names[0]!).string(none);
  assertEquals(reader.string(), critical.take());
  const value = new Writer().text("x").take();
  const extensions = new Writer().text(names[2]!).string(none).text(names[0]!).string(value);
  assertEquals(reader.string(), extensions.take());
  assertEquals([reader.string(), reader.string()], [none, ecdsa.publicKey.blob]);
  const signed = blob.slice(0, reader.offset);
  assert(ecdsa.publicKey.verify("ecdsa-sha2-nistp256", signed, reader.string()));
  reader.end();
});

Deno.test("an authority may be remote, or a token without touch", async () => {
  const agent = {
    publicKey: authority.publicKey,
    sign: (algorithm: string, data: Uint8Array) => Promise.resolve(authority.sign(algorithm, data)),
  };
  assert((await issueCertificate(agent, key.publicKey, ANN)).certificate);
  const token = tokenKey("ed25519");
  token.flags = 0;
  assert((await issueCertificate(token, key.publicKey, ANN)).certificate);
});

Deno.test("the algorithms of certificates are named as OpenSSH names them", () => {
  assertEquals(CERTIFICATE_ALGORITHMS.slice(-2), [
    "sk-ssh-ed25519-cert-v01@openssh.com",
    "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
  ]);
  assertEquals(CERTIFICATE_ALGORITHMS.map(plainAlgorithm), [...SIGNATURE_ALGORITHMS]);
  assertEquals(plainAlgorithm("ssh-rsa-cert-v01@openssh.com"), "ssh-rsa");
});

Deno.test("a certificate without options has no expiry, and the permissions of ssh-keygen", async () => {
  const user = await issued();
  assertEquals([user.serial, user.validAfter, user.validBefore], [0n, 0n, FOR_EVER]);
  assertEquals([...user.extensions.keys()], [
    "permit-X11-forwarding",
    "permit-agent-forwarding",
    "permit-port-forwarding",
    "permit-pty",
    "permit-user-rc",
  ]);
  assertEquals((await issued({ kind: "host" })).extensions.size, 0);
});

const NOW = new Date("2026-06-01T00:00:00Z");
const second = (offset: number) => new Date(NOW.getTime() + offset * 1000);
const TRUSTED: CertificateRequirements = {
  kind: "user",
  principal: "ann",
  authorities: [rsa.publicKey, authority.publicKey],
  now: NOW,
};

const VERDICTS: [
  name: string,
  Partial<CertificateOptions>,
  Partial<CertificateRequirements>,
  CertificateProblem | null,
][] = [
  ["one that fits", {}, {}, null],
  ["its first second", { validAfter: NOW }, {}, null],
  ["the second before", { validAfter: second(1) }, {}, "not yet valid"],
  ["its last second", { validBefore: second(1) }, {}, null],
  ["the second after", { validBefore: NOW }, {}, "expired"],
  ["a host's for a user", { kind: "host" }, {}, "kind"],
  ["a user's for a host", {}, { kind: "host" }, "kind"],
  ["another principal", {}, { principal: "bob" }, "principal"],
  ["a principal in other case", {}, { principal: "Ann" }, "principal"],
  ["a principal that looks like a pattern", { principals: ["*"] }, {}, "principal"],
  ["one of several names", {}, { principal: ["bob", "root"] }, null],
  ["none of several names", {}, { principal: ["bob", "eve"] }, "principal"],
  ["no name that would do", {}, { principal: [] }, "principal"],
  ["a user's without principals", { principals: [] }, {}, "principal"],
  ["a user's without principals, allowed", { principals: [] }, { allowNoPrincipals: true }, null],
  ["a host's without principals", { kind: "host", principals: [] }, { kind: "host" }, "principal"],
  [
    "a host's without principals, allowed",
    { kind: "host", principals: [] },
    { kind: "host", allowNoPrincipals: true },
    null,
  ],
  [
    "a host's with wildcards",
    { kind: "host", principals: ["x", "db?.*"] },
    { kind: "host", principal: "db1.example.com" },
    null,
  ],
  [
    "a host's with wildcards that do not fit",
    { kind: "host", principals: ["db?.*", "!*"] },
    { kind: "host", principal: "web.example.com" },
    "principal",
  ],
  ["an unknown authority", {}, { authorities: [rsa.publicKey] }, "authority"],
  ["no authority at all", {}, { authorities: [] }, "authority"],
  ["an unknown option", { criticalOptions: { "x@y": "" } }, {}, "critical option"],
  [
    "an option that the caller sees to",
    { criticalOptions: { "force-command": "ls" } },
    { criticalOptions: ["force-command"] },
    null,
  ],
  [
    "one option of two that the caller sees to",
    { criticalOptions: { "force-command": "ls", "source-address": "::1" } },
    { criticalOptions: ["force-command"] },
    "critical option",
  ],
  ["an unknown extension", { extensions: { "x@y": "z" } }, {}, null],
  ["a revoked one", {}, { revoked: ({ keyId }) => keyId === "ann" }, "revoked"],
  ...[undefined, null, 0, "", 1, Promise.resolve(false)].map((answer) =>
    [
      `one of which ${answer} is said when asked whether it is revoked`,
      {},
      { revoked: () => answer as unknown as boolean },
      "revoked",
    ] as typeof VERDICTS[number]
  ),
  ["another than the revoked one", {}, { revoked: ({ keyId }) => keyId === "bob" }, null],
];

for (const [name, options, requirements, problem] of VERDICTS) {
  Deno.test(`checkCertificate ${problem === null ? "accepts" : "refuses"} ${name}`, async () => {
    const certificate = await issued(options);
    const check = () => checkCertificate(certificate, { ...TRUSTED, ...requirements });
    if (problem === null) return check();
    assertEquals(assertThrows(check, CertificateError).reason, problem);
  });
}

Deno.test("checkCertificate names the principal that a certificate lacks", async () => {
  const message = (certificate: Certificate, principal: string | string[]) => {
    const check = () => checkCertificate(certificate, { ...TRUSTED, principal });
    return plainMessage(assertThrows(check, CertificateError));
  };
  const named = await issued();
  assertEquals(message(named, ["bob", "eve"]), 'Certificate does not name "bob" or "eve"');
  const many = Array.from({ length: 9 }, (_, at) => `u${at}`);
  assert(message(named, many).endsWith('"u6" or "u7"'));
  assertEquals(message(named, []), "Certificate does not name any principal that is accepted");
  const none = await issued({ principals: [] });
  assert(
    message(none, "ann").startsWith("Certificate lists no principal, so it is valid for no user"),
  );
  const one = await issued({ principals: ["x"] });
  assertEquals(message(one, "ann"), 'Certificate does not name "ann"');
});

Deno.test("checkCertificate takes the time from the clock", async () => {
  const past = await issued({ validBefore: new Date(Date.now() - 60_000) });
  const { now: _, ...clock } = TRUSTED;
  assertThrows(() => checkCertificate(past, clock), CertificateError, "has expired");
  checkCertificate(await issued({ validBefore: new Date(Date.now() + 3_600_000) }), clock);
});

Deno.test("errors of checkCertificate have no control characters", async () => {
  const certificate = await issued({ criticalOptions: { "\x1b[2J": "" } });
  const error = assertThrows(() => checkCertificate(certificate, TRUSTED), CertificateError);
  assert(!plainMessage(error).includes("\x1b"));
});

Deno.test("a key with a certificate signs with its plain algorithms", async () => {
  for (const holder of made) {
    const certificate = await issueCertificate(authority, holder.publicKey, ANN);
    const signer = withCertificate(holder, certificate);
    assertEquals(signer.publicKey, certificate);
    for (const algorithm of certificate.algorithms) {
      const signature = await signer.sign(algorithm, data);
      assertEquals(decodeSignature(signature).algorithm, plainAlgorithm(algorithm));
      assert(certificate.verify(algorithm, data, signature));
      assert(!certificate.verify(plainAlgorithm(algorithm), data, signature));
      assert(holder.publicKey.verify(plainAlgorithm(algorithm), data, signature));
      assert(!holder.publicKey.verify(algorithm, data, signature));
      const { bytes } = decodeSignature(signature);
      assert(!certificate.verify(algorithm, data, encodeSignature({ algorithm, bytes })));
    }
    assertThrows(() => void signer.sign(holder.publicKey.algorithms[0]!, data), TypeError);
  }
});

Deno.test("an RSA certificate's signature must have the negotiated hash", async () => {
  const certificate = await issueCertificate(authority, rsa.publicKey, ANN);
  assertEquals(certificate.algorithms, [
    "rsa-sha2-512-cert-v01@openssh.com",
    "rsa-sha2-256-cert-v01@openssh.com",
  ]);
  const weaker = await withCertificate(rsa, certificate).sign(certificate.algorithms[1]!, data);
  assert(!certificate.verify(certificate.algorithms[0]!, data, weaker));
});

Deno.test("withCertificate refuses a certificate of another key, and a key", async () => {
  const certificate = await issueCertificate(authority, ecdsa.publicKey, ANN);
  assertThrows(() => withCertificate(key, certificate), TypeError, "not one of this key");
  assertThrows(() => withCertificate(key, key.publicKey), TypeError, "is not a certificate");
});

Deno.test("issueCertificate refuses missing and unknown options", async () => {
  const { kind, keyId, principals } = ANN;
  const wrong: [unknown, string][] = [
    [undefined, "issueCertificate() needs options, not undefined"],
    [{ keyId, principals }, "issueCertificate() needs kind"],
    [{ kind, principals }, "issueCertificate() needs keyId"],
    [{ kind, keyId }, "issueCertificate() needs principals"],
    [{ ...ANN, kind: "server" }, 'kind must be one of "user", "host"'],
    [{ ...ANN, principals: "ann" }, "principals must be an array of texts"],
    [{ ...ANN, serial: 7 }, "serial must be a bigint, not 7"],
    [{ ...ANN, validBefore: "tomorrow" }, "validBefore must be a Date"],
    [{ ...ANN, validbefore: new Date() }, 'no option "validbefore": it may be "validBefore"'],
  ];
  for (const [options, expected] of wrong) {
    const issuing = () => issueCertificate(authority, key.publicKey, options as never);
    await assertRejects(issuing, TypeError, expected);
  }
});

Deno.test("issueCertificate refuses invalid options", async () => {
  const certificate = await issueCertificate(authority, key.publicKey, ANN);
  const holder = withCertificate(key, certificate);
  const words = "A certificate can neither be certified nor certify";
  await assertRejects(() => issueCertificate(authority, certificate, ANN), TypeError, words);
  await assertRejects(() => issueCertificate(holder, ecdsa.publicKey, ANN), TypeError, words);
  const why = 'Cannot issue the certificate: Certificate is signed by "ssh-rsa"';
  const sha1 = { ...ANN, algorithm: "ssh-rsa" };
  await assertRejects(() => issueCertificate(rsa, key.publicKey, sha1), TypeError, why);
  const refused: [Partial<CertificateOptions>, typeof TypeError | typeof RangeError][] = [
    [{ serial: -1n }, RangeError],
    [{ serial: FOR_EVER + 1n }, RangeError],
    [{ validAfter: NOW, validBefore: NOW }, RangeError],
    [{ validAfter: new Date(-1) }, RangeError],
    [{ validAfter: new Date(NaN) }, RangeError],
    [{ principals: Array(257).fill("x") }, TypeError],
    [{ principals: ["a\0b"] }, TypeError],
    [{ algorithm: "rsa-sha2-512" }, TypeError],
  ];
  for (const [options, kind] of refused) await assertRejects(() => issued(options), kind);
});

/** A certificate of the key with given parts, signed by the authority. */
function forged(parts: Partial<Record<string, Uint8Array>>, type?: string): Uint8Array {
  const signedBy = parts.authority ?? authority.publicKey.blob;
  const blob = new Writer().text(type ?? "ssh-ed25519-cert-v01@openssh.com")
    .string(new Uint8Array(32))
    .bytes(parts.key ?? new Reader(key.publicKey.blob, 15).remainder())
    .u64(1n).u32(parts.kind?.[0] ?? 1).text("id")
    .string(parts.principals ?? new Uint8Array(0)).u64(0n).u64(FOR_EVER)
    .string(parts.critical ?? new Uint8Array(0)).string(parts.extensions ?? new Uint8Array(0))
    .string(parts.reserved ?? new Uint8Array(0)).string(signedBy)
    .take();
  const signature = parts.signature ?? authority.sign("ssh-ed25519", blob);
  return new Writer().bytes(blob).string(signature).bytes(parts.behind ?? new Uint8Array(0)).take();
}

Deno.test("parsePublicKey reads all fields of a certificate, including the reserved one", () => {
  const blob = forged({ reserved: new Uint8Array(7), extensions: odd("odd@x", [1, 2, 3]) });
  const { certificate } = parsePublicKey(blob);
  assertEquals([...certificate!.extensions], [["odd@x", "010203"]]);
});

const values: [data: number[], value: string][] = [
  [[], ""],
  [[0, 0, 0, 0], ""],
  [[0, 0, 0, 1, 65], "A"],
  [[0, 0, 0, 1, 65, 66], "000000014142"],
  [[0, 0, 0, 2, 65], "0000000241"],
  [[0, 0, 0], "000000"],
  [[7], "07"],
];
for (const [data, value] of values) {
  Deno.test(`the data ${data.join(" ") || "of none"} of an extension is the value "${value}"`, () => {
    const { certificate } = parsePublicKey(forged({ extensions: odd("x@y", data) }));
    assertEquals(certificate!.extensions.get("x@y"), value);
  });
}

function odd(name: string, value: number[]): Uint8Array {
  return new Writer().text(name).string(new Uint8Array(value)).take();
}

Deno.test("parsePublicKey refuses certificates that are wrong in any part", async () => {
  const other = await issueCertificate(authority, ecdsa.publicKey, ANN);
  const twice = new Uint8Array([...odd("a", []), ...odd("a", [])]);
  const refused: [string, Uint8Array, string][] = [
    ["no kind", forged({ kind: new Uint8Array([0]) }), "neither a user nor a host"],
    ["another kind", forged({ kind: new Uint8Array([3]) }), "neither a user nor a host"],
    ["trailing bytes", forged({ behind: new Uint8Array(1) }), "1 trailing bytes"],
    ["a byte of a principal", forged({ principals: new Uint8Array(1) }), "ends too early"],
    ["a byte of an option", forged({ critical: new Uint8Array(1) }), "ends too early"],
    ["half a principal", forged({ principals: new Uint8Array([0, 0, 0, 9]) }), "ends too early"],
    ["half an option", forged({ critical: new Uint8Array([0, 0, 0, 0]) }), "ends too early"],
    ["an option twice", forged({ critical: twice }), '"a" twice'],
    ["a NUL in a name", forged({ principals: new Writer().text("ann\0x").take() }), "a NUL"],
    ["a certified authority", forged({ authority: other.blob }), "is not supported"],
    ["another authority", forged({ authority: ecdsa.publicKey.blob }), '"ssh-ed25519"'],
    ["another key's signature", forged({ signature: key.sign("ssh-ed25519", data) }), "is not its"],
    ["no signature", forged({ signature: new Uint8Array(0) }), "ends too early"],
    ["another type outside", forged({}, "ssh-rsa-cert-v01@openssh.com"), ""],
    ["an older version", forged({}, "ssh-ed25519-cert-v00@openssh.com"), "is not supported"],
  ];
  for (const [what, blob, message] of refused) {
    assertThrows(() => parsePublicKey(blob), KeyFormatError, message, what);
  }
});

Deno.test("an authority may have as many bits as are allowed, and no more", async () => {
  const { blob, type } = await issueCertificate(authority, key.publicKey, ANN);
  const plain = certifiedType(type)!;
  const { bits } = authority.publicKey;
  assertEquals(decodeCertificate(plain, blob, "", bits).certificate?.keyId, "ann");
  assertThrows(
    () => decodeCertificate(plain, blob, "", bits - 1),
    KeyFormatError,
    `more than ${bits - 1} bits`,
  );
});

Deno.test("a certificate that is changed in any byte, or cut at any, is refused", async () => {
  const { blob } = await issueCertificate(authority, key.publicKey, ANN);
  for (let at = 0; at < blob.length; at++) {
    const changed = blob.slice();
    changed[at]! ^= 1;
    assertThrows(() => parsePublicKey(changed), KeyFormatError);
    assertThrows(() => parsePublicKey(blob.subarray(0, at)), KeyFormatError);
  }
});

Deno.test("a certificate equals only itself, not its key", async () => {
  const one = await issueCertificate(authority, key.publicKey, ANN);
  const two = await issueCertificate(authority, key.publicKey, ANN);
  assert(one.equals(parsePublicKey(one.blob)));
  assert(!one.equals(two));
  assert(!one.equals(key.publicKey));
  assertEquals(one.fingerprint(), key.publicKey.fingerprint());
  assertEquals([one.comment, two.comment], ["me@home", "me@home"]);
});

Deno.test("every signature algorithm has its name in certificates", () => {
  assertEquals(CERTIFICATE_ALGORITHMS.map(plainAlgorithm), SIGNATURE_ALGORITHMS);
  assertEquals(plainAlgorithm("none"), "none");
});

Deno.test("a private key cannot be read from a certificate's type", () => {
  const section = new Writer().text("ssh-ed25519-cert-v01@openssh.com").take();
  const text = `-----BEGIN OPENSSH PRIVATE KEY-----\n${encodeBase64(section)}\n` +
    "-----END OPENSSH PRIVATE KEY-----\n";
  assertThrows(() => importPrivateKey(text), KeyFormatError);
});
