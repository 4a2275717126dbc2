/**
 * A key's rights: options of authorized_keys and extensions of certificates, on a server that allows
 * everything.
 */
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  AuthError,
  ChannelOpenError,
  type Client,
  connect,
  publicKey,
  RequestDeniedError,
} from "@denossh/ssh";
import {
  type CertificateOptions,
  generateKey,
  issueCertificate,
  type PublicKey,
  type Signer,
  withCertificate,
} from "@denossh/ssh/keys";
import {
  type AuthClient,
  authorizedKeys,
  type AuthorizedKeysOptions,
  Grant,
} from "@denossh/ssh/server";
import { type ByteStreams, memoryPair } from "@denossh/ssh/testing";
import { encodePtyRequest } from "../../lib/connection/session_requests.ts";
import { mayListen, mayOpen } from "../../lib/server/granted_forwards.ts";
import { serveStreams } from "../../lib/server/serve.ts";
import { AGENT_FORWARDING } from "../../lib/wire/numbers.ts";
import { X11Req } from "../../lib/wire/requests.ts";
import { serveInMemory } from "../support/fake_listener.ts";
import { tempFolder } from "../support/temp.ts";
import "../support/quick_refusals.ts";

const hostKey = await generateKey("ed25519");
const key = await generateKey("ed25519");
const other = await generateKey("ed25519");
const authority = await generateKey("ed25519");
const forward = { local: () => true, remote: () => true, agent: () => true, x11: () => true };

/** Logs in by a key, and disconnects. */
async function letsIn(
  policy: ReturnType<typeof authorizedKeys>,
  signer: Signer = key,
  use: (host: Client) => Promise<void> = async () => {},
  streams: [ByteStreams, ByteStreams] = memoryPair(),
): Promise<boolean> {
  const [near, far] = streams;
  const options = { hostKeys: [hostKey], auth: { publicKey: policy }, forward };
  await using _served = serveStreams(far, options, () => {});
  return await entered(near, signer, use);
}

async function entered(
  transport: ByteStreams,
  signer: Signer,
  use: (host: Client) => Promise<void> = async () => {},
): Promise<boolean> {
  try {
    await using host = await connect({
      transport,
      user: "ann",
      auth: [publicKey(signer)],
      hostKeys: hostKey.publicKey,
      config: false,
    });
    await use(host);
    return true;
  } catch (error) {
    if (error instanceof AuthError) return false;
    throw error;
  }
}

/** Whether a client from an address is accepted. */
async function letsInFrom(
  policy: ReturnType<typeof authorizedKeys>,
  signer: Signer,
  address: string,
): Promise<boolean> {
  await using server = serveInMemory({ hostKeys: [hostKey], auth: { publicKey: policy } });
  return await entered(server.dial(address), signer);
}

function certified(options: Partial<CertificateOptions> = {}): Promise<Signer> {
  const usual = { kind: "user", keyId: "test", principals: ["ann"] } as const;
  return issueCertificate(authority, key.publicKey, { ...usual, ...options })
    .then((certificate) => withCertificate(key, certificate));
}

/** Whether it succeeds, or is refused by the policy. */
async function isAllowed(trying: Promise<unknown>): Promise<boolean> {
  try {
    await trying;
    return true;
  } catch (error) {
    if (error instanceof RequestDeniedError) return false;
    // The port is closed, which shows that the server tried.
    if (error instanceof ChannelOpenError) return error.reason !== 1;
    throw error;
  }
}

/** Every right that a grant may remove, and whether the client has it. */
async function allowed(host: Client): Promise<Record<string, boolean>> {
  await using channel = await host.openSession();
  const x11 = { protocol: "MIT-MAGIC-COOKIE-1", cookie: "00", screen: 0, single: false };
  const listen = async () => {
    await using _listener = await host.listen({ hostname: "127.0.0.1", port: 0 });
  };
  return {
    pty: await isAllowed(channel.request("pty-req", encodePtyRequest({}))),
    agent: await isAllowed(channel.request(AGENT_FORWARDING.OPENSSH.request)),
    x11: await isAllowed(channel.request("x11-req", X11Req.encode(x11))),
    dial: await isAllowed(host.dial("/nonexistent/socket")),
    listen: await isAllowed(listen()),
  };
}

