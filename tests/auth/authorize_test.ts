import { assert, assertEquals } from "@std/assert";
import { listsAddress } from "../../lib/auth/address_list.ts";
import { authorize, type KeyAttempt } from "../../lib/auth/authorize.ts";
import { Grant, type GrantOptions } from "../../lib/auth/grant.ts";
import {
  type CertificateOptions,
  generateKey,
  issueCertificate,
  type PublicKey,
} from "../../lib/keys/mod.ts";

using keyPair = await generateKey("ed25519");
using otherPair = await generateKey("ed25519");
const caPair = await generateKey("ed25519");
const [key, other, ca] = [keyPair.publicKey, otherPair.publicKey, caPair.publicKey];

function granted(text: string, attempt: Partial<KeyAttempt> = {}): Grant | null {
  return authorize(text, { user: "ann", key, address: "192.0.2.7", ...attempt });
}

function certificate(options: Partial<CertificateOptions> = {}): Promise<PublicKey> {
  const usual = { kind: "user", keyId: "test", principals: ["ann"] } as const;
  return issueCertificate(caPair, key, { ...usual, ...options });
}

Deno.test("authorize grants a listed key everything unless options say otherwise", () => {
  const grant = granted(`# comment\n${other}\n${key}\n`)!;
  assertEquals([grant.pty, grant.portForwarding, grant.agentForwarding, grant.x11Forwarding], [
    true,
    true,
    true,
    true,
  ]);
  assertEquals([grant.command, grant.permitOpen, grant.verifyRequired], [
    undefined,
    undefined,
    false,
  ]);
  assertEquals(granted(`${other}\n`), null);
  assertEquals(granted(""), null);
});

const flags: [string, Partial<Grant>][] = [
  ["no-pty", { pty: false, portForwarding: true }],
  ["restrict", { pty: false, portForwarding: false, agentForwarding: false, x11Forwarding: false }],
  ["restrict,pty", { pty: true, portForwarding: false }],
  ["pty,restrict", { pty: false }],
  ["no-pty,pty", { pty: true }],
  ["pty,no-pty", { pty: false }],
  ["pty,no-pty,pty", { pty: true }],
  ["No-Port-Forwarding", { portForwarding: false, pty: true }],
  ["no-agent-forwarding,no-X11-forwarding", { agentForwarding: false, x11Forwarding: false }],
  ["no-touch-required,verify-required", { noTouchRequired: true, verifyRequired: true }],
  ['command="echo \\"hi\\", you"', { command: 'echo "hi", you' }],
  ['permitopen="a:1",permitopen="b:*"', { permitOpen: ["a:1", "b:*"] }],
  ['permitlisten="8080",permitlisten="localhost:1"', { permitListen: ["8080", "localhost:1"] }],
  ["no-touch-required,touch-required,verify-required,no-verify-required", {
    noTouchRequired: false,
    verifyRequired: false,
  }],
  ["touch-required,no-touch-required,no-verify-required,verify-required", {
    noTouchRequired: true,
    verifyRequired: true,
  }],
  ['environment="A=1"', { environment: {} }],
];
for (const [options, expected] of flags) {
  Deno.test(`authorize applies the options ${options}`, () => {
    const grant = granted(`${options} ${key}`)!;
    for (const [name, value] of Object.entries(expected)) {
      assertEquals(grant[name as keyof Grant], value as never, name);
    }
  });
}

Deno.test("authorize grants the variables that may be set", () => {
  const options = 'environment="A=1",environment="B=x=y",environment="A=2",environment="9=z"';
  const variables = (maySet: KeyAttempt["maySet"]) =>
    granted(`${options} ${key}`, { maySet: maySet! })!.environment;
  assertEquals(variables(() => true), { A: "1", B: "x=y", 9: "z" });
  assertEquals(variables((name) => name === "B"), { B: "x=y" });
});

Deno.test("A certificate's forced command runs without the variables of an authorized_keys line", async () => {
  const forced = await certificate({ criticalOptions: { "force-command": "backup" } });
  const text = `cert-authority,environment="LD_PRELOAD=/tmp/x.so" ${ca}`;
  const attempt = { maySet: () => true };
  assertEquals(granted(text, { ...attempt, key: forced })?.environment, {});
  const free = await certificate();
  const { environment } = granted(text, { ...attempt, key: free })!;
  assertEquals(environment, { LD_PRELOAD: "/tmp/x.so" });
});

Deno.test("A grant's variables apply to its own command, and not to another grant's", () => {
  const [a, b] = [{ A: "1" }, { B: "2" }];
  const variables = (one: GrantOptions, other: GrantOptions) =>
    new Grant(one).and(new Grant(other))!.environment;
  assertEquals(variables({ environment: a }, { environment: b }), { ...a, ...b });
  assertEquals(variables({ environment: a, command: "x" }, { environment: b }), a);
  assertEquals(variables({ environment: a }, { environment: b, command: "x" }), b);
  const both = variables({ environment: a, command: "x" }, { environment: b, command: "x" });
  assertEquals(both, { ...a, ...b });
});

