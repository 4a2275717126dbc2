/** Compares the expansion of expressions for lists of algorithms with `ssh -G`. */
import { assertEquals } from "@std/assert";
import { resolveList } from "../../../lib/crypto/suite.ts";
import { peerTest, requirePeer } from "../harness/peers.ts";
import { must } from "../../support/run.ts";

/** The keyword, and expressions that OpenSSH accepts for it. */
const EXPRESSIONS: Record<string, string[]> = {
  KexAlgorithms: [
    "curve25519-sha256",
    "ecdh-sha2-nistp521,curve25519-sha256",
    "+diffie-hellman-group1-sha1",
    "+curve25519-sha256",
    "-ecdh*",
    "-*sha1,*sha256",
    "-diffie*,!diffie-hellman-group18-sha512",
    "^diffie-hellman-group14-sha1,ecdh-sha2-nistp256",
    "-nosuch",
  ],
  Ciphers: [
    "aes128-cbc",
    "+3des-cbc,aes256-cbc",
    "-aes*",
    "-chacha20-poly1305@openssh.com",
    "^aes256-gcm@openssh.com",
    "-aes???-ctr",
  ],
  MACs: [
    "hmac-sha1,hmac-sha1",
    "+hmac-md5",
    "-*-etm@openssh.com",
    "-umac*,hmac-sha1*",
    "^hmac-sha2-512",
  ],
  HostKeyAlgorithms: ["ssh-*", "+ssh-r?a", "-*cert*", "^rsa-sha2-*", "-ecdsa*,sk-*", "ssh-ed25519"],
  PubkeyAcceptedAlgorithms: ["+ssh-rsa", "-*ecdsa*,!x", "^ssh-ed25519", "-sk-*"],
};

await peerTest(["ssh"], "Expressions expand as in ssh -G", async (t) => {
  const ssh = await requirePeer("ssh");
  const settled = async (keyword: string, value?: string) => {
    const option = value === undefined ? [] : ["-o", `${keyword}=${value}`];
    const { text } = await must(ssh, ["-G", "-F", "none", ...option, "host"]);
    const line = text.split("\n").find((line) => line.startsWith(`${keyword.toLowerCase()} `));
    return line!.slice(keyword.length + 1).split(",");
  };
  for (const [keyword, expressions] of Object.entries(EXPRESSIONS)) {
    const known = (await must(ssh, ["-Q", keyword])).text.trim().split("\n");
    const defaults = await settled(keyword);
    // The defaults first, in their order, then the others.
    const table = [...new Set([...defaults, ...known])].map((name) => ({
      name,
      preset: defaults.includes(name) ? "strict" as const : null,
    }));
    for (const expression of expressions) {
      await t.step(`${keyword} ${expression}`, async () => {
        const ours = resolveList(keyword, expression, table);
        const theirs = await settled(keyword, expression);
        // A wildcard expands in the order of an internal list, which differs between the two.
        const expands = !expression.startsWith("-") && /[*?]/.test(expression);
        const order = (names: string[]) => expands ? names.toSorted() : names;
        assertEquals(order(ours), order(theirs));
      });
    }
  }
});
