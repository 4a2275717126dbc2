import { assert, assertEquals } from "@std/assert";
import {
  generateKey,
  importPublicKey,
  issueCertificate,
  signMessage,
} from "../../../lib/keys/mod.ts";
import { tokenKey } from "../../keys/security_token.ts";
import { tempFolder } from "../../support/temp.ts";
import { peerTest } from "../harness/peers.ts";
import { sshKeygen } from "./ssh_keygen.ts";

const data = new TextEncoder().encode("what is signed");
const KINDS = [["ed25519", "ED25519-SK"], ["ecdsa", "ECDSA-SK"]] as const;

for (const [kind, label] of KINDS) {
  const key = tokenKey(kind);
  const { publicKey } = key;

  await peerTest(["ssh-keygen"], `ssh-keygen reads our key ${publicKey.type}`, async () => {
    await using folder = await tempFolder();
    const file = `${folder.path}/key.pub`;
    await Deno.writeTextFile(file, `${publicKey}\n`);
    const line = (await sshKeygen(["-l", "-f", file])).trim();
    assertEquals(line, `256 ${publicKey.fingerprint()} on a token (${label})`);
    assert(importPublicKey(`${publicKey}`).equals(publicKey));
  });

  await peerTest(
    ["ssh-keygen"],
    `ssh-keygen -Y verify accepts what a key ${publicKey.type} signs, with touch`,
    async () => {
      await using folder = await tempFolder();
      const [allowed, file] = [`${folder.path}/allowed`, `${folder.path}/sig`];
      await Deno.writeTextFile(allowed, `ann ${publicKey}\n`);
      await Deno.writeTextFile(file, await signMessage(key, data, { namespace: "file" }));
      const said = await sshKeygen(
        ["-Y", "verify", "-f", allowed, "-I", "ann", "-n", "file", "-s", file],
        "what is signed",
      );
      assert(said.startsWith('Good "file" signature for ann'), said);
    },
  );
}

await peerTest(
  ["ssh-keygen"],
  "certificates of keys on tokens equal ssh-keygen's",
  async () => {
    using authority = await generateKey();
    await using folder = await tempFolder();
    await Deno.writeTextFile(`${folder.path}/ca`, authority.export(), { mode: 0o600 });
    for (const [kind] of KINDS) {
      const { publicKey } = tokenKey(kind);
      await Deno.writeTextFile(`${folder.path}/key.pub`, `${publicKey}\n`);
      await sshKeygen([
        ...["-q", "-s", `${folder.path}/ca`, "-I", "x", "-n", "ann", "-O", "no-touch-required"],
        `${folder.path}/key.pub`,
      ]);
      const read = importPublicKey(await Deno.readTextFile(`${folder.path}/key-cert.pub`));
      assert(read.certificate?.publicKey.equals(publicKey));
      assert(read.certificate!.extensions.has("no-touch-required"));
      const ours = await issueCertificate(authority, publicKey, {
        kind: "user",
        keyId: "x",
        principals: [],
      });
      await Deno.writeTextFile(`${folder.path}/ours-cert.pub`, `${ours}\n`);
      const shown = await sshKeygen(["-L", "-f", `${folder.path}/ours-cert.pub`]);
      assert(shown.includes(`Type: ${ours.type} user certificate`), shown);
    }
  },
);
