/**
 * Signs a file, or verifies its signature against a list of allowed signers, like `ssh-keygen -Y`:
 *
 *     deno run --allow-read --allow-write examples/keys_sign.ts sign ~/.ssh/id_ed25519 release.tar
 *     deno run --allow-read examples/keys_sign.ts verify allowed_signers ann@example.com release.tar
 */
import { loadKey, SignatureError } from "@denossh/ssh";
import { AllowedSigners, signMessage, verifyMessage } from "@denossh/ssh/keys";

const namespace = "file"; // a signature is valid for this purpose only
const [verb, ...args] = Deno.args;
if (verb === "sign" && args.length === 2) {
  const [keyFile, file] = args as [string, string];
  using key = await loadKey(keyFile, { passphrase: () => prompt("Passphrase:") ?? "" });
  const text = await signMessage(key, await Deno.readFile(file), { namespace });
  await Deno.writeTextFile(`${file}.sig`, text);
  console.log(`${file}.sig by ${key.publicKey.fingerprint()}`);
} else if (verb === "verify" && args.length === 3) {
  const [signersFile, principal, file] = args as [string, string, string];
  const allowed = AllowedSigners.parse(await Deno.readTextFile(signersFile));
  try {
    const text = await Deno.readTextFile(`${file}.sig`);
    const signature = verifyMessage(text, await Deno.readFile(file), { namespace });
    allowed.check(signature, principal);
    console.log(`${file} has a good signature by ${principal}`);
  } catch (error) {
    if (!(error instanceof SignatureError)) throw error;
    console.log(`${file}: ${error.message}`);
    Deno.exitCode = 1;
  }
} else {
  console.error("usage: keys_sign.ts sign key file | verify allowed_signers principal file");
  Deno.exit(2);
}