Deno.test("authorize uses the first line that accepts a key", () => {
  const text = `from="10.0.0.0/8",command="a" ${key}\ncommand="b" ${key}\ncommand="c" ${key}`;
  assertEquals(granted(text)?.command, "b");
  assertEquals(granted(text, { address: "10.1.2.3" })?.command, "a");
  assertEquals(granted(text, { address: null })?.command, "b");
});

const expiries: [string, boolean][] = [
  ["20260101Z", false],
  ["20260615Z", false],
  ["20260616Z", true],
  ["202606151200Z", true],
  ["202606151159Z", false],
  ["20260615120000Z", true],
  ["20260615115959Z", false],
  ["20270101", true],
  ["20250101", false],
  ["20261301Z", false],
  ["20260631Z", false],
  ["2026", false],
  ["never", false],
];
for (const [expiry, good] of expiries) {
  Deno.test(`authorize applies expiry-time="${expiry}"`, () => {
    const now = new Date(Date.UTC(2026, 5, 15, 12));
    assertEquals(granted(`expiry-time="${expiry}" ${key}`, { now }) !== null, good);
  });
}

Deno.test("authorize applies the earliest of several expiry-times", () => {
  const now = new Date(Date.UTC(2026, 5, 15, 12));
  const line = (first: string, last: string) =>
    `expiry-time="${first}",expiry-time="${last}" ${key}`;
  assert(granted(line("20260616Z", "20270101Z"), { now }));
  assertEquals(granted(line("20260615Z", "20270101Z"), { now }), null);
  assertEquals(granted(line("20270101Z", "20260615Z"), { now }), null);
});

const lists: [string, string, boolean][] = [
  ["192.0.2.7", "192.0.2.7", true],
  ["192.0.2.*", "192.0.2.7", true],
  ["192.0.2.?", "192.0.2.77", false],
  ["192.0.2.0/24", "192.0.2.7", true],
  ["192.0.2.0/24", "192.0.3.7", false],
  ["0.0.0.0/0", "8.8.8.8", true],
  ["192.0.2.7/32", "192.0.2.7", true],
  ["*,!192.0.2.7", "192.0.2.7", false],
  ["*,!192.0.2.7", "192.0.2.8", true],
  ["!192.0.2.8", "192.0.2.7", false],
  ["!192.0.2.0/24,*", "192.0.2.7", false],
  ["2001:db8::/32", "2001:db8:1::5", true],
  ["2001:db8::/32", "2001:db9::5", false],
  ["::1", "0:0:0:0:0:0:0:1", true],
  ["2001:DB8::1", "2001:db8:0:0::1", true],
  ["192.0.2.0/24", "::ffff:192.0.2.7", true],
  ["::ffff:192.0.2.7", "192.0.2.7", true],
  ["::/0", "192.0.2.7", false],
  ["0.0.0.0/0", "::1", false],
  // Numbers are read like inet_aton, as in sshd: octal after a 0, and the last number fills the
  // remaining bytes.
  ["010.0.0.1", "10.0.0.1", false],
  ["010.0.0.1", "8.0.0.1", true],
  ["010.0.0.0/8", "8.1.2.3", true],
  ["*,!0300.0.2.7", "192.0.2.7", false],
  ["0xc0.0.2.7", "192.0.2.7", true],
  ["0XC0000207", "192.0.2.7", true],
  ["192.519", "192.0.2.7", true],
  ["192.0.519", "192.0.2.7", true],
  ["10.0.0/8", "10.1.2.3", true],
  ["10/8", "10.1.2.3", false],
  ["255.255.255.255", "255.255.255.255", true],
  ["0", "0.0.0.0", true],
  ["08.0.0.1", "8.0.0.1", false],
  ["0x.0.0.1", "0.0.0.1", false],
  ["256.0.0.1", "1.0.0.1", false],
  ["1.0.0.256", "1.0.1.0", false],
  ["1.65536", "1.1.0.0", true],
  ["1.16777216", "2.0.0.0", false],
  ["4294967296", "0.0.0.0", false],
  ["8.0.0.1.", "8.0.0.1", false],
  ["1.2.3.4.5", "1.2.3.4", false],
  ["::ffff:010.0.0.1", "8.0.0.1", false],
  ["::1.2.3", "::1.2.0.3", false],
  ["::1.2.3.4", "::102:304", true],
  ["::1.2.3.256", "::102:400", false],
  ["::1.2.3.4.5", "::102:304", false],
  // A malformed list matches nothing, whatever else it contains.
  ["192.0.2.7/24", "192.0.2.7", false],
  ["*,192.0.2.0/33", "192.0.2.7", false],
  ["*,10.0.0.x/8", "192.0.2.7", false],
  ["", "192.0.2.7", false],
  ["*,", "192.0.2.7", false],
  ["1:2:3:4:5:6:7:8:9/1", "::1", false],
  ["1::2::3/64", "::1", false],
  ["1::2::3", "1::2", false],
  ["::1:2:3:4:5:6:7:8", "0:1:2:3:4:5:6:7", false],
  ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0", true],
];
for (const [list, address, listed] of lists) {
  Deno.test(`The list "${list}" has ${listed ? "" : "not "}${address}`, () => {
    assertEquals(listsAddress(list, address), listed);
  });
}

