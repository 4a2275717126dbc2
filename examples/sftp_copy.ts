/**
 * Copies a folder from one server to another, through this machine but without a local copy:
 *
 *     deno run --allow-net --allow-env --allow-read=$HOME/.ssh,/etc/ssh \
 *       examples/sftp_copy.ts me@old.example.com:/srv/app me@new.example.com:/srv/app
 */
import { connect } from "@denossh/ssh";

const [from, to] = Deno.args.map((place) => /^(.+):([^:]+)$/.exec(place));
if (!from || !to) {
  console.error("usage: sftp_copy.ts [user@]host[:port]:folder [user@]host[:port]:folder");
  Deno.exit(2);
}

await using here = await connect(from[1]!);
await using there = await connect(to[1]!);
await using source = await here.sftp();
await using target = await there.sftp();
const { files, bytes } = await source.copy(from[2]!, { sftp: target, path: to[2]! }, {
  recursive: true,
  preserve: true,
});
console.log(`${files} files, ${bytes} bytes`);
