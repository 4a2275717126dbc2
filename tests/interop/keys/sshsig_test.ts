import { assert, assertEquals, assertRejects } from "@std/assert";
import { digest } from "../../../lib/crypto/digest.ts";
import {
  type GeneratedKeyType,
  generateKey,
  issueCertificate,
  type MessageHash,
  readSignature,
  signMessage,
  verifyMessage,
  withCertificate,
} from "../../../lib/keys/mod.ts";
import { tempFolder } from "../../support/temp.ts";
import { peerTest } from "../harness/peers.ts";
import { sshKeygen } from "./ssh_keygen.ts";

const text = "I owe you\n";
const message = new TextEncoder().encode(text);
const namespace = "file";
const TYPES: GeneratedKeyType[] = ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa"];
const HASHES: MessageHash[] = ["sha256", "sha512"];
const keys = await Promise.all(
  TYPES.map((type) => generateKey(type, { comment: type, ...(type === "rsa" && { bits: 2048 }) })),
);

for (const signer of keys) {
  for (const hash of HASHES) {
    const what = `${signer.comment} over ${hash}`;
    await peerTest(
      ["ssh-keygen"],
      `ssh-keygen -Y verify accepts what signMessage writes: ${what}`,
      async () => {
        await using folder = await tempFolder();
        const [allowed, file] = [`${folder.path}/allowed`, `${folder.path}/sig`];
        await Deno.writeTextFile(allowed, `ann@example.com ${signer.publicKey}\n`);
        for (const algorithm of signer.publicKey.algorithms) {
          const signature = await signMessage(signer, message, { namespace, hash, algorithm });
          await Deno.writeTextFile(file, signature);
          const args = ["-n", namespace, "-s", file];
          const verify = ["-Y", "verify", "-f", allowed, "-I", "ann@example.com", ...args];
          const said = await sshKeygen(verify, text);
          assert(said.startsWith('Good "file" signature for ann@example.com'), said);
          await sshKeygen(["-Y", "check-novalidate", ...args], text);
          await assertRejects(() => sshKeygen(verify, `${text}!`));
          const read = readSignature(signature);
          assertEquals([read.hash, read.algorithm, read.namespace], [hash, algorithm, namespace]);
        }
      },
    );

    await peerTest(
      ["ssh-keygen"],
      `verifyMessage accepts what ssh-keygen -Y sign writes: ${what}`,
      async () => {
        await using folder = await tempFolder();
        const [file, letter] = [`${folder.path}/key`, `${folder.path}/letter`];
        await Deno.writeTextFile(file, signer.export(), { mode: 0o600 });
        await Deno.writeTextFile(letter, text);
        await sshKeygen([
          "-Y",
          "sign",
          "-f",
          file,
          "-n",
          namespace,
          "-O",
          `hashalg=${hash}`,
          letter,
        ]);
        const signature = await Deno.readTextFile(`${letter}.sig`);
        const { publicKey, ...read } = verifyMessage(signature, message, { namespace });
        assert(publicKey.equals(signer.publicKey));
        assertEquals(read.hash, hash);
        const name = hash === "sha256" ? "SHA-256" : "SHA-512";
        verifyMessage(signature, { digest: digest(name, message) }, { namespace });
      },
    );
  }
}

await peerTest(
  ["ssh-keygen"],
  "a signature may contain a certificate instead of its key",
  async () => {
    const [authority, holder] = [keys[1]!, keys.at(-1)!];
    const certificate = await issueCertificate(authority, holder.publicKey, {
      ...{ kind: "user", keyId: "ann", principals: ["ann"] },
    });
    const signer = withCertificate(holder, certificate);
    const signature = await signMessage(signer, message, { namespace });
    assert(verifyMessage(signature, message, { namespace }).publicKey.equals(certificate));
    await using folder = await tempFolder();
    const [allowed, file] = [`${folder.path}/allowed`, `${folder.path}/sig`];
    await Deno.writeTextFile(allowed, `ann cert-authority ${authority.publicKey}\n`);
    await Deno.writeTextFile(file, signature);
    const args = ["-Y", "verify", "-f", allowed, "-I", "ann", "-n", namespace, "-s", file];
    assert((await sshKeygen(args, text)).startsWith('Good "file" signature for ann'));

    await Deno.writeTextFile(`${folder.path}/key`, holder.export(), { mode: 0o600 });
    await Deno.writeTextFile(`${folder.path}/key-cert.pub`, `${certificate}\n`);
    await Deno.writeTextFile(`${folder.path}/letter`, text);
    await sshKeygen([
      ...["-Y", "sign", "-f", `${folder.path}/key-cert.pub`, "-n", namespace],
      `${folder.path}/letter`,
    ]);
    const theirs = await Deno.readTextFile(`${folder.path}/letter.sig`);
    assert(verifyMessage(theirs, message, { namespace }).publicKey.equals(certificate));
  },
);
