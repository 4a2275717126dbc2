/**
 * A scheduled task that deploys the newest build of a site. It needs neither local files nor programs,
 * so it runs on Deno Deploy, or anywhere with `deno run`. The build, a .tar.gz, is streamed from its
 * URL to `tar` on the server; once it is complete, a symbolic link makes it the current release.
 * BUILD_URL, SITE (a folder on the server), SSH_TARGET
 * (`user@host:port`), SSH_HOST_KEY (the fingerprint) and SSH_KEY (the text of the key) come from the
 * environment:
 *
 *     deno run --unstable-cron --allow-net --allow-env=BUILD_URL,SITE,SSH_TARGET,SSH_HOST_KEY,SSH_KEY \
 *       examples/edge/cron_deploy.ts
 */
import { connect, publicKey, sh } from "@denossh/ssh";
import { importPrivateKey } from "@denossh/ssh/keys";

async function deploy(): Promise<void> {
  const site = variable("SITE");
  const build = await fetch(variable("BUILD_URL"));
  if (!build.ok || build.body === null) throw new Error(`The build answers ${build.status}`);
  const version = build.headers.get("etag") ?? build.headers.get("last-modified") ?? "";
  const release = `releases/${version.replaceAll(/\W+/g, "_")}`;

  using key = importPrivateKey(variable("SSH_KEY"));
  await using host = await connect(variable("SSH_TARGET"), {
    auth: [publicKey(key)],
    hostKeys: variable("SSH_HOST_KEY"),
    config: false,
  });
  const there = await host.command(sh`test -d ${site}/${release}`).output();
  if (there.success) {
    await build.body.cancel();
    console.log(`${release} is already deployed`);
    return;
  }
  const fresh = `releases/${crypto.randomUUID()}`;
  await host.run(sh`mkdir -p ${site}/${fresh}`);
  await host.run(sh`tar -xzf - -C ${fresh}`, { cwd: site, input: build.body });
  const link = sh`mv -T ${fresh} ${release} && ln -sfn ${release} new && mv -T new current`;
  await host.run(link, { cwd: site });
  console.log(`${release} is the current release`);
}

function variable(name: string): string {
  const value = Deno.env.get(name);
  if (!value) throw new Error(`${name} is not set`);
  return value;
}

Deno.cron("deploy the newest build", "*/15 * * * *", deploy);
