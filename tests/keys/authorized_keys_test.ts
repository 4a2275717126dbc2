import { assert, assertEquals } from "@std/assert";
import { generateKey, parseAuthorizedKeys } from "../../lib/keys/mod.ts";
import { testKey } from "../support/keys.ts";

using key = await generateKey("ed25519", { comment: "me@home" });
using rsa = await testKey("rsa");
const mine = key.publicKey;

function options(prefix: string): Record<string, string> | null {
  const [entry] = parseAuthorizedKeys(`${prefix} ${mine}`);
  return entry === undefined ? null : Object.fromEntries(entry.options);
}

Deno.test("parseAuthorizedKeys reads keys, comments and blank lines", () => {
  const entries = parseAuthorizedKeys(`# team\n\n${mine}\r\n  ${rsa.publicKey}\n`);
  assertEquals(entries.length, 2);
  assert(entries[0]!.key.equals(mine));
  assertEquals(entries[0]!.key.comment, "me@home");
  assertEquals(entries[0]!.options.size, 0);
  assert(entries[1]!.key.equals(rsa.publicKey));
});

Deno.test("options have flags and quoted values", () => {
  assertEquals(options("no-pty"), { "no-pty": "" });
  assertEquals(options("restrict,pty,X11-Forwarding"), {
    restrict: "",
    pty: "",
    "x11-forwarding": "",
  });
  assertEquals(options('command="echo \\"hi, you\\" # all",no-pty'), {
    command: 'echo "hi, you" # all',
    "no-pty": "",
  });
  assertEquals(options('from="*.example.com,!bad.example.com"\t'), {
    from: "*.example.com,!bad.example.com",
  });
  assertEquals(options('command=""'), { command: "" });
  assertEquals(options('command="C:\\dir\\x"'), { command: "C:\\dir\\x" });
});

Deno.test("repeatable options keep every value, one per line", () => {
  assertEquals(options('permitopen="a:1",environment="A=1",permitopen="b:2"'), {
    permitopen: "a:1\nb:2",
    environment: "A=1",
  });
});

Deno.test("a line with an unknown option is skipped, since it may be a restriction", () => {
  const skipped = [
    "no-such-option",
    'no-such-option="1"',
    "command",
    'no-pty="yes"',
    'command="a",command="b"',
    'from="a",from="b"',
    'command="unfinished',
    "command=bare",
    'command="a"b',
    "no-pty,,restrict",
    "no-pty,",
    ",no-pty",
    "no-pty restrict",
    'command="a" no-pty',
    "__proto__",
    'constructor="x"',
  ];
  for (const prefix of skipped) assertEquals(options(prefix), null, prefix);
});

const values: [name: string, good: string[], malformed: string[]][] = [
  [
    "permitopen",
    ["h:22", "h:*", "*:22", "[::1]:22", ":22", "h:1", "h:65535", "h:022"],
    [
      "h",
      "22",
      "*",
      "h:",
      "h:0",
      "h:65536",
      "h:x",
      "h:-1",
      "h/22",
      "::1:22",
      "[::1]",
      "[::1",
      "h:1:2",
      "",
    ],
  ],
  ["permitlisten", ["22", "*", "h:22", "[::1]:*", "*:*"], ["h", "", "0", "65536", "[::1]", "h:x"]],
  ["expiry-time", ["20260101", "202601011200", "20260101120000Z"], [
    "",
    "2026",
    "20260132",
    "never",
  ]],
  ["environment", ["A=", "a_1=x=y", "9=z"], ["", "A", "=x", "A B=x", "A-B=x", " A=x"]],
  ["tunnel", ["0", "any", "ANY", "7"], ["", "x", "-1", "0:1"]],
];
for (const [name, good, malformed] of values) {
  Deno.test(`only the line whose ${name} is malformed is skipped`, () => {
    for (const value of good) {
      assertEquals(options(`${name}="${value}",pty`), { [name]: value, pty: "" }, value);
    }
    for (const value of malformed) assertEquals(options(`${name}="${value}"`), null, value);
    // Also one of several.
    for (const value of malformed) {
      assertEquals(options(`${name}="${good[0]}",${name}="${value}"`), null, value);
    }
    assertEquals(options(`${name}="${good[0]}",${name}="${good[1]}"`), {
      [name]: `${good[0]}\n${good[1]}`,
    });
  });
}

Deno.test("a certificate authority authorizes no plain key", () => {
  assertEquals(options("cert-authority"), null);
  assertEquals(options('cert-authority,principals="ann"'), null);
});

Deno.test("lines that are not keys are skipped, and the others are used", () => {
  const [type, base64] = mine.toString().split(" ");
  const text = [
    "hello",
    `${type}`,
    `${type} AAAA`,
    `ssh-rsa ${base64}`,
    "ssh-dss AAAAB3NzaC1kc3MAAACBAP",
    `no-pty ${type}`,
    "no-pty",
    '"',
    mine.toString(),
  ].join("\n");
  assertEquals(parseAuthorizedKeys(text).length, 1);
});

Deno.test("hostile option lines take at most linear time", () => {
  // Quadratic time would be hours.
  const hostile = [
    `command="${"\\".repeat(2e6)} ${mine}`,
    `command="${'\\"'.repeat(2e6)} ${mine}`,
    `${"a,".repeat(2e6)} ${mine}`,
    `${'"'.repeat(2e6)} ${mine}`,
  ];
  for (const line of hostile) assertEquals(parseAuthorizedKeys(line), []);
});

Deno.test("A flag that is repeated has its last place, because the last of contradictory ones counts", () => {
  const [entry] = parseAuthorizedKeys(`pty,restrict,no-x11-forwarding,pty ${mine}\n`);
  assertEquals([...entry!.options.keys()], ["restrict", "no-x11-forwarding", "pty"]);
});
