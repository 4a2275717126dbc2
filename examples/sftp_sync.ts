/**
 * Brings a folder on a server up to date: sends only changed files, and replaces each in one step.
 * Files that cannot be sent are reported, and the others are still sent:
 *
 *     deno run --allow-net --allow-env --allow-read \
 *       examples/sftp_sync.ts deploy@example.com ./dist /srv/app
 */
import { connect } from "@denossh/ssh";

const [target, local, remote] = Deno.args;
if (target === undefined || local === undefined || remote === undefined) {
  console.error("usage: sftp_sync.ts [user@]host[:port] local-folder remote-folder");
  Deno.exit(2);
}

await using host = await connect(target);
await using sftp = await host.sftp();
const { files, unchanged, bytes, failures } = await sftp.put(local, remote, {
  recursive: true,
  preserve: true,
  update: true,
  partial: true,
  onProgress: ({ transferred, total, rate, remaining }) => {
    const left = remaining === null ? "" : `, ${Math.ceil(remaining)} s left`;
    console.log(`${transferred} of ${total} bytes, ${(rate / 1e6).toFixed(1)} MB/s${left}`);
  },
});
console.log(`${files} files sent (${bytes} bytes), ${unchanged} unchanged`);
for (const { path, error } of failures) console.error(`${path}: ${error.message}`);
if (failures.length > 0) Deno.exit(1);
