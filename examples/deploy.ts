/**
 * Deploys a folder host by host: uploads it to a new folder, then switches a link to it in one step.
 * If the check fails, the link is switched back and the remaining hosts are not touched:
 *
 *     deno run --allow-net --allow-env --allow-read \
 *       examples/deploy.ts ./dist /srv/app 'curl -fsS localhost:8080/health' web1 web2
 */
import { fleet, type SftpClient } from "@denossh/ssh";

const [local, base, check, ...hosts] = Deno.args;
if (local === undefined || base === undefined || check === undefined || hosts.length === 0) {
  console.error("usage: deploy.ts local-folder remote-folder check-command host…");
  Deno.exit(2);
}
const KEPT = 5;
const current = `${base}/current`;
const releases = `${base}/releases`;
const release = `${releases}/${new Date().toISOString().replace(/\D/g, "").slice(0, 14)}`;

/** A link cannot be changed in place: a new one is renamed over it, so that the name always exists. */
async function switchTo(sftp: SftpClient, target: string): Promise<void> {
  const fresh = `${base}/.next`;
  await sftp.remove(fresh).catch(() => {});
  await sftp.symlink(target, fresh);
  await sftp.rename(fresh, current);
}

const deploying = fleet(hosts, { concurrency: 1 }).forEach(async (host) => {
  await using sftp = await host.sftp();
  await sftp.mkdir(releases, { recursive: true });
  await sftp.put(local, release, { recursive: true, preserve: true });
  const before = await sftp.readLink(current).catch(() => null);
  await switchTo(sftp, release);
  try {
    await host.run(check, { timeout: 30_000 });
  } catch (error) {
    if (before !== null) await switchTo(sftp, before);
    throw error;
  }
  const old = await Array.fromAsync(sftp.readDir(releases), ({ name }) => name);
  for (const name of old.sort().slice(0, -KEPT)) {
    await sftp.remove(`${releases}/${name}`, { recursive: true });
  }
});

for await (const result of deploying) {
  if (result.success) console.log(`${result.host}: ${release}`);
  else {
    console.error(`${result.host}: not deployed: ${(result.error as Error).message}`);
    Deno.exit(1);
  }
}
