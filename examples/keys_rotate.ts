/**
 * Replaces a key on many hosts: adds the new key, then logs in with it to remove the old one, which
 * proves that it works. The local key file is replaced only if every host has the new key:
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh --allow-write=$HOME/.ssh \
 *       examples/keys_rotate.ts ~/.ssh/id_ed25519 web1 web2
 */
import { type Client, fleet, loadKey, publicKey } from "@denossh/ssh";
import { generateKey, type PublicKey } from "@denossh/ssh/keys";

const [file, ...hosts] = Deno.args;
if (file === undefined || hosts.length === 0) {
  console.error("usage: keys_rotate.ts key-file host…");
  Deno.exit(2);
}

using old = await loadKey(file);
using fresh = await generateKey("ed25519", { comment: old.comment });
await Deno.writeTextFile(`${file}.new`, fresh.export(), { mode: 0o600 });
await Deno.writeTextFile(`${file}.new.pub`, `${fresh.publicKey} ${fresh.comment}\n`);

/** Changes the lines of authorized_keys; the file is replaced in one step. */
async function edit(host: Client, change: (lines: string[]) => string[]): Promise<void> {
  await using sftp = await host.sftp();
  const path = ".ssh/authorized_keys";
  const lines = (await sftp.readTextFile(path)).split("\n").filter((line) => line !== "");
  const text = change(lines).map((line) => `${line}\n`).join("");
  await sftp.put(new TextEncoder().encode(text), path, { atomic: true, mode: 0o600 });
}
const has = (line: string, key: PublicKey) => line.includes(`${key}`.split(" ")[1]!);

const added = await fleet(hosts, { connect: { auth: [publicKey(old)] } }).forEach((host) =>
  edit(host, (lines) => [...lines, `${fresh.publicKey} ${fresh.comment}`])
);
const ready = added.succeeded.map(({ host }) => host);
const removed = await fleet(ready, { connect: { auth: [publicKey(fresh)] } }).forEach((host) =>
  edit(host, (lines) => lines.filter((line) => !has(line, old.publicKey)))
);
for (const { host, error } of [...added.failed, ...removed.failed]) {
  console.error(`${host} still has the old key: ${(error as Error).message}`);
}
console.log(`${removed.succeeded.length} of ${hosts.length} hosts have the new key`);
if (removed.succeeded.length < hosts.length) Deno.exit(1);
await Deno.rename(file, `${file}.old`);
await Deno.rename(`${file}.new`, file);
await Deno.rename(`${file}.new.pub`, `${file}.pub`);
