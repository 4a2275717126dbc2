import { assertEquals, assertThrows } from "@std/assert";
import type { Algorithm } from "../../lib/crypto/algorithms.ts";
import { resolveList, resolveSuite } from "../../lib/crypto/suite.ts";

const TABLE: Algorithm[] = ["a1", "a2", "b1", "b2"]
  .map((name) => ({ name, preset: name === "b2" ? null : "strict" }));

/** A request, and the selected names out of a1, a2 and b1, which are the defaults, and b2. */
const WISHES: [string | string[] | undefined, string[]][] = [
  [undefined, ["a1", "a2", "b1"]],
  ["b2", ["b2"]],
  ["b2,a1", ["b2", "a1"]],
  [["b2", "a1"], ["b2", "a1"]],
  [" b2 , a1 ", ["b2", "a1"]],
  ["a1,a1", ["a1"]],
  ["+b2", ["a1", "a2", "b1", "b2"]],
  ["+a1", ["a1", "a2", "b1"]],
  [["+b2"], ["a1", "a2", "b1", "b2"]],
  ["^b2", ["b2", "a1", "a2", "b1"]],
  ["^b1,a2", ["b1", "a2", "a1"]],
  ["-a1", ["a2", "b1"]],
  ["-a*", ["b1"]],
  ["-?1", ["a2"]],
  ["-a*,!a2", ["a2", "b1"]],
  ["-nothing", ["a1", "a2", "b1"]],
  ["-b2", ["a1", "a2", "b1"]],
  ["b*", ["b1", "b2"]],
  ["*", ["a1", "a2", "b1", "b2"]],
  ["+b*", ["a1", "a2", "b1", "b2"]],
  ["^b?", ["b1", "b2", "a1", "a2"]],
];

for (const [wish, expected] of WISHES) {
  Deno.test(`the request ${JSON.stringify(wish)} selects ${expected}`, () => {
    assertEquals(resolveList("test", wish, TABLE), expected);
  });
}

Deno.test("unknown names and empty lists are refused, and the error lists the known names", () => {
  for (const wish of ["c1", "+c1", "^c1", "a1,c1", "c*", "+!a1", "a.", "A1"]) {
    assertThrows(() => resolveList("test", wish, TABLE), TypeError, "known are a1, a2, b1, b2");
  }
  for (const wish of ["", ",", "-*", []]) {
    assertThrows(() => resolveList("test", wish, TABLE), TypeError, "is empty");
  }
});

Deno.test("unsafe algorithms are off by default, and can be enabled by name", () => {
  const suite = resolveSuite();
  const all = [...suite.kex, ...suite.cipher, ...suite.mac, ...suite.hostKey, ...suite.userKey];
  assertEquals(
    all.filter((name) =>
      /sha1|cbc|group1-|group18|ssh-rsa$|ssh-rsa-cert|ssh-dss|umac|md5/.test(name)
    ),
    [],
  );
  assertEquals(suite.compression, ["none"]);
  const asked = resolveSuite({
    kex: "+*-sha1",
    cipher: "+*-cbc",
    mac: "+hmac-sha1*",
    hostKey: "+ssh-rsa",
    userKey: "+ssh-rsa",
    compression: "^zlib@openssh.com",
  });
  assertEquals(asked.kex.filter((name) => name.endsWith("sha1")).length, 3);
  assertEquals(asked.cipher.filter((name) => name.endsWith("cbc")).length, 4);
  assertEquals(asked.mac.slice(-2), ["hmac-sha1-etm@openssh.com", "hmac-sha1"]);
  assertEquals([asked.hostKey.at(-1), asked.userKey.at(-1)], ["ssh-rsa", "ssh-rsa"]);
  assertEquals(asked.compression, ["zlib@openssh.com", "none"]);
});

Deno.test("the defaults end with the algorithms that OpenSSH offers to old peers", () => {
  const { kex, mac, hostKey } = resolveSuite();
  assertEquals(kex.slice(-4), [
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group14-sha256",
  ]);
  assertEquals(mac.slice(-2), ["hmac-sha2-256", "hmac-sha2-512"]);
  assertEquals(hostKey.includes("ecdsa-sha2-nistp256"), true);
  assertEquals(kex[0], "mlkem768x25519-sha256");
});

Deno.test('the preset "strict" has none of that, in either form', () => {
  const strict = resolveSuite("strict");
  assertEquals(strict, resolveSuite({ preset: "strict" }));
  const all = [...strict.kex, ...strict.mac, ...strict.hostKey];
  assertEquals(all.filter((name) => /nistp|group14|^hmac-sha2-\d+$/.test(name)), []);
  assertEquals(strict.hostKey, ["ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"]);
  assertEquals(
    resolveSuite({ preset: "strict", mac: "+hmac-sha2-256" }).mac.at(-1),
    "hmac-sha2-256",
  );
  assertThrows(() => resolveSuite({ preset: "lax" as "strict" }), TypeError, '"lax"');
});
