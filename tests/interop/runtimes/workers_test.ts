/** The client on Cloudflare's platform, in its own runtime. */
import { assertEquals } from "@std/assert";
import { must } from "../../support/run.ts";
import { tempFolder } from "../../support/temp.ts";
import { bundle } from "../harness/bundle.ts";
import { peerTest, requirePeer } from "../harness/peers.ts";
import { startSshd } from "../harness/sshd.ts";
import { startWorker } from "../harness/workerd.ts";
import { report } from "./table.ts";
import { checkFindings, loginTo, startEcho } from "./world.ts";

await peerTest(
  ["sshd", "workerd"],
  "A worker runs commands, moves files and goes through tunnels",
  async () => {
    await using folder = await tempFolder();
    await using server = await startSshd();
    await using echo = startEcho();
    await bundle("tests/interop/peers/runtimes/worker.ts", folder.join("worker.js"));
    await using worker = await startWorker(folder, "worker.js");
    const body = JSON.stringify(await loginTo(server, echo));
    const response = await fetch(worker.url, { method: "POST", body });
    const text = await response.text();
    assertEquals(response.status, 200, `${text}\n${worker.log}`);
    checkFindings(JSON.parse(text));
    const version = (await must(await requirePeer("workerd"), ["--version"])).text.trim();
    const capabilities = ["connect", "exec", "SFTP", "tunnels"] as const;
    report({ runtime: "Cloudflare Workers", version, capabilities });
  },
);
