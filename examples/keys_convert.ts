/**
 * Turns a private key of any format into another: openssh, pkcs8, pem or ppk.
 *
 *     deno run --allow-read examples/keys_convert.ts id_rsa.ppk openssh > id_rsa
 */
import { loadKey } from "@denossh/ssh";
import type { PrivateKeyFormat } from "@denossh/ssh/keys";

const FORMATS: readonly PrivateKeyFormat[] = ["openssh", "pkcs8", "pem", "ppk"];

const [file, name] = Deno.args;
const format = FORMATS.find((known) => known === name);
if (file === undefined || format === undefined) {
  console.error(`usage: keys_convert.ts key ${FORMATS.join("|")}`);
  Deno.exit(2);
}

let passphrase = "";
using key = await loadKey(file, {
  passphrase: () => passphrase = prompt("Passphrase:") ?? "",
});
// An encrypted key stays encrypted.
const text = key.export(passphrase === "" ? { format } : { format, passphrase });
await Deno.stdout.write(new TextEncoder().encode(text));
console.error(`${key.publicKey.fingerprint()} ${key.comment}`);
