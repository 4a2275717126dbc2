/**
 * Lists the largest files in a folder or of a pattern, with their owners:
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/sftp_find.ts me@example.com '/var/log/*.gz'
 */
import { connect } from "@denossh/ssh";
import type { SftpWalkEntry } from "@denossh/ssh/sftp";

const [target, where] = Deno.args;
if (target === undefined || where === undefined) {
  console.error("usage: sftp_find.ts [user@]host[:port] folder-or-pattern");
  Deno.exit(2);
}

await using host = await connect(target);
await using sftp = await host.sftp();
const found: SftpWalkEntry[] = /[*?[]/.test(where)
  ? await Array.fromAsync(sftp.glob(where))
  : await Array.fromAsync(sftp.walk(where, { includeDirs: false }));
const uids = [...new Set(found.map(({ info }) => info.uid ?? 0))];
const known = sftp.extensions.has("users-groups-by-id@openssh.com");
const { users } = known ? await sftp.usersAndGroups(uids, []) : { users: new Map() };
found.sort((a, b) => b.info.size - a.info.size);
for (const { path, info } of found.slice(0, 20)) {
  console.log(String(info.size).padStart(14), users.get(info.uid ?? 0) ?? info.uid, path);
}