const all = { pty: true, agent: true, x11: true, dial: true, listen: true };
const nothing = { pty: false, agent: false, x11: false, dial: false, listen: false };
const options: [string, Partial<typeof all>][] = [
  ["", all],
  ["no-pty ", { ...all, pty: false }],
  ["no-agent-forwarding ", { ...all, agent: false }],
  ["no-X11-forwarding ", { ...all, x11: false }],
  ["no-port-forwarding ", { ...all, dial: false, listen: false }],
  ["restrict ", nothing],
  ["restrict,pty ", { ...nothing, pty: true }],
  ["restrict,agent-forwarding ", { ...nothing, agent: true }],
  ["restrict,X11-forwarding ", { ...nothing, x11: true }],
  ["restrict,port-forwarding ", { ...nothing, dial: true, listen: true }],
  ['permitopen="db:5432" ', { ...all, dial: false }],
  ['permitlisten="8080" ', { ...all, listen: false }],
  ['permitlisten="127.0.0.1:*" ', all],
];
for (const [words, expected] of options) {
  Deno.test(`A key with the options "${words}" has exactly those rights`, async () => {
    const policy = authorizedKeys(() => `${words}${key.publicKey}`);
    let found: unknown;
    assert(await letsIn(policy, key, async (host) => void (found = await allowed(host))));
    assertEquals(found, expected);
  });
}

Deno.test("No key has a right that the server does not allow", async () => {
  const no = () => false;
  for (const forward of [{}, { local: no, remote: no, agent: no, x11: no }]) {
    const [near, far] = memoryPair();
    const auth = { publicKey: authorizedKeys(() => `${key.publicKey}`) };
    await using _served = serveStreams(far, { hostKeys: [hostKey], auth, forward, pty: false });
    let found: unknown;
    assert(await entered(near, key, async (host) => void (found = await allowed(host))));
    assertEquals(found, nothing);
  }
});

const extensions: [string, Partial<typeof all>][] = [
  ["permit-pty", { pty: true }],
  ["permit-agent-forwarding", { agent: true }],
  ["permit-X11-forwarding", { x11: true }],
  ["permit-port-forwarding", { dial: true, listen: true }],
];
for (const [extension, expected] of extensions) {
  Deno.test(`A certificate with only ${extension} has only that right`, async () => {
    const signer = await certified({ extensions: { [extension]: "" } });
    const trusted = { authorities: [authority.publicKey] };
    for (
      const policy of [
        authorizedKeys(() => null, trusted),
        authorizedKeys(() => `cert-authority ${authority.publicKey}`),
      ]
    ) {
      let found: unknown;
      assert(await letsIn(policy, signer, async (host) => void (found = await allowed(host))));
      assertEquals(found, { ...nothing, ...expected });
    }
  });
}

Deno.test("Address restrictions refuse a client with an unknown address", async () => {
  const plain = await certified();
  const bound = await certified({ criticalOptions: { "source-address": "0.0.0.0/0,::/0" } });
  const trusted = authorizedKeys(() => null, { authorities: [authority.publicKey] });
  const listed = authorizedKeys(() => `cert-authority ${authority.publicKey}`);
  for (const policy of [trusted, listed]) {
    assertEquals([await letsIn(policy, plain), await letsIn(policy, bound)], [true, false]);
    assert(await letsInFrom(policy, bound, "192.0.2.1"));
  }
  const from = authorizedKeys(() => `from="*" ${key.publicKey}`);
  assert(!await letsIn(from));
  assert(await letsInFrom(from, key, "192.0.2.1"));
});

Deno.test("A certificate's source-address accepts only clients from there", async () => {
  const signer = await certified({ criticalOptions: { "source-address": "192.0.2.0/24" } });
  const policy = authorizedKeys(() => null, { authorities: [authority.publicKey] });
  assert(await letsInFrom(policy, signer, "192.0.2.255"));
  assert(!await letsInFrom(policy, signer, "192.0.3.0"));
});

