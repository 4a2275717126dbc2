/** The server's proof of its identity: the key, the algorithm and the data of the signature. */
import { assert, assertEquals } from "@std/assert";
import { resolveSuite } from "../../lib/crypto/suite.ts";
import { plainMessage } from "../../lib/error_messages.ts";
import { DisconnectError, HostKeyError } from "../../lib/errors.ts";
import { generateKey, type PrivateKey, type Signer } from "../../lib/keys/mod.ts";
import type { PublicKey } from "../../lib/keys/public_key.ts";
import { decodeSignature, encodeSignature } from "../../lib/keys/signature.ts";
import { transportPair } from "./transport_pair.ts";
import { testKey } from "../support/keys.ts";

const rsa = await testKey("rsa");
const ecdsa = await generateKey("ecdsa-p256");
const ed25519 = await generateKey("ed25519");
const other = await generateKey("ed25519");

/** A key that signs with `sign`. */
function lying(key: PrivateKey, sign: Signer["sign"]): Signer {
  return { publicKey: key.publicKey, sign };
}

/** The signature with another algorithm's name. */
function relabelled(algorithm: string, signature: Uint8Array): Uint8Array {
  return encodeSignature({ ...decodeSignature(signature), algorithm });
}

const lies: Record<string, [algorithm: string, key: Signer]> = {
  "by rsa-sha2-256 where rsa-sha2-512 was agreed on": [
    "rsa-sha2-512",
    lying(rsa, (_, data) => rsa.sign("rsa-sha2-256", data)),
  ],
  "by rsa-sha2-512 where rsa-sha2-256 was agreed on": [
    "rsa-sha2-256",
    lying(rsa, (_, data) => rsa.sign("rsa-sha2-512", data)),
  ],
  "that is labelled rsa-sha2-256 where rsa-sha2-512 was agreed on": [
    "rsa-sha2-512",
    lying(rsa, (name, data) => relabelled("rsa-sha2-256", rsa.sign(name, data))),
  ],
  "that is labelled ssh-rsa": [
    "rsa-sha2-512",
    lying(rsa, (name, data) => relabelled("ssh-rsa", rsa.sign(name, data))),
  ],
  "by another key": [
    "ssh-ed25519",
    lying(ed25519, (algorithm, data) => other.sign(algorithm, data)),
  ],
  "by a key of another type": [
    "ssh-ed25519",
    lying(ed25519, (_, data) => ecdsa.sign("ecdsa-sha2-nistp256", data)),
  ],
  "over something else": [
    "ssh-ed25519",
    lying(ed25519, (algorithm, data) => ed25519.sign(algorithm, data.slice(1))),
  ],
};
for (const [name, [algorithm, key]] of Object.entries(lies)) {
  Deno.test(`A host key's signature ${name} is refused, and the policy is not called`, async () => {
    const judged: PublicKey[] = [];
    await using pair = transportPair({
      client: {
        suite: resolveSuite({ hostKey: [algorithm] }),
        verifyHostKey: (shown) => void judged.push(shown),
      },
      server: { hostKeys: [key] },
    });
    const [client, server] = await Promise.allSettled([
      pair.client.handshake(),
      pair.server.handshake(),
    ]);
    assert(client.status === "rejected" && client.reason instanceof HostKeyError, name);
    assertEquals([client.reason.reason, judged], ["signature", []]);
    const shown = key.publicKey.fingerprint();
    assertEquals([client.reason.host, client.reason.fingerprint], ["", shown]);
    assertEquals(
      plainMessage(client.reason),
      `The server does not hold the host key that it shows (${shown})`,
    );
    assert(server.status === "rejected" || pair.server.hostKey !== null);
    const told = await pair.server.closed;
    assert(told instanceof DisconnectError, String(told));
    assertEquals([told.by, told.reason], ["peer", 9]); // SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE
  });
}

Deno.test("A host key of a type that was not negotiated is refused despite a valid signature", async () => {
  // It claims to be an Ed25519 key until its bytes are read.
  const mask = new Proxy(ed25519.publicKey, {
    get(target, name) {
      if (name === "blob") return ecdsa.publicKey.blob;
      const value = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const sign: Signer["sign"] = (name, data) =>
    relabelled(name, ecdsa.sign("ecdsa-sha2-nistp256", data));
  await using pair = transportPair({
    client: { suite: resolveSuite({ hostKey: ["ssh-ed25519"] }) },
    server: { hostKeys: [{ publicKey: mask, sign }] },
  });
  pair.server.handshake().catch(() => {});
  pair.client.handshake().catch(() => {});
  const error = await pair.client.closed;
  assert(error instanceof HostKeyError, String(error));
  assertEquals(error.reason, "signature");
});

for (const algorithm of ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519", "ecdsa-sha2-nistp256"]) {
  Deno.test(`A host key that signs with the negotiated ${algorithm} is checked once`, async () => {
    const judged: string[] = [];
    await using pair = transportPair({
      client: {
        suite: resolveSuite({ hostKey: [algorithm] }),
        verifyHostKey: (shown) => void judged.push(shown.fingerprint()),
      },
      server: { hostKeys: [ed25519, ecdsa, rsa] },
    });
    await Promise.all([pair.client.handshake(), pair.server.handshake()]);
    assertEquals(pair.client.agreed?.hostKey, algorithm);
    await pair.server.rekey();
    assertEquals(judged, [pair.client.hostKey!.fingerprint()]);
  });
}

const renewals: [name: string, reason: string, later: Signer][] = [
  ["another key", "changed", other],
  ["a key of another type", "changed", ecdsa],
  [
    "a signature by another key",
    "signature",
    lying(ed25519, (name, data) => other.sign(name, data)),
  ],
];
for (const [name, reason, later] of renewals) {
  Deno.test(`A server that shows ${name} when keys are renewed is left`, async () => {
    const hostKeys: Signer[] = [ed25519];
    await using pair = transportPair({
      client: { suite: resolveSuite({ hostKey: ["ssh-ed25519", "ecdsa-sha2-nistp256"] }) },
      server: { hostKeys },
    });
    await Promise.all([pair.client.handshake(), pair.server.handshake()]);
    hostKeys[0] = later;
    const accepted = pair.server.rekey().then(() => "accepted", () => pair.client.closed);
    const error = await Promise.race([accepted, pair.client.closed]);
    assert(error instanceof HostKeyError, String(error));
    assertEquals(error.reason, reason);
    const told = await pair.server.closed;
    assert(told instanceof DisconnectError, String(told));
    assertEquals(told.reason, 9); // SSH_DISCONNECT_HOST_KEY_NOT_VERIFIABLE
  });
}
