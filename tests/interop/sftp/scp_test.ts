/** OpenSSH's scp and ours between an OpenSSH server and ours, through this machine and to it. */
import { assertEquals } from "@std/assert";
import { localFiles } from "@denossh/ssh/server";
import { CLI } from "../../cli/world.ts";
import type { Endpoint } from "../../support/endpoint.ts";
import { configFlags } from "../../support/ssh_flags.ts";
import { noise, startOurs } from "../harness/ours.ts";
import { peerTest } from "../harness/peers.ts";
import { must } from "../../support/run.ts";
import { startSshd } from "../harness/sshd.ts";
import { tempFolder } from "../../support/temp.ts";

/** A section of ssh_config to reach the endpoint without the files of the user. */
function section(name: string, endpoint: Endpoint): string {
  const settings = configFlags(endpoint).filter((flag) => flag.includes("="));
  const lines = [`HostName=${endpoint.hostname}`, `User=${endpoint.user}`, ...settings];
  return `Host ${name}\n${lines.map((line) => `  ${line.replace("=", " ")}\n`).join("")}`;
}

for (const [whose, scp] of [["OpenSSH's", ["scp"]], ["our", [...CLI, "scp"]]] as const) {
  await peerTest(["sshd", "scp"], `${whose} scp copies to, from and between servers`, async (t) => {
    await using sshd = await startSshd({ hostKeys: ["ed25519"] });
    await using ours = await startOurs({ sftp: localFiles({ root: "/" }) });
    await using folder = await tempFolder();
    const config = await folder.write("config", section("sshd", sshd) + section("ours", ours));
    const here = folder.join("tree");
    await Deno.mkdir(`${here}/deep er/ü`, { recursive: true });
    await folder.write("tree/deep er/file with space", noise(300_000, 1));
    await folder.write("tree/deep er/ü/empty", "");
    await Deno.utime(`${here}/deep er/file with space`, 1e9, 1e9);

    for (const [protocol, name] of [["-s", "over SFTP"], ["-O", "by the protocol of old"]]) {
      await t.step(name!, async () => {
        const [program, ...args] = [...scp, "-F", config, protocol!, "-rp"] as string[];
        const copy = (...rest: string[]) => must(program!, [...args, ...rest]);
        const places = ["first", "second", "third"].map((name) => folder.join(name + protocol));
        const [first, second, third] = places as [string, string, string];
        await copy(here, `ours:${first}`);
        await copy("-3", `ours:${first}`, `sshd:${second}`);
        await copy("-3", `sshd:${second}`, `ours:${third}`);
        await copy(`ours:${third}`, folder.join(`back${protocol}`));
        for (const place of [...places, folder.join(`back${protocol}`)]) {
          assertEquals((await must("diff", ["-r", here, place])).text, "");
          const { mtime } = await Deno.stat(`${place}/deep er/file with space`);
          assertEquals(mtime, new Date(1e12), place);
        }
      });
    }
  });
}