Deno.test("A certificate needs an authority that is trusted, and a principal of the user", async () => {
  const signer = await certified();
  const allow = (options: AuthorizedKeysOptions) =>
    letsIn(authorizedKeys(() => "", options), signer);
  assert(!await allow({}));
  assert(!await allow({ authorities: [] }));
  assert(!await allow({ authorities: [other.publicKey] }));
  assert(await allow({ authorities: [other.publicKey, authority.publicKey] }));
  const authorities = [authority.publicKey];
  assert(!await allow({ authorities, principals: () => ["bob"] }));
  assert(!await allow({ authorities, principals: () => [] }));
  const asked: string[] = [];
  const principals = (user: string) => Promise.resolve([`${asked.push(user)}`, "ann"]);
  assert(await allow({ authorities, principals }));
  assertEquals(new Set(asked), new Set(["ann"]));
  // A key trusted as an authority cannot itself log in.
  const itself = authorizedKeys(() => "", { authorities: [key.publicKey] });
  assertEquals(await itself("ann", key.publicKey, { remoteAddr: null }), false);
});

Deno.test("authorized_keys comes before the authorities, whose certificates need no line", async () => {
  const signer = await certified();
  const trusted = { authorities: [authority.publicKey] };
  const text = `cert-authority,command="listed" ${authority.publicKey}`;
  const policy = authorizedKeys(() => text, trusted);
  const client = { remoteAddr: null };
  const grant = await policy("ann", signer.publicKey, client);
  assertEquals((grant as Grant).command, "listed");
  const free = await authorizedKeys(() => null, trusted)("ann", signer.publicKey, client);
  assertEquals((free as Grant).command, undefined);
});

Deno.test("revoked refuses a key, a certificate, its key and its authority", async () => {
  const signer = await certified();
  const text = `${key.publicKey}\n${other.publicKey}\ncert-authority ${authority.publicKey}`;
  const allow = (revoked: (key: PublicKey) => boolean | Promise<boolean>, by: Signer) =>
    letsIn(authorizedKeys(() => text, { revoked }), by);
  const named = (bad: PublicKey) => (shown: PublicKey) => shown.equals(bad);
  assert(await allow(() => false, key));
  assert(await allow(() => Promise.resolve(false), signer));
  assert(!await allow(named(key.publicKey), key));
  assert(await allow(named(key.publicKey), other));
  for (const bad of [key.publicKey, authority.publicKey, signer.publicKey]) {
    assert(!await allow(named(bad), signer), String(bad));
    assert(!await allow((shown) => Promise.resolve(shown.equals(bad)), signer));
  }
  assert(!await allow(() => undefined as unknown as boolean, key), "no answer is not a no");
});

Deno.test("authorizedKeys reads a file again for each attempt, or calls a function for the user's text", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("keys", `${key.publicKey}\n`);
  for (const source of [path, new URL(`file://${path}`)]) {
    await Deno.writeTextFile(path, `${key.publicKey}\n`);
    const policy = authorizedKeys(source);
    assert(await letsIn(policy));
    await Deno.writeTextFile(path, "");
    assert(!await letsIn(policy));
  }
  const users: string[] = [];
  const text = (user: string) => Promise.resolve(users.push(user) > 0 ? `${key.publicKey}` : null);
  assert(await letsIn(authorizedKeys(text)));
  assertEquals(new Set(users), new Set(["ann"]));
  assert(!await letsIn(authorizedKeys(() => null)));
  await assertRejects(
    () => authorizedKeys("/nonexistent/keys")("ann", key.publicKey, { remoteAddr: null }),
    Deno.errors.NotFound,
  );
});

Deno.test("A policy gets no address for transports without an IP address", async () => {
  const policy = authorizedKeys(() => `from="*" ${key.publicKey}`);
  const ask = (remoteAddr: Deno.Addr | null) => policy("ann", key.publicKey, { remoteAddr });
  assertEquals(await ask({ transport: "unix", path: "/run/x" }), false);
  assert(await ask({ transport: "tcp", hostname: "192.0.2.1", port: 1 }) instanceof Grant);
});

