import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connect, none } from "@denossh/ssh";
import { parseTarget } from "../../lib/client/options.ts";

const TARGETS: [target: string, hostname: string, port: number | null, user: string | null][] = [
  ["example.com", "example.com", null, null],
  ["me@example.com", "example.com", null, "me"],
  ["me@example.com:2222", "example.com", 2222, "me"],
  ["ssh://me@example.com:2222/", "example.com", 2222, "me"],
  ["a@b@example.com", "example.com", null, "a@b"],
  ["a%40b@example.com", "example.com", null, "a%40b"],
  ["ssh://a%40b+c%2b@example.com:2222", "example.com", 2222, "a@b c+"],
  ["ssh://me;fingerprint=ssh-ed25519-1@example.com", "example.com", null, "me"],
  ["ssh://caf%C3%A9@[::1]:22", "::1", 22, "café"],
  ["::1", "::1", null, null],
  ["[::1]:22", "::1", 22, null],
  ["root@[fe80::1]", "fe80::1", null, "root"],
];
for (const [target, hostname, port, user] of TARGETS) {
  Deno.test(`parseTarget parses "${target}"`, () => {
    assertEquals(parseTarget(target), { hostname, port, user });
  });
}

for (
  const target of [
    "",
    "@host",
    "me@",
    "host name",
    "host:x",
    "-oProxyCommand=x",
    "a\nb",
    "ssh://@host",
    "ssh://%zz@host",
    "ssh://a%00@host",
    "ssh://a%@host",
  ]
) {
  Deno.test(`parseTarget refuses ${JSON.stringify(target)}`, () => {
    assertThrows(() => parseTarget(target), TypeError, "expected [user@]host[:port]");
  });
}

Deno.test("connect refuses invalid arguments immediately", async () => {
  const auth = [none()];
  const hostKeys = () => true;
  await assertRejects(() => connect("me@host:70000", { auth, hostKeys }), RangeError, "65535");
  await assertRejects(() => connect({ user: "me", auth, hostKeys }), TypeError, "No host");
  await assertRejects(
    () => connect("me@host", { auth, hostKeys, algorithms: { cipher: "rot13" } }),
    TypeError,
    'Unknown cipher algorithm "rot13"',
  );
  await assertRejects(
    () => connect("me@host", { auth, hostKeys: "ssh-ed25519 nonsense" }),
    Error,
  );
  await assertRejects(
    () => connect("me@host", { auth, hostKeys, signal: AbortSignal.abort(new Error("no")) }),
    Error,
    "no",
  );
});
