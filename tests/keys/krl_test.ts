import { assert, assertEquals, assertThrows } from "@std/assert";
import { CertificateError, KeyFormatError } from "../../lib/errors.ts";
import {
  checkCertificate,
  generateKey,
  issueCertificate,
  type PublicKey,
  RevocationList,
} from "../../lib/keys/mod.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { peerTest } from "../interop/harness/peers.ts";
import { must, run } from "../support/run.ts";
import { tempFolder } from "../support/temp.ts";

const authority = await generateKey("ed25519");
const other = await generateKey("ecdsa-p256");
const key = await generateKey("ed25519", { comment: "me" });
const rsa = await generateKey("rsa", { bits: 2048 });

async function certificate(serial: bigint, keyId = "ann", by = authority): Promise<PublicKey> {
  const options = { kind: "user", keyId, principals: ["ann"], serial } as const;
  return await issueCertificate(by, key.publicKey, options);
}

const SUBJECTS: Record<string, PublicKey> = {
  "the key": key.publicKey,
  "another key": rsa.publicKey,
  "the authority": authority.publicKey,
  "certificate 0": await certificate(0n),
  "certificate 1": await certificate(1n),
  "certificate 5": await certificate(5n),
  "certificate 9": await certificate(9n),
  "certificate 70": await certificate(70n),
  "the last certificate": await certificate(2n ** 64n - 1n),
  "certificate 5 of another authority": await certificate(5n, "ann", other),
  "certificate 5 of another name": await certificate(5n, "bob"),
  "certificate 0 of another name": await certificate(0n, "bob"),
};

/** What ssh-keygen makes revocation lists of: lines of its own, or keys as they are. */
const LISTS: Record<string, { lines: string[]; authority?: PublicKey | "none" }> = {
  "nothing": { lines: [] },
  "a key": { lines: [`${key.publicKey}`] },
  "two keys": { lines: [`${rsa.publicKey}`, `key: ${key.publicKey}`] },
  "a key by its SHA-1": { lines: [`sha1: ${key.publicKey}`] },
  "a key by its SHA-256": { lines: [`sha256: ${key.publicKey}`] },
  "a key by its fingerprint": { lines: [`hash: ${key.publicKey.fingerprint()}`] },
  "an authority": { lines: [`${authority.publicKey}`] },
  "a number": { lines: ["serial: 5"], authority: authority.publicKey },
  "numbers": { lines: ["serial: 5", "serial: 9", "serial: 1000"], authority: authority.publicKey },
  "a range": { lines: ["serial: 2-8"], authority: authority.publicKey },
  "a wide range": { lines: ["serial: 1-1000000"], authority: authority.publicKey },
  "a range to the end": {
    lines: ["serial: 60-18446744073709551615"],
    authority: authority.publicKey,
  },
  "numbers enough for a bitmap": {
    lines: Array.from({ length: 40 }, (_, i) => `serial: ${5 + i * 2}`),
    authority: authority.publicKey,
  },
  "numbers near and far": {
    lines: [..."13579"].map((n) => `serial: ${n}`).concat("serial: 9999999999", "serial: 70"),
    authority: authority.publicKey,
  },
  "numbers of another authority": { lines: ["serial: 5"], authority: other.publicKey },
  "numbers of any authority": { lines: ["serial: 5-70"], authority: "none" },
  "a name": { lines: ["id: ann"], authority: authority.publicKey },
  "a name that is part of another": { lines: ["id: an"], authority: authority.publicKey },
  "a name for any authority": { lines: ["id: bob"], authority: "none" },
  "all kinds": {
    lines: ["id: bob", "serial: 9", "serial: 70-99", `sha256: ${rsa.publicKey}`],
    authority: authority.publicKey,
  },
};

for (const [name, { lines, authority: by }] of Object.entries(LISTS)) {
  await peerTest(
    ["ssh-keygen"],
    `RevocationList agrees with ssh-keygen -Q about ${name}`,
    async () => {
      await using folder = await tempFolder();
      const spec = await folder.write("spec", lines.map((line) => `${line}\n`).join(""));
      const krl = folder.join("krl");
      const ca = by === undefined
        ? []
        : ["-s", by === "none" ? "none" : await folder.write("ca.pub", `${by}\n`)];
      await must("ssh-keygen", ["-q", "-k", "-f", krl, "-z", "7", ...ca, spec]);
      const list = RevocationList.parse(await Deno.readFile(krl));
      assertEquals(list.version, 7n);
      assert(Math.abs(list.generated.getTime() - Date.now()) < 3_600_000);
      const differences: string[] = [];
      for (const [what, subject] of Object.entries(SUBJECTS)) {
        const file = await folder.write("subject.pub", `${subject}\n`);
        const { code, text } = await run("ssh-keygen", ["-Q", "-f", krl, file]);
        assert(code <= 1, text);
        if (list.isRevoked(subject) !== (code === 1)) differences.push(`${what}: ${text}`);
        const says = subject.certificate;
        if (says !== null) assertEquals(list.isRevoked(says), list.isRevoked(subject));
      }
      assertEquals(differences, []);
    },
  );
}

