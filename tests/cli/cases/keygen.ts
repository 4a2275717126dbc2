/** Command lines of keygen, and the parts of their output that are compared. */
import { importPrivateKey, importPublicKey, readSignature } from "../../../lib/keys/mod.ts";
import type { TempFolder } from "../../support/temp.ts";

/** Command lines; a word that begins with @ is a file, and the error text may differ if marked so. */
export const COMMANDS: readonly (readonly [name: string, args: string[], loose?: "loose"])[] = [
  ["-y", ["-y", "-f", "@ecdsa"]],
  ["-y with a passphrase", ["-y", "-P", "secret", "-f", "@locked"]],
  ["-y with a wrong one", ["-y", "-P", "wrong", "-f", "@locked"]],
  ["-y without a file", ["-y", "-f", "@nothing"], "loose"],
  ["-l of a certificate", ["-l", "-f", "@ecdsa-cert.pub"]],
  ["-l by MD5", ["-l", "-E", "md5", "-f", "@rsa.pub"]],
  ["-l by SHA-1", ["-l", "-E", "sha1", "-f", "@rsa.pub"]],
  ["-l by SHA-512", ["-l", "-E", "SHA512", "-f", "@ecdsa"]],
  ["-l by nothing known", ["-l", "-E", "crc", "-f", "@rsa.pub"]],
  ["-lv by MD5", ["-lv", "-E", "md5", "-f", "@ed25519.pub"]],
  ["-lv of a certificate", ["-lvf", "@ecdsa-cert.pub"]],
  ["-l of known hosts", ["-l", "-f", "@hosts"]],
  ["-L", ["-L", "-f", "@ecdsa-cert.pub"]],
  ["-L of several", ["-L", "-f", "@certificates"]],
  ["-L of keys among them", ["-L", "-f", "@mixed"]],
  ["-B", ["-B", "-f", "@rsa.pub"]],
  ["-B of a certificate", ["-B", "-f", "@ecdsa-cert.pub"]],
  ["-L of a key", ["-L", "-f", "@ecdsa.pub"]],
  ["-e", ["-e", "-f", "@ed25519.pub"]],
  ["-e of a private key", ["-e", "-f", "@ecdsa"]],
  ["-e as PKCS#8", ["-e", "-m", "PKCS8", "-f", "@ecdsa.pub"]],
  ["-e as PEM", ["-e", "-m", "PEM", "-f", "@rsa.pub"]],
  ["-e as nothing known", ["-e", "-m", "JWK", "-f", "@rsa.pub"]],
  ["-e to a format that lacks it", ["-e", "-m", "PEM", "-f", "@ecdsa-cert.pub"], "loose"],
  ["-i", ["-i", "-f", "@rsa.RFC4716"]],
  ["-i of PKCS#8", ["-i", "-m", "PKCS8", "-f", "@rsa.PKCS8"]],
  ["-i of PEM", ["-i", "-m", "PEM", "-f", "@rsa.PEM"]],
  ["-i of a file without a key", ["-i", "-f", "@letter"], "loose"],
  ["-p", ["-p", "-f", "@ed25519", "-P", "", "-N", "secret", "-a", "1"]],
  ["-p with another cipher", [
    "-p",
    "-f",
    "@rsa",
    "-N",
    "x",
    "-a",
    "1",
    "-Z",
    "aes128-gcm@openssh.com",
  ]],
  ["-p that takes it off", ["-p", "-f", "@locked", "-P", "secret", "-N", ""]],
  ["-p with a wrong passphrase", ["-p", "-f", "@locked", "-P", "wrong", "-N", ""]],
  ["-p as PEM", ["-p", "-f", "@rsa", "-P", "", "-N", "secret", "-m", "PEM"]],
  ["-p as PKCS#8", ["-p", "-f", "@ecdsa", "-P", "", "-N", "", "-m", "PKCS8"]],
  ["-p with an unknown cipher", ["-p", "-f", "@rsa", "-N", "x", "-Z", "rot13"], "loose"],
  ["-p with no rounds", ["-p", "-f", "@rsa", "-N", "x", "-a", "0"]],
  ["-c", ["-c", "-f", "@ed25519", "-P", "", "-C", "new name"]],
  ["-c of the same", ["-c", "-f", "@ed25519", "-P", "", "-C", "ed25519@home"]],
  ["-c that takes it off", ["-c", "-f", "@ed25519", "-P", "", "-C", ""]],
  ["-c with a passphrase", ["-c", "-f", "@locked", "-P", "secret", "-C", "x", "-a", "1"]],
  ["-s", [
    "-s",
    "@ca",
    "-I",
    "x",
    "-n",
    "ann,bob",
    "-z",
    "7",
    "-V",
    "20200101:20300101",
    "@rsa.pub",
  ]],
  ["-s for a host", ["-s", "@ca", "-h", "-I", "x", "-n", "db1", "@rsa.pub"]],
  ["-s without principals", ["-s", "@ca", "-I", "x", "@rsa.pub"]],
  ["-s until then", [
    "-s",
    "@ca",
    "-I",
    "x",
    "-n",
    "a",
    "-V",
    "always:20300101000000Z",
    "@rsa.pub",
  ]],
  ["-s from then", ["-s", "@ca", "-I", "x", "-n", "a", "-V", "0x5e0be100:forever", "@rsa.pub"]],
  ["-s with options", [
    ...["-s", "@ca", "-I", "x", "-n", "a", "-O", "clear", "-O", "permit-pty"],
    ...["-O", "force-command=ls -l", "-O", "source-address=10.0.0.0/8", "-O", "no-touch-required"],
    ...["-O", "critical:a@b=c", "-O", "extension:d@e", "-O", "permit-agent-forwarding", "@rsa.pub"],
  ]],
  ["-s with restrictions", [
    ...["-s", "@ca", "-I", "x", "-n", "a", "-O", "no-x11-forwarding", "-O", "no-port-forwarding"],
    ...["-O", "no-agent-forwarding", "-O", "no-pty", "-O", "verify-required", "@rsa.pub"],
  ]],
  ["-s of several", ["-s", "@ca", "-I", "x", "-n", "a", "-z", "+5", "@rsa.pub", "@ed25519.pub"]],
  ["-s by RSA with SHA-256", ["-s", "@rsa", "-t", "rsa-sha2-256", "-I", "x", "-n", "a", "@ca.pub"]],
  ["-s in silence", ["-q", "-s", "@ca", "-I", "x", "-n", "a", "@rsa.pub"]],
  ["-s without a name", ["-s", "@ca", "-n", "a", "@rsa.pub"]],
  ["-s with an unknown option", ["-s", "@ca", "-I", "x", "-O", "bogus", "@rsa.pub"]],
  ["-s with no time", ["-s", "@ca", "-I", "x", "-V", "soon", "@rsa.pub"]],
  ["-s with time that is backwards", [
    "-s",
    "@ca",
    "-I",
    "x",
    "-V",
    "20300101:20200101",
    "@rsa.pub",
  ]],
  ["-s with no number", ["-s", "@ca", "-I", "x", "-z", "many", "@rsa.pub"]],
  ["-s of nothing", ["-s", "@ca", "-I", "x", "@nothing.pub"]],
  ["-s by nothing", ["-s", "@nothing", "-I", "x", "@rsa.pub"]],
  ["-Y sign", ["-Y", "sign", "-f", "@ed25519", "-n", "file", "@hosts"]],
  ["-Y sign over SHA-256", [
    "-Y",
    "sign",
    "-f",
    "@rsa",
    "-n",
    "x",
    "-O",
    "hashalg=sha256",
    "@hosts",
  ]],
  ["-Y sign by the public half", ["-Y", "sign", "-f", "@ecdsa.pub", "-n", "x", "@hosts"]],
  ["-Y sign by a certificate", ["-Y", "sign", "-f", "@ecdsa-cert.pub", "-n", "x", "@hosts"]],
  ["-Y sign without a namespace", ["-Y", "sign", "-f", "@rsa", "@hosts"]],
  ["-Y sign without a key", ["-Y", "sign", "-n", "file", "@hosts"]],
  [
    "-Y sign over MD5",
    ["-Y", "sign", "-f", "@rsa", "-n", "x", "-O", "hashalg=md5", "@hosts"],
    "loose",
  ],
  ["-Y sign with an unknown option", ["-Y", "sign", "-f", "@rsa", "-n", "x", "-O", "y", "@hosts"]],
  ["-Y sign of nothing", ["-q", "-Y", "sign", "-f", "@rsa", "-n", "x", "@nothing"]],
  ["-Y find-principals", ["-Y", "find-principals", "-f", "@allowed", "-s", "@letter.sig"]],
  [
    "-Y find-principals of none",
    ["-Y", "find-principals", "-f", "@letter", "-s", "@letter.sig"],
    "loose",
  ],
  ["-Y match-principals", ["-Y", "match-principals", "-f", "@allowed", "-I", "x@example.com"]],
  ["-Y match-principals of none", ["-Y", "match-principals", "-f", "@allowed", "-I", "eve"]],
  ["-Y verify without a signature", ["-Y", "verify", "-f", "@allowed", "-I", "a", "-n", "x"]],
  ["-Y verify without a name", ["-Y", "verify", "-f", "@allowed", "-n", "x", "-s", "@letter.sig"]],
  ["-Q", ["-Q", "-f", "@krl", "@rsa.pub", "@ca.pub"]],
  ["-Q of none", ["-Q", "-f", "@krl", "@ca.pub"]],
  ["-Q of nothing", ["-Q", "-f", "@krl", "@nothing"]],
  ["-Q in nothing", ["-Q", "-f", "@nothing", "@rsa.pub"]],
  ["-Ql", ["-Ql", "-f", "@krl"]],
  ["-Ql of keys", ["-Q", "-l", "-f", "@krl", "@rsa.pub", "@ca.pub"]],
  ["-Ql in nothing", ["-Q", "-l", "-f", "@nothing"]],
  ["-F", ["-F", "h1", "-f", "@hosts"]],
  ["-F of another port", ["-F", "[h3]:2222", "-f", "@hosts"]],
  ["-F by a pattern", ["-F", "db.example.com", "-f", "@hosts"]],
  ["-F of none", ["-F", "h9", "-f", "@hosts"]],
  ["-F in nothing", ["-F", "h9", "-f", "@nothing"]],
  ["-lF", ["-lF", "h1", "-f", "@hosts"]],
  ["-lvF", ["-lv", "-F", "h2", "-f", "@hosts"]],
  ["-R", ["-R", "h1", "-f", "@hosts"]],
  ["-R of none", ["-R", "h9", "-f", "@hosts"]],
  ["-H", ["-H", "-f", "@hosts"]],
  ["-HF", ["-HF", "h2", "-f", "@hosts"]],
  ["-HF in silence", ["-qHF", "h2", "-f", "@hosts"]],
  ["-HF of a wildcard", ["-HF", "x.example.com", "-f", "@hosts"]],
  ["-HF of a revoked key", ["-HF", "h1", "-f", "@hosts"]],
  ["-F with a bad line", ["-F", "h4", "-f", "@broken"]],
  ["-F of a bad line", ["-F", "h6", "-f", "@broken"]],
  ["-HF with a bad line", ["-HF", "h4", "-f", "@broken"]],
  ["-R with a bad line", ["-R", "h2", "-f", "@broken"]],
  ["-R of none with a bad line", ["-R", "h9", "-f", "@broken"]],
  ["-H with a bad line", ["-H", "-f", "@broken"]],
  ["-F of keys that are unknown", ["-F", "h1", "-f", "@odd"]],
  ["-R of keys that are unknown", ["-R", "h1", "-f", "@odd"]],
  ["-H of keys that are unknown", ["-H", "-f", "@odd"]],
  ["-r", ["-r", "db1", "-f", "@rsa.pub"]],
  ["-r of a curve", ["-r", "db1", "-f", "@ecdsa"]],
  ["-r of a certificate", ["-r", "db1", "-f", "@ecdsa-cert.pub"]],
  ["-rg", ["-g", "-r", "db1", "-f", "@ed25519.pub"]],
  ["-r of nothing", ["-r", "db1", "-f", "@nothing"]],
  ["-s of private keys", ["-s", "@ca", "-I", "x", "-n", "a", "@rsa", "@locked"]],
  ["-Q of private keys", ["-Q", "-f", "@krl", "@rsa", "@ca"]],
  ["-l of a private key with a passphrase", ["-l", "-f", "@locked"]],
  ["-t ssh-ed25519", ["-t", "ssh-ed25519", "-f", "@x", "-N", "", "-C", "me"]],
  ["-t ecdsa-sha2-nistp384", ["-t", "ecdsa-sha2-nistp384", "-f", "@x", "-N", "", "-C", "me"]],
  [
    "-t ecdsa-sha2-nistp521 with a size",
    ["-t", "ecdsa-sha2-nistp521", "-b", "256", "-f", "@x", "-N", "", "-C", "me"],
  ],
  ["-t ssh-rsa", ["-t", "ssh-rsa", "-b", "2048", "-f", "@x", "-N", "", "-C", "me"]],
  ["-t rsa-sha2-256", ["-t", "rsa-sha2-256", "-b", "2048", "-f", "@x", "-N", "", "-C", "me"]],
  ["-t ecdsa-sha2-nistp123", ["-t", "ecdsa-sha2-nistp123", "-f", "@x", "-N", ""], "loose"],
  ["-t rsa, too small", ["-t", "rsa", "-b", "512", "-f", "@x", "-N", ""], "loose"],
  ["-t ecdsa of 521 bits", ["-t", "ecdsa", "-b", "521", "-f", "@x", "-N", "", "-C", "me"]],
  ["-t ecdsa as PKCS#8", ["-t", "ecdsa", "-m", "PKCS8", "-f", "@x", "-N", "secret", "-C", "me"]],
  ["-Z", [
    "-t",
    "ed25519",
    "-Z",
    "chacha20-poly1305@openssh.com",
    "-f",
    "@x",
    "-N",
    "s",
    "-C",
    "me",
  ]],
];

