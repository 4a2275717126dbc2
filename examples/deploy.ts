/**
 * Deploys a folder host by host: uploads it to a new folder, then switches a link to it in one step.
 * If the upload or the check fails, the link is switched back, the new folder is removed, and the
 * remaining hosts are not touched:
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
/** Older releases that are kept, not counting the one before. */
const KEPT = 3;
const current = `${base}/current`;
const releases = `${base}/releases`;
const stamp = new Date().toISOString().replace(/\D/g, "").slice(0, 14);
const release = `${releases}/${stamp}`;

/** A link cannot be changed in place: a new one is renamed over it, so that the name always exists. */
async function switchTo(sftp: SftpClient, target: string): Promise<void> {
  const fresh = `${base}/.next`;
  await sftp.remove(fresh).catch(() => {});
  await sftp.symlink(target, fresh);
  await sftp.rename(fresh, current);
}

const deploying = fleet(hosts, { concurrency: 1 }).forEach(async (host) => {
  await using sftp = await host.sftp();
  const before = await sftp.exists(current) ? await sftp.readLink(current) : null;
  await sftp.mkdir(releases, { recursive: true });
  await sftp.mkdir(release); // fails if it exists
  try {
    await sftp.put(local, release, { recursive: true, preserve: true, links: "keep" });
    await switchTo(sftp, `releases/${stamp}`); // a link's target is relative to the link's folder
    await host.run(check, { timeout: 30_000 });
  } catch (error) {
    if (before !== null) await switchTo(sftp, before);
    else await sftp.remove(current).catch(() => {});
    await sftp.remove(release, { recursive: true });
    throw error;
  }
  // Neither the new one, nor the one before, nor folders that this program has not made.
  const names = await Array.fromAsync(sftp.readDir(releases), ({ name }) => name);
  const old = names.filter((name) =>
    /^\d{14}$/.test(name) && name !== stamp && !before?.endsWith(`/${name}`)
  );
  for (const name of old.sort().slice(0, -KEPT)) {
    await sftp.remove(`${releases}/${name}`, { recursive: true })
      .catch(({ message }) => console.warn(message)); // the new one is live all the same
  }
});

for await (const result of deploying) {
  if (result.success) console.log(`${result.host}: ${release}`);
  else {
    console.error(`${result.host}: not deployed: ${(result.error as Error).message}`);
    Deno.exit(1);
  }
}
