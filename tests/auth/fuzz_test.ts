/** Random lists of keys, hosts and addresses. */
import { assert, assertEquals } from "@std/assert";
import { listsAddress } from "../../lib/auth/address_list.ts";
import { authorize } from "../../lib/auth/authorize.ts";
import { Grant } from "../../lib/auth/grant.ts";
import { mayListen, mayOpen } from "../../lib/server/granted_forwards.ts";
import { generateKey, issueCertificate } from "../../lib/keys/mod.ts";
import { KnownHosts } from "../../lib/known_hosts/mod.ts";
import { keeping } from "../corpus/corpus.ts";
import { fuzzTest, LONG, type Random } from "../support/random.ts";

const ROUNDS = 300 * LONG;

/** Joins random words, some of them cut. */
function disorder(random: Random, words: readonly string[], separators: readonly string[]): string {
  let text = "";
  for (let left = random(8); left >= 0; left--) {
    const word = words[random(words.length)]!;
    const cut = random(4) === 0 ? word.slice(random(word.length)) : word;
    text += cut + separators[random(separators.length)]!;
  }
  return text;
}

using key = await generateKey("ed25519");
using authority = await generateKey("ed25519");
const certificate = await issueCertificate(authority, key.publicKey, {
  kind: "user",
  keyId: "fuzz",
  principals: ["ann"],
});

fuzzTest("authorize survives any authorized_keys", async (random) => {
  const words = [
    ...["restrict", "pty", "no-pty", "cert-authority", 'from="10.0.0.0/8"', 'from="!*,', '"', "\\"],
    ...['command="x"', 'expiry-time="20260230"', 'principals=""', 'environment="=x"', 'tunnel="1"'],
    ...['permitopen="[::1]:*"', 'permitlisten=":"', `${key.publicKey}`, `${authority.publicKey}`],
    ...["ssh-ed25519", "#", "\0", "\u202e"],
  ];
  for (let round = 0; round < ROUNDS; round++) {
    const text = disorder(random, words, [",", " ", "\n", "\t", "=", ""]);
    await keeping("authorized_keys", text, () => {
      for (const shown of [key.publicKey, certificate]) {
        const grant = authorize(text, { user: "ann", key: shown, address: "192.0.2.1" });
        assert(grant === null || grant instanceof Grant);
        if (grant === null) continue;
        mayOpen(grant, { hostname: "a", port: 1 });
        mayListen(grant, { hostname: "", port: 0 });
      }
    });
  }
});

fuzzTest("address lists survive any text", async (random) => {
  const words = [
    "*",
    "!",
    "10.0.0.0/8",
    "::/0",
    "1.2.3.4",
    "::ffff:1.2.3.4",
    "/",
    "999.1.1.1",
    "fe80::1%eth0",
  ];
  const addresses = ["1.2.3.4", "::1", "fe80::1%eth0", "", "host", "1:2:3:4:5:6:7:8", "10.0.0.1"];
  for (let round = 0; round < ROUNDS; round++) {
    const list = disorder(random, words, [",", "", "!"]);
    const address = addresses[random(addresses.length)]!;
    await keeping("addresses", list, () => void listsAddress(list, address));
  }
});

fuzzTest("a forgotten host is unknown, and every other verdict is unchanged", async (random) => {
  const { publicKey } = key;
  const hashed = KnownHosts.line("db1", 22, publicKey, { hash: true });
  const words = [
    ...[
      "db1",
      "db2",
      "*",
      "d?1",
      "!db1",
      "!db2",
      "@revoked ",
      "@cert-authority ",
      "|1|",
      "#",
      "\r",
    ],
    ...[` ${publicKey}\n`, ` ${publicKey}\n`, `${hashed}\n`, "[db1]:22", "\n"],
  ];
  const hosts = ["db2", "db3", "dx1"];
  for (let round = 0; round < ROUNDS; round++) {
    const text = disorder(random, words, [",", "", " "]);
    await keeping("known_hosts", text, () => {
      const known = KnownHosts.parse(text);
      const after = known.without("db1", 22);
      assertEquals(after.keyTypes("db1", 22), []);
      for (const host of hosts) {
        const [one, two] = [known, after].map((each) => each.check(host, 22, publicKey).verdict);
        assertEquals(two, one, host);
      }
      const again = after.with("db1", 22, publicKey);
      const { verdict } = again.check("db1", 22, publicKey);
      assert(verdict === "trusted" || verdict === "revoked");
      assertEquals(KnownHosts.parse(again.toString()).toString(), again.toString());
    });
  }
});
