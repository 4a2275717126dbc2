/**
 * Issues a key for one day, certified by an authority that the hosts trust, so that hosts need no list
 * of keys; then tries it on the hosts. Run it each morning, and a key stolen yesterday is useless:
 *
 *     deno run --allow-net --allow-env --allow-read --allow-write=$HOME/.ssh \
 *       examples/keys_issue.ts ./authority ann ~/.ssh/id_day web1 web2
 */
import { fleet, loadKey, publicKey } from "@denossh/ssh";
import { generateKey, issueCertificate, withCertificate } from "@denossh/ssh/keys";

const [authorityFile, user, file, ...hosts] = Deno.args;
if (authorityFile === undefined || user === undefined || file === undefined) {
  console.error("usage: keys_issue.ts authority-file user key-file [host…]");
  Deno.exit(2);
}

using authority = await loadKey(authorityFile);
using key = await generateKey("ed25519", { comment: user });
const certificate = await issueCertificate(authority, key.publicKey, {
  kind: "user",
  keyId: `${user}, ${new Date().toISOString().slice(0, 10)}`,
  principals: [user],
  serial: BigInt(Date.now()), // used to revoke it
  validBefore: new Date(Date.now() + 24 * 60 * 60 * 1000),
});
// Replaces yesterday's files, each in one step.
for (const [name, text] of [[file, key.export()], [`${file}-cert.pub`, `${certificate}\n`]]) {
  await Deno.writeTextFile(`${name}.new`, text!, { mode: 0o600 });
  await Deno.rename(`${name}.new`, name!);
}

const auth = [publicKey(withCertificate(key, certificate))];
const report = await fleet(hosts, { connect: { user, auth } }).run("id -un");
if (hosts.length > 0) console.log(report.table());
Deno.exit(report.success ? 0 : 1);
