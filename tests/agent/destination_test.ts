/**
 * Keys with destinations: which keys a keyring lists and signs with, by the sessions that a client
 * has proved.
 */
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type AgentClient,
  connectAgent,
  type HostProof,
  type KeyDestination,
  Keyring,
  ProtocolError,
  RequestDeniedError,
} from "@denossh/ssh";
import { generateKey, issueCertificate, type PrivateKey, withCertificate } from "@denossh/ssh/keys";
import { encodeAddedKey } from "../../lib/agent/added_key.ts";
import { decodeDestinations, encodeDestinations } from "../../lib/agent/destination.ts";
import { HostBoundSigned, PublicKeySigned } from "../../lib/wire/requests.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { say } from "./world.ts";

const [A, B, authority, key] = await Promise.all(
  Array.from({ length: 4 }, () => generateKey("ed25519")),
) as [PrivateKey, PrivateKey, PrivateKey, PrivateKey];
const hostA = { hostname: "a", hostKeys: [A.publicKey] };
const hostB = { hostname: "b", hostKeys: [B.publicKey] };

const sessionOf = (seed: number) => new Uint8Array(32).fill(seed);

function proof(host: PrivateKey, seed = 1): HostProof {
  const sessionId = sessionOf(seed);
  return { hostKey: host.publicKey, sessionId, signature: host.sign("ssh-ed25519", sessionId) };
}

/** The data that a login signs; bound to the host key, if given. */
function login(options: { user?: string; seed?: number; host?: PrivateKey } = {}): Uint8Array {
  const { user = "ann", seed = 1, host } = options;
  const fields = {
    ...{ sessionId: sessionOf(seed), number: 50, user, service: "ssh-connection", signed: true },
    ...{ algorithm: "ssh-ed25519", publicKey: key.publicKey.blob },
  };
  return host === undefined
    ? PublicKeySigned.encode({ ...fields, method: "publickey" })
    : HostBoundSigned.encode({
      ...fields,
      method: "publickey-hostbound-v00@openssh.com",
      hostKey: host.publicKey.blob,
    });
}

/** Whether a client of a keyring sees the key, and gets the data signed. */
async function uses(client: AgentClient, data: Uint8Array): Promise<string> {
  const seen = (await client.identities()).length === 1 ? "seen" : "hidden";
  try {
    await client.sign(key.publicKey, "ssh-ed25519", data);
    return `${seen}, signs`;
  } catch (error) {
    if (error instanceof RequestDeniedError) return `${seen}, refuses`;
    throw error;
  }
}

type Hop = [host: PrivateKey, options?: { forwarding?: boolean }];
const forwarding = { forwarding: true };
const toA: KeyDestination = { to: hostA };
const fromAToB: KeyDestination = { from: hostA, to: { ...hostB, user: "ann*" } };

