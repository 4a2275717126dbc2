import { assert, assertEquals, assertThrows } from "@std/assert";
import { PassphraseError } from "../../../lib/errors.ts";
import {
  type GeneratedKeyType,
  generateKey,
  importPrivateKey,
  importPublicKey,
} from "../../../lib/keys/mod.ts";
import { KnownHosts } from "../../../lib/known_hosts/mod.ts";
import { sshKeygen } from "./ssh_keygen.ts";
import { tempFolder } from "../../support/temp.ts";
import { peerTest } from "../harness/peers.ts";

const data = new TextEncoder().encode("what is signed");

const THEIR_TYPES = [
  ["ed25519"],
  ["ecdsa", "-b", "256"],
  ["ecdsa", "-b", "384"],
  ["ecdsa", "-b", "521"],
  ["rsa", "-b", "2048"],
  ["rsa", "-b", "3072"],
];
const OUR_TYPES: GeneratedKeyType[] = ["ed25519", "ecdsa-p256", "ecdsa-p384", "ecdsa-p521", "rsa"];

for (const type of THEIR_TYPES) {
  for (const passphrase of ["", "öpen sesame"]) {
    const kind = `${passphrase ? "an encrypted" : "a plain"} ${type.join(" ")}`;
    await peerTest(["ssh-keygen"], `importPrivateKey reads ${kind} key of ssh-keygen`, async () => {
      await using folder = await tempFolder();
      const file = `${folder.path}/key`;
      const rounds = type[0] === "ed25519" ? [] : ["-a", "2"];
      await sshKeygen([
        ...["-q", "-t", ...type, ...rounds, "-N", passphrase, "-C", "me@home", "-f", file],
      ]);
      const text = await Deno.readTextFile(file);
      const line = await Deno.readTextFile(`${file}.pub`);

      using key = importPrivateKey(text, { passphrase });
      const publicKey = importPublicKey(line);
      assert(key.publicKey.equals(publicKey));
      assertEquals(key.comment, "me@home");
      assertEquals(publicKey.toString(), line.trim());
      const listed = (await sshKeygen(["-l", "-f", `${file}.pub`])).split(" ");
      assertEquals([String(publicKey.bits), publicKey.fingerprint()], listed.slice(0, 2));
      for (const algorithm of publicKey.algorithms) {
        assert(publicKey.verify(algorithm, data, key.sign(algorithm, data)));
      }
      if (passphrase !== "") {
        assertThrows(() => importPrivateKey(text), PassphraseError, "passphrase required");
        assertThrows(
          () => importPrivateKey(text, { passphrase: "wrong" }),
          PassphraseError,
          "wrong passphrase",
        );
      }
    });
  }
}

for (const type of OUR_TYPES) {
  for (const passphrase of [undefined, "öpen sesame"]) {
    const kind = `${passphrase ? "encrypted" : "plain"} ${type}`;
    await peerTest(["ssh-keygen"], `ssh-keygen reads an exported ${kind} key`, async () => {
      await using folder = await tempFolder();
      using key = await generateKey(type, {
        comment: "made here",
        ...(type === "rsa" ? { bits: 2048 } : {}),
      });
      const file = `${folder.path}/key`;
      const text = key.export(
        passphrase === undefined
          ? {}
          : type === "ed25519"
          ? { passphrase }
          : { passphrase, rounds: 2 },
      );
      await Deno.writeTextFile(file, text, { mode: 0o600 });
      const line = await sshKeygen(["-y", "-P", passphrase ?? "", "-f", file]);
      assertEquals(line.trim(), key.publicKey.toString());
      await sshKeygen([
        ...["-q", "-p", "-a", "2", "-P", passphrase ?? "", "-N", "changed", "-f", file],
      ]);
      using changed = importPrivateKey(await Deno.readTextFile(file), { passphrase: "changed" });
      assert(changed.publicKey.equals(key.publicKey));
      assertEquals(changed.comment, "made here");
    });
  }
}

for (const hash of [false, true]) {
  const name = `ssh-keygen -F finds a ${hash ? "hashed" : "plain"} line of KnownHosts`;
  await peerTest(["ssh-keygen"], name, async () => {
    await using folder = await tempFolder();
    using key = await generateKey("ed25519");
    const file = `${folder.path}/known_hosts`;
    const hosts: [string, number][] = [["db1.example.com", 22], ["db1", 2222], ["::1", 2022]];
    const lines = hosts.map(([host, port]) => KnownHosts.line(host, port, key.publicKey, { hash }));
    await Deno.writeTextFile(file, lines.join("\n") + "\n");
    for (const name of ["db1.example.com", "[db1]:2222", "[::1]:2022"]) {
      assert((await sshKeygen(["-F", name, "-f", file])).includes("found: line"));
    }
  });
}

await peerTest(
  ["ssh-keygen"],
  "KnownHosts finds hosts in a file that ssh-keygen -H hashed",
  async () => {
    await using folder = await tempFolder();
    using key = await generateKey("ed25519");
    const file = `${folder.path}/known_hosts`;
    const text = `db1,[db2]:2222 ${key.publicKey}\n`;
    await Deno.writeTextFile(file, text);
    await sshKeygen(["-q", "-H", "-f", file]);
    const hashed = await Deno.readTextFile(file);
    assert(!hashed.includes("db1"));
    const known = KnownHosts.parse(hashed);
    assertEquals(known.check("db1", 22, key.publicKey).verdict, "trusted");
    assertEquals(known.check("DB2", 2222, key.publicKey).verdict, "trusted");
    assertEquals(known.check("db2", 22, key.publicKey).verdict, "unknown");
  },
);
