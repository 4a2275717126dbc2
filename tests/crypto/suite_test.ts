import { assertEquals, assertThrows } from "@std/assert";
import { resolveList, resolveSuite } from "../../lib/crypto/suite.ts";

const TABLE = ["a1", "a2", "b1", "b2"].map((name) => ({ name, default: name !== "b2" }));

/** A wish, and what is left of a1, a2 and b1, which are the defaults, and b2. */
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
  Deno.test(`the wish ${JSON.stringify(wish)} comes to ${expected}`, () => {
    assertEquals(resolveList("test", wish, TABLE), expected);
  });
}

Deno.test("unknown names and empty lists are refused with what is known", () => {
  for (const wish of ["c1", "+c1", "^c1", "a1,c1", "c*", "+!a1", "a.", "A1"]) {
    assertThrows(() => resolveList("test", wish, TABLE), TypeError, "known are a1, a2, b1, b2");
  }
  for (const wish of ["", ",", "-*", []]) {
    assertThrows(() => resolveList("test", wish, TABLE), TypeError, "is empty");
  }
});

Deno.test("what is not safe is off by default, and comes by its name", () => {
  const suite = resolveSuite();
  const all = [...suite.kex, ...suite.cipher, ...suite.mac, ...suite.hostKey, ...suite.userKey];
  assertEquals(all.filter((name) => /sha1|cbc|group1-|group14|ssh-rsa|ssh-dss/.test(name)), []);
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
