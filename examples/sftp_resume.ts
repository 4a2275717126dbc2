/**
 * Fetches a large file over a link that breaks: each attempt resumes where the last one stopped. The
 * file gets its name once its hash equals that of `sha256sum` on the server:
 *
 *     deno run --allow-net --allow-env --allow-read --allow-write \
 *       examples/sftp_resume.ts backup@example.com /backup/db.tar ./db.tar
 */
import { type Client, connect } from "@denossh/ssh";
import type { SftpHash } from "@denossh/ssh/sftp";

const [target, remote, local] = Deno.args;
if (target === undefined || remote === undefined || local === undefined) {
  console.error("usage: sftp_resume.ts [user@]host[:port] remote-file local-file");
  Deno.exit(2);
}

/** The server computes the hash, so that the file crosses the link only once. */
const hashOn = (host: Client): SftpHash => async (path, length) => {
  const quoted = `'${path.replaceAll("'", `'\\''`)}'`;
  return (await host.run(`head -c ${length} -- ${quoted} | sha256sum`)).slice(0, 64);
};

for (let tries = 1;; tries++) {
  try {
    await using host = await connect(target);
    await using sftp = await host.sftp();
    const { bytes } = await sftp.get(remote, local, { resume: true, verify: hashOn(host) });
    console.log(`${bytes} bytes in attempt ${tries}`);
    break;
  } catch (error) {
    if (tries === 5) throw error;
    console.error(`Attempt ${tries}: ${error instanceof Error ? error.message : error}`);
  }
}
