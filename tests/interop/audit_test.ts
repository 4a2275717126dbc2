/** `ssh-audit` looks at what we offer, in both roles. */
import { assertEquals } from "@std/assert";
import { connect, none } from "@denossh/ssh";
import { freePort } from "../support/free_port.ts";
import { KEY_KINDS } from "./harness/keys.ts";
import { startOurs } from "./harness/ours.ts";
import { peerTest, requirePeer } from "./harness/peers.ts";
import { Program } from "../support/program.ts";
import { run } from "../support/run.ts";

/**
 * The complaints. Debian's ssh-audit is older than the post-quantum kex, and than strict kex, which it
 * takes for an algorithm; that it does not know a name is no finding about it. sntrup761x25519 was an
 * experiment when it was written, and is RFC 9941 today.
 */
function complaints(report: string): string[] {
  // deno-lint-ignore no-control-regex
  return report.replace(/\x1b\[[\d;]*m/g, "").split("\n").filter((line) =>
    /\[(warn|fail)\]/.test(line) && !/unknown algorithm|sntrup761.*experimental/.test(line)
  );
}

await peerTest(["ssh-audit"], "ssh-audit finds nothing to warn about in our server", async () => {
  await using server = await startOurs({}, ["ed25519", "rsa"]);
  const audit = await requirePeer("ssh-audit");
  const { text } = await run(audit, ["-p", `${server.port}`, "127.0.0.1"], { timeout: 60_000 });
  assertEquals(text.includes("chacha20-poly1305@openssh.com"), true, text);
  assertEquals(complaints(text), []);
});

await peerTest(["ssh-audit"], "ssh-audit finds nothing to warn about in our client", async () => {
  const port = freePort();
  await using audit = new Program(await requirePeer("ssh-audit"), {
    args: ["-c", "-p", `${port}`, "-t", "20"],
  });
  let report: string | null = null;
  while (report === null) {
    // It listens when it is ready, and answers one client with its report.
    await connect(`me@127.0.0.1:${port}`, { auth: [none()], hostKeys: () => true }).catch(() => {});
    report = await audit.waitFor(/algorithm recommendations|message authentication/, 500).then(
      () => audit.log,
      () => null,
    );
  }
  assertEquals(complaints(report), []);
});

await peerTest(["ssh-audit"], "ssh-audit does warn about what is off by default", async () => {
  await using server = await startOurs({
    algorithms: { kex: "+ecdh-sha2-nistp256", mac: "+hmac-sha2-256" },
  }, KEY_KINDS);
  const audit = await requirePeer("ssh-audit");
  const { text } = await run(audit, ["-p", `${server.port}`, "127.0.0.1"], { timeout: 60_000 });
  assertEquals(complaints(text).length > 0, true, text);
});
