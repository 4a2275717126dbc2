/** The announcement of host keys at a client, with a stand-in for the server. */
import { assertEquals, assertRejects } from "@std/assert";
import { HostKeyError, ProtocolError } from "@denossh/ssh";
import { generateKey, issueCertificate, type PrivateKey, type PublicKey } from "@denossh/ssh/keys";
import { followHostKeys } from "../../lib/client/host_key_updates.ts";
import type { Connection } from "../../lib/connection/connection.ts";
import type { GlobalHandler } from "../../lib/connection/global_requests.ts";
import type { HostKeyPolicy } from "../../lib/known_hosts/host_key_policy.ts";
import type { Transport } from "../../lib/transport/transport.ts";
import { HOSTKEYS, HOSTKEYS_PROVE } from "../../lib/wire/numbers.ts";
import { HostKeyProved } from "../../lib/wire/requests.ts";
import { Reader } from "../../lib/wire/reader.ts";
import { Writer } from "../../lib/wire/writer.ts";
import { testKey } from "../support/keys.ts";

const [shown, other] = [await generateKey(), await generateKey("ecdsa-p256")];
const rsa = await testKey("rsa");
const sessionId = new Uint8Array(32).fill(7);
const host = { hostname: "db1", port: 22 };
const certificate = await issueCertificate(other, shown.publicKey, {
  kind: "host",
  keyId: "db1",
  principals: ["db1"],
});
const all = [shown.publicKey, other.publicKey, rsa.publicKey, certificate]
  .flatMap(({ algorithms }) => algorithms);

/** A list of blobs, as the server sends it. */
function listOf(blobs: readonly Uint8Array[]): Uint8Array {
  const list = new Writer();
  for (const blob of blobs) list.string(blob);
  return list.take();
}

type Update = NonNullable<HostKeyPolicy["update"]>;

/** A client, and the function that takes an announcement. */
function following(
  update: Update | undefined,
  answer: (data: Uint8Array) => Uint8Array | Promise<Uint8Array> = () => new Uint8Array(0),
) {
  let handler: GlobalHandler = () => null;
  const counts = { acknowledged: 0 };
  const connection = {
    handleGlobals(type: string, given: GlobalHandler) {
      assertEquals(type, HOSTKEYS);
      handler = given;
    },
    request(type: string, data: Uint8Array) {
      assertEquals(type, HOSTKEYS_PROVE);
      return Promise.resolve(answer(data));
    },
  };
  const transport = {
    host: { hostKey: shown.publicKey, sessionId },
    acknowledge: () => void counts.acknowledged++,
  };
  const policy = { verify: () => true, ...update && { update } };
  followHostKeys(
    connection as unknown as Connection,
    transport as unknown as Transport,
    { host, policy, algorithms: all },
  );
  return { counts, announce: (data: Uint8Array) => handler(data) };
}

/** The keys that reach the policy after an announcement. */
async function keysOf(announced: readonly Uint8Array[]): Promise<readonly PublicKey[]> {
  const seen = Promise.withResolvers<readonly PublicKey[]>();
  const { announce } = following((_host, _shown, keys) => seen.resolve(keys));
  announce(listOf(announced));
  return await seen.promise;
}

Deno.test("Each announced key reaches the policy once, without certificates and unknown types", async () => {
  const [a, b] = [shown.publicKey, other.publicKey];
  const unknown = new Writer().text("ssh-new").string(new Uint8Array(32)).take();
  const keys = await keysOf([a.blob, certificate.blob, b.blob, unknown, a.blob]);
  assertEquals(keys.map((key) => key.fingerprint()), [a.fingerprint(), b.fingerprint()]);
});

Deno.test("Announcements during an update are ignored, and later ones are not", async () => {
  const calls: PromiseWithResolvers<void>[] = [];
  const { announce, counts } = following(() => {
    calls.push(Promise.withResolvers());
    return calls.at(-1)!.promise;
  });
  const data = listOf([shown.publicKey.blob]);
  const isTaken = () => announce(data) !== null;
  assertEquals([isTaken(), isTaken(), calls.length], [true, false, 1]);
  const settle = async (end: () => void) => {
    end();
    await new Promise((resolve) => setTimeout(resolve));
  };
  await settle(() => calls[0]!.resolve());
  assertEquals([isTaken(), isTaken(), calls.length], [true, false, 2]);
  await settle(() => calls[1]!.reject(new Error("the disk is full")));
  assertEquals([isTaken(), calls.length], [true, 3]);
  await settle(() => calls[2]!.resolve());
  assertEquals(counts.acknowledged, 5); // of each one
  assertEquals(following(undefined).announce(data), null);
});

const list = listOf([shown.publicKey.blob]);
const lists: [name: string, data: Uint8Array, updates: number][] = [
  ["256 keys", listOf(Array(256).fill(shown.publicKey.blob)), 1],
  ["257 keys", listOf(Array(257).fill(shown.publicKey.blob)), 0],
  ["a key that is cut off", list.slice(0, -1), 0],
  ["a length that is cut off", new Uint8Array([...list, 0, 0]), 0],
  ["a length without a key", new Uint8Array([...list, 0, 0, 0, 9]), 0],
];
for (const [name, data, updates] of lists) {
  Deno.test(`An announcement of ${name} causes ${updates} updates`, async () => {
    let calls = 0;
    const { announce } = following(() => void calls++);
    announce(data);
    await new Promise((resolve) => setTimeout(resolve));
    assertEquals(calls, updates);
  });
}

/** Has keys proved with the signatures of `sign`, followed by `more` bytes. */
async function proved(
  keys: readonly PrivateKey[],
  sign: (key: PrivateKey, data: Uint8Array) => Uint8Array | Promise<Uint8Array>,
  more = 0,
): Promise<void> {
  const result = Promise.withResolvers<void>();
  const { announce } = following(
    (_host, _shown, announced, prove) => void prove(announced).then(result.resolve, result.reject),
    async (data) => {
      const asked = new Reader(data);
      const answer = new Writer();
      for (const key of keys) {
        const hostKey = asked.string();
        assertEquals(hostKey, key.publicKey.blob);
        const signed = HostKeyProved.encode({ purpose: HOSTKEYS_PROVE, sessionId, hostKey });
        answer.string(await sign(key, signed));
      }
      return answer.bytes(new Uint8Array(more)).take();
    },
  );
  announce(listOf(keys.map(({ publicKey }) => publicKey.blob)));
  await result.promise;
}

Deno.test("A server proves each key by a signature with it, but not with SHA-1", async () => {
  const sign = (key: PrivateKey, data: Uint8Array) => key.sign(key.publicKey.algorithms[0]!, data);
  await proved([shown, other, rsa], sign);
  await assertRejects(() => proved([shown, rsa], sign, 1), ProtocolError);
  const lies: [string, Parameters<typeof proved>[1]][] = [
    ["by another key", (_key, data) => sign(shown, data)],
    ["of other data", (key, data) => sign(key, data.with(0, 1))],
    ["with SHA-1", (key, data) => key === rsa ? rsa.sign("ssh-rsa", data) : sign(key, data)],
  ];
  for (const [name, lie] of lies) {
    await assertRejects(() => proved([other, rsa], lie), HostKeyError, "does not hold", name);
  }
});
