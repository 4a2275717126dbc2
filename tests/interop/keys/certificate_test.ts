import { assert, assertEquals, assertThrows } from "@std/assert";
import { KeyFormatError } from "../../../lib/errors.ts";
import {
  type GeneratedKeyType,
  generateKey,
  importPublicKey,
  issueCertificate,
  plainAlgorithm,
} from "../../../lib/keys/mod.ts";
import { tempFolder } from "../../support/temp.ts";
import { peerTest } from "../harness/peers.ts";
import { sshKeygen } from "./ssh_keygen.ts";

const TYPES: GeneratedKeyType[] = ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa"];
const made = await Promise.all(
  TYPES.map((type) => generateKey(type, { comment: type, ...(type === "rsa" && { bits: 2048 }) })),
);
const authority = made[0]!;
const rsa = made.at(-1)!;
const key = await generateKey("ed25519", { comment: "me@home" });

for (const subject of made) {
  for (const signer of made) {
    if (subject !== made[0] && signer !== made[0]) continue; // each type in both places is enough
    const [type, by] = [subject.comment, signer.comment];
    const name = `ssh-keygen -L reads a certificate of ${type} by ${by} and its signature holds`;
    await peerTest(["ssh-keygen"], name, async () => {
      const certificate = await issueCertificate(signer, subject.publicKey, {
        ...{ kind: "user", keyId: "the id", principals: ["ann", "bob"], serial: 2n ** 63n },
        validAfter: new Date("2020-01-02T03:04:05Z"),
        validBefore: new Date("2030-01-02T03:04:05Z"),
        criticalOptions: { "source-address": "10.0.0.0/8", "force-command": "ls" },
        extensions: { "permit-pty": "", "name@example.com": "value" },
      });
      await using folder = await tempFolder();
      const file = `${folder.path}/key-cert.pub`;
      await Deno.writeTextFile(file, `${certificate}\n`);
      const shown = await sshKeygen(["-L", "-f", file], "", { TZ: "UTC" });
      const lines = shown.split("\n").map((line) => line.trim()).slice(1);
      assertEquals(lines.slice(0, 1), [`Type: ${certificate.type} user certificate`]);
      assert(lines[1]!.endsWith(subject.publicKey.fingerprint()), shown);
      const { signatureAlgorithm } = certificate.certificate!;
      assert(lines[2]!.endsWith(`${signer.publicKey.fingerprint()} (using ${signatureAlgorithm})`));
      assertEquals(lines.slice(3), [
        'Key ID: "the id"',
        "Serial: 9223372036854775808",
        "Valid: from 2020-01-02T03:04:05 to 2030-01-02T03:04:05",
        ...["Principals:", "ann", "bob"],
        ...["Critical Options:", "force-command ls", "source-address 10.0.0.0/8"],
        ...["Extensions:", "name@example.com UNKNOWN OPTION: 0000000576616c7565 (len 9)"],
        ...["permit-pty", ""],
      ]);
    });

    await peerTest(
      ["ssh-keygen"],
      `importPublicKey reads what ssh-keygen -s writes: ${type} by ${by}`,
      async () => {
        await using folder = await tempFolder();
        await Deno.writeTextFile(`${folder.path}/ca`, signer.export(), { mode: 0o600 });
        await Deno.writeTextFile(`${folder.path}/key.pub`, `${subject.publicKey}\n`);
        await sshKeygen([
          ...["-q", "-s", `${folder.path}/ca`, "-h", "-I", "db1", "-n", "db1,db1.example.com"],
          ...["-z", "42", "-V", "always:20300102030405Z", `${folder.path}/key.pub`],
        ]);
        const line = await Deno.readTextFile(`${folder.path}/key-cert.pub`);
        const read = importPublicKey(line);
        assertEquals(read.toString(), line.trim());
        assertEquals(read.type, plainTypeName(subject.publicKey.type));
        assertEquals(read.bits, subject.publicKey.bits);
        assertEquals(read.algorithms.map(plainAlgorithm), subject.publicKey.algorithms);
        assertEquals(read.fingerprint(), subject.publicKey.fingerprint());
        const { certificate } = read;
        assert(certificate !== null && certificate.publicKey.equals(subject.publicKey));
        assertEquals(certificate.publicKey.certificate, null);
        assert(certificate.authority.equals(signer.publicKey));
        assertEquals(certificate.signatureAlgorithm, signer.publicKey.algorithms[0]);
        assertEquals([certificate.serial, certificate.kind, certificate.keyId], [
          42n,
          "host",
          "db1",
        ]);
        assertEquals(certificate.principals, ["db1", "db1.example.com"]);
        assertEquals([certificate.validAfter, certificate.validBefore], [0n, 1893553445n]);
        assertEquals([certificate.criticalOptions.size, certificate.extensions.size], [0, 0]);
      },
    );
  }
}

function plainTypeName(type: string): string {
  return `${type}-cert-v01@openssh.com`;
}

await peerTest(["ssh-keygen"], "a certificate of ssh-keygen -t ssh-rsa is refused", async () => {
  await using folder = await tempFolder();
  await Deno.writeTextFile(`${folder.path}/ca`, rsa.export(), { mode: 0o600 });
  await Deno.writeTextFile(`${folder.path}/key.pub`, `${key.publicKey}\n`);
  const args = ["-q", "-s", `${folder.path}/ca`, "-t", "ssh-rsa", "-I", "x", "-n", "ann"];
  await sshKeygen([...args, `${folder.path}/key.pub`]);
  const line = await Deno.readTextFile(`${folder.path}/key-cert.pub`);
  assertThrows(() => importPublicKey(line), KeyFormatError, 'signed by "ssh-rsa"');
});

await peerTest(
  ["ssh-keygen"],
  "options and extensions of ssh-keygen have their values",
  async () => {
    await using folder = await tempFolder();
    await Deno.writeTextFile(`${folder.path}/ca`, authority.export(), { mode: 0o600 });
    await Deno.writeTextFile(`${folder.path}/key.pub`, `${key.publicKey}\n`);
    await sshKeygen([
      ...["-q", "-s", `${folder.path}/ca`, "-I", "x", "-n", "ann", "-O", "force-command=ls -l"],
      ...["-O", "verify-required", "-O", "no-pty", "-O", "extension:hint@example.com=blue"],
      ...["-O", "critical:must@example.com", `${folder.path}/key.pub`],
    ]);
    const { certificate } = importPublicKey(await Deno.readTextFile(`${folder.path}/key-cert.pub`));
    assertEquals(Object.fromEntries(certificate!.criticalOptions), {
      "force-command": "ls -l",
      "must@example.com": "",
      "verify-required": "",
    });
    assertEquals(Object.fromEntries(certificate!.extensions), {
      "hint@example.com": "blue",
      "permit-X11-forwarding": "",
      "permit-agent-forwarding": "",
      "permit-port-forwarding": "",
      "permit-user-rc": "",
    });
  },
);
