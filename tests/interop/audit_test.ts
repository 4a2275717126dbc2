/** `ssh-audit` checks our offers in both roles. */
import { assertEquals, assertMatch } from "@std/assert";
import { connect, none } from "@denossh/ssh";
import { freePort } from "../support/free_port.ts";
import { KEY_KINDS } from "./harness/keys.ts";
import { startOurs } from "./harness/ours.ts";
import { peerTest, requirePeer } from "./harness/peers.ts";
import { Program } from "../support/program.ts";
import { run } from "../support/run.ts";

/**
 * The complaints, except three that depend on the age of ssh-audit: old versions do not know the
 * post-quantum methods and call sntrup761x25519 (RFC 9941 today) an experiment; version 3.9 warns of every
 * method that is not post-quantum.
 */
function complaints(report: string): string[] {
  // deno-lint-ignore no-control-regex
  return report.replace(/\x1b\[[\d;]*m/g, "").split("\n").filter((line) =>
    /\[(warn|fail)\]/.test(line) &&
    !/unknown algorithm|sntrup761.*experimental|post-quantum attacks/.test(line)
  );
}

await peerTest(
  ["ssh-audit"],
  "ssh-audit finds no weakness in our server with strict algorithms",
  async () => {
    await using server = await startOurs({ algorithms: "strict" }, ["ed25519", "rsa"]);
    const audit = await requirePeer("ssh-audit");
    const { text } = await run(audit, ["-p", `${server.port}`, "127.0.0.1"], { timeout: 60_000 });
    assertEquals(text.includes("chacha20-poly1305@openssh.com"), true, text);
    assertEquals(complaints(text), []);
  },
);

await peerTest(
  ["ssh-audit"],
  "ssh-audit finds no weakness in our client with strict algorithms",
  async () => {
    const port = freePort();
    await using audit = new Program(await requirePeer("ssh-audit"), {
      args: ["-c", "-p", `${port}`, "-t", "20"],
    });
    let report: string | null = null;
    while (report === null) {
      // ssh-audit listens once it is ready, and reports on its first client.
      await connect(`me@127.0.0.1:${port}`, {
        auth: [none()],
        hostKeys: () => true,
        algorithms: "strict",
      }).catch(() => {});
      report = await audit.waitFor(/algorithm recommendations|message authentication/, 500).then(
        () => audit.log,
        () => null,
      );
    }
    assertEquals(complaints(report), []);
  },
);

await peerTest(
  ["ssh-audit"],
  "ssh-audit warns only of the default algorithms for old peers",
  async () => {
    await using server = await startOurs({}, KEY_KINDS);
    const audit = await requirePeer("ssh-audit");
    const { text } = await run(audit, ["-p", `${server.port}`, "127.0.0.1"], { timeout: 60_000 });
    assertMatch(complaints(text).join("\n"), /nistp256[\s\S]*hmac-sha2-256/);
  },
);