const opens: [string, string, number, boolean][] = [
  ["db:5432", "db", 5432, true],
  ["db:5432", "db", 5433, false],
  ["db:5432", "DB", 5432, false],
  ["db:5432", "db2", 5432, false],
  ["db:*", "db", 1, true],
  ["db:*", "web", 1, false],
  ["*:80", "any", 80, true],
  ["*:80", "any", 81, false],
  ["*:*", "any", 81, true],
  ["d*:80", "db", 80, false],
  ["80", "any", 80, true],
  ["[2001:db8::1]:80", "2001:db8::1", 80, true],
  ["[2001:db8::1]:80", "[2001:db8::1]", 80, false],
  ["2001:db8::1:80", "2001:db8::1", 80, false],
  ["db:", "db", 80, false],
  ["db:080", "db", 80, true],
  ["db:000080", "db", 80, false],
  ["db:8x", "db", 8, false],
  ["", "db", 0, false],
];
for (const [entry, hostname, port, expected] of opens) {
  Deno.test(`permitopen="${entry}" ${expected ? "has" : "does not have"} ${hostname} ${port}`, () => {
    const grant = new Grant({ permitOpen: ["nowhere:1", entry] });
    assertEquals(mayOpen(grant, { hostname, port }), expected);
    assertEquals(mayOpen(grant, { path: "/run/x" }), false);
  });
}

const listens: [string, string, number, boolean][] = [
  ["8080", "localhost", 8080, true],
  ["8080", "", 8080, true],
  ["8080", "", 8081, false],
  ["localhost:8080", "LOCALHOST", 8080, true],
  ["LOCALHOST:8080", "localhost", 8080, true],
  ["localhost:8080", "", 8080, false],
  ["local*:*", "localhost", 1, true],
  ["local*:*", "127.0.0.1", 1, false],
  ["*:0", "127.0.0.1", 0, true],
  ["[::1]:80", "::1", 80, true],
  [":80", "", 80, true],
];
for (const [entry, hostname, port, expected] of listens) {
  Deno.test(`permitlisten="${entry}" ${expected ? "has" : "does not have"} "${hostname}" ${port}`, () => {
    const grant = new Grant({ permitListen: ["nowhere:1", entry] });
    assertEquals(mayListen(grant, { hostname, port }), expected);
    assertEquals(mayListen(grant, { path: "/run/x" }), false);
  });
}

Deno.test("A grant without tunnels allows no address, and without lists every address", () => {
  const to = { hostname: "db", port: 80 };
  const socket = { path: "/run/x" };
  const none = new Grant({ portForwarding: false, permitOpen: ["*:*"], permitListen: ["*:*"] });
  assertEquals([mayOpen(none, to), mayListen(none, to)], [false, false]);
  const every = new Grant();
  assertEquals([mayOpen(every, to), mayListen(every, to)], [true, true]);
  assertEquals([mayOpen(every, socket), mayListen(every, socket)], [true, true]);
  const neither = new Grant({ permitOpen: [], permitListen: [] });
  assertEquals([mayOpen(neither, to), mayListen(neither, to)], [false, false]);
});

Deno.test("a file's variables are set if permitUserEnvironment names them", async () => {
  const text = `environment="LANG=C",environment="PATH=/x" ${key.publicKey}`;
  const cases: [permitted: unknown, set: Record<string, string>][] = [
    [undefined, {}],
    [false, {}],
    ["L*", { LANG: "C" }],
    ["*,!L*", { PATH: "/x" }],
    [true, { LANG: "C", PATH: "/x" }],
  ];
  for (const [permitted, set] of cases) {
    const options = permitted === undefined ? {} : { permitUserEnvironment: permitted };
    const policy = authorizedKeys(() => text, options as AuthorizedKeysOptions);
    const grant = await policy("ann", key.publicKey, { remoteAddr: null } as AuthClient);
    assert(grant instanceof Grant);
    assertEquals({ ...grant.environment }, set, `${permitted}`);
  }
  const number = { permitUserEnvironment: 1 as never };
  assertThrows(
    () => authorizedKeys(() => text, number),
    TypeError,
    "permitUserEnvironment must be",
  );
});
