/** The shared secret of a key exchange is wiped from memory after it, successful or not. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { KEX } from "../../lib/crypto/algorithms.ts";
import { type DirectionKeys, Opener, Sealer } from "../../lib/crypto/packet_cipher.ts";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { HostKeyError } from "../../lib/errors.ts";
import { MemoryWatch } from "../support/memory_watch.ts";
import { transportPair } from "./transport_pair.ts";

/** Keeps a copy, hidden from the watch, of every shared secret used to derive keys. */
function overheard(secrets: Uint8Array[]): Disposable {
  const before = [Sealer, Opener].map(({ prototype }) => ({ prototype, rekey: prototype.rekey }));
  for (const { prototype, rekey } of before) {
    prototype.rekey = function (this: never, keys: DirectionKeys) {
      // The kernels are warmed up with zeros.
      if (keys.secret.some((byte) => byte !== 0)) secrets.push(structuredClone(keys.secret));
      return Reflect.apply(rekey, this, [keys]);
    };
  }
  return {
    [Symbol.dispose]() {
      for (const { prototype, rekey } of before) prototype.rekey = rekey;
    },
  };
}

/** Counts the arrays that contain a secret, as hashed or as the bare number. */
function left(watch: MemoryWatch, secrets: readonly Uint8Array[]): number {
  return secrets.map((secret) => watch.count(secret) + watch.count(secret.subarray(-24)))
    .reduce((sum, count) => sum + count, 0);
}

for (const { name } of KEX) {
  Deno.test(`No copy of the shared secret is left after ${name}`, async () => {
    const secrets: Uint8Array[] = [];
    using _ = overheard(secrets);
    using watch = new MemoryWatch();
    const suite = resolveSuite({ kex: [name] });
    await using pair = transportPair({ client: { suite }, server: { suite } });
    await Promise.all([pair.client.handshake(), pair.server.handshake()]);
    assertEquals(secrets.length, 4);
    assertEquals(left(watch, secrets), 0);
  });
}

Deno.test("No copy of the shared secret is left if the host key is refused", async () => {
  const secrets: Uint8Array[] = [];
  using _ = overheard(secrets);
  using watch = new MemoryWatch();
  const refuse = () => Promise.reject(new HostKeyError("unknown", "", "", "refused"));
  {
    await using pair = transportPair({ client: { verifyHostKey: refuse } });
    const server = pair.server.handshake().catch(() => {});
    await assertRejects(() => pair.client.handshake(), HostKeyError, "refused");
    await server;
  }
  assert(secrets.length > 0);
  assertEquals(left(watch, secrets), 0);
});

Deno.test("The client's private value is freed after the exchange", async () => {
  const { method } = KEX.find(({ name }) => name === "curve25519-sha256")!;
  const { request } = method;
  const freed: boolean[] = [];
  Object.assign(method, {
    request: async (talk: Parameters<typeof request>[0]) => {
      const agreement = await request.call(method, talk);
      const initiate = () => {
        const ours = agreement.initiate();
        const dispose = ours[Symbol.dispose].bind(ours);
        ours[Symbol.dispose] = () => {
          freed.push(true);
          dispose();
        };
        return ours;
      };
      return { ...agreement, initiate };
    },
  });
  try {
    const suite = resolveSuite({ kex: ["curve25519-sha256"] });
    await using pair = transportPair({ client: { suite } });
    await Promise.all([pair.client.handshake(), pair.server.handshake()]);
    assertEquals(freed, [true]);
  } finally {
    Object.assign(method, { request });
  }
});

for (const end of ["it is sent", "the connection ends"]) {
  Deno.test(`The bytes of a message that waits for a key exchange are wiped when ${end}`, async () => {
    await using pair = transportPair();
    await Promise.all([pair.client.handshake(), pair.server.handshake()]);
    const secret = crypto.getRandomValues(new Uint8Array(40)).fill(2, 0, 1); // IGNORE
    using watch = new MemoryWatch();
    const { sink } = pair.client;
    sink.hold();
    sink.send(structuredClone(secret));
    assertEquals(watch.count(secret), 1);
    if (end === "it is sent") sink.release();
    else pair.client.disconnect();
    assertEquals(watch.count(secret), 0);
  });
}