/** Destinations, the sessions that a client proves in order, the data to sign, the result. */
const cases: [string, KeyDestination[], Hop[], Uint8Array, string][] = [
  ["without a session", [toA], [], login(), "seen, refuses"],
  ["for the host that it is for", [toA], [[A]], login(), "seen, signs"],
  ["for that host, bound to it", [toA], [[A]], login({ host: A }), "seen, signs"],
  ["for another host", [toA], [[B]], login(), "hidden, refuses"],
  ["bound to another host than the session's", [toA], [[A]], login({ host: B }), "seen, refuses"],
  ["for another session", [toA], [[A]], login({ seed: 9 }), "seen, refuses"],
  ["of data that is not a login", [toA], [[A]], new Uint8Array(64), "seen, refuses"],
  ["of nothing", [toA], [[A]], new Uint8Array(0), "seen, refuses"],
  ["for the programs on that host", [toA], [[A, forwarding]], login(), "hidden, refuses"],
  [
    "for programs there, which may go on",
    [toA, fromAToB],
    [[A, forwarding]],
    login(),
    "seen, refuses",
  ],
  [
    "for the second hop",
    [toA, fromAToB],
    [[A, forwarding], [B]],
    login({ seed: 2, host: B }),
    "seen, signs",
  ],
  [
    "for the second hop, not bound to its host",
    [toA, fromAToB],
    [[A, forwarding], [B]],
    login({ seed: 2 }),
    "seen, refuses",
  ],
  [
    "for another user of the second hop",
    [toA, fromAToB],
    [[A, forwarding], [B]],
    login({ seed: 2, host: B, user: "bob" }),
    "seen, refuses",
  ],
  [
    "for the second hop when the first is not allowed",
    [fromAToB],
    [[A, forwarding], [B]],
    login({ seed: 2, host: B }),
    "hidden, refuses",
  ],
  [
    "for the second host from here",
    [toA, fromAToB],
    [[B]],
    login({ host: B }),
    "hidden, refuses",
  ],
  [
    "for a third hop",
    [toA, fromAToB],
    [[A, forwarding], [B, forwarding], [A]],
    login({ seed: 3, host: A }),
    "hidden, refuses",
  ],
];
for (const [name, destinations, hops, data, expected] of cases) {
  Deno.test(`A key with destinations ${name}: ${expected}`, async () => {
    using keyring = new Keyring();
    await using client = await connectAgent(keyring);
    await client.add(key, { destinations });
    for (const [at, [host, options]] of hops.entries()) {
      await client.bindSession(proof(host, at + 1), options);
    }
    assertEquals(await uses(client, data), expected);
  });
}

Deno.test("A key with destinations is hidden after a failed session proof, and from distant hosts", async () => {
  using keyring = new Keyring();
  keyring.add({ publicKey: key.publicKey, sign: key.sign.bind(key) }, { destinations: [toA] });
  await using liar = await connectAgent(keyring);
  const lie = { ...proof(A), sessionId: sessionOf(7) };
  await assertRejects(() => liar.bindSession(lie), RequestDeniedError);
  await using far = await connectAgent({ connect: () => keyring.connect({ forwarded: true }) });
  for (const client of [liar, far]) assertEquals(await uses(client, login()), "hidden, refuses");
  await assertRejects(() => liar.remove(key.publicKey), RequestDeniedError);
  assertEquals(keyring.identities().length, 1);
});

Deno.test("A program cannot sign with a key with destinations without binding a session", async () => {
  using keyring = new Keyring();
  keyring.add({ publicKey: key.publicKey, sign: key.sign.bind(key) }, { destinations: [toA] });
  const [signer] = keyring.identities();
  await assertRejects(async () => await signer!.sign("ssh-ed25519", login()), RequestDeniedError);
});

Deno.test("A host certificate is a destination if its authority is, for names that match", async () => {
  const certify = async (principals: string[], options = {}) => {
    const certificate = await issueCertificate(authority, B.publicKey, {
      ...{ kind: "host", keyId: "b", principals } as const,
      ...options,
    });
    const { publicKey, sign } = withCertificate(B, certificate);
    const sessionId = sessionOf(1);
    const signature = await sign(publicKey.algorithms[0]!, sessionId);
    return { hostKey: publicKey, sessionId, signature };
  };
  const authorities = [authority.publicKey];
  const past = { validAfter: new Date(1000), validBefore: new Date(2000) };
  for (
    const [hostname, host, expected] of [
      ["b.example", await certify(["b.example"]), "seen, signs"],
      ["*.example", await certify(["other", "b.example"]), "seen, signs"],
      ["b.example", await certify(["a.example"]), "hidden, refuses"],
      ["b.example", await certify(["b.example"], past), "hidden, refuses"],
      ["b.example", proof(B), "hidden, refuses"],
    ] as const
  ) {
    using keyring = new Keyring();
    await using client = await connectAgent(keyring);
    await client.add(key, { destinations: [{ to: { hostname, authorities } }] });
    await client.bindSession(host);
    assertEquals(await uses(client, login()), expected);
  }
});

