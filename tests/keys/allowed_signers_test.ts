import { assertEquals, assertThrows } from "@std/assert";
import { SignatureError } from "../../lib/errors.ts";
import { AllowedSigners, generateKey } from "../../lib/keys/mod.ts";

const plain = await generateKey("ed25519", { comment: "ann@home" });
const other = await generateKey("ed25519");
const KEY = plain.publicKey.toString();

Deno.test("check says why a signer may not", () => {
  const signed = { publicKey: plain.publicKey, namespace: "file" };
  const reasons: [string, string][] = [
    ["", '"ann" may not sign with SHA256:'],
    [`ann ${other.publicKey}`, "another key is theirs"],
    [`ann namespaces="git" ${KEY}`, 'not for the namespace "file"'],
    [`ann valid-before="20200101" ${KEY}`, "the key has expired"],
    [`ann valid-after="29990101" ${KEY}`, "the key is not yet valid"],
  ];
  for (const [file, words] of reasons) {
    const check = () => AllowedSigners.parse(file).check(signed, "ann");
    assertEquals(assertThrows(check, SignatureError, words).reason, "signer");
  }
});

Deno.test("hostile lines of allowed signers take no more than linear time", () => {
  const hostile = [
    `a ${"x,".repeat(1e5)} ${KEY}`,
    `a namespaces="${'\\"'.repeat(1e5)}`,
    `a ${" ".repeat(1e5)}`,
    `"${" ".repeat(1e5)}`,
    `"${'"'.repeat(1e5)}`,
  ];
  for (const line of hostile) assertEquals(AllowedSigners.parse(line).entries.length, 0);
});