Deno.test("authorize accepts certificates by a line's authority, for the user or the principals", async () => {
  const good = await certificate();
  assert(granted(`cert-authority ${ca}`, { key: good }));
  assertEquals(granted(`${ca}`, { key: good }), null);
  assertEquals(granted(`${key}`, { key: good }), null, "a certificate is not its key");
  assertEquals(granted(`cert-authority ${ca}`), null, "nor the authority's line one for keys");
  assertEquals(granted(`cert-authority ${ca}`, { key: ca }), null);
  assertEquals(granted(`cert-authority ${other}`, { key: good }), null);
  assertEquals(granted(`cert-authority ${ca}`, { key: good, user: "bob" }), null);
  const line = `cert-authority,principals="staff,ann" ${ca}`;
  assert(granted(line, { key: good, user: "bob" }));
  assertEquals(granted(`cert-authority,principals="staff" ${ca}`, { key: good }), null);
});

const bad: [string, Partial<CertificateOptions>][] = [
  ["that has expired", { validBefore: new Date(1000) }],
  ["that is not valid yet", { validAfter: new Date(2 ** 42) }],
  ["of a host", { kind: "host" }],
  ["without principals", { principals: [] }],
  ["of somebody else", { principals: ["bob"] }],
  ["with a critical option that is unknown", { criticalOptions: { "dance@example.com": "" } }],
  ["for another address", { criticalOptions: { "source-address": "10.0.0.0/8" } }],
  ["for addresses by a wildcard", { criticalOptions: { "source-address": "192.0.2.7,*" } }],
  ["for addresses but some", { criticalOptions: { "source-address": "192.0.2.7,!10.0.0.1" } }],
  ["for addresses of which one is none", { criticalOptions: { "source-address": "192.0.2.7," } }],
];
for (const [name, options] of bad) {
  Deno.test(`authorize refuses a certificate ${name}`, async () => {
    assertEquals(granted(`cert-authority ${ca}`, { key: await certificate(options) }), null);
  });
}

Deno.test("authorize refuses a certificate for certain addresses to a client without one", async () => {
  const bound = await certificate({ criticalOptions: { "source-address": "0.0.0.0/0" } });
  const attempt = { key: bound };
  assert(granted(`cert-authority ${ca}`, attempt));
  assertEquals(granted(`cert-authority ${ca}`, { ...attempt, address: null }), null);
});

Deno.test("Each extension of a certificate grants one right", async () => {
  const rights = {
    "permit-pty": "pty",
    "permit-agent-forwarding": "agentForwarding",
    "permit-X11-forwarding": "x11Forwarding",
    "permit-port-forwarding": "portForwarding",
    "no-touch-required": "noTouchRequired",
  } as const;
  for (const [extension, right] of Object.entries(rights)) {
    const one = await certificate({ extensions: { [extension]: "" } });
    // A line cannot give the certificate's holder what the certificate does not.
    const grant = granted(`cert-authority,no-touch-required ${ca}`, { key: one })!;
    assertEquals(Object.values(rights).filter((name) => grant[name]), [right]);
  }
});

Deno.test("authorize grants what both the certificate and the line allow", async () => {
  const plain = await certificate({ extensions: { "permit-pty": "" } });
  const grant = granted(`cert-authority ${ca}`, { key: plain })!;
  assertEquals([grant.pty, grant.portForwarding, grant.agentForwarding], [true, false, false]);
  assertEquals(granted(`cert-authority,no-pty ${ca}`, { key: plain })?.pty, false);
  const forced = await certificate({
    criticalOptions: {
      "force-command": "uptime",
      "source-address": "192.0.2.0/24",
      "verify-required": "",
    },
  });
  const both = granted(`cert-authority ${ca}`, { key: forced })!;
  assertEquals([both.command, both.verifyRequired, both.x11Forwarding], ["uptime", true, true]);
  assertEquals(granted(`cert-authority,command="date" ${ca}`, { key: forced }), null);
  assertEquals(
    granted(`cert-authority,command="uptime" ${ca}`, { key: forced })?.command,
    "uptime",
  );
});