await peerTest(["ssh-keygen"], "ssh-keygen -Q reads what RevocationList writes", async () => {
  await using folder = await tempFolder();
  const list = RevocationList.of({
    version: 3n,
    comment: "ours",
    keys: [rsa.publicKey],
    fingerprints: [other.publicKey.fingerprint(), other.publicKey.fingerprint("SHA1")],
    certificates: [
      { authority: authority.publicKey, serials: [9n, [60n, 80n], 1n], keyIds: ["eve"] },
    ],
  }).with({ certificates: [{ authority: null, keyIds: ["bob"] }], version: 4n });
  assertEquals([list.version, list.comment], [4n, "ours"]);
  const krl = await folder.write("krl", list.encode());
  const again = RevocationList.parse(list.encode());
  const revoked: string[] = [];
  for (const [what, subject] of Object.entries(SUBJECTS)) {
    const file = await folder.write("subject.pub", `${subject}\n`);
    const { code } = await run("ssh-keygen", ["-Q", "-f", krl, file]);
    assertEquals([list.isRevoked(subject), again.isRevoked(subject)], [code === 1, code === 1]);
    if (code === 1) revoked.push(what);
  }
  assertEquals(revoked, [
    ...["another key", "certificate 1", "certificate 9", "certificate 70"],
    ...["certificate 5 of another authority", "certificate 5 of another name"],
    "certificate 0 of another name",
  ]);
});

Deno.test("RevocationList.of refuses what is no fingerprint and no number", () => {
  for (const fingerprint of ["", "SHA256:", "MD5:aa:bb", "SHA256:AAAA", "SHA1:!"]) {
    assertThrows(() => RevocationList.of({ fingerprints: [fingerprint] }), TypeError);
  }
  for (const serial of [-1n, 2n ** 64n, [5n, 4n] as const, [0n, 2n ** 64n] as const]) {
    const certificates = [{ authority: null, serials: [serial] }];
    assertThrows(() => RevocationList.of({ certificates }), RangeError);
  }
  assertThrows(() => RevocationList.of({ version: -1n }), RangeError);
});

Deno.test("a text with keys is a revocation list too", async () => {
  const bytes = new TextEncoder().encode(`# gone\n\n${rsa.publicKey}\n${authority.publicKey}\n`);
  const list = RevocationList.parse(bytes);
  assertEquals([list.version, list.comment], [0n, ""]);
  assert(list.isRevoked(rsa.publicKey));
  assert(!list.isRevoked(key.publicKey));
  assert(list.isRevoked(await certificate(1n)));
  assert(!list.isRevoked(await certificate(1n, "ann", other)));
  const broken = new TextEncoder().encode(`${rsa.publicKey}\nhello\n`);
  assertThrows(() => RevocationList.parse(broken), KeyFormatError);
});

Deno.test("checkCertificate refuses what a list has revoked", async () => {
  const list = RevocationList.parse(new TextEncoder().encode(`${key.publicKey}\n`));
  const { certificate: says } = await certificate(1n);
  const check = () =>
    checkCertificate(says!, {
      ...{ kind: "user", principal: "ann", authorities: [authority.publicKey] },
      revoked: (certificate) => list.isRevoked(certificate),
    });
  assertEquals(assertThrows(check, CertificateError).reason, "revoked");
});

function krl(...sections: [type: number, section: Uint8Array][]): Uint8Array {
  const writer = new Writer().bytes(new TextEncoder().encode("SSHKRL\n\0")).u32(1).u64(3n).u64(0n)
    .u64(0n).text("").text("our \x1b[2Jlist");
  for (const [type, section] of sections) writer.u8(type).string(section);
  return writer.take();
}
const bytes = (...values: number[]) => new Uint8Array(values);
const certificates = (type: number, part: Uint8Array) =>
  new Writer().text("").text("").u8(type).string(part).take();
const extension = (critical: boolean) =>
  new Writer().text("x@example.com").bool(critical).text("").take();

Deno.test("what a revocation list says cannot write to the terminal", () => {
  const list = RevocationList.parse(krl());
  assertEquals([list.comment, list.version], ["our [2Jlist", 3n]);
});

Deno.test("a part of a revocation list that is not understood is refused, unless it need not be", () => {
  RevocationList.parse(krl([255, extension(false)]));
  RevocationList.parse(krl([1, certificates(0x39, extension(false))]));
  const refused: [string, Uint8Array, string][] = [
    ["a signature", krl([4, bytes()]), "is signed"],
    ["an unknown section", krl([6, bytes()]), "unknown type 6"],
    ["an unknown kind of certificates", krl([1, certificates(0x24, bytes())]), "unknown kind 36"],
    ["a critical extension", krl([255, extension(true)]), '"x@example.com"'],
    ["one for certificates", krl([1, certificates(0x39, extension(true))]), '"x@example.com"'],
    ["a hash of another length", krl([3, new Writer().string(bytes(1, 2)).take()]), "wrong length"],
    ["half a number", krl([1, certificates(0x20, bytes(1, 2, 3))]), "ends too early"],
    ["a range and more", krl([1, certificates(0x21, new Uint8Array(17))]), "too many"],
    ["another format", krl().with(11, 2), "format 2"],
    ["bytes that are no text", bytes(0xff, 0xfe), "neither"],
  ];
  for (const [what, list, words] of refused) {
    assertThrows(() => RevocationList.parse(list), KeyFormatError, words, what);
  }
});

Deno.test("a revocation list that is cut at any byte but between its sections is refused", () => {
  const section = new Writer().string(key.publicKey.blob).take();
  const whole = krl([2, section]);
  const header = krl().length;
  for (let end = 0; end < whole.length; end++) {
    if (end === header || end === 0) continue;
    assertThrows(() => RevocationList.parse(whole.subarray(0, end)), KeyFormatError, "", `${end}`);
  }
});
