import { assert, assertEquals } from "@std/assert";
import {
  generateKey,
  issueCertificate,
  type PublicKey,
  RevocationList,
} from "../../../lib/keys/mod.ts";
import { peerTest } from "../harness/peers.ts";
import { must, run } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";

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

/** The input of ssh-keygen for revocation lists: KRL specification lines, or plain keys. */
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