/** Removes random parts: salts of hosts, and fingerprints and randomart of new keys. */
export function normal(output: string): string {
  return output
    .replace(/^\|1\|\S+/gm, "|1|…")
    .replace(/(fingerprint is:\n)\S+/, "$1…")
    .replace(/(image is:\n\+)[^+]*\+\n(\|.*\|\n)*/, "$1…+\n");
}

/** The files of a folder that differ from the seed, without their random parts. */
export async function describe(
  folder: TempFolder,
  seed: string,
): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder.path)) {
    const text = await Deno.readTextFile(folder.join(name));
    const before = await Deno.readTextFile(`${seed}/${name}`).catch(() => null);
    if (text === before) continue;
    const mode = ((await Deno.stat(folder.join(name))).mode! & 0o777).toString(8);
    files[name] = `${mode} ${meaning(name, text)}`;
  }
  return Object.fromEntries(Object.entries(files).sort());
}

function meaning(name: string, text: string): string {
  if (text.includes("PRIVATE KEY-----")) return privateMeaning(name, text);
  if (name.endsWith("-cert.pub")) {
    const { certificate, comment } = importPublicKey(text);
    const { publicKey, authority, ...fields } = certificate!;
    return Deno.inspect({ ...fields, of: `${publicKey}`, by: authority.fingerprint(), comment });
  }
  if (name.startsWith("x")) return text.replace(/AAAA\S+/, "…"); // a new key
  if (text.startsWith("-----BEGIN SSH SIGNATURE")) {
    return Deno.inspect({ ...readSignature(text), verify: null });
  }
  return normal(text).replace(/ +$/gm, ""); // ssh-keygen leaves one if there is no comment
}

function privateMeaning(name: string, text: string): string {
  const kind = `${
    text.split("\n").slice(0, 2).join(" ").replace(/[A-Za-z0-9+/=]{60,}|[0-9A-F]{32}/g, "…")
  }`;
  for (const passphrase of ["", "secret", "x", "s"]) {
    try {
      using key = importPrivateKey(text, { passphrase });
      const whose = name.startsWith("x") ? key.publicKey.type : `${key.publicKey}`;
      return `${kind} by "${passphrase}": ${whose} ${key.comment}`;
    } catch { /* another one, then */ }
  }
  return `${kind}: unknown passphrase`;
}