Deno.test("A session proved twice counts once, and cannot be replaced by another", async () => {
  using keyring = new Keyring();
  await using client = await connectAgent(keyring);
  await client.bindSession(proof(A), forwarding);
  await client.bindSession(proof(A), forwarding);
  await assertRejects(() => client.bindSession(proof(B), forwarding), RequestDeniedError);
  await assertRejects(() => client.bindSession(proof(A)), RequestDeniedError);
  await client.bindSession(proof(B, 2));
});

Deno.test("A key has 1024 destinations at most, at both ends", () => {
  const places = (count: number) => Array.from({ length: count }, () => ({ to: hostA }));
  const most = encodeDestinations(places(1024));
  assertEquals(decodeDestinations(most).length, 1024);
  assertThrows(() => encodeDestinations(places(1025)), RangeError);
  const more = new Writer().bytes(most).bytes(encodeDestinations(places(1))).take();
  assertThrows(() => decodeDestinations(more), ProtocolError, "Too many destinations");
});

Deno.test("Empty destinations are refused at both ends", async () => {
  using keyring = new Keyring();
  await using client = await connectAgent(keyring);
  await assertRejects(() => client.add(key, { destinations: [] }), RangeError);
  assertThrows(() => keyring.add(key, { destinations: [] }), RangeError);
  const nameless = { hostname: "", hostKeys: [A.publicKey] };
  await assertRejects(() => client.add(key, { destinations: [{ to: nameless }] }), TypeError);
  await assertRejects(
    () => client.add(key, { destinations: [{ to: { hostname: "a", hostKeys: [] } }] }),
    TypeError,
  );

  const hop = (name: string, host: PrivateKey | null, more = "", user = "") => {
    const writer = new Writer().text(user).text(name).text(more);
    return (host === null ? writer : writer.string(host.publicKey.blob).bool(false)).take();
  };
  const way = (from: Uint8Array, to: Uint8Array, more = "") =>
    new Writer().string(new Writer().string(from).string(to).text(more).take()).take();
  const [here, there] = [hop("", null), hop("a", A)];
  const contents: [string, Uint8Array, number][] = [
    ["one that is whole", way(here, there), 6],
    ["none", new Uint8Array(0), 5],
    ["nowhere to go", way(here, hop("", null)), 5],
    ["a host without keys", way(here, hop("a", null)), 5],
    ["a host without a name", way(here, hop("", A)), 5],
    ["a start without keys", way(hop("a", null), there), 5],
    ["a start without a name", way(hop("", A), there), 5],
    ["a user of the start", way(hop("a", A, "", "ann"), there), 5],
    ["an extension of a host", way(here, hop("a", A, "more")), 5],
    ["an extension of the way", way(here, there, "more"), 5],
    ["bytes that are missing", way(here, there).slice(0, -1), 5],
    ["bytes that are too many", new Writer().bytes(way(here, there)).u8(0).take(), 5],
  ];
  const added = (constraint: Uint8Array) => {
    const message = new Writer().bytes(encodeAddedKey(key, {})).bytes(constraint).take();
    message[0] = 25; // ADD_ID_CONSTRAINED
    return new Writer().string(message).take();
  };
  for (const [name, content, answer] of contents) {
    const constraint = new Writer().u8(255).text("restrict-destination-v00@openssh.com")
      .string(content).take();
    assertEquals([...await say(keyring, added(constraint), 5)], [0, 0, 0, 1, answer], name);
    if (answer === 5) {
      assertThrows(() => decodeDestinations(content), ProtocolError, undefined, name);
    }
  }
  const unknown = new Writer().u8(255).text("sk-provider@openssh.com").text("internal").take();
  assertEquals([...await say(keyring, added(unknown), 5)], [0, 0, 0, 1, 5]);
});
